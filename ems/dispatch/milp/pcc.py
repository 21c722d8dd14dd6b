"""What the connection contract says beyond limits: one direction at a time and a ramp at the PCC (E14)."""

from typing import Any

import pyomo.environ as pyo

from ems.dispatch.milp.both_ways import exchange_needs_binary
from ems.dispatch.milp.parameters import ParameterValues, declare
from ems.dispatch.milp.shape import ModelShape
from ems.model.problem import GridProblem, PlanningProblem
from ems.model.units import MINUTES_PER_HOUR


def add_pcc(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add the rows that the shape asks for; none for a plain connection."""
    if shape.one_way_exchange:
        _add_one_way(m)
    if shape.pcc_ramp:
        _add_ramp(m)


def pcc_values(problem: PlanningProblem, shape: ModelShape) -> ParameterValues:
    """Return the parameter values of these rows."""
    grid = problem.connection
    if grid is None:
        return {}
    steps = range(problem.grid.n_steps)
    values: dict[str, list[float] | tuple[float, ...]] = {}
    if shape.one_way_exchange:
        free = [0.0 if exchange_needs_binary(problem, t) else 1.0 for t in steps]
        values["import_free_kw"] = [limit * share for limit, share in zip(grid.import_limit_kw, free, strict=True)]
        values["export_free_kw"] = [limit * share for limit, share in zip(grid.export_limit_kw, free, strict=True)]
    if shape.pcc_ramp:
        values["ramp_now_kw"] = (grid.now_kw,)
        values["ramp_room_kw"] = [_ramp_room_kw(problem, grid, t) for t in steps]
        values["ramp_price"] = [problem.prices.limit_per_kwh * h for h in problem.grid.duration_h]
    return values


def _add_one_way(m: pyo.ConcreteModel) -> None:
    """Add E14: import <= limit * b, export <= limit * (1 - b), in the steps where both at once would pay."""
    declare(m, "import_free_kw", "export_free_kw", index=(m.GRID,))
    m.importing = pyo.Var(m.GRID, domain=pyo.Binary)
    _add_in(m)
    _add_out(m)


def _add_in(m: pyo.ConcreteModel) -> None:
    """E14: import <= limit * b."""
    m.exchange_in = pyo.Constraint(
        m.GRID, rule=lambda m, t: m.import_kw[t] <= m.import_max_kw[t] * m.importing[t] + m.import_free_kw[t]
    )


def _add_out(m: pyo.ConcreteModel) -> None:
    """E14: export <= limit * (1 - b)."""
    m.exchange_out = pyo.Constraint(
        m.GRID, rule=lambda m, t: m.export_kw[t] <= m.export_max_kw[t] * (1 - m.importing[t]) + m.export_free_kw[t]
    )


def _add_ramp(m: pyo.ConcreteModel) -> None:
    """Add the ramp of the mean exchange between the centres of two steps, both ways, with one slack."""
    declare(m, "ramp_room_kw", "ramp_price", index=(m.GRID,))
    declare(m, "ramp_now_kw")
    m.ramp_slack_kw = pyo.Var(m.GRID, bounds=(0, None))
    _add_ramp_up(m)
    _add_ramp_down(m)


def _add_ramp_up(m: pyo.ConcreteModel) -> None:
    """E14: change of import - export <= ramp * time between the centres + slack."""
    m.exchange_ramp_up = pyo.Constraint(
        m.GRID, rule=lambda m, t: _change(m, t) - m.ramp_slack_kw[t] <= m.ramp_room_kw[t]
    )


def _add_ramp_down(m: pyo.ConcreteModel) -> None:
    """E14: fall of import - export <= ramp * time between the centres + slack."""
    m.exchange_ramp_down = pyo.Constraint(
        m.GRID, rule=lambda m, t: -_change(m, t) - m.ramp_slack_kw[t] <= m.ramp_room_kw[t]
    )


def _change(m: pyo.ConcreteModel, t: int) -> Any:  # a Pyomo expression
    before = m.ramp_now_kw if t == 0 else m.import_kw[t - 1] - m.export_kw[t - 1]
    return m.import_kw[t] - m.export_kw[t] - before


def _ramp_room_kw(problem: PlanningProblem, grid: GridProblem, t: int) -> float:
    """E14: ramp * time between centres; no limit where the connection opens or closes, which is switching."""
    if not grid.connected_at(t) or (t > 0 and not grid.connected_at(t - 1)):
        widest = max(*grid.import_limit_kw, *grid.export_limit_kw, abs(grid.now_kw))
        return 2.0 * widest
    return (grid.ramp_kw_per_min or 0.0) * MINUTES_PER_HOUR * problem.grid.apart_h[t]
