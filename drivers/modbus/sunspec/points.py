"""Which registers of a found model are read, and what their bits mean.

A value and its scale factor are planned into one request wherever the model's layout and the longest request allow,
and are then decoded together. Where they cannot be, the value stays raw until the round is complete.
"Not implemented" codes by the SunSpec Device Information Model Specification, table of point types.
"""

import math
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from drivers.device.values import Bad, Value
from drivers.modbus.registers import Decoded, decode_text
from drivers.modbus.rounds import Part
from drivers.modbus.sunspec.chain import FoundModel, read_holding
from drivers.modbus.sunspec.definitions import ModelDefinition, ModelPoint, model_definition
from drivers.modbus.words import bytes_of

_CODES: Final = {
    "int16": "h", "sunssf": "h", "uint16": "H", "acc16": "H", "enum16": "H", "bitfield16": "H", "count": "H",
    "int32": "i", "uint32": "I", "acc32": "I", "enum32": "I", "bitfield32": "I", "float32": "f",
    "int64": "q", "uint64": "Q", "acc64": "Q", "bitfield64": "Q", "float64": "d",
}  # fmt: skip
ABSENT: Final[Mapping[str, int]] = {
    "int16": -0x8000, "sunssf": -0x8000, "uint16": 0xFFFF, "enum16": 0xFFFF, "bitfield16": 0xFFFF, "count": 0xFFFF,
    "int32": -0x80000000, "uint32": 0xFFFFFFFF, "enum32": 0xFFFFFFFF, "bitfield32": 0xFFFFFFFF,
    "int64": -0x8000000000000000, "uint64": 0xFFFFFFFFFFFFFFFF, "bitfield64": 0xFFFFFFFFFFFFFFFF,
    "acc16": 0, "acc32": 0, "acc64": 0,
}  # fmt: skip
LARGEST_FACTOR: Final = 10
_STRING: Final = "string"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedPoint:
    """A point at its place on a device; `key` is `<model>.<point>`, for repeated groups `<model>.<group>[n].<point>`.

    `factor` is the key of the scale factor, or the power of ten itself.
    """

    key: str
    point: ModelPoint
    offset: int
    factor: str | int | None

    @property
    def end(self) -> int:
        """Return the first register behind the point, as an offset in the model."""
        return self.offset + self.point.n_registers


def placed_points(model: FoundModel, names: Collection[str] | None = None) -> tuple[PlacedPoint, ...]:
    """Return the wanted points (None: all) that lie within a found model, with the scale factors that they need.

    `names` are those of points; those of a repeated group stand for every repetition. A model that is shorter than
    its definition is an older edition: what lies behind its end does not exist. Unknown models have no points.
    """
    definition = model_definition(model.id)
    if definition is None:
        return ()
    wanted = set(definition.points if names is None else names)
    repeated = definition.repeated.points if definition.repeated is not None else {}
    found = [*definition.points.values(), *repeated.values()]
    wanted |= {point.factor for point in found if point.name in wanted and isinstance(point.factor, str)}
    if names is None:
        wanted |= set(repeated)
    placed = (*_single(model, definition, wanted), *_repetitions(model, definition, wanted))
    return tuple(place for place in placed if place.end <= model.n_registers and _is_value(place.point))


def _is_value(point: ModelPoint) -> bool:
    return point.type in _CODES or point.type == _STRING


def _single(model: FoundModel, definition: ModelDefinition, wanted: Collection[str]) -> Iterator[PlacedPoint]:
    for point in definition.points.values():
        if point.name in wanted:
            key = f"{model.id}.{point.name}"
            yield PlacedPoint(key=key, point=point, offset=point.offset, factor=_factor_key(model, point, definition))


