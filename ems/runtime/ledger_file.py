"""Appends ledger records to one file per UTC day, from a thread; control never waits for the disk."""

import json
import os
import queue
import threading
from pathlib import Path

import structlog

_QUEUE_LENGTH = 1000


class LedgerFiles:
    """`ledger-YYYY-MM-DD.jsonl` in a directory; every record is on the disk before the next is written."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._log = structlog.get_logger("ledger")
        self._queue: queue.Queue[dict[str, object] | None] = queue.Queue(_QUEUE_LENGTH)
        self.n_failed = 0
        self._thread = threading.Thread(target=self._write_all, name="ledger-writer", daemon=True)
        self._thread.start()

    def __call__(self, record: dict[str, object]) -> None:
        """Hand a record over; beyond ten days of records that no disk took, the newest is refused and counted."""
        try:
            self._queue.put_nowait(record)
        except queue.Full:
            self.n_failed += 1

    def close(self) -> None:
        """Write what is queued and stop."""
        self._queue.put(None)
        self._thread.join(timeout=10.0)

    def _write_all(self) -> None:
        while (record := self._queue.get()) is not None:
            try:
                self._append(record)
            except OSError as error:
                self.n_failed += 1
                self._log.warning("ledger_not_written", seq=record.get("seq"), error=str(error))

    def _append(self, record: dict[str, object]) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        day = str(record["start"])[:10]
        with (self._directory / f"ledger-{day}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, separators=(",", ":")) + "\n")
            file.flush()
            os.fsync(file.fileno())
