"""Maps and drivers of cooling units: registers worked out by hand, alarms, dew point, hold time, units only read."""

from collections.abc import Mapping
from typing import Any

import pytest

from drivers.cooling.supply import DEW_MARGIN_K
from drivers.cooling.units import CduDevice, CduMonitor, ChillerDevice, ChillerMonitor, DryCooler
from drivers.device.fallback import LifeSign
from drivers.modbus.blocks import plan_reads
from drivers.modbus.handshake import MapScript, Met
from drivers.modbus.link import ModbusLink
from drivers.modbus.mapfile import load_map
from drivers.modbus.registers import BlockDecoder, encode
from ems.errors import ConfigError
from ems.model.readings import CduReading, ChillerReading, DryCoolerReading
from ems.model.setpoints import Outcome
from ems.ports import Commanded, GivesBack
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import LINK, PlantDevice, Rig, Value, build, device_spec, link_spec, running

# 45 degF = 7.222 degC: 45.0 = 1.40625 x 2^5, exponent 0x84, mantissa 0x340000; 59 degF = 15 degC: 1.84375 x 2^5
WORDS: list[tuple[str, str, float, list[int]]] = [
    ("cdu-coolchip", "supply_degc", -0.5, [0xFFFB]),
    ("cdu-coolchip", "flow_m3_per_h", 30.0, [500]),  # 500 l/min
    ("cdu-coolchip", "differential_kpa", 150.0, [150]),  # 1.5 bar in 0.01 bar
    ("cdu-coolchip", "heat_kw_th", 601.5, [6015]),
    ("chiller-accuchiller", "supply_degc", 65.0 / 9.0, [0x4234, 0x0000]),
    ("chiller-accuchiller", "return_degc", 15.0, [0x426C, 0x0000]),
    ("dry-cooler-luve", "ambient_degc", -10.5, [0xFF97]),
    ("dry-cooler-luve", "fan_pct", 42.5, [4250]),
]
PLACES = [
    # Accuchiller: the number behind the first digit of the document
    ("chiller-accuchiller", "setpoint_degc", "input:1"),
    ("chiller-accuchiller", "supply_degc", "input:3"),
    ("chiller-accuchiller", "run_h", "input:11"),
    ("chiller-accuchiller", "low_flow", "discrete:12"),
    # LU1W: the document's column base 0
    ("dry-cooler-luve", "supply_degc", f"input:{0x0201}"),
    ("dry-cooler-luve", "ambient_degc", f"input:{0x0206}"),
    ("dry-cooler-luve", "return_degc", f"input:{0x0208}"),
    ("dry-cooler-luve", "fan_pct", f"input:{0x0280}"),
]
CDU: Mapping[str, Value] = {
    "alarm": False,
    "running": True,
    "remote": True,
    "supply_degc": 38.5,
    "return_degc": 48.0,
    "facility_supply_degc": 34.0,
    "facility_return_degc": 43.5,
    "dew_point_degc": 12.0,
    "flow_m3_per_h": 24.0,
    "facility_flow_m3_per_h": 30.0,
    "differential_kpa": 120.0,
    "pump_pct": 65.0,
    "valve_pct": 40.0,
    "level_pct": 90.0,
    "heat_kw_th": 310.5,
    "setpoint_degc": 38.0,
    "leak": False,
    "low_flow": False,
    "warnings": (),
    "faults": (),
}
CHILLER: Mapping[str, Value] = {
    "enabled": True,
    "running": True,
    "remote": True,
    "low_flow": False,
    "supply_degc": 15.0,
    "return_degc": 20.0,
    "setpoint_degc": 15.0,
    "run_h": 1200.0,
    "warnings": (),
    "faults": (),
}
SHOWN = {"cdu-coolchip": CDU, "chiller-accuchiller": CHILLER}
pytestmark = pytest.mark.wire


def unit(name: str, **values: Value) -> PlantDevice:
    return PlantDevice({**SHOWN[name], **values}, follows={"supply_degc": "setpoint_degc"})


def spec(name: str, **changes: Any) -> Any:  # a specification with any of its keys
    return device_spec(name, **{"watchdog_s": 60.0, **changes})


