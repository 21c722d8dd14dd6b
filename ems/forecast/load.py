"""IT load by seasonal persistence: the same hour of the last seasons, moved to the present level."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from math import exp

from ems.model.forecast import EvenSeries, ForecastQuality, LoadForecast
from ems.model.timegrid import clock_floor

STEP_S = 900.0
# the present level fades into the pattern with this time constant
_LEVEL_H = 8.0
_STEPS_PER_HOUR = 4


class LoadRecord:
    """Quarter-hour means of a measured load, the newest last; unknown quarters are None."""

    def __init__(self, *, history_h: float) -> None:
        self._values: deque[float | None] = deque(maxlen=max(1, round(history_h * _STEPS_PER_HOUR)))
        self._end: datetime | None = None

    @property
    def end_utc(self) -> datetime | None:
        """Return the end of the newest quarter."""
        return self._end

    def add(self, start: datetime, mean_kw: float | None) -> None:
        """Add the mean of the quarter that begins at `start`; quarters in between count as unknown."""
        if self._end is not None:
            gap = round((start - self._end).total_seconds() / STEP_S)
            for _ in range(min(max(0, gap), self._values.maxlen or 0)):
                self._values.append(None)
        self._values.append(mean_kw)
        self._end = start + timedelta(seconds=STEP_S)

    def value(self, start: datetime) -> float | None:
        """Return the mean of the quarter that begins at `start`, None if it is not in the record."""
        if self._end is None:
            return None
        back = round((self._end - start).total_seconds() / STEP_S)
        return self._values[-back] if 1 <= back <= len(self._values) else None

    def values(self) -> Sequence[float | None]:
        """Return the whole record, for persistence."""
        return tuple(self._values)

    def restore(self, values: Sequence[float | None], *, end: datetime) -> None:
        """Take a whole record, the newest value last, that ended at `end`; what exceeds the length is left out."""
        self._values.clear()
        self._values.extend(values)
        self._end = end


def forecast_load(
    record: LoadRecord,
    *,
    now: datetime,
    level_kw: float | None,
    cold_mean_kw: float,
    season_h: float,
    horizon_h: float,
    high_frac: float,
) -> LoadForecast:
    """Return the forecast from the quarter that holds `now`; `high_frac` is the q90 error above the median.

    Without a record the present level fades into `cold_mean_kw`.
    """
    start = clock_floor(now, 15)
    season = timedelta(hours=season_h)
    n_steps = round(horizon_h * _STEPS_PER_HOUR) + _STEPS_PER_HOUR
    pattern_now = _pattern(record, start, season)
    base_now = cold_mean_kw if pattern_now is None else pattern_now
    offset_kw = 0.0 if level_kw is None else level_kw - base_now
    values = []
    known = 0
    for step in range(n_steps):
        at = start + timedelta(seconds=step * STEP_S)
        pattern = _pattern(record, at, season)
        known += pattern is not None
        fade = exp(-step / (_STEPS_PER_HOUR * _LEVEL_H))
        values.append(max(0.0, (cold_mean_kw if pattern is None else pattern) + offset_kw * fade))
    seasonal = 2 * known >= n_steps
    return LoadForecast(
        issued_utc=now,
        quality=ForecastQuality.GOOD if seasonal else ForecastQuality.PERSISTENCE,
        p50_kw=EvenSeries(start_utc=start, step_s=STEP_S, values=tuple(values)),
        q90_kw=EvenSeries(start_utc=start, step_s=STEP_S, values=tuple(v * (1.0 + high_frac) for v in values)),
    )


def _pattern(record: LoadRecord, at: datetime, season: timedelta) -> float | None:
    """Return the mean of the hour around the same time in the last season that has a record of it."""
    back = at - season
    while record.end_utc is not None and back >= record.end_utc:
        back -= season
    around = [record.value(back + timedelta(seconds=offset * STEP_S)) for offset in (-2, -1, 0, 1, 2)]
    known = [value for value in around if value is not None]
    return sum(known) / len(known) if known else None
