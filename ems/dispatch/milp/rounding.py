"""Commitments of large problems from their linear relaxation: rounded at several heights, repaired, the cheapest kept.

HiGHS spends seconds on a large problem before its first good commitment, while the bound of the relaxation is within
a tenth of a per cent of the optimum. A rounding that is within the gap of that bound needs no search; one that is not
is where the search begins (decision 0019).
"""

from dataclasses import dataclass
from time import perf_counter
from typing import Final

import numpy as np

from ems.dispatch.milp.commitment import Rounding, rounded_counts, with_counts
from ems.dispatch.milp.compiled import CompiledModel, MatrixProblem, Values
from ems.dispatch.milp.objective import distance_frac
from ems.dispatch.milp.solver import LinearProblem, Solution, Start, limits_of
from ems.dispatch.repair import Repair
from ems.model.problem import PlanningProblem

# below this many rows the search is as quick
_LARGE_ROWS: Final = 4000
# a smaller gap is not reached by rounding
_LEAST_GAP_FRAC: Final = 0.002
# shares of a unit above which a relaxed count is rounded up: for all classes, then for one class after the other
_HEIGHTS: Final = (0.2, 0.3, 0.4, 0.5)
_OWN_HEIGHTS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
# a rounding within this part of the gap is not bettered
_AMPLE: Final = 0.25

_Heights = tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """The cheapest rounding: a solution where it is within the gap, else where the search begins."""

    solution: Solution | None
    start: Start


def best_rounding(
    matrix: MatrixProblem,
    compiled: CompiledModel,
    problem: PlanningProblem,
    linear: LinearProblem,
    *,
    time_limit_s: float,
) -> Tried | None:
    """Return the cheapest rounding of a large problem; None where it is not tried or no rounding is feasible.

    `linear` is the matrix without its whole numbers.
    """
    if not _worth_trying(matrix, compiled, problem):
        return None
    end = perf_counter() + time_limit_s
    relaxed = linear.solve(limits_of(matrix), time_limit_s=time_limit_s)
    if relaxed.values is None or not relaxed.optimal:
        return None
    search = _Search(matrix, compiled, problem, linear, relaxed, end=end)
    n_classes = len(problem.gensets)
    for height in _HEIGHTS:
        if search.gap_frac > _AMPLE * problem.options.gap_frac:
            search.consider((height,) * n_classes)
    for c in range(n_classes):
        for height in _OWN_HEIGHTS:
            if search.best is None or search.gap_frac <= problem.options.gap_frac:
                break
            search.consider(tuple(height if k == c else h for k, h in enumerate(search.best.heights_frac)))
    return search.result()


def _worth_trying(matrix: MatrixProblem, compiled: CompiledModel, problem: PlanningProblem) -> bool:
    """Return whether a problem is large, and its only whole numbers are the counts of units that run."""
    whole = np.flatnonzero(matrix.integer)
    counts = compiled.variables["genset_on"]
    return (
        len(matrix.row_lower) >= _LARGE_ROWS
        and problem.options.gap_frac >= _LEAST_GAP_FRAC
        and len(whole) > 0
        and bool(((whole >= counts.start) & (whole < counts.stop)).all())
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    heights_frac: _Heights
    rounding: Rounding
    values: Values
    cost: float


class _Search:
    """The cheapest commitment among the heights that were considered; each is a linear problem, solved once."""

    def __init__(
        self,
        matrix: MatrixProblem,
        compiled: CompiledModel,
        problem: PlanningProblem,
        linear: LinearProblem,
        relaxed: Solution,
        *,
        end: float,
    ) -> None:
        self._matrix = matrix
        self._compiled = compiled
        self._problem = problem
        self._linear = linear
        self._repair = Repair(problem)
        self._relaxed = relaxed
        self._end = end
        self._known: set[bytes] = set()
        self.best: _Found | None = None

    @property
    def gap_frac(self) -> float:
        """Return how far the best is above the bound, relative to what HiGHS's own gap is relative to."""
        if self.best is None or self._relaxed.objective is None:
            return float("inf")
        return distance_frac(self.best.cost, self._relaxed.objective, self._problem)

    def consider(self, heights: _Heights) -> None:
        """Solve for the flows of one rounding and keep it if it is the cheapest; minimum times may not allow it."""
        left_s = self._end - perf_counter()
        if left_s <= 0.0 or self._relaxed.values is None:
            return
        rounding = rounded_counts(self._matrix, self._compiled, self._repair, self._relaxed.values, heights)
        if rounding.values.tobytes() in self._known:
            return
        self._known.add(rounding.values.tobytes())
        found = self._linear.solve(limits_of(with_counts(self._matrix, rounding)), time_limit_s=left_s)
        if found.values is None or found.objective is None or not found.optimal:
            return
        if self.best is None or found.objective < self.best.cost:
            self.best = _Found(heights_frac=heights, rounding=rounding, values=found.values, cost=found.objective)

    def result(self) -> Tried | None:
        """Return what the search has found."""
        if self.best is None:
            return None
        start = Start(columns=self.best.rounding.columns, values=self.best.rounding.values)
        if self.gap_frac > self._problem.options.gap_frac:
            return Tried(solution=None, start=start)
        solution = Solution(
            status="rounding of the relaxation, within the gap",
            values=self.best.values,
            objective=self.best.cost,
            gap_frac=self.gap_frac,
            optimal=True,
            bound=self._relaxed.objective,
        )
        return Tried(solution=solution, start=start)
