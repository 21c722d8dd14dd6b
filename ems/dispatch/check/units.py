"""How many units of a class are there, run, start, stop and deliver in each step, from the plan's own counts.

Steps beyond the integer hours hold fractions of units, of which the plan reports the next whole number: what
depends on the count is known there as a range only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ems.dispatch.check.findings import TIME_TOLERANCE_H, is_firm
from ems.model.plan import GensetStep, Plan
from ems.model.problem import GensetProblem, PlanningProblem, UnitHistory


class CountRange(NamedTuple):
    """The least and the greatest value of a count."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRange:
    """Units of one class in each step.

    Those that stop are without those that leave running because they are out. Those that deliver are without the
    share of the step in which units that started still warm up.
    """

    n_on: tuple[CountRange, ...]
    n_started: tuple[CountRange, ...]
    n_stopped: tuple[CountRange, ...]
    delivering: tuple[CountRange, ...]


def unit_ranges(problem: PlanningProblem, plan: Plan) -> tuple[UnitRange, ...]:
    """Return the counts of every class."""
    return tuple(_unit_range(problem, plan, c) for c in range(len(problem.gensets)))


def any_on_frac(units: tuple[UnitRange, ...], t: int) -> CountRange:
    """Return how far the site counts as having a set on: 0 or 1 for whole counts, else the sum of fractions up to 1."""
    return CountRange(
        min(1.0, sum(each.n_on[t].low for each in units)), min(1.0, sum(each.n_on[t].high for each in units))
    )


def present(problem: PlanningProblem, data: GensetProblem, t: int) -> list[UnitHistory]:
    """Return the units that may run in a step: available, and not out for maintenance or rest."""
    return [unit for unit in data.units if unit.available and not is_away(problem, data, unit, t)]


def leaving(problem: PlanningProblem, data: GensetProblem, t: int) -> list[UnitHistory]:
    """Return the units whose window begins with a step; at the start of the plan they have left already."""
    if t == 0:
        return []
    here = {unit.id for unit in present(problem, data, t)}
    return [unit for unit in present(problem, data, t - 1) if unit.id not in here]


def is_away(problem: PlanningProblem, data: GensetProblem, unit: UnitHistory, t: int) -> bool:
    """Return whether a unit is out in any part of a step, or still rests from its stop at the window's beginning."""
    step_h = (problem.grid.offset_h[t], problem.grid.offset_h[t + 1])
    for window in unit.out:
        back_h = max(window.end_h, window.start_h + data.min_down_h)
        if min(back_h, step_h[1]) - max(window.start_h, step_h[0]) > TIME_TOLERANCE_H:
            return True
    return False


def initially_on(problem: PlanningProblem, data: GensetProblem) -> list[UnitHistory]:
    """Return the units that run at the start and are not out at once."""
    return [unit for unit in present(problem, data, 0) if unit.on]


def n_settled(problem: PlanningProblem, plan: Plan, c: int, t: int) -> int:
    """Return the units that deliver throughout a step: none of its hours lies in their warm-up."""
    data, grid = problem.gensets[c], problem.grid
    n_warm = sum(left_h > grid.offset_h[t] + TIME_TOLERANCE_H for left_h in _warm_up_left_h(problem, data, t))
    for before in range(t + 1):
        if grid.offset_h[before] + data.warm_up_h > grid.offset_h[t] + TIME_TOLERANCE_H:
            n_warm += plan.steps[before].gensets[c].n_started
    return max(0, plan.steps[t].gensets[c].n_on - n_warm)


def _unit_range(problem: PlanningProblem, plan: Plan, c: int) -> UnitRange:
    data = problem.gensets[c]
    n_before = float(len(initially_on(problem, data)))
    before = CountRange(n_before, n_before)
    on, started, stopped = [], [], []
    for t, step in enumerate(plan.steps):
        genset = step.gensets[c]
        if is_firm(problem, t):
            now = _exactly(genset.n_on)
            started.append(_exactly(genset.n_started))
            stopped.append(_exactly(genset.n_stopped - genset.n_left))
        else:
            now = _fraction(data, genset, t)
            left = min(float(len(leaving(problem, data, t))), before.high)
            # fractions may swap where a warm-up tells a start from a unit that runs on
            swap = max(0.0, min(now.high, len(present(problem, data, t)) + left - before.low)) if warms(data) else 0.0
            most = max(0.0, swap, now.high + left - before.low)
            started.append(CountRange(max(0.0, now.low - before.high), most))
            stopped.append(CountRange(max(0.0, before.low - now.high - left), max(0.0, before.high - now.low) + swap))
        on.append(now)
        before = now
    return UnitRange(
        n_on=tuple(on),
        n_started=tuple(started),
        n_stopped=tuple(stopped),
        delivering=tuple(_delivering(problem, data, on, started)),
    )


def _delivering(
    problem: PlanningProblem, data: GensetProblem, on: list[CountRange], started: list[CountRange]
) -> Iterator[CountRange]:
    grid = problem.grid
    for t, count in enumerate(on):
        begin_h, end_h = grid.offset_h[t], grid.offset_h[t + 1]
        low = high = 0.0
        for left_h in _warm_up_left_h(problem, data, t):
            share = max(0.0, min(end_h, left_h) - begin_h) / (end_h - begin_h)
            low, high = low + share, high + share
        for since in range(t + 1) if data.warm_up_h > 0.0 else ():
            warm_h = min(end_h, grid.offset_h[since] + data.warm_up_h) - begin_h
            share = max(0.0, warm_h) / (end_h - begin_h)
            low, high = low + share * started[since].low, high + share * started[since].high
        yield CountRange(max(0.0, count.low - high), max(0.0, count.high - low))


def _warm_up_left_h(problem: PlanningProblem, data: GensetProblem, t: int) -> list[float]:
    """Return the warm-ups that run at the start, of units that could run on since."""
    if any(data.usable_at(step) < data.min_kw for step in range(t + 1)):
        return []
    return [
        unit.warm_up_left_h
        for unit in data.units
        if unit.available
        and unit.on
        and unit.warm_up_left_h > 0.0
        and not any(is_away(problem, data, unit, step) for step in range(t + 1))
    ]


def _exactly(count: int) -> CountRange:
    return CountRange(float(count), float(count))


def _fraction(data: GensetProblem, genset: GensetStep, t: int) -> CountRange:
    """Return the fractions of units that can deliver a power, up to the whole number that is reported."""
    n_on, usable_kw = float(genset.n_on), data.usable_at(t)
    least = min(n_on, genset.power_kw / usable_kw) if usable_kw > 0.0 else 0.0
    # units that warm up deliver nothing, so that power does not bound them
    most = n_on if warms(data) or data.min_kw <= 0.0 else genset.power_kw / data.min_kw
    return CountRange(least, max(least, min(n_on, most)))


def warms(data: GensetProblem) -> bool:
    """Return whether units of a class warm up before they deliver."""
    return data.warm_up_h > 0.0 or any(unit.warm_up_left_h > 0.0 for unit in data.units)
