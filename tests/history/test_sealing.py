"""Hours that have passed: blocks and Parquet files, what a clock that is put back does to them, and what is deleted."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from pyarrow import parquet

from ems.history.blocks import read_sealed
from ems.history.database import connected, open_for_writing
from ems.history.housekeeping import keep
from ems.history.keeping import HistoryBounds, give_up_files, hour_files
from ems.history.layout import CYCLE, HOUR_MS, RACKS, database_of, hour_of_file, hours_of, to_ms
from ems.history.reading import point_series
from ems.history.rows import Row, RowWriter

START = datetime(2026, 3, 1, tzinfo=UTC)
BOUNDS = HistoryBounds(retain_days=30, max_bytes=2**33, parquet_days=365, parquet_max_bytes=2**33)
KEPT_FOR_EVER = HistoryBounds(retain_days=1000, max_bytes=2**33, parquet_days=10000, parquet_max_bytes=2**33)

Values = Mapping[str, float | None]


def write(home: Path, rows: Iterable[tuple[datetime, Values]], *, part: str = CYCLE) -> None:
    """Write rows as the historian's thread does."""
    numbered = (Row(number, part, to_ms(utc), values) for number, (utc, values) in enumerate(rows))
    with closing(open_for_writing(database_of(home), site_id="here", set_aside=lambda *_: None)) as connection:
        RowWriter(connection).write(numbered)


def every(step: timedelta, n_rows: int, value: Callable[[int], float | None]) -> list[tuple[datetime, Values]]:
    return [(START + n * step, {"a_kw": value(n), "b_kw": 1.0}) for n in range(n_rows)]


def count(home: Path, table: str) -> int:
    with closing(connected(database_of(home))) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - a name of ours


def pairs(home: Path, point: str, start: datetime = START, *, days: float = 400.0) -> list[tuple[float, float]]:
    """Return known values with their seconds since the start."""
    series = point_series(home, point, start, start + timedelta(days=days))
    return [((ms - to_ms(START)) / 1000, value) for ms, value in zip(series.instants_ms, series.values, strict=True)]


def test_hours_that_have_passed_are_sealed_and_read_as_before(tmp_path: Path) -> None:
    write(tmp_path, every(timedelta(minutes=7), 20, lambda n: None if n % 5 == 0 else n / 3))
    before = pairs(tmp_path, "a_kw")

    done = list(keep(tmp_path, BOUNDS))

    assert [line for line in done if line.startswith("sealed")] == [
        f"sealed {to_ms(START) // HOUR_MS + hour} cycle" for hour in (0, 1)
    ]
    assert pairs(tmp_path, "a_kw") == before
    assert len(before) == 16
    assert count(tmp_path, "row") == 20 - 18
    assert list(keep(tmp_path, BOUNDS)) == []


def test_a_range_that_cuts_hours_is_exact(tmp_path: Path) -> None:
    write(tmp_path, every(timedelta(minutes=10), 18, float))
    list(keep(tmp_path, BOUNDS))

    series = point_series(tmp_path, "a_kw", START + timedelta(minutes=50), START + timedelta(minutes=140))

    assert series.values.tolist() == [float(n) for n in range(5, 14)]


def test_points_without_any_known_value_take_no_room(tmp_path: Path) -> None:
    write(tmp_path, every(timedelta(minutes=10), 7, lambda _: None))

    list(keep(tmp_path, BOUNDS))

    assert count(tmp_path, "block") == 1
    assert pairs(tmp_path, "a_kw") == []


def test_lists_that_change_within_an_hour_are_one_hour(tmp_path: Path) -> None:
    rows: list[tuple[datetime, Values]] = [
        (START + timedelta(minutes=n), {"a_kw": float(n)} if n < 30 else {"c_kw": 2.0, "a_kw": float(n)})
        for n in range(61)
    ]
    write(tmp_path, rows)

    list(keep(tmp_path, BOUNDS))

    assert [value for _, value in pairs(tmp_path, "a_kw")] == [float(n) for n in range(61)]
    assert len(pairs(tmp_path, "c_kw")) == 31


def test_a_clock_that_is_put_back_an_hour_is_merged_into_the_sealed_hour(tmp_path: Path) -> None:
    minute = timedelta(minutes=1)
    write(tmp_path, [(START + n * minute, {"a_kw": 1.0, "old_kw": 5.0}) for n in range(70)])
    list(keep(tmp_path, BOUNDS))
    # one hour back: from minute 10 on once more, one half minute later, and the last of them at the same instant
    half = timedelta(seconds=30)
    write(tmp_path, [(START + n * minute + half, {"a_kw": 2.0}) for n in range(10, 59)])
    write(tmp_path, [(START + 59 * minute, {"a_kw": 3.0})])
    write(tmp_path, [(START + 71 * minute, {"a_kw": 4.0})])

    list(keep(tmp_path, BOUNDS))

    values = [value for _, value in pairs(tmp_path, "a_kw")]
    assert (values.count(1.0), values.count(2.0), values.count(3.0), values.count(4.0)) == (69, 49, 1, 1)
    assert [at for at, _ in pairs(tmp_path, "a_kw")] == sorted(at for at, _ in pairs(tmp_path, "a_kw"))
    # at minute 59 the newer recording knows nothing of it
    assert len(pairs(tmp_path, "old_kw")) == 69


