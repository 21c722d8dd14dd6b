"""The daemon's evidence: ledger and audit log on the one file that takes both."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ems.chain.links import Head
from ems.config.files import ConfigFiles
from ems.ports import Clock
from ems.runtime.audit import AuditLog
from ems.runtime.evidence import Evidence
from ems.runtime.ledger_store import LedgerStore
from ems.runtime.persistence import StateStore

FILE = "evidence.db"
_HEAD = "ledger_head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What is written to the evidence, and the file itself."""

    evidence: Evidence
    ledger: LedgerStore
    audit: AuditLog


def open_books(
    files: ConfigFiles, store: StateStore, clock: Clock, state_directory: Path, *, stack: ExitStack
) -> Books:
    """Open ledger and audit log where they stopped; `stack` closes them.

    Raises:
        StateError: The state directory cannot be written.
    """
    evidence = Evidence(state_directory / FILE)
    stack.callback(evidence.close)
    anchor_file = files.persistence.ledger.anchor_file
    ledger = LedgerStore(
        evidence,
        site=files.site.site.id,
        state_directory=state_directory,
        known_head=_known_head(store),
        anchor_file=None if anchor_file is None else Path(anchor_file),
    )
    evidence.start()
    audit = AuditLog(evidence, clock)
    ledger.audit_head = audit.head
    # should the file be lost, the other database still knows how far it had come
    ledger.on_head = lambda head: store.save(_HEAD, {"seq": head.seq, "hash": head.hash}, utc=clock.utc())
    return Books(evidence=evidence, ledger=ledger, audit=audit)


def _known_head(store: StateStore) -> Head | None:
    found = store.load(_HEAD)
    if found is None:
        return None
    seq, text = found[0].get("seq"), found[0].get("hash")
    return Head(seq=seq, hash=text) if isinstance(seq, int) and isinstance(text, str) else None
