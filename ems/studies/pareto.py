"""Cost against emissions of one day: the same planning problem solved for a list of CO2 prices.

Every point is a plan of the dispatcher that passed the independent check. Each day is closed: its stores end at least
as full as they begin, so that no plan looks clean or cheap by leaving them empty.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ems.dispatch.check import evaluate
from ems.dispatch.milp.engine import DispatchEngine
from ems.errors import DispatchError
from ems.model.plan import Plan
from ems.model.problem import PlanningProblem
from ems.model.units import KG_PER_T

# no CO2 price of a sweep shall outbid what keeps the load served
_SAFETY_PRICE_FACTOR = 10.0
# plans that differ by less are the same plan
_SAME_FRAC = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeOffPoint:
    """The plan of one CO2 price; `cost` is the objective without the CO2 price's own term, in site currency."""

    co2_price_per_t: float
    cost: float
    emitted_kgco2e: float
    fuel_l: float
    import_kwh: float
    curtailed_kwh: float
    discharge_kwh: float
    genset_starts: int
    gap_frac: float | None
    relaxed: tuple[str, ...]
    # another price gives a plan that is no dearer and no dirtier, and better in one of them
    is_dominated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTradeOff:
    """All points of one day, in the order of their prices."""

    title: str
    site: str
    currency: str
    start_utc: str
    horizon_h: float
    points: tuple[TradeOffPoint, ...]


def trade_off(problem: PlanningProblem, *, title: str, prices_per_t: Sequence[float], gap_frac: float) -> DayTradeOff:
    """Return the points of a problem's day, one for each CO2 price.

    Raises:
        DispatchError: A price has no plan in time, or one that the check refuses.
    """
    closed = closed_day(problem, gap_frac=gap_frac)
    points = tuple(_points(closed, sorted(prices_per_t)))
    return DayTradeOff(
        title=title,
        site=problem.site_id,
        currency=problem.currency,
        start_utc=f"{problem.grid.start_utc:%Y-%m-%dT%H:%M:%SZ}",
        horizon_h=problem.grid.offset_h[-1],
        points=marked(points),
    )


def closed_day(problem: PlanningProblem, *, gap_frac: float) -> PlanningProblem:
    """Return the problem with stores that end at least as full as they begin, instead of a value of what is left.

    The floor of the last step is raised to the energy stored at the start; it is missed only at the floor's price.
    """
    n_steps = problem.grid.n_steps
    stored_kwh = sum(min(pool.stored_kwh, pool.max_stored_kwh) for pool in problem.pools)
    floor = [problem.reserve.floor_at(t) for t in range(n_steps)]
    lead = [problem.reserve.lead_at(t) for t in range(n_steps)]
    prices = problem.prices
    last_kwh = max(floor[-1], stored_kwh)
    lead[-1] = max(0.0, floor[-1] + lead[-1] - last_kwh)
    floor[-1] = last_kwh
    return replace(
        problem,
        pools=tuple(replace(pool, terminal_value=(), hold_value_per_h=()) for pool in problem.pools),
        reserve=replace(problem.reserve, floor_kwh=tuple(floor), lead_kwh=tuple(lead)),
        prices=replace(
            prices,
            unserved_per_kwh=_SAFETY_PRICE_FACTOR * prices.unserved_per_kwh,
            reserve_per_kwh=_SAFETY_PRICE_FACTOR * prices.reserve_per_kwh,
            floor_per_kwh=_SAFETY_PRICE_FACTOR * prices.floor_per_kwh,
        ),
        options=replace(problem.options, gap_frac=gap_frac, integer_h=problem.grid.offset_h[-1]),
    )


def marked(points: Sequence[TradeOffPoint]) -> tuple[TradeOffPoint, ...]:
    """Return the points, each knowing whether another one dominates it."""
    return tuple(replace(point, is_dominated=any(_dominates(other, point) for other in points)) for point in points)


def _dominates(other: TradeOffPoint, point: TradeOffPoint) -> bool:
    cost_gain = (point.cost - other.cost) / max(1.0, abs(point.cost))
    carbon_gain = (point.emitted_kgco2e - other.emitted_kgco2e) / max(1.0, point.emitted_kgco2e)
    return min(cost_gain, carbon_gain) >= -_SAME_FRAC and max(cost_gain, carbon_gain) > _SAME_FRAC


def _points(problem: PlanningProblem, prices_per_t: Sequence[float]) -> Iterator[TradeOffPoint]:
    engine = DispatchEngine()
    for price in prices_per_t:
        priced = replace(problem, prices=replace(problem.prices, co2_per_kg=price / KG_PER_T))
        plan = engine.solve(priced)
        evaluation = evaluate(priced, plan)
        if not evaluation.passed:
            sentences = "; ".join(violation.sentence() for violation in evaluation.violations[:3])
            raise DispatchError(f"the plan at {price:g} per t was refused by the check: {sentences}")
        yield _point(priced, plan, co2_price_per_t=price)


def _point(problem: PlanningProblem, plan: Plan, *, co2_price_per_t: float) -> TradeOffPoint:
    fuel_l = sum(
        step.duration_h * genset.fuel_l_per_h + genset.n_started * data.start_fuel_l
        for step in plan.steps
        for genset, data in zip(step.gensets, problem.gensets, strict=True)
    )
    kgco2e = 0.0 if problem.fuel is None else fuel_l * problem.fuel.kgco2e_per_l
    if problem.connection is not None:
        factors = (problem.connection.kgco2e_at(t) for t in range(problem.grid.n_steps))
        kgco2e += sum(
            step.duration_h * step.import_kw * factor for step, factor in zip(plan.steps, factors, strict=True)
        )
    return TradeOffPoint(
        co2_price_per_t=co2_price_per_t,
        cost=plan.objective.total_cost() - plan.objective.co2_cost,
        emitted_kgco2e=kgco2e,
        fuel_l=fuel_l,
        import_kwh=sum(step.duration_h * step.import_kw for step in plan.steps),
        curtailed_kwh=sum(step.duration_h * (step.pv_available_kw - step.pv_kw) for step in plan.steps),
        discharge_kwh=sum(step.duration_h * pool.discharge_kw for step in plan.steps for pool in step.pools),
        genset_starts=sum(genset.n_started for step in plan.steps for genset in step.gensets),
        gap_frac=plan.gap_frac,
        relaxed=plan.relaxed,
    )
