"""Gensets: how many units run, what they deliver and burn, and whether minimum times are kept.

Steps beyond the integer hours hold fractions of units, of which the plan reports the next whole number: what
depends on the count is known there as a range only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ems.dispatch.check.findings import (
    TIME_TOLERANCE_H,
    Violation,
    above,
    is_firm,
    outside,
    tolerance_kw,
    tolerance_l_per_h,
)
from ems.model.plan import GensetStep, Plan
from ems.model.problem import GensetProblem, PlanningProblem


class CountRange(NamedTuple):
    """The least and the greatest value of a count."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRange:
    """Units of one class that run, start and stop in each step."""

    n_on: tuple[CountRange, ...]
    n_started: tuple[CountRange, ...]
    n_stopped: tuple[CountRange, ...]


def unit_ranges(problem: PlanningProblem, plan: Plan) -> tuple[UnitRange, ...]:
    """Return the counts of every class."""
    return tuple(_unit_range(problem, plan, c) for c in range(len(problem.gensets)))


def any_on_frac(units: tuple[UnitRange, ...], t: int) -> CountRange:
    """Return how far the site counts as having a set on: 0 or 1 for whole counts, else the sum of fractions up to 1."""
    return CountRange(
        min(1.0, sum(each.n_on[t].low for each in units)), min(1.0, sum(each.n_on[t].high for each in units))
    )


def gensets(problem: PlanningProblem, plan: Plan, units: tuple[UnitRange, ...], t: int) -> Iterator[Violation]:
    """Each class runs between minimum and rated power of the units that are on, and burns what its curve says."""
    for genset, data, counts in zip(plan.steps[t].gensets, problem.gensets, units, strict=True):
        available = sum(unit.available for unit in data.units)
        yield from above(t, f"{genset.id} units on", genset.n_on, available, tolerance=0.0)
        yield from above(t, f"{genset.id} power_kw", genset.power_kw, genset.n_on * data.max_kw)
        if is_firm(problem, t):
            least_kw = genset.n_on * data.min_kw
            if genset.power_kw < least_kw - tolerance_kw(least_kw):
                yield Violation(step=t, what=f"{genset.id} power_kw", value=genset.power_kw, limit=least_kw)
        rates = [_fuel_l_per_h(data, n, genset.power_kw) for n in counts.n_on[t]]
        lowest = min(rates) if is_firm(problem, t) else genset.power_kw * _best_l_per_kwh(data)
        yield from outside(
            t,
            f"{genset.id} fuel_l_per_h",
            genset.fuel_l_per_h,
            lowest=lowest,
            highest=max(rates),
            tolerance=tolerance_l_per_h(max(rates)),
        )


def minimum_times(problem: PlanningProblem, plan: Plan) -> Iterator[Violation]:
    """Replay starts and stops unit by unit, longest first, and hold minimum times against each unit's clock."""
    for c, data in enumerate(problem.gensets):
        running = sorted(-unit.since_h for unit in data.units if unit.available and unit.on)
        resting = sorted(-unit.since_h for unit in data.units if unit.available and not unit.on)
        for t, step in enumerate(plan.steps):
            if not is_firm(problem, t):
                break
            now = problem.grid.offset_h[t]
            genset = step.gensets[c]
            change = genset.n_on - len(running)
            if change != genset.n_started - genset.n_stopped:
                yield Violation(
                    step=t, what=f"{data.id} starts less stops", value=genset.n_started - genset.n_stopped, limit=change
                )
                break
            for pool, other, minimum_h, name in (
                (running, resting, data.min_up_h, "minimum up time"),
                (resting, running, data.min_down_h, "minimum down time"),
            ):
                moved = genset.n_stopped if pool is running else genset.n_started
                for _ in range(min(moved, len(pool))):
                    since = pool.pop(0)
                    if now - since < minimum_h - TIME_TOLERANCE_H and name not in plan.relaxed:
                        yield Violation(step=t, what=f"{data.id} {name}, h", value=now - since, limit=minimum_h)
                    other.append(now)


