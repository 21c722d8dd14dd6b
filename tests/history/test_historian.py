import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ems.gateway.points import points
from ems.history import database
from ems.history.layout import RACKS
from ems.history.reading import HistoryReader, point_series
from tests.conventions.sources import ROOT
from tests.gateway.operation import operation
from tests.history.rig import START, at, historian, settings, until


def read(state_directory: Path, point: str, start: datetime, end: datetime) -> list[tuple[datetime, float]]:
    """Return the known samples of a point."""
    series = point_series(state_directory, point, start, end)
    instants = (datetime.fromtimestamp(ms / 1000, tz=UTC) for ms in series.instants_ms.tolist())
    return list(zip(instants, series.values.tolist(), strict=True))


def values_of(state_directory: Path, point: str) -> list[float]:
    """Return all known values of a point."""
    return [value for _, value in read(state_directory, point, at(0), at(1e8))]


def test_what_is_recorded_is_read_back_in_its_range(tmp_path: Path) -> None:
    home = tmp_path / "var"
    with historian(settings(home)) as writer:
        for second in range(10):
            writer.record(at(second), {"site.pv_kw": 100.0 * second, "site.load_kw": 50.0})

    assert read(home, "site.pv_kw", at(2), at(5)) == [(at(2), 200.0), (at(3), 300.0), (at(4), 400.0)]
    assert read(home, "site.grid_kw", at(0), at(10)) == []
    assert writer.statistics().n_rows == 10


def test_time_is_kept_to_the_millisecond(tmp_path: Path) -> None:
    instant = START + timedelta(milliseconds=123)
    with historian(settings(tmp_path)) as writer:
        writer.record(instant, {"a_kw": 1.0})

    assert read(tmp_path, "a_kw", at(0), at(1)) == [(instant, 1.0)]


def test_the_unknown_and_what_float32_cannot_hold_is_a_gap(tmp_path: Path) -> None:
    given = {"a_kw": None, "b_kw": float("nan"), "c_kw": float("-inf"), "d_kw": 0.0, "e_kw": 1e39}
    with historian(settings(tmp_path)) as writer:
        writer.record(at(0), given)

    assert {name: len(values_of(tmp_path, name)) for name in given} == {
        "a_kw": 0, "b_kw": 0, "c_kw": 0, "d_kw": 1, "e_kw": 0,
    }  # fmt: skip


def test_a_cycle_of_a_site_is_kept_whole(tmp_path: Path) -> None:
    record = operation("desert-offgrid").record
    values = points(record.snapshot, record.decision)

    with historian(settings(tmp_path)) as writer:
        writer.record(record.snapshot.utc, values)

    with HistoryReader(tmp_path) as reader:
        end = record.snapshot.utc + timedelta(seconds=1)
        kept = {name: reader.series(name, record.snapshot.utc, end).values.tolist() for name in values}
        assert set(reader.points()) == set(values)
    assert kept == {name: [] if value is None else [float(np.float32(value))] for name, value in values.items()}


def test_parts_that_are_kept_at_the_same_instant_are_apart(tmp_path: Path) -> None:
    with historian(settings(tmp_path)) as writer:
        writer.record(at(0), {"a_kw": 1.0})
        writer.record(at(0), {"rack.c1.1.soc_pct": 50.0}, part=RACKS)
        writer.record(at(1), {"a_kw": 2.0})

    assert values_of(tmp_path, "a_kw") == [1.0, 2.0]
    assert values_of(tmp_path, "rack.c1.1.soc_pct") == [50.0]
    with HistoryReader(tmp_path) as reader:
        assert reader.points() == {"a_kw": "cycle", "rack.c1.1.soc_pct": "racks"}


