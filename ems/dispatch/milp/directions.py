"""Keeps the charging and discharging of a pool apart without a binary for each pool and step.

Losses make both at once a waste that no optimum wants, except where power has to be got rid of: sets at their
minimum and a full store. Where the optimum has both, the problem is solved again with a binary in every step.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ems.dispatch.milp.compiled import CompiledModel, MatrixProblem, Values

# below this both at once is rounding
_BOTH_KW = 1e-4
_Flags = npt.NDArray[np.bool_]


def both_at_once(compiled: CompiledModel, values: Values) -> bool:
    """Return whether any pool charges and discharges in the same step."""
    return bool((np.minimum(*_flows(compiled, values)) > _BOTH_KW).any())


def one_way(matrix: MatrixProblem, compiled: CompiledModel, values: Values) -> MatrixProblem:
    """Return the problem with one direction open for every pool and step: the one that is greater."""
    charge, discharge = _flows(compiled, values)
    return _closed(matrix, compiled, charge=charge <= discharge, discharge=charge > discharge)


def _flows(compiled: CompiledModel, values: Values) -> tuple[Values, Values]:
    return values[compiled.variables["charge_kw"]], values[compiled.variables["discharge_kw"]]


def _closed(matrix: MatrixProblem, compiled: CompiledModel, *, charge: _Flags, discharge: _Flags) -> MatrixProblem:
    upper = matrix.upper.copy()
    for name, closed in (("charge_kw", charge), ("discharge_kw", discharge)):
        place = compiled.variables[name]
        upper[place] = np.where(closed, 0.0, upper[place])
    return replace(matrix, upper=upper)
