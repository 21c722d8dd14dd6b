"""State on disk: survives a kill, sets a damaged file aside, never makes the caller wait."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ems.errors import StateError
from ems.runtime.persistence import StateStore

UTC_NOW = datetime(2026, 6, 10, 20, 0, tzinfo=UTC)
# saves numbers for ever and says each that it finds on the disk
_WRITER = """
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from ems.runtime.persistence import StateStore
store = StateStore(Path(sys.argv[1]))
for number in range(10**9):
    store.save("control", {"number": number, "ballast": "x" * 2000}, utc=datetime(2026, 6, 10, tzinfo=UTC))
    loaded = store.load("control")
    print(-1 if loaded is None else loaded[0]["number"], flush=True)
"""


def test_a_document_comes_back_with_the_time_of_its_saving(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "deep" / "state.sqlite")
    store.save("control", {"sets": {"gen01": [1, 2.5, None]}}, utc=UTC_NOW)
    store.save("accounts", {"seq": 7}, utc=UTC_NOW)
    store.close()

    again = StateStore(tmp_path / "deep" / "state.sqlite")

    assert again.load("control") == ({"sets": {"gen01": [1, 2.5, None]}}, UTC_NOW)
    assert again.load("accounts") == ({"seq": 7}, UTC_NOW)
    assert again.load("other") is None
    again.close()


def test_the_newest_document_of_a_name_wins(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "state.sqlite")
    for number in range(5):
        store.save("control", {"number": number}, utc=UTC_NOW)
    store.close()

    loaded = StateStore(tmp_path / "state.sqlite").load("control")

    assert loaded is not None
    assert loaded[0] == {"number": 4}


def test_a_killed_writer_leaves_a_whole_document(tmp_path: Path) -> None:
    file = tmp_path / "state.sqlite"
    with subprocess.Popen([sys.executable, "-c", _WRITER, str(file)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        while int(writer.stdout.readline()) < 20:
            pass
        os.kill(writer.pid, signal.SIGKILL)

    store = StateStore(file)
    loaded = store.load("control")

    assert not file.with_suffix(".damaged-1").exists()
    assert loaded is not None
    assert loaded[0]["ballast"] == "x" * 2000
    store.save("control", {"number": -1}, utc=UTC_NOW)
    store.close()
    assert StateStore(file).load("control") == ({"number": -1}, UTC_NOW)


@pytest.mark.parametrize("content", [b"this is no database at all, whatever its name says", b"SQLite format 3\0" * 300])
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "state.sqlite"
    file.write_bytes(content)

    store = StateStore(file)
    store.save("control", {"number": 1}, utc=UTC_NOW)
    store.close()

    assert file.with_suffix(".damaged-1").read_bytes() == content
    assert StateStore(file).load("control") == ({"number": 1}, UTC_NOW)


def test_a_damaged_page_is_found_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "state.sqlite"
    store = StateStore(file)
    for number in range(40):
        store.save(f"name{number}", {"ballast": "x" * 1500}, utc=UTC_NOW)
        if number % 20 == 19:
            # the queue is shorter than the documents: let it empty
            store.close()
            store = StateStore(file)
    store.close()
    pages = bytearray(file.read_bytes())
    for place in range(4096, len(pages), 4096):
        pages[place : place + 64] = b"\xff" * 64
    file.write_bytes(pages)

    again = StateStore(file)

    assert file.with_suffix(".damaged-1").exists()
    assert again.load("name1") is None
    again.close()


def test_a_sound_file_that_cannot_be_used_now_is_never_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "state.sqlite"
    store = StateStore(file)
    store.save("control", {"number": 1}, utc=UTC_NOW)
    store.close()
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        locked = StateStore(file, busy_s=0.1)
        found = locked.load("control")
        other.execute("ROLLBACK")
    locked.save("control", {"number": 2}, utc=UTC_NOW)
    locked.close()

    assert found is None
    assert sorted(path.name for path in tmp_path.glob("*.damaged*")) == []
    assert StateStore(file).load("control") == ({"number": 2}, UTC_NOW)


def test_an_earlier_damaged_file_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "state.sqlite"
    for number in (1, 2):
        file.write_bytes(b"no database %d" % number)
        StateStore(file).close()

    assert file.with_suffix(".damaged-1").read_bytes() == b"no database 1"
    assert file.with_suffix(".damaged-2").read_bytes() == b"no database 2"


def test_a_document_that_is_no_object_is_none(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "state.sqlite")
    with store._connection() as connection:
        connection.execute("INSERT INTO state VALUES ('control', '[1, 2', 'yesterday'), ('list', '[1]', 'today')")

    assert store.load("control") is None
    assert store.load("list") is None
    store.close()


def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StateError, match="check the state directory"):
        StateStore(tmp_path / "file" / "state.sqlite")


def test_a_stalled_disk_drops_the_oldest_and_counts_it(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "state.sqlite")
    store.close()

    # nobody writes any more: the queue fills
    for number in range(70):
        store.save("control", {"number": number}, utc=UTC_NOW)

    assert store.n_failed == 70 - 64
