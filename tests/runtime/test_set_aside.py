"""Damaged files of the state directory: recovered from their log, or set aside whole, with an alarm until they go."""

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ems.runtime.disk import DiskWatch, set_aside
from ems.runtime.persistence import StateStore

UTC_NOW = datetime(2026, 6, 11, 12, 0, tzinfo=UTC)
GARBAGE = b"\x00garbage" * 600


def _as_after_a_kill(directory: Path) -> Path:
    """Return a state file of which half is in the database and half in a write-ahead log that nobody closed."""
    made = directory / "made"
    with closing(sqlite3.connect(_saved(made, first=0), isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM state").fetchall()
        _saved(made, first=20)
        killed = directory / "killed"
        shutil.copytree(made, killed)
    assert (killed / "state.db-wal").stat().st_size > 0
    return killed / "state.db"


def _saved(directory: Path, *, first: int) -> Path:
    store = StateStore(directory / "state.db")
    for number in range(first, first + 20):
        store.save(f"name{number}", {"number": number, "ballast": "x" * 500}, utc=UTC_NOW)
    store.close()
    return directory / "state.db"


def _works(file: Path) -> bool:
    store = StateStore(file)
    store.save("control", {"number": 1}, utc=UTC_NOW)
    store.close()
    return StateStore(file).load("control") == ({"number": 1}, UTC_NOW)


def test_with_a_garbled_log_the_database_counts_as_it_was_before(tmp_path: Path) -> None:
    file = _as_after_a_kill(tmp_path)
    file.with_name("state.db-wal").write_bytes(GARBAGE)

    store = StateStore(file)

    assert store.load("name0") is not None
    assert store.load("name39") is None
    store.close()
    assert _works(file)


@pytest.mark.parametrize("names", [("state.db",), ("state.db", "state.db-wal"), ("state.db", "state.db-shm")])
def test_a_garbled_database_goes_aside_or_is_recovered_from_its_log(tmp_path: Path, names: tuple[str, ...]) -> None:
    file = _as_after_a_kill(tmp_path)
    for name in names:
        file.with_name(name).write_bytes(GARBAGE)

    assert _works(file)

    aside = set_aside(file.parent)
    recovered = StateStore(file).load("name39") is not None
    assert recovered or aside == ("state.damaged-1",)


@pytest.mark.parametrize("length", [1, 20, 100, 4095, 5000])
def test_a_database_that_was_cut_never_ends_the_start(tmp_path: Path, length: int) -> None:
    file = _as_after_a_kill(tmp_path)
    file.write_bytes(file.read_bytes()[:length])
    file.with_name("state.db-wal").unlink()

    assert _works(file)


def test_a_file_that_is_damaged_under_a_running_daemon_is_set_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    file = _saved(tmp_path, first=0)
    store = StateStore(file)
    for name in tmp_path.iterdir():
        name.write_bytes(GARBAGE)

    store.save("control", {"number": 1}, utc=UTC_NOW)
    store.close()

    assert store.n_failed == 0
    assert StateStore(file).load("control") == ({"number": 1}, UTC_NOW)
    assert set_aside(tmp_path) == ("state.damaged-1",)


def test_what_was_set_aside_is_told_until_it_is_taken_away(tmp_path: Path) -> None:
    for name in ("state.damaged-1", "state.damaged-1-wal", "history.db.damaged-20261122T030122Z-2", "state.db"):
        (tmp_path / name).touch()
    watch = DiskWatch(tmp_path, low_frac=0.0, ballast_mib=0, pause=lambda _: None)

    watch.look()
    before = watch.status().set_aside
    for name in before:
        (tmp_path / name).unlink()
    watch.look()

    assert before == ("history.db.damaged-20261122T030122Z-2", "state.damaged-1")
    assert watch.status().set_aside == ()
