"""`ems ledger export`: the same numbers in other forms, and nothing from a damaged ledger."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ems.accounting.ledger import Factors, LedgerState, next_record
from ems.cli import execute
from ems.studies.signed_ledger import SignedLedger
from tests.accounting.intervals import metered
from tests.control.scene import small

SITE = small("edge-node")
FACTORS = Factors(diesel_kgco2e_per_l=2.5, grid_kgco2e_per_kwh=0.4)
PV = SITE.pv[0].block_ids[0]
UNIT = SITE.gensets[0].unit_ids[0]
BLOCK = SITE.batteries[0].blocks[0].id


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Return a simulation's ledger of two quarter hours: sun with charging, then a set with discharging."""
    file = tmp_path / "ledger.jsonl"
    written = SignedLedger(file, site=SITE.id)
    sunny = replace(
        metered({"pv": 9000, "it": 6500, "charge": 2500}, stored_start_kwh=50.0),
        meters={"pv_wh": {PV: 9000}, "it_wh": {"it": 6500}, "charge_wh": {BLOCK: 2500}},
    )
    burning = replace(
        metered({"genset": 4000, "it": 5000, "discharge": 1000}, number=1, fuel_l=1.2, stored_start_kwh=50.0),
        meters={"genset_wh": {UNIT: 4000}, "fuel_ml": {UNIT: 1200}, "discharge_wh": {BLOCK: 1000}},
    )
    state = LedgerState()
    for interval in (sunny, burning):
        record, state = next_record(SITE, interval, state, FACTORS)
        written.add(record)
    written.close(whole=True)
    return file


def test_every_form_has_the_same_numbers(ledger: Path, tmp_path: Path) -> None:
    for form in ("csv", "parquet", "json"):
        assert execute(["ledger", "export", str(ledger), "--format", form, "--out", str(tmp_path / f"a.{form}")]) == 0

    with (tmp_path / "a.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    table = pq.read_table(tmp_path / "a.parquet").to_pylist()
    records = json.loads((tmp_path / "a.json").read_text())
    assert [row["sink_it_wh"] for row in rows] == ["6500", "5000"]
    assert [row["sink_it_wh"] for row in table] == [6500, 5000]
    assert [record["energy_wh"]["sinks"]["it"] for record in records] == [6500, 5000]
    assert [row["hash"] for row in rows] == [record["hash"] for record in records]
    assert table[1]["scope1_mgco2e"] == 3_000_000
    assert sum(value for name, value in table[0].items() if name.startswith("flow_pv_to_")) <= 9000


def test_issuers_get_a_record_for_each_device_and_interval(ledger: Path, tmp_path: Path) -> None:
    out = tmp_path / "granular.json"
    options = ("--format", "json", "--granular", "--site", "edge-node", "--out", str(out))

    assert execute(["ledger", "export", str(ledger), *options]) == 0

    sun, charged, burnt, discharged = json.loads(out.read_text())
    assert (sun["device_name"], sun["face_value"], sun["emissions_factor_production_device"]) == (PV, 9000, 0.0)
    assert (burnt["device_name"], burnt["face_value"]) == (UNIT, 4000)
    # 1.2 l x 2.5 kg/l over 4 kWh are 750 kg/MWh
    assert burnt["emissions_factor_production_device"] == 750.0
    assert (charged["flow_energy"], discharged["flow_energy"]) == (-2500, 1000)
    assert sun["production_starting_interval"] == "2026-06-10T20:00:00Z"
    assert sun["device_capacity"] == round(1000 * SITE.pv[0].ac_kw)
    assert sun["device_location"] == [SITE.place.latitude_deg, SITE.place.longitude_deg]
    assert sun["issuance_id"] is None


def test_devices_that_nobody_configured_have_no_facts(ledger: Path, tmp_path: Path) -> None:
    out = tmp_path / "granular.csv"

    assert execute(["ledger", "export", str(ledger), "--format", "csv", "--granular", "--out", str(out)]) == 0

    with out.open(encoding="utf-8") as file:
        assert {row["device_capacity"] for row in csv.DictReader(file)} == {""}


def test_a_damaged_ledger_is_not_exported(ledger: Path, tmp_path: Path) -> None:
    ledger.write_bytes(ledger.read_bytes().replace(b"6500", b"6501", 1))
    out = tmp_path / "a.csv"

    assert execute(["ledger", "export", str(ledger), "--format", "csv", "--out", str(out)]) == 1
    assert not out.exists()


def test_what_cannot_be_written_is_refused(ledger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["ledger", "export", str(ledger), "--format", "xml", "--out", str(tmp_path / "a")]) == 2
    assert "csv, parquet, json" in capsys.readouterr().err
    assert execute(["ledger", "export", str(ledger), "--format", "csv", "--out", str(tmp_path / "no" / "a")]) == 2
    assert list(tmp_path.iterdir()) == [ledger]
