"""Writes the evidence: one thread, one transaction per record; what is acknowledged has been committed.

A disk that refuses is tried again until it takes the record; nothing behind it overtakes. A file that turns out to be
damaged is set aside, and a new one goes on.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from ems.chain.links import Head, Linked
from ems.errors import StateError
from ems.model.status import QueueStatus
from ems.runtime.evidence_file import TABLES, KeptRow, Table, head_of, insert, newest, opened, rows, set_aside
from ems.runtime.writer import WriterThread

_QUEUE_LENGTH: Final = 1000
_BUSY_S: Final = 5.0
_RETRY_S: Final = 5.0
# a disk that stays full fills no log
_LOGGED_FAILURES: Final = frozenset(10**power for power in range(9))

# builds the rows of a record when its turn has come, by table; runs in the writer's thread, once
Prepare = Callable[[], Sequence[tuple[Table, Linked]]]
OnDisk = Callable[[Sequence[tuple[Table, Linked]]], None]


class _Item(NamedTuple):
    """A record on its way to the disk."""

    prepare: Prepare
    carry: Mapping[str, object]
    on_disk: OnDisk | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the file held when it was opened."""

    heads: Mapping[Table, Head]
    # documents that were written together with the newest records
    carried: Mapping[str, object]
    # why there is no older content although there may have been some; None where nothing is known to be missing
    damaged: str | None


class Evidence:
    """The open file and its writer."""

    def __init__(self, file: Path, *, busy_s: float = _BUSY_S, retry_s: float = _RETRY_S) -> None:
        """Open or create the file; a damaged one is set aside, one that cannot be used now is tried again later.

        Raises:
            StateError: The directory cannot be written.
        """
        self.file = file
        self._busy_s = busy_s
        self._retry_s = retry_s
        self._log = structlog.get_logger("evidence")
        self._closing = threading.Event()
        self._n_failed = 0
        # called in the writer's thread, with the reason, when a file was set aside; returns rows to be kept anew
        self.on_loss: Callable[[str], Sequence[tuple[Table, Linked]]] | None = None
        self._connection: sqlite3.Connection | None = None
        # None while the file could not be opened yet
        self.found: Found | None = None
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._open()
        except (OSError, sqlite3.Error) as error:
            if not isinstance(error, sqlite3.OperationalError):
                raise StateError(f"{file}: cannot be opened ({error}); check the state directory") from error
            self._log.error("evidence_unusable", file=str(file), error=str(error))
        self._writer: WriterThread[_Item] | None = None

    def start(self) -> None:
        """Begin to write; until then the file is read."""
        self._writer = WriterThread(self._write, name="evidence-writer", length=_QUEUE_LENGTH)

    def submit(
        self, prepare: Prepare, *, carry: Mapping[str, object] | None = None, on_disk: OnDisk | None = None
    ) -> bool:
        """Hand a record over and return at once; False where the queue is full, and the record is not taken.

        Args:
            prepare: Builds the rows, in the writer's thread, after those of every record before.
            carry: Documents to be committed together with the rows.
            on_disk: Called in the writer's thread once all of it is committed; never, if it does not get there.
        """
        if self._writer is None:
            raise StateError("the evidence is not open for writing")
        return self._writer.offer(_Item(prepare, {} if carry is None else carry, on_disk))

    def queue(self) -> QueueStatus:
        """Return how full its queue is."""
        if self._writer is None:
            return QueueStatus(name="evidence-writer", n_waiting=0, length=_QUEUE_LENGTH, n_dropped=0)
        return self._writer.status()

    def close(self) -> None:
        """Write what is queued and stop; what a disk refuses now is tried once more only."""
        self._closing.set()
        if self._writer is not None:
            self._writer.close()
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()

    def rows(self, table: Table, *, after_seq: int = 0, kinds: Sequence[str] = ()) -> Iterator[KeptRow]:
        """Yield kept rows; before `start` or in the writer's thread only."""
        return rows(self._file_open(), table, after_seq=after_seq, kinds=kinds)

    def newest(self, table: Table, *kinds: str) -> KeptRow | None:
        """Return the newest row of some kinds; before `start` or in the writer's thread only."""
        return newest(self._file_open(), table, *kinds)

    def _write(self, item: _Item) -> None:
        while self._connection is None and not self._opened():
            if self._closing.wait(self._retry_s):
                return
        prepared = item.prepare()
        while not self._committed(prepared, item.carry):
            if self._closing.wait(self._retry_s):
                self._committed(prepared, item.carry)
                return
        if item.on_disk is not None:
            item.on_disk(prepared)

    def _open(self) -> None:
        """Open the file for the first time and see what it holds."""
        damaged: str | None = None
        try:
            self._connection = opened(self.file, busy_s=self._busy_s)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            damaged = self._set_aside(error)
            self._connection = opened(self.file, busy_s=self._busy_s)
        self.found = Found(heads=self._heads(), carried=self._carried(), damaged=damaged)

    def _opened(self) -> bool:
        try:
            self._open()
        except (OSError, sqlite3.Error) as error:
            self._tell(error)
            return False
        return True

    def _committed(self, prepared: Sequence[tuple[Table, Linked]], carry: Mapping[str, object]) -> bool:
        try:
            self._commit(prepared, carry)
        except (sqlite3.OperationalError, sqlite3.IntegrityError) as error:
            # a full disk, a lock, a number that somebody else has written: the file itself may be sound
            self._tell(error)
        except sqlite3.DatabaseError as error:
            self._replace(error, prepared)
        else:
            if self._n_failed:
                self._log.info("evidence_writes_again", failures=self._n_failed)
            self._n_failed = 0
            return True
        return False

    def _commit(self, prepared: Sequence[tuple[Table, Linked]], carry: Mapping[str, object]) -> None:
        with self._file_open() as connection:
            for table, row in prepared:
                insert(connection, table, row)
            for name, document in carry.items():
                connection.execute(
                    "INSERT INTO carry (name, document) VALUES (?, ?) "
                    "ON CONFLICT (name) DO UPDATE SET document = excluded.document",
                    (name, json.dumps(document)),
                )

    def _replace(self, error: sqlite3.Error, prepared: Sequence[tuple[Table, Linked]]) -> None:
        """Go on in a new file after the present one turned out to be damaged; `prepared` is written next."""
        self._tell(error)
        with suppress(sqlite3.Error):
            self._file_open().close()
        try:
            why = self._set_aside(error)
            self._connection = opened(self.file, busy_s=self._busy_s)
            if self.on_loss is not None:
                self._commit([row for row in self.on_loss(why) if row not in prepared], {})
        except (OSError, sqlite3.Error) as again:
            self._tell(again)

    def _set_aside(self, error: sqlite3.Error) -> str:
        aside = set_aside(self.file)
        self._log.error("evidence_set_aside", file=str(self.file), kept_as=str(aside), error=str(error))
        return f"the database was damaged ({error}) and kept as {aside.name}"

    def _tell(self, error: Exception) -> None:
        self._n_failed += 1
        if self._n_failed in _LOGGED_FAILURES:
            self._log.error("evidence_not_written", file=str(self.file), failures=self._n_failed, error=str(error))

    def _file_open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StateError(f"{self.file}: is not open; check the state directory and its disk")
        return self._connection

    def _heads(self) -> dict[Table, Head]:
        return {table: head_of(self._file_open(), table) for table in TABLES}

    def _carried(self) -> dict[str, object]:
        with closing(self._file_open().execute("SELECT name, document FROM carry")) as found:
            return {name: json.loads(document) for name, document in found}
