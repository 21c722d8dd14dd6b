"""The objective: one expression per term, named like the fields of `ObjectiveTerms` and reported in the plan."""

from dataclasses import fields, replace
from typing import Any

import pyomo.environ as pyo

from ems.dispatch.milp.cluster import over_curtailed_cost, unserved_offers_cost
from ems.dispatch.milp.cooling import chiller_low_cost, heat_missing_cost, tank_floor_cost
from ems.dispatch.milp.fuel_tank import missing_fuel_cost
from ems.dispatch.milp.genset import delivering
from ems.dispatch.milp.parameters import ParameterValues, declare
from ems.dispatch.milp.shape import ModelShape
from ems.model.plan import ObjectiveTerms
from ems.model.problem import GensetProblem, PlanningProblem
from ems.model.units import G_PER_KG

TERMS = tuple(field.name for field in fields(ObjectiveTerms))


def add_objective(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add every cost term and minimise their sum."""
    _parameters(m, shape)
    _add_bought(m)
    _add_gensets(m)
    _add_batteries(m)
    _add_slacks(m, shape)
    # a term whose feature the shape does not have
    for name in TERMS:
        if m.component(name) is None:
            m.add_component(name, pyo.Expression(expr=0.0))
    m.total_cost = pyo.Objective(expr=sum(getattr(m, name) for name in TERMS))


def greatest_value(problem: PlanningProblem) -> float:
    """Return the most that stored energy can be worth in a plan: the solver's gap is relative to cost plus this.

    Without it an objective near zero, cost balanced by stored value, would ask for a solution to the last cent.
    """
    horizon_h = problem.grid.offset_h[-1]
    tank = None if problem.chillers is None else problem.chillers.tank
    cold = 0.0 if tank is None else tank.value_per_kwh * max(tank.max_kwh_th, tank.stored_kwh_th)
    return cold + sum(
        sum(piece.width_kwh * piece.value_per_kwh for piece in pool.terminal_value)
        + sum(piece.width_kwh * piece.value_per_kwh * horizon_h for piece in pool.hold_value_per_h)
        for pool in problem.pools
    )


def distance_frac(cost: float, bound_cost: float, problem: PlanningProblem) -> float:
    """Return how far a cost lies above a bound, relative to what HiGHS's own gap is relative to."""
    return max(0.0, cost - bound_cost) / max(1e-9, abs(cost + greatest_value(problem)))


def objective_values(problem: PlanningProblem) -> ParameterValues:
    """Return price times step length for every priced variable."""
    return {**_bought_values(problem), **_genset_values(problem), **_battery_values(problem), **_slack_values(problem)}


def carbon_at_price_one(problem: PlanningProblem) -> ParameterValues:
    """Return the parameters of the CO2 term as they are at a price of one: kg CO2e instead of cost."""
    priced = replace(problem, prices=replace(problem.prices, co2_per_kg=1.0))
    values = {**_bought_values(priced), **_genset_values(priced)}
    return {name: part for name, part in values.items() if name.endswith("_co2_cost")}


def _parameters(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    declare(m, "import_cost", "export_earning", "import_co2_cost", index=(m.GRID,))
    declare(m, "demand_price", index=(m.MONTH,))
    declare(m, "start_cost", "start_co2_cost", index=(m.CLASS,))
    declare(m, "run_fuel_cost", "run_co2_cost", "run_wear_cost", index=(m.CLASS, m.T))
    declare(m, "segment_fuel_cost", "segment_co2_cost", index=(m.SEGMENT, m.T))
    priced = [c for c, genset in enumerate(shape.gensets) if genset.pollutes]
    m.POLLUTING = pyo.Set(initialize=priced)
    m.POLLUTING_SEGMENT = pyo.Set(dimen=2, initialize=[(c, k) for c, k in m.SEGMENT if c in priced])
    declare(m, "run_pollutant_cost", index=(m.POLLUTING, m.T))
    declare(m, "segment_pollutant_cost", index=(m.POLLUTING_SEGMENT, m.T))
    declare(m, "throughput_cost", index=(m.POOL, m.T))
    declare(m, "terminal_value_per_kwh", index=(m.TERMINAL,))
    declare(m, "hold_value", index=(m.HOLD, m.T))
    declare(
        m,
        "it_unserved_price",
        "unserved_price",
        "floor_price",
        "limit_price",
        "low_load_price",
        index=(m.T,),
    )
    declare(m, "change_price", index=(m.CHANGE,))
    declare(m, "missing_price")


def _add_bought(m: pyo.ConcreteModel) -> None:
    """Energy bought and sold, and the demand charge beyond the peak that is paid anyway (E15)."""
    m.energy_import_cost = pyo.Expression(expr=sum(m.import_cost[t] * m.import_kw[t] for t in m.GRID))
    m.energy_export_cost = pyo.Expression(expr=-sum(m.export_earning[t] * m.export_kw[t] for t in m.GRID))
    m.demand_above_kw = pyo.Var(m.MONTH, bounds=(0, None))
    _add_demand_above(m)
    m.demand_cost = pyo.Expression(expr=sum(m.demand_price[i] * m.demand_above_kw[i] for i in m.MONTH))


def _add_demand_above(m: pyo.ConcreteModel) -> None:
    """E15: billed power above the peak that is paid anyway >= billed power - floor."""
    m.demand_above = pyo.Constraint(
        m.MONTH, rule=lambda m, i: m.demand_above_kw[i] >= m.billed_peak_kw[i] - m.demand_floor_kw[i]
    )


def _add_gensets(m: pyo.ConcreteModel) -> None:
    """Fuel, CO2, starts, wear of run hours, wet stacking and changes of commitment."""
    m.fuel_cost = pyo.Expression(expr=_burnt(m, m.run_fuel_cost, m.segment_fuel_cost))
    m.co2_cost = pyo.Expression(
        expr=_burnt(m, m.run_co2_cost, m.segment_co2_cost)
        + sum(m.start_co2_cost[c] * m.genset_start[c, t] for c in m.CLASS for t in m.T)
        + sum(m.import_co2_cost[t] * m.import_kw[t] for t in m.GRID)
    )
    m.pollutant_cost = pyo.Expression(
        expr=sum(m.run_pollutant_cost[c, t] * delivering(m, c, t) for c in m.POLLUTING for t in m.T)
        + sum(
            m.segment_pollutant_cost[c, k, t] * m.genset_segment_kw[c, k, t]
            for c, k in m.POLLUTING_SEGMENT
            for t in m.T
        )
    )
    m.starts_cost = pyo.Expression(expr=sum(m.start_cost[c] * m.genset_start[c, t] for c in m.CLASS for t in m.T))
    m.genset_wear_cost = pyo.Expression(
        expr=sum(m.run_wear_cost[c, t] * m.genset_on[c, t] for c in m.CLASS for t in m.T)
    )
    m.low_load_cost = pyo.Expression(
        expr=sum(m.low_load_price[t] * m.genset_low_load_kw[c, t] for c in m.BAND for t in m.T)
    )
    m.change_cost = pyo.Expression(
        expr=sum(m.change_price[t] * m.genset_change[c, t] for c in m.CLASS for t in m.CHANGE)
    )


def _burnt(m: pyo.ConcreteModel, run: pyo.Param, segment: pyo.Param) -> Any:  # a Pyomo expression
    return sum(run[c, t] * delivering(m, c, t) for c in m.CLASS for t in m.T) + sum(
        segment[c, k, t] * m.genset_segment_kw[c, k, t] for c, k in m.SEGMENT for t in m.T
    )


def _add_batteries(m: pyo.ConcreteModel) -> None:
    """E10 wear, and the values of stored energy: at the end (E12) and while an outage may come (E24)."""
    m.battery_wear_cost = pyo.Expression(
        expr=sum(m.throughput_cost[p, t] * m.discharge_kw[p, t] for p in m.POOL for t in m.T) + m.pool_wear_cost
    )
    m.terminal_value_cost = pyo.Expression(
        expr=-sum(m.terminal_value_per_kwh[p, k] * m.terminal_kwh[p, k] for p, k in m.TERMINAL)
    )
    m.hold_value_cost = pyo.Expression(
        expr=-sum(m.hold_value[p, k, t] * m.held_kwh[p, k, t] for p, k in m.HOLD for t in m.T)
    )


def _add_slacks(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Every broken wish at its price; a solution without them has zeros here."""
    m.unserved_cost = pyo.Expression(
        expr=sum(m.it_unserved_price[t] * m.it_unserved_kw[t] for t in m.T)
        + sum(m.unserved_price[t] * m.other_unserved_kw[t] for t in m.OTHER)
        + unserved_offers_cost(m)
        + heat_missing_cost(m)
    )
    m.surplus_cost = pyo.Expression(expr=sum(m.unserved_price[t] * m.surplus_kw[t] for t in m.T))
    m.missing_cost = pyo.Expression(
        expr=sum(m.missing_price * m.stored_missing_kwh[p, t] for p in m.DRAINING for t in m.T) + missing_fuel_cost(m)
    )
    m.floor_cost = pyo.Expression(
        expr=sum(m.floor_price[t] * m.floor_slack_kwh[t] for t in m.FLOOR) + tank_floor_cost(m)
    )
    m.limit_cost = pyo.Expression(expr=_limits(m, shape))
    m.exercise_cost = pyo.Expression(
        expr=sum(m.exercise_missed_cost[c] * m.genset_exercise_missed[c] for c in m.EXERCISE)
    )
    m.reserve_cost = pyo.Expression(
        expr=sum(m.reserve_price[k, t] * m.reserve_slack_kw[k, t] for k in m.RESERVE for t in m.T)
        + sum(m.down_reserve_price[d, t] * m.down_slack_kw[d, t] for d in m.DOWN for t in m.T)
    )


def _limits(m: pyo.ConcreteModel, shape: ModelShape) -> Any:  # a Pyomo expression
    """Minimum times and rules of gensets, the fuel reserve, the ramp at the PCC, curtailed hours, chillers."""
    times = sum(m.limit_price[t] * (m.genset_up_slack[c, t] + m.genset_down_slack[c, t]) for c in m.CLASS for t in m.T)
    quiet = sum(m.limit_price[t] * m.genset_quiet_slack[c, t] for c in m.QUIET for t in m.T)
    permit = sum(m.run_hour_price * m.genset_permit_slack_h[c] for c in m.PERMIT)
    fuel = sum(m.fuel_reserve_price[i] * m.fuel_reserve_slack_l[i] for i in m.TANK)
    ramp = sum(m.ramp_price[t] * m.ramp_slack_kw[t] for t in m.GRID) if shape.pcc_ramp else 0.0
    return times + quiet + permit + fuel + ramp + over_curtailed_cost(m) + chiller_low_cost(m)


def _bought_values(problem: PlanningProblem) -> ParameterValues:
    grid, dt = problem.connection, problem.grid.duration_h
    if grid is None:
        return dict.fromkeys(("import_cost", "export_earning", "import_co2_cost", "demand_price"), ())
    co2 = problem.prices.co2_per_kg
    return {
        "import_cost": [price * h for price, h in zip(grid.price_per_kwh, dt, strict=True)],
        "export_earning": [grid.export_price_at(t) * h for t, h in enumerate(dt)],
        "import_co2_cost": [co2 * grid.kgco2e_at(t) * h for t, h in enumerate(dt)],
        "demand_price": [month.price_per_kw for month in grid.demand],
    }


def _genset_values(problem: PlanningProblem) -> ParameterValues:
    dt, gensets, prices = problem.grid.duration_h, problem.gensets, problem.prices
    price = 0.0 if problem.fuel is None else problem.fuel.price_per_l
    co2 = 0.0 if problem.fuel is None else problem.fuel.kgco2e_per_l * prices.co2_per_kg
    polluting = [genset for genset in gensets if any(each.price_per_kg > 0.0 for each in genset.pollutants)]
    run = [genset.min_fuel_l_per_h * h for genset in gensets for h in dt]
    segment = [s.fuel_l_per_kwh * h for genset in gensets for s in genset.segments for h in dt]
    n_change = problem.n_change_steps
    return {
        "start_cost": [genset.start_cost for genset in gensets],
        "start_co2_cost": [co2 * genset.start_fuel_l for genset in gensets],
        "run_fuel_cost": [price * litres for litres in run],
        "run_co2_cost": [co2 * litres for litres in run],
        "run_wear_cost": [genset.run_wear_cost_per_h * h for genset in gensets for h in dt],
        "run_pollutant_cost": [_pollutant_cost_per_h(genset) * h for genset in polluting for h in dt],
        "segment_pollutant_cost": [
            _pollutant_cost_per_kwh(genset, k) * h
            for genset in polluting
            for k in range(len(genset.segments))
            for h in dt
        ],
        "segment_fuel_cost": [price * litres for litres in segment],
        "segment_co2_cost": [co2 * litres for litres in segment],
        "low_load_price": [prices.low_load_per_kwh * h for h in dt],
        "change_price": [prices.commitment_change * h for h in dt[:n_change]],
    }


def _pollutant_cost_per_h(genset: GensetProblem) -> float:
    """Return what a unit at minimum load emits in an hour, at its price."""
    return sum(each.price_per_kg * each.min_g_per_h / G_PER_KG for each in genset.pollutants)


def _pollutant_cost_per_kwh(genset: GensetProblem, k: int) -> float:
    return sum(each.price_per_kg * each.segment_g_per_kwh[k] / G_PER_KG for each in genset.pollutants)


def _battery_values(problem: PlanningProblem) -> ParameterValues:
    dt, pools = problem.grid.duration_h, problem.pools
    return {
        "throughput_cost": [pool.wear_cost_per_kwh * h for pool in pools for h in dt],
        "terminal_value_per_kwh": [piece.value_per_kwh for pool in pools for piece in pool.terminal_value],
        "hold_value": [piece.value_per_kwh * h for pool in pools for piece in pool.hold_value_per_h for h in dt],
    }


def _slack_values(problem: PlanningProblem) -> ParameterValues:
    dt, prices = problem.grid.duration_h, problem.prices
    weight = [problem.it_weight_frac(t) for t in range(len(dt))]
    return {
        "it_unserved_price": [prices.unserved_per_kwh * w * h for w, h in zip(weight, dt, strict=True)],
        # cooling and auxiliaries come before racks: a little dearer, so that racks go first
        "unserved_price": [1.1 * prices.unserved_per_kwh * h for h in dt],
        "missing_price": (1.2 * prices.unserved_per_kwh,),
        "floor_price": [prices.floor_per_kwh * h for h in dt],
        # a unit and hour of a broken minimum time
        "limit_price": [prices.limit_per_kwh * h * _largest_unit_kw(problem) for h in dt],
    }


def _largest_unit_kw(problem: PlanningProblem) -> float:
    return max((genset.max_kw for genset in problem.gensets), default=0.0)
