"""Fuel and what comes out of the exhaust: the curves of one unit walked up, and the tank run down (E5, E7)."""

from collections.abc import Iterator, Sequence

from ems.dispatch.check.findings import Violation, is_firm, outside
from ems.dispatch.check.units import CountRange, UnitRange
from ems.model.plan import GensetStep, Plan
from ems.model.problem import GensetProblem, PlanningProblem, PollutantProblem
from ems.model.units import G_PER_KG

# shares of the quantity, and least absolute values
_TOLERANCE_FRAC = 2e-3
_TOLERANCE_G_PER_H = 0.1
_TOLERANCE_L = 0.05


def curve_at(data: GensetProblem, n: float, power_kw: float, *, at_min: float, slopes: Sequence[float]) -> float:
    """Return the hourly rate of n equally loaded units: walk up the curve of one unit."""
    if n <= 0.0:
        return 0.0
    left_kw = power_kw / n - data.min_kw
    rate = at_min
    for segment, slope in zip(data.segments, slopes, strict=True):
        taken = min(max(0.0, left_kw), segment.width_kw)
        rate += taken * slope
        left_kw -= taken
    return n * rate


def best_l_per_kwh(data: GensetProblem) -> float:
    """Return the least fuel per kWh anywhere on the curve of one unit."""
    slopes = [segment.fuel_l_per_kwh for segment in data.segments]
    return min(_per_kwh(data, at_min=data.min_fuel_l_per_h, slopes=slopes))


def pollutants(
    problem: PlanningProblem, genset: GensetStep, data: GensetProblem, delivering: CountRange, t: int
) -> Iterator[Violation]:
    """A plan reports every pollutant that its problem knows, at the rate of the units that deliver."""
    reported = dict(genset.pollutants_g_per_h)
    if list(reported) != [pollutant.id for pollutant in data.pollutants]:
        yield Violation(step=t, what=f"{genset.id} pollutants differ", value=len(reported), limit=len(data.pollutants))
        return
    for pollutant in data.pollutants:
        low, high = _g_per_h(problem, genset, data, pollutant, delivering, t)
        yield from outside(
            t,
            f"{genset.id} {pollutant.id}, g/h",
            reported[pollutant.id],
            lowest=low,
            highest=high,
            tolerance=_TOLERANCE_G_PER_H + _TOLERANCE_FRAC * high,
        )


def pollutant_cost(problem: PlanningProblem, plan: Plan) -> float:
    """Return what the reported pollutants cost."""
    return sum(
        pollutant.price_per_kg * step.duration_h * g_per_h / G_PER_KG
        for step in plan.steps
        for genset, data in zip(step.gensets, problem.gensets, strict=True)
        for pollutant, (_, g_per_h) in zip(data.pollutants, genset.pollutants_g_per_h, strict=False)
    )


def tank(problem: PlanningProblem, plan: Plan, units: tuple[UnitRange, ...]) -> Iterator[Violation]:
    """The stock follows from what is burnt and delivered, is never negative, and keeps its reserve or says so."""
    stock = None if problem.fuel is None else problem.fuel.stock
    if stock is None:
        return
    tolerance = _TOLERANCE_L + _TOLERANCE_FRAC * stock.stock_l
    for t, (step, level) in enumerate(zip(plan.steps, _levels_l(problem, plan, units), strict=True)):
        low_l, high_l = (max(0.0, kept_l) + stock.delivered_at(t) for kept_l in level)
        reported = step.fuel_stock_end_l
        if reported is None:
            yield Violation(step=t, what="fuel_stock_end_l", value=-1.0, limit=high_l)
        else:
            yield from outside(t, "fuel_stock_end_l", reported, lowest=low_l, highest=high_l, tolerance=tolerance)
        if level.high < -tolerance and "fuel" not in plan.relaxed:
            yield Violation(step=t, what="fuel in the tank, l", value=level.high, limit=0.0)
    short_l, _ = fuel_shortfall_range_l(problem, plan, units)
    if short_l > tolerance and "fuel reserve" not in plan.relaxed:
        yield Violation(step=None, what="fuel reserve, l", value=stock.reserve_l - short_l, limit=stock.reserve_l)