def asks(rig: Rig, supply_degc: float) -> None:
    device = rig.devices[1]
    assert isinstance(device, CduDevice | ChillerDevice)
    device.set_supply(supply_degc, valid_until_s=rig.clock.monotonic_s() + 3600.0)


def ending(rig: Rig) -> tuple[Outcome | None, str]:
    device = rig.devices[1]
    assert isinstance(device, Commanded)
    outcome = device.outcome()
    return (None, "") if outcome is None else (outcome.outcome, outcome.detail)


@pytest.mark.parametrize(("name", "point", "value", "words"), WORDS)
def test_the_driver_reads_the_registers_worked_out_by_hand(
    name: str, point: str, value: float, words: list[int]
) -> None:
    register_map = load_map(name, ())
    place = register_map.points[point]
    (read,) = (
        each
        for each in plan_reads(register_map.blocks, register_map.points.values(), max_registers=125)
        if place in each.points
    )
    registers = [0] * read.count
    start = place.at.register - read.at.register
    registers[start : start + len(words)] = words

    decoded = BlockDecoder(read).decode(registers)

    assert decoded.values[point] == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(("name", "point", "at"), PLACES)
def test_a_point_lies_where_the_document_says(name: str, point: str, at: str) -> None:
    assert str(load_map(name, ()).points[point].at) == at


def test_a_setpoint_in_celsius_is_written_as_a_real_in_fahrenheit() -> None:
    command = load_map("chiller-accuchiller", ()).commands["supply_degc"]

    encoded = encode(15.0, command.coding, limits=command.limits)

    # 59 degF = 1.84375 x 2^5: exponent 0x84, mantissa 0x6C0000; the scale of 5/9 is no exact number
    assert getattr(encoded, "registers", None) in {(0x426C, 0x0000), (0x426B, 0xFFFF), (0x426C, 0x0001)}
    assert getattr(encoded, "value", None) == pytest.approx(15.0, abs=1e-5)


@pytest.mark.parametrize("value", [4.5, 26.5])
def test_both_ends_of_the_band_of_a_chiller_can_be_written(value: float) -> None:
    command = load_map("chiller-accuchiller", ()).commands["supply_degc"]

    encoded = encode(value, command.coding, limits=command.limits)

    assert getattr(encoded, "value", None) == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "kind", "shown"), [("cdu-coolchip", CduReading, CDU), ("chiller-accuchiller", ChillerReading, CHILLER)]
)
async def test_a_unit_shows_what_its_registers_hold(
    name: str, kind: type[CduReading | ChillerReading], shown: Mapping[str, Value]
) -> None:
    async with running((spec(name), unit(name))) as rig:
        await rig.first_reading()
        reading = rig.devices[1].reading()

    assert isinstance(reading, kind)
    assert reading.bad == {}
    assert {key: getattr(reading, key) for key in shown} == {
        key: pytest.approx(value, abs=0.05) if isinstance(value, float) else value for key, value in shown.items()
    }


@pytest.mark.parametrize(
    ("changes", "alarm", "names"),
    [
        ({"leak": True, "faults": ("leak",), "alarm": True}, True, ("leak",)),
        ({"low_flow": True, "faults": ("low flow", "pump 1 fault"), "alarm": True}, True, ("low flow", "pump 1 fault")),
    ],
)
async def test_a_leak_and_a_low_flow_are_told_by_field_and_by_name(
    changes: dict[str, Value], *, alarm: bool, names: tuple[str, ...]
) -> None:
    async with running((spec("cdu-coolchip"), unit("cdu-coolchip", **changes))) as rig:
        await rig.first_reading()
        reading = rig.devices[1].reading()

    assert isinstance(reading, CduReading)
    assert (reading.alarm, reading.faults) == (alarm, names)
    assert (reading.leak, reading.low_flow) == ("leak" in names, "low flow" in names)


