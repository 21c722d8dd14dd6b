"""`ems history` as an engineer uses it: points, queries, exports, SQL, backup and restore."""

import csv
import json
import sqlite3
import tarfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyarrow import parquet

from ems import cli
from ems.history.housekeeping import keep
from ems.history.keeping import HistoryBounds
from ems.history.layout import RACKS
from ems.history.query import Aggregate, aggregated
from ems.history.reading import HistoryReader
from ems.runtime.lock import StateLock
from tests.history.test_sealing import Values, write

START = datetime(2026, 7, 3, 10, tzinfo=UTC)
BOUNDS = HistoryBounds(retain_days=30, max_bytes=2**33, parquet_days=365, parquet_max_bytes=2**33)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a state directory with 150 minutes of two blocks and a rack, two hours of them sealed."""
    rows: list[tuple[datetime, Values]] = [
        (
            START + timedelta(minutes=minute),
            {
                "block.b1.power_kw": 100.0 + minute,
                "block.b2.power_kw": None if 10 <= minute < 20 else -0.1 * minute,
                "site.mode": 1.0,
                "never_kw": None,
            },
        )
        for minute in range(150)
    ]
    state = tmp_path / "state"
    write(state, [(START, {"rack.c1.1.soc_pct": 51.5})], part=RACKS)
    write(state, rows)
    list(keep(state, BOUNDS))
    (state / "ledger").mkdir()
    (state / "ledger" / "ledger-2026-07-03.jsonl").write_text('{"seq": 1}\n', encoding="utf-8")
    return state


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """Run a command; return what it printed, or its error where it is to fail."""
    capsys.readouterr()
    assert cli.execute(["history", *arguments]) == code
    said = capsys.readouterr()
    return said.out if code == 0 else said.err


def test_points_are_listed_with_their_units(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(answer(capsys, "points", str(home), "--json"))["points"]

    assert [(row["point"], row["unit"], row["part"]) for row in found] == [
        ("block.b1.power_kw", "kW", "cycle"),
        ("block.b2.power_kw", "kW", "cycle"),
        ("never_kw", "kW", "cycle"),
        ("rack.c1.1.soc_pct", "%", "racks"),
        ("site.mode", None, "cycle"),
    ]


def test_a_query_has_raw_values_up_to_the_newest_row(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(answer(capsys, "query", str(home), "block.b1.power_kw", "--from", "2m", "--json"))

    assert found["columns"] == ["utc", "block.b1.power_kw"]
    assert found["units"] == {"block.b1.power_kw": "kW"}
    assert found["rows"] == [["2026-07-03T12:28:00.000Z", 248.0], ["2026-07-03T12:29:00.000Z", 249.0]]


def test_intervals_and_patterns_over_sealed_and_running_hours(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    span = ("--from", "2026-07-03T10:00Z", "--to", "2026-07-03T14:30+02:00")
    text = answer(capsys, "query", str(home), "block.*.power_kw", *span, "--every", "1h", "--agg", "max", "--csv")

    assert list(csv.reader(text.splitlines())) == [
        ["utc", "block.b1.power_kw", "block.b2.power_kw"],
        ["2026-07-03T10:00:00.000Z", "159.0", "0.0"],
        ["2026-07-03T11:00:00.000Z", "219.0", "-6.0"],
        ["2026-07-03T12:00:00.000Z", "249.0", "-12.0"],
    ]


@pytest.mark.parametrize(("how", "value"), [("mean", 3.0), ("min", 1.0), ("max", 6.0), ("last", 2.0)])
def test_an_interval_is_judged_by_its_known_samples(tmp_path: Path, how: str, value: float) -> None:
    values = (6.0, None, 1.0, None, 2.0, 99.0)
    write(tmp_path, [(START + timedelta(seconds=n * 12), {"a_kw": each}) for n, each in enumerate(values)])
    with HistoryReader(tmp_path) as reader:
        series = reader.series("a_kw", START, START + timedelta(hours=1))

    found = aggregated(series, 60_000, Aggregate(how))

    assert found.values.tolist() == [value, 99.0]


def test_what_was_unknown_is_missing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    span = ("--from", "2026-07-03T10:08", "--to", "2026-07-03T10:12")
    text = answer(capsys, "query", str(home), "block.b1.power_kw", "block.b2.power_kw", *span)

    assert [line.split()[1:] for line in text.splitlines()[1:]] == [
        ["108.0", "-0.8"],
        ["109.0", "-0.9"],
        ["110.0", "-"],
        ["111.0", "-"],
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("block.b1.power",), "did you mean 'block.b1.power_kw'"),
        (("site.mode", "--from", "yesterday"), "--from: 'yesterday' is no instant"),
        (("site.mode", "--from", "2026-07-04", "--to", "2026-07-03"), "is not before the end"),
        (("site.mode", "--agg", "median"), "mean, min, max, last"),
        (("*", "--from", "90d"), "a longer --every"),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert said in answer(capsys, "query", str(home), *arguments, code=2)


def test_a_directory_without_history_and_one_of_another_layout_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "there is no history" in answer(capsys, "points", str(tmp_path), code=1)
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        connection.execute("CREATE TABLE sample (at_ms INTEGER)")

    assert "layout 1" in answer(capsys, "points", str(tmp_path), code=1)


def test_an_export_to_parquet_has_every_point_and_instant(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = home.parent / "all.parquet"

    answer(capsys, "export", str(home), "--out", str(out), "--from", "2026-07-03T10:30Z")

    table = parquet.read_table(out)
    assert table.num_rows == 120
    assert table.column("utc").to_pylist()[0] == START + timedelta(minutes=30)
    assert table.column("block.b1.power_kw").to_pylist() == [100.0 + minute for minute in range(30, 150)]
    assert table.schema.metadata[b"site"] == b"here"
    assert not list(home.parent.glob(".*"))


def test_an_export_to_csv_has_the_chosen_points(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = home.parent / "some.csv"

    answer(capsys, "export", str(home), "block.b2.*", "rack.*", "--out", str(out))

    with out.open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["utc", "block.b2.power_kw", "rack.c1.1.soc_pct"]
    assert len(rows) == 151
    assert rows[1] == ["2026-07-03T10:00:00.000Z", "0.0", "51.5"]
    assert rows[11] == ["2026-07-03T10:10:00.000Z", "", ""]
    assert "ends in .parquet" in answer(capsys, "export", str(home), "--out", "x.xlsx", code=2)


def test_sql_sees_files_and_the_running_hour(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("duckdb")
    statement = (
        "SELECT date_trunc('hour', utc) AS hour, count(*) AS n, max(\"block.b1.power_kw\") AS kw,"
        ' count("block.b2.power_kw") AS known FROM history GROUP BY 1 ORDER BY 1'
    )

    found = json.loads(answer(capsys, "sql", str(home), statement, "--json"))

    assert found["columns"] == ["hour", "n", "kw", "known"]
    assert found["rows"] == [
        ["2026-07-03T10:00:00.000Z", 60, 159.0, 50],
        ["2026-07-03T11:00:00.000Z", 60, 219.0, 60],
        ["2026-07-03T12:00:00.000Z", 30, 249.0, 30],
    ]
    unknown = 'SELECT count(*) AS n, count("never_kw") AS known FROM history'
    assert json.loads(answer(capsys, "sql", str(home), unknown, "--json"))["rows"] == [[150, 0]]
    assert "51.5" in answer(capsys, "sql", str(home), 'SELECT "rack.c1.1.soc_pct" FROM racks')
    assert "refused" in answer(capsys, "sql", str(home), "SELECT nothing FROM nowhere", code=1)


def test_a_backup_is_put_back_whole(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive, elsewhere = home.parent / "b.tar", home.parent / "elsewhere"
    before = answer(capsys, "query", str(home), "*", "--from", "3h")

    answer(capsys, "backup", str(home), "--out", str(archive), "--with-hours")
    elsewhere.mkdir()
    answer(capsys, "restore", str(archive), str(elsewhere))

    assert answer(capsys, "query", str(elsewhere), "*", "--from", "3h") == before
    assert (elsewhere / "ledger/ledger-2026-07-03.jsonl").read_text(encoding="utf-8") == '{"seq": 1}\n'
    assert (elsewhere / "history/2026/07/03/10.parquet").is_file()
    assert archive.stat().st_mode & 0o777 == 0o600
    assert "choose another name" in answer(capsys, "backup", str(home), "--out", str(archive), code=1)


def test_nothing_is_restored_over_what_is_there_or_beside_a_daemon(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = home.parent / "b.tar"
    answer(capsys, "backup", str(home), "--out", str(archive))

    assert "already has" in answer(capsys, "restore", str(archive), str(home), code=1)
    with StateLock(home) as lock:
        assert lock.take() is None
        assert "another daemon" in answer(capsys, "restore", str(archive), str(home), "--replace", code=1)
    answer(capsys, "restore", str(archive), str(home), "--replace")

    assert list(home.glob("history.db.before-*"))
    assert "249.0" in answer(capsys, "query", str(home), "block.b1.power_kw")


def test_a_damaged_or_foreign_backup_restores_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive, target = home.parent / "b.tar", home.parent / "target"
    target.mkdir()
    answer(capsys, "backup", str(home), "--out", str(archive))
    with tarfile.open(archive) as opened:
        offset = opened.getmember("ledger/ledger-2026-07-03.jsonl").offset_data
    data = bytearray(archive.read_bytes())
    data[offset] ^= 1
    archive.write_bytes(data)

    assert "damaged" in answer(capsys, "restore", str(archive), str(target), code=1)
    archive.write_bytes(b"no archive")
    assert "could not be restored" in answer(capsys, "restore", str(archive), str(target), code=1)
    document = json.dumps({"form": 1, "members": [{"path": "../x", "n_bytes": 1, "sha256": ""}]})
    (home.parent / "manifest.json").write_text(document, encoding="utf-8")
    with tarfile.open(archive, "w") as opened:
        opened.add(home.parent / "manifest.json", "manifest.json")
    assert "no state directory has" in answer(capsys, "restore", str(archive), str(target), code=1)

    assert [each.name for each in target.iterdir() if each.name != "daemon.lock"] == []
