"""All points of a register map once, with the registers behind them: what a person sees of a device."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from drivers.device.jobs import NoAnswer
from drivers.device.named import Names
from drivers.device.values import Bad, Value
from drivers.modbus.blocks import PlannedRead, adjacent_blocks, plan_reads
from drivers.modbus.device import map_reads
from drivers.modbus.identity import identity_texts, known_texts
from drivers.modbus.inquiry import Inquiry
from drivers.modbus.layout import Point, RegisterMap, Speed
from drivers.modbus.registers import Decoded
from drivers.modbus.requests import Answered, ExceptionAnswer, Read


class Quality(StrEnum):
    """What a value is worth."""

    GOOD = "good"
    ABSENT = "not available"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class PointReading:
    """One point: the registers as they came, the value that they mean, and what it is worth.

    `words` is None for a block that was not answered; `at_s` is the time of the answer, seconds of the clock.
    """

    point: Point
    words: tuple[int, ...] | None
    value: Value | None
    quality: Quality
    reason: str
    at_s: float


async def read_out(inquiry: Inquiry, register_map: RegisterMap) -> tuple[PointReading, ...]:
    """Read identity and all blocks of a map once, one request after the other.

    After the first request without any answer the rest is not asked: each would cost a time-out.
    """
    found: list[PointReading] = []
    silent: NoAnswer | None = None
    for planned, decode in _reads(register_map):
        answer = silent or await inquiry.ask(Read(at=planned.at, count=planned.count))
        match answer:
            case Answered(registers, at_s):
                found += _rows(planned, registers, decode(registers), at_s)
            case NoAnswer(reason, at_s):
                silent = answer
                found += _lost(planned.points, reason, at_s)
            case ExceptionAnswer(at_s=at_s):
                found += _lost(planned.points, str(answer), at_s)
    return tuple(found)


def _reads(register_map: RegisterMap) -> Iterator[tuple[PlannedRead, Callable[[Sequence[int]], Decoded]]]:
    """Yield every request for a map with what decodes its answer."""
    texts = tuple(register_map.identity.values())
    blocks = adjacent_blocks(texts, speed=Speed.SLOW)
    for planned in plan_reads(blocks, texts, max_registers=register_map.max_registers):
        yield planned, partial(_decoded_texts, planned)
    for planned, part in map_reads(register_map, register_map.blocks):
        yield planned, part.decoder.decode


def _decoded_texts(planned: PlannedRead, registers: Sequence[int]) -> Decoded:
    texts = identity_texts(planned, registers)
    known = known_texts(texts)
    bad = {
        name: text.reason if isinstance(text, Bad) else "no text" for name, text in texts.items() if name not in known
    }
    return Decoded(Names(texts), tuple(known.get(name) for name in texts), bad)


def _rows(planned: PlannedRead, registers: Sequence[int], decoded: Decoded, at_s: float) -> list[PointReading]:
    first = planned.at.register
    return [
        PointReading(
            point=point,
            words=tuple(registers[point.at.register - first : point.end - first]),
            value=decoded.values[point.name],
            quality=_quality(point, decoded),
            reason=decoded.bad.get(point.name, ""),
            at_s=at_s,
        )
        for point in planned.points
    ]


def _quality(point: Point, decoded: Decoded) -> Quality:
    if point.name in decoded.bad:
        return Quality.BAD
    return Quality.ABSENT if decoded.values[point.name] is None else Quality.GOOD


def _lost(points: Sequence[Point], reason: str, at_s: float) -> list[PointReading]:
    return [
        PointReading(point=point, words=None, value=None, quality=Quality.BAD, reason=reason, at_s=at_s)
        for point in points
    ]
