"""Each driver through its entry point, against the wire twin."""

from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from drivers.battery.pcs import PcsDevice
from drivers.genset.controller import GensetController
from drivers.meter.tie import TieBreaker
from drivers.modbus.link import ModbusLink
from drivers.pv.block import PvBlock
from ems.errors import ConfigError
from ems.model.readings import GensetPhase, PcsReading
from ems.ports import Commanded, ControlsTie, Curtails, Device, SetsPower, StartsAndStops
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import DRIVERS, IDENTITY, LINK, PlantDevice, Value, build, device_spec, link_spec, pcs, running

SHOWN: dict[str, dict[str, Value]] = {
    "generic-pcs": dict(pcs().shown),
    "generic-bms": {
        "soc_pct": 63.4,
        "soh_pct": 97.5,
        "max_charge_kw": 1500.0,
        "max_discharge_kw": 1450.5,
        "cell_max_degc": 31.5,
        "cell_min_degc": -2.5,
        "cell_max_v": 3.41,
        "cell_min_v": 3.355,
        "alarm": True,
    },
    "generic-genset": {
        "phase": "synchronising",
        "power_kw": 1234.5,
        "setpoint_kw": 1300.0,
        "breaker_closed": True,
        "remote": True,
        "energy_wh": 987_654_300,
        "fuel_used_l": 54321.5,
        "run_h": 1234.5,
        "n_starts": 67,
    },
    "generic-pv": {"power_kw": 1800.0, "available_kw": 1950.5, "limit_kw": 1800.0, "energy_wh": 12_345_678_901},
    "generic-meter": {"load_kw": 850.5, "load_max_kw": 901.25, "energy_wh": 123_456_789_012},
    "generic-pcc": {
        "power_kw": -1500.5,
        "breaker_closed": True,
        "grid_voltage_frac": 1.0123,
        "bus_voltage_frac": 0.9987,
        "frequency_hz": 49.987,
        "import_wh": 3,
        "export_wh": 9_007_199_254_740_993,
    },
    "generic-tie": {
        "power_kw": -1500.5,
        "breaker_closed": False,
        "grid_voltage_frac": 1.0123,
        "bus_voltage_frac": 0.9987,
        "frequency_hz": 49.987,
        "grid_frequency_hz": 50.021,
        "angle_deg": -12.5,
        "island_group": 2,
        "e_stop": False,
        "fire": True,
        "earth_fault": False,
        "permitted": True,
        "open_requested": False,
        "fallback_armed": True,
        "remote": True,
        "import_wh": 3,
        "export_wh": 9_007_199_254_740_993,
    },
    "generic-cooling": {"ambient_degc": -10.5, "supply_degc": 36.25, "return_degc": 46.5, "capacity_kw_th": 12600.0},
    "generic-dry-cooler": {
        "fan_pct": 42.5,
        "ambient_degc": -10.5,
        "supply_degc": 30.5,
        "return_degc": 40.0,
        "load_kw": 88.5,
        "running": True,
        "faults": ("fan fault",),
        "warnings": ("frost",),
    },
    "generic-tank": {"fuel_l": 123456.7},
}


def numbers(values: Mapping[str, object]) -> Mapping[str, object]:
    return {name: pytest.approx(value) if isinstance(value, float) else value for name, value in values.items()}


@pytest.mark.wire
@pytest.mark.parametrize("name", sorted(DRIVERS))
async def test_a_driver_gives_the_reading_that_the_plant_shows(name: str) -> None:
    shown = SHOWN[name]
    async with running((device_spec(name), PlantDevice(shown))) as rig:
        await rig.first_reading()

        reading = rig.devices[1].reading()
        trouble = rig.devices[1].trouble()

    expected = {key: value for key, value in shown.items() if key not in IDENTITY}
    assert {key: getattr(reading, key) for key in expected} == numbers(expected)
    assert reading is not None
    assert reading.bad == {}
    assert reading.device_id == "dev1"
    assert trouble is None


def test_the_entry_points_are_the_drivers_of_the_shipped_sites() -> None:
    names = {entry.name for entry in entry_points(group="ems.drivers")}

    assert names >= set(DRIVERS.values())


@pytest.mark.parametrize(
    ("name", "capabilities"),
    [
        ("generic-pcs", {Commanded, SetsPower}),
        ("generic-genset", {Commanded, SetsPower, StartsAndStops}),
        ("generic-pv", {Commanded, Curtails}),
        ("generic-bms", set()),
        ("generic-tank", set()),
        ("generic-meter", set()),
        ("generic-pcc", set()),
        ("generic-tie", {Commanded, ControlsTie}),
        ("generic-cooling", set()),
        ("generic-dry-cooler", set()),
    ],
)
def test_a_device_has_the_capabilities_of_its_kind_and_no_others(name: str, capabilities: set[type]) -> None:
    clock = SteppedClock()
    links = {LINK: ModbusLink(link_spec(1), clock=clock)}

    device = build(device_spec(name), clock=clock, links=links)

    assert isinstance(device, Device)
    assert {
        kind for kind in (Commanded, SetsPower, StartsAndStops, Curtails, ControlsTie) if isinstance(device, kind)
    } == capabilities
    assert (device.device_id, device.asset_id) == ("dev1", "asset1")
    assert device.reading() is None
    assert device.trouble() == "not read yet"


