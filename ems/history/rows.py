"""Rows of the running hour: the points of an instant as one float32 array in the order of a point list."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

_ARRAY: Final = "<f4"


class Row(NamedTuple):
    """What is handed over for one part of one instant; rows are numbered in the order in which they came."""

    number: int
    part: str
    at_ms: int
    values: Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PointList:
    """The names of a part in the order of its arrays; `pick` takes their values out of a mapping that has them all."""

    id: int
    names: tuple[str, ...]
    known: frozenset[str]
    pick: Callable[[Mapping[str, Any]], tuple[Any, ...]]  # values of points


class RowWriter:
    """Writes rows through one connection; a name that is new opens a new point list.

    A name that is missing in a later row is unknown there. Nothing is remembered of a transaction that failed.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lists: dict[str, PointList] = {}

    def write(self, rows: Iterable[Row]) -> None:
        """Write rows in one transaction; the newest row of an instant counts.

        Raises:
            sqlite3.Error: They were not written, none of them.
        """
        lists = dict(self._lists)
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for row in rows:
                present = lists.get(row.part)
                if present is None or not _has_all(present, row.values):
                    lists[row.part] = present = self._extended(row, present)
                self._connection.execute(
                    "INSERT OR REPLACE INTO row (part, at_ms, list, data) VALUES (?, ?, ?, ?)",
                    (row.part, row.at_ms, present.id, _array(present, row.values)),
                )
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._lists = lists

    def _extended(self, row: Row, present: PointList | None) -> PointList:
        """Return the list with the names of a row behind those that it had; one that was used before is used again."""
        before = () if present is None else present.names
        known = frozenset(before)
        names = (*before, *(name for name in row.values if name not in known))
        self._connection.executemany(
            "INSERT OR IGNORE INTO point (part, name) VALUES (?, ?)", ((row.part, name) for name in names)
        )
        ids = dict(self._connection.execute("SELECT name, id FROM point WHERE part = ?", (row.part,)))
        points = np.array([ids[name] for name in names], dtype="<u4").tobytes()
        found = self._connection.execute(
            "SELECT id FROM point_list WHERE part = ? AND points = ?", (row.part, points)
        ).fetchone()
        if found is None:
            number = self._connection.execute(
                "INSERT INTO point_list (part, points) VALUES (?, ?) RETURNING id", (row.part, points)
            ).fetchone()[0]
        else:
            number = found[0]
        return PointList(id=int(number), names=names, known=frozenset(names), pick=_picker(names))


def list_points(data: bytes) -> npt.NDArray[np.int64]:
    """Return the points of a list in their order."""
    return np.frombuffer(data, dtype="<u4").astype(np.int64)


def row_values(data: bytes) -> npt.NDArray[np.float32]:
    """Return the array of a row."""
    return np.frombuffer(data, dtype=_ARRAY)


def _has_all(present: PointList, values: Mapping[str, float | None]) -> bool:
    """Return whether every name of a row is in the list."""
    return tuple(values) == present.names or values.keys() <= present.known


def _array(present: PointList, values: Mapping[str, float | None]) -> bytes:
    """Return the values in the list's order; what is unknown, infinite or beyond float32 is NaN."""
    try:
        picked = present.pick(values)
    except KeyError:
        picked = tuple(values.get(name) for name in present.names)
    with np.errstate(over="ignore"):
        array = np.array(picked, dtype=_ARRAY)
    array[~np.isfinite(array)] = np.nan
    return array.tobytes()


def _picker(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Return what takes the values of names out of a mapping; much quicker than one look-up after the other."""
    if len(names) == 1:
        return lambda values: (values[names[0]],)
    return itemgetter(*names)
