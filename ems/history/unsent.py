"""What a forwarder has not sent yet: rows by their numbers, and whole sealed hours where rows are gone already.

The cursor is the number of the last row that is safe elsewhere. A sealed hour with a higher last number holds rows that
are not: it is sent whole, which changes nothing where its first rows have arrived before.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from ems.history.blocks import point_names, read_sealed
from ems.history.layout import from_ms
from ems.history.packing import Floats
from ems.history.rows import list_points, row_values

_MOST_ROWS: Final = 200


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one part with one list of names; `seq` is the cursor once all of them have arrived."""

    part: str
    names: tuple[str, ...]
    instants_ms: tuple[int, ...]
    rows: Floats
    seq: int


def unsent(connection: sqlite3.Connection, cursor: int) -> Iterator[Batch]:
    """Yield what comes next after a cursor, nothing where all is sent; ask again with the new cursor for more.

    The cursor of a batch is that of the one before until the last batch of a sealed hour.

    Raises:
        sqlite3.Error: The history cannot be read.
        ValueError: A sealed hour is damaged.
    """
    row = connection.execute("SELECT min(seq) FROM row WHERE seq > ?", (cursor,)).fetchone()[0]
    sealed = connection.execute(
        "SELECT hour, part, last_seq FROM sealed WHERE last_seq > ? ORDER BY last_seq LIMIT 1", (cursor,)
    ).fetchone()
    if sealed is not None and (row is None or row > sealed[2]):
        yield from _hour(connection, cursor, *sealed)
    elif row is not None:
        yield from _rows(connection, cursor, None if sealed is None else sealed[2])


def behind_s(connection: sqlite3.Connection, cursor: int) -> float:
    """Return how much older the last row that was sent may be than the newest one, s; 0 where all is sent.

    Raises:
        sqlite3.Error: The history cannot be read.
    """
    newest = connection.execute("SELECT at_ms FROM row ORDER BY seq DESC LIMIT 1").fetchone()
    row = connection.execute("SELECT at_ms FROM row WHERE seq > ? ORDER BY seq LIMIT 1", (cursor,)).fetchone()
    hour = connection.execute("SELECT min(hour) FROM sealed WHERE last_seq > ?", (cursor,)).fetchone()[0]
    waiting = [ms for ms in (None if row is None else row[0], None if hour is None else hour * 3_600_000) if ms]
    if not waiting or newest is None:
        return 0.0
    return max(0.0, (from_ms(newest[0]) - from_ms(min(waiting))).total_seconds())


def _rows(connection: sqlite3.Connection, cursor: int, below: int | None) -> Iterator[Batch]:
    found = connection.execute(
        "SELECT seq, part, at_ms, list, data FROM row WHERE seq > ? AND seq < ? ORDER BY seq LIMIT ?",
        (cursor, 1 << 62 if below is None else below, _MOST_ROWS),
    ).fetchall()
    begin = 0
    for place in range(1, len(found) + 1):
        if place == len(found) or found[place][3] != found[begin][3]:
            rows = found[begin:place]
            (points,) = connection.execute("SELECT points FROM point_list WHERE id = ?", (rows[0][3],)).fetchone()
            names = point_names(connection, rows[0][1])
            yield Batch(
                part=rows[0][1],
                names=tuple(names[int(point)] for point in list_points(points)),
                instants_ms=tuple(row[2] for row in rows),
                rows=np.stack([row_values(row[4]) for row in rows]),
                seq=rows[-1][0],
            )
            begin = place


def _hour(connection: sqlite3.Connection, cursor: int, hour: int, part: str, last_seq: int) -> Iterator[Batch]:
    columns = read_sealed(connection, hour, part, strict=False)
    if columns is None:
        return
    names = point_names(connection, part)
    points = sorted(columns.values)
    n_rows = len(columns.instants_ms)
    instants = tuple(columns.instants_ms.tolist())
    for begin in range(0, n_rows, _MOST_ROWS):
        end = min(n_rows, begin + _MOST_ROWS)
        rows = np.empty((end - begin, len(points)), dtype=np.float32)
        for place, point in enumerate(points):
            rows[:, place] = columns.values[point][begin:end]
        yield Batch(
            part=part,
            names=tuple(names[point] for point in points),
            instants_ms=instants[begin:end],
            rows=rows,
            seq=last_seq if end == n_rows else cursor,
        )
