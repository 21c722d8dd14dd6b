"""The PCS driver against devices whose Modbus side is foreign code, in real time."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from drivers.battery.pcs import PcsDevice
from drivers.modbus.link import ModbusLink
from drivers.modbus.statistics import ErrorKind
from ems.model.device import LinkSpec, Parity, SerialLine
from ems.model.readings import PcsReading
from ems.runtime.clock import SystemClock
from tests.drivers.rig import LINK, background, build, device_spec, link_spec
from tests.interop.foreign import LibmodbusDevice, PyModbusTcpDevice, Registers, libmodbus
from tests.interop.line import serial_wire

NEEDS_LIBMODBUS = pytest.mark.skipif(libmodbus() is None, reason="libmodbus is not installed (apt install libmodbus5)")
pytestmark = [pytest.mark.wire, pytest.mark.interop]
STACKS = [
    "pyModbusTCP",
    pytest.param("libmodbus", marks=NEEDS_LIBMODBUS),
    pytest.param("libmodbus on a line", marks=NEEDS_LIBMODBUS),
]
N_INPUT = 300
# the registers of generic-pcs as docs/supported-devices.md lists them: low word first, powers in W while charging
STATUS, LIFE, POWER, SETPOINT, ENERGIES = 100, 103, 104, 106, 200
COMMAND, HEARTBEAT, WATCHDOG = 500, 510, 511
READY, ARMED = 1 << 0, 1 << 4
CHARGING_300_KW = [0x93E0, 0x0004]
DISCHARGING_500_KW = [0x5EE0, 0xFFF8]
Found = Callable[[], bool]


@dataclass(frozen=True)
class Setup:
    """A foreign device and the link that leads to it."""

    registers: Registers
    link: LinkSpec


@pytest.fixture(params=STACKS)
def stack(request: pytest.FixtureRequest) -> Iterator[Callable[[int], Setup]]:
    with serial_wire() as (ours, theirs):

        def make(n_input: int) -> Setup:
            if request.param == "libmodbus on a line":
                line = SerialLine(device=ours, baud=115_200, parity=Parity.NONE, stop_bits=1)
                return Setup(LibmodbusDevice(n_input, line=theirs), replace(link_spec(1), endpoint=line))
            device = LibmodbusDevice(n_input) if request.param == "libmodbus" else PyModbusTcpDevice(n_input)
            return Setup(device, link_spec(device.port))

        yield make


@dataclass(frozen=True)
class Site:
    """What a test holds in its hands."""

    registers: Registers
    link: ModbusLink
    device: PcsDevice
    clock: SystemClock
    heartbeats: set[int]

    def reading(self) -> PcsReading | None:
        return self.device.reading()


async def plant(registers: Registers, heartbeats: set[int]) -> None:
    """Behave like a PCS behind its registers: follow the setpoint, count, and say whether the watchdog runs."""
    for life in range(1_000_000):
        if any(setpoint := registers.written(COMMAND, 2)):
            registers.show(POWER, setpoint * 2)
        heartbeat, watchdog_s = registers.written(HEARTBEAT, 2)
        heartbeats.add(heartbeat)
        registers.show(LIFE, [life & 0xFFFF])
        registers.show(STATUS, [READY | ARMED * (watchdog_s > 0)])
        await asyncio.sleep(0.01)


@asynccontextmanager
async def site(setup: Setup, *, energies: bool = True) -> AsyncIterator[Site]:
    registers, clock, heartbeats = setup.registers, SystemClock(), set[int]()
    for at, text in ((0, "Maker"), (8, "M1"), (16, "S-0001")):
        registers.show(at, struct.unpack(">8H", text.encode().ljust(16, b"\0")))
    registers.show(STATUS, [READY, 1, 1, 0, *DISCHARGING_500_KW, *DISCHARGING_500_KW, 50_000, 0])
    if energies:
        # 2**48 + 3 Wh discharged, 42 Wh charged
        registers.show(ENERGIES, [3, 0, 0, 1, 42, 0, 0, 0])
    registers.start()
    try:
        link = ModbusLink(setup.link, clock=clock)
        device = build(device_spec("generic-pcs", fast_s=0.1, slow_s=0.5), clock=clock, links={LINK: link})
        assert isinstance(device, PcsDevice)
        async with background(link.run()), background(plant(registers, heartbeats)):
            yield Site(registers, link, device, clock, heartbeats)
    finally:
        registers.stop()


async def control(at: Site, power_kw: float) -> None:
    """Renew a setpoint as the control loop does; the device follows a moment after it has answered."""
    while True:
        at.device.set_power(power_kw, valid_until_s=at.clock.monotonic_s() + 10.0)
        await asyncio.sleep(0.5)


async def until(found: Found) -> None:
    """Wait; the limit only ends a test that would never end."""
    async with asyncio.timeout(60.0):
        while not found():  # noqa: ASYNC110 - a device has no event to wait for
            await asyncio.sleep(0.02)


async def test_it_is_read(stack: Callable[[int], Setup]) -> None:
    async with site(stack(N_INPUT)) as at:
        await until(lambda: (found := at.reading()) is not None and found.discharge_wh is not None)
        reading = at.reading()

    assert reading is not None
    assert (reading.power_kw, reading.setpoint_kw, reading.frequency_hz) == (500.0, 500.0, 50.0)
    assert (reading.discharge_wh, reading.charge_wh) == (2**48 + 3, 42)
    assert (reading.ready, reading.remote, reading.forming) == (True, True, True)


async def test_it_is_commanded_and_hears_the_heartbeat(stack: Callable[[int], Setup]) -> None:
    async with site(stack(N_INPUT)) as at:
        await until(lambda: at.reading() is not None)

        async with background(control(at, -300.0)):
            await until(lambda: (found := at.device.outcome()) is not None and found.outcome == "accepted")
            await until(lambda: (found := at.reading()) is not None and found.power_kw == -300.0)
            await until(lambda: len(at.heartbeats) > 3)
        reading = at.reading()

    assert at.registers.written(COMMAND, 2) == CHARGING_300_KW
    assert at.registers.written(WATCHDOG, 1) == [12]
    assert reading is not None
    assert reading.setpoint_kw == -300.0
    assert reading.fallback_armed is True


async def test_a_single_setpoint_is_accepted_though_its_registers_follow_a_moment_late(
    stack: Callable[[int], Setup],
) -> None:
    async with site(stack(N_INPUT)) as at:
        await until(lambda: at.reading() is not None)

        at.device.set_power(-300.0, valid_until_s=at.clock.monotonic_s() + 10.0)
        await until(lambda: (found := at.device.outcome()) is not None and found.outcome == "accepted")

    assert at.registers.written(COMMAND, 2) == CHARGING_300_KW


async def test_its_exceptions_are_understood_and_cost_only_what_it_does_not_have(stack: Callable[[int], Setup]) -> None:
    async with site(stack(ENERGIES), energies=False) as at:
        await until(lambda: at.link.statistics().n_errors.get(ErrorKind.EXCEPTION, 0) > 0)
        await until(lambda: (found := at.reading()) is not None and found.power_kw == 500.0)
        reading, stats = at.reading(), at.link.statistics()

    assert reading is not None
    assert reading.discharge_wh is None
    assert set(stats.n_errors) == {ErrorKind.EXCEPTION}
    assert stats.n_connections == 1


async def test_its_restart_is_noticed_and_it_is_read_again(stack: Callable[[int], Setup]) -> None:
    async with site(stack(N_INPUT)) as at:
        await until(lambda: at.reading() is not None)

        at.registers.stop()
        await until(lambda: at.device.trouble() is not None)
        stopped_s = at.clock.monotonic_s()
        at.registers.start()
        await until(lambda: (found := at.reading()) is not None and found.at_s > stopped_s)
        await until(lambda: at.device.trouble() is None)
