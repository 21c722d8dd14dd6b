"""Import on the running billing interval: what is left of the peak that is paid anyway."""

from dataclasses import replace
from datetime import datetime, timedelta

from ems.control.state import BilledImport
from ems.model.grid import GridConnection
from ems.model.tariff import DemandCharge, Tariff
from ems.model.timegrid import clock_floor
from ems.model.units import SECONDS_PER_HOUR, WH_PER_KWH, hours

# close to the end of an interval a small rest must not turn into a huge allowance
_LEAST_LEFT_S = 60.0
# the aim lies below the paid peak: load that moves in an interval's last moments would raise it a little each time, and
# every new peak would be the next one's aim
AIM_FRAC = 0.95
# cycles that follow each other may lie this much apart without a gap between them
_GAP = timedelta(seconds=1)
# imports above the limit happen; this many times the limit is no import but another meter
_POSSIBLE_FRAC = 2.0


def counted(
    grid: GridConnection,
    billed: BilledImport,
    *,
    now: datetime,
    import_kw: float | None,
    import_wh: int | None,
    dt_s: float,
) -> BilledImport:
    """Add what was imported since the last time that import was known; close intervals and months on the way.

    `import_kw` is the import of the last `dt_s`, `import_wh` the PCC's counter. While the import is unknown nothing
    is added; when it comes back, the time in between is counted by the counter, else at the last known import if
    that is no older than a billing interval. What then is still unknown lies in closed intervals and is left out.
    """
    tariff, demand = grid.tariff, grid.tariff.demand
    if demand is None or import_kw is None:
        return billed
    known_kw = max(0.0, import_kw)
    since = now - timedelta(seconds=dt_s)
    if billed.until_utc is not None and since - billed.until_utc > _GAP:
        gap_kw = _gap_kw(grid, billed, now=now, import_wh=import_wh)
        if gap_kw is not None:
            since, known_kw = billed.until_utc, gap_kw
        else:
            # nobody knows what the closed intervals held: the running one counts at the present import
            since = min(since, max(billed.until_utc, clock_floor(now, demand.interval_min)))
    elif billed.until_utc is not None and billed.until_utc <= now:
        since = billed.until_utc
    billed = _added(tariff, demand, billed, since=since, until=now, import_kw=known_kw)
    return replace(billed, until_utc=now, last_kw=max(0.0, import_kw), counter_wh=import_wh)


def allowed_import_kw(tariff: Tariff, billed: BilledImport, *, now: datetime, planned_peak_kw: float) -> float | None:
    """Return the mean import that keeps the running interval at its aim, just below the peak that is paid anyway.

    That peak is the greatest of the month's so far, the ratchet, the expected one and the plan's. None: no charge.
    """
    demand = tariff.demand
    if demand is None:
        return None
    peak_kw = max(billed.peak_kw, demand.ratchet_kw, demand.expected_peak_kw, planned_peak_kw)
    start = clock_floor(now, demand.interval_min)
    length_s = 60.0 * demand.interval_min
    left_s = max(_LEAST_LEFT_S, length_s - (now - start).total_seconds())
    used_kwh = running_kwh(tariff, billed, now=now, unknown_kw=peak_kw)
    return max(0.0, (AIM_FRAC * peak_kw * hours(length_s) - used_kwh) * SECONDS_PER_HOUR / left_s)


def running_kwh(tariff: Tariff, billed: BilledImport, *, now: datetime, unknown_kw: float) -> float:
    """Return the import of the running billing interval so far.

    Time since the import was last known counts at the last known import, once that is older than a billing interval
    at `unknown_kw`.
    """
    demand = tariff.demand
    if demand is None:
        return 0.0
    start = clock_floor(now, demand.interval_min)
    used_kwh = billed.interval_kwh if billed.interval_start_utc == start else 0.0
    if billed.until_utc is None or now <= billed.until_utc:
        return used_kwh
    young = now - billed.until_utc <= timedelta(minutes=demand.interval_min)
    assumed_kw = billed.last_kw if young and billed.last_kw is not None else unknown_kw
    return used_kwh + assumed_kw * hours((now - max(start, billed.until_utc)).total_seconds())


def running_interval_h(tariff: Tariff, now: datetime) -> float:
    """Return how much of the running billing interval has passed, in hours."""
    if tariff.demand is None:
        return 0.0
    return (now - clock_floor(now, tariff.demand.interval_min)).total_seconds() / SECONDS_PER_HOUR


def _gap_kw(grid: GridConnection, billed: BilledImport, *, now: datetime, import_wh: int | None) -> float | None:
    """Return the mean import since it was last known, None where neither the counter nor the last value tells."""
    demand = grid.tariff.demand
    if demand is None or billed.until_utc is None:
        return None
    gap = now - billed.until_utc
    if import_wh is not None and billed.counter_wh is not None:
        mean_kw = (import_wh - billed.counter_wh) / WH_PER_KWH / hours(gap.total_seconds())
        # a counter that ran backwards, or faster than the connection can, is another one
        if 0.0 <= mean_kw <= _POSSIBLE_FRAC * grid.import_limit_kw:
            return mean_kw
    return billed.last_kw if gap <= timedelta(minutes=demand.interval_min) else None


def _added(
    tariff: Tariff, demand: DemandCharge, billed: BilledImport, *, since: datetime, until: datetime, import_kw: float
) -> BilledImport:
    """Add a constant import between two instants, each interval's part to that interval."""
    while since < until:
        start = clock_floor(since, demand.interval_min)
        end = min(until, start + timedelta(minutes=demand.interval_min))
        billed = _opened(tariff, demand, billed, start=start)
        added_kwh = import_kw * hours((end - since).total_seconds())
        billed = replace(billed, interval_kwh=billed.interval_kwh + added_kwh)
        since = end
    return _opened(tariff, demand, billed, start=clock_floor(until, demand.interval_min))


def _opened(tariff: Tariff, demand: DemandCharge, billed: BilledImport, *, start: datetime) -> BilledImport:
    """Return the state in the interval that begins at `start`: the one before, and its month, are closed."""
    if billed.interval_start_utc == start:
        return billed
    month = tariff.billing_month_start(start)
    closed_kw = billed.interval_kwh * 60.0 / demand.interval_min
    # the first interval after a start is incomplete: its mean is a lower bound of the true one
    peak_kw = max(billed.peak_kw, closed_kw)
    if billed.month_start_utc is not None and billed.month_start_utc != month:
        peak_kw = 0.0
    return replace(billed, interval_start_utc=start, interval_kwh=0.0, month_start_utc=month, peak_kw=peak_kw)
