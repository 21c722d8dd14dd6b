"""What the history of a large site costs: recording, sealing an hour, and the question for one point over a month."""

import random
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ems.history.database import connected, open_for_writing
from ems.history.housekeeping import keep
from ems.history.keeping import HistoryBounds
from ems.history.layout import HOUR_MS, block_id, database_of, hours_of, to_ms
from ems.history.packing import pack_instants, pack_values
from ems.history.reading import point_series
from ems.history.rows import Row, RowWriter
from tests.campaigns.rows import Row as Result

_START = datetime(2026, 3, 1, tzinfo=UTC)
_BOUNDS = HistoryBounds(retain_days=40, max_bytes=2**40, parquet_days=365, parquet_max_bytes=2**40)
_S_PER_HOUR = 3600
# of the points that move; the others are states, limits and setpoints
_MOVING_FRAC = 0.5
# of the month's points every so many moves: the disk of whoever measures has other things to do
_MOVING_EVERY = 10


def measure_history(*, n_points: int = 5000, n_seconds: int = 300, n_hours: int = 720) -> Iterator[Result]:
    """Record, seal and ask."""
    with TemporaryDirectory() as home:
        yield _recording(Path(home), n_points, n_seconds)
    with TemporaryDirectory() as home:
        yield from _sealing(Path(home), n_points)
    with TemporaryDirectory() as home:
        yield from _month(Path(home), n_points, n_hours)


def _recording(home: Path, n_points: int, n_seconds: int) -> Result:
    """Write cycles in batches of one, as the historian's thread does each second; the caller's part is in it."""
    names = [f"device{number:04d}.power_kw" for number in range(n_points)]
    rng = random.Random(1)
    rows = [{name: rng.gauss(100.0, 5.0) for name in names} for _ in range(20)]
    with closing(open_for_writing(database_of(home), site_id="bench", set_aside=lambda *_: None)) as connection:
        writer = RowWriter(connection)
        begin = time.process_time()
        for second in range(n_seconds):
            utc, values = _START + timedelta(seconds=second), rows[second % len(rows)]
            writer.write([Row(second, "cycle", to_ms(utc), values)])
        used_s = time.process_time() - begin
    share = used_s / n_seconds
    return Result(
        id="history.share",
        what=f"share of one core for recording {n_points} points each second",
        value=share,
        unit="share",
        target="< 0.05",
        met=share < 0.05,
    )


def _sealing(home: Path, n_points: int) -> Iterator[Result]:
    """Seal an hour of rows and write its file, as the process of low priority does."""
    rng = np.random.default_rng(2)
    names = [f"device{number:04d}.power_kw" for number in range(n_points)]
    level = np.full(n_points, 100.0)
    moving = rng.random(n_points) < _MOVING_FRAC
    with closing(open_for_writing(database_of(home), site_id="bench", set_aside=lambda *_: None)) as connection:
        writer = RowWriter(connection)
        for second in range(0, _S_PER_HOUR + 60, 60):
            batch = []
            for offset in range(60):
                level[moving] += rng.normal(scale=0.5, size=int(moving.sum()))
                values = dict(zip(names, np.round(level, 1).tolist(), strict=True))
                batch.append(Row(0, "cycle", to_ms(_START + timedelta(seconds=second + offset)), values))
            writer.write(batch)
    begin = time.process_time()
    list(keep(home, _BOUNDS))
    used_s = time.process_time() - begin
    yield Result(
        id="history.seal",
        what=f"processor time for sealing an hour of {n_points} points and writing its file",
        value=used_s,
        unit="s",
    )
    yield Result(
        id="history.total",
        what="share of one core for that, over the hour",
        value=used_s / _S_PER_HOUR,
        unit="share",
    )
    with closing(connected(database_of(home))) as connection:
        (n_bytes,) = connection.execute("SELECT sum(length(data)) FROM block").fetchone()
    yield Result(
        id="history.bytes", what="bytes per value in the database, half of the points moving",
        value=n_bytes / (n_points * _S_PER_HOUR), unit="B",
    )  # fmt: skip
    (file,) = hours_of(home).glob("*/*/*/*.parquet")
    yield Result(
        id="history.parquet", what="bytes per value in the hour's file",
        value=file.stat().st_size / (n_points * _S_PER_HOUR), unit="B",
    )  # fmt: skip


