"""Corrections on their way to the ledger: files that a command leaves and the ledger's writer takes."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import structlog

from ems.accounting.corrections import CorrectedReading, correction_body
from ems.accounting.rows import RowKind
from ems.chain.canonical import parsed
from ems.errors import ChainError, StateError
from ems.runtime.evidence import Evidence

DIRECTORY: Final = "corrections"


class Inbox:
    """The directory of corrections that wait; used in the writer's thread."""

    def __init__(self, state_directory: Path) -> None:
        self._directory = state_directory / DIRECTORY
        self._taken: list[Path] = []
        self._log = structlog.get_logger("ledger")

    def bodies(self, evidence: Evidence) -> Sequence[dict[str, object]]:
        """Return the rows of what waits; what cannot be used is put aside and told."""
        bodies: list[dict[str, object]] = []
        self._taken = sorted(self._directory.glob("*.json"))
        for file in self._taken:
            try:
                bodies.append(_body(evidence, file, bodies))
            except (OSError, ValueError, TypeError, KeyError, ChainError, StateError) as error:
                self._log.warning("correction_refused", file=file.name, error=str(error))
        return bodies

    def clear(self) -> None:
        """Remove what was taken, now that it is on the disk."""
        for file in self._taken:
            file.unlink(missing_ok=True)
        self._taken = []


def hand_over(state_directory: Path, reading: CorrectedReading) -> Path:
    """Leave a correction for the ledger's writer, all of it or none; return the file.

    Raises:
        OSError: The directory cannot be written.
    """
    directory = state_directory / DIRECTORY
    directory.mkdir(parents=True, exist_ok=True)
    number = 1
    while (file := directory / f"{reading.seq:09}-{number:03}.json").exists():
        number += 1
    unfinished = directory / f".{file.name}.{os.getpid()}"
    unfinished.write_text(json.dumps(asdict(reading)) + "\n", encoding="utf-8")
    unfinished.replace(file)
    return file


def _body(evidence: Evidence, file: Path, waiting: Sequence[dict[str, object]]) -> dict[str, object]:
    document = json.loads(file.read_text(encoding="utf-8"))
    reading = CorrectedReading(**document)
    row = next(iter(evidence.rows("ledger", after_seq=reading.seq - 1, kinds=(RowKind.INTERVAL.value,))), None)
    if row is None or row.seq != reading.seq:
        raise StateError(f"row {reading.seq} is no interval")
    kept = evidence.rows("ledger", after_seq=reading.seq, kinds=(RowKind.CORRECTION.value,))
    earlier = [*(parsed(each.line) for each in kept), *waiting]
    return correction_body(parsed(row.line), row.hash, earlier, reading)
