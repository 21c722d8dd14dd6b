"""What one more kWh of load costs and emits in each step, with the commitment as it is.

The cost is the dual value of the balance row (E18). Emissions have no dual of their own: what the optimal basis
lets follow one more kW gives them. Where several bases are optimal either side of the kink is reported.
"""

from dataclasses import dataclass

import numpy as np

from ems.dispatch.milp.compiled import CompiledModel, Values
from ems.dispatch.milp.objective import carbon_at_price_one
from ems.dispatch.milp.solver import LinearSolution
from ems.model.problem import PlanningProblem

_G_PER_KG = 1000.0
_BALANCE = "bus_balance"
_CARBON_BUDGET = "carbon_budget"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marginals:
    """Cost and emissions of one more kWh at the bus, shape (n_steps,), and what the budget's last kg costs."""

    price_per_kwh: Values
    gco2e_per_kwh: Values
    carbon_price_per_kg: float | None


def emitted_kg(compiled: CompiledModel, parameters: Values, problem: PlanningProblem) -> Values:
    """Return kg CO2e per unit of each variable: its part of the CO2 term at a price of one."""
    return compiled.terms["co2_cost"].at(compiled.replaced(parameters, carbon_at_price_one(problem)))


def marginals(compiled: CompiledModel, problem: PlanningProblem, flows: LinearSolution) -> Marginals | None:
    """Return the marginal figures of flows whose basis is optimal, else None."""
    if flows.row_cost is None or flows.row_measured is None:
        return None
    hours = np.asarray(problem.grid.duration_h)
    balance = compiled.rows[_BALANCE]
    budget = flows.row_cost[compiled.rows.get(_CARBON_BUDGET, slice(0, 0))]
    return Marginals(
        price_per_kwh=flows.row_cost[balance] / hours,
        gco2e_per_kwh=_G_PER_KG * flows.row_measured[balance] / hours,
        # a kilogram more in the budget makes the plan cheaper
        carbon_price_per_kg=abs(float(budget[0])) if len(budget) else None,
    )
