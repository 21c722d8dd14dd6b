"""The record of every cycle in SQLite, written by a thread of its own; whoever hands rows over never waits.

The write-ahead log survives a kill at any moment; after a power cut the last second or so may be missing. Each
sample is one row (time in ms since 1970, point, value): what is unknown is not written.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from ems.model.status import QueueStatus

# rows are collected for this long, so that the disk sees one transaction a second
_BATCH_S: Final = 1.0
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
# old rows are looked for once per this many transactions, and deleted in slices so that no write waits long
_TIDY_EVERY: Final = 60
_TIDY_SLICE_MS: Final = 15 * 60 * 1000
_MS_PER_S: Final = 1000
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS point (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS sample (
    at_ms INTEGER NOT NULL,
    point INTEGER NOT NULL REFERENCES point (id),
    value REAL NOT NULL,
    PRIMARY KEY (at_ms, point)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorianSettings:
    """Where the record is kept and how much of it; `max_bytes` None sets no limit on size."""

    path: Path
    retain_days: int
    queue_rows: int
    max_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorianStatistics:
    """What the historian has done since it was made; `trouble` is the present one, None while writing works."""

    n_rows: int
    n_dropped: int
    n_errors: int
    n_waiting: int
    trouble: str | None
    set_aside: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One recorded value; its unit is the end of the point's name."""

    utc: datetime
    value: float


class _Row(NamedTuple):
    """What one cycle hands over; rows are numbered in the order in which they came."""

    number: int
    at_ms: int
    values: Mapping[str, float | None]