async def test_alarms_of_single_bits_make_one_list_and_one_alarm() -> None:
    names = ("freezestat", "refrigerant pressure low")
    async with running(
        (spec("chiller-accuchiller"), unit("chiller-accuchiller", faults=names, warnings=("return too warm",)))
    ) as rig:
        await rig.first_reading()
        reading = rig.devices[1].reading()

    assert isinstance(reading, ChillerReading)
    assert (reading.faults, reading.warnings, reading.alarm) == (names, ("return too warm",), True)


async def test_a_warning_alone_is_no_alarm() -> None:
    plant = unit("chiller-accuchiller", warnings=("return too warm",))
    async with running((spec("chiller-accuchiller"), plant)) as rig:
        await rig.first_reading()
        reading = rig.devices[1].reading()

    assert isinstance(reading, ChillerReading)
    assert (reading.faults, reading.alarm) == ((), False)


async def test_a_dry_cooler_without_registers_for_alarms_does_not_claim_that_there_are_none() -> None:
    plant = PlantDevice({"fan_pct": 55.0, "ambient_degc": 31.0, "supply_degc": 36.0, "return_degc": 45.0})
    async with running((spec("dry-cooler-luve"), plant)) as rig:
        await rig.first_reading()
        device, reading = rig.devices[1], rig.devices[1].reading()

    assert isinstance(device, DryCooler)
    assert isinstance(reading, DryCoolerReading)
    assert (reading.alarm, reading.faults, reading.load_kw, reading.running) == (None, None, None, None)
    assert (reading.fan_pct, reading.supply_degc, reading.bad) == (55.0, 36.0, {})


@pytest.mark.parametrize(("name", "kind"), [("cdu-coolchip", CduMonitor), ("chiller-accuchiller", ChillerMonitor)])
def test_a_unit_without_a_fall_back_time_is_only_read(name: str, kind: type) -> None:
    clock = SteppedClock()
    links = {LINK: ModbusLink(link_spec(1), clock=clock)}

    device = build(spec(name, watchdog_s=None), clock=clock, links=links)

    assert isinstance(device, kind)
    assert not isinstance(device, Commanded)


def test_a_local_setpoint_outside_the_band_is_refused() -> None:
    clock = SteppedClock()
    links = {LINK: ModbusLink(link_spec(1), clock=clock)}

    with pytest.raises(ConfigError) as refused:
        build(spec("chiller-accuchiller", local_supply_degc=40.0), clock=clock, links=links)

    (problem,) = refused.value.problems
    assert (problem.key, problem.allowed) == ("device 'dev1'.local_supply_degc", "4.5 to 26.5")


async def test_a_supply_temperature_stays_above_the_dew_point() -> None:
    plant = unit("cdu-coolchip", dew_point_degc=22.0)
    async with running((spec("cdu-coolchip"), plant)) as rig:
        await rig.first_reading()
        asks(rig, 18.0)
        await rig.clock.run(3.0)
        outcome, detail = ending(rig)

    assert outcome is Outcome.ACCEPTED
    assert plant.commanded("supply_degc") == [pytest.approx(22.0 + DEW_MARGIN_K)]
    assert "the dew point" in detail


async def test_without_a_known_dew_point_no_supply_temperature_is_written() -> None:
    plant = unit("cdu-coolchip", dew_point_degc=None)
    async with running((spec("cdu-coolchip"), plant)) as rig:
        await rig.first_reading()
        asks(rig, 30.0)
        await rig.clock.run(3.0)
        outcome, detail = ending(rig)

    assert outcome is Outcome.REFUSED
    assert "the dew point is not known" in detail
    assert plant.commanded("supply_degc") == []


async def test_a_changed_setpoint_of_a_chiller_is_held() -> None:
    plant = unit("chiller-accuchiller")
    async with running((spec("chiller-accuchiller"), plant)) as rig:
        await rig.first_reading()
        asks(rig, 18.0)
        await rig.clock.run(3.0)
        asks(rig, 20.0)
        await rig.clock.run(3.0)
        held, (_, detail) = plant.commanded("supply_degc"), ending(rig)
        await rig.clock.run(600.0)
        asks(rig, 20.0)
        await rig.clock.run(3.0)

    assert held == [pytest.approx(18.0, abs=1e-4)]
    assert "held for 600 s" in detail
    assert plant.commanded("supply_degc") == [pytest.approx(18.0, abs=1e-4), pytest.approx(20.0, abs=1e-4)]


