"""Records: whole Wh that add up, a chain of sequence and store, gaps said and not filled."""

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from ems.accounting.invariants import store_fault
from ems.accounting.ledger import Factors, LedgerState, next_record
from ems.accounting.metering import MeteredInterval
from tests.accounting.intervals import metered
from tests.control.scene import small

DESERT = small("desert-offgrid")
CAMPUS = small("weak-grid-campus")
FACTORS = Factors(diesel_kgco2e_per_l=2.7, grid_kgco2e_per_kwh=0.4)
# a record is JSON: its values are of any kind
Record = dict[str, Any]

DAY = (
    metered(
        {"pv": 900_000, "it": 500_000, "cooling": 30_000, "aux": 15_000, "charge": 350_000},
        stored_start_kwh=5000.0,
        stored_kwh=5330.0,
    ),
    metered(
        {"genset": 300_000, "it": 500_001, "cooling": 30_000, "aux": 15_000, "discharge": 250_007},
        number=1,
        fuel_l=80.0,
        stored_kwh=5060.0,
    ),
    metered(
        {"pv": 100_003, "it": 400_001, "cooling": 30_007, "aux": 15_011, "discharge": 350_003},
        number=2,
        stored_kwh=4680.0,
    ),
)


def test_records_follow_each_other_in_time_and_store() -> None:
    records, _ = _booked(DAY)

    assert [record["start"] for record in records[1:]] == [record["end"] for record in records[:-1]]
    assert records[0]["start"] == "2026-06-10T20:00:00Z"
    for interval, record in zip(DAY, records, strict=True):
        assert interval.stored_kwh is not None
        assert sum(record["store"]["end"]["energy_wh"].values()) == round(1000.0 * interval.stored_kwh)
    for earlier, later in pairwise(records):
        assert store_fault(later, earlier["store"]["end"]) is None
    assert store_fault(records[2], records[0]["store"]["end"]) is not None


def test_all_energies_and_carbon_are_whole_numbers() -> None:
    records, _ = _booked(DAY)

    for record in records:
        for part in ("energy_wh", "carbon_mgco2e", "store", "factors"):
            assert all(type(value) is int for value in _leaves(record[part]))
        assert type(record["intensity_mgco2e_per_kwh"]) is int
        assert type(record["fuel_ml"]) is int


def test_each_sink_is_the_sum_of_its_sources() -> None:
    records, _ = _booked(DAY)

    for record in records:
        energy = record["energy_wh"]
        for sink in ("it", "cooling", "site_aux", "grid_export", "unaccounted"):
            got = sum(flows[sink] for flows in energy["flows"].values())
            assert got == energy["sinks"].get(sink, energy["unaccounted"])


def test_each_source_closes_over_the_whole_chain() -> None:
    records, _ = _booked(DAY)

    for source in ("pv", "genset", "unknown"):
        used = sum(sum(record["energy_wh"]["flows"][source].values()) for record in records)
        entered = sum(record["energy_wh"]["sources"].get(source, 0) for record in records)
        if source == "unknown":
            # what was in the store before the first record came from nobody knows where
            entered = 5_000_000 + sum(record["energy_wh"]["unknown"] for record in records)
        left = records[-1]["store"]["end"]["energy_wh"][source]
        anchored_away = sum(record["energy_wh"]["soc_reanchor"][source] for record in records)
        assert entered == used + left + anchored_away


def test_carbon_of_the_day_is_with_sinks_or_in_the_store() -> None:
    records, _ = _booked(DAY)

    scope1 = sum(record["carbon_mgco2e"]["scope1"] for record in records)
    sinks = sum(sum(record["carbon_mgco2e"]["sinks"].values()) for record in records)
    assert scope1 == round(80.0 * 2.7 * 1e6)
    assert sinks + records[-1]["store"]["end"]["carbon_mgco2e"] == scope1


def test_the_first_record_opens_with_the_energy_at_its_start() -> None:
    # 545 kWh of load from 900 kWh of PV, 350 kWh charged: the cells gain about 330
    records, _ = _booked(DAY[:1])

    eff = DESERT.batteries[0].charge_eff_frac
    assert _anchored(records[0]) == pytest.approx(350_000 * eff - 330_000, abs=2)


def test_a_start_that_was_not_measured_is_worked_back_from_the_end() -> None:
    unknown = metered(
        {"pv": 900_000, "it": 500_000, "cooling": 30_000, "aux": 15_000, "charge": 350_000}, stored_kwh=5330.0
    )

    records, _ = _booked((unknown,))

    assert abs(_anchored(records[0])) <= 1
    assert sum(records[0]["store"]["end"]["energy_wh"].values()) == 5_330_000


