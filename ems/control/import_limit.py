"""Import on the running billing interval: what is left of the peak that is paid anyway."""

from dataclasses import replace
from datetime import datetime, timedelta

from ems.control.state import BilledImport
from ems.model.tariff import Tariff
from ems.model.units import SECONDS_PER_HOUR, hours

# close to the end of an interval a small rest must not turn into a huge allowance
_LEAST_LEFT_S = 60.0


def counted(tariff: Tariff, billed: BilledImport, *, now: datetime, import_kw: float, dt_s: float) -> BilledImport:
    """Add a cycle's import to the running interval; close the interval and the month where they end."""
    demand = tariff.demand
    if demand is None:
        return billed
    start = _interval_start(now, demand.interval_min)
    month = tariff.billing_month_start(now)
    if billed.interval_start_utc != start:
        closed_kw = billed.interval_kwh * 60.0 / demand.interval_min
        billed = replace(
            billed,
            interval_start_utc=start,
            interval_kwh=0.0,
            # the first interval after a start is incomplete: its mean is a lower bound of the true one
            peak_kw=max(billed.peak_kw, closed_kw),
        )
    if billed.month_start_utc is not None and billed.month_start_utc != month:
        billed = replace(billed, peak_kw=0.0)
    return replace(
        billed,
        month_start_utc=month,
        interval_kwh=billed.interval_kwh + max(0.0, import_kw) * hours(dt_s),
    )


def allowed_import_kw(tariff: Tariff, billed: BilledImport, *, now: datetime, planned_peak_kw: float) -> float | None:
    """Return the mean import that keeps the running interval at the peak that is paid anyway.

    That peak is the greatest of the month's so far, the ratchet, the expected one and the plan's. None: no charge.
    """
    demand = tariff.demand
    if demand is None:
        return None
    peak_kw = max(billed.peak_kw, demand.ratchet_kw, demand.expected_peak_kw, planned_peak_kw)
    start = _interval_start(now, demand.interval_min)
    length_s = 60.0 * demand.interval_min
    left_s = max(_LEAST_LEFT_S, length_s - (now - start).total_seconds())
    used_kwh = billed.interval_kwh if billed.interval_start_utc == start else 0.0
    return max(0.0, (peak_kw * hours(length_s) - used_kwh) * SECONDS_PER_HOUR / left_s)


def running_interval_h(tariff: Tariff, now: datetime) -> float:
    """Return how much of the running billing interval has passed, in hours."""
    if tariff.demand is None:
        return 0.0
    return (now - _interval_start(now, tariff.demand.interval_min)).total_seconds() / SECONDS_PER_HOUR


def _interval_start(now: datetime, interval_min: int) -> datetime:
    return now - timedelta(minutes=now.minute % interval_min, seconds=now.second, microseconds=now.microsecond)
