"""A recorded year read by month, day and hour, whatever year is simulated or planned."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ems.errors import ConfigError, ConfigProblem

_HOURS_PER_YEAR = 8760
# a common year, so that 29 February reads as 28 February
_INDEX_YEAR = 2001


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
        ConfigError: A column is missing, a value is no number, or hours of the year are not covered.
    """
    reader = csv.DictReader(io.StringIO(text))
    missing = [name for name in ("time_utc", *columns) if name not in (reader.fieldnames or ())]
    if missing:
        raise _refused(file, f"column {', '.join(missing)} is missing", line=1)
    sums = [[0.0] * len(columns) for _ in range(_HOURS_PER_YEAR)]
    counts = [0] * _HOURS_PER_YEAR
    for number, row in enumerate(reader, start=2):
        try:
            stamp = datetime.fromisoformat(row["time_utc"])
            values = [float(row[name]) for name in columns]
        except (ValueError, TypeError) as error:
            raise _refused(file, f"{error}", line=number) from error
        hour = hour_of_year(stamp + timedelta(minutes=shift_min))
        counts[hour] += 1
        for index, value in enumerate(values):
            sums[hour][index] += value
    if 0 in counts:
        raise _refused(file, f"hour {counts.index(0)} of the year has no value")
    rows = tuple(tuple(total / n for total in sums_of_hour) for sums_of_hour, n in zip(sums, counts, strict=True))
    return YearTable(columns=tuple(columns), rows=rows)


def _refused(file: str, message: str, *, line: int | None = None) -> ConfigError:
    return ConfigError(ConfigProblem(file=file, line=line, message=message))
