import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ems.gateway.historian import HistorianSettings, SqliteHistorian, read_samples
from ems.gateway.points import points
from tests.conventions.sources import ROOT
from tests.gateway.operation import operation

START = datetime(2026, 1, 1, tzinfo=UTC)
_WAIT_S = 20.0


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def settings(
    path: Path, *, retain_days: int = 30, queue_rows: int = 600, max_bytes: int | None = None
) -> HistorianSettings:
    return HistorianSettings(path=path, retain_days=retain_days, queue_rows=queue_rows, max_bytes=max_bytes)


@contextmanager
def historian(given: HistorianSettings) -> Iterator[SqliteHistorian]:
    """Run a historian for the time of a block; all that it was handed is on disk afterwards if the disk lets it."""
    writer = SqliteHistorian(given)
    try:
        yield writer
    finally:
        writer.close(deadline_s=_WAIT_S)


def until(condition: Callable[[], bool]) -> None:
    """Wait for the writer's thread, and fail after a while."""
    pause = threading.Event()
    for _ in range(int(_WAIT_S / 0.02)):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError("it did not happen")


def test_what_is_recorded_is_read_back_in_its_range(tmp_path: Path) -> None:
    path = tmp_path / "var" / "history.db"
    with historian(settings(path)) as writer:
        for second in range(10):
            writer.record(at(second), {"site.pv_kw": 100.0 * second, "site.load_kw": 50.0})

    samples = writer.read("site.pv_kw", at(2), at(5))

    assert [(sample.utc, sample.value) for sample in samples] == [(at(2), 200.0), (at(3), 300.0), (at(4), 400.0)]
    assert writer.read("site.grid_kw", at(0), at(10)) == ()
    assert writer.statistics().n_rows == 10


def test_time_is_kept_to_the_millisecond(tmp_path: Path) -> None:
    instant = START + timedelta(milliseconds=123)
    with historian(settings(tmp_path / "history.db")) as writer:
        writer.record(instant, {"a_kw": 1.0})

    assert writer.read("a_kw", at(0), at(1))[0].utc == instant


def test_the_unknown_and_what_is_no_number_are_not_written(tmp_path: Path) -> None:
    with historian(settings(tmp_path / "history.db")) as writer:
        writer.record(at(0), {"a_kw": None, "b_kw": float("nan"), "c_kw": float("-inf"), "d_kw": 0.0})

    read = {name: len(writer.read(name, at(0), at(1))) for name in ("a_kw", "b_kw", "c_kw", "d_kw")}
    assert read == {"a_kw": 0, "b_kw": 0, "c_kw": 0, "d_kw": 1}


def test_a_cycle_of_a_site_is_kept_whole(tmp_path: Path) -> None:
    record = operation("desert-offgrid").record
    values = points(record.snapshot, record.decision)

    with historian(settings(tmp_path / "history.db")) as writer:
        writer.record(record.snapshot.utc, values)

    end = record.snapshot.utc + timedelta(seconds=1)
    for name, value in values.items():
        kept = [sample.value for sample in writer.read(name, record.snapshot.utc, end)]
        assert kept == ([] if value is None else [value])


def test_a_second_run_goes_on_in_the_same_file(tmp_path: Path) -> None:
    for second in (0, 1):
        with historian(settings(tmp_path / "history.db")) as writer:
            writer.record(at(second), {"a_kw": float(second), f"only_in_{second}_kw": 1.0})

    assert [sample.value for sample in writer.read("a_kw", at(0), at(10))] == [0.0, 1.0]
    assert len(writer.read("only_in_0_kw", at(0), at(10))) == 1


def test_the_newest_value_of_an_instant_counts_and_time_may_go_back(tmp_path: Path) -> None:
    with historian(settings(tmp_path / "history.db")) as writer:
        writer.record(at(5), {"a_kw": 1.0})
        writer.record(at(3), {"a_kw": 2.0})
        writer.record(at(5), {"a_kw": 3.0})

    assert [sample.value for sample in writer.read("a_kw", at(0), at(10))] == [2.0, 3.0]