def fuel_shortfall_range_l(problem: PlanningProblem, plan: Plan, units: tuple[UnitRange, ...]) -> tuple[float, float]:
    """Return the most that is missing to the tank's reserve at any time: a range where starts are fractions."""
    stock = None if problem.fuel is None else problem.fuel.stock
    if stock is None:
        return 0.0, 0.0
    levels = _levels_l(problem, plan, units)
    least, most = (min(kept_l) for kept_l in ([level.high for level in levels], [level.low for level in levels]))
    low_l, high_l = (min(stock.reserve_l, max(0.0, stock.reserve_l - kept_l)) for kept_l in (least, most))
    return low_l, high_l


def missing_fuel_l(problem: PlanningProblem, plan: Plan, units: tuple[UnitRange, ...]) -> float:
    """Return what is burnt beyond what the tank has."""
    return sum(max(0.0, -level.high) for level in _levels_l(problem, plan, units))


def litre_price(problem: PlanningProblem, price_per_kwh: float) -> float:
    """Return the price of a litre by that of the energy that the best class makes of it.

    Points of a curve that burn nothing make nothing of a litre; where all are such, a litre counts as a kWh.
    """
    if not problem.gensets:
        return 0.0
    rates = [
        rate
        for data in problem.gensets
        for rate in _per_kwh(
            data, at_min=data.min_fuel_l_per_h, slopes=[segment.fuel_l_per_kwh for segment in data.segments]
        )
    ]
    return price_per_kwh / min((rate for rate in rates if rate > 0.0), default=1.0)


def _levels_l(problem: PlanningProblem, plan: Plan, units: tuple[UnitRange, ...]) -> list[CountRange]:
    """Return the stock at the end of each step, before what is delivered then; below zero by what is missing."""
    stock = None if problem.fuel is None else problem.fuel.stock
    if stock is None:
        return []
    levels = []
    low_l = high_l = stock.stock_l
    for t, step in enumerate(plan.steps):
        burnt_l = sum(genset.fuel_l_per_h for genset in step.gensets) * step.duration_h
        started = [(data.start_fuel_l, each.n_started[t]) for data, each in zip(problem.gensets, units, strict=True)]
        low_l = max(0.0, low_l) - burnt_l - sum(litres * n.high for litres, n in started)
        high_l = max(0.0, high_l) - burnt_l - sum(litres * n.low for litres, n in started)
        levels.append(CountRange(low_l, high_l))
        low_l, high_l = max(0.0, low_l) + stock.delivered_at(t), max(0.0, high_l) + stock.delivered_at(t)
    return levels


def _g_per_h(
    problem: PlanningProblem,
    genset: GensetStep,
    data: GensetProblem,
    pollutant: PollutantProblem,
    delivering: CountRange,
    t: int,
) -> tuple[float, float]:
    """Return the range of a class's rate: one value for whole counts."""
    at_min, slopes = pollutant.min_g_per_h, pollutant.segment_g_per_kwh
    if is_firm(problem, t):
        rates = [curve_at(data, n, genset.power_kw, at_min=at_min, slopes=slopes) for n in delivering]
        return min(rates), max(rates)
    per_kwh = _per_kwh(data, at_min=at_min, slopes=slopes)
    return genset.power_kw * min(per_kwh), genset.power_kw * max(per_kwh)


def _per_kwh(data: GensetProblem, *, at_min: float, slopes: Sequence[float]) -> list[float]:
    """Return a rate per kWh at every point of the table of one unit; without a least output it has no bound there."""
    power_kw, rate = data.min_kw, at_min
    points = [(power_kw, rate)]
    for segment, slope in zip(data.segments, slopes, strict=True):
        power_kw += segment.width_kw
        rate += segment.width_kw * slope
        points.append((power_kw, rate))
    return [rate / power_kw if power_kw > 0.0 else float("inf") for power_kw, rate in points]
