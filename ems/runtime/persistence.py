"""State that a restart needs, in SQLite; written by a thread of its own, so that control never waits for a disk."""

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import structlog

from ems.errors import StateError
from ems.model.status import QueueStatus
from ems.runtime.writer import WriterThread

_QUEUE_LENGTH = 64
_TABLE = "CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, document TEXT NOT NULL, saved_utc TEXT NOT NULL)"


class _Item(NamedTuple):
    """A document on its way to the disk."""

    name: str
    document: str
    saved_utc: str
    on_disk: Callable[[], None] | None


class _Connection:
    """A connection that commits and closes itself; every write is on the disk before the next begins."""

    def __init__(self, file: Path, busy_s: float) -> None:
        self._connection = sqlite3.connect(file, timeout=busy_s)
        self._connection.execute("PRAGMA synchronous = FULL")

    def __enter__(self) -> sqlite3.Connection:
        return self._connection

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if kind is None:
                self._connection.commit()
        finally:
            self._connection.close()


class StateStore:
    """Named JSON documents with the time of their writing. `save` hands over and returns at once."""

    def __init__(self, file: Path, *, busy_s: float = 5.0) -> None:
        """Open or create the file; another process's lock is waited for `busy_s`.

        Raises:
            StateError: The directory cannot be written.
        """
        self._file = file
        self._busy_s = busy_s
        self._log = structlog.get_logger("state")
        self.n_failed = 0
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._ensure()
        except (OSError, sqlite3.Error) as error:
            raise StateError(f"{file}: cannot be opened ({error}); check the state directory") from error
        self._writer = WriterThread(self._write, name="state-writer", length=_QUEUE_LENGTH)

    def load(self, name: str) -> tuple[dict[str, object], datetime] | None:
        """Return a document and when it was saved, None if there is none or it cannot be read."""
        try:
            with self._connection() as connection:
                row = connection.execute("SELECT document, saved_utc FROM state WHERE name = ?", (name,)).fetchone()
            if row is None:
                return None
            document = json.loads(row[0])
            return (document, datetime.fromisoformat(row[1])) if isinstance(document, dict) else None
        except (sqlite3.Error, ValueError) as error:
            self._log.warning("state_unreadable", name=name, error=str(error))
            return None

    def save(
        self,
        name: str,
        document: dict[str, object],
        *,
        utc: datetime,
        on_disk: Callable[[], None] | None = None,
    ) -> None:
        """Queue a document; a full queue (a stalled disk) drops the oldest.

        `on_disk` is called by the writer's thread once the document is on the disk; never, if it does not get there.
        """
        item = _Item(name, json.dumps(document), utc.astimezone(UTC).isoformat(), on_disk)
        if not self._writer.replace_oldest(item):
            self.n_failed += 1

    def queue(self) -> QueueStatus:
        """Return how full its queue is."""
        return self._writer.status()

    def close(self) -> None:
        """Write what is queued and stop."""
        self._writer.close()

    def _write(self, item: "_Item") -> None:
        try:
            try:
                self._insert(item)
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                # the file was damaged under a running daemon: what comes from now on is kept in a new one
                self._set_aside(error)
                self._insert(item)
        except (sqlite3.Error, OSError) as error:
            self.n_failed += 1
            self._log.warning("state_not_saved", name=item.name, error=str(error))
            return
        if item.on_disk is not None:
            item.on_disk()

    def _insert(self, item: "_Item") -> None:
        with self._connection() as connection:
            connection.execute(_TABLE)
            connection.execute(
                "INSERT INTO state (name, document, saved_utc) VALUES (?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET document = excluded.document, saved_utc = excluded.saved_utc",
                (item.name, item.document, item.saved_utc),
            )

    def _ensure(self) -> None:
        """Make the file ready; one that is damaged is set aside, one that cannot be used now is left as it is."""
        try:
            self._create()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                # a full disk, a lock: the file itself may be sound; the writer tries again with every document
                self._log.error("state_unusable", file=str(self._file), error=str(error))
                return
            self._set_aside(error)
            self._create()

    def _set_aside(self, error: sqlite3.Error) -> None:
        """Rename a damaged file and its write-ahead log, never over earlier ones.

        The plant itself tells most of what is needed; `DiskWatch` keeps an alarm while the file lies there.
        """
        number = 1
        while (aside := self._file.with_suffix(f".damaged-{number}")).exists():
            number += 1
        self._file.replace(aside)
        for companion in ("-wal", "-shm"):
            beside = self._file.with_name(f"{self._file.name}{companion}")
            if beside.exists():
                beside.replace(aside.with_name(f"{aside.name}{companion}"))
        self._log.warning("state_set_aside", file=str(aside), error=str(error))

    def _create(self) -> None:
        with self._connection() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            if connection.execute("PRAGMA quick_check").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("quick_check failed")
            connection.execute(_TABLE)

    def _connection(self) -> _Connection:
        return _Connection(self._file, self._busy_s)


def _is_damage(error: sqlite3.Error) -> bool:
    """Return whether the file is at fault: what SQLite finds malformed; not a full disk, a lock, or a missing right."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
