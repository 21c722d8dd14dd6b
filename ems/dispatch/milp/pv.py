"""PV plants and the price of curtailing them (E13)."""

import pyomo.environ as pyo

from ems.dispatch.milp.parameters import ParameterValues, declare
from ems.dispatch.milp.shape import ModelShape
from ems.model.problem import PlanningProblem


def add_pv(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add E13: used PV between zero and what is available; the rest is curtailed."""
    m.PLANT = pyo.RangeSet(0, shape.n_plants - 1)
    declare(m, "pv_available_kw", index=(m.PLANT, m.T))
    m.pv_kw = pyo.Var(m.PLANT, m.T, bounds=lambda m, j, t: (0, m.pv_available_kw[j, t]))
    if shape.priced_plants:
        _add_curtailment(m, shape)


def pv_values(problem: PlanningProblem, shape: ModelShape) -> ParameterValues:
    """Return the parameter values of all plants."""
    values = {"pv_available_kw": [x for plant in problem.pv for x in plant.available_kw]}
    if shape.priced_plants:
        values["curtailment_price"] = [
            problem.pv[j].curtailment_price_per_kwh * h for j in shape.priced_plants for h in problem.grid.duration_h
        ]
    return values


def _add_curtailment(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """E13: curtailed >= available - used, and its price, for the plants that have one."""
    m.PRICED_PLANT = pyo.Set(initialize=list(shape.priced_plants))
    declare(m, "curtailment_price", index=(m.PRICED_PLANT, m.T))
    m.curtailed_kw = pyo.Var(m.PRICED_PLANT, m.T, bounds=lambda m, j, t: (0, m.pv_available_kw[j, t]))
    m.pv_curtailed = pyo.Constraint(
        m.PRICED_PLANT, m.T, rule=lambda m, j, t: m.curtailed_kw[j, t] >= m.pv_available_kw[j, t] - m.pv_kw[j, t]
    )
    m.curtailment_cost = pyo.Expression(
        expr=sum(m.curtailment_price[j, t] * m.curtailed_kw[j, t] for j in m.PRICED_PLANT for t in m.T)
    )
