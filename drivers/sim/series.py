"""Recorded yearly series for the twin, read by month, day and hour whatever year is simulated."""

import csv
import gzip
import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ems.errors import ConfigError, ConfigProblem

Values = npt.NDArray[np.float64]
MINUTES_PER_DAY = 1440
_MINUTES_PER_YEAR = 525_600
_REFERENCE = datetime(2001, 1, 1, tzinfo=UTC)


def read_columns(file: Path, columns: tuple[str, ...]) -> tuple[list[datetime], Values]:
    """Return stamps and values (rows, columns) of a CSV, plain or gzip."""
    raw = file.read_bytes()
    text = (gzip.decompress(raw) if file.suffix == ".gz" else raw).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    try:
        stamps = [datetime.fromisoformat(row["time_utc"]) for row in rows]
        values = np.asarray([[float(row[name]) for name in columns] for row in rows], dtype=np.float64)
    except (KeyError, ValueError, TypeError) as error:
        raise ConfigError(ConfigProblem(file=str(file), message=f"cannot be read as a series: {error}")) from error
    return stamps, values


def minutes_of_year(file: Path, column: str, *, shift_min: float = 0.0) -> Values:
    """Return one value per minute of a common year, held constant over each of the record's intervals.

    A stamp stands for the interval of the record's spacing that begins at the stamp, cut to the clock (a stamp
    at half past in an hourly record stands for its clock hour). `shift_min` moves the series later.
    """
    stamps, values = read_columns(file, (column,))
    spacing_min = round((stamps[1] - stamps[0]).total_seconds() / 60.0)
    year = np.full(_MINUTES_PER_YEAR, np.nan)
    for stamp, value in zip(stamps, values[:, 0], strict=True):
        first = minute_of_year(stamp) // spacing_min * spacing_min
        year[first : first + spacing_min] = value
    if np.isnan(year).any():
        raise ConfigError(ConfigProblem(file=str(file), message=f"column {column} does not cover a whole year"))
    return np.roll(year, round(shift_min))


def minute_of_year(instant: datetime) -> int:
    """Return the minute in a common year that has the instant's month, day and time (UTC)."""
    utc = instant.astimezone(UTC)
    day = 28 if (utc.month, utc.day) == (2, 29) else utc.day
    same = datetime(_REFERENCE.year, utc.month, day, utc.hour, utc.minute, tzinfo=UTC)
    return int((same - _REFERENCE).total_seconds() // 60)


def day_of(year: Values, start: datetime) -> Values:
    """Return the 1440 values of the day that begins at `start`, leap days read as the day before."""
    first = minute_of_year(start)
    return np.take(year, np.arange(first, first + MINUTES_PER_DAY), mode="wrap")


class DayTable:
    """Means over any interval of per-minute tables that are made day by day; columns are independent.

    Old days are forgotten: a run only moves forward.
    """

    _KEPT_DAYS = 3

    def __init__(self, first_day: datetime) -> None:
        self._first_day = first_day
        # running integrals since the first day (minutes x value) at each minute, by number of the day
        self._integrals: dict[int, Values] = {}
        self.n_days = 0

    def add_day(self, values: Values) -> None:
        """Append the next day, shape (1440, columns)."""
        before = self._integrals[self.n_days - 1][-1] if self.n_days else np.zeros(values.shape[1])
        self._integrals[self.n_days] = np.concatenate([before[None, :], before + np.cumsum(values, axis=0)])
        self._integrals.pop(self.n_days - self._KEPT_DAYS, None)
        self.n_days += 1

    def mean(self, start: datetime, duration_s: float) -> Values:
        """Return the mean of each column over [start, start + duration); the days must have been added."""
        begin = (start - self._first_day).total_seconds() / 60.0
        end = begin + duration_s / 60.0
        return (self._integral(end) - self._integral(begin)) / (end - begin)

    def _integral(self, minute: float) -> Values:
        number = min(int(minute // MINUTES_PER_DAY), self.n_days - 1)
        within = minute - number * MINUTES_PER_DAY
        table = self._integrals[number]
        low = min(int(within), MINUTES_PER_DAY)
        total: Values = table[low]
        if within > low:
            total = total + (within - low) * (table[low + 1] - table[low])
        return total
