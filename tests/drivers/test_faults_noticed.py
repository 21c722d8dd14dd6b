"""Every fault of an endpoint for half a minute: noticed in time, never a value that is not true, gone by itself.

One table says what is expected of which fault. A device with a life counter is polled once per second beside another
one on a line of its own, which must not notice anything.
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from drivers.battery.bms import BmsDevice
from drivers.battery.pcs import PcsDevice
from drivers.modbus.link import ModbusLink
from drivers.modbus.mapfile import SHIPPED, load_map
from drivers.modbus.statistics import ErrorKind
from drivers.sim.wire.bank import RegisterBank
from drivers.sim.wire.faults import Faults
from drivers.sim.wire.server import WireServer
from ems.model.device import Framing
from ems.model.setpoints import Outcome
from ems.ports import Device
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import LINK, PlantDevice, background, build, device_spec, link_spec, meter, pcs, running

TRUE_KW = 500.0
PERIOD_S = 1.0
# what control calls stale, and how soon a fault must be noticed: three polls
STALE_S = 3.0 * PERIOD_S
THREE_POLLS_S = 3.0 * PERIOD_S
RECOVERY_S = 10.0
# between two looks at the devices
LOOK_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A fault and when it must be noticed; `noticed_s` None: the values stay true, so there is nothing to notice."""

    faults: Faults
    noticed_s: float | None
    lasts_s: float = 30.0


CASES: Mapping[str, Case] = {
    "delay": Case(faults=Faults(delay_s=1.5), noticed_s=THREE_POLLS_S),
    "mute": Case(faults=Faults(mute=True), noticed_s=THREE_POLLS_S),
    "refuse": Case(faults=Faults(refuse=True), noticed_s=THREE_POLLS_S),
    "disconnect": Case(faults=Faults(disconnect=True), noticed_s=THREE_POLLS_S),
    "late": Case(faults=Faults(late_s=1.5), noticed_s=THREE_POLLS_S),
    "exception-2": Case(faults=Faults(exception_code=2), noticed_s=THREE_POLLS_S),
    "exception-4": Case(faults=Faults(exception_code=4), noticed_s=THREE_POLLS_S),
    "exception-6": Case(faults=Faults(exception_code=6), noticed_s=THREE_POLLS_S),
    "exception-11": Case(faults=Faults(exception_code=11), noticed_s=THREE_POLLS_S),
    "garbage": Case(faults=Faults(garbage=True), noticed_s=THREE_POLLS_S),
    "truncate": Case(faults=Faults(truncate=True), noticed_s=THREE_POLLS_S),
    "short": Case(faults=Faults(missing_registers=1), noticed_s=THREE_POLLS_S),
    "wrong-unit": Case(faults=Faults(wrong_unit=True), noticed_s=THREE_POLLS_S),
    "zero": Case(faults=Faults(zero=True), noticed_s=THREE_POLLS_S),
    "ones": Case(faults=Faults(ones=True), noticed_s=THREE_POLLS_S),
    "sentinel": Case(faults=Faults(sentinel=True), noticed_s=THREE_POLLS_S),
    "frozen": Case(faults=Faults(frozen=True), noticed_s=5.0, lasts_s=90.0),
    "local": Case(faults=Faults(local=True), noticed_s=PERIOD_S),
    "split": Case(faults=Faults(split=True), noticed_s=None),
    "doubled": Case(faults=Faults(doubled=True), noticed_s=None),
    "slow": Case(faults=Faults(delay_s=0.3), noticed_s=None),
}
# without a checksum a turned bit may pass, without transactions there is no wrong one
TCP_ONLY: Mapping[str, Case] = {
    "wrong-transaction": Case(faults=Faults(wrong_transaction=True), noticed_s=THREE_POLLS_S),
}
RTU_ONLY: Mapping[str, Case] = {"bit-flip": Case(faults=Faults(bit_flip=True), noticed_s=THREE_POLLS_S)}
FRAMINGS = {Framing.TCP: {**CASES, **TCP_ONLY}, Framing.RTU_OVER_TCP: {**CASES, **RTU_ONLY}}
TABLE = [
    pytest.param(framing, case, id=f"{framing.value}-{name}")
    for framing, cases in FRAMINGS.items()
    for name, case in cases.items()
]


