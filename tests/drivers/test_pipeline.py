"""From what control asks for to what a device is told: narrowed, ramped, armed, and only to the right device."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from drivers.battery.pcs import PcsDevice
from drivers.modbus.mapfile import SHIPPED
from drivers.pv.block import PvBlock
from ems.model.readings import PcsReading, PvReading
from ems.model.setpoints import WriteOutcome
from tests.drivers.rig import RATED_KW, PlantDevice, Rig, device_spec, pcs, running

pytestmark = pytest.mark.wire


def outcome_of(rig: Rig) -> WriteOutcome:
    outcome = rig.device(PcsDevice).outcome()
    assert outcome is not None
    return outcome


def ask(rig: Rig, power_kw: float, *, valid_s: float = 15.0) -> None:
    rig.device(PcsDevice).set_power(power_kw, valid_until_s=rig.clock.monotonic_s() + valid_s)


def limited_pcs_map(home: Path) -> str:
    """Write a map whose PCS says what it may charge and discharge now, and return its name."""
    text = (SHIPPED / "generic-pcs.toml").read_text(encoding="utf-8").replace("generic-pcs", "limited-pcs")
    text = text.replace("count = 10", "count = 12")
    for name, register in (("max_charge_kw", 109), ("max_discharge_kw", 110)):
        text += f'\n[points.{name}]\nat = "input:{register}"\ntype = "uint16"\ninvalid = [0xFFFF]\n'
    (home / "limited-pcs.toml").write_text(text, encoding="utf-8")
    return "limited-pcs"


async def test_a_setpoint_above_the_nameplate_is_narrowed_and_both_values_are_told() -> None:
    async with running((device_spec("generic-pcs"), plant := pcs())) as rig:
        await rig.first_reading()

        ask(rig, RATED_KW + 500.0)
        await rig.clock.run(2.0)

        outcome = outcome_of(rig)
    assert plant.commanded("power_kw") == [RATED_KW]
    assert (outcome.outcome, outcome.written_kw) == ("accepted", RATED_KW)
    assert outcome.detail == "power_kw: 2000 read back (2500 asked, the nameplate allows less)"


async def test_a_limit_that_shrinks_narrows_the_setpoint_in_force_without_a_new_command(tmp_path: Path) -> None:
    spec = device_spec(limited_pcs_map(tmp_path), driver="battery.pcs")
    plant = pcs(max_charge_kw=1500.0, max_discharge_kw=1500.0)
    async with running((spec, plant), maps=[tmp_path]) as rig:
        await rig.first_reading()
        ask(rig, 1200.0)
        await rig.clock.run(2.0)

        plant.shown["max_discharge_kw"] = 300.0
        await rig.clock.run(2.5)

        outcome = outcome_of(rig)
    assert plant.commanded("power_kw") == [1200.0, 300.0]
    assert outcome.detail == "power_kw: 300 read back (1200 asked, the device allows less)"


async def test_a_limit_that_the_device_does_not_tell_now_allows_nothing_in_its_direction(tmp_path: Path) -> None:
    spec = device_spec(limited_pcs_map(tmp_path), driver="battery.pcs")
    plant = pcs(max_charge_kw=1500.0, max_discharge_kw=None)
    async with running((spec, plant), maps=[tmp_path]) as rig:
        await rig.first_reading()

        limits = rig.device(PcsDevice).power_limits()

    assert (limits.lowest_kw, limits.highest_kw) == (-1500.0, 0.0)


async def test_a_ramped_setpoint_goes_up_step_by_step_and_each_step_is_read_back_first() -> None:
    plant = pcs(setpoint_kw=0.0)
    async with running((device_spec("generic-pcs", ramp_frac_per_s=0.1), plant)) as rig:
        await rig.first_reading()

        ask(rig, 500.0)
        await rig.clock.run(1.5)
        under_way = outcome_of(rig)
        await rig.clock.run(4.0)

        arrived = outcome_of(rig)
    assert plant.commanded("power_kw") == [200.0, 400.0, 500.0]
    assert under_way.detail == "power_kw: 200 read back (on the ramp to 500)"
    assert arrived.detail == "power_kw: 500 read back"


async def test_a_ramp_ends_with_the_command_that_asked_for_it() -> None:
    plant = pcs(setpoint_kw=0.0)
    async with running((device_spec("generic-pcs", ramp_frac_per_s=0.05), plant)) as rig:
        await rig.first_reading()

        ask(rig, 1000.0, valid_s=3.5)
        await rig.clock.run(10.0)

    # steps of 100 kW at 0, 1, 2 and 3 s
    assert plant.commanded("power_kw") == [100.0, 200.0, 300.0, 400.0]


async def test_a_device_that_is_not_armed_is_not_commanded_and_is_armed_again() -> None:
    plant = pcs(fallback_armed=False)
    async with running((device_spec("generic-pcs"), plant)) as rig:
        await rig.first_reading()

        ask(rig, 100.0)
        await rig.clock.run(3.5)
        refused = outcome_of(rig)
        fallback = rig.device(PcsDevice).fallback()
        await rig.clock.run(20.0)
        commanded = plant.commanded("power_kw") + plant.commanded("heartbeat")
        plant.shown["fallback_armed"] = True
        await rig.clock.run(1.5)
        ask(rig, 100.0)
        await rig.clock.run(2.0)

        outcome = outcome_of(rig)
    assert refused.detail == "power_kw: its fall-back for a silent controller is not armed"
    assert (fallback.armed, fallback.after_s) == (False, 12.0)
    assert commanded == []
    assert outcome.outcome == "accepted"


async def test_a_setpoint_for_a_device_that_shows_a_moment_late_that_it_is_armed_waits_for_it() -> None:
    plant = pcs(fallback_armed=False)
    async with running((device_spec("generic-pcs"), plant)) as rig:
        await rig.first_reading()

        ask(rig, 100.0)
        await rig.clock.run(0.5)
        too_early = (plant.commanded("power_kw"), rig.device(PcsDevice).outcome())
        plant.shown["fallback_armed"] = True
        await rig.clock.run(2.5)

        outcome = outcome_of(rig)
    assert too_early == ([], None)
    assert plant.commanded("power_kw") == [100.0]
    assert outcome.outcome == "accepted"


async def test_a_watchdog_that_the_device_forgets_without_a_reconnect_is_set_again() -> None:
    bank_forgets = pcs()
    async with running((device_spec("generic-pcs"), bank_forgets)) as rig:
        await rig.first_reading()
        set_first = list(bank_forgets.commanded("watchdog_s"))

        bank_forgets.shown["fallback_armed"] = False
        rig.restart()
        await rig.clock.run(15.0)

    assert set_first == [12.0]
    assert bank_forgets.commanded("watchdog_s")[1:] != []


async def test_a_map_without_the_bit_shows_the_watchdog_time_that_was_read_back_as_armed() -> None:
    plant = PlantDevice({"power_kw": 1800.0, "available_kw": 1950.5, "limit_kw": 1800.0, "energy_wh": 12})
    async with running((device_spec("generic-pv"), plant)) as rig:
        await rig.first_reading()
        armed = rig.devices[1].reading()
        fallback = rig.device(PvBlock).fallback()

        plant.refused.add("watchdog_s")
        rig.restart()
        await rig.fail(refuse=True)
        await rig.heal()
        await rig.clock.run(5.0)
        loose = rig.devices[1].reading()

    assert isinstance(armed, PvReading)
    assert armed.fallback_armed is True
    assert fallback.armed is True
    assert isinstance(loose, PvReading)
    assert loose.fallback_armed is False


async def test_the_device_that_was_confirmed_before_a_restart_is_the_right_one() -> None:
    known = {"manufacturer": "Maker", "model": "M1", "serial": "S-0000"}
    plant = pcs()
    async with running((device_spec("generic-pcs"), plant), known=known) as rig:
        await rig.first_reading()
        device = rig.device(PcsDevice)
        trouble, written = device.trouble(), list(plant.commands)

        found = device.identity()
        assert found is not None
        device.confirm(found)
        await rig.clock.run(2.0)
        ask(rig, 100.0)
        await rig.clock.run(2.0)

        outcome = outcome_of(rig)
    assert trouble is not None
    assert trouble.endswith("serial 'S-0000' is now 'S-0001'")
    # nothing at all is written to a stranger, its watchdog included
    assert written == []
    assert plant.commanded("watchdog_s") == [12.0]
    assert outcome.outcome == "accepted"


async def test_a_text_that_was_not_known_before_makes_no_stranger() -> None:
    known: Mapping[str, str] = {"serial": "S-0001"}
    async with running((device_spec("generic-pcs"), pcs()), known=known) as rig:
        await rig.first_reading()

        trouble = rig.device(PcsDevice).trouble()

    assert trouble is None


async def test_after_a_disconnect_the_setpoint_in_force_is_asserted_again_over_the_fall_back_of_the_device() -> None:
    plant = pcs()
    async with running((device_spec("generic-pcs"), plant)) as rig:
        await rig.first_reading()
        ask(rig, 700.0, valid_s=60.0)
        await rig.clock.run(2.0)

        await rig.fail(refuse=True)
        plant.shown["setpoint_kw"] = 0.0
        await rig.clock.run(5.0)
        await rig.heal()
        await rig.clock.run(6.0)

        reading = rig.devices[1].reading()
    assert plant.commanded("power_kw")[-1] == 700.0
    assert 0.0 not in plant.commanded("power_kw")
    assert isinstance(reading, PcsReading)
    assert reading.setpoint_kw == 700.0


async def test_a_setpoint_stands_for_its_least_time_and_then_the_newest_one_is_written() -> None:
    plant = pcs()
    async with running((device_spec("generic-pcs", setpoint_every_s=10.0), plant)) as rig:
        await rig.first_reading()
        ask(rig, 300.0)
        await rig.clock.run(2.0)

        for power_kw in (310.0, 320.0, 330.0):
            ask(rig, power_kw)
            await rig.clock.run(2.0)
        held = outcome_of(rig)
        limits = rig.device(PcsDevice).power_limits()
        within = plant.commanded("power_kw")
        await rig.clock.run(4.0)

    # what control compares the measured power with is what was written, not what it asked for
    assert (held.outcome, held.written_kw) == ("accepted", 300.0)
    assert held.detail == "power_kw: 300 stands (330 asked, a setpoint stands for 10 s)"
    assert (limits.lowest_kw, limits.highest_kw) == (300.0, 300.0)
    # renewed against the watchdog, and not changed
    assert set(within) == {300.0}
    assert plant.commanded("power_kw")[-1] == 330.0


async def test_zero_and_a_limit_that_shrinks_do_not_wait_for_the_least_time(tmp_path: Path) -> None:
    spec = device_spec(limited_pcs_map(tmp_path), driver="battery.pcs", setpoint_every_s=600.0)
    plant = pcs(max_charge_kw=1500.0, max_discharge_kw=1500.0)
    async with running((spec, plant), maps=[tmp_path]) as rig:
        await rig.first_reading()
        ask(rig, 1200.0)
        await rig.clock.run(2.0)

        plant.shown["max_discharge_kw"] = 300.0
        await rig.clock.run(2.5)
        ask(rig, 0.0)
        await rig.clock.run(2.0)
        ask(rig, 100.0)
        await rig.clock.run(2.0)

    assert plant.commanded("power_kw") == [1200.0, 300.0, 0.0]


async def test_a_person_who_commands_by_hand_need_not_wait() -> None:
    plant = pcs()
    async with running((device_spec("generic-pcs", setpoint_every_s=600.0, by_hand=True), plant)) as rig:
        await rig.first_reading()
        for power_kw in (300.0, 310.0):
            ask(rig, power_kw)
            await rig.clock.run(2.0)

    assert plant.commanded("power_kw") == [300.0, 310.0]


class TrippedPcs(PlantDevice):
    """A PCS that stands still until it is started."""

    def __init__(self, *, starts: bool = True) -> None:
        super().__init__(pcs(ready=False, power_kw=0.0, setpoint_kw=0.0).shown)
        self.starts = starts

    def command(self, name: str, value: float) -> bool:
        if name == "energise" and self.starts:
            self.shown["ready"] = True
        return super().command(name, value)


@pytest.mark.parametrize("map_", ["generic-pcs", "pcs-reference"])
async def test_a_pcs_is_started_once_and_again_after_another_trip(map_: str) -> None:
    plant = TrippedPcs()
    spec = device_spec(map_, driver="battery.pcs")
    async with running((spec, plant)) as rig:
        await rig.first_reading()
        device = rig.device(PcsDevice)

        for _ in range(3):
            device.energise(valid_until_s=rig.clock.monotonic_s() + 5.0)
            await rig.clock.run(1.0)
        outcome = outcome_of(rig)
        once = plant.commanded("energise")
        await rig.clock.run(10.0)
        plant.shown["ready"] = False
        await rig.clock.run(2.0)
        device.energise(valid_until_s=rig.clock.monotonic_s() + 5.0)
        await rig.clock.run(2.0)

    assert device.has_start
    assert (outcome.outcome, outcome.detail.split(":")[0]) == ("accepted", "energise")
    assert once == [1.0]
    assert plant.commanded("energise") == [1.0, 1.0]


async def test_a_start_that_the_pcs_does_not_show_has_failed() -> None:
    plant = TrippedPcs(starts=False)
    async with running((device_spec("generic-pcs"), plant)) as rig:
        await rig.first_reading()
        for _ in range(20):
            rig.device(PcsDevice).energise(valid_until_s=rig.clock.monotonic_s() + 5.0)
            await rig.clock.run(1.0)
        outcome = outcome_of(rig)

    assert (outcome.outcome, outcome.detail) == ("failed", "energise: true acknowledged, not shown in 15 s")


async def test_a_pcs_whose_map_has_no_start_is_not_started(tmp_path: Path) -> None:
    text = (SHIPPED / "generic-pcs.toml").read_text(encoding="utf-8")
    start = text[text.index("[actions.start]") : text.index("[heartbeat]")]
    (tmp_path / "plain-pcs.toml").write_text(text.replace(start, "").replace('"generic-pcs"', '"plain-pcs"'))
    plant = TrippedPcs()
    async with running((device_spec("plain-pcs", driver="battery.pcs"), plant), maps=[tmp_path]) as rig:
        await rig.first_reading()
        device = rig.device(PcsDevice)
        device.energise(valid_until_s=rig.clock.monotonic_s() + 5.0)
        await rig.clock.run(2.0)

    assert not device.has_start
    assert plant.commanded("energise") == []
