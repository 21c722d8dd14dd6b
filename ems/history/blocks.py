"""Sealed hours: one block per point and the instants that all points of a part share."""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ems.history.layout import HOUR_MS, block_id, point_of
from ems.history.packing import Floats, Instants, pack_instants, pack_values, unpack_instants, unpack_values
from ems.history.rows import list_points, row_values


@dataclass(frozen=True, slots=True)
class Columns:
    """Values of points at the ascending instants of one hour and part; points without any known value are missing."""

    hour: int
    part: str
    instants_ms: Instants
    values: Mapping[int, Floats]


def read_sealed(connection: sqlite3.Connection, hour: int, part: str, *, strict: bool = True) -> Columns | None:
    """Return a sealed hour, None where it is not sealed; unless `strict`, points that are damaged are left out.

    Raises:
        sqlite3.Error: It cannot be read.
        ValueError: It is damaged.
    """
    found = connection.execute("SELECT n_rows, times FROM sealed WHERE hour = ? AND part = ?", (hour, part)).fetchone()
    if found is None:
        return None
    n_rows, times = found
    blocks = connection.execute(
        "SELECT block.id, data FROM block JOIN point ON point.id = block.id & ? AND part = ?"
        " WHERE block.id >= ? AND block.id < ?",
        (block_id(1, 0) - 1, part, block_id(hour, 0), block_id(hour + 1, 0)),
    )
    values: dict[int, Floats] = {}
    for number, data in blocks:
        try:
            values[point_of(number)] = unpack_values(data, n_rows)
        except ValueError:
            if strict:
                raise
    return Columns(hour, part, unpack_instants(times, hour * HOUR_MS), values)


def read_running(connection: sqlite3.Connection, hour: int, part: str) -> tuple[Columns, int] | None:
    """Return the rows of an hour that are not sealed yet, and the highest of their numbers; None for none.

    Raises:
        sqlite3.Error: They cannot be read.
    """
    begin_ms = hour * HOUR_MS
    rows = connection.execute(
        "SELECT seq, at_ms, list, data FROM row WHERE part = ? AND at_ms >= ? AND at_ms < ? ORDER BY at_ms",
        (part, begin_ms, begin_ms + HOUR_MS),
    ).fetchall()
    if not rows:
        return None
    instants_ms = np.array([row[1] for row in rows], dtype=np.int64)
    values: dict[int, Floats] = {}
    for number in sorted({row[2] for row in rows}):
        places = [place for place, row in enumerate(rows) if row[2] == number]
        table = np.stack([row_values(rows[place][3]) for place in places]).T
        for point, column in zip(_points(connection, number), table, strict=True):
            if np.isnan(column).all():
                continue
            whole = values.setdefault(int(point), np.full(len(rows), np.nan, dtype=np.float32))
            whole[places] = column
    return Columns(hour, part, instants_ms, values), max(row[0] for row in rows)


def merged(older: Columns, newer: Columns) -> Columns:
    """Return one hour of two recordings; at an instant of both the newer counts, its unknown values, too."""
    instants_ms = np.union1d(older.instants_ms, newer.instants_ms)
    from_older = np.searchsorted(instants_ms, older.instants_ms)
    from_newer = np.searchsorted(instants_ms, newer.instants_ms)
    values: dict[int, Floats] = {}
    for point in older.values.keys() | newer.values.keys():
        column = np.full(len(instants_ms), np.nan, dtype=np.float32)
        if point in older.values:
            column[from_older] = older.values[point]
        column[from_newer] = newer.values.get(point, np.float32(np.nan))
        values[point] = column
    return Columns(newer.hour, newer.part, instants_ms, values)


def seal(connection: sqlite3.Connection, hour: int, part: str) -> bool:
    """Turn the rows of an hour into blocks, in one transaction; False where there are none.

    Rows that come for an hour that is sealed already (a clock that was put back) are merged into it.

    Raises:
        sqlite3.Error: Nothing has changed.
        ValueError: The sealed hour is damaged; nothing has changed.
    """
    running = read_running(connection, hour, part)
    if running is None:
        return False
    columns, last_seq = running
    sealed = read_sealed(connection, hour, part, strict=False)
    if sealed is not None:
        columns = merged(sealed, columns)
    # what takes time comes before the lock
    packed = [(block_id(hour, point), pack_values(column)) for point, column in sorted(columns.values.items())]
    times = pack_instants(columns.instants_ms, hour * HOUR_MS)
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany("INSERT OR REPLACE INTO block VALUES (?, ?)", packed)
        connection.execute(
            "INSERT OR REPLACE INTO sealed (hour, part, last_seq, n_rows, in_parquet, times) VALUES (?, ?, ?, ?, 0, ?)",
            (hour, part, last_seq, len(columns.instants_ms), times),
        )
        connection.execute(
            "DELETE FROM row WHERE part = ? AND at_ms >= ? AND at_ms < ? AND seq <= ?",
            (part, hour * HOUR_MS, (hour + 1) * HOUR_MS, last_seq),
        )
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return True


def running_hours(connection: sqlite3.Connection) -> Iterator[tuple[int, str]]:
    """Yield hours and parts that have rows, oldest first."""
    yield from (
        (int(hour), str(part))
        for hour, part in connection.execute(
            f"SELECT DISTINCT at_ms / {HOUR_MS} AS hour, part FROM row ORDER BY hour, part"  # noqa: S608 - a constant
        )
    )


def point_names(connection: sqlite3.Connection, part: str) -> dict[int, str]:
    """Return the names of a part's points."""
    return dict(connection.execute("SELECT id, name FROM point WHERE part = ?", (part,)))


def _points(connection: sqlite3.Connection, number: int) -> list[int]:
    (data,) = connection.execute("SELECT points FROM point_list WHERE id = ?", (number,)).fetchone()
    return [int(point) for point in list_points(data)]
