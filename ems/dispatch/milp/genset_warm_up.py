"""Units that warm up before they deliver (E1, E2, E20)."""

from typing import Any

import pyomo.environ as pyo

from ems.dispatch.milp.shape import ModelShape


def add_warm_up(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add the rows of the classes that warm up."""
    _add_delivering(m, shape)
    _add_was_off(m)
    _add_settled(m, shape)


def _add_delivering(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """E1: units that deliver are those that run, less the share of the step for which some still warm up."""

    def row(m: pyo.ConcreteModel, c: int, t: int) -> Any:  # a Pyomo relation
        lags = range(min(shape.gensets[c].n_warm_lags, t + 1))
        started = sum(m.genset_warming_frac[c, t, lag] * m.genset_start[c, t - lag] for lag in lags)
        return m.genset_delivering[c, t] == m.genset_on[c, t] - started - m.genset_still_warming[c, t]

    m.genset_warm_up = pyo.Constraint(m.WARMS, m.T, rule=row)


def _add_was_off(m: pyo.ConcreteModel) -> None:
    """E2: what starts is present and was off."""

    def row(m: pyo.ConcreteModel, c: int, t: int) -> Any:  # a Pyomo relation
        before = m.genset_initial_on[c] if t == 0 else m.genset_on[c, t - 1]
        left = m.genset_left[c, t] if c in m.LEAVES else 0.0
        return m.genset_start[c, t] <= m.genset_present[c, t] - before + left

    m.genset_was_off = pyo.Constraint(m.WARMS, m.T, rule=row)


def _add_settled(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """E1, E20: units whose warm-up has no hour in the step; the others give no headroom in it."""

    def row(m: pyo.ConcreteModel, c: int, t: int) -> Any:  # a Pyomo relation
        lags = range(min(shape.gensets[c].n_warm_lags, t + 1))
        started = sum(m.genset_starting[c, t, lag] * m.genset_start[c, t - lag] for lag in lags)
        return m.genset_settled[c, t] == m.genset_on[c, t] - started - m.genset_unsettled[c, t]

    m.genset_settles = pyo.Constraint(m.WARMS, m.T, rule=row)
