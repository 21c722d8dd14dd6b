"""The client's side: links and drivers of many endpoints in this process, and a farm of their devices beside it."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from drivers.battery.pcs import PcsDevice
from drivers.modbus.link import ModbusLink
from drivers.modbus.statistics import ErrorKind
from ems.model.device import LinkSpec, TcpEndpoint
from ems.ports import Device
from ems.runtime.clock import SystemClock
from ems.runtime.settling import settle_memory
from tests.campaigns.endpoints.farm import MAPS, MOST_BYTES, Event, spec_of
from tests.drivers.rig import build

# every poll has been round several times, and every device has been met
_SETTLED_S = 4.0
_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Fleet:
    """Links and devices by the number of their endpoint; the first `n_pcs` are converters."""

    clock: SystemClock
    links: Sequence[ModbusLink]
    devices: Sequence[Device]
    n_pcs: int
    farm: Process

    @property
    def converters(self) -> tuple[PcsDevice, ...]:
        """Return the devices that take setpoints."""
        return tuple(device for device in self.devices[: self.n_pcs] if isinstance(device, PcsDevice))

    def n_requests(self) -> int:
        """Return how many requests went out so far."""
        return sum(link.statistics().n_requests for link in self.links)

    def command_waits(self) -> tuple[int, ...]:
        """Return how long setpoints and heartbeats of all links waited, counted in buckets."""
        waits = [link.statistics().command_wait.counts for link in self.links]
        return tuple(map(sum, zip(*waits, strict=True)))

    def n_attempts(self, number: int) -> int:
        """Return how many connections to an endpoint were tried so far."""
        found = self.links[number].statistics()
        return found.n_connections + found.n_errors.get(ErrorKind.NO_CONNECTION, 0)

    async def break_off(self, *, refuse: Sequence[int] = (), mute: Sequence[int] = ()) -> float:
        """Let these endpoints be dead and all others well; return the time at which that began."""
        answer = await self._ask({"refuse": list(refuse), "mute": list(mute)})
        return float(answer["at_s"])

    async def events(self) -> list[list[Event]]:
        """Return what has come in at each endpoint since the last call."""
        answer = await self._ask({"report": True})
        return [[(at_s, register, word) for at_s, register, word in events] for events in answer["events"]]

    async def _ask(self, order: dict[str, object]) -> dict[str, Any]:  # JSON of any shape
        if self.farm.stdin is None:
            raise BrokenPipeError
        self.farm.stdin.write(json.dumps(order).encode() + b"\n")
        await self.farm.stdin.drain()
        return await _line(self.farm)


async def _line(farm: Process) -> dict[str, Any]:  # JSON of any shape
    assert farm.stdout is not None
    async with asyncio.timeout(_LIMIT_S):
        answer: dict[str, Any] = json.loads(await farm.stdout.readline())
    return answer


@asynccontextmanager
async def running_fleet(n_pcs: int, n_racked: int) -> AsyncIterator[Fleet]:
    """Poll so many devices until the body ends; it begins when all have been read."""
    farm = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.campaigns.endpoints.farm", str(n_pcs), str(n_racked)),
        stdin=PIPE,
        stdout=PIPE,
        limit=MOST_BYTES,
    )
    try:
        ports = (await _line(farm))["ports"]
        clock = SystemClock()
        links = [ModbusLink(_link(number, port), clock=clock) for number, port in enumerate(ports)]
        by_id = {link.link_id: link for link in links}
        devices = [
            build(spec_of(number, n_pcs), clock=clock, links=by_id, maps=MAPS) for number in range(n_pcs + n_racked)
        ]
        # as the daemon does before it begins
        settle_memory()
        fleet = Fleet(clock, links, devices, n_pcs, farm)
        tasks = [asyncio.create_task(link.run(), name=link.link_id) for link in links]
        try:
            await _all_read(fleet)
            yield fleet
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        if farm.stdin is not None:
            farm.stdin.close()
        await farm.wait()


async def _all_read(fleet: Fleet) -> None:
    async with asyncio.timeout(_LIMIT_S):
        while any(device.reading() is None for device in fleet.devices):
            await fleet.clock.sleep(0.1)
    await fleet.clock.sleep(_SETTLED_S)
    await fleet.events()


def _link(number: int, port: int) -> LinkSpec:
    return LinkSpec(
        id=f"l{number}",
        endpoint=TcpEndpoint(host="127.0.0.1", port=port),
        timeout_s=1.0,
        connect_delay_s=0.0,
        gap_s=0.0,
        reconnect_min_s=1.0,
        reconnect_max_s=4.0,
    )
