"""The ledger on the disk: chained over restarts, sealed by day, and honest about what was lost."""

import json
import shutil
import sqlite3
from itertools import pairwise
from pathlib import Path
from threading import Event

import pytest
from structlog.testing import capture_logs

from ems.chain.canonical import canonical, parsed
from ems.chain.key_files import load_public_key
from ems.chain.links import NO_HASH, Head, line_hash
from ems.runtime.evidence import Evidence
from tests.runtime.books import Record, kept, kinds, opened, quarter_hours


def test_a_chain_begins_with_the_key_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    records = quarter_hours(0, 4)
    for record in records:
        with opened(tmp_path) as (ledger, _):
            ledger(record)

    rows = kept(tmp_path)

    assert kinds(rows) == ["key", "interval", "interval", "interval", "interval"]
    assert [row["seq"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[0]["prev"] == NO_HASH
    assert rows[0]["key_id"] == load_public_key(tmp_path / "keys" / "ledger.pub").key_id
    _check_links(rows)


def test_a_day_is_sealed_with_its_last_record(tmp_path: Path) -> None:
    # 20:00 to 24:00 are sixteen quarter hours
    with opened(tmp_path) as (ledger, _):
        for record in quarter_hours(0, 17):
            ledger(record)

    (file,) = (tmp_path / "ledger").glob("*.jsonl")
    sealed = _lines(file)
    rows = kept(tmp_path)

    assert file.name == "ledger-2026-06-10.jsonl"
    assert kinds(sealed) == ["key", *["interval"] * 16, "key", "digest"]
    assert (sealed[-1]["first_day"], sealed[-1]["last_day"], sealed[-1]["n"]) == ("2026-06-10", "2026-06-10", 18)
    assert rows[: len(sealed)] == sealed
    assert kinds(rows[len(sealed) :]) == ["interval"]


def test_a_day_that_broke_off_is_sealed_before_the_next(tmp_path: Path) -> None:
    with opened(tmp_path) as (ledger, _):
        ledger(quarter_hours(0, 1)[0])
    with opened(tmp_path) as (ledger, _):
        ledger(quarter_hours(40, 1)[0])

    rows = kept(tmp_path)

    assert kinds(rows) == ["key", "interval", "key", "digest", "break", "interval"]
    assert rows[4]["reason"] == "time_gap"
    assert "2026-06-10T20:15:00Z and 2026-06-11T06:00:00Z" in rows[4]["text"]
    assert (tmp_path / "ledger" / "ledger-2026-06-10.jsonl").is_file()


def test_accounts_are_kept_in_one_transaction_with_their_record(tmp_path: Path) -> None:
    with opened(tmp_path) as (ledger, _):
        assert ledger.carried is None
        for number, record in enumerate(quarter_hours(0, 2)):
            ledger.carry = lambda number=number: {"seq": number + 1}
            ledger(record)

    with opened(tmp_path) as (ledger, _):
        assert ledger.carried == {"seq": 2}


def test_rows_can_neither_be_changed_nor_deleted(tmp_path: Path) -> None:
    with opened(tmp_path) as (ledger, _):
        ledger(quarter_hours(0, 1)[0])
    connection = sqlite3.connect(tmp_path / "evidence.db")

    for statement in ("DELETE FROM ledger", "UPDATE ledger SET line = ''"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()


def test_a_sealed_file_that_is_missing_is_written_again(tmp_path: Path) -> None:
    with opened(tmp_path) as (ledger, _):
        for record in quarter_hours(0, 16):
            ledger(record)
    file = tmp_path / "ledger" / "ledger-2026-06-10.jsonl"
    before = file.read_bytes()
    file.unlink()

    with opened(tmp_path):
        pass

    assert file.read_bytes() == before


def test_every_digest_is_anchored_once(tmp_path: Path) -> None:
    anchors = tmp_path / "anchors.jsonl"
    for first in (0, 16):
        with opened(tmp_path, anchor_file=anchors) as (ledger, _):
            for record in quarter_hours(first, 16 if first == 0 else 96):
                ledger(record)

    digests = [row for row in kept(tmp_path) if row["kind"] == "digest"]
    assert [json.loads(line) for line in anchors.read_text().splitlines()] == digests
    assert len(digests) == 2


def test_a_damaged_database_is_set_aside_and_the_break_names_the_old_head(tmp_path: Path) -> None:
    with opened(tmp_path) as (ledger, _):
        for record in quarter_hours(0, 17):
            ledger(record)
    old = kept(tmp_path)[-1]
    head = Head(seq=old["seq"], hash=_hash(old))
    for name in ("evidence.db-wal", "evidence.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / "evidence.db").write_bytes(b"SQLite format 3\0" + b"\x13" * 8000)

    with capture_logs() as logs, opened(tmp_path, known_head=head) as (ledger, _):
        assert ledger.lost
        ledger(quarter_hours(17, 1)[0])

    rows = kept(tmp_path)
    assert [entry["event"] for entry in logs] == ["evidence_set_aside"]
    assert (tmp_path / "evidence.damaged-1").is_file()
    assert kinds(rows) == ["break", "interval"]
    assert rows[0]["reason"] == "database_lost"
    assert rows[0]["old"] == {"seq": head.seq, "hash": head.hash}
    assert (rows[0]["seq"], rows[0]["prev"]) == (head.seq + 1, head.hash)


def test_a_database_that_is_gone_goes_on_after_the_newest_sealed_day(tmp_path: Path) -> None:
    with opened(tmp_path) as (ledger, _):
        for record in quarter_hours(0, 16):
            ledger(record)
    digest = _lines(tmp_path / "ledger" / "ledger-2026-06-10.jsonl")[-1]
    for file in tmp_path.glob("evidence.db*"):
        file.unlink()

    with opened(tmp_path) as (ledger, _):
        ledger(quarter_hours(16, 1)[0])

    rows = kept(tmp_path)
    assert rows[0]["old"] == {"seq": digest["seq"], "hash": _hash(digest)}
    assert rows[0]["text"] == "the database is gone, or older than what was known"


def test_an_older_copy_of_the_database_does_not_write_the_same_numbers_again(tmp_path: Path) -> None:
    with opened(tmp_path) as (ledger, _):
        ledger(quarter_hours(0, 1)[0])
    shutil.copy(tmp_path / "evidence.db", tmp_path / "backup.db")
    with opened(tmp_path) as (ledger, _):
        for record in quarter_hours(1, 15):
            ledger(record)
    digest = kept(tmp_path)[-1]
    for file in tmp_path.glob("evidence.db*"):
        file.unlink()
    (tmp_path / "backup.db").rename(tmp_path / "evidence.db")

    with opened(tmp_path) as (ledger, _):
        ledger(quarter_hours(16, 1)[0])

    rows = kept(tmp_path)
    assert [row["seq"] for row in rows] == [1, 2, digest["seq"] + 1, digest["seq"] + 2]
    assert kinds(rows) == ["key", "interval", "break", "interval"]


def test_a_file_damaged_while_it_is_written_loses_nothing_that_was_not_sealed(tmp_path: Path) -> None:
    with opened(tmp_path) as (ledger, evidence):
        for record in quarter_hours(0, 3):
            ledger(record)
        _until_written(evidence)
        _break_under_the_writer(evidence)
        with capture_logs() as logs:
            for record in quarter_hours(3, 2):
                ledger(record)
            _until_written(evidence)

    rows = kept(tmp_path)
    assert "evidence_set_aside" in [entry["event"] for entry in logs]
    assert kinds(rows) == ["key", *["interval"] * 4, "break", "interval"]
    _check_links(rows)


def test_a_disk_that_refuses_is_asked_until_it_takes_the_record(tmp_path: Path) -> None:
    with opened(tmp_path) as (ledger, evidence):
        ledger(quarter_hours(0, 1)[0])
        _until_written(evidence)
        blocker = sqlite3.connect(tmp_path / "evidence.db", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        with capture_logs() as logs:
            for record in quarter_hours(1, 2):
                ledger(record)
            while not logs:
                pass
            blocker.execute("ROLLBACK")
            _until_written(evidence)
        blocker.close()

    assert kinds(kept(tmp_path)) == ["key", "interval", "interval", "interval"]
    assert [entry["event"] for entry in logs if entry["event"] != "evidence_not_written"] == ["evidence_writes_again"]


def test_a_key_that_others_can_read_signs_nothing_until_it_is_repaired(tmp_path: Path) -> None:
    with opened(tmp_path) as (ledger, _):
        ledger(quarter_hours(0, 1)[0])
    (tmp_path / "keys" / "ledger.key").chmod(0o644)
    with capture_logs() as logs, opened(tmp_path) as (ledger, _):
        for record in quarter_hours(1, 16):
            ledger(record)
    assert [entry["event"] for entry in logs] == ["ledger_key_refused"]
    assert list((tmp_path / "ledger").glob("*")) == []

    (tmp_path / "keys" / "ledger.key").chmod(0o600)
    with opened(tmp_path) as (ledger, _):
        for record in quarter_hours(17, 95):
            ledger(record)

    (file,) = (tmp_path / "ledger").glob("*.jsonl")
    digest = _lines(file)[-1]
    assert (digest["first_day"], digest["last_day"]) == ("2026-06-10", "2026-06-11")
    _check_links(_lines(file))


def test_another_key_is_said_before_it_signs(tmp_path: Path) -> None:
    with opened(tmp_path) as (ledger, _):
        for record in quarter_hours(0, 17):
            ledger(record)
    for file in (tmp_path / "keys").iterdir():
        file.unlink()
    with capture_logs() as logs, opened(tmp_path) as (ledger, _):
        assert ledger.carried is None
    # a site that has a key never makes another one by itself
    assert [entry["event"] for entry in logs] == ["ledger_key_refused"]


def test_files_of_before_the_chain_are_put_away_and_their_hashes_chained(tmp_path: Path) -> None:
    old = tmp_path / "ledger" / "ledger-2026-06-09.jsonl"
    old.parent.mkdir()
    old.write_text('{"v":1,"seq":1}\n')

    with opened(tmp_path) as (ledger, _):
        ledger(quarter_hours(0, 1)[0])

    rows = kept(tmp_path)
    assert kinds(rows) == ["key", "break", "interval"]
    assert rows[1]["reason"] == "before_chain"
    assert rows[1]["files"] == [
        {"name": "unchained/ledger-2026-06-09.jsonl", "sha256": line_hash(b'{"v":1,"seq":1}\n')}
    ]
    assert (tmp_path / "ledger" / "unchained" / old.name).is_file()


def test_the_head_is_told_when_it_is_on_the_disk(tmp_path: Path) -> None:
    told: list[Head] = []
    with opened(tmp_path) as (ledger, _):
        ledger.on_head = told.append
        for record in quarter_hours(0, 2):
            ledger(record)

    rows = kept(tmp_path)
    assert told == [Head(seq=row["seq"], hash=_hash(row)) for row in rows[1:]]


def _lines(file: Path) -> list[Record]:
    return [parsed(line) for line in file.read_bytes().splitlines()]


def _hash(row: Record) -> str:
    return line_hash(canonical(row))


def _check_links(rows: list[Record]) -> None:
    for earlier, later in pairwise(rows):
        assert later["prev"] == _hash(earlier)


def _until_written(evidence: Evidence) -> None:
    done = Event()
    assert evidence.submit(lambda: (), on_disk=lambda _: done.set())
    assert done.wait(30.0)


def _break_under_the_writer(evidence: Evidence) -> None:
    """Let the writer's next statement meet a damaged file."""

    class Damaged:
        def __enter__(self) -> None:
            raise sqlite3.DatabaseError("database disk image is malformed")

        def __exit__(self, *_: object) -> None:
            return

        def close(self) -> None:
            return

    assert evidence._connection is not None
    evidence._connection.close()
    evidence._connection = Damaged()  # type: ignore[assignment]
