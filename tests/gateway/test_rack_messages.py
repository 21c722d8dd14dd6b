"""The racks of containers on MQTT and in the history: what is known of each, and why the rest is not."""

from dataclasses import fields, replace

import pytest

from ems.contract.racks import RackPart, RacksMessage
from ems.gateway.messages.racks import rack_messages
from ems.gateway.points import points, rack_points
from ems.model.racks import RackSpread, rack_spread, racks_of
from ems.model.readings import BmsReading, RackReading
from tests.gateway.operation import NOON, FixedDevice, Operation, operation

AT_S = 1000.0
SILENT = "no answer within 0.5 s"
RACKS = (
    RackReading(number=1, in_service=True, soc_pct=40.0, voltage_v=790.0, current_a=-20.5, alarms=()),
    RackReading(number=2, in_service=False, soc_pct=30.0, alarms=("insulation low",)),
    RackReading(number=3, bad=dict.fromkeys(("soc_pct", "voltage_v"), SILENT)),
)
BMS = BmsReading(
    device_id="c01-bms",
    at_s=AT_S,
    soc_pct=40.0,
    soh_pct=98.0,
    max_charge_kw=100.0,
    max_discharge_kw=100.0,
    cell_max_degc=30.0,
    cell_min_degc=25.0,
    cell_max_v=3.4,
    cell_min_v=3.3,
    alarm=True,
    rack_soc_min_pct=38.0,
    rack_soc_max_pct=43.0,
    racks=RACKS,
)


@pytest.fixture(scope="module")
def desert() -> Operation:
    return operation("desert-offgrid")


def message(desert: Operation, reading: BmsReading, *, age_s: float = 1.0) -> RacksMessage:
    device = FixedDevice("c01-bms", "bess-c01", reading)
    (outgoing,) = rack_messages(desert.site.control, [device], now_s=AT_S + age_s, utc=NOON)
    assert outgoing.topic == "device/c01-bms/racks"
    assert isinstance(outgoing.message, RacksMessage)
    return outgoing.message


def test_a_rack_shows_what_is_known_and_why_the_rest_is_not(desert: Operation) -> None:
    shown = message(desert, BMS)

    assert shown.soc_spread_pct == 5.0
    assert shown.racks is not None
    first, out, silent = shown.racks
    assert (first.soc_pct, first.current_a, first.alarms) == (40.0, -20.5, ())
    assert first.quality["insulation_kohm"] == "absent: the device gives no value"
    assert (out.in_service, out.alarms) == (False, ("insulation low",))
    assert (silent.soc_pct, silent.quality["soc_pct"]) == (None, f"bad: {SILENT}")


def test_a_message_has_every_value_of_a_rack() -> None:
    assert {field.name for field in fields(RackReading)} - {"bad"} == set(RackPart.model_fields) - {"quality"}


def test_racks_of_a_container_that_is_not_heard_are_unknown(desert: Operation) -> None:
    shown = message(desert, BMS, age_s=60.0)

    assert (shown.racks, shown.soc_spread_pct) == (None, None)
    assert {name: word.partition(":")[0] for name, word in shown.quality.items()} == {
        "racks": "stale",
        "soc_spread_pct": "stale",
    }


def test_a_container_that_tells_of_no_racks_has_no_message(desert: Operation) -> None:
    device = FixedDevice("c01-bms", "bess-c01", replace(BMS, racks=None))

    assert list(rack_messages(desert.site.control, [device], now_s=AT_S, utc=NOON)) == []


def test_the_history_has_the_racks_by_container_and_number_and_no_zero_for_a_silent_one(desert: Operation) -> None:
    snapshot = desert.record.snapshot
    block = replace(snapshot.blocks[0], racks=racks_of([("c01", BMS)]), spread=RackSpread(within_pct=5.0))

    kept = rack_points(replace(snapshot, blocks=(block,)))
    every_cycle = points(replace(snapshot, blocks=(block,)), desert.record.decision)

    assert (kept["rack.c01.1.soc_pct"], kept["rack.c01.1.in_service"]) == (40.0, 1.0)
    assert (kept["rack.c01.3.soc_pct"], kept["rack.c01.3.in_service"]) == (None, None)
    assert every_cycle[f"block.{block.id}.rack_spread_pct"] == 5.0
    assert not any(name.startswith("rack.") for name in every_cycle)


def test_a_block_is_as_empty_as_its_emptiest_rack_and_as_full_as_its_fullest() -> None:
    other = replace(BMS, soc_pct=44.0, rack_soc_min_pct=43.0, rack_soc_max_pct=46.0)
    plain = replace(BMS, rack_soc_min_pct=None, rack_soc_max_pct=None)

    assert rack_spread([BMS, other], soc_pct=42.0) == RackSpread(below_pct=4.0, above_pct=4.0, within_pct=5.0)
    assert rack_spread([plain], soc_pct=42.0) == RackSpread()
    assert rack_spread([BMS], soc_pct=None) == RackSpread()