def _repetitions(model: FoundModel, definition: ModelDefinition, wanted: Collection[str]) -> Iterator[PlacedPoint]:
    group = definition.repeated
    if group is None:
        return
    for number in range((model.n_registers - group.offset) // group.n_registers):
        start = group.offset + number * group.n_registers
        for point in group.points.values():
            # names of a group may repeat those before it (714 has DCW of the device and of each port)
            if point.name in wanted:
                yield PlacedPoint(
                    key=f"{model.id}.{group.name}[{number + 1}].{point.name}",
                    point=point,
                    offset=start + point.offset,
                    factor=_factor_key(model, point, definition),
                )


def _factor_key(model: FoundModel, point: ModelPoint, definition: ModelDefinition) -> str | int | None:
    if not isinstance(point.factor, str):
        return point.factor
    # the definition of a group of points may name its factor without the group
    return f"{model.id}.{point.factor}" if point.factor in definition.points else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PointPlan:
    """The requests that read the points, and the keys of those whose scale factor another request brings."""

    parts: tuple[Part, ...]
    points: tuple[PlacedPoint, ...]
    loose: Mapping[str, str]


def plan_points(models: Mapping[FoundModel, Collection[str]], *, max_registers: int) -> PointPlan:
    """Return how the wanted points of the models are read, in requests of at most `max_registers`."""
    parts: list[Part] = []
    points: list[PlacedPoint] = []
    loose: dict[str, str] = {}
    for model, names in models.items():
        placed = placed_points(model, names)
        points += placed
        for start, end, inside in _spans(placed, max_registers):
            keys = {place.key for place in inside}
            loose |= {
                place.key: place.factor
                for place in inside
                if isinstance(place.factor, str) and place.factor not in keys
            }
            decoder = SpanDecoder(inside, start=start, end=end)
            parts.append(Part(request=read_holding(model.at + start, end - start), decoder=decoder))
    return PointPlan(parts=tuple(parts), points=tuple(points), loose=loose)


def _spans(points: Sequence[PlacedPoint], max_registers: int) -> Iterator[tuple[int, int, list[PlacedPoint]]]:
    """Yield first offset, end and points of each request.

    A point and its factor form one stretch of registers; stretches are joined from the lowest upwards as long as the
    request does not become too long. A stretch that is too long by itself is taken apart.
    """
    by_key = {place.key: place for place in points}
    stretches: list[tuple[int, int]] = []
    for place in points:
        factor = by_key.get(place.factor) if isinstance(place.factor, str) else None
        start = min(place.offset, factor.offset if factor else place.offset)
        end = max(place.end, factor.end if factor else place.end)
        if end - start <= max_registers:
            stretches.append((start, end))
        else:
            stretches += [(one.offset, one.end) for one in (place, factor) if one is not None]
    taken: set[str] = set()
    for start, end in _joined(sorted(stretches), max_registers):
        inside = [place for place in points if start <= place.offset and place.end <= end and place.key not in taken]
        # a factor that lies in several requests is decoded in each: it belongs to the values beside it
        taken |= {place.key for place in inside if place.point.type != "sunssf"}
        yield start, end, inside


def _joined(stretches: Iterable[tuple[int, int]], max_registers: int) -> Iterator[tuple[int, int]]:
    current: tuple[int, int] | None = None
    for start, end in stretches:
        if current is None:
            current = (start, end)
        elif max(end, current[1]) - current[0] <= max_registers:
            current = (current[0], max(end, current[1]))
        else:
            yield current
            current = (start, end)
    if current is not None:
        yield current


class SpanDecoder:
    """Decodes one request of a model with a single precompiled unpack.

    Numbers come out scaled by the factor in the same answer, or raw if that is not in it; codes, bit fields and
    counts as they are; None stands for "not implemented".
    """

    def __init__(self, points: Sequence[PlacedPoint], *, start: int, end: int) -> None:
        ordered = sorted(points, key=lambda place: place.offset)
        parts, position = [">"], start
        for place in ordered:
            parts.append(f"{2 * (place.offset - position)}x{_code(place.point)}")
            position = place.end
        self._unpack = struct.Struct("".join(parts) + f"{2 * (end - position)}x").unpack
        index = {place.key: number for number, place in enumerate(ordered)}
        self._points = tuple(
            (place.key, place.point.type, ABSENT.get(place.point.type), _factor_index(place, index))
            for place in ordered
        )

    def decode(self, registers: Sequence[int]) -> Decoded:
        """Return the points of an answer that has exactly the registers asked for."""
        raws = self._unpack(bytes_of(registers))
        values: dict[str, Value | None] = {}
        bad: dict[str, str] = {}
        for (key, type_, absent, factor_index), raw in zip(self._points, raws, strict=True):
            value = raw if type_ in _PLAIN else _special(raw, type_)
            if value == absent:
                value = None
            elif factor_index is not None and isinstance(value, int | float):
                value = _scaled_by(value, raws[factor_index])
            if isinstance(value, Bad):
                values[key], bad[key] = None, value.reason
            else:
                values[key] = value
        return Decoded(values, bad)

    def all_bad(self, reason: str) -> Decoded:
        """Return the points of an answer that never came: a block fails as a whole."""
        names = [key for key, *_ in self._points]
        return Decoded(dict.fromkeys(names), dict.fromkeys(names, reason))


def _factor_index(place: PlacedPoint, index: Mapping[str, int]) -> int | None:
    return index.get(place.factor) if isinstance(place.factor, str) else None


def _scaled_by(value: float, factor: int) -> float | Bad:
    fault = factor_fault(factor)
    return scaled(value, factor) if fault is None else Bad(fault)


def factor_fault(factor: int) -> str | None:
    """Return why a number is no scale factor, None if it is one."""
    if factor == ABSENT["sunssf"]:
        return "its scale factor is not implemented"
    return None if abs(factor) <= LARGEST_FACTOR else f"its scale factor is {factor}"


_PLAIN: Final = frozenset(ABSENT) - {"sunssf"}


def _code(point: ModelPoint) -> str:
    return f"{2 * point.n_registers}s" if point.type == _STRING else _CODES[point.type]


def _special(raw: float | bytes, type_: str) -> Value | Bad | None:
    """Return a scale factor, float or text, None where it is not implemented."""
    if isinstance(raw, bytes):
        words = [int.from_bytes(raw[i : i + 2], "big") for i in range(0, len(raw), 2)]
        text = decode_text(words)
        return text if isinstance(text, Bad) else text or None
    if type_ == "sunssf":
        fault = factor_fault(int(raw))
        return raw if fault is None or raw == ABSENT[type_] else Bad(fault)
    if math.isnan(raw):
        return None
    return Bad("infinite") if math.isinf(raw) else raw


def scaled(raw: float, factor: int) -> float:
    """Return raw x 10^factor; a whole number stays one where the factor allows, fractions are divided exactly."""
    power = int(10 ** abs(factor))
    return raw * power if factor >= 0 else raw / power