def test_a_clock_that_is_put_forward_leaves_a_gap_and_loses_nothing(tmp_path: Path) -> None:
    minute = timedelta(minutes=1)
    write(tmp_path, [(START + n * minute, {"a_kw": 1.0}) for n in range(10)])
    write(tmp_path, [(START + (60 + n) * minute, {"a_kw": 2.0}) for n in range(10, 20)])

    list(keep(tmp_path, BOUNDS))

    assert [value for _, value in pairs(tmp_path, "a_kw")] == [1.0] * 10 + [2.0] * 10


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25)])
def test_a_day_of_23_and_of_25_hours_is_kept_in_utc(tmp_path: Path, day: tuple[int, int, int], hours: int) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    begin = datetime(*day, tzinfo=berlin).astimezone(UTC)
    end = (datetime(*day, tzinfo=berlin) + timedelta(days=1)).astimezone(UTC)
    step = timedelta(minutes=20)
    n_rows = (end - begin) // step
    write(tmp_path, [(begin + n * step, {"a_kw": float(n)}) for n in range(n_rows + 1)])

    list(keep(tmp_path, BOUNDS))

    assert point_series(tmp_path, "a_kw", begin, end).values.tolist() == [float(n) for n in range(n_rows)]
    assert n_rows == 3 * hours
    assert len(hour_files(hours_of(tmp_path))) == hours


