"""The audit log: numbered at once, chained in order, acknowledged when committed."""

import sqlite3
from pathlib import Path

import pytest

from ems.errors import ChainError, StateError
from ems.runtime.audit import AuditLog
from ems.runtime.clock import ManualClock
from ems.runtime.evidence import Evidence
from tests.accounting.intervals import START
from tests.runtime.books import kept, kinds, opened, quarter_hours


def test_rows_are_numbered_over_restarts_and_told_when_committed(tmp_path: Path) -> None:
    told: list[int] = []
    for first in (1, 3):
        with opened(tmp_path) as (_, evidence):
            log = AuditLog(evidence, ManualClock(START))
            numbers = [log.append("command", {"name": "island", "n": n}, on_disk=told.append) for n in range(2)]
        assert numbers == [first, first + 1]

    rows = kept(tmp_path, "audit")
    assert told == [1, 2, 3, 4]
    assert [row["seq"] for row in rows] == [1, 2, 3, 4]
    assert rows[0] == {
        "v": 1,
        "kind": "command",
        "utc": "2026-06-10T20:00:00+00:00",
        "fields": {"name": "island", "n": 0},
        "seq": 1,
        "prev": "0" * 64,
    }


def test_the_daily_digest_covers_the_audit_log(tmp_path: Path) -> None:
    with opened(tmp_path) as (ledger, evidence):
        log = AuditLog(evidence, ManualClock(START))
        ledger.audit_head = log.head
        log.append("command", {"name": "island"})
        for record in quarter_hours(0, 16):
            ledger(record)

    digest = kept(tmp_path)[-1]
    assert digest["kind"] == "digest"
    assert digest["audit"]["seq"] == 1
    assert kinds(kept(tmp_path, "audit")) == ["command"]


def test_a_fraction_is_refused_before_it_has_a_number(tmp_path: Path) -> None:
    with opened(tmp_path) as (_, evidence):
        log = AuditLog(evidence, ManualClock(START))
        with pytest.raises(ChainError, match="fraction"):
            log.append("command", {"limit_kw": 0.5})
        assert log.append("command", {"limit_w": 500}) == 1


def test_a_log_that_cannot_be_opened_takes_nothing_until_it_can(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path / "evidence.db")
    evidence.close()
    blocker = sqlite3.connect(tmp_path / "evidence.db", isolation_level=None)
    blocker.execute("PRAGMA locking_mode = EXCLUSIVE")
    blocker.execute("BEGIN EXCLUSIVE")
    with opened(tmp_path) as (ledger, locked):
        log = AuditLog(locked, ManualClock(START))
        with pytest.raises(StateError, match="cannot be opened now"):
            log.append("command", {})
        # the ledger waits for the file instead
        ledger(quarter_hours(0, 1)[0])
        blocker.execute("ROLLBACK")
        blocker.close()
        while locked.found is None:
            pass
        assert log.append("command", {}) == 1

    assert kinds(kept(tmp_path)) == ["key", "interval"]


def test_a_full_queue_refuses_and_leaves_no_gap(tmp_path: Path) -> None:
    with opened(tmp_path) as (_, evidence):
        log = AuditLog(evidence, ManualClock(START))
        blocker = sqlite3.connect(tmp_path / "evidence.db", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        for _ in range(1000):
            log.append("command", {})
        with pytest.raises(StateError, match="make room"):
            # the first one has left the queue and waits for the disk
            _append_twice(log)
        blocker.execute("ROLLBACK")
        blocker.close()

    rows = kept(tmp_path, "audit")
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))


def _append_twice(log: AuditLog) -> None:
    for _ in range(2):
        log.append("command", {})
