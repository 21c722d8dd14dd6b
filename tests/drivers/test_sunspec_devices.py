"""SunSpec devices through their entry points, against a twin with layouts and encoding of its own."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from drivers.modbus.link import ModbusLink
from drivers.modbus.sunspec.families import SunSpecBms, SunSpecPcs, SunSpecPv
from drivers.modbus.sunspec.meter import SunSpecLoadMeter, SunSpecPccMeter
from drivers.sim.wire.faults import NO_FAULTS, Faults
from drivers.sim.wire.framing import ExceptionCode
from drivers.sim.wire.server import WireServer
from drivers.sim.wire.sunspec.bank import SunSpecBank
from drivers.sim.wire.sunspec.encoding import Shown
from ems.errors import ConfigError
from ems.model.device import DeviceSpec, ModelFamily, SunSpecSpec
from ems.model.setpoints import Outcome
from ems.ports import Commanded, Curtails, Device, SetsPower
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import (
    LINK,
    RATED_KW,
    PlantDevice,
    Rig,
    Value,
    background,
    build,
    device_spec,
    link_spec,
    meter,
    pcs,
    running,
)

OLD, DER = SunSpecSpec(family=ModelFamily.OLD), SunSpecSpec(family=ModelFamily.DER)
BOTH = pytest.mark.parametrize("sunspec", [OLD, DER], ids=["100", "700"])
BATTERY: Mapping[str, Value] = {
    "soc_pct": 63.4,
    "soh_pct": 97.5,
    "max_charge_kw": 1500.0,
    "max_discharge_kw": 1450.0,
    "cell_max_degc": 31.5,
    "cell_min_degc": -2.5,
    "cell_max_v": 3.41,
    "cell_min_v": 3.355,
    "alarm": True,
}
WATCHDOG_S = 12.0


def spec(driver: str, sunspec: SunSpecSpec | None = None, **changes: Any) -> DeviceSpec:  # values of any field
    return device_spec("", driver=driver, map=None, sunspec=sunspec or SunSpecSpec(), **changes)


def pv(**values: Value) -> PlantDevice:
    """Return a PV block that follows its limit."""
    shown: dict[str, Value] = {
        "power_kw": 1400.0,
        "available_kw": 1400.0,
        "limit_kw": RATED_KW,
        "energy_wh": 12_345_000,
    }
    return PlantDevice({**shown, **values}, follows={"limit_kw": "limit_kw"})


def fields_of(device: Device, *names: str) -> dict[str, object]:
    reading = device.reading()
    assert reading is not None
    return {name: getattr(reading, name) for name in names}


@pytest.mark.wire
@BOTH
async def test_a_pv_inverter_gives_the_reading_that_the_plant_shows(sunspec: SunSpecSpec) -> None:
    async with running((spec("sunspec.pv", sunspec), pv())) as rig:
        await rig.first_reading()
        device = rig.device(SunSpecPv)

        names = ("power_kw", "available_kw", "limit_kw", "rated_kw", "energy_wh", "fallback_armed", "bad")
        shown = fields_of(device, *names)

        assert shown == {
            "power_kw": 1400.0,
            "available_kw": 1400.0,
            "limit_kw": RATED_KW,
            "rated_kw": RATED_KW,
            "energy_wh": 12_345_000,
            "fallback_armed": True,
            "bad": {},
        }
        assert device.trouble() is None
        assert device.identity() == {"manufacturer": "Maker", "model": "M1", "serial": "S-0001", "firmware": "1.0"}


@pytest.mark.wire
@pytest.mark.parametrize("power_kw", [800.0, -650.0])
async def test_a_converter_gives_its_reading_with_charging_below_zero(power_kw: float) -> None:
    async with running((spec("sunspec.storage"), pcs(power_kw=power_kw))) as rig:
        await rig.first_reading()
        device = rig.device(SunSpecPcs)

        names = ("power_kw", "setpoint_kw", "forming", "ready", "remote", "fallback_armed", "frequency_hz")
        assert fields_of(device, *names, "discharge_wh", "charge_wh", "bad") == {
            "power_kw": power_kw,
            "setpoint_kw": None,
            "forming": True,
            "ready": True,
            "remote": True,
            "fallback_armed": True,
            "frequency_hz": 50.0,
            "discharge_wh": 9_876_543_210_123,
            "charge_wh": 42,
            "bad": {},
        }


@pytest.mark.wire
async def test_a_battery_gives_its_reading() -> None:
    async with running((spec("sunspec.storage", SunSpecSpec(shows="bms")), PlantDevice(BATTERY))) as rig:
        await rig.first_reading()
        device = rig.device(SunSpecBms)

        shown = fields_of(device, *BATTERY)

    assert shown == {
        name: pytest.approx(value) if isinstance(value, float) else value for name, value in BATTERY.items()
    }
    assert not isinstance(device, Commanded)


@pytest.mark.wire
@pytest.mark.parametrize("sign", [1, -1])
async def test_a_load_meter_shows_its_load_whichever_way_it_counts(sign: int) -> None:
    async with running((spec("sunspec.meter", SunSpecSpec(power_sign=sign)), meter(850.0))) as rig:
        await rig.first_reading()

        shown = fields_of(rig.device(SunSpecLoadMeter), "load_kw", "load_max_kw", "energy_wh", "bad")

    assert shown == {"load_kw": 850.0, "load_max_kw": None, "energy_wh": 123_456_789, "bad": {}}


@pytest.mark.wire
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("power_kw", [900.0, -900.0])
async def test_a_pcc_meter_shows_import_as_positive_whichever_way_it_counts(sign: int, power_kw: float) -> None:
    sunspec = SunSpecSpec(shows="pcc_meter", power_sign=sign, separate_breaker=False, nominal_v=400.0)
    plant = PlantDevice(
        {
            "power_kw": power_kw,
            "grid_voltage_frac": 1.01,
            "frequency_hz": 50.01,
            "import_wh": 3_000_000,
            "export_wh": 4_000,
        }
    )
    async with running((spec("sunspec.meter", sunspec), plant)) as rig:
        await rig.first_reading()

        names = ("power_kw", "breaker_closed", "grid_voltage_frac", "bus_voltage_frac", "frequency_hz")
        shown = fields_of(rig.device(SunSpecPccMeter), *names, "import_wh", "export_wh", "bad")

    assert shown == {
        "power_kw": power_kw,
        "breaker_closed": True,
        "grid_voltage_frac": 1.01,
        "bus_voltage_frac": 1.01,
        "frequency_hz": 50.01,
        "import_wh": 3_000_000,
        "export_wh": 4_000,
        "bad": {},
    }


@pytest.mark.wire
async def test_a_breaker_that_the_meter_does_not_read_is_unknown_with_the_reason() -> None:
    sunspec = SunSpecSpec(shows="pcc_meter", power_sign=1)
    async with running((spec("sunspec.meter", sunspec), PlantDevice({"power_kw": 1.0}))) as rig:
        await rig.first_reading()

        reading = rig.device(SunSpecPccMeter).reading()

    assert reading is not None
    assert reading.breaker_closed is None
    assert reading.bad["breaker_closed"] == "a SunSpec meter reads no breaker"


@pytest.mark.parametrize(
    ("driver", "sunspec", "key", "allowed"),
    [
        ("sunspec.meter", SunSpecSpec(), "sunspec.power_sign", "into_bus or out_of_bus"),
        ("sunspec.meter", SunSpecSpec(power_sign=1, shows="bms"), "sunspec.shows", "load_meter or pcc_meter"),
        ("sunspec.storage", SunSpecSpec(shows="pcc_meter"), "sunspec.shows", "pcs or bms"),
        ("sunspec.pv", SunSpecSpec(shows="bms"), "sunspec.shows", "leave the key out"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(
    driver: str, sunspec: SunSpecSpec, key: str, allowed: str
) -> None:
    clock = SteppedClock()
    links = {LINK: ModbusLink(link_spec(1), clock=clock)}

    with pytest.raises(ConfigError) as refused:
        build(spec(driver, sunspec), clock=clock, links=links)

    (problem,) = refused.value.problems
    assert problem.key == f"device 'dev1'.{key}"
    assert problem.allowed is not None
    assert problem.allowed.startswith(allowed)


def limit(rig: Rig, limit_kw: float) -> None:
    rig.device(SunSpecPv).set_limit(limit_kw, valid_until_s=rig.clock.monotonic_s() + 5.0)


async def keep(rig: Rig, limit_kw: float, duration_s: float) -> None:
    """Renew a limit each second, as control does."""
    for _ in range(round(duration_s)):
        limit(rig, limit_kw)
        await rig.clock.run(1.0)


@pytest.mark.wire
@BOTH
async def test_a_limit_is_written_in_percent_rounded_down_and_read_back(sunspec: SunSpecSpec) -> None:
    plant = pv()
    async with running((spec("sunspec.pv", sunspec), plant)) as rig:
        await rig.first_reading()
        limit(rig, 1234.567)
        await rig.clock.run(3.0)
        device = rig.device(SunSpecPv)

        outcome = device.outcome()

        # 2000 kW in steps of 0.01 % are steps of 0.2 kW
        assert plant.commanded("limit_kw")[-1] == pytest.approx(1234.4)
        assert outcome is not None
        assert outcome.outcome is Outcome.ACCEPTED
        assert outcome.written_kw == pytest.approx(1234.4)
        assert fields_of(device, "limit_kw") == {"limit_kw": pytest.approx(1234.4)}
        assert isinstance(device, Curtails)
        assert not isinstance(device, SetsPower)


@pytest.mark.wire
@BOTH
async def test_a_limit_that_is_renewed_outlives_its_timer_and_one_that_is_not_is_lifted_by_the_device(
    sunspec: SunSpecSpec,
) -> None:
    plant = pv()
    async with running((spec("sunspec.pv", sunspec), plant)) as rig:
        await rig.first_reading()
        await keep(rig, 1000.0, 3.0 * WATCHDOG_S)
        still = plant.shown["limit_kw"]

        # no renewal any more: control is dead, polling goes on
        await rig.clock.run(WATCHDOG_S + 6.0)

        assert still == 1000.0
        assert plant.shown["limit_kw"] == RATED_KW


@pytest.mark.wire
@BOTH
async def test_the_timer_is_refreshed_at_a_third_and_not_with_every_renewal(sunspec: SunSpecSpec) -> None:
    plant = pv()
    async with running((spec("sunspec.pv", sunspec), plant)) as rig:
        await rig.first_reading()
        await keep(rig, 1000.0, 24.0)

    # at once, then every 4 to 5 s of the 24 s
    assert 5 <= len(plant.commanded("limit_kw")) <= 7


@pytest.mark.wire
@BOTH
async def test_a_limit_of_the_whole_rating_releases_the_inverter(sunspec: SunSpecSpec) -> None:
    plant = pv()
    async with running((spec("sunspec.pv", sunspec), plant)) as rig:
        await rig.first_reading()
        await keep(rig, 1000.0, 3.0)
        await keep(rig, RATED_KW, 3.0)
        bank = rig.models()

        model, enable = (123, "WMaxLim_Ena") if sunspec is OLD else (704, "WMaxLimPctEna")
        shown = bank.shown(model)

        assert plant.shown["limit_kw"] == RATED_KW
        assert (shown[enable], shown["WMaxLimPct"]) == (0.0, 100.0)
        outcome = rig.device(SunSpecPv).outcome()
        assert outcome is not None
        assert outcome.outcome is Outcome.ACCEPTED


@pytest.mark.wire
@BOTH
async def test_a_scale_factor_that_changes_between_polls_and_before_a_write_is_honoured(sunspec: SunSpecSpec) -> None:
    plant = pv(power_kw=1000.0)
    async with running((spec("sunspec.pv", sunspec), plant)) as rig:
        await rig.first_reading()
        measured, control = (103, 123) if sunspec is OLD else (701, 704)
        rig.models().factors[measured, "W_SF"] = 4
        rig.models().factors[control, "WMaxLimPct_SF"] = 0
        await rig.clock.run(2.0)
        power = fields_of(rig.device(SunSpecPv), "power_kw")

        limit(rig, 1234.567)
        await rig.clock.run(2.0)

        assert power == {"power_kw": 1000.0}
        # whole percents of 2000 kW
        assert plant.commanded("limit_kw")[-1] == 1220.0


@pytest.mark.wire
async def test_a_power_is_written_with_its_fall_back_and_followed_in_both_directions() -> None:
    plant = pcs(power_kw=0.0)
    async with running((spec("sunspec.storage"), plant)) as rig:
        await rig.first_reading()
        device = rig.device(SunSpecPcs)
        shown = []
        for power_kw in (700.0, -333.3335):
            device.set_power(power_kw, valid_until_s=rig.clock.monotonic_s() + 5.0)
            await rig.clock.run(3.0)
            shown.append(fields_of(device, "setpoint_kw", "fallback_armed"))

        outcome = device.outcome()

        # toward zero, to a whole W
        assert plant.commanded("power_kw")[-1] == -333.333
        assert shown == [
            {"setpoint_kw": 700.0, "fallback_armed": True},
            {"setpoint_kw": -333.333, "fallback_armed": True},
        ]
        assert outcome is not None
        assert outcome.outcome is Outcome.ACCEPTED
        assert device.fallback().armed is True
        assert device.fallback().text == "When its revert timer runs out it goes to 0 kW."


@pytest.mark.wire
async def test_a_converter_goes_to_its_fall_back_power_when_control_goes_silent_and_obeys_again_later() -> None:
    plant = pcs(power_kw=0.0)
    async with running((spec("sunspec.storage", SunSpecSpec(fallback_kw=50.0)), plant)) as rig:
        await rig.first_reading()
        device = rig.device(SunSpecPcs)
        device.set_power(700.0, valid_until_s=rig.clock.monotonic_s() + 2.0)
        await rig.clock.run(WATCHDOG_S + 6.0)
        reverted = plant.commanded("power_kw")[-1]

        device.set_power(-100.0, valid_until_s=rig.clock.monotonic_s() + 2.0)
        await rig.clock.run(2.0)

        assert reverted == 50.0
        assert plant.commanded("power_kw")[-1] == -100.0
        assert device.trouble() is None


@pytest.mark.wire
async def test_the_heartbeat_counts_each_second_while_commands_count_and_stops_with_them() -> None:
    async with running((spec("sunspec.storage"), pcs())) as rig:
        await rig.first_reading()
        device, bank = rig.device(SunSpecPcs), rig.models()
        counts = []
        for _ in range(5):
            device.set_power(100.0, valid_until_s=rig.clock.monotonic_s() + 2.0)
            await rig.clock.run(1.0)
            counts.append(bank.shown(715)["ControllerHb"])
        await rig.clock.run(5.0)
        last = bank.shown(715)["ControllerHb"]
        await rig.clock.run(5.0)

        assert [int(float(count or 0.0)) for count in counts] == [1, 2, 3, 4, 5]
        assert bank.shown(715)["ControllerHb"] == last


@pytest.mark.wire
async def test_a_setpoint_is_narrowed_to_what_the_device_rates_itself() -> None:
    plant = pcs(power_kw=0.0)
    async with running((spec("sunspec.storage", rated_kw=RATED_KW / 2.0), plant)) as rig:
        await rig.first_reading()
        device = rig.device(SunSpecPcs)

        device.set_power(1500.0, valid_until_s=rig.clock.monotonic_s() + 5.0)
        await rig.clock.run(2.0)

        assert plant.commanded("power_kw")[-1] == 1000.0
        assert device.power_limits().highest_kw == 1000.0


@pytest.mark.wire
async def test_local_control_at_the_device_is_reported_and_commands_are_refused() -> None:
    plant = pcs(remote=False)
    async with running((spec("sunspec.storage"), plant)) as rig:
        await rig.first_reading()
        device = rig.device(SunSpecPcs)

        device.set_power(100.0, valid_until_s=rig.clock.monotonic_s() + 5.0)
        await rig.clock.run(2.0)

        outcome = device.outcome()
        assert fields_of(device, "remote") == {"remote": False}
        assert outcome is not None
        assert (outcome.outcome, outcome.detail) == (Outcome.REFUSED, "power_kw: local control at the device")
        assert plant.commanded("power_kw") == []


@pytest.mark.wire
async def test_another_device_at_the_address_is_read_but_neither_armed_nor_commanded() -> None:
    plant = pcs()
    known = {"manufacturer": "Maker", "model": "M1", "serial": "S-0000"}
    async with running((spec("sunspec.storage"), plant), known=known) as rig:
        await rig.first_reading()
        device = rig.device(SunSpecPcs)

        device.set_power(100.0, valid_until_s=rig.clock.monotonic_s() + 5.0)
        await rig.clock.run(2.0)

        assert "serial 'S-0000' is now 'S-0001'" in (device.trouble() or "")
        assert plant.commanded("power_kw") == []
        assert fields_of(device, "fallback_armed") == {"fallback_armed": False}


@pytest.mark.wire
async def test_a_device_that_loses_its_reversion_is_armed_again() -> None:
    async with running((spec("sunspec.storage"), pcs())) as rig:
        await rig.first_reading()
        device = rig.device(SunSpecPcs)
        rig.restart()
        await rig.clock.run(2.0)
        loose = device.withheld()

        took_s = await rig.clock.until(lambda: device.withheld() is None)

        assert loose == "its fall-back for a silent controller is not armed"
        assert took_s < 10.0


@pytest.mark.wire
@pytest.mark.parametrize(
    ("sunspec", "fault"),
    [
        (sunspec, fault)
        for sunspec in (OLD, DER)
        for fault in ({"zero": True}, {"sentinel": True}, {"mute": True}, {"exception_code": 4}, {"frozen": True})
        # the old models have no life counter: what is frozen there is suspected after a minute, as elsewhere
        if sunspec is DER or "frozen" not in fault
    ],
)
async def test_a_fault_is_noticed_and_leaves_no_trace(sunspec: SunSpecSpec, fault: dict[str, Any]) -> None:
    async with running((spec("sunspec.pv", sunspec), pv())) as rig:
        await rig.first_reading()
        device = rig.device(SunSpecPv)
        await rig.fail(**fault)
        await rig.clock.run(9.0)
        reading, trouble = device.reading(), device.trouble()

        await rig.heal()
        await rig.clock.run(10.0)

        assert reading is not None
        assert trouble is not None or reading.power_kw is None
        assert device.trouble() is None
        assert fields_of(device, "power_kw") == {"power_kw": 1400.0}


@asynccontextmanager
async def alone(sunspec: SunSpecSpec, bank: SunSpecBank, clock: SteppedClock) -> AsyncIterator[SunSpecPv]:
    """Serve one bank and run a PV driver on it."""
    async with WireServer("127.0.0.1", 0, units={1: bank}, clock=clock) as server:
        link = ModbusLink(link_spec(server.port), clock=clock)
        device = build(spec("sunspec.pv", sunspec), clock=clock, links={LINK: link})
        assert isinstance(device, SunSpecPv)
        async with background(link.run()):
            yield device


@pytest.mark.wire
@pytest.mark.parametrize("base", [40000, 0, 50000, 39999, 1])
async def test_a_device_is_found_at_every_base_address(base: int) -> None:
    clock = SteppedClock()
    bank = SunSpecBank(clock=clock, base=base)
    bank.add(spec("sunspec.pv", OLD), pv(), rated_kw=RATED_KW)
    async with alone(OLD, bank, clock) as device:
        await clock.until(lambda: device.reading() is not None)

        assert fields_of(device, "power_kw") == {"power_kw": 1400.0}


@pytest.mark.wire
async def test_a_base_address_that_is_configured_is_the_only_one_asked() -> None:
    clock = SteppedClock()
    bank = SunSpecBank(clock=clock, base=0)
    bank.add(spec("sunspec.pv", OLD), pv(), rated_kw=RATED_KW)
    async with alone(replace(OLD, base=40000), bank, clock) as device:
        await clock.run(5.0)

        assert device.reading() is None
        assert device.trouble() == "it is no SunSpec device (40000: exception 2 (no such register))"


@pytest.mark.wire
async def test_short_requests_give_the_same_reading() -> None:
    clock = SteppedClock()
    bank = SunSpecBank(clock=clock)
    bank.add(spec("sunspec.pv", DER), pv(), rated_kw=RATED_KW)
    async with alone(replace(DER, max_registers=20), bank, clock) as device:
        await clock.until(lambda: device.reading() is not None)

        shown = fields_of(device, "power_kw", "limit_kw", "energy_wh", "fallback_armed", "bad")
        assert shown == {
            "power_kw": 1400.0,
            "limit_kw": RATED_KW,
            "energy_wh": 12_345_000,
            "fallback_armed": True,
            "bad": {},
        }


class OnePointAtATime(SunSpecBank):
    """A device that takes no more than one point in a request."""

    n_refused = 0

    def write(
        self, function: int, register: int, words: tuple[int, ...], faults: Faults = NO_FAULTS
    ) -> ExceptionCode | None:
        if len(words) > 2:
            self.n_refused += 1
            return ExceptionCode.ADDRESS
        return super().write(function, register, words, faults)


@pytest.mark.wire
async def test_a_device_that_refuses_several_points_at_once_gets_them_one_by_one_enabling_last() -> None:
    clock, plant = SteppedClock(), pv()
    bank = OnePointAtATime(clock=clock)
    bank.add(spec("sunspec.pv", OLD), plant, rated_kw=RATED_KW)
    async with alone(OLD, bank, clock) as device:
        await clock.until(lambda: device.reading() is not None)
        for _ in range(3):
            device.set_limit(1000.0, valid_until_s=clock.monotonic_s() + 3.0)
            await clock.run(1.0)

        outcome = device.outcome()
        assert bank.n_refused == 1
        assert plant.commanded("limit_kw")[-1] == 1000.0
        # the limit took effect once, when it was enabled: nothing was in force before
        assert set(plant.commanded("limit_kw")) == {1000.0}
        assert outcome is not None
        assert outcome.outcome is Outcome.ACCEPTED


class WithoutTimer(SunSpecBank):
    """An inverter that has no revert timer."""

    def shown(self, model_id: int) -> Mapping[str, Shown]:
        return {name: value for name, value in super().shown(model_id).items() if "RvrtTms" not in name}

    def _values(self, model_id: int, faults: Faults) -> Mapping[str, Shown]:
        return {name: value for name, value in super()._values(model_id, faults).items() if "RvrtTms" not in name}


@pytest.mark.wire
async def test_an_inverter_without_revert_timer_is_read_but_not_commanded() -> None:
    clock, plant = SteppedClock(), pv()
    bank = WithoutTimer(clock=clock)
    bank.add(spec("sunspec.pv", OLD), plant, rated_kw=RATED_KW)
    async with alone(OLD, bank, clock) as device:
        await clock.until(lambda: device.reading() is not None)
        device.set_limit(1000.0, valid_until_s=clock.monotonic_s() + 3.0)
        await clock.run(2.0)

        reason = "it has no revert timer (123.WMaxLimPct_RvrtTms: not implemented by the device)"
        assert device.trouble() == reason
        assert plant.commanded("limit_kw") == []


@pytest.mark.wire
async def test_a_chain_that_moves_while_the_device_runs_is_walked_anew() -> None:
    clock = SteppedClock()
    bank = SunSpecBank(clock=clock)
    bank.add(spec("sunspec.pv", OLD), pv(), rated_kw=RATED_KW)
    async with alone(SunSpecSpec(), bank, clock) as device:
        await clock.until(lambda: device.reading() is not None)
        before = device.reading()
        # an update of the firmware brings the models of the other family, before those that it had
        bank.add(spec("sunspec.meter", SunSpecSpec(power_sign=1)), meter(1.0), rated_kw=RATED_KW)
        del bank._shows[120]

        await clock.run(3.0)

        after = device.reading()
        assert before is not None
        assert after is not None
        assert after.at_s > before.at_s + 1.0
        assert after.power_kw == 1400.0
        assert device.trouble() is None
