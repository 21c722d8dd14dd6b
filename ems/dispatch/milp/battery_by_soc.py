"""Power limits of a pool by the energy at both ends of a step (E9)."""

from typing import Any, Literal

import pyomo.environ as pyo

from ems.dispatch.milp.parameters import ParameterValues, declare
from ems.dispatch.milp.shape import ModelShape
from ems.model.problem import PlanningProblem, PoolProblem, PowerBySoc

_Flow = Literal["charge", "discharge"]


def add_battery_by_soc(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add the lines of both directions, and `charge_limit_kw` and `discharge_limit_kw` that reserve counts with.

    Without lines these limits are the parameters of the step.
    """
    charge = [(p, k) for p, pool in enumerate(shape.pools) for k in range(pool.n_charge_lines)]
    discharge = [(p, k) for p, pool in enumerate(shape.pools) for k in range(pool.n_discharge_lines)]
    _add_lines(m, "charge", charge, most=m.pool_max_charge_kw, flow_kw=m.charge_kw)
    _add_lines(m, "discharge", discharge, most=m.pool_max_discharge_kw, flow_kw=m.discharge_kw)


def battery_by_soc_values(problem: PlanningProblem) -> ParameterValues:
    """Return the lines of every pool."""
    return {
        **_line_values("charge", [(pool, line) for pool in problem.pools for line in pool.charge_by_soc]),
        **_line_values("discharge", [(pool, line) for pool in problem.pools for line in pool.discharge_by_soc]),
    }


def _add_lines(
    m: pyo.ConcreteModel, flow: _Flow, lines: list[tuple[int, int]], *, most: pyo.Param, flow_kw: pyo.Var
) -> None:
    """Add the held limit of the pools that have lines, its rows, and the limit of all pools."""
    pools = sorted({p for p, _ in lines})
    if lines:
        _declare_lines(m, flow, lines, pools)
        held = pyo.Var(m.component(f"{flow.upper()}_POOL"), m.T, bounds=lambda m, p, t: (0, most[p, t]))
        m.add_component(f"{flow}_held_kw", held)
        _add_by_soc(m, flow, held)
        _add_within(m, flow, held, flow_kw)
    limit = pyo.Expression(m.POOL, m.T, rule=lambda m, p, t: held[p, t] if p in pools else most[p, t])
    m.add_component(f"{flow}_limit_kw", limit)


def _add_by_soc(m: pyo.ConcreteModel, flow: _Flow, held: pyo.Var) -> None:
    """E9: held limit <= c0 + c1 * E[s] for s = t, t+1 and each line."""
    index = m.component(f"{flow.upper()}_LINE")
    rows = pyo.Constraint(index, m.T, m.LINE_END, rule=lambda m, p, k, t, end: held[p, t] <= _at(m, flow, p, k, t, end))
    m.add_component(f"{flow}_by_soc", rows)


def _add_within(m: pyo.ConcreteModel, flow: _Flow, held: pyo.Var, flow_kw: pyo.Var) -> None:
    """E9: power <= held limit."""
    rows = pyo.Constraint(held.index_set(), rule=lambda m, p, t: flow_kw[p, t] <= held[p, t])
    m.add_component(f"{flow}_within", rows)


def _declare_lines(m: pyo.ConcreteModel, flow: _Flow, lines: list[tuple[int, int]], pools: list[int]) -> None:
    if m.component("LINE_END") is None:
        m.LINE_END = pyo.Set(initialize=(0, 1))
    m.add_component(f"{flow.upper()}_LINE", pyo.Set(dimen=2, initialize=lines))
    m.add_component(f"{flow.upper()}_POOL", pyo.Set(initialize=pools))
    index = m.component(f"{flow.upper()}_LINE")
    declare(m, f"{flow}_line_kw", f"{flow}_line_per_h", f"{flow}_line_start_kw", index=(index,))


def _at(m: pyo.ConcreteModel, flow: _Flow, p: int, k: int, t: int, end: int) -> Any:  # a Pyomo expression
    """Return a line at one end of a step; at the beginning of the first the energy is measured."""
    if end == 0 and t == 0:
        return m.component(f"{flow}_line_start_kw")[p, k]
    stored = m.stored_kwh[p, t] if end else m.stored_kwh[p, t - 1]
    return m.component(f"{flow}_line_kw")[p, k] + m.component(f"{flow}_line_per_h")[p, k] * stored


def _line_values(flow: _Flow, lines: list[tuple[PoolProblem, PowerBySoc]]) -> ParameterValues:
    if not lines:
        return {}
    constants = [_lifted_kw(pool, line) for pool, line in lines]
    return {
        f"{flow}_line_kw": constants,
        f"{flow}_line_per_h": [line.c1_per_h for _, line in lines],
        f"{flow}_line_start_kw": [
            c0 + line.c1_per_h * pool.stored_kwh for c0, (pool, line) in zip(constants, lines, strict=True)
        ],
    }


def _lifted_kw(pool: PoolProblem, line: PowerBySoc) -> float:
    """Return the constant of a line, lifted where the line would be negative at an energy that the pool may have.

    A limit cannot be below zero, and a measured state outside the window must not make the rows infeasible.
    """
    lowest_kwh = min(pool.min_stored_kwh, pool.stored_kwh)
    highest_kwh = max(pool.highest_kwh(t) for t in range(len(pool.max_charge_kw)))
    worst_kw = line.c0_kw + min(line.c1_per_h * lowest_kwh, line.c1_per_h * highest_kwh)
    return line.c0_kw + max(0.0, -worst_kw)
