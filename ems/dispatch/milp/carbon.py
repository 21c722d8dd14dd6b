"""The cumulative carbon budget of the horizon."""

from typing import Any

import pyomo.environ as pyo

from ems.dispatch.milp.genset import delivering
from ems.dispatch.milp.parameters import ParameterValues, declare
from ems.dispatch.milp.shape import ModelShape
from ems.model.problem import PlanningProblem


def add_carbon(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add the budget with its priced excess; the row's dual is the price of the last kilogram."""
    if not shape.carbon_budget:
        return
    declare(m, "run_kgco2e", index=(m.CLASS, m.T))
    declare(m, "segment_kgco2e", index=(m.SEGMENT, m.T))
    declare(m, "start_kgco2e", index=(m.CLASS,))
    declare(m, "import_kgco2e", index=(m.GRID,))
    declare(m, "carbon_budget_kgco2e", "carbon_excess_price")
    m.carbon_excess_kgco2e = pyo.Var(bounds=(0, None))
    _add_budget(m)
    m.carbon_budget_cost = pyo.Expression(expr=m.carbon_excess_price * m.carbon_excess_kgco2e)


def carbon_values(problem: PlanningProblem) -> ParameterValues:
    """Return what each running unit, segment and imported kW emits in a step, each start at once, and the budget."""
    budget = problem.carbon_budget
    if budget is None:
        return {}
    dt, gensets, grid = problem.grid.duration_h, problem.gensets, problem.connection
    per_l = 0.0 if problem.fuel is None else problem.fuel.kgco2e_per_l
    return {
        "run_kgco2e": [per_l * genset.min_fuel_l_per_h * h for genset in gensets for h in dt],
        "segment_kgco2e": [per_l * s.fuel_l_per_kwh * h for genset in gensets for s in genset.segments for h in dt],
        "start_kgco2e": [per_l * genset.start_fuel_l for genset in gensets],
        "import_kgco2e": () if grid is None else [grid.kgco2e_at(t) * h for t, h in enumerate(dt)],
        "carbon_budget_kgco2e": (budget.kgco2e,),
        "carbon_excess_price": (budget.price_per_kg,),
    }


def _add_budget(m: pyo.ConcreteModel) -> None:
    """E5, E14: carbon of fuel, that of starts included, and of import over the horizon - excess <= budget."""

    def row(m: pyo.ConcreteModel) -> Any:  # a Pyomo relation
        burnt = sum(m.run_kgco2e[c, t] * delivering(m, c, t) for c in m.CLASS for t in m.T)
        burnt += sum(m.segment_kgco2e[c, k, t] * m.genset_segment_kw[c, k, t] for c, k in m.SEGMENT for t in m.T)
        burnt += sum(m.start_kgco2e[c] * m.genset_start[c, t] for c in m.CLASS for t in m.T)
        bought = sum(m.import_kgco2e[t] * m.import_kw[t] for t in m.GRID)
        return burnt + bought - m.carbon_excess_kgco2e <= m.carbon_budget_kgco2e

    m.carbon_budget = pyo.Constraint(rule=row)
