"""HiGHS on a matrix problem: a gap, a time limit, a start; the incumbent is kept, and flows have prices."""

from dataclasses import dataclass, replace
from typing import Final

import highspy
import numpy as np
import numpy.typing as npt

from ems.dispatch.milp.compiled import Indices, MatrixProblem
from ems.errors import DispatchError

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """What HiGHS found; `values` is None without any feasible point."""

    status: str
    values: Values | None
    objective: float | None
    gap_frac: float | None
    optimal: bool
    # what no solution undercuts, None where nothing is proven
    bound: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearSolution:
    """The optimum of a problem without integers, and what a unit more of each row's limit changes.

    `row_cost` is the change of the objective, `row_measured` that of the measured sum; None without an optimal basis.
    """

    solution: Solution
    row_cost: Values | None = None
    row_measured: Values | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Values of some whole columns to begin with; HiGHS completes them by solving for the others."""

    columns: Indices
    values: Values


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnLimits:
    """What each column may be at least and at most."""

    lower: Values
    upper: Values


# problems whose pool of cuts and search tree would take more memory than the rest of the controller
_MANY_ROWS: Final = 10_000
_LEAN: Final = {"mip_pool_soft_limit": 1000, "mip_pool_age_limit": 5, "mip_lp_age_limit": 3}


@dataclass(slots=True)
class _Scheduler:
    """HiGHS keeps the threads of the first solve of a process until its scheduler is reset."""

    threads: int = 0

    def use(self, threads: int) -> None:
        if self.threads not in (0, threads):
            highspy.Highs.resetGlobalScheduler(True)
        self.threads = threads


_SCHEDULER = _Scheduler()


def solve(
    problem: MatrixProblem,
    *,
    gap_frac: float,
    time_limit_s: float,
    threads: int = 1,
    shift: float = 0.0,
    start: Start | None = None,
) -> Solution:
    """Solve a matrix problem; `shift` is added to the objective that the gap is relative to.

    The time limit is HiGHS's own; it is not always obeyed (HiGHS issues 885, 947, 2226), so the caller's
    process watches the wall clock as well.
    """
    solver = highs_of(problem, time_limit_s=time_limit_s, threads=threads, shift=shift)
    solver.setOptionValue("mip_rel_gap", gap_frac)
    if start is not None:
        solver.setSolution(len(start.columns), start.columns, start.values)
    solver.run()
    return _solution(solver, integer=bool(problem.integer.any()), shift=shift)


class LinearProblem:
    """A problem without its whole numbers, solved for one set of limits of its columns after the other.

    HiGHS gets it once, at the first solve; each further solve begins with the last one's basis, which stays dual
    feasible when only limits change.
    """

    def __init__(self, problem: MatrixProblem, *, threads: int = 1) -> None:
        self._problem = replace(problem, integer=np.zeros_like(problem.integer))
        self._threads = threads
        self._limits = limits_of(problem)
        self._solver: highspy.Highs | None = None

    def solve(self, limits: ColumnLimits, *, time_limit_s: float) -> Solution:
        """Return the cheapest flows within limits."""
        return _solution(self._run(limits, time_limit_s=time_limit_s), integer=False)

    def solve_priced(self, limits: ColumnLimits, *, measured: Values, time_limit_s: float) -> LinearSolution:
        """Return the cheapest flows with the prices of their rows; `measured` is a figure per unit of each column.

        With the optimal basis B a unit more on row i changes the measured sum by y_i, where y solves
        B^T y = figures of the basic columns: the same step that gives the prices of the rows from their costs.
        """
        solver = self._run(limits, time_limit_s=time_limit_s)
        solution = _solution(solver, integer=False)
        if not solution.optimal or solution.values is None:
            return LinearSolution(solution=solution)
        return LinearSolution(
            solution=solution,
            row_cost=np.asarray(solver.getSolution().row_dual),
            row_measured=_by_basis(solver, measured),
        )

    def release(self) -> None:
        """Free HiGHS's copy; the next solve hands the problem over again."""
        self._solver = None

    def _run(self, limits: ColumnLimits, *, time_limit_s: float) -> highspy.Highs:
        if self._solver is None:
            begun = replace(self._problem, lower=limits.lower, upper=limits.upper)
            self._solver = highs_of(begun, time_limit_s=time_limit_s, threads=self._threads)
        else:
            changed = np.flatnonzero((limits.lower != self._limits.lower) | (limits.upper != self._limits.upper))
            self._solver.changeColsBounds(
                len(changed), changed.astype(np.int32), limits.lower[changed], limits.upper[changed]
            )
        self._limits = limits
        # the limit is on the time of all solves together
        self._solver.setOptionValue("time_limit", self._solver.getRunTime() + time_limit_s)
        self._solver.run()
        return self._solver


