"""Containers that are shown as racks: repetition in the map, the whole from its parts, racks that are out or silent."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from drivers.battery.bms import BMS_FAMILY
from drivers.device.assembly import Assembler
from drivers.device.racks import complete
from drivers.device.sample import Sample
from drivers.device.values import Value
from drivers.modbus.coding import Address, Table
from drivers.modbus.layout import Speed
from drivers.modbus.mapfile import SHIPPED, load_map, read_map
from ems.errors import ConfigError
from ems.model.capability import Capability
from ems.model.readings import BmsReading, RackReading
from ems.ports import DeclaresCapabilities
from tests.config.toml_text import toml_text
from tests.drivers.rig import PlantDevice, device_spec, running

MAP = "soltaro-cluster-c"
CONTAINER: dict[str, Value] = {
    "soc_pct": 40.0,
    "soh_pct": 98.0,
    "cell_max_v": 3.4,
    "cell_min_v": 3.3,
    "cell_max_degc": 31.0,
    "cell_min_degc": 28.0,
    "max_charge_kw": 500.0,
    "max_discharge_kw": 600.0,
    "alarm": False,
}


def rack(number: int, **changes: Any) -> RackReading:  # values of any field
    fields: dict[str, Any] = {"soc_pct": 50.0, "voltage_v": 800.0, "max_charge_a": 100.0, "max_discharge_a": 120.0}
    return RackReading(number=number, **{**fields, **changes})


def whole(*racks: RackReading) -> tuple[dict[str, Value | None], dict[str, str]]:
    values: dict[str, Value | None] = {}
    bad: dict[str, str] = {}
    complete(racks, values, bad)
    return values, bad


def test_the_registers_of_a_rack_lie_a_stride_behind_those_of_the_one_before() -> None:
    register_map = load_map(MAP, ())

    assert len(register_map.racks) == 5
    at = [register_map.points[points["soc_pct"]].at for points in register_map.racks]
    assert at == [Address(table=Table.HOLDING, register=0x1000 * (n + 1) + 0x103) for n in range(1, 6)]
    # the use of the racks stands together, in the registers of the whole
    use = [register_map.points[points["in_service"]].at.register for points in register_map.racks]
    assert use == [4292, 4293, 4294, 4295, 4296]
    fast = [block.at.register for block in register_map.blocks if block.speed is Speed.FAST]
    assert fast == [0x2100, 0x3100, 0x4100, 0x5100, 0x6100]


def test_a_container_takes_what_its_weakest_rack_takes_times_their_number() -> None:
    values, bad = whole(rack(1), rack(2, max_charge_a=80.0), rack(3, voltage_v=790.0, soc_pct=53.0))

    assert values["max_charge_kw"] == pytest.approx(3 * 80.0 * 790.0 / 1000.0)
    assert values["max_discharge_kw"] == pytest.approx(3 * 120.0 * 790.0 / 1000.0)
    assert values["soc_pct"] == pytest.approx(51.0)
    assert (values["rack_soc_min_pct"], values["rack_soc_max_pct"]) == (50.0, 53.0)
    assert bad == {}


def test_a_rack_that_is_out_counts_for_nothing_and_one_without_limit_forbids() -> None:
    out, _ = whole(rack(1), rack(2, in_service=False, soc_pct=5.0, max_charge_a=0.0))
    full, _ = whole(rack(1), rack(2, max_charge_a=0.0))

    assert (out["max_charge_kw"], out["soc_pct"], out["rack_soc_min_pct"]) == (80.0, 50.0, 50.0)
    assert full["max_charge_kw"] == 0.0


def test_a_rack_that_is_silent_is_unknown_and_not_zero() -> None:
    reason = "exception 11: the device behind the gateway is silent"
    unknown: dict[str, Any] = dict.fromkeys(("soc_pct", "voltage_v", "max_charge_a", "max_discharge_a"))
    silent = rack(2, **unknown, bad=dict.fromkeys(unknown, reason))

    one, one_bad = whole(rack(1), silent)
    none, none_bad = whole(silent)

    assert (one["max_charge_kw"], one["soc_pct"], one_bad) == (80.0, 50.0, {})
    assert none["max_charge_kw"] is None
    assert none_bad["max_charge_kw"] == none_bad["soc_pct"] == f"rack 2: {reason}"


def test_what_the_device_tells_of_the_whole_goes_before_its_racks() -> None:
    values: dict[str, Value | None] = {"soc_pct": 47.0}
    bad = {"max_charge_kw": "70000 is outside 0..10000"}

    complete((rack(1),), values, bad)

    assert values["soc_pct"] == 47.0
    assert "max_charge_kw" not in values


def test_any_alarm_of_a_rack_is_one_of_the_container() -> None:
    assert whole(rack(1, alarms=()), rack(2, alarms=("insulation low",)))[0]["alarm"] is True
    assert whole(rack(1, alarms=()), rack(2))[0]["alarm"] is False
    assert whole(rack(1))[0]["alarm"] is None


@pytest.mark.wire
async def test_racks_are_read_over_the_wire_with_their_spread() -> None:
    async with running((device_spec(MAP), PlantDevice(CONTAINER))) as rig:
        await rig.first_reading()
        device = rig.devices[1]
        reading = device.reading()

    assert isinstance(reading, BmsReading)
    assert reading.racks is not None
    assert reading.bad == {}
    assert [each.number for each in reading.racks] == [1, 2, 3, 4, 5]
    assert [each.soc_pct for each in reading.racks] == [38.0, 39.0, 40.0, 41.0, 42.0]
    assert (reading.soc_pct, reading.rack_soc_min_pct, reading.rack_soc_max_pct) == (40.0, 38.0, 42.0)
    assert reading.max_charge_kw == pytest.approx(500.0, abs=0.5)
    assert (reading.max_charge_kw or 0.0) <= 500.0
    assert reading.racks[0].voltage_v == pytest.approx(804.0)
    assert reading.racks[0].in_service is True
    assert reading.racks[0].alarms == ()
    assert isinstance(device, DeclaresCapabilities)
    assert device.capabilities == {Capability.REPORTS_SOC, Capability.REPORTS_RACK_SPREAD}


@pytest.mark.wire
async def test_an_alarm_and_a_rack_that_is_out_are_seen_over_the_wire() -> None:
    plant = PlantDevice({**CONTAINER, "alarm": True, "rack 2 in_service": False, "rack 3 soc_pct": None})
    async with running((device_spec(MAP), plant)) as rig:
        await rig.first_reading()
        reading = rig.devices[1].reading()

    assert isinstance(reading, BmsReading)
    assert reading.racks is not None
    assert reading.alarm is True
    assert [each.in_service for each in reading.racks] == [True, False, True, True, True]
    assert reading.racks[2].soc_pct is None
    assert reading.racks[2].bad == {"soc_pct": "not available (code 65535)"}
    # 38, 41 and 42
    assert reading.soc_pct == pytest.approx(121.0 / 3.0)
    assert reading.max_charge_kw == pytest.approx(400.0, abs=0.5)


def test_flags_of_all_racks_stand_bit_by_bit_and_run_on_into_the_next_register(tmp_path: Path) -> None:
    table = tomllib.loads((SHIPPED / "discover-sbau.toml").read_text(encoding="utf-8"))
    table["device"]["id"] = "m"
    table["racks"]["count"] = 20
    (file := tmp_path / "m.toml").write_text(toml_text(table))

    points = [read_map(file).rack_points(number)["in_service"] for number in (1, 2, 16, 17)]

    assert [(point.at.register, point.bit) for point in points] == [(1102, 0), (1102, 1), (1102, 15), (1103, 0)]


@pytest.mark.wire
async def test_offsets_of_currents_and_temperatures_are_taken_off() -> None:
    plant = PlantDevice({**CONTAINER, "warnings": (), "faults": ("fire",), "rack 2 current_a": -123.4})
    async with running((device_spec("discover-sbau"), plant)) as rig:
        await rig.first_reading()
        words = rig.server._units[1].read(3, 2001, 24)
        reading = rig.devices[1].reading()

    assert isinstance(words, list)
    # 32000 counts are no current, 71 are 31 degrees
    assert (words[1], words[14]) == (32000, 71)
    assert isinstance(reading, BmsReading)
    assert reading.racks is not None
    assert [each.current_a for each in reading.racks[:2]] == pytest.approx([0.0, -123.4])
    assert (reading.racks[0].cell_max_degc, reading.cell_min_degc) == (31.0, 28.0)
    assert (reading.faults, reading.alarm, reading.bad) == (("fire",), False, {})
    assert reading.soc_pct == 40.0


def test_of_two_insulations_the_lower_one_counts_and_one_that_is_unknown_is_told() -> None:
    register_map = load_map("discover-sbau", ())
    assembler = Assembler(
        BMS_FAMILY,
        device_id="bms",
        rated_kw=1000.0,
        slow_limit_s=15.0,
        fills={point.name: point.fills for point in register_map.points.values() if point.fills is not None},
        racks=register_map.racks,
    )
    values: dict[str, Value | None] = {
        "rack 1 insulation_positive_kohm": 900.0,
        "rack 1 insulation_negative_kohm": 400.0,
        "rack 2 insulation_positive_kohm": 900.0,
    }
    bad = {"rack 2 insulation_negative_kohm": "exception 4"}

    racks = assembler.assemble(Sample(at_s=0.0, values=values, bad=bad), None).racks

    assert racks is not None
    assert [rack.insulation_kohm for rack in racks[:3]] == [400.0, None, None]
    assert (racks[0].bad, racks[1].bad) == ({}, {"insulation_kohm": "exception 4"})


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"racks": None}, "racks"),
    ({"racks": {"count": 40, "stride": 4096}}, "rack_blocks[0].at"),
    ({"points": {}, "rack_points": None, "rack_blocks": None, "racks": None}, "points"),
    ({"device": {"id": "m", "source": "a document of this test", "class": "load_meter"}}, "racks"),
]


@pytest.mark.parametrize(("change", "key"), WRONG, ids=[key for _, key in WRONG])
def test_racks_that_make_no_whole_are_refused(change: dict[str, Any], key: str, tmp_path: Path) -> None:
    table = tomllib.loads((SHIPPED / f"{MAP}.toml").read_text(encoding="utf-8"))
    table["device"]["id"] = "m"
    for name, value in change.items():
        table[name] = value
    file = tmp_path / "m.toml"
    file.write_text(toml_text({name: value for name, value in table.items() if value is not None}))

    with pytest.raises(ConfigError) as caught:
        read_map(file)

    assert key in [problem.key for problem in caught.value.problems]


def test_a_point_that_no_rack_has_is_refused_by_its_name_in_the_file(tmp_path: Path) -> None:
    text = (SHIPPED / f"{MAP}.toml").read_text(encoding="utf-8")
    file = tmp_path / f"{MAP}.toml"
    file.write_text(text.replace("[rack_points.soh_pct]", "[rack_points.power_kw]"))

    with pytest.raises(ConfigError) as caught:
        read_map(file)

    assert [problem.key for problem in caught.value.problems] == ["rack_points.power_kw"]
    assert "soh_pct" in str(caught.value.problems[0].allowed)


@pytest.mark.parametrize("change", [{"stride": 1}, {"type": "uint16"}, {"bit": None}])
def test_a_step_by_bits_belongs_to_a_flag_alone(change: dict[str, Any], tmp_path: Path) -> None:
    table = tomllib.loads((SHIPPED / "discover-sbau.toml").read_text(encoding="utf-8"))
    table["device"]["id"] = "m"
    flag = {**table["rack_points"]["in_service"], **change}
    table["rack_points"]["in_service"] = {name: value for name, value in flag.items() if value is not None}
    (file := tmp_path / "m.toml").write_text(toml_text(table))

    with pytest.raises(ConfigError) as caught:
        read_map(file)

    assert [(problem.key or "").startswith("rack_points.in_service") for problem in caught.value.problems] == [True]


def test_a_point_of_a_rack_fills_a_field_that_racks_have(tmp_path: Path) -> None:
    text = (SHIPPED / "discover-sbau.toml").read_text(encoding="utf-8")
    (file := tmp_path / "discover-sbau.toml").write_text(text.replace('"insulation_kohm"', '"power_kw"'))

    with pytest.raises(ConfigError) as caught:
        read_map(file)

    assert {problem.key for problem in caught.value.problems} == {
        "rack_points.insulation_positive_kohm.fills",
        "rack_points.insulation_negative_kohm.fills",
    }