async def test_a_chiller_is_not_written_when_it_has_the_setpoint_already() -> None:
    plant = unit("chiller-accuchiller")
    async with running((spec("chiller-accuchiller"), plant)) as rig:
        await rig.first_reading()
        asks(rig, 15.1)
        await rig.clock.run(3.0)
        outcome, _ = ending(rig)

    assert outcome is Outcome.ACCEPTED
    assert plant.commanded("supply_degc") == []


async def test_a_unit_without_a_local_setpoint_keeps_the_last_one() -> None:
    plant = unit("chiller-accuchiller")
    async with running((spec("chiller-accuchiller"), plant)) as rig:
        await rig.first_reading()
        device = rig.device(ChillerDevice)
        device.set_supply(18.0, valid_until_s=rig.clock.monotonic_s() + 4.0)
        await rig.clock.run(12.0)

    assert plant.commanded("supply_degc") == [pytest.approx(18.0, abs=1e-4)]


@pytest.mark.parametrize("name", SHOWN)
async def test_a_unit_is_given_its_local_setpoint_when_the_controller_ends(name: str) -> None:
    plant = unit(name)
    async with running((spec(name, local_supply_degc=20.0), plant)) as rig:
        await rig.first_reading()
        device = rig.devices[1]
        assert isinstance(device, GivesBack)
        asks(rig, 24.0)
        await rig.clock.run(3.0)
        before = device.is_given_back
        is_asked = device.give_back(valid_until_s=rig.clock.monotonic_s() + 10.0)
        await rig.clock.until(lambda: device.is_given_back, limit_s=5.0)

    assert (before, is_asked) == (False, True)
    assert plant.commanded("supply_degc") == [pytest.approx(24.0, abs=1e-4), pytest.approx(20.0, abs=1e-4)]


async def test_a_unit_that_was_never_commanded_is_given_nothing_back() -> None:
    plant = unit("chiller-accuchiller")
    async with running((spec("chiller-accuchiller", local_supply_degc=20.0), plant)) as rig:
        await rig.first_reading()
        is_asked = rig.device(ChillerDevice).give_back(valid_until_s=rig.clock.monotonic_s() + 10.0)
        await rig.clock.run(3.0)

    assert not is_asked
    assert plant.commanded("supply_degc") == []


async def test_a_local_setpoint_below_the_dew_point_is_not_given_back() -> None:
    plant = unit("cdu-coolchip", dew_point_degc=22.0)
    async with running((spec("cdu-coolchip", local_supply_degc=20.0), plant)) as rig:
        await rig.first_reading()
        asks(rig, 30.0)
        await rig.clock.run(3.0)
        rig.device(CduDevice).give_back(valid_until_s=rig.clock.monotonic_s() + 10.0)
        await rig.clock.until(lambda: rig.device(CduDevice).is_given_back, limit_s=5.0)
        _, detail = ending(rig)

    assert plant.commanded("supply_degc")[-1] == pytest.approx(22.0 + DEW_MARGIN_K)
    assert "its own: the controller ends; 20 asked, the dew point allows no less" in detail


def test_the_maps_say_what_a_unit_does_without_us() -> None:
    rules = {name: load_map(name, ()).fallback for name in SHOWN}

    assert {name: None if rule is None else rule.misses for name, rule in rules.items()} == {
        "cdu-coolchip": LifeSign.REQUESTS,
        "chiller-accuchiller": LifeSign.NOTHING,
    }


def test_a_watchdog_time_below_what_the_device_can_count_is_a_fault() -> None:
    script = MapScript(load_map("cdu-coolchip", ()), watchdog_s=30.0).run()

    with pytest.raises(StopIteration) as end:
        next(script)

    met = end.value.value
    assert isinstance(met, Met)
    assert met.watchdog_armed is False
    assert met.watchdog_fault == "the watchdog time cannot be set: 30 s is less than the device can count"
