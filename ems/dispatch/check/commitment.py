"""Gensets: how many units run, what they deliver and burn, and whether minimum times are kept."""

from collections.abc import Iterator
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
from ems.dispatch.check.fuel import best_l_per_kwh, curve_at, pollutants
from ems.dispatch.check.units import CountRange, UnitRange, initially_on, is_away, leaving, present
from ems.model.plan import Plan
from ems.model.problem import GensetProblem, PlanningProblem


class _Unit(NamedTuple):
    """A unit of the replay: since when it runs or rests, and which it is where that is known."""

    since_h: float
    id: str


def gensets(problem: PlanningProblem, plan: Plan, units: tuple[UnitRange, ...], t: int) -> Iterator[Violation]:
    """Each class delivers between least and usable power of its units that deliver, and burns what its curve says."""
    for genset, data, counts in zip(plan.steps[t].gensets, problem.gensets, units, strict=True):
        n_present = len(present(problem, data, t))
        usable_kw, delivering = data.usable_at(t), counts.delivering[t]
        yield from above(t, f"{genset.id} units on", genset.n_on, n_present, tolerance=0.0)
        yield from above(t, f"{genset.id} power_kw", genset.power_kw, delivering.high * usable_kw)
        if is_firm(problem, t):
            least_kw = delivering.low * data.min_kw
            if genset.power_kw < least_kw - tolerance_kw(least_kw):
                yield Violation(step=t, what=f"{genset.id} power_kw", value=genset.power_kw, limit=least_kw)
        # fewer fractions than these cannot deliver the power; the rate is convex in their number
        fewest = 0.0 if is_firm(problem, t) or usable_kw <= 0.0 else genset.power_kw / usable_kw
        rates = [
            curve_at(data, max(n, fewest), genset.power_kw, at_min=data.min_fuel_l_per_h, slopes=_fuel_slopes(data))
            for n in delivering
        ]
        lowest = min(rates) if is_firm(problem, t) else genset.power_kw * best_l_per_kwh(data)
        yield from outside(
            t,
            f"{genset.id} fuel_l_per_h",
            genset.fuel_l_per_h,
            lowest=lowest,
            highest=max(rates),
            tolerance=tolerance_l_per_h(max(rates)),
        )
        yield from pollutants(problem, genset, data, delivering, t)


def minimum_times(problem: PlanningProblem, plan: Plan) -> Iterator[Violation]:
    """Replay starts and stops unit by unit, longest first, and hold minimum times against each unit's clock."""
    for c, data in enumerate(problem.gensets):
        yield from _replay(problem, plan, data, c)


def _replay(problem: PlanningProblem, plan: Plan, data: GensetProblem, c: int) -> Iterator[Violation]:
    running = sorted(_Unit(-unit.since_h, unit.id) for unit in initially_on(problem, data))
    resting = sorted(_Unit(-unit.since_h, unit.id) for unit in present(problem, data, 0) if not unit.on)
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
        gone = [unit.id for unit in leaving(problem, data, t)]
        least, most = _leaves_running(problem, plan, data, c, gone, t)
        if not least <= genset.n_left <= min(most, len(running)):
            limit = least if genset.n_left < least else most
            yield Violation(step=t, what=f"{data.id} units that left", value=genset.n_left, limit=limit)
            break
        _remove(running, gone, genset.n_left)
        _remove(resting, gone, len(gone) - genset.n_left)
        resting[:0] = [_Unit(float("-inf"), unit) for unit in _back(problem, data, t)]
        for pool, other, minimum_h, name in (
            (running, resting, data.min_up_h, "minimum up time"),
            (resting, running, data.min_down_h, "minimum down time"),
        ):
            moved = genset.n_stopped - genset.n_left if pool is running else genset.n_started
            for _ in range(min(moved, len(pool))):
                unit = pool.pop(0)
                if now - unit.since_h < minimum_h - TIME_TOLERANCE_H and name not in plan.relaxed:
                    yield Violation(step=t, what=f"{data.id} {name}, h", value=now - unit.since_h, limit=minimum_h)
                other.append(_Unit(now, unit.id))


def _leaves_running(
    problem: PlanningProblem, plan: Plan, data: GensetProblem, c: int, gone: list[str], t: int
) -> tuple[int, int]:
    """Return the least and the most units that leave running.

    A unit with a window leaves in either case. Its state is known where nothing can have changed it: where no unit
    of the class has stopped (or started) before, and where a minimum time holds it until then.
    """
    count = {True: 0, False: 0}
    held = {True: 0, False: 0}
    for unit in data.units if gone else ():
        if unit.id in gone and not any(is_away(problem, data, unit, before) for before in range(t)):
            wish, minimum_h = ("minimum up time", data.min_up_h) if unit.on else ("minimum down time", data.min_down_h)
            age_h = problem.grid.offset_h[t - 1] + unit.since_h
            count[unit.on] += 1
            held[unit.on] += wish not in plan.relaxed and age_h < minimum_h - TIME_TOLERANCE_H
    earlier = [step.gensets[c] for step in plan.steps[:t]]
    n_stopped = sum(each.n_stopped - each.n_left for each in earlier)
    n_started = sum(each.n_started for each in earlier)
    least = max(held[True], count[True] - n_stopped)
    return least, len(gone) - max(held[False], count[False] - n_started)


def broken_times(problem: PlanningProblem, data: GensetProblem, units: UnitRange) -> Iterator[CountRange]:
    """Yield for each step how many units are off, or on, although a minimum time binds them to the other."""
    n_present = [len(present(problem, data, t)) for t in range(problem.grid.n_steps)]
    off = tuple(CountRange(n - high, n - low) for n, (low, high) in zip(n_present, units.n_on, strict=True))
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
    bound = [unit for unit in present(problem, data, 0) if unit.on is on]
    for t, (held_low, held_high) in enumerate(held):
        # who has been out since brings no history along
        bound = [unit for unit in bound if not is_away(problem, data, unit, t)]
        low = high = float(sum(minimum_h - unit.since_h > offset_h[t] + TIME_TOLERANCE_H for unit in bound))
        since = t
        while since >= 0 and offset_h[since] + minimum_h > offset_h[t] + TIME_TOLERANCE_H:
            low, high = low + entered[since].low, high + entered[since].high
            since -= 1
        yield CountRange(max(0.0, low - held_high), max(0.0, high - held_low))


def _remove(pool: list[_Unit], ids: list[str], count: int) -> None:
    """Take units out of a pool: those that are named, then the longest in it, which stand for them."""
    named = [unit for unit in pool if unit.id in ids]
    others = [unit for unit in pool if unit.id not in ids]
    for unit in (*named, *others)[:count]:
        pool.remove(unit)


def _back(problem: PlanningProblem, data: GensetProblem, t: int) -> list[str]:
    """Return the units that may run again from a step on."""
    if t == 0:
        return []
    before = {unit.id for unit in present(problem, data, t - 1)}
    return [unit.id for unit in present(problem, data, t) if unit.id not in before]


def _fuel_slopes(data: GensetProblem) -> list[float]:
    return [segment.fuel_l_per_kwh for segment in data.segments]
