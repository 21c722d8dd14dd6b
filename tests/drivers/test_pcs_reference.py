"""The converter of the reference: what its bits mean, limits that it says in A, writes of one register, EMS timeout."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import pytest

from drivers.battery.limits import complete
from drivers.device.values import Value
from drivers.modbus.link import ModbusLink
from drivers.modbus.mapfile import load_map
from ems.errors import ConfigError
from ems.model.readings import PcsReading
from ems.model.setpoints import Outcome
from ems.ports import Clock, LimitsPower, Reverts, SetsPower, WearsOut, Withholds
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import LINK, Rig, build, device_spec, link_spec, pcs, running

MAP = "pcs-reference"
LIMITS: dict[str, Value] = {"dc_voltage_v": 1200.0, "max_charge_a": 500.0, "max_discharge_a": 250.0}


def reading_of(rig: Rig) -> PcsReading:
    reading = rig.devices[1].reading()
    assert isinstance(reading, PcsReading)
    return reading


def completed(**values: Value | None) -> tuple[dict[str, Value | None], dict[str, str]]:
    shown: dict[str, Value | None] = dict(values)
    bad: dict[str, str] = {}
    complete(shown, bad, 1000.0)
    return shown, bad


def test_limits_in_a_are_powers_at_the_present_voltage() -> None:
    shown, bad = completed(**LIMITS)

    assert (shown["max_charge_kw"], shown["max_discharge_kw"], bad) == (600.0, 300.0, {})


def test_a_limit_in_kw_goes_before_one_in_a_and_without_voltage_nothing_is_known() -> None:
    given, _ = completed(**{**LIMITS, "max_charge_kw": 100.0})
    silent, _ = completed(max_charge_a=500.0)

    assert given["max_charge_kw"] == 100.0
    assert "max_charge_kw" not in silent


def test_an_unknown_voltage_says_why_the_limits_are_unknown() -> None:
    shown: dict[str, Value | None] = {**LIMITS, "dc_voltage_v": None}
    bad = {"dc_voltage_v": "2500 is outside 0..2000"}

    complete(shown, bad, 1000.0)

    assert bad["max_charge_kw"] == bad["max_discharge_kw"] == "2500 is outside 0..2000"


@pytest.mark.wire
@pytest.mark.parametrize("forming", [True, False])
async def test_state_power_and_limits_are_read(*, forming: bool) -> None:
    plant = pcs(power_kw=-432.1, forming=forming, warnings=(), faults=(), **LIMITS)
    async with running((device_spec(MAP), plant)) as rig:
        await rig.first_reading()
        reading = reading_of(rig)

    assert (reading.forming, reading.ready, reading.remote) == (forming, True, None)
    assert reading.power_kw == pytest.approx(-432.1)
    assert (reading.max_charge_kw, reading.max_discharge_kw) == (600.0, 300.0)
    assert (reading.warnings, reading.faults, reading.bad) == ((), (), {})


@pytest.mark.wire
async def test_alarms_of_several_registers_come_as_one_list_of_each_priority() -> None:
    plant = pcs(warnings=("EMS communication timeout",), faults=("fan", "DC input voltage low"), **LIMITS)
    async with running((device_spec(MAP), plant)) as rig:
        await rig.first_reading()
        reading = reading_of(rig)

    assert reading.warnings == ("EMS communication timeout",)
    assert reading.faults == ("fan", "DC input voltage low")


@pytest.mark.wire
async def test_a_setpoint_is_one_register_of_tenths_and_held_to_the_limits_of_the_device() -> None:
    plant = pcs(power_kw=0.0, setpoint_kw=0.0, warnings=(), faults=(), **LIMITS)
    async with running((device_spec(MAP), plant)) as rig:
        await rig.first_reading()
        device = rig.devices[1]
        assert isinstance(device, SetsPower)
        assert isinstance(device, LimitsPower)
        device.set_power(-700.0, valid_until_s=rig.clock.monotonic_s() + 30.0)
        await rig.clock.run(4.0)
        outcome = device.outcome()

    assert plant.commanded("power_kw")[-1] == -600.0
    assert outcome is not None
    assert outcome.outcome is Outcome.ACCEPTED
    assert load_map(MAP, ()).commands["power_kw"].function == 6


@pytest.mark.wire
async def test_the_ems_timeout_of_the_device_is_set_and_counts_as_armed() -> None:
    plant = pcs(warnings=(), faults=(), **LIMITS)
    async with running((device_spec(MAP, watchdog_s=30.0), plant)) as rig:
        await rig.first_reading()
        await rig.clock.run(3.0)
        device = rig.devices[1]
        assert isinstance(device, Reverts)
        reading = reading_of(rig)

    assert plant.commanded("watchdog_s") == [30.0]
    assert reading.fallback_armed is True


@pytest.mark.wire
async def test_the_ems_timeout_is_set_within_its_budget_over_restarts_of_the_device_and_of_the_daemon() -> None:
    plant = pcs(power_kw=0.0, setpoint_kw=0.0, warnings=(), faults=(), **LIMITS)

    def earlier(clock: Clock) -> Mapping[str, Sequence[datetime]]:
        return {"watchdog_s": [clock.utc() - timedelta(hours=1)] * 22}

    async with running((device_spec(MAP, watchdog_s=30.0), plant), earlier=earlier) as rig:
        await rig.first_reading()
        device = rig.devices[1]
        assert isinstance(device, WearsOut)
        assert isinstance(device, Withholds)
        counts = [len(device.written_s()["watchdog_s"])]
        for _ in range(3):
            await rig.fail(refuse=True)
            await rig.clock.run(5.0)
            # the device forgets the time whenever it starts
            rig.restart()
            await rig.heal()
            await rig.clock.run(60.0)
            counts.append(len(device.written_s()["watchdog_s"]))
        refusal = device.withheld()

    assert counts == [23, 24, 24, 24]
    assert plant.commanded("watchdog_s") == [30.0, 30.0]
    assert refusal is not None
    assert "the 24 writes of a day are used up" in refusal


@pytest.mark.wire
async def test_a_setpoint_that_nobody_renews_is_taken_back_because_polls_keep_the_device_content() -> None:
    plant = pcs(power_kw=0.0, setpoint_kw=0.0, warnings=(), faults=(), **LIMITS)
    async with running((device_spec(MAP), plant)) as rig:
        await rig.first_reading()
        device = rig.devices[1]
        assert isinstance(device, SetsPower)
        device.set_power(200.0, valid_until_s=rig.clock.monotonic_s() + 4.0)
        await rig.clock.run(3.0)
        while_valid = plant.commanded("power_kw")
        await rig.clock.run(20.0)
        outcome = device.outcome()

    assert while_valid == [200.0]
    assert plant.commanded("power_kw") == [200.0, 0.0]
    assert outcome is not None
    assert outcome.outcome is Outcome.ACCEPTED
    assert "no command counts any more" in outcome.detail


@pytest.mark.wire
async def test_a_setpoint_is_taken_back_along_the_ramp_and_a_new_one_ends_that() -> None:
    plant = pcs(power_kw=0.0, setpoint_kw=0.0, warnings=(), faults=(), **LIMITS)
    async with running((device_spec(MAP, ramp_frac_per_s=0.05), plant)) as rig:
        await rig.first_reading()
        device = rig.devices[1]
        assert isinstance(device, SetsPower)
        device.set_power(300.0, valid_until_s=rig.clock.monotonic_s() + 5.5)
        await rig.clock.run(8.0)
        on_the_way = plant.commanded("power_kw")
        device.set_power(250.0, valid_until_s=rig.clock.monotonic_s() + 30.0)
        await rig.clock.run(6.0)

    # 5 % of 2000 kW a poll
    assert on_the_way[:4] == [100.0, 200.0, 300.0, 200.0]
    assert plant.commanded("power_kw")[-1] == 250.0


def test_polls_that_are_too_rare_to_keep_the_device_content_are_refused() -> None:
    clock = SteppedClock()
    links = {LINK: ModbusLink(link_spec(1), clock=clock)}

    with pytest.raises(ConfigError) as refused:
        build(device_spec(MAP, fast_s=5.0, watchdog_s=12.0), clock=clock, links=links)

    (problem,) = refused.value.problems
    assert (problem.key, problem.allowed) == ("device 'dev1'.watchdog_s", "at least 15 s, or a shorter fast_s")
