"""State that a restart needs, in SQLite; written by a thread of its own, so that control never waits for a disk."""

import json
import queue
import sqlite3
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import structlog

from ems.errors import StateError

_STOP = None
_QUEUE_LENGTH = 64


class _Connection:
    """A connection that commits and closes itself; every write is on the disk before the next begins."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, timeout=5.0)
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

    def __init__(self, file: Path) -> None:
        """Open or create the file.

        Raises:
            StateError: The directory cannot be written.
        """
        self._file = file
        self._log = structlog.get_logger("state")
        self._queue: queue.Queue[tuple[str, str, str] | None] = queue.Queue(_QUEUE_LENGTH)
        self.n_failed = 0
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._ensure()
        except (OSError, sqlite3.Error) as error:
            raise StateError(f"{file}: cannot be opened ({error}); check the state directory") from error
        self._thread = threading.Thread(target=self._write_all, name="state-writer", daemon=True)
        self._thread.start()

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

    def save(self, name: str, document: dict[str, object], *, utc: datetime) -> None:
        """Queue a document; a full queue (a stalled disk) drops the oldest."""
        item = (name, json.dumps(document), utc.astimezone(UTC).isoformat())
        if self._queue.full():
            self._drop_oldest()
        with suppress(queue.Full):
            self._queue.put_nowait(item)

    def close(self) -> None:
        """Write what is queued and stop."""
        self._queue.put(_STOP)
        self._thread.join(timeout=10.0)

    def _drop_oldest(self) -> None:
        try:
            self._queue.get_nowait()
            self.n_failed += 1
        except queue.Empty:
            return

    def _write_all(self) -> None:
        while (item := self._queue.get()) is not _STOP:
            try:
                with self._connection() as connection:
                    connection.execute(
                        "INSERT INTO state (name, document, saved_utc) VALUES (?, ?, ?) "
                        "ON CONFLICT (name) DO UPDATE SET document = excluded.document, saved_utc = excluded.saved_utc",
                        item,
                    )
            except sqlite3.Error as error:
                self.n_failed += 1
                self._log.warning("state_not_saved", name=item[0], error=str(error))

    def _ensure(self) -> None:
        try:
            self._create()
        except sqlite3.DatabaseError:
            # a damaged file is set aside, the plant itself tells most of what is needed
            aside = self._file.with_suffix(".damaged")
            self._file.replace(aside)
            self._log.warning("state_set_aside", file=str(aside))
            self._create()

    def _create(self) -> None:
        with self._connection() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            if connection.execute("PRAGMA quick_check").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("quick_check failed")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS state "
                "(name TEXT PRIMARY KEY, document TEXT NOT NULL, saved_utc TEXT NOT NULL)"
            )

    def _connection(self) -> _Connection:
        return _Connection(self._file)
