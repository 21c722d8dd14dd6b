"""The fuel tank: its stock step by step, what must stay in it, and deliveries (E7)."""

from typing import Any

import pyomo.environ as pyo

from ems.dispatch.milp.genset import delivering
from ems.dispatch.milp.parameters import ParameterValues, declare
from ems.dispatch.milp.shape import ModelShape
from ems.model.problem import GensetProblem, PlanningProblem

# as energy that the cells do not have: dearer than load and surplus
_MISSING_FACTOR = 1.2


def add_fuel_tank(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add the stock at the end of each step; nothing where no plan could run the tank down to its reserve.

    Not burning is always possible, so that the tank itself needs a slack only where a set that warms up at the start
    must run on; its reserve has one.
    """
    m.TANK = pyo.Set(initialize=[0] if shape.fuel_stock else [])
    declare(m, "fuel_initial_l", "fuel_reserve_l", "fuel_reserve_price", index=(m.TANK,))
    declare(m, "fuel_delivered_l", "fuel_capacity_l", index=(m.TANK, m.T))
    m.FUELLED = pyo.Set(initialize=list(m.CLASS) if shape.fuel_stock else [])
    m.FUELLED_SEGMENT = pyo.Set(dimen=2, initialize=list(m.SEGMENT) if shape.fuel_stock else [])
    declare(m, "run_fuel_l", index=(m.FUELLED, m.T))
    declare(m, "segment_fuel_l", index=(m.FUELLED_SEGMENT, m.T))
    m.fuel_stock_l = pyo.Var(m.TANK, m.T, bounds=lambda m, i, t: (m.fuel_delivered_l[i, t], m.fuel_capacity_l[i, t]))
    m.NO_FUEL = pyo.Set(initialize=list(m.TANK) if shape.fuel_missing else [])
    declare(m, "fuel_missing_price", index=(m.NO_FUEL,))
    m.fuel_missing_l = pyo.Var(m.NO_FUEL, m.T, bounds=(0, None))
    m.FUEL_START = pyo.Set(initialize=list(m.CLASS) if shape.fuel_stock else [])
    declare(m, "start_fuel_l", index=(m.FUEL_START,))
    m.fuel_reserve_slack_l = pyo.Var(m.TANK, bounds=lambda m, i: (0, m.fuel_reserve_l[i]))
    if shape.fuel_stock:
        _add_stock(m)
        _add_reserve(m)


def fuel_tank_values(problem: PlanningProblem, shape: ModelShape) -> ParameterValues:
    """Return the parameter values of the tank."""
    stock = None if problem.fuel is None else problem.fuel.stock
    if not shape.fuel_stock or stock is None:
        return dict.fromkeys(
            (
                "fuel_initial_l",
                "fuel_reserve_l",
                "fuel_reserve_price",
                "fuel_delivered_l",
                "fuel_capacity_l",
                "run_fuel_l",
                "segment_fuel_l",
                "start_fuel_l",
                "fuel_missing_price",
            ),
            (),
        )
    dt, gensets = problem.grid.duration_h, problem.gensets
    delivered = [stock.delivered_at(t) for t in range(problem.grid.n_steps)]
    return {
        "fuel_initial_l": (stock.stock_l,),
        "fuel_reserve_l": (stock.reserve_l,),
        # a litre that is missing is as dear as the energy that it would have made
        "fuel_reserve_price": (problem.prices.limit_per_kwh / _best_l_per_kwh(gensets),),
        # load goes unserved before a litre is burnt that is not there
        "fuel_missing_price": [_missing_price(problem)] if shape.fuel_missing else (),
        "start_fuel_l": [genset.start_fuel_l for genset in gensets],
        "fuel_delivered_l": delivered,
        # a gauge may read a little more than the tank holds
        "fuel_capacity_l": [max(stock.capacity_l, stock.stock_l + sum(delivered))] * len(dt),
        "run_fuel_l": [genset.min_fuel_l_per_h * h for genset in gensets for h in dt],
        "segment_fuel_l": [s.fuel_l_per_kwh * h for genset in gensets for s in genset.segments for h in dt],
    }


def _add_stock(m: pyo.ConcreteModel) -> None:
    """E7: fuel[t+1] = fuel[t] - l_per_h * dt - starts + delivered; a delivery comes at the end of its step."""

    def row(m: pyo.ConcreteModel, i: int, t: int) -> Any:  # a Pyomo relation
        before = m.fuel_initial_l[i] if t == 0 else m.fuel_stock_l[i, t - 1]
        burnt = sum(m.run_fuel_l[c, t] * delivering(m, c, t) for c in m.CLASS) + sum(
            m.segment_fuel_l[c, k, t] * m.genset_segment_kw[c, k, t] for c, k in m.SEGMENT
        )
        burnt += sum(m.start_fuel_l[c] * m.genset_start[c, t] for c in m.FUEL_START)
        missing = m.fuel_missing_l[i, t] if i in m.NO_FUEL else 0.0
        return m.fuel_stock_l[i, t] == before - burnt + m.fuel_delivered_l[i, t] + missing

    m.fuel_stock = pyo.Constraint(m.TANK, m.T, rule=row)


def _add_reserve(m: pyo.ConcreteModel) -> None:
    """E7: what is in the tank before a delivery keeps the reserve; one priced slack for the horizon."""

    def row(m: pyo.ConcreteModel, i: int, t: int) -> Any:  # a Pyomo relation
        return m.fuel_stock_l[i, t] - m.fuel_delivered_l[i, t] + m.fuel_reserve_slack_l[i] >= m.fuel_reserve_l[i]

    m.fuel_reserve = pyo.Constraint(m.TANK, m.T, rule=row)


def missing_fuel_cost(m: pyo.ConcreteModel) -> Any:  # a Pyomo expression
    """Return what litres cost that the tank does not have."""
    return sum(m.fuel_missing_price[i] * m.fuel_missing_l[i, t] for i in m.NO_FUEL for t in m.T)


def _missing_price(problem: PlanningProblem) -> float:
    """Return the price of a litre that is not there: that of the energy which the best class makes of it.

    It is dearer than a litre of the reserve as well, which it would else be bought for.
    """
    dearest = max(problem.prices.unserved_per_kwh, problem.prices.limit_per_kwh)
    return _MISSING_FACTOR * dearest / _best_l_per_kwh(problem.gensets)


def _best_l_per_kwh(gensets: tuple[GensetProblem, ...]) -> float:
    """Return the least fuel per kWh at any point of any class's table that burns; 1 where none does."""
    rates: list[float] = []
    for genset in gensets:
        power_kw, l_per_h = genset.min_kw, genset.min_fuel_l_per_h
        points = [(power_kw, l_per_h)]
        for segment in genset.segments:
            power_kw += segment.width_kw
            l_per_h += segment.width_kw * segment.fuel_l_per_kwh
            points.append((power_kw, l_per_h))
        rates.extend(burnt / power for power, burnt in points if power > 0.0 and burnt > 0.0)
    return min(rates, default=1.0)
