"""Puts the families together: one Pyomo model per shape, and the parameter values of a problem for it."""

import pyomo.environ as pyo

from ems.dispatch.milp.balance import add_balance
from ems.dispatch.milp.battery import add_batteries, battery_values
from ems.dispatch.milp.battery_by_soc import add_battery_by_soc, battery_by_soc_values
from ems.dispatch.milp.battery_direction import add_battery_direction, battery_direction_values
from ems.dispatch.milp.battery_wear import add_battery_wear, battery_wear_values
from ems.dispatch.milp.carbon import add_carbon, carbon_values
from ems.dispatch.milp.cluster import add_job_cost, add_offers, job_values, offer_values
from ems.dispatch.milp.cooling import add_chillers, chiller_values
from ems.dispatch.milp.demand import add_load, load_values
from ems.dispatch.milp.fuel_tank import add_fuel_tank, fuel_tank_values
from ems.dispatch.milp.genset import add_gensets, genset_values
from ems.dispatch.milp.genset_any import add_any_on
from ems.dispatch.milp.genset_change import add_change
from ems.dispatch.milp.genset_rules import add_genset_rules, genset_rule_values
from ems.dispatch.milp.grid import add_grid, grid_values
from ems.dispatch.milp.groups import add_groups, group_values
from ems.dispatch.milp.objective import add_objective, objective_values
from ems.dispatch.milp.parameters import ParameterValues
from ems.dispatch.milp.pcc import add_pcc, pcc_values
from ems.dispatch.milp.pv import add_pv, pv_values
from ems.dispatch.milp.reserve import add_reserve, reserve_values
from ems.dispatch.milp.shape import ModelShape
from ems.model.problem import PlanningProblem


def build_model(shape: ModelShape) -> pyo.ConcreteModel:
    """Return the model of a shape, all numbers still zero."""
    m = pyo.ConcreteModel("dispatch")
    m.T = pyo.RangeSet(0, shape.n_steps - 1)
    add_pv(m, shape)
    add_grid(m, shape)
    add_pcc(m, shape)
    add_gensets(m, shape)
    add_any_on(m, shape)
    add_change(m, shape)
    add_genset_rules(m, shape)
    add_fuel_tank(m, shape)
    add_batteries(m, shape)
    add_battery_by_soc(m, shape)
    add_battery_direction(m, shape)
    add_battery_wear(m, shape)
    add_groups(m, shape)
    add_carbon(m, shape)
    add_offers(m, shape)
    add_load(m, shape)
    add_chillers(m, shape)
    add_balance(m)
    add_reserve(m, shape)
    add_job_cost(m)
    add_objective(m, shape)
    return m


def model_values(problem: PlanningProblem, shape: ModelShape) -> ParameterValues:
    """Return every parameter of the model."""
    return {
        **pv_values(problem, shape),
        **grid_values(problem),
        **pcc_values(problem, shape),
        **genset_values(problem, shape),
        **genset_rule_values(problem, shape),
        **fuel_tank_values(problem, shape),
        **battery_values(problem),
        **battery_by_soc_values(problem),
        **battery_direction_values(problem, shape),
        **battery_wear_values(problem),
        **group_values(problem),
        **carbon_values(problem),
        **offer_values(problem, shape),
        **load_values(problem, shape),
        **job_values(problem, shape),
        **chiller_values(problem),
        **reserve_values(problem, shape),
        **objective_values(problem),
    }
