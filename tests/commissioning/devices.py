"""Devices for the tools: plain registers as a device answers them, and the twin's, on loopback."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

from drivers.sim.wire.bank import UnitRegisters
from drivers.sim.wire.faults import NO_FAULTS, Faults
from drivers.sim.wire.framing import READ_HOLDING, ExceptionCode
from drivers.sim.wire.server import WireServer
from ems.model.device import Framing
from tests.drivers.clock import SteppedClock

T = TypeVar("T")


class PlainRegisters:
    """Holding registers that lie in islands; between them there is nothing."""

    def __init__(self, islands: Mapping[int, list[int]]) -> None:
        self.words = {first + i: word for first, words in islands.items() for i, word in enumerate(words)}
        self.n_reads = 0

    def read(
        self,
        function: int,
        register: int,
        count: int,
        faults: Faults = NO_FAULTS,  # noqa: ARG002 - the protocol's
    ) -> list[int] | ExceptionCode:
        self.n_reads += 1
        wanted = range(register, register + count)
        if function != READ_HOLDING or any(number not in self.words for number in wanted):
            return ExceptionCode.ADDRESS
        return [self.words[number] for number in wanted]

    def write(
        self,
        function: int,  # noqa: ARG002
        register: int,  # noqa: ARG002
        words: tuple[int, ...],  # noqa: ARG002
        faults: Faults = NO_FAULTS,  # noqa: ARG002
    ) -> ExceptionCode | None:
        return ExceptionCode.FUNCTION


def text_words(text: str, n_words: int) -> list[int]:
    raw = text.encode("latin-1").ljust(2 * n_words, b"\0")
    return [raw[i] << 8 | raw[i + 1] for i in range(0, 2 * n_words, 2)]


def sunspec_words(*models: tuple[int, int], serial: str = "SN-0815") -> list[int]:
    """Return a chain: marker, the common model, models of given length filled with zeros, end."""
    common = [
        *(1, 66),
        *text_words("SunMaker", 16),
        *text_words("SM-50", 16),
        *text_words("", 8),
        *text_words("1.4.2", 8),
        *text_words(serial, 16),
        *(1, 0x8000),
    ]
    rest = [word for model, length in models for word in (model, length, *([0] * length))]
    return [0x5375, 0x6E53, *common, *rest, 0xFFFF, 0]


@asynccontextmanager
async def serving(
    units: Mapping[int, UnitRegisters],
    *,
    clock: SteppedClock,
    faults: Faults | None = None,
    framing: Framing = Framing.TCP,
) -> AsyncIterator[WireServer]:
    """Serve units on a free port of loopback."""
    async with WireServer("127.0.0.1", 0, units=units, clock=clock, framing=framing) as server:
        if faults is not None:
            await server.set_faults(faults)
        yield server


async def timed(work: "asyncio.Future[T] | asyncio.Task[T]", clock: SteppedClock, *, limit_s: float = 120.0) -> T:
    """Let time pass until something is done, and return its result."""
    await clock.until(work.done, limit_s=limit_s)
    return work.result()