def broken_times(problem: PlanningProblem, data: GensetProblem, units: UnitRange) -> Iterator[CountRange]:
    """Yield for each step how many units are off, or on, although a minimum time binds them to the other."""
    n_available = sum(unit.available for unit in data.units)
    off = tuple(CountRange(n_available - high, n_available - low) for low, high in units.n_on)
    up = _broken(problem, data, minimum_h=data.min_up_h, entered=units.n_started, held=units.n_on, on=True)
    down = _broken(problem, data, minimum_h=data.min_down_h, entered=units.n_stopped, held=off, on=False)
    for (up_low, up_high), (down_low, down_high) in zip(up, down, strict=True):
        yield CountRange(up_low + down_low, up_high + down_high)


def _broken(
    problem: PlanningProblem,
    data: GensetProblem,
    *,
    minimum_h: float,
    entered: tuple[CountRange, ...],
    held: tuple[CountRange, ...],
    on: bool,
) -> Iterator[CountRange]:
    """Yield units that entered a state less than its minimum time ago, less those that are in it."""
    offset_h = problem.grid.offset_h
    left_h = [minimum_h - unit.since_h for unit in data.units if unit.available and unit.on is on]
    for t, (held_low, held_high) in enumerate(held):
        low = high = float(sum(left > offset_h[t] + TIME_TOLERANCE_H for left in left_h))
        since = t
        while since >= 0 and offset_h[since] + minimum_h > offset_h[t] + TIME_TOLERANCE_H:
            low, high = low + entered[since].low, high + entered[since].high
            since -= 1
        yield CountRange(max(0.0, low - held_high), max(0.0, high - held_low))


def _unit_range(problem: PlanningProblem, plan: Plan, c: int) -> UnitRange:
    data = problem.gensets[c]
    n_before = float(sum(unit.available and unit.on for unit in data.units))
    before = CountRange(n_before, n_before)
    on, started, stopped = [], [], []
    for t, step in enumerate(plan.steps):
        genset = step.gensets[c]
        if is_firm(problem, t):
            now = _exactly(genset.n_on)
            started.append(_exactly(genset.n_started))
            stopped.append(_exactly(genset.n_stopped))
        else:
            now = _fraction(data, genset)
            started.append(CountRange(max(0.0, now.low - before.high), max(0.0, now.high - before.low)))
            stopped.append(CountRange(max(0.0, before.low - now.high), max(0.0, before.high - now.low)))
        on.append(now)
        before = now
    return UnitRange(n_on=tuple(on), n_started=tuple(started), n_stopped=tuple(stopped))


def _exactly(count: int) -> CountRange:
    return CountRange(float(count), float(count))


def _fraction(data: GensetProblem, genset: GensetStep) -> CountRange:
    """Return the fractions of units that can deliver a power, up to the whole number that is reported."""
    least = min(float(genset.n_on), genset.power_kw / data.max_kw)
    most = genset.power_kw / data.min_kw if data.min_kw > 0.0 else float(genset.n_on)
    return CountRange(least, max(least, min(float(genset.n_on), most)))


def _fuel_l_per_h(data: GensetProblem, n_on: float, power_kw: float) -> float:
    """Return the fuel rate of equally loaded units: walk up the curve of one unit."""
    if n_on <= 0.0:
        return 0.0
    left_kw = power_kw / n_on - data.min_kw
    rate = data.min_fuel_l_per_h
    for segment in data.segments:
        taken = min(max(0.0, left_kw), segment.width_kw)
        rate += taken * segment.fuel_l_per_kwh
        left_kw -= taken
    return n_on * rate


def _best_l_per_kwh(data: GensetProblem) -> float:
    """Return the least fuel per kWh anywhere on the curve of one unit."""
    power_kw, rate = data.min_kw, data.min_fuel_l_per_h
    best = rate / power_kw if power_kw > 0.0 else float("inf")
    for segment in data.segments:
        power_kw += segment.width_kw
        rate += segment.width_kw * segment.fuel_l_per_kwh
        best = min(best, rate / power_kw)
    return best
