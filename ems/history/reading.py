"""The values of one point over a time: from the database, and where its hours are gone, from the hours' files."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

import numpy as np

from ems.history.blocks import merged, point_names, read_running, read_sealed, running_hours
from ems.history.database import open_for_reading
from ems.history.hours import names_of, read_hour
from ems.history.keeping import hour_files
from ems.history.layout import HOUR_MS, block_id, database_of, from_ms, hour_file, hour_of_file, hours_of, to_ms
from ems.history.packing import Floats, Instants, unpack_instants, unpack_values
from ems.history.rows import list_points

_BYTES_PER_VALUE = 4


@dataclass(frozen=True, slots=True)
class PointSeries:
    """Known values of a point at ascending instants; between two of them nothing was known."""

    instants_ms: Instants
    values: Floats


class HistoryReader:
    """Reads a state directory beside a running daemon, or a copy of one; used as a context."""

    def __init__(self, state_directory: Path) -> None:
        """Open the history.

        Raises:
            sqlite3.Error: There is a database, but it cannot be read.
        """
        self._files = hours_of(state_directory)
        path = database_of(state_directory)
        self._connection = open_for_reading(path) if path.exists() else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()

    @property
    def connection(self) -> sqlite3.Connection | None:
        """Return the database, None where there is none."""
        return self._connection

    def points(self) -> dict[str, str]:
        """Return the part of every point that was ever recorded, by name.

        Raises:
            sqlite3.Error: The database cannot be read.
            OSError: A file cannot be read.
        """
        found: dict[str, str] = {}
        newest: dict[str, Path] = {}
        for _, file in hour_files(self._files):
            known = hour_of_file(self._files, file)
            if known is not None:
                newest[known[1]] = file
        for part, file in newest.items():
            found |= dict.fromkeys(names_of(file), part)
        if self._connection is not None:
            found |= dict(self._connection.execute("SELECT name, part FROM point"))
        return dict(sorted(found.items()))

    def series(self, point: str, start: datetime, end: datetime) -> PointSeries:
        """Return the known values of a point in [start, end).

        Raises:
            sqlite3.Error: The database cannot be read.
            OSError: A file cannot be read.
            ValueError: What was read is damaged.
        """
        begin_ms, end_ms = to_ms(start), to_ms(end)
        pieces = [*self._from_files(point, begin_ms, end_ms), *self._from_database(point, begin_ms, end_ms)]
        if not pieces:
            return PointSeries(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
        pieces = [_known(piece, begin_ms, end_ms) for piece in pieces]
        instants_ms = np.concatenate([piece.instants_ms for piece in pieces])
        values = np.concatenate([piece.values for piece in pieces])
        if np.any(instants_ms[1:] < instants_ms[:-1]):
            order = np.argsort(instants_ms, kind="stable")
            instants_ms, values = instants_ms[order], values[order]
        return PointSeries(instants_ms, values)

    def newest(self) -> datetime | None:
        """Return the instant of the row that came last, else the end of the last hour; None for an empty history.

        Raises:
            sqlite3.Error: The database cannot be read.
        """
        row = None
        if self._connection is not None:
            row = self._connection.execute("SELECT at_ms FROM row ORDER BY seq DESC LIMIT 1").fetchone()
        if row is not None:
            return from_ms(int(row[0]))
        hours = [hour for hour, _ in self.hours()]
        return from_ms((max(hours) + 1) * HOUR_MS - 1) if hours else None

    def hours(self) -> list[tuple[int, str]]:
        """Return hours and parts of which anything is kept, oldest first.

        Raises:
            sqlite3.Error: The database cannot be read.
        """
        found = {known for _, file in hour_files(self._files) if (known := hour_of_file(self._files, file))}
        if self._connection is not None:
            found |= set(self._connection.execute("SELECT hour, part FROM sealed"))
            found |= set(running_hours(self._connection))
        return sorted(found)

    def hour(self, hour: int, part: str) -> tuple[Instants, dict[str, Floats]]:
        """Return all points of an hour at its instants; NaN is unknown, a point without any known value is missing.

        Raises:
            sqlite3.Error: The database cannot be read.
            OSError: A file cannot be read.
            ValueError: What was read is damaged.
        """
        if self._connection is not None:
            sealed = read_sealed(self._connection, hour, part)
            running = read_running(self._connection, hour, part)
            if running is not None:
                sealed = running[0] if sealed is None else merged(sealed, running[0])
            if sealed is not None:
                names = point_names(self._connection, part)
                return sealed.instants_ms, {names[point]: column for point, column in sealed.values.items()}
        file = hour_file(self._files, hour, part)
        return read_hour(file, names_of(file)) if file.exists() else (np.empty(0, dtype=np.int64), {})

    def _from_database(self, point: str, begin_ms: int, end_ms: int) -> Iterator[PointSeries]:
        if self._connection is None:
            return
        ids = self._connection.execute("SELECT id, part FROM point WHERE name = ?", (point,)).fetchall()
        for number, part in ids:
            yield from _sealed(self._connection, number, part, begin_ms, end_ms)
            yield from _running(self._connection, number, part, begin_ms, end_ms)

    def _from_files(self, point: str, begin_ms: int, end_ms: int) -> Iterator[PointSeries]:
        """Yield what the database has no more."""
        in_database = set[tuple[int, str]]()
        if self._connection is not None:
            in_database = set(self._connection.execute("SELECT hour, part FROM sealed"))
        for hour, file in hour_files(self._files):
            if (hour + 1) * HOUR_MS <= begin_ms or hour * HOUR_MS >= end_ms:
                continue
            if hour_of_file(self._files, file) in in_database:
                continue
            instants_ms, values = read_hour(file, [point])
            if point in values:
                yield PointSeries(instants_ms, values[point])


def point_series(state_directory: Path, point: str, start: datetime, end: datetime) -> PointSeries:
    """Return the known values of a point in [start, end), opening the history for it.

    Raises:
        sqlite3.Error: The database cannot be read.
        OSError: A file cannot be read.
        ValueError: What was read is damaged.
    """
    with HistoryReader(state_directory) as reader:
        return reader.series(point, start, end)


def _known(piece: PointSeries, begin_ms: int, end_ms: int) -> PointSeries:
    """Return what of an hour is known and in range; mostly all of it, and then nothing is copied."""
    instants_ms, values = piece.instants_ms, piece.values
    if len(instants_ms) and (instants_ms[0] < begin_ms or instants_ms[-1] >= end_ms):
        first, last = np.searchsorted(instants_ms, (begin_ms, end_ms))
        instants_ms, values = instants_ms[first:last], values[first:last]
    unknown = np.isnan(values)
    if unknown.any():
        instants_ms, values = instants_ms[~unknown], values[~unknown]
    return PointSeries(instants_ms, values)


def _sealed(connection: sqlite3.Connection, point: int, part: str, begin_ms: int, end_ms: int) -> Iterator[PointSeries]:
    found = connection.execute(
        "SELECT hour, n_rows, times, data FROM sealed JOIN block ON block.id = hour * ? + ?"
        " WHERE part = ? AND hour >= ? AND hour < ? ORDER BY hour",
        (block_id(1, 0), point, part, begin_ms // HOUR_MS, -(-end_ms // HOUR_MS)),
    )
    for hour, n_rows, times, data in found:
        yield PointSeries(unpack_instants(times, hour * HOUR_MS), unpack_values(data, n_rows))


def _running(
    connection: sqlite3.Connection, point: int, part: str, begin_ms: int, end_ms: int
) -> Iterator[PointSeries]:
    for number, data in connection.execute("SELECT id, points FROM point_list WHERE part = ?", (part,)).fetchall():
        (places,) = np.nonzero(list_points(data) == point)
        if not len(places):
            continue
        rows = connection.execute(
            "SELECT at_ms, substr(data, ?, ?) FROM row"
            " WHERE part = ? AND at_ms >= ? AND at_ms < ? AND list = ? ORDER BY at_ms",
            (int(places[0]) * _BYTES_PER_VALUE + 1, _BYTES_PER_VALUE, part, begin_ms, end_ms, number),
        ).fetchall()
        if rows:
            values = np.frombuffer(b"".join(row[1] for row in rows), dtype="<f4").astype(np.float32)
            yield PointSeries(np.array([row[0] for row in rows], dtype=np.int64), values)