def limits_of(problem: MatrixProblem) -> ColumnLimits:
    """Return the limits that a problem's columns have."""
    return ColumnLimits(lower=problem.lower, upper=problem.upper)


def highs_of(problem: MatrixProblem, *, time_limit_s: float, threads: int, shift: float = 0.0) -> highspy.Highs:
    """Return HiGHS with a problem and the engine's options, not yet run."""
    _SCHEDULER.use(threads)
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", threads)
    solver.setOptionValue("time_limit", time_limit_s)
    solver.setOptionValue("random_seed", 0)
    if len(problem.row_lower) > _MANY_ROWS:
        for option, value in _LEAN.items():
            solver.setOptionValue(option, value)
    _pass_model(solver, problem, shift)
    return solver


def _solution(solver: highspy.Highs, *, integer: bool, shift: float = 0.0) -> Solution:
    info, status = solver.getInfo(), solver.getModelStatus()
    feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    return Solution(
        status=solver.modelStatusToString(status),
        values=np.asarray(solver.getSolution().col_value) if feasible else None,
        objective=info.objective_function_value - shift if feasible else None,
        gap_frac=_gap(info, integer=integer) if feasible else None,
        optimal=status == highspy.HighsModelStatus.kOptimal,
        bound=_bound(info, integer=integer, shift=shift),
    )


def _by_basis(solver: highspy.Highs, measured: Values) -> Values | None:
    """Return y with B^T y = figures of the basic variables; a basic row (a negative number) has none."""
    status, basic = solver.getBasicVariables()
    if status != highspy.HighsStatus.kOk:
        return None
    figures = np.where(basic >= 0, measured[np.maximum(basic, 0)], 0.0)
    status, change = solver.getBasisTransposeSolve(figures)
    return np.asarray(change) if status == highspy.HighsStatus.kOk else None


def _gap(info: highspy.HighsInfo, *, integer: bool) -> float:
    return float(info.mip_gap) if integer and np.isfinite(info.mip_gap) else 0.0


def _bound(info: highspy.HighsInfo, *, integer: bool, shift: float) -> float | None:
    bound = info.mip_dual_bound if integer else info.objective_function_value
    return float(bound) - shift if np.isfinite(bound) else None


def _pass_model(solver: highspy.Highs, problem: MatrixProblem, shift: float) -> None:
    """Hand the arrays over as they are: as attributes of a HighsLp they would be copied number by number.

    Raises:
        DispatchError: HiGHS does not take the problem.
    """
    status = solver.passModel(
        len(problem.cost),
        len(problem.row_lower),
        len(problem.coefficients),
        int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMinimize),
        problem.offset + shift,
        problem.cost,
        problem.lower,
        problem.upper,
        problem.row_lower,
        problem.row_upper,
        problem.starts,
        problem.columns,
        problem.coefficients,
        problem.integer.astype(np.int32) * int(highspy.HighsVarType.kInteger),
    )
    if status == highspy.HighsStatus.kError:
        raise DispatchError("HiGHS does not take the problem: a number in it is not finite or far out of range")
