"""Whether any unit of a class delivers (E20), and whether any set runs at all (E24)."""

import pyomo.environ as pyo

from ems.dispatch.milp.genset import settled
from ems.dispatch.milp.shape import ModelShape


def add_any_on(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add z, 1 where a unit of the class can be lost (E20), and 1 where any set of any class is on (E24).

    A unit that warms up delivers nothing, so that its loss takes nothing: z follows the units that deliver throughout
    the step. Only E20 pushes z up against the count and so needs it binary; E24 only gains from a larger value.
    """
    m.ANY = pyo.Set(initialize=sorted(shape.reserve.classes_losing_one))
    m.genset_any = pyo.Var(m.ANY, m.T, domain=pyo.Binary)
    _add_any_needs(m)
    _add_any_covers(m)
    if shape.lead:
        m.any_set = pyo.Var(m.T, bounds=(0, 1))
        _add_any_set(m)


def _add_any_needs(m: pyo.ConcreteModel) -> None:
    """E20: z <= n."""
    m.genset_any_needs = pyo.Constraint(m.ANY, m.T, rule=lambda m, c, t: m.genset_any[c, t] <= m.genset_on[c, t])


def _add_any_covers(m: pyo.ConcreteModel) -> None:
    """E20: units that deliver throughout the step <= units * z."""
    m.genset_any_covers = pyo.Constraint(
        m.ANY, m.T, rule=lambda m, c, t: settled(m, c, t) <= m.genset_n_units[c] * m.genset_any[c, t]
    )


def _add_any_set(m: pyo.ConcreteModel) -> None:
    """E24: a <= sum of n over the classes: without a set the lead energy is held."""
    m.any_set_needs = pyo.Constraint(m.T, rule=lambda m, t: m.any_set[t] <= sum(m.genset_on[c, t] for c in m.CLASS))
