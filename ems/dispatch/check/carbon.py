"""Carbon of a plan, computed anew from its flows and starts: what its price and its budget ask for."""

from ems.dispatch.check.units import UnitRange
from ems.model.plan import Plan
from ems.model.problem import PlanningProblem


def emitted(problem: PlanningProblem, plan: Plan, units: tuple[UnitRange, ...]) -> dict[str, tuple[float, float]]:
    """Return what the carbon of fuel (starts included) and import costs, at its price and beyond its budget."""
    fuel, grid, budget = problem.fuel, problem.connection, problem.carbon_budget
    per_l = 0.0 if fuel is None else fuel.kgco2e_per_l
    known_kg = per_l * running_l(plan)
    if grid is not None:
        known_kg += sum(step.duration_h * step.import_kw * grid.kgco2e_at(t) for t, step in enumerate(plan.steps))
    low_kg = high_kg = known_kg
    for data, each in zip(problem.gensets, units, strict=True):
        low_kg += per_l * data.start_fuel_l * sum(count.low for count in each.n_started)
        high_kg += per_l * data.start_fuel_l * sum(count.high for count in each.n_started)
    price, co2_price = 0.0 if budget is None else budget.price_per_kg, problem.prices.co2_per_kg
    allowed_kg = 0.0 if budget is None else budget.kgco2e
    return {
        "co2_cost": (low_kg * co2_price, high_kg * co2_price),
        "carbon_budget_cost": (price * max(0.0, low_kg - allowed_kg), price * max(0.0, high_kg - allowed_kg)),
    }


def running_l(plan: Plan) -> float:
    """Return the litres that running sets burn; starts burn theirs on top."""
    return sum(step.duration_h * genset.fuel_l_per_h for step in plan.steps for genset in step.gensets)
