"""Chillers in whole numbers and a tank of cold behind the cooling lines (E17)."""

from typing import Any

import pyomo.environ as pyo

from ems.dispatch.milp.parameters import ParameterValues, declare
from ems.dispatch.milp.shape import ModelShape
from ems.model.problem import PlanningProblem

# heat that no chiller removes is load that cannot stay, like cooling itself
_MISSING_FACTOR = 1.1
_CHILLED = (
    "chiller_heat_full_kw_th",
    "chiller_heat_frac",
    "chiller_capacity_kw_th",
    "chiller_least_kw_th",
    "chiller_weight_kw",
    "heat_missing_price",
    "chiller_low_price",
)
_TANKED = ("tank_kept_frac", "tank_hours_h", "tank_weight_frac", "tank_floor_price")
_TANK = ("tank_initial_kept_kwh_th", "tank_least_kwh_th", "tank_most_kwh_th", "tank_charge_max_kw_th")


def add_chillers(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add counts and heat of the chillers, and the tank; nothing at all where the problem has none."""
    m.CHILLED = pyo.Set(initialize=m.T if shape.chillers else [])
    m.TANKED = pyo.Set(initialize=m.T if shape.tank else [])
    declare(m, *_CHILLED, index=(m.CHILLED,))
    declare(m, "chiller_available", "chiller_initial_on", "chiller_start_cost", *_TANK)
    declare(m, "tank_discharge_max_kw_th", "tank_value_per_kwh")
    declare(m, *_TANKED, index=(m.TANKED,))
    count = (0, m.chiller_available)
    m.chiller_on = pyo.Var(m.CHILLED, domain=pyo.NonNegativeIntegers, bounds=count)
    m.chiller_start = pyo.Var(m.CHILLED, bounds=count)
    m.chiller_heat_kw_th = pyo.Var(m.CHILLED, bounds=(0, None))
    m.heat_missing_kw_th = pyo.Var(m.CHILLED, bounds=lambda m, t: (0, m.chiller_heat_full_kw_th[t]))
    m.chiller_low_kw_th = pyo.Var(m.CHILLED, bounds=(0, None))
    # positive charges
    m.tank_kw_th = pyo.Var(m.TANKED, bounds=(-m.tank_discharge_max_kw_th, m.tank_charge_max_kw_th))
    m.tank_kwh_th = pyo.Var(m.TANKED, bounds=(0, m.tank_most_kwh_th))
    m.tank_floor_slack_kwh_th = pyo.Var(m.TANKED, bounds=(0, m.tank_least_kwh_th))
    _add_heat(m)
    _add_capacity(m)
    _add_min_load(m)
    _add_started(m)
    _add_energy(m)
    _add_floor(m)
    _add_saving(m)
    m.chiller_cost = pyo.Expression(expr=_cost(m, shape))


def chiller_values(problem: PlanningProblem) -> ParameterValues:
    """Return the parameter values of chillers and tank; empty ones where the problem has none."""
    chillers, dt, prices = problem.chillers, problem.grid.duration_h, problem.prices
    if chillers is None:
        numbers = ("chiller_available", "chiller_initial_on", "chiller_start_cost")
        return {**dict.fromkeys(_CHILLED, ()), **dict.fromkeys(numbers, (0.0,)), **_tank_values(problem)}
    loss_factor = 1.0 + problem.load.site_loss_frac
    full = [problem.full_it_kw(t) for t in range(len(dt))]
    powers = list(zip(chillers.power_frac, dt, strict=True))
    return {
        "chiller_heat_full_kw_th": chillers.heat_kw_th,
        # heat follows the IT power that is served
        "chiller_heat_frac": [
            heat / it_kw if it_kw > 0.0 else 0.0 for heat, it_kw in zip(chillers.heat_kw_th, full, strict=True)
        ],
        "chiller_capacity_kw_th": chillers.capacity_kw_th,
        "chiller_least_kw_th": [chillers.min_load_frac * kw for kw in chillers.capacity_kw_th],
        "chiller_weight_kw": [loss_factor * chillers.base_kw] * len(dt),
        "heat_missing_price": [_MISSING_FACTOR * prices.unserved_per_kwh * h for h in dt],
        "chiller_low_price": [prices.limit_per_kwh * frac * h for frac, h in powers],
        "chiller_available": (chillers.n_available,),
        "chiller_initial_on": (chillers.n_on,),
        "chiller_start_cost": (chillers.start_cost,),
        **_tank_values(problem),
    }


def chiller_load(m: pyo.ConcreteModel, t: int) -> Any:  # a Pyomo expression
    """E17: return what running chillers and a charging tank take from the bus beside the cooling lines."""
    load = m.chiller_weight_kw[t] * m.chiller_on[t]
    return load + m.tank_weight_frac[t] * m.tank_kw_th[t] if t in m.TANKED else load


def heat_missing_cost(m: pyo.ConcreteModel) -> Any:  # a Pyomo expression
    """Return what heat beyond all chillers costs."""
    return sum(m.heat_missing_price[t] * m.heat_missing_kw_th[t] for t in m.CHILLED)


def chiller_low_cost(m: pyo.ConcreteModel) -> Any:  # a Pyomo expression
    """Return what chillers below their minimum load cost."""
    return sum(m.chiller_low_price[t] * m.chiller_low_kw_th[t] for t in m.CHILLED)


def tank_floor_cost(m: pyo.ConcreteModel) -> Any:  # a Pyomo expression
    """Return what cold missing to the ride-through floor costs."""
    return sum(m.tank_floor_price[t] * m.tank_floor_slack_kwh_th[t] for t in m.TANKED)


def _tank_values(problem: PlanningProblem) -> ParameterValues:
    chillers, dt = problem.chillers, problem.grid.duration_h
    if chillers is None or chillers.tank is None:
        numbers = (*_TANK, "tank_discharge_max_kw_th", "tank_value_per_kwh")
        return {**dict.fromkeys(_TANKED, ()), **dict.fromkeys(numbers, (0.0,))}
    tank = chillers.tank
    loss_factor = 1.0 + problem.load.site_loss_frac
    return {
        "tank_initial_kept_kwh_th": (tank.stored_kwh_th * (1.0 - tank.loss_frac_per_h) ** dt[0],),
        "tank_least_kwh_th": (tank.min_kwh_th,),
        # a measured level above the window stays feasible
        "tank_most_kwh_th": (max(tank.max_kwh_th, tank.stored_kwh_th),),
        "tank_charge_max_kw_th": (tank.max_charge_kw_th,),
        "tank_discharge_max_kw_th": (tank.max_discharge_kw_th,),
        "tank_value_per_kwh": (tank.value_per_kwh,),
        "tank_kept_frac": [(1.0 - tank.loss_frac_per_h) ** h for h in dt],
        "tank_hours_h": dt,
        "tank_weight_frac": [loss_factor * frac for frac in chillers.power_frac],
        "tank_floor_price": [
            problem.prices.floor_per_kwh * frac * h for frac, h in zip(chillers.power_frac, dt, strict=True)
        ],
    }


def _add_heat(m: pyo.ConcreteModel) -> None:
    """E17: heat of the chillers = heat of the served IT power + charge - discharge - missing."""

    def row(m: pyo.ConcreteModel, t: int) -> pyo.Expression:
        tank = m.tank_kw_th[t] if t in m.TANKED else 0.0
        served = m.chiller_heat_full_kw_th[t] - m.chiller_heat_frac[t] * m.it_missing_kw[t]
        return m.chiller_heat_kw_th[t] == served + tank - m.heat_missing_kw_th[t]

    m.chiller_heat = pyo.Constraint(m.CHILLED, rule=row)


def _add_capacity(m: pyo.ConcreteModel) -> None:
    """E17: heat <= n * capacity at the ambient."""

    def row(m: pyo.ConcreteModel, t: int) -> pyo.Expression:
        return m.chiller_heat_kw_th[t] <= m.chiller_capacity_kw_th[t] * m.chiller_on[t]

    m.chiller_capacity = pyo.Constraint(m.CHILLED, rule=row)


def _add_min_load(m: pyo.ConcreteModel) -> None:
    """E17: n * minimum load <= heat + slack."""

    def row(m: pyo.ConcreteModel, t: int) -> pyo.Expression:
        return m.chiller_least_kw_th[t] * m.chiller_on[t] <= m.chiller_heat_kw_th[t] + m.chiller_low_kw_th[t]

    m.chiller_min_load = pyo.Constraint(m.CHILLED, rule=row)


def _add_started(m: pyo.ConcreteModel) -> None:
    """E17: starts >= n[t] - n[t-1]."""

    def row(m: pyo.ConcreteModel, t: int) -> pyo.Expression:
        before = m.chiller_initial_on if t == 0 else m.chiller_on[t - 1]
        return m.chiller_start[t] >= m.chiller_on[t] - before

    m.chiller_started = pyo.Constraint(m.CHILLED, rule=row)


def _add_energy(m: pyo.ConcreteModel) -> None:
    """E17: E[t+1] = E[t] * (1 - loss)^dt + (charge - discharge) * dt."""

    def row(m: pyo.ConcreteModel, t: int) -> pyo.Expression:
        # the first step's part is a product of parameters, so it is one parameter
        kept = m.tank_initial_kept_kwh_th if t == 0 else m.tank_kept_frac[t] * m.tank_kwh_th[t - 1]
        return m.tank_kwh_th[t] == kept + m.tank_hours_h[t] * m.tank_kw_th[t]

    m.tank_energy = pyo.Constraint(m.TANKED, rule=row)


def _add_floor(m: pyo.ConcreteModel) -> None:
    """E17: the tank holds the cold for riding through a restart of the chillers; the slack is priced."""

    def row(m: pyo.ConcreteModel, t: int) -> pyo.Expression:
        return m.tank_kwh_th[t] + m.tank_floor_slack_kwh_th[t] >= m.tank_least_kwh_th

    m.tank_floor = pyo.Constraint(m.TANKED, rule=row)


def _add_saving(m: pyo.ConcreteModel) -> None:
    """E17: a discharging tank saves no more than cooling draws, where that is no linear function of the IT power."""

    def row(m: pyo.ConcreteModel, t: int) -> pyo.Expression:
        return m.cooling_weight_frac[t] * m.cooling_kw[t] + chiller_load(m, t) >= 0.0

    m.tank_saving = pyo.Constraint(m.TANKED & m.COOLED, rule=row)


def _cost(m: pyo.ConcreteModel, shape: ModelShape) -> Any:  # a Pyomo expression
    """Return starts less the worth of cold at the end."""
    starts = sum(m.chiller_start_cost * m.chiller_start[t] for t in m.CHILLED)
    return starts - m.tank_value_per_kwh * m.tank_kwh_th[shape.n_steps - 1] if shape.tank else starts
