"""The units that a plan names: as many as it counts, present, and each inside its own minimum times."""

from collections.abc import Iterator

from ems.dispatch.check.findings import TIME_TOLERANCE_H, Violation, is_firm
from ems.dispatch.check.units import initially_on, is_away, leaving, present
from ems.model.plan import GensetStep, Plan
from ems.model.problem import GensetProblem, PlanningProblem


def named_units(problem: PlanningProblem, plan: Plan) -> Iterator[Violation]:
    """Follow every named unit with a clock of its own; a class is followed as long as its units are named."""
    for c, data in enumerate(problem.gensets):
        since_h = {unit.id: -unit.since_h for unit in data.units}
        before = {unit.id for unit in initially_on(problem, data)}
        for t, step in enumerate(plan.steps):
            genset = step.gensets[c]
            if not is_firm(problem, t):
                yield from _unnamed(genset, t)
            if not is_firm(problem, t) or (genset.n_on and not genset.units_on):
                break
            now = set(genset.units_on)
            yield from _counted(problem, data, genset, before, t)
            yield from _timed(problem, plan, data, before, now, since_h, t)
            for unit in (now - before) | (before - now):
                since_h[unit] = problem.grid.offset_h[t]
            before = now


def _unnamed(genset: GensetStep, t: int) -> Iterator[Violation]:
    if genset.units_on:
        yield Violation(step=t, what=f"{genset.id} units named of a fraction", value=len(genset.units_on), limit=0)


def _counted(
    problem: PlanningProblem, data: GensetProblem, genset: GensetStep, before: set[str], t: int
) -> Iterator[Violation]:
    """As many different units as the plan counts run, start and stop, all of them present."""
    now = set(genset.units_on)
    here = {unit.id for unit in present(problem, data, t)}
    if len(genset.units_on) != genset.n_on or len(now) != genset.n_on:
        yield Violation(step=t, what=f"{data.id} units named", value=len(now), limit=genset.n_on)
    if not now <= here:
        yield Violation(step=t, what=f"{data.id} units named that may not run", value=len(now - here), limit=0)
    # a unit that is out makes others start in its place, whichever of them the count took to run
    if not leaving(problem, data, t) and len(now - before) != genset.n_started:
        yield Violation(step=t, what=f"{data.id} units that start", value=len(now - before), limit=genset.n_started)


def _timed(
    problem: PlanningProblem,
    plan: Plan,
    data: GensetProblem,
    before: set[str],
    now: set[str],
    since_h: dict[str, float],
    t: int,
) -> Iterator[Violation]:
    """A unit changes when its minimum time is over, when it is out, or where the plan declares the time as broken."""
    now_h = problem.grid.offset_h[t]
    units = {unit.id: unit for unit in data.units}
    for name in sorted(now ^ before):
        starts = name in now
        minimum_h = data.min_down_h if starts else data.min_up_h
        wish = "minimum down time" if starts else "minimum up time"
        age_h = now_h - since_h.get(name, -minimum_h)
        if age_h >= minimum_h - TIME_TOLERANCE_H or wish in plan.relaxed or name not in units:
            continue
        if not any(is_away(problem, data, units[name], step) for step in range(t + 1)):
            yield Violation(step=t, what=f"{name} {wish}, h", value=age_h, limit=minimum_h)
