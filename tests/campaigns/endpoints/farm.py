"""A process with devices on ports of their own: `python -m tests.campaigns.endpoints.farm N_PCS N_RACKED`.

It tells its ports in one line of JSON, then takes orders, a line of JSON each: `{"refuse": [...], "mute": [...]}` with
the numbers of endpoints makes all others good again and answers with the time; `{"report": true}` answers with what
has come in at each endpoint since the last report. Times are those of the machine's monotonic clock.
"""

import asyncio
import json
import sys
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from drivers.sim.wire.bank import UnitRegisters
from drivers.sim.wire.faults import NO_FAULTS, Faults
from drivers.sim.wire.framing import ExceptionCode
from drivers.sim.wire.server import WireServer
from ems.model.device import DeviceSpec
from ems.ports import Clock
from ems.runtime.clock import SystemClock
from tests.drivers.rig import PlantDevice, device_spec, pcs, registers
from tests.drivers.test_racks import CONTAINER

MAPS: Final = (Path(__file__).parent,)
PCS_MAP: Final = "five-blocks"
RACKED_MAP: Final = "soltaro-cluster-c"
# a long line of orders or of a report
MOST_BYTES: Final = 1 << 26
# when, which register, the last register of a write or None for a read
Event = tuple[float, int, int | None]


def spec_of(number: int, n_pcs: int) -> DeviceSpec:
    """Return the specification of an endpoint's device: first the converters, then the containers with racks."""
    changes: dict[str, Any] = {"id": f"d{number}", "asset": f"a{number}", "link": f"l{number}", "rated_kw": 2000.0}
    if number < n_pcs:
        return device_spec(PCS_MAP, driver="battery.pcs", **changes)
    # the little that is read slowly must not blur the count of blocks
    return device_spec(RACKED_MAP, slow_s=60.0, **changes)


class WatchedUnit:
    """The registers of a unit, with a record of what came in; `still`: it always shows what it showed first."""

    def __init__(self, unit: UnitRegisters, *, clock: Clock, still: bool) -> None:
        self.events: list[Event] = []
        self._unit = unit
        self._clock = clock
        self._shown: dict[tuple[int, int], list[int] | ExceptionCode] | None = {} if still else None

    def read(self, function: int, register: int, count: int, faults: Faults = NO_FAULTS) -> list[int] | ExceptionCode:
        """Return registers."""
        self.events.append((self._clock.monotonic_s(), register, None))
        if self._shown is None:
            return self._unit.read(function, register, count, faults)
        if (register, count) not in self._shown:
            self._shown[register, count] = self._unit.read(function, register, count, faults)
        return self._shown[register, count]

    def write(
        self, function: int, register: int, words: tuple[int, ...], faults: Faults = NO_FAULTS
    ) -> ExceptionCode | None:
        """Take registers."""
        self.events.append((self._clock.monotonic_s(), register, words[-1]))
        return self._unit.write(function, register, words, faults)


async def serve(n_pcs: int, n_racked: int) -> None:
    """Serve until the standard input ends."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        units, servers = [], []
        for number in range(n_pcs + n_racked):
            plant = pcs() if number < n_pcs else PlantDevice(CONTAINER)
            (bank,) = registers([(spec_of(number, n_pcs), plant)], MAPS, clock).values()
            units.append(WatchedUnit(bank, clock=clock, still=number >= n_pcs))
            server = WireServer("127.0.0.1", 0, units={1: units[-1]}, clock=clock)
            servers.append(await stack.enter_async_context(server))
        _tell({"ports": [server.port for server in servers]})
        async for order in _orders():
            if "report" in order:
                _tell({"events": [unit.events for unit in units]})
                for unit in units:
                    unit.events.clear()
                continue
            began_s = clock.monotonic_s()
            await _set_faults(servers, refuse=order["refuse"], mute=order["mute"])
            _tell({"at_s": began_s})


async def _set_faults(servers: list[WireServer], *, refuse: Iterable[int], mute: Iterable[int]) -> None:
    faults = dict.fromkeys(refuse, Faults(refuse=True)) | dict.fromkeys(mute, Faults(mute=True))
    for number, server in enumerate(servers):
        if (wanted := faults.get(number)) is not None:
            await server.set_faults(wanted)
        elif server.faults:
            await server.set_faults()


async def _orders() -> Any:  # an iterator of JSON of any shape
    reader = asyncio.StreamReader(limit=MOST_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield json.loads(line)


def _tell(facts: dict[str, object]) -> None:
    print(json.dumps(facts), flush=True)  # noqa: T201 - the answers to the orders


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))
