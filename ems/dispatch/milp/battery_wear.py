"""Wear of a pool beyond a price per kWh: depth, dwell, warranted throughput and the full charge (E10)."""

from typing import Any

import pyomo.environ as pyo

from ems.dispatch.milp.parameters import ParameterValues, declare
from ems.dispatch.milp.shape import ModelShape
from ems.model.problem import PlanningProblem, PoolProblem


def add_battery_wear(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add what the pools of the shape have of it; `m.pool_wear_cost` is the part that is wear of the cells."""
    m.DEPTH = pyo.Set(
        dimen=2, initialize=[(p, k) for p, pool in enumerate(shape.pools) for k in range(pool.n_depth_pieces)]
    )
    m.DWELL = pyo.Set(initialize=[p for p, pool in enumerate(shape.pools) if pool.dwell])
    m.pool_wear_cost = pyo.Expression(expr=0.0)
    if len(m.DEPTH):
        _add_depth(m)
    if len(m.DWELL):
        _add_dwell(m)
    _add_budget(m, [p for p, pool in enumerate(shape.pools) if pool.throughput_budget])
    _add_recalibration(m, [p for p, pool in enumerate(shape.pools) if pool.recalibration])


def battery_wear_values(problem: PlanningProblem) -> ParameterValues:
    """Return the parameter values of what the pools have of it."""
    dt, steps = problem.grid.duration_h, range(problem.grid.n_steps)
    values: dict[str, list[float]] = {}
    if deep := [pool for pool in problem.pools if pool.depth_wear]:
        values["depth_width_kwh"] = [width for pool in deep for width in _widths_kwh(pool)]
        values["depth_start_kwh"] = [kwh for pool in deep for kwh in _at_start_kwh(pool)]
        values["depth_price"] = [p.cost_per_kwh * pool.discharge_eff_frac for pool in deep for p in pool.depth_wear]
    if high := [pool for pool in problem.pools if pool.dwell_cost_per_kwh > 0.0]:
        values["dwell_above_kwh"] = [pool.dwell_above_kwh for pool in high]
        values["dwell_price"] = [pool.dwell_cost_per_kwh * h for pool in high for h in dt]
    if budgets := [pool.throughput_budget for pool in problem.pools if pool.throughput_budget is not None]:
        values["throughput_budget_kwh"] = [budget.energy_kwh for budget in budgets]
        values["throughput_excess_price"] = [budget.price_per_kwh for budget in budgets]
        values["step_h"] = list(dt)
    due = [(pool, pool.recalibration) for pool in problem.pools if pool.recalibration is not None]
    if due:
        values["recalibration_open"] = [float(r.first_step <= t < r.end_step) for _, r in due for t in steps]
        values["recalibration_full_kwh"] = [pool.full_kwh for pool, _ in due]
        values["recalibration_usual_kwh"] = [max(pool.max_stored_kwh, pool.stored_kwh) for pool, _ in due]
        values["recalibration_missed_price"] = [r.missed_cost for _, r in due]
    return values


def _add_depth(m: pyo.ConcreteModel) -> None:
    """Add E10: sum of stretches = E, drawn >= what a stretch falls by; exact where cost rises with depth.

    Filling and drawing the cheapest stretch first is then optimal, which counts cycles by their depth (B. Xu et al.,
    "Factoring the cycle aging cost of batteries participating in electricity markets", IEEE Trans. Power Syst. 2018).
    """
    declare(m, "depth_width_kwh", "depth_start_kwh", "depth_price", index=(m.DEPTH,))
    m.depth_kwh = pyo.Var(m.DEPTH, m.T, bounds=lambda m, p, k, t: (0, m.depth_width_kwh[p, k]))
    m.depth_drawn_kwh = pyo.Var(m.DEPTH, m.T, bounds=lambda m, p, k, t: (0, m.depth_width_kwh[p, k]))
    pools = sorted({p for p, _ in m.DEPTH})
    m.DEPTH_POOL = pyo.Set(initialize=pools)
    _add_stretches(m)
    _add_drawn(m)
    drawn = sum(m.depth_price[p, k] * m.depth_drawn_kwh[p, k, t] for p, k in m.DEPTH for t in m.T)
    m.pool_wear_cost.set_value(m.pool_wear_cost.expr + drawn)


def _add_stretches(m: pyo.ConcreteModel) -> None:
    """E10: the sum of the stretches is the energy in the store."""
    m.battery_depth = pyo.Constraint(
        m.DEPTH_POOL,
        m.T,
        rule=lambda m, p, t: sum(m.depth_kwh[i, k, t] for i, k in m.DEPTH if i == p) == m.stored_kwh[p, t],
    )


def _add_drawn(m: pyo.ConcreteModel) -> None:
    """E10: drawn >= what a stretch falls by in the step."""

    def row(m: pyo.ConcreteModel, p: int, k: int, t: int) -> Any:  # a Pyomo relation
        before = m.depth_start_kwh[p, k] if t == 0 else m.depth_kwh[p, k, t - 1]
        return m.depth_drawn_kwh[p, k, t] >= before - m.depth_kwh[p, k, t]

    m.battery_drawn = pyo.Constraint(m.DEPTH, m.T, rule=row)


def _add_dwell(m: pyo.ConcreteModel) -> None:
    """E10: dwell >= E[t+1] - energy above which standing costs."""
    declare(m, "dwell_above_kwh", index=(m.DWELL,))
    declare(m, "dwell_price", index=(m.DWELL, m.T))
    m.dwell_kwh = pyo.Var(m.DWELL, m.T, bounds=lambda m, p, t: (0, m.pool_full_kwh[p]))
    m.battery_dwell = pyo.Constraint(
        m.DWELL, m.T, rule=lambda m, p, t: m.dwell_kwh[p, t] >= m.stored_kwh[p, t] - m.dwell_above_kwh[p]
    )
    stood = sum(m.dwell_price[p, t] * m.dwell_kwh[p, t] for p in m.DWELL for t in m.T)
    m.pool_wear_cost.set_value(m.pool_wear_cost.expr + stood)


def _add_budget(m: pyo.ConcreteModel, pools: list[int]) -> None:
    """E10: energy discharged in the horizon - excess <= warranted throughput."""
    if not pools:
        return
    m.WARRANTED = pyo.Set(initialize=pools)
    declare(m, "throughput_budget_kwh", "throughput_excess_price", index=(m.WARRANTED,))
    declare(m, "step_h", index=(m.T,))
    m.throughput_excess_kwh = pyo.Var(m.WARRANTED, bounds=(0, None))
    m.battery_throughput = pyo.Constraint(
        m.WARRANTED,
        rule=lambda m, p: (
            sum(m.step_h[t] * m.discharge_kw[p, t] for t in m.T) - m.throughput_excess_kwh[p]
            <= m.throughput_budget_kwh[p]
        ),
    )
    m.throughput_budget_cost = pyo.Expression(
        expr=sum(m.throughput_excess_price[p] * m.throughput_excess_kwh[p] for p in m.WARRANTED)
    )


def _add_recalibration(m: pyo.ConcreteModel, pools: list[int]) -> None:
    """Add E10: full at the end of one step of the window, or missed at its price.

    The usual greatest energy is lifted in the window only, and only for a charge that becomes full.
    """
    if not pools:
        return
    m.DUE = pyo.Set(initialize=pools)
    declare(m, "recalibration_open", index=(m.DUE, m.T))
    declare(m, "recalibration_full_kwh", "recalibration_usual_kwh", "recalibration_missed_price", index=(m.DUE,))
    m.recalibrated = pyo.Var(
        m.DUE, m.T, domain=pyo.NonNegativeIntegers, bounds=lambda m, p, t: (0, m.recalibration_open[p, t])
    )
    m.recalibration_missed = pyo.Var(m.DUE, bounds=(0, 1))
    _add_due(m)
    _add_full(m)
    _add_room(m)
    m.recalibration_cost = pyo.Expression(
        expr=sum(m.recalibration_missed_price[p] * m.recalibration_missed[p] for p in m.DUE)
    )


def _add_due(m: pyo.ConcreteModel) -> None:
    """E10: one full charge in the window, or it is missed."""
    m.recalibration_due = pyo.Constraint(
        m.DUE, rule=lambda m, p: sum(m.recalibrated[p, t] for t in m.T) + m.recalibration_missed[p] == 1
    )


def _add_full(m: pyo.ConcreteModel) -> None:
    """E10: the store is full at the end of the step of the charge."""
    m.recalibration_full = pyo.Constraint(
        m.DUE, m.T, rule=lambda m, p, t: m.stored_kwh[p, t] >= m.recalibration_full_kwh[p] * m.recalibrated[p, t]
    )


def _add_room(m: pyo.ConcreteModel) -> None:
    """E10: a pool whose full charge is left out stays at or below its usual maximum."""

    def row(m: pyo.ConcreteModel, p: int, t: int) -> Any:  # a Pyomo relation
        beyond = m.recalibration_full_kwh[p] - m.recalibration_usual_kwh[p]
        return m.stored_kwh[p, t] <= m.recalibration_full_kwh[p] - beyond * m.recalibration_missed[p]

    m.recalibration_room = pyo.Constraint(m.DUE, m.T, rule=row)


def _widths_kwh(pool: PoolProblem) -> list[float]:
    """Return the widths of the stretches; the deepest holds whatever the others leave."""
    widths = [piece.width_kwh for piece in pool.depth_wear]
    most_kwh = max(pool.full_kwh, pool.max_stored_kwh, pool.stored_kwh)
    widths[-1] = max(widths[-1], most_kwh - sum(widths[:-1]))
    return widths


def _at_start_kwh(pool: PoolProblem) -> list[float]:
    """Return the energy in each stretch at the start: what is missing was drawn from the cheapest first."""
    held = []
    missing_kwh = sum(_widths_kwh(pool)) - pool.stored_kwh
    for width in _widths_kwh(pool):
        drawn = min(width, max(0.0, missing_kwh))
        held.append(width - drawn)
        missing_kwh -= drawn
    return held