def test_a_new_name_opens_a_new_list_and_one_that_is_missing_is_a_gap(tmp_path: Path) -> None:
    rows = ({"a_kw": 1.0}, {"a_kw": 2.0, "b_kw": 20.0}, {"b_kw": 30.0}, {"b_kw": 40.0, "a_kw": 4.0})
    with historian(settings(tmp_path)) as writer:
        for second, values in enumerate(rows):
            writer.record(at(second), values)

    assert values_of(tmp_path, "a_kw") == [1.0, 2.0, 4.0]
    assert values_of(tmp_path, "b_kw") == [20.0, 30.0, 40.0]
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        assert connection.execute("SELECT count(*) FROM point_list").fetchone() == (2,)


def test_a_second_run_goes_on_in_the_same_file_and_with_the_same_list(tmp_path: Path) -> None:
    for second in (0, 1, 2):
        with historian(settings(tmp_path)) as writer:
            writer.record(at(second), {"a_kw": float(second), f"only_in_{second % 2}_kw": 1.0})

    assert values_of(tmp_path, "a_kw") == [0.0, 1.0, 2.0]
    assert len(values_of(tmp_path, "only_in_0_kw")) == 2
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        assert connection.execute("SELECT count(*) FROM point_list").fetchone() == (2,)


def test_the_newest_value_of_an_instant_counts_and_time_may_go_back(tmp_path: Path) -> None:
    with historian(settings(tmp_path)) as writer:
        writer.record(at(5), {"a_kw": 1.0})
        writer.record(at(3), {"a_kw": 2.0})
        writer.record(at(5), {"a_kw": 3.0})

    assert values_of(tmp_path, "a_kw") == [2.0, 3.0]


