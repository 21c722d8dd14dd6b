"""The solution by variable, without the rounding of the solver."""

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from ems.dispatch.milp.compiled import CompiledModel

Values = npt.NDArray[np.float64]
_COUNT_TOLERANCE = 1e-4
# flows below this are rounding of the solver
FLOW_TOLERANCE_KW = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The solution by variable, each as (members, steps)."""

    compiled: CompiledModel
    values: Values
    n_steps: int

    def table(self, name: str) -> Values:
        """Return a variable as (members, steps)."""
        place = self.compiled.variables[name]
        return self.values[place].reshape(-1, self.n_steps)

    def flows(self, name: str) -> list[float]:
        """Return the flow of a variable with one member in each step."""
        cleaned: list[float] = clean(self.row(name))
        return cleaned

    def row(self, name: str) -> Values:
        """Return a variable with one member in each step, zeros where the model has none."""
        table = self.table(name)
        return table[0] if len(table) else np.zeros(self.n_steps)


def share_of(value: float) -> float:
    """Return a share of one without the rounding of the solver."""
    return min(1.0, max(0.0, float(value)))


def clean(flows: Values) -> Any:
    """Return flows as lists, in the shape they have, without the rounding of the solver."""
    return np.where(flows > FLOW_TOLERANCE_KW, flows, 0.0).tolist()


def flow(value: float) -> float:
    """Return a flow without the rounding of the solver."""
    return float(value) if value > FLOW_TOLERANCE_KW else 0.0


def whole(n_on: float) -> int:
    """Return the count; a fraction (beyond the integer horizon) stands for one more unit that runs for a part."""
    return ceil(float(n_on) - _COUNT_TOLERANCE)
