"""Commitment that is given before a solve: as a start that HiGHS may better, or fixed for the flows alone.

Only the counts of running units are given: starts, stops and whether any unit runs follow from them, other whole
numbers are HiGHS's.
"""

from dataclasses import replace

import numpy as np

from ems.dispatch.milp.compiled import CompiledModel, Indices, MatrixProblem, Values
from ems.dispatch.milp.solver import Start
from ems.dispatch.repair import Counts, repaired
from ems.model.problem import PlanningProblem

# a relaxed count within this of a whole number is that number
_WHOLE = 0.02


def shifted_start(matrix: MatrixProblem, compiled: CompiledModel, problem: PlanningProblem) -> Start | None:
    """Return the previous plan's commitment, repaired for this problem; None where there is none for the whole grid."""
    previous = {commitment.id: commitment.n_on for commitment in problem.previous}
    wanted = [previous.get(genset.id, ()) for genset in problem.gensets]
    if not wanted or any(len(n_on) < problem.grid.n_steps for n_on in wanted):
        return None
    columns, values = _whole_counts(matrix, compiled, repaired(problem, wanted))
    return Start(columns=columns, values=values) if len(columns) else None


def with_rounded(
    matrix: MatrixProblem, compiled: CompiledModel, problem: PlanningProblem, relaxed: Values
) -> MatrixProblem:
    """Return the problem with its whole counts fixed: the relaxed ones rounded up, then repaired."""
    wanted = np.ceil(relaxed[compiled.variables["genset_on"]].reshape(-1, problem.grid.n_steps) - _WHOLE)
    counts = repaired(problem, wanted.astype(int).tolist())
    columns, values = _whole_counts(matrix, compiled, counts)
    lower, upper, integer = matrix.lower.copy(), matrix.upper.copy(), matrix.integer.copy()
    lower[columns] = upper[columns] = values
    # counts that are given may break a minimum time anywhere
    for name in ("genset_up_slack", "genset_down_slack"):
        upper[compiled.variables[name]] = values.max(initial=0.0)
    integer[columns] = False
    return replace(matrix, lower=lower, upper=upper, integer=integer)


def _whole_counts(matrix: MatrixProblem, compiled: CompiledModel, counts: Counts) -> tuple[Indices, Values]:
    """Return the columns of the counts that are decided in whole units, and their values."""
    place = compiled.variables["genset_on"]
    whole = np.flatnonzero(matrix.integer[place])
    values = np.asarray(counts, dtype=np.float64).ravel()[whole]
    columns = (place.start + whole).astype(np.int32)
    return columns, np.minimum(values, matrix.upper[columns])
