"""Keeps charging and discharging apart where both at once would pay (E9)."""

import pyomo.environ as pyo

from ems.dispatch.milp.both_ways import storage_needs_binary
from ems.dispatch.milp.parameters import ParameterValues, declare
from ems.dispatch.milp.shape import ModelShape
from ems.model.problem import PlanningProblem


def add_battery_direction(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add E9: charge <= limit * b, discharge <= limit * (1 - b).

    Nothing where no step needs it; in the other steps of a problem that does, the rows hold for either value.
    """
    if not shape.one_way_storage:
        return
    declare(m, "charge_free_kw", "discharge_free_kw", index=(m.POOL, m.T))
    m.charging = pyo.Var(m.POOL, m.T, domain=pyo.Binary)
    _add_in(m)
    _add_out(m)


def _add_in(m: pyo.ConcreteModel) -> None:
    """E9: charge <= limit * b."""
    m.battery_in = pyo.Constraint(
        m.POOL,
        m.T,
        rule=lambda m, p, t: (
            m.charge_kw[p, t] <= m.pool_max_charge_kw[p, t] * m.charging[p, t] + m.charge_free_kw[p, t]
        ),
    )


def _add_out(m: pyo.ConcreteModel) -> None:
    """E9: discharge <= limit * (1 - b)."""
    m.battery_out = pyo.Constraint(
        m.POOL,
        m.T,
        rule=lambda m, p, t: (
            m.discharge_kw[p, t] <= m.pool_max_discharge_kw[p, t] * (1 - m.charging[p, t]) + m.discharge_free_kw[p, t]
        ),
    )


def battery_direction_values(problem: PlanningProblem, shape: ModelShape) -> ParameterValues:
    """Return what may flow whatever the direction: nothing where it counts, the limit elsewhere."""
    if not shape.one_way_storage:
        return {}
    free = [
        0.0 if shape.one_way_throughout or storage_needs_binary(problem, t) else 1.0
        for t in range(problem.grid.n_steps)
    ]
    return {
        "charge_free_kw": [
            kw * share for pool in problem.pools for kw, share in zip(pool.max_charge_kw, free, strict=True)
        ],
        "discharge_free_kw": [
            kw * share for pool in problem.pools for kw, share in zip(pool.max_discharge_kw, free, strict=True)
        ],
    }
