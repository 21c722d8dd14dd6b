"""A class of gensets beyond its rating, on the plan's steps: usable power, absence, rules of the site (E1, E6)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from ems.model.condition import GensetCondition
from ems.model.genset import GensetClass
from ems.model.genset_rules import Pollutant
from ems.model.problem import ExerciseProblem, GensetProblem, OutWindow, PollutantProblem, UnitHistory
from ems.model.site import Site
from ems.model.timegrid import TimeGrid
from ems.model.units import HOURS_PER_DAY, SECONDS_PER_HOUR


def with_rules(
    site: Site,
    genset: GensetClass,
    stated: GensetProblem,
    state: GensetCondition,
    *,
    grid: TimeGrid,
    ambient_degc: tuple[float, ...],
) -> GensetProblem:
    """Return a class with everything that its configuration asks for; what is not configured stays off."""
    usable_kw = tuple(genset.usable_kw(degc) for degc in ambient_degc)
    limited = any(kw < stated.max_kw for kw in usable_kw)
    daily_h = genset.daily_run_h
    return replace(
        stated,
        units=tuple(_with_maintenance(unit, genset, grid) for unit in state.units),
        warm_up_h=genset.warm_up_h,
        usable_kw=tuple(min(kw, stated.max_kw) for kw in usable_kw) if limited else (),
        n_permitted=_n_permitted(site, genset, grid),
        permitted_run_h=None if daily_h is None else daily_h * grid.offset_h[-1] / HOURS_PER_DAY,
        exercise=_exercise(site, genset, state, grid),
        rotation=genset.rotation,
        service_interval_h=genset.service_interval_h,
        pollutants=tuple(_pollutant(each, stated) for each in genset.pollutants),
    )


def rule_edges(site: Site, begin: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the instants at which rules of gensets and deliveries begin or end."""
    for genset in site.gensets:
        for work in genset.maintenance:
            yield from (work.start_utc, work.end_utc)
        hours = [quiet.hours for quiet in genset.quiet]
        hours += [] if genset.exercise is None else [genset.exercise.hours]
        for daily in hours:
            for window in daily.windows_utc(begin, end, timezone=site.place.timezone):
                yield from window
    if site.tank is not None:
        yield from (delivery.at_utc for delivery in site.tank.deliveries)


def _with_maintenance(unit: UnitHistory, genset: GensetClass, grid: TimeGrid) -> UnitHistory:
    windows = [
        OutWindow(start_h=max(0.0, _offset_h(grid, work.start_utc)), end_h=_offset_h(grid, work.end_utc))
        for work in genset.maintenance
        if work.unit_id == unit.id and work.end_utc > grid.start_utc and work.start_utc < grid.end_utc
    ]
    return replace(unit, out=(*unit.out, *windows)) if windows else unit


def _n_permitted(site: Site, genset: GensetClass, grid: TimeGrid) -> tuple[int, ...]:
    """Return the units that may run per step, none where no quiet hours touch the horizon."""
    counts = [genset.n_units] * grid.n_steps
    for quiet in genset.quiet:
        for begin, end in quiet.hours.windows_utc(grid.start_utc, grid.end_utc, timezone=site.place.timezone):
            for t, start in enumerate(grid.starts_utc):
                if start < end and start + timedelta(hours=grid.duration_h[t]) > begin:
                    counts[t] = min(counts[t], quiet.n_units)
    return tuple(counts) if min(counts) < genset.n_units else ()


def _exercise(site: Site, genset: GensetClass, state: GensetCondition, grid: TimeGrid) -> ExerciseProblem | None:
    """Return the first window of a day in which the longest rested unit is due, None where none is."""
    rested_h = max((unit.since_h for unit in state.units if unit.available and not unit.on), default=None)
    rule = genset.exercise
    if rule is None or rested_h is None:
        return None
    due = grid.start_utc + timedelta(hours=max(0.0, rule.every_h - rested_h))
    for begin, end in rule.hours.windows_utc(grid.start_utc, grid.end_utc, timezone=site.place.timezone):
        steps = [t for t, start in enumerate(grid.starts_utc) if max(begin, due) <= start < end]
        if steps:
            return ExerciseProblem(
                first_step=steps[0],
                end_step=steps[-1] + 1,
                missed_cost=rule.missed_cost,
                run_h=rule.run_h,
                min_load_frac=min(rule.min_load_frac, genset.base_load_frac or 1.0),
                rested_h=rule.every_h,
            )
    return None


def _pollutant(pollutant: Pollutant, stated: GensetProblem) -> PollutantProblem:
    """Return a pollutant on the stretches of the fuel curve."""
    power_kw = stated.min_kw
    rates = [pollutant.g_per_h(power_kw)]
    for segment in stated.segments:
        power_kw += segment.width_kw
        rates.append(pollutant.g_per_h(power_kw))
    return PollutantProblem(
        id=pollutant.id,
        min_g_per_h=rates[0],
        segment_g_per_kwh=tuple(
            (after - before) / segment.width_kw
            for before, after, segment in zip(rates, rates[1:], stated.segments, strict=False)
        ),
        price_per_kg=pollutant.price_per_kg,
    )


def _offset_h(grid: TimeGrid, instant: datetime) -> float:
    return (instant - grid.start_utc).total_seconds() / SECONDS_PER_HOUR
