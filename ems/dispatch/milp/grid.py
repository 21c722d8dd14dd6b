"""The grid connection (E14, E15)."""

import pyomo.environ as pyo

from ems.dispatch.milp.parameters import ParameterValues, declare
from ems.dispatch.milp.shape import ModelShape
from ems.model.problem import PlanningProblem


def add_grid(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add E14 and E15: import and export within the connection, and the billed peak of each month."""
    m.GRID = pyo.RangeSet(0, shape.n_steps - 1) if shape.connected_site else pyo.Set(initialize=[])
    m.MONTH = pyo.RangeSet(0, len(shape.demand_steps) - 1)
    declare(m, "import_max_kw", "export_max_kw", index=(m.GRID,))
    declare(m, "demand_floor_kw", "demand_first_frac", "demand_running_kw", index=(m.MONTH,))
    m.import_kw = pyo.Var(m.GRID, bounds=lambda m, t: (0, m.import_max_kw[t]))
    m.export_kw = pyo.Var(m.GRID, bounds=lambda m, t: (0, m.export_max_kw[t]))
    m.billed_peak_kw = pyo.Var(m.MONTH, bounds=lambda m, i: (m.demand_floor_kw[i], None))
    m.DEMAND = pyo.Set(
        dimen=2, initialize=[(i, t) for i, (first, end) in enumerate(shape.demand_steps) for t in range(first, end)]
    )
    m.demand_peak = pyo.Constraint(m.DEMAND, rule=_peak)


def grid_values(problem: PlanningProblem) -> ParameterValues:
    """Return the parameter values of the connection; empty ones without a grid."""
    grid = problem.connection
    if grid is None:
        names = ("import_max_kw", "export_max_kw", "demand_floor_kw", "demand_first_frac", "demand_running_kw")
        return dict.fromkeys(names, ())
    first_h = problem.grid.duration_h[0]
    connected = [grid.connected_at(t) for t in range(problem.grid.n_steps)]
    return {
        "import_max_kw": [limit * on for limit, on in zip(grid.import_limit_kw, connected, strict=True)],
        "export_max_kw": [limit * on for limit, on in zip(grid.export_limit_kw, connected, strict=True)],
        "demand_floor_kw": [month.floor_kw for month in grid.demand],
        # the first step shares its billing interval with what was imported before it
        "demand_first_frac": [first_h / (month.running_h + first_h) for month in grid.demand],
        "demand_running_kw": [month.running_kwh / (month.running_h + first_h) for month in grid.demand],
    }


def _peak(m: pyo.ConcreteModel, i: int, t: int) -> pyo.Expression:
    """E15: the billed power is at least the mean import of each step, which stands for its billing interval."""
    if t == 0:
        return m.billed_peak_kw[i] >= m.demand_first_frac[i] * m.import_kw[0] + m.demand_running_kw[i]
    return m.billed_peak_kw[i] >= m.import_kw[t]
