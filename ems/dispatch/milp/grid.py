"""The grid connection (E14, E15)."""

import pyomo.environ as pyo

from ems.dispatch.milp.parameters import ParameterValues, declare
from ems.dispatch.milp.shape import ModelShape
from ems.model.problem import DemandProblem, PlanningProblem


def add_grid(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add E14 and E15: import and export within the connection, and the billed peak of each month."""
    m.GRID = pyo.RangeSet(0, shape.n_steps - 1) if shape.connected_site else pyo.Set(initialize=[])
    m.MONTH = pyo.RangeSet(0, len(shape.demand_intervals) - 1)
    declare(m, "import_max_kw", "export_max_kw", index=(m.GRID,))
    declare(m, "demand_floor_kw", "demand_running_kw", index=(m.MONTH,))
    m.import_kw = pyo.Var(m.GRID, bounds=lambda m, t: (0, m.import_max_kw[t]))
    m.export_kw = pyo.Var(m.GRID, bounds=lambda m, t: (0, m.export_max_kw[t]))
    m.billed_peak_kw = pyo.Var(m.MONTH, bounds=lambda m, i: (m.demand_floor_kw[i], None))
    intervals = [(i, first, end) for i, month in enumerate(shape.demand_intervals) for first, end in month]
    m.BILLED = pyo.Set(dimen=2, initialize=[(i, t) for i, first, end in intervals for t in range(first, end)])
    declare(m, "demand_weight_frac", index=(m.BILLED,))
    m.DEMAND = pyo.Set(dimen=3, initialize=intervals)
    _add_peak(m)


def grid_values(problem: PlanningProblem) -> ParameterValues:
    """Return the parameter values of the connection; empty ones without a grid."""
    grid = problem.connection
    if grid is None:
        names = ("import_max_kw", "export_max_kw", "demand_floor_kw", "demand_weight_frac", "demand_running_kw")
        return dict.fromkeys(names, ())
    hours = problem.grid.duration_h
    connected = [grid.connected_at(t) for t in range(problem.grid.n_steps)]
    return {
        "import_max_kw": [limit * on for limit, on in zip(grid.import_limit_kw, connected, strict=True)],
        "export_max_kw": [limit * on for limit, on in zip(grid.export_limit_kw, connected, strict=True)],
        "demand_floor_kw": [month.floor_kw for month in grid.demand],
        # by interval and step: the step's share of its billing interval
        "demand_weight_frac": [
            hours[t] / _interval_h(problem, month, first, end)
            for month in grid.demand
            for first, end in month.intervals()
            for t in range(first, end)
        ],
        "demand_running_kw": [_running_kw(problem, month) for month in grid.demand],
    }


def _add_peak(m: pyo.ConcreteModel) -> None:
    """E15: the billed power is at least the mean import of each billing interval, its past minutes included."""

    def row(m: pyo.ConcreteModel, i: int, first: int, end: int) -> pyo.Expression:
        imported = sum(m.demand_weight_frac[i, t] * m.import_kw[t] for t in range(first, end))
        # the first step shares its interval with what was imported before the plan
        return m.billed_peak_kw[i] >= imported + (m.demand_running_kw[i] if first == 0 else 0.0)

    m.demand_peak = pyo.Constraint(m.DEMAND, rule=row)


def _interval_h(problem: PlanningProblem, month: DemandProblem, first: int, end: int) -> float:
    """Return the length of a billing interval, the part of the first one that lies before the plan included."""
    return sum(problem.grid.duration_h[first:end]) + (month.running_h if first == 0 else 0.0)


def _running_kw(problem: PlanningProblem, month: DemandProblem) -> float:
    """Return what was imported in the running interval before the plan, as its part of the interval's mean."""
    first, end = month.intervals()[0]
    return month.running_kwh / _interval_h(problem, month, first, end) if first == 0 else 0.0
