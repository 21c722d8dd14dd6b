"""How much of the history is kept: by age and by size, the oldest hours go first, one hour at a time."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from ems.history.layout import HOUR_MS, block_id, hour_of_file

_HOURS_PER_DAY: Final = 24
# pages given back to the file system after an hour was deleted, at most: 16 MiB
_VACUUM_PAGES: Final = 4096
# hours that one run deletes at most; it runs every hour, so a clock that is years ahead for a while costs little
_MOST_HOURS: Final = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryBounds:
    """Days and bytes of the SQLite file and of the hours' files; `parquet_days` 0: no such files."""

    retain_days: int
    max_bytes: int
    parquet_days: int
    parquet_max_bytes: int

    def arguments(self) -> tuple[str, ...]:
        """Return the bounds as arguments of a command."""
        return tuple(str(n) for n in (self.retain_days, self.max_bytes, self.parquet_days, self.parquet_max_bytes))

    @classmethod
    def from_arguments(cls, texts: Sequence[str]) -> Self:
        """Return the bounds again.

        Raises:
            ValueError: These are no bounds.
        """
        retain_days, max_bytes, parquet_days, parquet_max_bytes = (int(text) for text in texts)
        return cls(
            retain_days=retain_days,
            max_bytes=max_bytes,
            parquet_days=parquet_days,
            parquet_max_bytes=parquet_max_bytes,
        )


def tidy_database(connection: sqlite3.Connection, bounds: HistoryBounds) -> int:
    """Delete hours that are too old, and the oldest while the file is too large; return how many.

    Every hour is one transaction, so that the historian never waits long. The present hour always stays.
    """
    newest = present_hour(connection)
    if newest is None:
        return 0
    n_deleted = 0
    while n_deleted < _MOST_HOURS and (oldest := _oldest_hour(connection)) is not None and oldest < newest:
        if newest - oldest <= bounds.retain_days * _HOURS_PER_DAY and not _is_too_large(connection, bounds.max_bytes):
            break
        _delete_hour(connection, oldest)
        n_deleted += 1
    return n_deleted


def tidy_files(directory: Path, bounds: HistoryBounds, *, present: int) -> int:
    """Delete hours' files that are too old at the present hour, and the oldest while all are too large."""
    sizes = [(hour, file, file.stat().st_size) for hour, file in hour_files(directory)]
    total_bytes = sum(size for _, _, size in sizes)
    n_deleted = 0
    for hour, file, size in sizes[:_MOST_HOURS]:
        if present - hour <= bounds.parquet_days * _HOURS_PER_DAY and total_bytes <= bounds.parquet_max_bytes:
            break
        _remove(directory, file)
        total_bytes -= size
        n_deleted += 1
    return n_deleted


def give_up_files(directory: Path, *, wanted_bytes: int, n_most: int) -> int:
    """Delete the oldest hours' files until so much room is free; return the bytes. For a disk without room."""
    freed = 0
    for _, file in hour_files(directory)[:n_most]:
        if freed >= wanted_bytes:
            break
        freed += file.stat().st_size
        _remove(directory, file)
    return freed


def hour_files(directory: Path) -> list[tuple[int, Path]]:
    """Return the hours' files with their hours, oldest first."""
    return sorted(_found(directory))


def _found(directory: Path) -> Iterator[tuple[int, Path]]:
    for file in directory.glob("*/*/*/*.parquet"):
        known = hour_of_file(directory, file)
        if known is not None:
            yield known[0], file


def _remove(directory: Path, file: Path) -> None:
    file.unlink(missing_ok=True)
    for parent in file.parents:
        if parent == directory:
            return
        with suppress(OSError):
            parent.rmdir()


def present_hour(connection: sqlite3.Connection) -> int | None:
    """Return the hour of the row that came last, else the last sealed one; None for a history without rows."""
    row = connection.execute("SELECT at_ms FROM row ORDER BY seq DESC LIMIT 1").fetchone()
    if row is not None:
        return int(row[0]) // HOUR_MS
    (hour,) = connection.execute("SELECT max(hour) FROM sealed").fetchone()
    return None if hour is None else int(hour)


def _oldest_hour(connection: sqlite3.Connection) -> int | None:
    (row,) = connection.execute(
        "SELECT min(oldest) FROM (SELECT min(at_ms) AS oldest FROM row GROUP BY part)"
    ).fetchone()
    (hour,) = connection.execute("SELECT min(hour) FROM sealed").fetchone()
    hours = [int(value) for value in (None if row is None else row // HOUR_MS, hour) if value is not None]
    return min(hours, default=None)


def _delete_hour(connection: sqlite3.Connection, hour: int) -> None:
    begin_ms = hour * HOUR_MS
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("DELETE FROM block WHERE id >= ? AND id < ?", (block_id(hour, 0), block_id(hour + 1, 0)))
        connection.execute("DELETE FROM sealed WHERE hour = ?", (hour,))
        connection.execute(
            "DELETE FROM row WHERE part IN (SELECT part FROM point_list) AND at_ms >= ? AND at_ms < ?",
            (begin_ms, begin_ms + HOUR_MS),
        )
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})").fetchall()


def _is_too_large(connection: sqlite3.Connection, max_bytes: int) -> bool:
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    (n_pages,) = connection.execute("PRAGMA page_count").fetchone()
    (n_free,) = connection.execute("PRAGMA freelist_count").fetchone()
    return int(page_bytes) * (int(n_pages) - int(n_free)) > max_bytes
