"""Appends ledger records to one file per UTC day, from a thread; control never waits for the disk."""

import json
import os
from pathlib import Path

import structlog

from ems.model.status import QueueStatus
from ems.runtime.writer import WriterThread

_QUEUE_LENGTH = 1000


class LedgerFiles:
    """`ledger-YYYY-MM-DD.jsonl` in a directory; every record is on the disk before the next is written."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._log = structlog.get_logger("ledger")
        self._writer = WriterThread(self._write, name="ledger-writer", length=_QUEUE_LENGTH)

    def __call__(self, record: dict[str, object]) -> None:
        """Hand a record over; beyond ten days of records that no disk took, the newest is lost, which is logged."""
        if not self._writer.offer(record):
            self._log.error("ledger_not_written", seq=record.get("seq"), error="too many records wait for the disk")

    def queue(self) -> QueueStatus:
        """Return how full its queue is."""
        return self._writer.status()

    def close(self) -> None:
        """Write what is queued and stop."""
        self._writer.close()

    def _write(self, record: dict[str, object]) -> None:
        try:
            self._append(record)
        except OSError as error:
            self._log.warning("ledger_not_written", seq=record.get("seq"), error=str(error))

    def _append(self, record: dict[str, object]) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        day = str(record["start"])[:10]
        with (self._directory / f"ledger-{day}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, separators=(",", ":")) + "\n")
            file.flush()
            os.fsync(file.fileno())