def test_an_hour_s_file_has_every_point_with_its_unit(tmp_path: Path) -> None:
    write(tmp_path, [(START, {"rack.c1.1.soc_pct": 50.0})], part=RACKS)
    write(tmp_path, every(timedelta(minutes=1), 61, lambda n: None if n == 3 else float(n)))

    list(keep(tmp_path, BOUNDS))

    file = hours_of(tmp_path) / "2026/03/01/00.parquet"
    table = parquet.read_table(file)
    about = {name.decode(): value.decode() for name, value in table.schema.metadata.items()}
    assert table.num_rows == 60
    assert table.column("a_kw").to_pylist()[2:5] == [2.0, None, 4.0]
    assert table.column("utc").to_pylist()[1] == START + timedelta(minutes=1)
    assert (about["site"], about["layout"]) == ("here", "2")
    assert json.loads(about["units"]) == {"a_kw": "kW", "b_kw": "kW"}
    column = parquet.ParquetFile(file).metadata.row_group(0).column(1)
    assert (column.compression, "BYTE_STREAM_SPLIT" in column.encodings) == ("ZSTD", True)
    assert hour_of_file(hours_of(tmp_path), file) == (to_ms(START) // HOUR_MS, CYCLE)
    assert (hours_of(tmp_path) / "2026/03/01/00-racks.parquet").exists()


def test_a_file_that_could_not_be_written_is_written_by_the_next_run(tmp_path: Path) -> None:
    write(tmp_path, every(timedelta(minutes=10), 13, float))
    obstacle = hours_of(tmp_path)
    obstacle.write_text("", encoding="utf-8")

    with pytest.raises(OSError, match="history"):
        list(keep(tmp_path, BOUNDS))
    n_sealed = count(tmp_path, "sealed")
    obstacle.unlink()
    list(keep(tmp_path, BOUNDS))

    assert n_sealed == 2
    assert len(hour_files(hours_of(tmp_path))) == 2


def test_without_parquet_no_file_is_written(tmp_path: Path) -> None:
    write(tmp_path, every(timedelta(minutes=10), 13, float))

    list(keep(tmp_path, HistoryBounds(retain_days=30, max_bytes=2**33, parquet_days=0, parquet_max_bytes=0)))

    assert not hours_of(tmp_path).exists()
    assert len(pairs(tmp_path, "a_kw")) == 13


def test_hours_beyond_their_age_go_and_their_files_still_answer(tmp_path: Path) -> None:
    write(tmp_path, every(timedelta(hours=1), 49, float))
    list(keep(tmp_path, KEPT_FOR_EVER))

    list(keep(tmp_path, HistoryBounds(retain_days=1, max_bytes=2**33, parquet_days=365, parquet_max_bytes=2**33)))

    assert count(tmp_path, "sealed") == 24
    assert [value for _, value in pairs(tmp_path, "a_kw")] == [float(n) for n in range(49)]
    (hours_of(tmp_path) / "2026/03/01/05.parquet").unlink()
    assert [value for _, value in pairs(tmp_path, "a_kw")] == [float(n) for n in range(49) if n != 5]


def test_files_beyond_their_age_go_and_leave_no_empty_directory(tmp_path: Path) -> None:
    write(tmp_path, every(timedelta(hours=1), 49, float))
    list(keep(tmp_path, KEPT_FOR_EVER))

    list(keep(tmp_path, HistoryBounds(retain_days=30, max_bytes=2**33, parquet_days=1, parquet_max_bytes=2**33)))

    assert len(hour_files(hours_of(tmp_path))) == 24
    assert sorted(each.name for each in (hours_of(tmp_path) / "2026/03").iterdir()) == ["02"]


def test_while_the_database_is_too_large_the_oldest_hours_go(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(size=(24 * 60, 20))
    rows: list[tuple[datetime, Values]] = [
        (START + timedelta(minutes=n), {f"p{point}_kw": float(value) for point, value in enumerate(values)})
        for n, values in enumerate(noise)
    ]
    write(tmp_path, rows)

    limit = 150_000
    list(keep(tmp_path, HistoryBounds(retain_days=30, max_bytes=limit, parquet_days=0, parquet_max_bytes=0)))

    kept = pairs(tmp_path, "p0_kw")
    assert kept[-1][0] == 60.0 * (24 * 60 - 1)
    assert 0 < len(kept) < len(rows)
    assert len(kept) % 60 == 0
    with closing(connected(database_of(tmp_path))) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert database_of(tmp_path).stat().st_size <= limit + 16 * 4096


def test_while_the_files_are_too_large_the_oldest_go(tmp_path: Path) -> None:
    write(tmp_path, every(timedelta(hours=1), 11, float))
    list(keep(tmp_path, KEPT_FOR_EVER))
    sizes = [file.stat().st_size for _, file in hour_files(hours_of(tmp_path))]

    limit = sum(sizes[-3:])
    list(keep(tmp_path, HistoryBounds(retain_days=30, max_bytes=2**33, parquet_days=365, parquet_max_bytes=limit)))

    assert [file.stem for _, file in hour_files(hours_of(tmp_path))] == ["07", "08", "09"]


def test_a_clock_that_is_years_ahead_for_a_while_costs_little(tmp_path: Path) -> None:
    write(tmp_path, every(timedelta(hours=1), 100, float))
    write(tmp_path, [(START.replace(year=2036), {"a_kw": -1.0})])

    list(keep(tmp_path, BOUNDS))

    assert len(pairs(tmp_path, "a_kw")) == 100 - 48
    write(tmp_path, [(START + timedelta(hours=100), {"a_kw": 100.0})])
    list(keep(tmp_path, BOUNDS))
    assert pairs(tmp_path, "a_kw")[-1] == (360_000.0, 100.0)


def test_for_room_on_the_disk_the_oldest_files_go_some_at_a_time(tmp_path: Path) -> None:
    write(tmp_path, every(timedelta(hours=1), 11, float))
    list(keep(tmp_path, KEPT_FOR_EVER))
    files = [file for _, file in hour_files(hours_of(tmp_path))]
    size = files[0].stat().st_size

    assert give_up_files(hours_of(tmp_path), wanted_bytes=size + 1, n_most=100) > size
    assert [file.exists() for file in files] == [False] * 2 + [True] * 8
    assert give_up_files(hours_of(tmp_path), wanted_bytes=2**40, n_most=3) > 0

    assert [file.exists() for file in files] == [False] * 5 + [True] * 5


def test_a_block_that_is_damaged_is_told_and_does_not_hold_up_the_others(tmp_path: Path) -> None:
    write(tmp_path, every(timedelta(minutes=10), 7, float))
    list(keep(tmp_path, BOUNDS))
    with closing(connected(database_of(tmp_path))) as connection:
        connection.execute("UPDATE block SET data = x'00' WHERE id & 0xffffff = 1")
        hour = to_ms(START) // HOUR_MS
        kept = read_sealed(connection, hour, CYCLE, strict=False)
        assert kept is not None
        assert len(kept.values) == 1
        with pytest.raises(ValueError, match="damaged"):
            read_sealed(connection, hour, CYCLE)


def test_a_run_that_was_killed_is_done_again_by_the_next(tmp_path: Path) -> None:
    write(tmp_path, every(timedelta(minutes=10), 19, float))
    steps = keep(tmp_path, BOUNDS)
    next(steps)
    del steps

    list(keep(tmp_path, BOUNDS))

    assert [value for _, value in pairs(tmp_path, "a_kw")] == [float(n) for n in range(19)]
    assert count(tmp_path, "sealed") == 3
    with pytest.raises(sqlite3.OperationalError):
        list(keep(tmp_path / "nothing" / "here", BOUNDS))
