"""Answers of every kind, from true to absurd, through link, framing and codec.

Nothing may get out of the link but answers, and nothing out of the codec but values within their ranges. The peer is
seeded: a failure repeats itself.
"""

import asyncio
import math
import os
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache

import pytest

from drivers.device.fields import reading_fields
from drivers.device.plausibility import SLIP_FRAC
from drivers.modbus.link import ModbusLink
from drivers.modbus.mapfile import load_map
from drivers.sim.wire.bank import RegisterBank
from drivers.sim.wire.framing import (
    ExceptionCode,
    Frame,
    Framer,
    ReadRegisters,
    TcpFramer,
    WriteRegisters,
    exception_answer,
    parse_request,
    read_answer,
    write_answer,
)
from drivers.sim.wire.rtu import RtuFramer
from ems.model.device import Framing
from ems.ports import Curtails, Device, SetsPower
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import (
    DRIVERS,
    IDENTITY,
    LINK,
    RATED_KW,
    PlantDevice,
    background,
    build,
    device_spec,
    link_spec,
)

# `make fuzz` sets it: 10^5 answers instead of a sample
FULL = os.environ.get("EMS_FUZZ") == "full"
N_ANSWERS = 50_000 if FULL else 4_000
MAPS = tuple(sorted(DRIVERS))
FRAMERS: Mapping[Framing, type[Framer]] = {Framing.TCP: TcpFramer, Framing.RTU_OVER_TCP: RtuFramer}
# codes that documents use for something special, and the ends of the ranges of integers and floats
EDGES = (0x0000, 0x0001, 0x7FFF, 0x8000, 0x8001, 0xFFFE, 0xFFFF, 0x7F80, 0xFF80, 0x7FC0, 0x0080)
BOUND_BY_RATING = frozenset({"power_kw", "load_kw", "load_max_kw", "available_kw"})


