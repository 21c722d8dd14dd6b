"""The audit log: who asked for what and what came of it, appended and chained like the ledger."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ems.chain.canonical import canonical
from ems.chain.links import Head, Linked, linked
from ems.errors import StateError
from ems.ports import Clock
from ems.runtime.evidence import Evidence
from ems.runtime.evidence_file import Table

_VERSION: Final = 1


class AuditLog:
    """Appends rows of a kind with fields; numbers are given in the order of the calls."""

    def __init__(self, evidence: Evidence, clock: Clock) -> None:
        self._evidence = evidence
        self._clock = clock
        self._lock = threading.Lock()
        # the head after what was placed in the chain; None until the file is open; the writer's thread changes it
        self._head: Head | None = None
        self._n_handed_over = 0

    def head(self) -> Head:
        """Return the head after the newest row that was placed in the chain."""
        return self._head or self._begun()

    def append(self, kind: str, fields: Mapping[str, object], *, on_disk: Callable[[int], None] | None = None) -> int:
        """Hand a row over and return its number at once; the row counts when `on_disk` is called with that number.

        `on_disk` runs in the writer's thread once the row is committed. A process that dies before leaves no row and no
        gap.

        Args:
            kind: What happened, such as `command_refused`.
            fields: Texts, whole numbers, lists and objects of these; no fractions.
            on_disk: Told the number once the row is on the disk.

        Raises:
            ChainError: A field has no canonical form.
            StateError: The file is not open yet, or the disk has not taken rows for so long that the queue is full.
        """
        body = {"v": _VERSION, "kind": kind, "utc": self._clock.utc().isoformat(), "fields": dict(fields)}
        canonical(body)

        def place() -> Sequence[tuple[Table, Linked]]:
            row = linked(body, self.head())
            self._head = row.head
            return (("audit", row),)

        with self._lock:
            seq = self._begun().seq + self._n_handed_over + 1
            told = None if on_disk is None else lambda _: on_disk(seq)
            if not self._evidence.submit(place, on_disk=told):
                raise StateError("the audit log waits for the disk and takes no more rows; make room on the disk")
            self._n_handed_over += 1
        return seq

    def _begun(self) -> Head:
        """Return the head that this run has found."""
        found = self._evidence.found
        if found is None:
            raise StateError("the audit log cannot be opened now; check the disk of the state directory")
        return found.heads["audit"]
