"""PV plants (E13)."""

import pyomo.environ as pyo

from ems.dispatch.milp.parameters import ParameterValues, declare
from ems.dispatch.milp.shape import ModelShape
from ems.model.problem import PlanningProblem


def add_pv(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add E13: used PV between zero and what is available; the rest is curtailed."""
    m.PLANT = pyo.RangeSet(0, shape.n_plants - 1)
    declare(m, "pv_available_kw", index=(m.PLANT, m.T))
    m.pv_kw = pyo.Var(m.PLANT, m.T, bounds=lambda m, j, t: (0, m.pv_available_kw[j, t]))


def pv_values(problem: PlanningProblem) -> ParameterValues:
    """Return the parameter values of all plants."""
    return {"pv_available_kw": [x for plant in problem.pv for x in plant.available_kw]}
