"""A lease record in the registers of a unit: what is read, what is written, and what is too late to be."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from drivers.modbus.lease import RegisterLease
from drivers.modbus.link import ModbusLink
from drivers.sim.wire.faults import Faults
from drivers.sim.wire.framing import READ_HOLDING
from drivers.sim.wire.scratchpad import Scratchpad
from drivers.sim.wire.server import WireServer
from ems.model.device import Framing
from ems.model.lease import LeaseRecord, LeaseSpec
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import LINK, background, link_spec

pytestmark = pytest.mark.wire

FIRST = 100
MINE = LeaseRecord(epoch=3, holder=0x1234_5678, counter=9)


@dataclass(frozen=True, slots=True)
class _Place:
    clock: SteppedClock
    server: WireServer
    registers: Scratchpad
    lease: RegisterLease

    def words(self) -> object:
        return self.registers.read(READ_HOLDING, FIRST, 4)

    async def first_look(self) -> None:
        await self.clock.until(lambda: self.lease.seen() is not None)


@asynccontextmanager
async def _place() -> AsyncIterator[_Place]:
    clock, registers = SteppedClock(), Scratchpad(FIRST, n_registers=4)
    async with WireServer("127.0.0.1", 0, units={9: registers}, clock=clock, framing=Framing.TCP) as server:
        link = ModbusLink(link_spec(server.port), clock=clock)
        lease = RegisterLease(LeaseSpec(id="plc", link=LINK, unit=9, register=FIRST), link)
        async with background(link.run()):
            yield _Place(clock, server, registers, lease)


def test_a_record_is_written_whole_and_read_back() -> None:
    async def run() -> tuple[object, LeaseRecord | None]:
        async with _place() as place:
            await place.first_look()
            place.lease.put(MINE, valid_until_s=place.clock.monotonic_s() + 1.0)
            await place.clock.run(1.0)
            seen = place.lease.seen()
            return place.words(), None if seen is None else seen.record

    words, record = asyncio.run(run())

    assert words == [3, 0x1234, 0x5678, 9]
    assert record == MINE


def test_empty_registers_are_a_lease_that_nobody_ever_held() -> None:
    async def run() -> LeaseRecord | None:
        async with _place() as place:
            await place.first_look()
            seen = place.lease.seen()
            return None if seen is None else seen.record

    assert asyncio.run(run()) == LeaseRecord(epoch=0, holder=0, counter=0)


def test_a_record_that_could_not_be_sent_in_time_is_never_written() -> None:
    async def run() -> object:
        async with _place() as place:
            await place.first_look()
            await place.server.set_faults(Faults(refuse=True))
            await place.clock.run(3.0)
            place.lease.put(MINE, valid_until_s=place.clock.monotonic_s() + 1.0)
            await place.clock.run(3.0)
            await place.server.set_faults()
            await place.clock.run(10.0)
            return place.words()

    assert asyncio.run(run()) == [0, 0, 0, 0]


def test_what_was_seen_grows_old_while_the_place_is_away() -> None:
    async def run() -> float:
        async with _place() as place:
            await place.first_look()
            await place.server.set_faults(Faults(mute=True))
            await place.clock.run(20.0)
            seen = place.lease.seen()
            assert seen is not None
            return place.clock.monotonic_s() - seen.at_s

    assert asyncio.run(run()) > 18.0
