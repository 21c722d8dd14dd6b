"""How far the commitment of the first hours is from the previous plan's (E2)."""

import pyomo.environ as pyo

from ems.dispatch.milp.shape import ModelShape


def add_change(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add the distance of the first hours' commitment from the previous plan's."""
    # the previous plan may have had units on that the class no longer has
    m.genset_change = pyo.Var(
        m.CLASS, m.CHANGE, bounds=lambda m, c, t: (0, m.genset_n_units[c] + m.genset_previous_on[c, t])
    )
    if shape.n_change_steps:
        _add_change_up(m)
        _add_change_down(m)


def _add_change_up(m: pyo.ConcreteModel) -> None:
    """E2: change >= n - previous n."""
    m.genset_change_up = pyo.Constraint(
        m.CLASS,
        m.CHANGE,
        rule=lambda m, c, t: m.genset_change[c, t] >= m.genset_on[c, t] - m.genset_previous_on[c, t],
    )


def _add_change_down(m: pyo.ConcreteModel) -> None:
    """E2: change >= previous n - n."""
    m.genset_change_down = pyo.Constraint(
        m.CLASS,
        m.CHANGE,
        rule=lambda m, c, t: m.genset_change[c, t] >= m.genset_previous_on[c, t] - m.genset_on[c, t],
    )