@pytest.mark.parametrize("damage", ["header", "middle", "empty pages"])
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "history.db"
    with historian(settings(tmp_path, queue_rows=2000)) as writer:
        for second in range(2000):
            writer.record(at(second), {f"p{number}_kw": 1.0 for number in range(5)})
    data = bytearray(path.read_bytes())
    begin = {"header": 0, "middle": len(data) // 2, "empty pages": 4096}[damage]
    data[begin : begin + 8192] = bytes(8192) if damage == "empty pages" else os.urandom(8192)
    path.write_bytes(data)

    with historian(settings(tmp_path)) as second_writer:
        second_writer.record(at(5000), {"a_kw": 7.0})

    statistics = second_writer.statistics()
    assert len(statistics.set_aside) == 1
    aside = tmp_path / statistics.set_aside[0]
    assert aside.name.startswith("history.db.damaged-20")
    assert aside.read_bytes() == bytes(data)
    assert values_of(tmp_path, "a_kw") == [7.0]
    assert statistics.trouble is None


def test_a_file_of_the_first_layout_is_set_aside_whole(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE point (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
            "CREATE TABLE sample (at_ms INTEGER, point INTEGER, value REAL, PRIMARY KEY (at_ms, point)) WITHOUT ROWID;"
            "INSERT INTO point VALUES (1, 'a_kw'); INSERT INTO sample VALUES (0, 1, 5.0);"
        )

    with historian(settings(tmp_path)) as writer:
        writer.record(at(0), {"a_kw": 7.0})

    (aside,) = writer.statistics().set_aside
    assert aside.startswith("history.db.layout-1-20")
    with closing(sqlite3.connect(tmp_path / aside)) as connection:
        assert connection.execute("SELECT value FROM sample").fetchall() == [(5.0,)]
    assert values_of(tmp_path, "a_kw") == [7.0]


def test_a_file_that_is_locked_is_tried_again_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_S", 0.05)
    with historian(settings(tmp_path)) as writer:
        writer.record(at(0), {"a_kw": 0.0})
    path = tmp_path / "history.db"
    with historian(settings(tmp_path)) as writer, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writer.record(at(1), {"a_kw": 1.0})
        until(lambda: writer.statistics().n_errors > 0)
        assert "locked" in (writer.statistics().trouble or "")
        other.execute("COMMIT")
        until(lambda: writer.statistics().trouble is None)

    assert values_of(tmp_path, "a_kw") == [0.0, 1.0]
    assert writer.statistics().set_aside == ()


def test_a_directory_that_cannot_be_made_is_reported_until_it_can(tmp_path: Path) -> None:
    obstacle = tmp_path / "var"
    obstacle.write_text("a file where a directory belongs", encoding="utf-8")
    with historian(settings(obstacle, queue_rows=3)) as writer:
        for second in range(5):
            writer.record(at(second), {"a_kw": float(second)})
        until(lambda: writer.statistics().n_errors > 0)
        assert writer.statistics().trouble
        obstacle.unlink()
        until(lambda: writer.statistics().trouble is None and writer.statistics().n_waiting == 0)

    assert writer.statistics().n_dropped == 2
    assert values_of(obstacle, "a_kw") == [2.0, 3.0, 4.0]


def test_the_oldest_rows_go_first_while_nothing_can_be_written(tmp_path: Path) -> None:
    obstacle = tmp_path / "var"
    obstacle.write_text("", encoding="utf-8")

    with historian(settings(obstacle, queue_rows=100)) as writer:
        for second in range(10_000):
            writer.record(at(second), {"a_kw": 1.0})

        statistics = writer.statistics()

    assert (statistics.n_waiting, statistics.n_dropped, statistics.n_rows) == (100, 9_900, 0)


def test_while_it_is_paused_nothing_is_written_and_then_what_waited(tmp_path: Path) -> None:
    with historian(settings(tmp_path, queue_rows=3)) as writer:
        writer.pause(True)
        for second in range(5):
            writer.record(at(second), {"a_kw": float(second)})
        until((tmp_path / "history.db").exists)
        assert writer.statistics().n_rows == 0
        writer.pause(False)

    assert values_of(tmp_path, "a_kw") == [2.0, 3.0, 4.0]


_WRITER = """
import resource, signal, sys
from datetime import timedelta
from pathlib import Path
from ems.history import database
from ems.history.historian import SqliteHistorian
from tests.history.rig import START, settings, until
writer = SqliteHistorian(settings(Path(sys.argv[1]), queue_rows=int(sys.argv[2])))
second = 0
"""


def test_a_full_disk_is_counted_and_never_raised(tmp_path: Path) -> None:
    program = (
        _WRITER
        + """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
def fill():
    global second
    second += 1
    writer.record(START + timedelta(seconds=second), {f"p{n}_kw": second + n / 7 for n in range(200)})
    return writer.statistics().n_errors > 0
until(fill)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
until(lambda: writer.statistics().trouble is None and writer.statistics().n_waiting == 0)
writer.close()
print(second, writer.statistics().n_waiting)
"""
    )
    child = subprocess.run(
        (sys.executable, "-c", program, str(tmp_path), "1000"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert child.returncode == 0, child.stderr
    last, n_waiting = child.stdout.split()[-2:]
    assert n_waiting == "0"
    assert values_of(tmp_path, "p0_kw")[-1] == float(last)


def test_a_kill_at_any_moment_leaves_a_file_that_can_be_read(tmp_path: Path) -> None:
    program = (
        _WRITER
        + """
while True:
    second += 1
    writer.record(START + timedelta(seconds=second), {f"p{n}_kw": float(second) for n in range(200)})
    if second % 200 == 0:
        until(lambda: writer.statistics().n_waiting < 200)
        print(writer.statistics().n_rows, flush=True)
"""
    )
    child = subprocess.Popen(
        (sys.executable, "-c", program, str(tmp_path), "600"), cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    with closing(child.stdout):
        lines = [int(child.stdout.readline()) for _ in range(3)]
        child.send_signal(signal.SIGKILL)
        child.wait()

    with historian(settings(tmp_path)) as writer:
        writer.record(at(1e6), {"p0_kw": -1.0})

    *before, last = values_of(tmp_path, "p0_kw")
    assert writer.statistics().set_aside == ()
    assert before == [float(number) for number in range(1, len(before) + 1)]
    assert len(before) >= lines[-1] > 0
    assert last == -1.0