@pytest.mark.parametrize(
    ("changes", "key", "allowed"),
    [
        ({"link": "elsewhere"}, "link", LINK),
        ({"map": "generic-pv"}, "map", "a map of class pcs for driver battery.pcs"),
        ({"watchdog_s": None}, "watchdog_s", "a time in seconds"),
    ],
)
def test_a_specification_that_cannot_be_served_is_refused(changes: dict[str, Any], key: str, allowed: str) -> None:
    clock = SteppedClock()
    links = {LINK: ModbusLink(link_spec(1), clock=clock)}

    with pytest.raises(ConfigError) as refused:
        build(device_spec("generic-pcs", driver="battery.pcs", **changes), clock=clock, links=links)

    (problem,) = refused.value.problems
    assert (problem.file, problem.key, problem.allowed) == ("devices.toml", f"device 'dev1'.{key}", allowed)


def test_a_map_without_the_command_of_the_driver_is_refused(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "drivers" / "maps" / "generic-pv.toml"
    text = shipped.read_text(encoding="utf-8").replace("generic-pv", "bare-pv").replace("[commands.limit_kw]", "[x]")
    head, _, rest = text.replace('"curtails", ', "").partition("[x]")
    (tmp_path / "bare-pv.toml").write_text(head + rest[rest.index("[heartbeat]") :], encoding="utf-8")
    clock = SteppedClock()
    links = {LINK: ModbusLink(link_spec(1), clock=clock)}

    with pytest.raises(ConfigError, match="map 'bare-pv' has no command limit_kw"):
        build(device_spec("bare-pv", driver="pv.block"), clock=clock, links=links, maps=[tmp_path])


@pytest.mark.wire
async def test_a_pcs_follows_a_setpoint_that_reads_back() -> None:
    plant = pcs()
    async with running((device_spec("generic-pcs"), plant)) as rig:
        await rig.first_reading()
        device = rig.device(PcsDevice)

        device.set_power(-700.25, valid_until_s=rig.clock.monotonic_s() + 15.0)
        await rig.clock.until(lambda: device.outcome() is not None)

        outcome, reading = device.outcome(), device.reading()
    assert plant.commanded("power_kw") == [-700.25]
    assert outcome is not None
    assert (outcome.device_id, outcome.outcome, outcome.detail) == ("dev1", "accepted", "power_kw: -700.25 read back")
    assert reading is not None
    assert reading.setpoint_kw == -700.25


@pytest.mark.wire
async def test_a_sync_check_device_gets_its_permit_and_loses_it_again() -> None:
    follows = {"permit_close": "shown_permit_close", "request_open": "shown_request_open"}
    plant = PlantDevice(SHOWN["generic-tie"], follows=follows)
    async with running((device_spec("generic-tie"), plant)) as rig:
        await rig.first_reading()
        device = rig.device(TieBreaker)

        device.set_tie(permit_close=True, request_open=False, valid_until_s=rig.clock.monotonic_s() + 15.0)
        await rig.clock.until(lambda: plant.commanded("permit_close") == [1.0])
        device.set_tie(permit_close=False, request_open=False, valid_until_s=rig.clock.monotonic_s() + 15.0)
        await rig.clock.until(lambda: plant.commanded("permit_close") == [1.0, 0.0])

    assert set(plant.commanded("request_open")) == {0.0}


@pytest.mark.wire
async def test_a_genset_is_started_and_given_its_power() -> None:
    plant = PlantDevice(
        {**SHOWN["generic-genset"], "phase": "stopped"}, follows={"run": "run_request", "power_kw": "setpoint_kw"}
    )
    async with running((device_spec("generic-genset"), plant)) as rig:
        await rig.first_reading()
        device = rig.device(GensetController)
        valid_until_s = rig.clock.monotonic_s() + 15.0

        device.set_run(run=True, valid_until_s=valid_until_s)
        device.set_power(1600.0, valid_until_s=valid_until_s)
        await rig.clock.run(2.0)
        plant.shown["phase"] = "running"
        await rig.clock.run(1.1)

        outcome, reading = device.outcome(), device.reading()
    assert plant.commanded("run") == [1.0]
    assert plant.commanded("power_kw") == [1600.0]
    assert outcome is not None
    assert outcome.outcome == "accepted"
    assert reading is not None
    assert reading.phase is GensetPhase.RUNNING


@pytest.mark.wire
async def test_a_run_request_is_verified_where_the_plant_does_not_show_it() -> None:
    plant = PlantDevice(SHOWN["generic-genset"])
    async with running((device_spec("generic-genset"), plant)) as rig:
        await rig.first_reading()
        device = rig.device(GensetController)

        device.set_run(run=False, valid_until_s=rig.clock.monotonic_s() + 15.0)
        await rig.clock.until(lambda: device.outcome() is not None)

        outcome = device.outcome()
    assert outcome is not None
    assert (outcome.outcome, outcome.detail) == ("accepted", "run: 0 read back")


@pytest.mark.wire
async def test_a_pv_block_takes_a_limit_with_function_6() -> None:
    plant = PlantDevice(SHOWN["generic-pv"], follows={"limit_kw": "limit_kw"})
    async with running((device_spec("generic-pv"), plant)) as rig:
        await rig.first_reading()
        device = rig.device(PvBlock)

        device.set_limit(999.97, valid_until_s=rig.clock.monotonic_s() + 15.0)
        await rig.clock.until(lambda: device.outcome() is not None)

        outcome = device.outcome()
    # toward zero: never more than asked
    assert plant.commanded("limit_kw") == [pytest.approx(999.9)]
    assert outcome is not None
    assert outcome.outcome == "accepted"


@pytest.mark.wire
async def test_the_watchdog_time_is_set_and_the_heartbeat_lasts_as_long_as_the_command() -> None:
    plant = pcs()
    async with running((device_spec("generic-pcs", watchdog_s=12.0), plant)) as rig:
        await rig.first_reading()
        idle = plant.commanded("heartbeat")

        rig.device(PcsDevice).set_power(100.0, valid_until_s=rig.clock.monotonic_s() + 8.0)
        await rig.clock.run(30.0)

    assert plant.commanded("watchdog_s") == [12.0]
    assert idle == []
    # once a second, from 0 to 7 s of a command that counts for 8 s
    assert plant.commanded("heartbeat") == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]


