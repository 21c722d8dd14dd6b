"""`ems ledger verify`: what is a ledger, what is damage, and what each exit code means."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from ems.chain.key_files import make_key
from ems.cli import execute
from ems.runtime.audit import AuditLog
from ems.runtime.clock import ManualClock
from tests.accounting.intervals import START
from tests.runtime.books import opened, quarter_hours


@pytest.fixture(scope="module")
def kept_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a state directory with two sealed days, three intervals of a third, and an audit log."""
    directory = tmp_path_factory.mktemp("state")
    with opened(directory) as (ledger, evidence):
        log = AuditLog(evidence, ManualClock(START))
        ledger.audit_head = log.head
        for n in range(3):
            log.append("command", {"name": "island", "n": n})
        for record in quarter_hours(0, 16 + 96 + 3):
            ledger(record)
    return directory


@pytest.fixture
def state(kept_state: Path, tmp_path: Path) -> Path:
    """Return a copy of the state directory that may be damaged."""
    return Path(shutil.copytree(kept_state, tmp_path / "state"))


def test_every_form_of_an_intact_ledger_passes(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day = state / "ledger" / "ledger-2026-06-10.jsonl"
    for path, n_intervals in ((day, 16), (state / "ledger", 112), (state / "evidence.db", 115), (state, 115)):
        assert execute(["ledger", "verify", str(path), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["passed"], found["n_intervals"]) == (True, n_intervals)
        assert found["damages"] == found["notices"] == []
        assert not found["author_proven"]
    assert (found["n_unsealed"], found["n_audit_rows"], found["n_digests"]) == (3, 3, 2)


def test_only_a_pinned_key_proves_the_author(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["ledger", "verify", str(state)]) == 0
    assert "only a key that you have from elsewhere proves the author" in capsys.readouterr().out
    assert execute(["ledger", "verify", str(state), "--pubkey", str(state / "keys" / "ledger.pub"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["author_proven"]
    make_key(tmp_path / "other.key")
    assert execute(["ledger", "verify", str(state), "--pubkey", str(tmp_path / "other.pub")]) == 1
    assert "nor its heir" in capsys.readouterr().out


def test_damage_has_file_line_sequence_and_field(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day = state / "ledger" / "ledger-2026-06-10.jsonl"
    day.write_bytes(day.read_bytes().replace(b'"discharge":0', b'"discharge":1', 1))

    assert execute(["ledger", "verify", str(state / "ledger"), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["damages"][0]["file"] == day.name
    assert (found["damages"][0]["line"], found["damages"][0]["seq"]) == (2, 2)
    assert found["damages"][0]["field"] == "/energy_wh"
    assert execute(["ledger", "verify", str(day)]) == 1
    assert "ledger-2026-06-10.jsonl:2: seq 2: /energy_wh: I1" in capsys.readouterr().out


@pytest.mark.parametrize("cut", [1, 2, 500])
def test_a_file_that_was_cut_is_damaged(state: Path, cut: int) -> None:
    day = state / "ledger" / "ledger-2026-06-11.jsonl"
    day.write_bytes(day.read_bytes()[:-cut])

    assert execute(["ledger", "verify", str(day)]) == 1


def test_a_day_under_another_name_is_damaged(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = state / "ledger" / "ledger-2026-06-10.jsonl"
    shutil.copy(first, first.with_name("ledger-2026-06-12.jsonl"))

    assert execute(["ledger", "verify", str(first.with_name("ledger-2026-06-12.jsonl"))]) == 1
    assert "named for 2026-06-12 and seals 2026-06-10" in capsys.readouterr().out
    assert execute(["ledger", "verify", str(state / "ledger")]) == 1


def test_garbage_inside_a_ledger_is_damage_and_not_a_wrong_path(state: Path) -> None:
    day = state / "ledger" / "ledger-2026-06-10.jsonl"
    day.write_bytes(b"\x00garbage\n" + day.read_bytes())

    assert execute(["ledger", "verify", str(day)]) == 1


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM ledger WHERE seq = 5", "/seq"),
        ("UPDATE ledger SET hash = 'a' WHERE seq = 5", "another hash"),
        ("UPDATE ledger SET line = replace(line, '\"it\":700', '\"it\":701') WHERE seq = 5", "seq 5"),
        ("UPDATE ledger SET seq = 9999 WHERE seq = (SELECT max(seq) FROM ledger)", "/seq"),
        ("DELETE FROM audit WHERE seq = 2", "(audit)"),
        ("DELETE FROM audit WHERE seq = 3", "covers audit row 3"),
        ("UPDATE audit SET line = x'7b7d' WHERE seq = 1", "(audit)"),
    ],
)
def test_whoever_goes_around_the_triggers_is_found(
    state: Path, capsys: pytest.CaptureFixture[str], statement: str, words: str
) -> None:
    connection = sqlite3.connect(state / "evidence.db")
    for name in ("ledger", "audit"):
        for act in ("update", "delete"):
            connection.execute(f"DROP TRIGGER {name}_no_{act}")
    connection.execute(statement)
    connection.commit()
    connection.close()

    assert execute(["ledger", "verify", str(state)]) == 1
    assert words in capsys.readouterr().out


def test_a_database_with_broken_pages_is_damaged(state: Path) -> None:
    file = state / "evidence.db"
    sqlite3.connect(file).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    content = bytearray(file.read_bytes())
    content[8192:12288] = b"\xa5" * 4096
    file.write_bytes(content)

    assert execute(["ledger", "verify", str(file)]) == 1


def test_a_period_must_be_covered(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sealed = str(state / "ledger")

    assert execute(["ledger", "verify", sealed, "--from", "2026-06-11", "--to", "2026-06-11", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_files"] == 1
    assert execute(["ledger", "verify", sealed, "--to", "2026-06-12"]) == 1
    assert "before 2026-06-12 is over" in capsys.readouterr().out
    assert execute(["ledger", "verify", sealed, "--from", "2026-06-10"]) == 1
    assert execute(["ledger", "verify", sealed, "--from", "June"]) == 2


def test_what_is_no_ledger_is_refused(tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.jsonl").write_text('{"a":1}\nhello\n')
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "directory").mkdir()
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE a (b)").connection.close()

    for name in ("nowhere", "text.jsonl", "empty.jsonl", "directory", "other.db"):
        assert execute(["ledger", "verify", str(tmp_path / name)]) == 2, name
    assert execute(["ledger", "verify", str(state), "--pubkey", str(tmp_path / "text.jsonl")]) == 2
    assert "evidence.db" in capsys.readouterr().err


def test_a_public_key_in_hex_will_do(state: Path, tmp_path: Path) -> None:
    row = json.loads((state / "ledger" / "ledger-2026-06-10.jsonl").read_text().splitlines()[0])
    (tmp_path / "key.txt").write_text(row["public_key"])

    assert execute(["ledger", "verify", str(state / "ledger"), "--pubkey", str(tmp_path / "key.txt")]) == 0
