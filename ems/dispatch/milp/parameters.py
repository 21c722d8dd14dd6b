"""Mutable parameters: how they are declared on a model and how a problem's numbers are put in order."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyomo.environ as pyo

# name of a parameter -> its values in the order of its index set, flattened
ParameterValues = Mapping[str, Sequence[float]]


def declare(model: pyo.ConcreteModel, *names: str, index: Iterable[Any] = ()) -> None:
    """Add mutable parameters over the product of index sets (none: scalars)."""
    for name in names:
        model.add_component(name, pyo.Param(*index, mutable=True, initialize=0.0))
