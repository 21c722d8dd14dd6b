"""`ems ledger correct`: a corrected reading is a row of its own; totals are shown as written and as corrected."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ems.accounting.ledger import LedgerState, next_record
from ems.cli import execute
from tests.accounting.intervals import metered
from tests.runtime.books import FACTORS, SITE, Record, kept, kinds, opened


def test_a_correction_is_appended_and_changes_totals_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third = _intervals(3)
    _write(tmp_path, first)

    # 1,000 Wh arrived, 700 Wh and 250 Wh left; the load's meter showed 100 Wh too little
    assert _correct(tmp_path, seq=2, meter="it_wh:it", value=800) == 0
    _write(tmp_path, second)

    rows = kept(tmp_path)
    assert kinds(rows) == ["key", "interval", "interval", "correction"]
    assert rows[3]["meters"] == {"it_wh": {"it": {"was": 700, "is": 800}}}
    change = rows[3]["change"]
    assert change["it_wh"] == 100
    # what had been unaccounted (36 Wh beside losses) is not any more, and the rest came from an unknown source
    assert change["unknown_wh"] - change["unaccounted_wh"] == 100
    assert list((tmp_path / "corrections").glob("*.json")) == []
    capsys.readouterr()
    assert execute(["ledger", "verify", str(tmp_path), "--json"]) == 0
    totals = json.loads(capsys.readouterr().out)["totals"]
    assert (totals["original"]["it_wh"], totals["corrected"]["it_wh"]) == (1400, 1500)
    assert execute(["ledger", "verify", str(tmp_path)]) == 0
    assert "it_wh: 1,400 as written, 1,500 with 1 corrections" in capsys.readouterr().out

    # a second correction begins where the first one ended
    assert _correct(tmp_path, seq=2, meter="it_wh:it", value=700) == 0
    _write(tmp_path, third)
    row = kept(tmp_path)[-1]
    assert row["meters"] == {"it_wh": {"it": {"was": 800, "is": 700}}}
    assert row["change"] == {name: -value for name, value in change.items()}


def test_fuel_that_was_read_late_is_scope_1(tmp_path: Path) -> None:
    first, second, _ = _intervals(3)
    _write(tmp_path, first)

    assert _correct(tmp_path, seq=2, meter="fuel_ml:gen01", value=1000) == 0
    _write(tmp_path, second)

    # 1 l x 2.7 kg/l
    assert kept(tmp_path)[-1]["change"] == {"fuel_ml": 1000, "scope1_mgco2e": 2_700_000}


def test_a_correction_that_was_written_already_is_not_written_twice(tmp_path: Path) -> None:
    first, second, third = _intervals(3)
    _write(tmp_path, first)
    assert _correct(tmp_path, seq=2, meter="it_wh:it", value=800) == 0
    (file,) = (tmp_path / "corrections").glob("*.json")
    content = file.read_bytes()
    _write(tmp_path, second)
    # the process ended before it could remove the file
    file.write_bytes(content)
    _write(tmp_path, third)

    assert kinds(kept(tmp_path)).count("correction") == 1
    assert not file.exists()


@pytest.mark.parametrize(
    ("seq", "meter", "code"), [(1, "it_wh:it", 1), (9, "it_wh:it", 1), (2, "it_wh:west", 1), (2, "it", 2)]
)
def test_what_the_ledger_does_not_have_cannot_be_corrected(tmp_path: Path, seq: int, meter: str, code: int) -> None:
    _write(tmp_path, _intervals(1)[0])

    assert _correct(tmp_path, seq=seq, meter=meter, value=5) == code
    assert _correct(tmp_path, seq=2, meter="it_wh:it", value=700) == 1
    assert _correct(tmp_path, seq=2, meter="it_wh:it", value=5, reason=" ") == 2
    assert not (tmp_path / "corrections").exists()


def test_a_file_that_is_no_correction_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "corrections").mkdir()
    (tmp_path / "corrections" / "a.json").write_text('{"seq": "x"}')

    _write(tmp_path, _intervals(1)[0])

    assert kinds(kept(tmp_path)) == ["key", "interval"]
    assert list((tmp_path / "corrections").iterdir()) == []


def test_a_correction_of_another_interval_s_hash_is_found(tmp_path: Path) -> None:
    first, second, _ = _intervals(3)
    _write(tmp_path, first)
    with opened(tmp_path) as (ledger, _):
        body = {"v": 2, "kind": "correction", "site": SITE.id, "of": {"seq": 2, "hash": "ab" * 32}, "change": {}}
        ledger(body)
        ledger(second)

    assert execute(["ledger", "verify", str(tmp_path)]) == 1


def _intervals(n: int) -> list[Record]:
    state, records = LedgerState(), []
    for number in range(n):
        wh = {"pv": 1000, "it": 700, "charge": 250}
        meters = {"pv_wh": {"pv01": 1000}, "it_wh": {"it": 700}, "charge_wh": {"b": 250}, "fuel_ml": {"gen01": 0}}
        interval = replace(metered(wh, number=number, stored_start_kwh=5.0), meters=meters)
        record, state = next_record(SITE, interval, state, FACTORS)
        records.append(record)
    return records


def _write(directory: Path, record: Record) -> None:
    with opened(directory) as (ledger, _):
        ledger(record)


def _correct(directory: Path, *, seq: int, meter: str, value: int, reason: str = "read by hand") -> int:
    options = ("--seq", str(seq), "--meter", meter, "--value", str(value), "--reason", reason)
    return execute(["ledger", "correct", str(directory), *options])
