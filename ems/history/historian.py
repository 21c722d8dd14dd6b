"""The record of every cycle in SQLite, written by a thread of its own; whoever hands rows over never waits.

The write-ahead log survives a kill at any moment; after a power cut the last second or so may be missing. What is
unknown is NaN. Hours that have passed are sealed by a process of low priority, which also keeps the record in bounds.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from ems.history.database import open_for_writing
from ems.history.housekeeper import Housekeeper
from ems.history.keeping import HistoryBounds
from ems.history.layout import CYCLE, HOUR_MS, database_of, to_ms
from ems.history.rows import Row, RowWriter
from ems.model.status import HistorianStatistics, QueueStatus

# rows are collected for this long, so that the disk sees one transaction a second
_BATCH_S: Final = 1.0
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorianSettings:
    """Where the record is kept, of which site, and how much of it; `queue_rows` cycles wait for the disk at most."""

    state_directory: Path
    site_id: str
    queue_rows: int
    bounds: HistoryBounds

    @property
    def path(self) -> Path:
        """Return the SQLite file."""
        return database_of(self.state_directory)


class SqliteHistorian:
    """Takes rows from one thread, writes them in another; never raises for anything that the disk does."""

    def __init__(self, settings: HistorianSettings) -> None:
        self._settings = settings
        self._log = structlog.get_logger("historian")
        self._lock = threading.Lock()
        self._waiting: deque[Row] = deque(maxlen=settings.queue_rows)
        self._closing = threading.Event()
        self._paused = False
        self._newest_hour: int | None = None
        self._n_handed_over = 0
        self._n_rows = 0
        self._n_dropped = 0
        self._n_errors = 0
        self._trouble: str | None = None
        self._set_aside: tuple[str, ...] = ()
        self._keeper = Housekeeper(settings.state_directory, settings.bounds)
        self._thread = threading.Thread(target=self._work, name="historian", daemon=True)
        self._thread.start()

    def record(self, utc: datetime, values: Mapping[str, float | None], *, part: str = CYCLE) -> None:
        """Hand the points of an instant over; the oldest row that waits is dropped where the disk is too slow."""
        with self._lock:
            self._n_handed_over += 1
            row = Row(number=self._n_handed_over, part=part, at_ms=to_ms(utc), values=values)
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
                n_sealed=self._keeper.n_sealed,
                trouble=self._trouble or self._keeper.trouble,
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
        try:
            with closing(self._opened()) as connection:
                writer = RowWriter(connection)
                while True:
                    is_last = self._closing.wait(_BATCH_S)
                    self._write(writer)
                    if is_last:
                        return
                    self._keeper.look(may_begin=not self._paused)
                    if self._keeper.found_damage:
                        raise sqlite3.DatabaseError(self._keeper.trouble or "a page is damaged")
        finally:
            self._keeper.end()

    def _opened(self) -> sqlite3.Connection:
        whole, self._keeper.found_damage = self._keeper.found_damage, False
        settings = self._settings
        return open_for_writing(
            settings.path, site_id=settings.site_id, set_aside=self._was_set_aside, check_whole=whole
        )

    def _was_set_aside(self, path: Path, kept_as: str, why: str) -> None:
        with self._lock:
            self._set_aside = (*self._set_aside, kept_as)
        self._log.error("historian_set_aside", file=str(path), kept_as=kept_as, error=why)

    def _write(self, writer: RowWriter) -> None:
        """Write every waiting row in one transaction; they wait on when that fails."""
        with self._lock:
            rows = tuple(self._waiting)
        if not rows or self._paused:
            return
        writer.write(rows)
        with self._lock:
            # rows that were dropped meanwhile stood at the front, among the written ones
            while self._waiting and self._waiting[0].number <= rows[-1].number:
                self._waiting.popleft()
            self._n_rows += len(rows)
            recovered, self._trouble = self._trouble is not None, None
        if recovered:
            self._log.info("historian_writes_again", n_rows=len(rows))
        hour = rows[-1].at_ms // HOUR_MS
        if hour != self._newest_hour:
            self._newest_hour = hour
            self._keeper.hour_passed()

    def _failed(self, error: Exception) -> None:
        with self._lock:
            begins, self._trouble = self._trouble is None, str(error) or type(error).__name__
            self._n_errors += 1
        if begins:
            self._log.warning("historian_failed", file=str(self._settings.path), error=str(error))
