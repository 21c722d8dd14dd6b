"""A recorded year read by month, day and hour, whatever year is simulated or planned."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf, isfinite

from ems.errors import ConfigError, ConfigProblem

_HOURS_PER_YEAR = 8760
# a common year, so that 29 February reads as 28 February
_INDEX_YEAR = 2001
# by the end of a column's name: ranges that refuse slips of unit and marks of gaps (-999, 9999). The sun outside the
# atmosphere gives 1361 W/m2, which cloud edges exceed for minutes; the highest temperature and wind on record are
# 56.7 degC and 113 m/s (WMO archive of extremes); no fuel emits more than 2 kg per kWh of electricity
_RANGES = {
    "_w_per_m2": (0.0, 1500.0),
    "_degc": (-60.0, 70.0),
    "kgco2e_per_kwh": (0.0, 5.0),
    "_m_per_s": (0.0, 120.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class YearTable:
    """Hourly means of named columns over one year in UTC, index 0 = 1 January 00:00."""

    columns: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]

    def value(self, column: str, instant: datetime) -> float:
        """Return the value of the hour that holds an instant, taken from the recorded year."""
        return self.rows[hour_of_year(instant)][self.columns.index(column)]

    def smoothed(self, column: str, instant: datetime, *, window_days: int) -> float:
        """Return the mean of the same hour over the days around an instant: climatology, not the record itself."""
        index = self.columns.index(column)
        hour = hour_of_year(instant)
        days = range(-window_days, window_days + 1)
        return sum(self.rows[(hour + 24 * day) % _HOURS_PER_YEAR][index] for day in days) / len(days)


def hour_of_year(instant: datetime) -> int:
    """Return the index of the hour in a common year that has the instant's month, day and hour (UTC)."""
    utc = instant.astimezone(UTC)
    day = 28 if (utc.month, utc.day) == (2, 29) else utc.day
    start = datetime(_INDEX_YEAR, 1, 1, tzinfo=UTC)
    return int((datetime(_INDEX_YEAR, utc.month, day, utc.hour, tzinfo=UTC) - start).total_seconds() // 3600)


def parse_year(text: str, *, file: str, columns: Sequence[str], shift_min: float = 0.0) -> YearTable:
    """Read a CSV with `time_utc` and the named columns into hourly means.

    Stamps may lie at the start or in the middle of their interval, which must not exceed an hour. `shift_min`
    moves the series in time (positive: later), for a record of another longitude.

    Raises:
        ConfigError: A column is missing, a value is no number or outside what its unit allows, a stamp has no offset
            to UTC, or hours of the year are not covered.
    """
    try:
        return _averaged(csv.DictReader(io.StringIO(text)), file, tuple(columns), timedelta(minutes=shift_min))
    except csv.Error as error:
        raise ConfigError(ConfigProblem(file=file, message=f"is no CSV: {error}", allowed="a text table")) from error


def _averaged(reader: "csv.DictReader[str]", file: str, columns: tuple[str, ...], shift: timedelta) -> YearTable:
    missing = [name for name in ("time_utc", *columns) if name not in (reader.fieldnames or ())]
    if missing:
        raise ConfigError(ConfigProblem(file=file, line=1, message=f"column {', '.join(missing)} is missing"))
    sums = [[0.0] * len(columns) for _ in range(_HOURS_PER_YEAR)]
    counts = [0] * _HOURS_PER_YEAR
    for row in reader:
        line = reader.line_num
        hour = _hour(row["time_utc"], shift, file=file, line=line)
        counts[hour] += 1
        for index, name in enumerate(columns):
            sums[hour][index] += _number(row[name], name, file=file, line=line)
    if 0 in counts:
        first = datetime(_INDEX_YEAR, 1, 1, tzinfo=UTC) + timedelta(hours=counts.index(0))
        message = f"hour {counts.index(0)} of the year has no value ({first:%d %B %H}:00 UTC)"
        allowed = "at least one row for every hour of a year"
        raise ConfigError(ConfigProblem(file=file, key="time_utc", message=message, allowed=allowed))
    rows = tuple(tuple(total / n for total in sums_of_hour) for sums_of_hour, n in zip(sums, counts, strict=True))
    return YearTable(columns=columns, rows=rows)


def _hour(text: str | None, shift: timedelta, *, file: str, line: int) -> int:
    """Return the hour of the year of a stamp; the row may be too short to have one."""
    try:
        stamp = datetime.fromisoformat(text or "")
        if stamp.tzinfo is None:
            raise ValueError(f"{text!r} has no offset to UTC")  # noqa: TRY301 - refused like any other wrong stamp
        return hour_of_year(stamp + shift)
    except (ValueError, OverflowError) as error:
        problem = ConfigProblem(
            file=file,
            line=line,
            key="time_utc",
            message=str(error),
            allowed="a time with its offset to UTC, such as 2019-01-01T00:30:00Z",
        )
        raise ConfigError(problem) from error


def _number(text: str | None, column: str, *, file: str, line: int) -> float:
    """Return a value of a column; the row may be too short to have one."""
    low, high = next((limits for end, limits in _RANGES.items() if column.endswith(end)), (-inf, inf))
    try:
        value = float(text or "")
    except ValueError:
        message = f"{text!r} is no number" if text else "the value is missing"
    else:
        if isfinite(value) and low <= value <= high:
            return value
        message = f"{value:g} is not possible"
    allowed = "a finite number" if low == -inf else f"a number from {low:g} to {high:g}"
    raise ConfigError(ConfigProblem(file=file, line=line, key=column, message=message, allowed=allowed))
