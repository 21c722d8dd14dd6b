"""Headroom upwards of pools and of running and starting sets, which the rows E19 to E22 count."""

from typing import Any

import pyomo.environ as pyo

from ems.dispatch.milp.battery import stored_before
from ems.dispatch.milp.genset import settled
from ems.dispatch.milp.reserve_shape import Ready, ReserveShape
from ems.dispatch.milp.shape import ModelShape

_Expression = Any  # Pyomo's expressions have no common type


def add_headroom(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add how much more pools and sets could deliver within each class."""
    _add_pool_headroom(m)
    _add_step_headroom(m, shape)
    _add_taken_over(m, shape.reserve)
    _add_ready(m, shape.reserve)


def _add_pool_headroom(m: pyo.ConcreteModel) -> None:
    """Add headroom of pools by power, limit - discharge + charge, and by energy.

    What lies above the minimum at both ends of the step, and at every later end within the sustain time, sustains
    it. Without j of m equal blocks (m-j)/m of both is left (E21).
    """
    m.END = pyo.Set(initialize=(0, 1))
    m.up_kw = pyo.Var(m.SUSTAIN, m.POOL, m.T, bounds=(0, None))
    _add_up_power(m)
    _add_up_energy(m)
    _add_up_reach(m)


def _add_up_power(m: pyo.ConcreteModel) -> None:
    """E19 to E22, R0 to R2: r <= limit - discharge + charge."""
    m.up_power = pyo.Constraint(
        m.SUSTAIN,
        m.POOL,
        m.T,
        rule=lambda m, g, p, t: (
            m.up_kw[g, p, t] <= m.discharge_limit_kw[p, t] - m.discharge_kw[p, t] + m.charge_kw[p, t]
        ),
    )


def _add_up_energy(m: pyo.ConcreteModel) -> None:
    """E19 to E22, R0 to R2: r * tau / eta_d <= E[s] - E_tech for s = t, t+1."""

    def row(m: pyo.ConcreteModel, g: int, p: int, t: int, end: int) -> _Expression:
        stored = m.stored_kwh[p, t] if end else stored_before(m, p, t)
        return m.up_kwh_per_kw[g, p] * m.up_kw[g, p, t] <= stored - m.pool_min_kwh[p]

    m.up_energy = pyo.Constraint(m.SUSTAIN, m.POOL, m.T, m.END, rule=row)


def _add_up_reach(m: pyo.ConcreteModel) -> None:
    """E19 to E22, R0 to R2: the same for every end s up to t + tau; nothing where the parameters are zero."""

    def row(m: pyo.ConcreteModel, g: int, lag: int, p: int, t: int) -> _Expression:
        later = t + lag
        if later >= len(m.T):
            return pyo.Constraint.Skip
        stored = m.reach_frac[g, lag, t] * m.stored_kwh[p, later]
        return m.reach_kwh_per_kw[g, lag, p, t] * m.up_kw[g, p, t] <= stored - m.reach_min_kwh[g, lag, p, t]

    m.up_reach = pyo.Constraint(m.REACH, m.POOL, m.T, rule=row)


def _add_step_headroom(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add R1 headroom of a class: min(n * pmax - p, n * phi * pmax); a variable only where the step can be less.

    The n deliver throughout the step. What the class is counted on to deliver while units warm up, storage delivers
    then: its headroom may be negative.
    """
    asked = any(each.gensets_count and not each.starts_count for each in shape.reserve.up_classes)
    limited = [c for c, genset in enumerate(shape.gensets) if genset.step_limited]
    m.STEP_LIMITED = pyo.Set(initialize=limited if asked else [])
    m.genset_up_kw = pyo.Var(m.STEP_LIMITED, m.T, bounds=lambda m, c, t: (None if c in m.WARMS else 0, None))
    _add_up_rating(m)
    _add_up_step(m)


def _add_up_rating(m: pyo.ConcreteModel) -> None:
    """E19 to E22, R1: r <= n * pmax - p."""
    m.genset_up_power = pyo.Constraint(
        m.STEP_LIMITED, m.T, rule=lambda m, c, t: m.genset_up_kw[c, t] <= free_kw(m, c, t)
    )


def _add_up_step(m: pyo.ConcreteModel) -> None:
    """E19 to E22, R1: r <= n * phi * pmax, the step that units accept."""
    m.genset_up_step = pyo.Constraint(
        m.STEP_LIMITED, m.T, rule=lambda m, c, t: m.genset_up_kw[c, t] <= m.genset_step_kw[c] * settled(m, c, t)
    )


def _add_taken_over(m: pyo.ConcreteModel, reserve: ReserveShape) -> None:
    """E19 to E22, R0: add what storage delivers for units that warm up, at the worst instant of the step.

    Classes in which sets count have it in their headroom.
    """
    asked = any(not each.gensets_count for each in reserve.up_classes)
    m.TAKEN_OVER = pyo.Set(initialize=list(m.WARMS) if asked else [])
    m.genset_taken_kw = pyo.Var(m.TAKEN_OVER, m.T, bounds=(0, None))
    m.genset_taken_over = pyo.Constraint(
        m.TAKEN_OVER, m.T, rule=lambda m, c, t: m.genset_taken_kw[c, t] >= -free_kw(m, c, t)
    )


def _add_ready(m: pyo.ConcreteModel, reserve: ReserveShape) -> None:
    """Add the sets that deliver within R2, the larger of those that run and those that run or surely start.

    `genset_all_asked` chooses between the two: 1 counts the sets that surely start, 0 those that run.
    """
    m.STARTING = pyo.Set(initialize=[c for c, ready in enumerate(reserve.ready) if ready is Ready.STARTING])
    m.genset_ready = pyo.Var(m.STARTING, m.T, bounds=lambda m, c, t: (0, m.genset_n_units[c]))
    m.genset_all_asked = pyo.Var(m.STARTING, m.T, domain=pyo.Binary)
    _add_ready_running(m)
    _add_ready_certain(m)


def _add_ready_running(m: pyo.ConcreteModel) -> None:
    """E19 to E22, R2: ready <= n where those that run are counted."""
    m.genset_ready_running = pyo.Constraint(
        m.STARTING,
        m.T,
        rule=lambda m, c, t: (
            m.genset_ready[c, t] <= m.genset_on[c, t] + m.genset_certain[c, t] * m.genset_all_asked[c, t]
        ),
    )


def _add_ready_certain(m: pyo.ConcreteModel) -> None:
    """E19 to E22, R2: ready <= certain where all are asked, else all units."""

    def row(m: pyo.ConcreteModel, c: int, t: int) -> _Expression:
        spare = m.genset_n_units[c] - m.genset_certain[c, t]
        return m.genset_ready[c, t] <= m.genset_n_units[c] - spare * m.genset_all_asked[c, t]

    m.genset_ready_certain = pyo.Constraint(m.STARTING, m.T, rule=row)


def free_kw(m: pyo.ConcreteModel, c: int, t: int) -> _Expression:
    """Return the rating of the units that deliver throughout a step, less what their class delivers in it."""
    return m.genset_max_kw[c, t] * settled(m, c, t) - m.genset_kw[c, t]
