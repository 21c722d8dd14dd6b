"""Records of any metered interval close to the unit, whatever the meters say; every wrong number is found."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ems.accounting.invariants import interval_faults, store_fault
from ems.accounting.ledger import Factors, LedgerState, next_record
from ems.accounting.whole import apportioned
from tests.accounting.intervals import metered
from tests.control.draws import cases
from tests.control.scene import small

CAMPUS = small("weak-grid-campus")
NAMES = ("pv", "genset", "import", "export", "discharge", "charge", "it", "cooling", "aux")
# zero, a few Wh, and the energies of a site
WH = st.one_of(st.just(0), st.integers(0, 9), st.integers(0, 5_000_000))
STORED_KWH = st.one_of(st.none(), st.just(0.0), st.floats(0.0, 20_000.0))

Record = dict[str, Any]


@st.composite
def courses(draw: st.DrawFn) -> list[Record]:
    """Return the records of some intervals in a row."""
    state, records = LedgerState(), []
    factors = Factors(diesel_kgco2e_per_l=draw(st.floats(0.0, 3.0)), grid_kgco2e_per_kwh=draw(st.floats(0.0, 1.2)))
    for number in range(draw(st.integers(1, 6))):
        interval = metered(
            {name: draw(WH) for name in NAMES},
            number=number,
            fuel_l=draw(st.one_of(st.just(0.0), st.floats(0.0, 2000.0))),
            stored_start_kwh=draw(STORED_KWH),
            stored_kwh=draw(STORED_KWH),
        )
        record, state = next_record(CAMPUS, interval, state, factors)
        records.append(record)
    return records


@cases(150, n_full=20_000)
@given(records=courses())
def test_every_record_closes_to_the_unit(records: list[Record]) -> None:
    left = None
    for record in records:
        assert interval_faults(record) == ()
        assert store_fault(record, left) is None
        left = record["store"]["end"]


@cases(50, n_full=5_000)
@given(records=courses())
def test_sums_of_a_period_close_however_it_is_grouped(records: list[Record]) -> None:
    # I3, I5 and I6: from the first store to the last, nothing is left over
    first, last = records[0]["store"]["start"], records[-1]["store"]["end"]
    for source in ("pv", "grid_import", "genset"):
        entered = sum(record["energy_wh"]["sources"][source] for record in records) + first["energy_wh"][source]
        used = sum(sum(record["energy_wh"]["flows"][source].values()) for record in records)
        anchored = sum(record["energy_wh"]["soc_reanchor"][source] for record in records)
        assert entered == used + anchored + last["energy_wh"][source]
    emitted = sum(
        record["carbon_mgco2e"]["scope1"] + record["carbon_mgco2e"]["scope2_location"] for record in records
    ) + sum(record["carbon_mgco2e"]["unknown"] - record["carbon_mgco2e"]["without_delivery"] for record in records)
    booked = sum(sum(record["carbon_mgco2e"]["sinks"].values()) for record in records)
    assert emitted + first["carbon_mgco2e"] == booked + last["carbon_mgco2e"]


@cases(50, n_full=5_000)
@given(records=courses())
def test_a_source_that_neither_fed_nor_was_stored_is_in_no_sink(records: list[Record]) -> None:
    for record in records:
        energy = record["energy_wh"]
        for source in ("pv", "grid_import", "genset"):
            if energy["sources"][source] == 0 and record["store"]["start"]["energy_wh"][source] == 0:
                assert set(energy["flows"][source].values()) == {0}


def test_a_store_that_only_ever_took_sun_carries_no_carbon() -> None:
    state = LedgerState()
    factors = Factors(diesel_kgco2e_per_l=2.7, grid_kgco2e_per_kwh=0.5)
    for number in range(3):
        interval = metered({"pv": 900, "it": 400, "charge": 480}, number=number, stored_start_kwh=0.0)
        record, state = next_record(CAMPUS, interval, state, factors)

    assert state.store is not None
    assert state.store.carbon_mgco2e == 0
    assert record["carbon_mgco2e"]["sinks"]["it"] == 0  # type: ignore[index]


@pytest.mark.parametrize(
    ("path", "invariant"),
    [
        ("energy_wh/sources/pv", "I1"),
        ("energy_wh/sinks/it", "I1"),
        ("energy_wh/charge", "I1"),
        ("energy_wh/unaccounted", "I1"),
        ("energy_wh/flows/pv/it", "I2"),
        ("energy_wh/flows/genset/losses", "I3"),
        ("energy_wh/store_losses", "I4"),
        ("energy_wh/soc_reanchor/pv", "I3"),
        ("store/start/energy_wh/pv", "I3"),
        ("store/end/energy_wh/pv", "I4"),
        ("store/end/carbon_mgco2e", "I5"),
        ("carbon_mgco2e/sinks/it", "I5"),
        ("carbon_mgco2e/scope1", "factor"),
        ("carbon_mgco2e/scope2_location", "factor"),
        ("carbon_mgco2e/unknown", "factor"),
        ("factors/diesel_mgco2e_per_l", "factor"),
        ("fuel_ml", "factor"),
    ],
)
def test_a_number_that_was_changed_breaks_a_balance(path: str, invariant: str) -> None:
    record = _typical()

    _step(record, path, by=1000)

    assert any(invariant in fault.text for fault in interval_faults(record))


@pytest.mark.parametrize("value", [0.5, "7", None, True, -1])
def test_what_is_no_whole_number_is_named(value: object) -> None:
    record = _typical()
    record["energy_wh"]["flows"]["pv"]["it"] = value

    assert any(fault.field in {"/energy_wh/flows/pv/it", ""} for fault in interval_faults(record))


@pytest.mark.parametrize("name", ["energy_wh", "carbon_mgco2e", "store", "factors", "fuel_ml", "meters"])
def test_a_record_without_a_part_is_incomplete(name: str) -> None:
    record = _typical()
    del record[name]

    (fault,) = interval_faults(record)
    assert "incomplete" in fault.text


def test_meters_that_do_not_add_up_are_named() -> None:
    record = _typical()
    record["meters"] = {"pv_wh": {"pv01": 1}}

    assert [fault.field for fault in interval_faults(record)] == ["/meters/pv_wh"]


@cases(100)
@given(shares=st.dictionaries(st.text(max_size=2), st.floats(0.0, 1e9), min_size=1), total=st.integers(0, 10**9))
def test_a_total_is_shared_out_whole(shares: dict[str, float], total: int) -> None:
    parts = apportioned(shares, total)

    assert sum(parts.values()) == total
    assert min(parts.values()) >= 0


def _typical() -> Record:
    interval = metered(
        {"pv": 600_000, "genset": 300_000, "import": 50_000, "it": 500_000, "cooling": 40_000, "charge": 350_000},
        fuel_l=80.0,
        stored_start_kwh=4000.0,
        stored_kwh=4300.0,
    )
    record, _ = next_record(CAMPUS, interval, LedgerState(), Factors(diesel_kgco2e_per_l=2.7, grid_kgco2e_per_kwh=0.5))
    assert interval_faults(record) == ()
    return deepcopy(record)


def _step(record: Record, path: str, *, by: int) -> None:
    *parents, name = path.split("/")
    for parent in parents:
        record = record[parent]
    record[name] += by