@dataclass(frozen=True, slots=True)
class Site:
    """A faulty endpoint with a PCS, and a good one with a meter."""

    clock: SteppedClock
    server: WireServer
    link: ModbusLink
    device: PcsDevice
    other: Device

    def is_good(self) -> bool:
        """Return whether control would use the PCS: a true value, fresh, and nobody else in command."""
        reading = self.device.reading()
        return (
            reading is not None
            and self.clock.monotonic_s() - reading.at_s <= STALE_S
            and reading.power_kw is not None
            and reading.remote is not False
            and self.device.trouble() is None
        )

    @property
    def n_attempts(self) -> int:
        """Return how many connections were tried so far."""
        found = self.link.statistics()
        return found.n_connections + found.n_errors.get(ErrorKind.NO_CONNECTION, 0)

    def look(self) -> None:
        """Fail if anything shown is not true, or the other device suffers."""
        reading, other = self.device.reading(), self.other.reading()
        assert reading is None or reading.power_kw in {TRUE_KW, None}
        assert other is not None
        assert self.clock.monotonic_s() - other.at_s <= 1.5 * PERIOD_S
        assert self.other.trouble() is None

    async def looking(self, duration_s: float) -> list[float]:
        """Let time pass; return the moments, from now on, at which the PCS was good."""
        begin_s, good = self.clock.monotonic_s(), []
        # steps do not add up to the duration exactly: without the half a look more would follow its end
        while (passed_s := self.clock.monotonic_s() - begin_s) < duration_s - LOOK_S / 2:
            await self.clock.run(LOOK_S)
            self.look()
            if self.is_good():
                good.append(passed_s)
        return good


@asynccontextmanager
async def site(framing: Framing = Framing.TCP) -> AsyncIterator[Site]:
    clock = SteppedClock()
    banks = {
        "generic-pcs": RegisterBank(load_map("generic-pcs", ()), pcs(power_kw=TRUE_KW), clock=clock),
        "generic-meter": RegisterBank(load_map("generic-meter", ()), meter(), clock=clock),
    }
    async with (
        WireServer("127.0.0.1", 0, units={1: banks["generic-pcs"]}, clock=clock, framing=framing) as server,
        WireServer("127.0.0.1", 0, units={1: banks["generic-meter"]}, clock=clock, framing=framing) as good_server,
    ):
        link = ModbusLink(link_spec(server.port, framing=framing), clock=clock)
        good_link = ModbusLink(link_spec(good_server.port, framing=framing, id="good"), clock=clock)
        links = {LINK: link, "good": good_link}
        device = build(device_spec("generic-pcs"), clock=clock, links=links)
        other = build(device_spec("generic-meter", id="other", link="good"), clock=clock, links=links)
        assert isinstance(device, PcsDevice)
        async with background(link.run()), background(good_link.run()):
            await clock.until(lambda: device.reading() is not None and other.reading() is not None)
            await clock.run(2.0)
            yield Site(clock, server, link, device, other)


@pytest.mark.wire
@pytest.mark.parametrize(("framing", "case"), TABLE)
async def test_a_fault_is_noticed_in_time_and_forgotten_when_it_is_over(framing: Framing, case: Case) -> None:
    async with site(framing) as running:
        assert running.is_good()

        n_before = running.n_attempts
        await running.server.set_faults(replace(case.faults, lasts_s=case.lasts_s))
        good_during = await running.looking(case.lasts_s)
        n_attempts = running.n_attempts - n_before
        good_after = await running.looking(RECOVERY_S)

    if case.noticed_s is None:
        assert len(good_during) == pytest.approx(case.lasts_s / LOOK_S, abs=1)
    else:
        assert max(good_during, default=0.0) <= case.noticed_s
    # one per second, counted at both ends
    assert n_attempts <= case.lasts_s + 1
    assert good_after
    assert good_after[-1] == pytest.approx(RECOVERY_S - LOOK_S, abs=LOOK_S)


@pytest.mark.wire
@pytest.mark.parametrize("framing", FRAMINGS)
async def test_a_port_that_opens_again_is_connected_within_five_seconds(framing: Framing) -> None:
    async with site(framing) as running:
        await running.server.set_faults(Faults(refuse=True, lasts_s=60.0))
        await running.clock.run(60.0)

        took_s = await running.clock.until(lambda: running.link.statistics().connected)

    assert took_s < 5.0


