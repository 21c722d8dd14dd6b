"""Which registers of a found model are read, and what their bits mean.

A value and its scale factor are planned into one request wherever the model's layout and the longest request allow,
and are then decoded together. Where they cannot be, the value stays raw until the round is complete.
"""

import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from drivers.device.named import Names
from drivers.modbus.registers import Decoded
from drivers.modbus.rounds import Part
from drivers.modbus.sunspec.chain import FoundModel, read_holding
from drivers.modbus.sunspec.definitions import ModelDefinition, ModelPoint, model_definition
from drivers.modbus.sunspec.spancode import SpanFunction, SpanPoint, compile_span
from drivers.modbus.words import bytes_of

_CODES: Final = {
    "int16": "h", "sunssf": "h", "uint16": "H", "acc16": "H", "enum16": "H", "bitfield16": "H", "count": "H",
    "int32": "i", "uint32": "I", "acc32": "I", "enum32": "I", "bitfield32": "I", "float32": "f",
    "int64": "q", "uint64": "Q", "acc64": "Q", "bitfield64": "Q", "float64": "d",
}  # fmt: skip
# sets of factors of one answer whose conversions are kept
_MOST_COMPILED: Final = 8
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
    counts as they are; None stands for "not implemented". Factors hardly ever change: for each set of them the
    conversion of the whole answer is compiled once.
    """

    def __init__(self, points: Sequence[PlacedPoint], *, start: int, end: int) -> None:
        ordered = sorted(points, key=lambda place: place.offset)
        parts, position = [">"], start
        for place in ordered:
            parts.append(f"{2 * (place.offset - position)}x{_code(place.point)}")
            position = place.end
        self._unpack = struct.Struct("".join(parts) + f"{2 * (end - position)}x").unpack
        index = {place.key: number for number, place in enumerate(ordered)}
        self._names = Names(index)
        self._points = tuple(SpanPoint(place.key, place.point.type, _factor_index(place, index)) for place in ordered)
        self._factors = sorted({one.factor_index for one in self._points if one.factor_index is not None})
        self._compiled: dict[tuple[int, ...], SpanFunction] = {}

    def decode(self, registers: Sequence[int]) -> Decoded:
        """Return the points of an answer that has exactly the registers asked for."""
        raws = self._unpack(bytes_of(registers))
        factors = tuple([raws[index] for index in self._factors])
        values_of = self._compiled.get(factors)
        if values_of is None:
            if len(self._compiled) >= _MOST_COMPILED:
                self._compiled.clear()
            values_of = compile_span(self._points, dict(zip(self._factors, factors, strict=True)))
            self._compiled[factors] = values_of
        bad: dict[str, str] = {}
        return Decoded(self._names, values_of(raws, bad), bad)

    def all_bad(self, reason: str) -> Decoded:
        """Return the points of an answer that never came: a block fails as a whole."""
        return Decoded.nothing(self._names, reason)


def _factor_index(place: PlacedPoint, index: Mapping[str, int]) -> int | None:
    return index.get(place.factor) if isinstance(place.factor, str) else None


def _code(point: ModelPoint) -> str:
    return f"{2 * point.n_registers}s" if point.type == _STRING else _CODES[point.type]