@pytest.mark.wire
async def test_a_device_in_local_control_refuses_commands_and_gets_no_heartbeat() -> None:
    plant = pcs(remote=False)
    async with running((device_spec("generic-pcs"), plant)) as rig:
        await rig.first_reading()
        device = rig.device(PcsDevice)

        device.set_power(100.0, valid_until_s=rig.clock.monotonic_s() + 15.0)
        outcome = device.outcome()
        await rig.clock.run(5.0)

    assert outcome is not None
    assert (outcome.outcome, outcome.detail) == ("refused", "power_kw: local control at the device")
    assert plant.commanded("power_kw") == []
    assert plant.commanded("heartbeat") == []


@pytest.mark.wire
async def test_a_command_that_the_device_refuses_is_refused() -> None:
    plant = pcs()
    plant.refused.add("power_kw")
    async with running((device_spec("generic-pcs"), plant)) as rig:
        await rig.first_reading()
        device = rig.device(PcsDevice)

        device.set_power(100.0, valid_until_s=rig.clock.monotonic_s() + 15.0)
        await rig.clock.until(lambda: device.outcome() is not None)

        outcome = device.outcome()
    assert outcome is not None
    assert (outcome.outcome, outcome.detail) == ("refused", "power_kw: exception 3 (value not allowed)")


@pytest.mark.wire
async def test_a_command_that_the_device_acknowledges_but_ignores_has_failed() -> None:
    plant = pcs()
    plant.follows.clear()
    async with running((device_spec("generic-pcs"), plant)) as rig:
        await rig.first_reading()
        device = rig.device(PcsDevice)

        device.set_power(100.0, valid_until_s=rig.clock.monotonic_s() + 15.0)
        took_s = await rig.clock.until(lambda: device.outcome() is not None)

        outcome = device.outcome()
    assert outcome is not None
    assert (outcome.outcome, outcome.detail) == ("failed", "power_kw: 100 written, 500 read back")
    # two polls later, not before
    assert 2.0 <= took_s <= 3.5


@pytest.mark.wire
async def test_a_power_beyond_the_nameplate_never_becomes_a_reading() -> None:
    plant = pcs(power_kw=3000.5)
    async with running((device_spec("generic-pcs"), plant)) as rig:
        await rig.first_reading()

        reading = rig.devices[1].reading()
    assert isinstance(reading, PcsReading)
    assert reading.power_kw is None
    assert reading.bad == {"power_kw": "3000.5 kW is above 150% of the rated 2000 kW"}
    assert reading.setpoint_kw == 500.0


@pytest.mark.wire
async def test_the_rating_of_the_device_counts_before_that_of_its_asset() -> None:
    plant = pcs(power_kw=3000.5)
    async with running((device_spec("generic-pcs", rated_kw=2500.0), plant)) as rig:
        await rig.first_reading()

        reading = rig.devices[1].reading()
    assert isinstance(reading, PcsReading)
    assert reading.power_kw == 3000.5


@pytest.mark.wire
async def test_pv_with_the_wrong_sign_is_bad_with_a_hint() -> None:
    plant = PlantDevice({**SHOWN["generic-pv"], "power_kw": -1800.0})
    async with running((device_spec("generic-pv"), plant)) as rig:
        await rig.first_reading()

        reading = rig.devices[1].reading()
    assert reading is not None
    assert "check the sign in the register map" in reading.bad["power_kw"]
