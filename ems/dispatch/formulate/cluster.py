"""The cluster's offer on the plan's steps: what stays firm, and a class of the problem for each that is not (E16).

Without a valid offer all load is firm, where offers are expected at its 0.9 quantile (cluster contract, rule 1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from ems.model.offer import FlexOffer, OfferClass, OfferForecast
from ems.model.problem import OfferKind, OfferProblem, OfferRuns, ProgressPiece
from ems.model.timegrid import TimeGrid
from ems.model.units import HOURS_PER_DAY, hours


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedLoad:
    """Firm IT power per step, and the classes beside it."""

    firm_kw: tuple[float, ...]
    offers: tuple[OfferProblem, ...] = ()


def offered_load(offer: FlexOffer, grid: TimeGrid, *, forecast_kw: Sequence[float]) -> OfferedLoad:
    """Split the cluster's load; where its own forecast ends, `forecast_kw` goes on.

    What the forecast holds beyond the present power of the classes that can be shaped is firm, and never less than
    the firm classes themselves.
    """
    total_kw = _forecast_on_steps(offer.forecast, grid, otherwise_kw=forecast_kw)
    shaped = [each for each in offer.classes if each.kind is not OfferKind.FIRM]
    shaped_kw = sum(each.now_kw for each in shaped)
    least_kw = sum(each.min_kw for each in offer.classes if each.kind is OfferKind.FIRM)
    return OfferedLoad(
        firm_kw=tuple(max(least_kw, kw - shaped_kw) for kw in total_kw),
        offers=tuple(_offer_problem(each, grid) for each in shaped),
    )


def _offer_problem(each: OfferClass, grid: TimeGrid) -> OfferProblem:
    """Return a class on the plan's steps; before its notice has passed it stays as it is."""
    # lost work is asked for as it runs now; what can be shaped or moved may use its full power
    most_kw = each.now_kw if each.kind is OfferKind.CURTAILABLE else each.max_kw
    least_kw = min(most_kw, max(each.min_kw, _least_for_progress_kw(each)))
    noticed = [offset_h >= hours(each.notice_s) for offset_h in grid.offset_h[:-1]]
    bound_kw = min(each.now_kw, most_kw) if each.kind is not OfferKind.DEFERRABLE else each.min_kw
    end_step, energy_kwh = _due(each, grid)
    return OfferProblem(
        id=each.id,
        kind=each.kind,
        min_kw=tuple(least_kw if free else max(least_kw, bound_kw) for free in noticed),
        max_kw=(most_kw,) * grid.n_steps,
        value_per_kwh=each.value_per_kwh,
        progress=_progress(each, least_kw=least_kw),
        energy_kwh=energy_kwh,
        deadline_step=end_step,
        max_curtailed_h=_curtailed_h(each, grid),
        ramp_kw_per_min=each.ramp_kw_per_min,
        now_kw=each.now_kw,
        runs=_runs(each, grid, least_kw=least_kw, most_kw=most_kw),
    )


def _runs(each: OfferClass, grid: TimeGrid, *, least_kw: float, most_kw: float) -> OfferRuns | None:
    """Return the rules of a class whose offer has any; what runs now is told by its present power."""
    ruled = each.whole or each.min_run_h or each.min_pause_h or each.restart_kwh or each.max_pauses is not None
    if each.kind is not OfferKind.DEFERRABLE or not ruled:
        return None
    running_frac = (each.now_kw - least_kw) / (most_kw - least_kw) if most_kw > least_kw else 0.0
    turned = each.turned_utc
    return OfferRuns(
        min_run_h=each.min_run_h,
        min_pause_h=each.min_pause_h,
        max_pauses=each.max_pauses,
        restart_kwh=each.restart_kwh,
        whole=each.whole,
        running_frac=float(each.runs) if each.whole else min(1.0, max(0.0, running_frac)),
        since_h=None if turned is None else max(0.0, hours((grid.start_utc - turned).total_seconds())),
    )


def _progress(each: OfferClass, *, least_kw: float) -> tuple[ProgressPiece, ...]:
    """Return what a kWh is worth between the points of the curve: the value at full power times the curve's slope."""
    pieces = []
    for low, high in pairwise(each.progress):
        width_kw = each.max_kw * high.power_frac - max(least_kw, each.max_kw * low.power_frac)
        if width_kw > 0.0:
            slope = (high.progress_frac - low.progress_frac) / (high.power_frac - low.power_frac)
            pieces.append(ProgressPiece(width_kw=width_kw, value_per_kwh=each.value_per_kwh * slope))
    return tuple(pieces)


def _least_for_progress_kw(each: OfferClass) -> float:
    """Return the power at which a class is slowed by as much as it tolerates; below the curve's first point never."""
    if not each.progress:
        return 0.0
    target = 0.0 if each.max_slowdown_frac is None else 1.0 - each.max_slowdown_frac
    for low, high in pairwise(each.progress):
        if target <= high.progress_frac:
            share = max(0.0, target - low.progress_frac) / (high.progress_frac - low.progress_frac)
            return each.max_kw * (low.power_frac + share * (high.power_frac - low.power_frac))
    return each.max_kw


def _due(each: OfferClass, grid: TimeGrid) -> tuple[int, float]:
    """Return the deadline's step and the energy due by then; beyond the horizon its share of the time left."""
    if each.kind is not OfferKind.DEFERRABLE or each.deadline_utc is None:
        return 0, 0.0
    left_h = hours((each.deadline_utc - grid.start_utc).total_seconds())
    if left_h >= grid.offset_h[-1]:
        return grid.n_steps, each.energy_kwh * grid.offset_h[-1] / left_h
    # whole steps only, so that no deadline is missed by the rest of one
    return sum(end_h <= left_h for end_h in grid.offset_h[1:]), each.energy_kwh


def _curtailed_h(each: OfferClass, grid: TimeGrid) -> float | None:
    if each.kind is not OfferKind.CURTAILABLE or each.max_hours_per_day_h is None:
        return None
    return each.max_hours_per_day_h * grid.offset_h[-1] / HOURS_PER_DAY


def _forecast_on_steps(
    forecast: Sequence[OfferForecast], grid: TimeGrid, *, otherwise_kw: Sequence[float]
) -> tuple[float, ...]:
    """Return the mean forecast of every step that it covers in full."""
    ends = (*grid.starts_utc[1:], grid.end_utc)
    return tuple(
        kw if (mean_kw := _mean_kw(forecast, start, end)) is None else mean_kw
        for start, end, kw in zip(grid.starts_utc, ends, otherwise_kw, strict=True)
    )


def _mean_kw(forecast: Sequence[OfferForecast], start: datetime, end: datetime) -> float | None:
    covered_s = energy_kws = 0.0
    for part in forecast:
        overlap_s = (min(end, part.end_utc) - max(start, part.start_utc)).total_seconds()
        if overlap_s > 0.0:
            covered_s += overlap_s
            energy_kws += overlap_s * part.load_kw
    asked_s = (end - start).total_seconds()
    return energy_kws / covered_s if covered_s >= asked_s - 1.0 else None
