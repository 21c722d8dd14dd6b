"""HiGHS on a matrix problem: one thread, a gap, a time limit; the incumbent is kept."""

from dataclasses import dataclass

import highspy
import numpy as np
import numpy.typing as npt

from ems.dispatch.milp.compiled import MatrixProblem

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """What HiGHS found; `values` is None without any feasible point."""

    status: str
    values: Values | None
    objective: float | None
    gap_frac: float | None
    optimal: bool


def solve(problem: MatrixProblem, *, gap_frac: float, time_limit_s: float, shift: float = 0.0) -> Solution:
    """Solve a matrix problem; `shift` is added to the objective that the gap is relative to.

    The time limit is HiGHS's own; it is not always obeyed (HiGHS issues 885, 947, 2226), so the caller's
    process watches the wall clock as well.
    """
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("mip_rel_gap", gap_frac)
    solver.setOptionValue("time_limit", time_limit_s)
    solver.setOptionValue("random_seed", 0)
    solver.passModel(_highs_lp(problem, shift))
    solver.run()
    info = solver.getInfo()
    status = solver.getModelStatus()
    feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    return Solution(
        status=solver.modelStatusToString(status),
        values=np.asarray(solver.getSolution().col_value) if feasible else None,
        objective=info.objective_function_value - shift if feasible else None,
        gap_frac=_gap(info, integer=bool(problem.integer.any())) if feasible else None,
        optimal=status == highspy.HighsModelStatus.kOptimal,
    )


def _gap(info: highspy.HighsInfo, *, integer: bool) -> float:
    return float(info.mip_gap) if integer and np.isfinite(info.mip_gap) else 0.0


def _highs_lp(problem: MatrixProblem, shift: float) -> highspy.HighsLp:
    lp = highspy.HighsLp()
    lp.num_col_ = len(problem.cost)
    lp.num_row_ = len(problem.row_lower)
    lp.offset_ = problem.offset + shift
    lp.col_cost_ = problem.cost
    lp.col_lower_ = problem.lower
    lp.col_upper_ = problem.upper
    lp.row_lower_ = problem.row_lower
    lp.row_upper_ = problem.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = problem.starts
    lp.a_matrix_.index_ = problem.columns
    lp.a_matrix_.value_ = problem.coefficients
    kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
    lp.integrality_ = [kinds[int(integer)] for integer in problem.integer]
    return lp