def _month(home: Path, n_points: int, n_hours: int) -> Iterator[Result]:
    """Ask for a point of a month, half an hour of it not sealed yet; the other points are there for their weight."""
    asked = _fill_month(home, n_points, n_hours)
    start = _START
    end = start + timedelta(hours=n_hours + 1)
    times_s, used_s = [], []
    for _ in range(7):
        begin, begin_used = time.perf_counter(), time.process_time()
        found = point_series(home, asked, start, end)
        times_s.append(time.perf_counter() - begin)
        used_s.append(time.process_time() - begin_used)
    expected = n_hours * _S_PER_HOUR + _S_PER_HOUR // 2
    median_ms = 1000.0 * sorted(times_s)[len(times_s) // 2]
    yield Result(
        id="history.month",
        what=f"one of {n_points} points over {n_hours} h at 1 s, {len(found.values)} values, median of 7",
        value=median_ms,
        unit="ms",
        target="< 100",
        met=median_ms < 100.0,
    )
    yield Result(
        id="history.month-cpu",
        what="processor time of that, median: what it takes on a machine with nothing else to do",
        value=1000.0 * sorted(used_s)[len(used_s) // 2],
        unit="ms",
    )
    yield Result(
        id="history.complete", what=f"values found, of {expected}", value=float(len(found.values)), unit="",
        target=str(expected), met=len(found.values) == expected,
    )  # fmt: skip


def _fill_month(home: Path, n_points: int, n_hours: int) -> str:
    """Write sealed hours directly; one walk serves all points, each point takes another piece of it."""
    rng = np.random.default_rng(3)
    names = [f"device{number:04d}.power_kw" for number in range(n_points)]
    with closing(open_for_writing(database_of(home), site_id="bench", set_aside=lambda *_: None)) as connection:
        writer = RowWriter(connection)
        first = to_ms(_START) // HOUR_MS
        jitter = rng.integers(0, 40, size=_S_PER_HOUR)
        values = dict.fromkeys(names, 1.0)
        half = range(_S_PER_HOUR // 2)
        for minute in range(0, len(half), 60):
            writer.write(
                Row(0, "cycle", (first + n_hours) * HOUR_MS + 1000 * second, values)
                for second in half[minute : minute + 60]
            )
        ids = dict(connection.execute("SELECT name, id FROM point"))
        pieces = [
            pack_values(np.round(np.cumsum(rng.normal(scale=0.5, size=_S_PER_HOUR)), 1).astype(np.float32))
            for _ in range(50)
        ]
        still = pack_values(np.full(_S_PER_HOUR, 5.0, dtype=np.float32))
        for hour in range(first, first + n_hours):
            instants = hour * HOUR_MS + 1000 * np.arange(_S_PER_HOUR, dtype=np.int64) + jitter
            connection.execute("BEGIN")
            connection.execute(
                "INSERT INTO sealed VALUES (?, 'cycle', 0, ?, 1, ?)",
                (hour, _S_PER_HOUR, pack_instants(instants, hour * HOUR_MS)),
            )
            connection.executemany(
                "INSERT INTO block VALUES (?, ?)",
                (
                    (block_id(hour, ids[name]), pieces[(hour + number) % 50] if number % _MOVING_EVERY == 0 else still)
                    for number, name in enumerate(names)
                ),
            )
            connection.execute("COMMIT")
    return names[n_points // 2 // _MOVING_EVERY * _MOVING_EVERY]