def test_a_known_store_is_not_opened_again() -> None:
    _, state = _booked(DAY[:2])
    later = metered({"pv": 100, "it": 95}, number=2, stored_start_kwh=9999.0, stored_kwh=5060.0)

    record, _ = next_record(DESERT, later, state, FACTORS)

    assert abs(_anchored(record)) < 100


def test_a_meter_that_was_missed_is_unknown_and_flagged_not_rescaled() -> None:
    missed = metered(
        {"pv": 300_000, "it": 500_000}, stored_start_kwh=100.0, stored_kwh=100.0, flags=("counter not read at the end",)
    )

    records, _ = _booked((missed,))

    energy = records[0]["energy_wh"]
    assert energy["unknown"] == 200_000
    assert energy["flows"]["pv"]["it"] == 300_000
    assert energy["flows"]["unknown"]["it"] == 200_000
    assert records[0]["flags"] == ["counter not read at the end", "residual 66.7 % of throughput"]


def test_loads_without_any_metered_source_are_flagged() -> None:
    records, _ = _booked((metered({"it": 500_000}, stored_start_kwh=0.0, stored_kwh=0.0),))

    assert records[0]["energy_wh"]["unknown"] == 500_000
    assert records[0]["flags"] == ["residual 500000 Wh without throughput"]


def test_an_interval_in_which_nothing_happened_has_no_residual() -> None:
    records, _ = _booked((metered({}, stored_start_kwh=0.0, stored_kwh=0.0),))

    assert records[0]["flags"] == []


def test_what_left_without_a_meter_is_losses_up_to_the_configured_share_and_then_unaccounted() -> None:
    share = DESERT.economics.site_loss_frac
    records, _ = _booked((metered({"pv": 600_000, "it": 500_000}, stored_start_kwh=0.0, stored_kwh=0.0),))

    energy = records[0]["energy_wh"]
    assert share > 0.0
    assert energy["sinks"]["losses"] == round(share * 500_000)
    assert energy["unaccounted"] == round(100_000 - share * 500_000)
    assert records[0]["flags"] == [f"residual {100.0 * energy['unaccounted'] / 600_000:.1f} % of throughput"]


def test_fuel_of_a_start_without_delivery_is_scope_1_all_the_same() -> None:
    records, _ = _booked((metered({"pv": 100, "it": 100}, fuel_l=2.0, stored_start_kwh=1.0, stored_kwh=1.0),))

    carbon = records[0]["carbon_mgco2e"]
    assert carbon["scope1"] == carbon["without_delivery"] == 5_400_000
    assert records[0]["fuel_ml"] == 2000


def test_import_carries_the_grid_s_intensity() -> None:
    interval = metered({"import": 1_000_000, "it": 1_000_000}, stored_start_kwh=100.0, stored_kwh=100.0)

    record, _ = next_record(CAMPUS, interval, LedgerState(), FACTORS)

    assert _carbon(record)["scope2_location"] == 400_000_000
    assert record["intensity_mgco2e_per_kwh"] == 400_000


def test_energy_of_unknown_origin_never_makes_the_site_look_cleaner() -> None:
    interval = metered({"it": 1_000_000}, stored_start_kwh=0.0, stored_kwh=0.0)

    record, _ = next_record(CAMPUS, interval, LedgerState(), FACTORS)

    best_g = CAMPUS.gensets[0].fuel.best_fuel_l_per_kwh() * 2.7 * 1000.0
    assert best_g > 400.0
    assert record["intensity_mgco2e_per_kwh"] == round(1000.0 * best_g)


def test_the_same_meters_give_the_same_bytes() -> None:
    first, second = (json.dumps(_booked(DAY)[0], separators=(",", ":")) for _ in range(2))

    assert first == second
    assert json.loads(first) == _booked(DAY)[0]


def _booked(intervals: tuple[MeteredInterval, ...]) -> tuple[list[Record], LedgerState]:
    state = LedgerState()
    records = []
    for interval in intervals:
        record, state = next_record(DESERT, interval, state, FACTORS)
        records.append(record)
    return records, state


def _anchored(record: Mapping[str, Any]) -> int:
    return sum(record["energy_wh"]["soc_reanchor"].values())


def _carbon(record: Mapping[str, Any]) -> Record:
    return dict(record["carbon_mgco2e"])


def _leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    return [value]