@dataclass(slots=True)
class HostilePeer:
    """Answers requests truly, and then spoils the answer: its registers, its message, its frame or nothing at all."""

    framing: Framing
    banks: Mapping[int, RegisterBank]
    dice: random.Random
    n_answers: int = 0
    _before: bytes = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it goes."""
        framer: Framer = FRAMERS[self.framing]()
        try:
            while (frame := await framer.read(reader)) is not None:
                self.n_answers += 1
                writer.write(self._spoiled_bytes(self._answer(frame, framer)))
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    def _answer(self, frame: Frame, framer: Framer) -> bytes:
        return framer.encode(self._spoiled_frame(Frame(frame.transaction, frame.unit, self._pdu(frame))))

    def _pdu(self, frame: Frame) -> bytes:
        function, bank = frame.pdu[0], self.banks[frame.unit]
        match parse_request(frame.pdu):
            case ReadRegisters(register=register, count=count):
                words = bank.read(function, register, count)
                if isinstance(words, ExceptionCode):
                    return exception_answer(function, words)
                return read_answer(function, self._spoiled_words(words))
            case WriteRegisters(register=register, words=words) as request:
                refusal = bank.write(function, register, words)
                return write_answer(request) if refusal is None else exception_answer(function, refusal)
            case ExceptionCode() as code:
                return exception_answer(function, code)

    def _spoiled_words(self, words: list[int]) -> list[int]:
        dice = self.dice
        match dice.randrange(14):
            case 0 | 1:
                return [dice.randrange(0x10000) for _ in words]
            case 2 | 3:
                return [dice.choice(EDGES) for _ in words]
            case 4:
                return [dice.choice(EDGES) if dice.random() < 0.2 else word for word in words]
            case 5:
                return [dice.choice((0, 0xFFFF))] * len(words)
            case 6:
                return words[: dice.randrange(len(words))] if dice.random() < 0.5 else [*words, dice.randrange(0x10000)]
            case _:
                return words

    def _spoiled_frame(self, frame: Frame) -> Frame:
        """Spoil what the check sum of a serial frame cannot find."""
        dice = self.dice
        match dice.randrange(100):
            case 0:
                return Frame(dice.randrange(0x10000), frame.unit, frame.pdu)
            case 1:
                return Frame(frame.transaction, dice.randrange(0x100), frame.pdu)
            case 2:
                return Frame(frame.transaction, frame.unit, bytes((dice.randrange(0x100),)) + frame.pdu[1:])
            case 3:
                return Frame(frame.transaction, frame.unit, exception_answer(frame.pdu[0], dice.randrange(0x100)))
            case 4:
                return Frame(frame.transaction, frame.unit, dice.randbytes(dice.randrange(1, 254)))
            case _:
                return frame

    def _spoiled_bytes(self, data: bytes) -> bytes:
        dice, before = self.dice, self._before
        self._before = data
        match dice.randrange(80):
            case 0:
                turned = bytearray(data)
                for _ in range(dice.randrange(1, 9)):
                    turned[dice.randrange(len(turned))] ^= 1 << dice.randrange(8)
                return bytes(turned)
            case 1:
                return data[: dice.randrange(len(data))]
            case 2:
                return data + dice.randbytes(dice.randrange(1, 30))
            case 3:
                return data + data
            case 4:
                return before + data
            case 5:
                return dice.randbytes(dice.randrange(1, 400))
            case 6:
                return before
            case 7:
                at = dice.randrange(len(data))
                return data[:at] + dice.randbytes(dice.randrange(3)) + data[at + dice.randrange(3) :]
            case _:
                return data


@dataclass(frozen=True, slots=True)
class Site:
    """One device of every shipped map, each on a line of its own with a hostile peer; `escaped`: what nobody caught."""

    clock: SteppedClock
    peers: tuple[HostilePeer, ...]
    devices: Mapping[str, Device]
    escaped: list[str]

    @property
    def n_answers(self) -> int:
        """Return how many requests were answered, one way or another."""
        return sum(peer.n_answers for peer in self.peers)


@asynccontextmanager
async def hostile_site(framing: Framing, *, seed: int) -> AsyncIterator[Site]:
    clock = SteppedClock()
    escaped: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: escaped.append(str(context)))
    # a hostile peer is given up soon and met again soon, or most of the time would be spent on waiting
    quick = {"timeout_s": 0.03, "reconnect_min_s": 0.02, "reconnect_max_s": 0.02}
    peers, devices = [], {}
    async with AsyncExitStack() as stack:
        for name in MAPS:
            plant = PlantDevice(dict(IDENTITY))
            bank = RegisterBank(load_map(name, ()), plant, clock=clock)
            peer = HostilePeer(framing, {1: bank}, random.Random(f"{seed} {name}"))
            server = await stack.enter_async_context(await asyncio.start_server(peer.serve, "127.0.0.1", 0))
            port = server.sockets[0].getsockname()[1]
            link = ModbusLink(link_spec(port, framing=framing, **quick), clock=clock)
            spec = device_spec(name, fast_s=0.05, slow_s=0.1, watchdog_s=1.0)
            peers.append(peer)
            devices[name] = build(spec, clock=clock, links={LINK: link})
            await stack.enter_async_context(background(link.run()))
        yield Site(clock, tuple(peers), devices, escaped)


def faults_of(name: str, device: Device) -> Iterator[str]:
    """Yield what a reading shows that its map or the nameplate rules out."""
    reading = device.reading()
    if reading is None:
        return
    for key, (low, high) in ranges_of(name).items():
        value = getattr(reading, key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if not math.isfinite(value) or not low <= value <= high:
            yield f"{name}.{key} = {value} is not within {low:g}..{high:g}"


@cache
def ranges_of(name: str) -> Mapping[str, tuple[float, float]]:
    """Return what the fields of a reading can be, by the map and by the nameplate."""
    register_map = load_map(name, ())
    points = {point.field: point for point in register_map.points.values()}
    ranges = {}
    for key in reading_fields(register_map.device_class):
        low, high = (points[key].valid if key in points else None) or (-math.inf, math.inf)
        bound_kw = SLIP_FRAC * RATED_KW if key in BOUND_BY_RATING else math.inf
        ranges[key] = max(low, -bound_kw), min(high, bound_kw)
    return ranges


@pytest.mark.wire
@pytest.mark.parametrize("framing", FRAMERS)
async def test_no_answer_gets_an_exception_out_of_the_link_or_a_value_out_of_its_range(framing: Framing) -> None:
    commands = random.Random(2)
    seen: set[str] = set()
    async with hostile_site(framing, seed=1) as site:
        while site.n_answers < N_ANSWERS:
            await site.clock.run(0.05)
            until_s = site.clock.monotonic_s() + 1.0
            for name, device in site.devices.items():
                assert list(faults_of(name, device)) == []
                assert device.reading() is not None or device.trouble()
                if device.reading() is not None:
                    seen.add(name)
                if isinstance(device, SetsPower):
                    device.set_power(commands.choice((0.0, 500.0, -500.0, 1e9, math.nan)), valid_until_s=until_s)
                if isinstance(device, Curtails):
                    device.set_limit(commands.choice((0.0, 500.0, -1.0)), valid_until_s=until_s)

    assert site.escaped == []
    # the fuzz has got through to the codec of every map
    assert seen == set(MAPS)