@pytest.mark.wire
async def test_a_turned_bit_on_tcp_is_refused_or_within_the_range_of_its_point() -> None:
    async with site() as running:
        await running.server.set_faults(Faults(bit_flip=True, lasts_s=30.0))
        shown = []
        for _ in range(300):
            await running.clock.run(LOOK_S)
            reading = running.device.reading()
            if reading is not None and reading.power_kw is not None:
                shown.append(reading.power_kw)
        await running.clock.run(RECOVERY_S)

        reading = running.device.reading()
        assert running.is_good()
        assert reading is not None
        assert reading.power_kw == TRUE_KW
    # 150 % of the rated 2000 kW
    assert all(abs(power_kw) <= 3000.0 for power_kw in shown)


@pytest.mark.wire
async def test_one_sample_that_jumps_is_unknown_and_the_next_one_known() -> None:
    plant = PlantDevice({"soc_pct": 50.0, "max_charge_kw": 100.0, "max_discharge_kw": 100.0, "alarm": False})
    async with running((device_spec("generic-bms"), plant)) as rig:
        device = rig.device(BmsDevice)
        await rig.first_reading()
        # bit 8 of 500 tenths of a per cent
        plant.shown["soc_pct"] = 50.0 + 25.6
        await rig.clock.run(PERIOD_S)
        wrong = device.reading()
        plant.shown["soc_pct"] = 50.0
        await rig.clock.run(PERIOD_S)
        right = device.reading()

    assert wrong is not None
    assert right is not None
    assert (wrong.soc_pct, wrong.bad["soc_pct"][:23]) == (None, "jumped from 50 to 75.6 ")
    assert right.soc_pct == 50.0


def lifeless_pcs(home: Path) -> str:
    """Write the map of a PCS without a life counter, and return its name."""
    text = (SHIPPED / "generic-pcs.toml").read_text(encoding="utf-8").replace("generic-pcs", "lifeless-pcs")
    text = re.sub(r"\[points\.life_counter\]\n(.+\n)+", "", text)
    (home / "lifeless-pcs.toml").write_text(text, encoding="utf-8")
    return "lifeless-pcs"


@pytest.mark.wire
async def test_values_that_never_move_are_suspected_and_a_small_step_clears_those_of_a_sound_device(
    tmp_path: Path,
) -> None:
    plant = pcs(power_kw=TRUE_KW, setpoint_kw=TRUE_KW)
    spec = device_spec(lifeless_pcs(tmp_path), driver="battery.pcs")
    async with running((spec, plant), maps=[tmp_path]) as rig:
        device = rig.device(PcsDevice)
        await rig.first_reading()
        device.set_power(TRUE_KW, valid_until_s=rig.clock.monotonic_s() + 100.0)

        suspected_s = await rig.clock.until(lambda: device.suspicion() is not None, limit_s=70.0)
        cleared_s = await rig.clock.until(lambda: device.suspicion() is None)
        await rig.clock.run(2.0)

    assert 59.0 <= suspected_s <= 61.0
    assert cleared_s <= 2.0
    # one per cent less, and back again
    assert plant.commanded("power_kw")[-2:] == [495.0, 500.0]


@pytest.mark.wire
@pytest.mark.parametrize("framing", FRAMINGS)
async def test_a_frozen_device_without_life_counter_is_suspected_within_a_minute_and_fails_its_small_step(
    tmp_path: Path, framing: Framing
) -> None:
    plant = pcs(power_kw=TRUE_KW, setpoint_kw=TRUE_KW)
    spec = device_spec(lifeless_pcs(tmp_path), driver="battery.pcs")
    async with running((spec, plant), maps=[tmp_path], framing=framing) as rig:
        device = rig.device(PcsDevice)
        await rig.first_reading()
        await rig.fail(frozen=True)
        device.set_power(TRUE_KW, valid_until_s=rig.clock.monotonic_s() + 100.0)

        await rig.clock.until(lambda: device.suspicion() is not None, limit_s=61.0)
        await rig.clock.run(4.0)
        outcome = device.outcome()
        still = device.suspicion()
        await rig.heal()
        cleared_s = await rig.clock.until(lambda: device.suspicion() is None)
        # on a line the full setpoint follows after a pause
        await rig.clock.run(1.0)

    assert outcome is not None
    assert (outcome.outcome, outcome.detail[:40]) == (Outcome.FAILED, "power_kw: 495 written, 500 read back (a ")
    assert still is not None
    assert cleared_s <= RECOVERY_S
    assert plant.commanded("power_kw")[-1] == TRUE_KW
