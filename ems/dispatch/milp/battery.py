"""Battery pools: stored energy, limits, wear, end value (E8 to E12) and the floor (E24)."""

import pyomo.environ as pyo

from ems.dispatch.milp.parameters import ParameterValues, declare
from ems.dispatch.milp.shape import ModelShape
from ems.model.problem import PlanningProblem, PoolProblem


def add_batteries(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add variables and rows of all pools. `stored_kwh[p, t]` is the energy at the end of step t."""
    m.POOL = pyo.RangeSet(0, len(shape.pools) - 1)
    _parameters(m, shape)
    m.charge_kw = pyo.Var(m.POOL, m.T, bounds=lambda m, p, t: (0, m.pool_max_charge_kw[p, t]))
    m.discharge_kw = pyo.Var(m.POOL, m.T, bounds=lambda m, p, t: (0, m.pool_max_discharge_kw[p, t]))
    m.stored_kwh = pyo.Var(m.POOL, m.T, bounds=lambda m, p, t: (m.pool_min_kwh[p], m.pool_max_kwh[p, t]))
    # energy that the cells do not have: keeps a drained store feasible, priced like unserved load
    m.DRAINING = pyo.Set(initialize=[p for p, pool in enumerate(shape.pools) if pool.drains])
    m.stored_missing_kwh = pyo.Var(m.DRAINING, m.T, bounds=lambda m, p, t: (0, m.pool_full_kwh[p]))
    m.FLOOR = pyo.RangeSet(0, shape.n_steps - 1) if shape.floor else pyo.Set(initialize=[])
    m.floor_slack_kwh = pyo.Var(m.FLOOR, bounds=(0, None))
    m.terminal_kwh = pyo.Var(m.TERMINAL, bounds=lambda m, p, k: (0, m.pool_terminal_width_kwh[p, k]))
    m.held_kwh = pyo.Var(m.HOLD, m.T, bounds=lambda m, p, k, t: (0, m.pool_hold_width_kwh[p, k]))
    m.battery_aux_kw = pyo.Expression(m.POOL, m.T, rule=lambda m, p, t: _aux(m, shape, p, t))
    _add_energy(m)
    _add_terminal(m, shape)
    _add_held(m, shape)
    _add_floor(m, shape)


def battery_values(problem: PlanningProblem) -> ParameterValues:
    """Return the parameter values of all pools."""
    pools = problem.pools
    dt = problem.grid.duration_h
    return {
        "pool_max_charge_kw": [x for pool in pools for x in pool.max_charge_kw],
        "pool_max_discharge_kw": [x for pool in pools for x in pool.max_discharge_kw],
        "pool_initial_kwh": [pool.stored_kwh for pool in pools],
        "pool_initial_kept_kwh": [pool.stored_kwh * _kept_frac(pool, dt[0]) for pool in pools],
        # a measured state outside the window stays feasible
        "pool_min_kwh": [min(pool.min_stored_kwh, pool.stored_kwh) for pool in pools],
        "pool_max_kwh": [pool.highest_kwh(t) for pool in pools for t in range(problem.grid.n_steps)],
        "pool_aux_frac": [(1.0 + problem.load.site_loss_frac) * pool.aux_frac_of_power for pool in pools],
        "pool_full_kwh": [pool.full_kwh for pool in pools],
        "pool_kept_frac": [_kept_frac(pool, h) for pool in pools for h in dt],
        "pool_charged_kwh_per_kw": [pool.charge_eff_frac * h for pool in pools for h in dt],
        "pool_discharged_kwh_per_kw": [h / pool.discharge_eff_frac for pool in pools for h in dt],
        "pool_idle_kwh": [pool.no_load_kw * h / pool.discharge_eff_frac for pool in pools for h in dt],
        "pool_terminal_width_kwh": [piece.width_kwh for pool in pools for piece in pool.terminal_value],
        "pool_hold_width_kwh": [piece.width_kwh for pool in pools for piece in pool.hold_value_per_h],
        "floor_kwh": [problem.reserve.floor_at(t) for t in range(problem.grid.n_steps)],
        "lead_kwh": [problem.reserve.lead_at(t) for t in range(problem.grid.n_steps)],
    }


def _parameters(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    m.TERMINAL = pyo.Set(
        dimen=2, initialize=[(p, k) for p, pool in enumerate(shape.pools) for k in range(pool.n_terminal_pieces)]
    )
    m.HOLD = pyo.Set(
        dimen=2, initialize=[(p, k) for p, pool in enumerate(shape.pools) for k in range(pool.n_hold_pieces)]
    )
    declare(
        m,
        "pool_max_charge_kw",
        "pool_max_discharge_kw",
        "pool_kept_frac",
        "pool_charged_kwh_per_kw",
        "pool_discharged_kwh_per_kw",
        "pool_idle_kwh",
        "pool_max_kwh",
        index=(m.POOL, m.T),
    )
    declare(
        m,
        "pool_initial_kwh",
        "pool_initial_kept_kwh",
        "pool_min_kwh",
        "pool_aux_frac",
        "pool_full_kwh",
        index=(m.POOL,),
    )
    declare(m, "pool_terminal_width_kwh", index=(m.TERMINAL,))
    declare(m, "pool_hold_width_kwh", index=(m.HOLD,))
    declare(m, "floor_kwh", "lead_kwh", index=(m.T,))


def _kept_frac(pool: PoolProblem, duration_h: float) -> float:
    kept: float = (1.0 - pool.self_discharge_frac_per_h) ** duration_h
    return kept


def stored_before(m: pyo.ConcreteModel, p: int, t: int) -> pyo.Expression:
    """Return the energy at the beginning of step t."""
    return m.pool_initial_kwh[p] if t == 0 else m.stored_kwh[p, t - 1]


def _add_energy(m: pyo.ConcreteModel) -> None:
    """E8, E11: E[t+1] = E[t] * (1-self)^dt + eta_c*charge*dt - (discharge + no-load)*dt/eta_d."""

    def row(m: pyo.ConcreteModel, p: int, t: int) -> pyo.Expression:
        kept = m.pool_initial_kept_kwh[p] if t == 0 else m.pool_kept_frac[p, t] * m.stored_kwh[p, t - 1]
        return m.stored_kwh[p, t] == (
            kept
            + m.pool_charged_kwh_per_kw[p, t] * m.charge_kw[p, t]
            - m.pool_discharged_kwh_per_kw[p, t] * m.discharge_kw[p, t]
            - m.pool_idle_kwh[p, t]
            + (m.stored_missing_kwh[p, t] if p in m.DRAINING else 0.0)
        )

    m.battery_energy = pyo.Constraint(m.POOL, m.T, rule=row)


def _aux(m: pyo.ConcreteModel, shape: ModelShape, p: int, t: int) -> pyo.Expression:
    """E11: auxiliaries linear in throughput, drawn from the bus with the site's losses."""
    if not shape.pools[p].aux:
        return 0.0
    return m.pool_aux_frac[p] * (m.charge_kw[p, t] + m.discharge_kw[p, t])


def _add_terminal(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """E12: valued energy at the end lies in the store, above its minimum."""

    def row(m: pyo.ConcreteModel, p: int) -> pyo.Expression:
        pieces = range(shape.pools[p].n_terminal_pieces)
        if not pieces:
            return pyo.Constraint.Skip
        last = shape.n_steps - 1
        valued = sum(m.terminal_kwh[p, k] for k in pieces)
        return valued <= m.stored_kwh[p, last] - m.pool_min_kwh[p]

    m.battery_terminal = pyo.Constraint(m.POOL, rule=row)


def _add_held(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """E24: energy held against an outage lies in the store, above the pool's minimum."""

    def row(m: pyo.ConcreteModel, p: int, t: int) -> pyo.Expression:
        pieces = range(shape.pools[p].n_hold_pieces)
        if not pieces:
            return pyo.Constraint.Skip
        return sum(m.held_kwh[p, k, t] for k in pieces) <= m.stored_kwh[p, t] - m.pool_min_kwh[p]

    m.battery_held = pyo.Constraint(m.POOL, m.T, rule=row)


def _add_floor(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """E8, E24: sum of E[t+1] >= floor + lead energy while no set runs; one priced slack for the site."""

    def row(m: pyo.ConcreteModel, t: int) -> pyo.Expression:
        stored = sum(m.stored_kwh[p, t] for p in m.POOL)
        required = m.floor_kwh[t]
        if shape.lead:
            required = required + m.lead_kwh[t] * (1 - m.any_set[t])
        return stored + m.floor_slack_kwh[t] >= required

    m.battery_floor = pyo.Constraint(m.FLOOR, rule=row)
