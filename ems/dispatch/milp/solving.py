"""From a stated problem to commitment, flows and prices: the solves of one plan, over one linear problem in HiGHS."""

from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from ems.dispatch.milp.commitment import with_rounded
from ems.dispatch.milp.compiled import CompiledModel, MatrixProblem, Values
from ems.dispatch.milp.directions import both_at_once, one_way
from ems.dispatch.milp.objective import distance_frac, greatest_value
from ems.dispatch.milp.rounding import best_rounding
from ems.dispatch.milp.solver import (
    ColumnLimits,
    LinearProblem,
    LinearSolution,
    Solution,
    Start,
    limits_of,
    solve,
)
from ems.errors import DispatchError
from ems.model.problem import PlanningProblem

# the least time that a later part of a solve gets, s
LEAST_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """Flows with their prices, what HiGHS had proven about the counts, and the time that is left."""

    flows: LinearSolution
    proven: Solution
    left_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Solving:
    """A problem as a matrix; `measured` holds the figure per unit of each column that rows get a price in as well.

    `linear` is the matrix without its whole numbers. HiGHS's copy of it lives as long as this does.
    """

    matrix: MatrixProblem
    compiled: CompiledModel
    problem: PlanningProblem
    measured: Values
    linear: LinearProblem

    def rounded(self, *, time_limit_s: float) -> "Solving":
        """Return the same with the counts of its linear relaxation, rounded up and repaired.

        Raises:
            DispatchError: The relaxation was not solved in its time.
        """
        found = self.linear.solve(limits_of(self.matrix), time_limit_s=time_limit_s)
        if found.values is None:
            raise DispatchError(f"HiGHS ended with '{found.status}' on the linear relaxation of {self.problem.id}")
        return replace(self, matrix=with_rounded(self.matrix, self.compiled, self.problem, found.values))

    def solve(self, *, time_limit_s: float, start: Start | None = None) -> Solved:
        """Solve for commitment and flows; the flows may still charge and discharge at once."""
        if not self.matrix.integer.any():
            flows = self._flows_within(limits_of(self.matrix), time_limit_s=time_limit_s)
            return Solved(flows=flows, proven=flows.solution, left_s=time_limit_s)
        end = perf_counter() + time_limit_s
        solution = self._commitment(start, time_limit_s=time_limit_s)
        left_s = max(LEAST_S, end - perf_counter())
        return Solved(flows=self._priced(solution, time_limit_s=left_s), proven=solution, left_s=left_s)

    def apart(self, found: Solved) -> LinearSolution:
        """Return the flows with every direction and every count as it is; the gap is that to the bound of the solve."""
        values = found.flows.solution.values
        if values is None:
            return found.flows
        flows = self._flows(one_way(self.matrix, self.compiled, values), values, time_limit_s=found.left_s)
        gap_frac = self._gap_frac(flows.solution, found.proven)
        return replace(flows, solution=replace(flows.solution, optimal=False, gap_frac=gap_frac))

    def _commitment(self, start: Start | None, *, time_limit_s: float) -> Solution:
        """Return the counts: those of a rounding that is within the gap, else what HiGHS finds."""
        end = perf_counter() + time_limit_s
        if start is None:
            tried = best_rounding(self.matrix, self.compiled, self.problem, self.linear, time_limit_s=time_limit_s)
            if tried is not None and tried.solution is not None:
                return tried.solution
            start = None if tried is None else tried.start
            # a search may fill the memory, and the copy for the flows would stand beside it
            self.linear.release()
        return solve(
            self.matrix,
            gap_frac=self.problem.options.gap_frac,
            time_limit_s=max(LEAST_S, end - perf_counter()),
            threads=self.problem.options.threads,
            shift=greatest_value(self.problem),
            start=start,
        )

    def _priced(self, solution: Solution, *, time_limit_s: float) -> LinearSolution:
        """Solve for the flows of a solution's counts: exact, at least as good, and with a price on every row.

        An incumbent within the gap may charge and discharge at once where its counts do not ask for it. Where they
        do, the flows with one direction each are taken if they are within the gap as well; else the caller has to
        solve anew.
        """
        if solution.values is None:
            return LinearSolution(solution=solution)
        flows = self._flows(self.matrix, solution.values, time_limit_s=time_limit_s)
        if flows.solution.values is None:
            return LinearSolution(solution=solution)
        gap_frac = solution.gap_frac
        if both_at_once(self.compiled, flows.solution.values):
            closed = one_way(self.matrix, self.compiled, flows.solution.values)
            apart = self._flows(closed, solution.values, time_limit_s=time_limit_s)
            gap_frac = self._gap_frac(apart.solution, solution)
            if gap_frac is None or gap_frac > self.problem.options.gap_frac:
                return flows
            flows = apart
        return replace(
            flows, solution=replace(flows.solution, status=solution.status, gap_frac=gap_frac, optimal=solution.optimal)
        )

    def _flows(self, matrix: MatrixProblem, values: Values, *, time_limit_s: float) -> LinearSolution:
        """Solve for the flows alone, every whole number as it is in `values`: feasible by the slacks."""
        counted = np.round(values)
        limits = ColumnLimits(
            lower=np.where(matrix.integer, counted, matrix.lower),
            upper=np.where(matrix.integer, counted, matrix.upper),
        )
        return self._flows_within(limits, time_limit_s=time_limit_s)

    def _flows_within(self, limits: ColumnLimits, *, time_limit_s: float) -> LinearSolution:
        return self.linear.solve_priced(limits, measured=self.measured, time_limit_s=time_limit_s)

    def _gap_frac(self, found: Solution, proven: Solution) -> float | None:
        """Return how far a solution may be from the optimum, by the bound of another, None where nothing is proven."""
        if found.objective is None or proven.bound is None:
            return None
        return distance_frac(found.objective, proven.bound, self.problem)