class SqliteHistorian:
    """Takes rows from one thread, writes them in another; never raises for anything that the disk does."""

    def __init__(self, settings: HistorianSettings) -> None:
        self._settings = settings
        self._log = structlog.get_logger("historian")
        self._lock = threading.Lock()
        self._waiting: deque[_Row] = deque(maxlen=settings.queue_rows)
        self._closing = threading.Event()
        self._paused = False
        self._newest_ms: int | None = None
        self._n_handed_over = 0
        self._n_rows = 0
        self._n_dropped = 0
        self._n_errors = 0
        self._trouble: str | None = None
        self._set_aside: tuple[str, ...] = ()
        self._thread = threading.Thread(target=self._work, name="historian", daemon=True)
        self._thread.start()

    def record(self, utc: datetime, values: Mapping[str, float | None]) -> None:
        """Hand one cycle's points over; the oldest row that waits is dropped where the disk is too slow."""
        with self._lock:
            self._n_handed_over += 1
            row = _Row(number=self._n_handed_over, at_ms=_to_ms(utc), values=values)
            self._n_dropped += len(self._waiting) == self._waiting.maxlen
            self._waiting.append(row)

    def statistics(self) -> HistorianStatistics:
        """Return the counts so far."""
        with self._lock:
            return HistorianStatistics(
                n_rows=self._n_rows,
                n_dropped=self._n_dropped,
                n_errors=self._n_errors,
                n_waiting=len(self._waiting),
                trouble=self._trouble,
                set_aside=self._set_aside,
            )

    def pause(self, paused: bool) -> None:  # noqa: FBT001 - the only argument there is
        """Write nothing for now: the room that is left on the disk is for state and ledger."""
        self._paused = paused

    def queue(self) -> QueueStatus:
        """Return how many rows wait for the disk."""
        with self._lock:
            return QueueStatus(
                name="historian",
                n_waiting=len(self._waiting),
                length=self._settings.queue_rows,
                n_dropped=self._n_dropped,
            )

    def close(self, *, deadline_s: float = 5.0) -> None:
        """Write what waits and stop; give up on a disk that takes longer than `deadline_s`."""
        self._closing.set()
        self._thread.join(timeout=deadline_s)

    def read(self, point: str, start: datetime, end: datetime) -> tuple[Sample, ...]:
        """Return the samples of a point in [start, end), oldest first; blocks on the disk.

        Raises:
            sqlite3.Error: The record cannot be read.
        """
        return read_samples(self._settings.path, point, start, end)

    def _work(self) -> None:
        """Write until closed; after an error begin again with the file, after a growing pause."""
        pause_s = _FIRST_PAUSE_S
        while True:
            n_rows = self._n_rows
            try:
                self._write_all()
            except (sqlite3.Error, OSError) as error:
                self._failed(error)
            else:
                return
            if self._n_rows > n_rows:
                pause_s = _FIRST_PAUSE_S
            if self._closing.wait(pause_s):
                return
            pause_s = min(_LONGEST_PAUSE_S, 2.0 * pause_s)

    def _write_all(self) -> None:
        with closing(self._opened()) as connection:
            points = dict(connection.execute("SELECT name, id FROM point"))
            n_batches = 0
            while True:
                is_last = self._closing.wait(_BATCH_S)
                if self._write(connection, points):
                    n_batches += 1
                    if n_batches % _TIDY_EVERY == 1:
                        self._tidy(connection)
                if is_last:
                    return

    def _opened(self) -> sqlite3.Connection:
        """Open the file; one that is damaged is set aside and a new one begun."""
        path = self._settings.path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _checked(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                # busy, full, read-only, not to be opened: the file itself may be sound
                raise
            self._put_aside(path, error)
            return _checked(path)

    def _put_aside(self, path: Path, error: sqlite3.Error) -> None:
        """Rename a damaged file and what belongs to it."""
        stamp = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC).strftime("%Y%m%dT%H%M%SZ")
        aside = path.with_name(f"{path.name}.damaged-{stamp}")
        number = 1
        while aside.exists():
            number += 1
            aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
        path.rename(aside)
        for suffix in ("-wal", "-shm"):
            companion = path.with_name(f"{path.name}{suffix}")
            if companion.exists():
                companion.rename(aside.with_name(f"{aside.name}{suffix}"))
        with self._lock:
            self._set_aside = (*self._set_aside, aside.name)
        self._log.error("historian_set_aside", file=str(path), kept_as=aside.name, error=str(error))

    def _write(self, connection: sqlite3.Connection, points: dict[str, int]) -> bool:
        """Write every waiting row in one transaction; they wait on when that fails."""
        with self._lock:
            rows = tuple(self._waiting)
        if not rows or self._paused:
            return False
        samples = [(row.at_ms, name, value) for row in rows for name, value in _known(row.values)]
        with connection:
            new = [(name,) for name in sorted({name for _, name, _ in samples} - points.keys())]
            connection.executemany("INSERT INTO point (name) VALUES (?)", new)
            found = dict(connection.execute("SELECT name, id FROM point")) if new else points
            connection.executemany(
                "INSERT OR REPLACE INTO sample VALUES (?, ?, ?)",
                ((at_ms, found[name], value) for at_ms, name, value in samples),
            )
        points.update(found)
        with self._lock:
            # rows that were dropped meanwhile stood at the front, among the written ones
            while self._waiting and self._waiting[0].number <= rows[-1].number:
                self._waiting.popleft()
            self._n_rows += len(rows)
            self._newest_ms = rows[-1].at_ms
            recovered, self._trouble = self._trouble is not None, None
        if recovered:
            self._log.info("historian_writes_again", n_rows=len(rows))
        return True

    def _tidy(self, connection: sqlite3.Connection) -> None:
        """Delete what is too old, and the oldest while the file is too large."""
        if self._newest_ms is None:
            return
        keep_ms = self._settings.retain_days * int(timedelta(days=1).total_seconds()) * _MS_PER_S
        horizon_ms = self._newest_ms - keep_ms
        while (oldest_ms := _oldest_ms(connection)) is not None:
            if oldest_ms >= horizon_ms and not self._is_too_large(connection):
                return
            until_ms = oldest_ms + _TIDY_SLICE_MS
            if oldest_ms < horizon_ms:
                until_ms = min(until_ms, horizon_ms)
            with connection:
                connection.execute("DELETE FROM sample WHERE at_ms < ?", (until_ms,))

    def _is_too_large(self, connection: sqlite3.Connection) -> bool:
        if self._settings.max_bytes is None:
            return False
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
        (n_pages,) = connection.execute("PRAGMA page_count").fetchone()
        (n_free,) = connection.execute("PRAGMA freelist_count").fetchone()
        return int(page_bytes) * (int(n_pages) - int(n_free)) > self._settings.max_bytes

    def _failed(self, error: Exception) -> None:
        with self._lock:
            begins, self._trouble = self._trouble is None, str(error) or type(error).__name__
            self._n_errors += 1
        if begins:
            self._log.warning("historian_failed", file=str(self._settings.path), error=str(error))


def read_samples(path: Path, point: str, start: datetime, end: datetime) -> tuple[Sample, ...]:
    """Return the samples of a point in [start, end), oldest first.

    Raises:
        sqlite3.Error: The record cannot be read.
    """
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            "SELECT at_ms, value FROM sample JOIN point ON point.id = sample.point"
            " WHERE name = ? AND at_ms >= ? AND at_ms < ? ORDER BY at_ms",
            (point, _to_ms(start), _to_ms(end)),
        ).fetchall()
    return tuple(Sample(utc=_from_ms(at_ms), value=value) for at_ms, value in rows)


def _checked(path: Path) -> sqlite3.Connection:
    """Open a file whose structure is sound, with its tables."""
    connection = sqlite3.connect(path, timeout=1.0)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(str(verdict))
        connection.executescript(_SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _known(values: Mapping[str, float | None]) -> Iterator[tuple[str, float]]:
    """Yield what can be written: known and finite."""
    return ((name, value) for name, value in values.items() if value is not None and isfinite(value))


def _oldest_ms(connection: sqlite3.Connection) -> int | None:
    (oldest,) = connection.execute("SELECT min(at_ms) FROM sample").fetchone()
    return None if oldest is None else int(oldest)


def _to_ms(instant: datetime) -> int:
    """Return whole milliseconds since 1970, from integers so that nothing is lost."""
    passed = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return passed // timedelta(milliseconds=1)


def _from_ms(at_ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
