"""Questions to the history: values of points over a time, as they are or by intervals."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from ems.history.hours import schema_of, table_of, table_writer
from ems.history.layout import HOUR_MS, to_ms
from ems.history.packing import Floats, Instants
from ems.history.reading import HistoryReader, PointSeries


class Aggregate(StrEnum):
    """What one value says of an interval: of the known samples inside, each counting once."""

    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of points at common ascending instants; NaN where a point has no value."""

    instants_ms: Instants
    columns: Mapping[str, Floats]


def chosen(known: Sequence[str], patterns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the points that names and patterns (`block.*.power_kw`) mean, and those patterns that mean none."""
    found: dict[str, None] = {}
    without: list[str] = []
    for pattern in patterns:
        matching = [name for name in known if name == pattern or fnmatchcase(name, pattern)]
        found |= dict.fromkeys(matching)
        if not matching:
            without.append(pattern)
    return list(found), without


def table(
    reader: HistoryReader,
    points: Sequence[str],
    start: datetime,
    end: datetime,
    *,
    every_ms: int | None,
    how: Aggregate,
) -> Table:
    """Return points over [start, end), by intervals of `every_ms` since 1970 where one is given.

    An interval is labelled by its start; one without any known sample of a point has no value of it.

    Raises:
        sqlite3.Error: The database cannot be read.
        OSError: A file cannot be read.
        ValueError: What was read is damaged.
    """
    series = {point: reader.series(point, start, end) for point in points}
    if every_ms is not None:
        series = {point: aggregated(each, every_ms, how) for point, each in series.items()}
    return joined(series)


def aggregated(series: PointSeries, every_ms: int, how: Aggregate) -> PointSeries:
    """Return one value per interval that has any sample."""
    if not len(series.instants_ms):
        return series
    buckets = series.instants_ms // every_ms
    first = np.flatnonzero(np.diff(buckets, prepend=buckets[0] - 1))
    values = series.values.astype(np.float64)
    sizes = np.diff(first, append=len(values))
    match how:
        case Aggregate.MEAN:
            found = np.add.reduceat(values, first) / sizes
        case Aggregate.MIN:
            found = np.minimum.reduceat(values, first)
        case Aggregate.MAX:
            found = np.maximum.reduceat(values, first)
        case Aggregate.LAST:
            found = values[first + sizes - 1]
    return PointSeries(buckets[first] * every_ms, found.astype(np.float32))


def joined(series: Mapping[str, PointSeries]) -> Table:
    """Return several series at the instants of any of them."""
    instants_ms = np.empty(0, dtype=np.int64)
    for each in series.values():
        instants_ms = np.union1d(instants_ms, each.instants_ms)
    columns: dict[str, Floats] = {}
    for point, each in series.items():
        column = np.full(len(instants_ms), np.nan, dtype=np.float32)
        column[np.searchsorted(instants_ms, each.instants_ms)] = each.values
        columns[point] = column
    return Table(instants_ms, columns)


def tables_by_hour(
    reader: HistoryReader, points: Sequence[str] | None, start: datetime, end: datetime
) -> Iterator[Table]:
    """Yield points over [start, end) hour by hour, all of them for None: what is too large for one table.

    Raises:
        sqlite3.Error: The database cannot be read.
        OSError: A file cannot be read.
        ValueError: What was read is damaged.
    """
    begin_ms, end_ms = to_ms(start), to_ms(end)
    wanted = None if points is None else set(points)
    parts: dict[int, list[str]] = {}
    for hour, part in reader.hours():
        if begin_ms < (hour + 1) * HOUR_MS and hour * HOUR_MS < end_ms:
            parts.setdefault(hour, []).append(part)
    for hour, names in parts.items():
        series: dict[str, PointSeries] = {}
        for part in names:
            instants_ms, columns = reader.hour(hour, part)
            kept = (instants_ms >= begin_ms) & (instants_ms < end_ms)
            for name, column in columns.items():
                if wanted is None or name in wanted:
                    series[name] = PointSeries(instants_ms[kept], column[kept])
        found = joined(series)
        if len(found.instants_ms):
            yield found


def write_parquet(file: Path, tables: Iterator[Table], names: Sequence[str], *, site_id: str) -> int:
    """Write tables one after the other with all these columns; return the number of rows.

    Raises:
        OSError: The file cannot be written, or what is read cannot.
    """
    n_rows = 0
    names = sorted(names)
    with table_writer(schema_of(names, site_id=site_id), file) as writer:
        for each in tables:
            unknown = np.full(len(each.instants_ms), np.nan, dtype=np.float32)
            writer.write_table(
                table_of(each.instants_ms, {name: each.columns.get(name, unknown) for name in names}, site_id=site_id)
            )
            n_rows += len(each.instants_ms)
    return n_rows