@pytest.mark.parametrize("damage", ["header", "middle", "empty pages"])
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "history.db"
    with historian(settings(path, queue_rows=2000)) as writer:
        for second in range(2000):
            writer.record(at(second), {f"p{number}_kw": 1.0 for number in range(5)})
    data = bytearray(path.read_bytes())
    begin = {"header": 0, "middle": len(data) // 2, "empty pages": 4096}[damage]
    data[begin : begin + 8192] = bytes(8192) if damage == "empty pages" else os.urandom(8192)
    path.write_bytes(data)

    with historian(settings(path)) as second_writer:
        second_writer.record(at(5000), {"a_kw": 7.0})

    statistics = second_writer.statistics()
    assert len(statistics.set_aside) == 1
    aside = tmp_path / statistics.set_aside[0]
    assert aside.name.startswith("history.db.damaged-20")
    assert aside.read_bytes() == bytes(data)
    assert [sample.value for sample in second_writer.read("a_kw", at(0), at(9000))] == [7.0]
    assert statistics.trouble is None


def test_a_file_that_is_locked_is_tried_again_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with historian(settings(path)) as writer:
        writer.record(at(0), {"a_kw": 0.0})
    with historian(settings(path)) as writer, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writer.record(at(1), {"a_kw": 1.0})
        until(lambda: writer.statistics().n_errors > 0)
        assert "locked" in (writer.statistics().trouble or "")
        other.execute("COMMIT")
        until(lambda: writer.statistics().trouble is None)

    assert [sample.value for sample in writer.read("a_kw", at(0), at(10))] == [0.0, 1.0]
    assert writer.statistics().set_aside == ()


def test_a_directory_that_cannot_be_made_is_reported_until_it_can(tmp_path: Path) -> None:
    obstacle = tmp_path / "var"
    obstacle.write_text("a file where a directory belongs", encoding="utf-8")
    with historian(settings(obstacle / "history.db", queue_rows=3)) as writer:
        for second in range(5):
            writer.record(at(second), {"a_kw": float(second)})
        until(lambda: writer.statistics().n_errors > 0)
        assert writer.statistics().trouble
        obstacle.unlink()
        until(lambda: writer.statistics().trouble is None and writer.statistics().n_waiting == 0)

    assert writer.statistics().n_dropped == 2
    assert [sample.value for sample in writer.read("a_kw", at(0), at(10))] == [2.0, 3.0, 4.0]


def test_the_oldest_rows_go_first_while_nothing_can_be_written(tmp_path: Path) -> None:
    obstacle = tmp_path / "var"
    obstacle.write_text("", encoding="utf-8")

    with historian(settings(obstacle / "history.db", queue_rows=100)) as writer:
        for second in range(10_000):
            writer.record(at(second), {"a_kw": 1.0})

        statistics = writer.statistics()

    assert (statistics.n_waiting, statistics.n_dropped, statistics.n_rows) == (100, 9_900, 0)


def test_a_full_disk_is_counted_and_never_raised(tmp_path: Path) -> None:
    program = f"""
import resource, signal, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from ems.gateway.historian import HistorianSettings, SqliteHistorian
from tests.gateway.test_historian import until
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
writer = SqliteHistorian(
    HistorianSettings(path=Path({str(tmp_path / "history.db")!r}), retain_days=30, queue_rows=50, max_bytes=None)
)
start = datetime(2026, 1, 1, tzinfo=UTC)
second = 0
def fill():
    global second
    second += 1
    writer.record(start + timedelta(seconds=second), {{f"p{{n}}_kw": second + n / 7 for n in range(200)}})
    return writer.statistics().n_errors > 0
until(fill)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
until(lambda: writer.statistics().trouble is None and writer.statistics().n_waiting == 0)
writer.close()
print(second, writer.statistics().n_waiting)
"""
    child = subprocess.run(
        (sys.executable, "-c", program), cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )

    assert child.returncode == 0, child.stderr
    last, n_waiting = child.stdout.split()[-2:]
    assert n_waiting == "0"
    samples = read_samples(tmp_path / "history.db", "p0_kw", at(0), at(1e6))
    assert samples[-1].value == float(last)


def test_rows_older_than_their_time_are_deleted(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with historian(settings(path)) as writer:
        for hour in range(0, 96, 4):
            writer.record(at(3600.0 * hour), {"a_kw": float(hour)})

    with historian(settings(path, retain_days=2)) as writer:
        writer.record(at(3600.0 * 96), {"a_kw": 96.0})

    kept = [sample.value for sample in writer.read("a_kw", at(0), at(1e6))]
    assert kept == [float(hour) for hour in range(48, 97, 4)]


def test_the_oldest_rows_are_deleted_while_the_file_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    values = {f"p{number}_kw": 1.0 / (number + 3) for number in range(100)}
    with historian(settings(path, queue_rows=5000)) as writer:
        for second in range(0, 36_000, 60):
            writer.record(at(second), values)

    with historian(settings(path, max_bytes=500_000)) as writer:
        writer.record(at(36_000), values)

    kept = writer.read("p0_kw", at(0), at(1e6))
    assert kept[-1].utc == at(36_000)
    assert at(0) < kept[0].utc < at(36_000)
    with closing(sqlite3.connect(path)) as connection:
        (n_samples,) = connection.execute("SELECT count(*) FROM sample").fetchone()
    assert 10_000 < n_samples < 30_000


def test_a_kill_at_any_moment_leaves_a_file_that_can_be_read(tmp_path: Path) -> None:
    program = f"""
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from ems.gateway.historian import HistorianSettings, SqliteHistorian
from tests.gateway.test_historian import until
writer = SqliteHistorian(
    HistorianSettings(path=Path({str(tmp_path / "history.db")!r}), retain_days=30, queue_rows=600, max_bytes=None)
)
start = datetime(2026, 1, 1, tzinfo=UTC)
second = 0
while True:
    second += 1
    writer.record(start + timedelta(seconds=second), {{f"p{{n}}_kw": float(second) for n in range(200)}})
    if second % 200 == 0:
        until(lambda: writer.statistics().n_waiting < 200)
        print(writer.statistics().n_rows, flush=True)
"""
    child = subprocess.Popen((sys.executable, "-c", program), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with closing(child.stdout):
        lines = [int(child.stdout.readline()) for _ in range(3)]
        child.send_signal(signal.SIGKILL)
        child.wait()

    with historian(settings(tmp_path / "history.db")) as writer:
        writer.record(at(1e6), {"p0_kw": -1.0})

    samples = writer.read("p0_kw", at(0), at(2e6))
    assert writer.statistics().set_aside == ()
    assert [sample.value for sample in samples[:-1]] == [float(number) for number in range(1, len(samples))]
    assert len(samples) - 1 >= lines[-1] > 0
    assert samples[-1].value == -1.0
