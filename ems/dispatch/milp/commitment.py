"""Commitment that is given before a solve: as a start that HiGHS may better, or fixed for the flows alone.

Only the counts of running units are given: starts, stops and whether any unit runs follow from them, other whole
numbers are HiGHS's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ems.dispatch.milp.compiled import CompiledModel, Indices, MatrixProblem, Values
from ems.dispatch.milp.solver import Start
from ems.dispatch.repair import Counts, Repair, repaired
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounding:
    """Columns of the counts that are decided in whole units, and their values."""

    columns: Indices
    values: Values


def rounded_counts(
    matrix: MatrixProblem,
    compiled: CompiledModel,
    repair: Repair,
    relaxed: Values,
    heights: Sequence[float],
) -> Rounding:
    """Return the relaxed counts, rounded up where they exceed a whole number by a class's height, and repaired."""
    counts = relaxed[compiled.variables["genset_on"]].reshape(-1, repair.n_steps)
    wanted = np.ceil(counts - np.asarray(heights)[:, np.newaxis])
    columns, values = _whole_counts(matrix, compiled, repair.repaired(wanted.astype(int).tolist()))
    return Rounding(columns=columns, values=values)


def with_counts(matrix: MatrixProblem, rounding: Rounding) -> MatrixProblem:
    """Return the problem with counts that are given."""
    lower, upper, integer = matrix.lower.copy(), matrix.upper.copy(), matrix.integer.copy()
    lower[rounding.columns] = upper[rounding.columns] = rounding.values
    integer[rounding.columns] = False
    return replace(matrix, lower=lower, upper=upper, integer=integer)


def with_rounded(
    matrix: MatrixProblem, compiled: CompiledModel, problem: PlanningProblem, relaxed: Values
) -> MatrixProblem:
    """Return the problem with its whole counts fixed: the relaxed ones rounded up, then repaired."""
    rounding = rounded_counts(matrix, compiled, Repair(problem), relaxed, [_WHOLE] * len(problem.gensets))
    fixed = with_counts(matrix, rounding)
    upper = fixed.upper.copy()
    # counts that are given may break a minimum time anywhere
    for name in ("genset_up_slack", "genset_down_slack"):
        upper[compiled.variables[name]] = np.inf
    return replace(fixed, upper=upper)


def _whole_counts(matrix: MatrixProblem, compiled: CompiledModel, counts: Counts) -> tuple[Indices, Values]:
    """Return the columns of the counts that are decided in whole units, and their values."""
    place = compiled.variables["genset_on"]
    whole = np.flatnonzero(matrix.integer[place])
    values = np.asarray(counts, dtype=np.float64).ravel()[whole]
    columns = (place.start + whole).astype(np.int32)
    return columns, np.minimum(values, matrix.upper[columns])
