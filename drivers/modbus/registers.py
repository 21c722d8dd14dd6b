"""The codec between registers and values: whole blocks on the way in, single commands on the way out.

What one raw number means is in `values`; the fast path of decoding is compiled in `blockcode`.
"""

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, Self

from drivers.device import commands
from drivers.device.named import NamedValues, Names
from drivers.device.values import Bad, Value
from drivers.modbus.blockcode import CompiledPoint, RawSource, compile_block
from drivers.modbus.blocks import PlannedRead
from drivers.modbus.coding import FLOATS, N_REGISTERS, ByteOrder, Coding, PointType, TextEncoding, WordOrder
from drivers.modbus.layout import Point
from drivers.modbus.values import conversion, factored_decoder, point_decoder, text_of
from drivers.modbus.words import Words, bytes_of

_STRUCT_CODES: Final[Mapping[PointType, str]] = {
    PointType.UINT16: "H",
    PointType.INT16: "h",
    PointType.UINT32: "I",
    PointType.INT32: "i",
    PointType.UINT64: "Q",
    PointType.INT64: "q",
    PointType.FLOAT32: "f",
    PointType.FLOAT64: "d",
}
_BYTES_PER_REGISTER: Final = 2
# a value that misses a whole count by less than this is that count: 0.3 / 0.1 is 2.9999999999999996
_COUNT_TOLERANCE: Final = 1e-6
# spacing of floating-point numbers relative to their size (24 and 53 bits of mantissa)
_FLOAT_STEPS: Final = {PointType.FLOAT32: 2.0**-23, PointType.FLOAT64: 2.0**-52}
_SMALLEST_STEP: Final = 1e-3


class Decoded:
    """The points of one answer: None where a point has no value; `bad` says why unless that is normal."""

    __slots__ = ("bad", "names", "row")

    def __init__(self, names: Names, row: tuple[Value | None, ...], bad: Mapping[str, str]) -> None:
        self.names = names
        self.row = row
        self.bad = bad

    @classmethod
    def nothing(cls, names: Names, reason: str) -> Self:
        """Return the points of an answer that never came: a block fails as a whole."""
        return cls(names, (None,) * len(names), dict.fromkeys(names.order, reason))

    @property
    def values(self) -> NamedValues:
        """Return the values by name."""
        return NamedValues(self.names, self.row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded(commands.Encoded):
    """A command as registers (or one bit)."""

    registers: tuple[int, ...]


class BlockDecoder:
    """Decodes one planned read with a single precompiled unpack.

    Registers of points with another order than high word, high byte first are brought into it before; then one
    big-endian format reads them all.
    """

    def __init__(self, read: PlannedRead, *, integers: Iterable[str] = ()) -> None:
        integers = frozenset(integers)
        self._names = Names(point.name for point in read.points)
        places = sorted({place for point in read.points for place in _places(point, read)})
        index = {place: number for number, place in enumerate(places)}
        source = _raws(read, struct.Struct(_format(places, read.count)).unpack)
        self._values_of = compile_block(
            source, len(places), [_compiled(point, read, index, point.field in integers) for point in read.points]
        )

    def decode(self, registers: Sequence[int]) -> Decoded:
        """Return the points of an answer that has exactly the registers (or bits) asked for."""
        bad: dict[str, str] = {}
        data = registers.data if isinstance(registers, Words) else bytes_of(registers)
        return Decoded(self._names, self._values_of(data, bad), bad)

    def all_bad(self, reason: str) -> Decoded:
        """Return the points of an answer that never came: a block fails as a whole."""
        return Decoded.nothing(self._names, reason)


# where a value starts in the answer, in registers, and its struct code
_Place = tuple[int, str]


def _places(point: Point, read: PlannedRead) -> Iterable[_Place]:
    yield _place(point, read)
    if point.coding.factor is not None:
        yield point.coding.factor.register - read.at.register, "h"


def _place(point: Point, read: PlannedRead) -> _Place:
    return point.at.register - read.at.register, _struct_code(point)


def _struct_code(point: Point) -> str:
    if point.coding.type is PointType.STRING:
        return f"{point.n_registers * _BYTES_PER_REGISTER}s"
    return _STRUCT_CODES[point.coding.raw_type]


def _compiled(point: Point, read: PlannedRead, index: Mapping[_Place, int], integral: bool) -> CompiledPoint:  # noqa: FBT001 - internal
    factor = point.coding.factor
    place = index[_place(point, read)]
    if factor is None:
        return CompiledPoint(
            point=point, index=place, integral=integral, decode=point_decoder(point, integral=integral)
        )
    factor_index = index[(factor.register - read.at.register, "h")]
    return CompiledPoint(
        point=point, index=place, integral=False, decode=factored_decoder(point), factor_index=factor_index
    )


def _format(places: list[_Place], n_registers: int) -> str:
    """Return the big-endian format of an answer. Places may touch but not overlap, which the map's lint has checked."""
    parts = [">"]
    position = 0
    for offset, code in places:
        parts.append(f"{(offset - position) * _BYTES_PER_REGISTER}x{code}")
        position = offset + struct.calcsize(f">{code}") // _BYTES_PER_REGISTER
    parts.append(f"{(n_registers - position) * _BYTES_PER_REGISTER}x")
    return "".join(parts)


def _ordering(read: PlannedRead) -> tuple[int, ...] | None:
    """Return which byte of the answer stands at each place once all values are big-endian; None if they are."""
    order = list(range(read.count * _BYTES_PER_REGISTER))
    for point in read.points:
        if point.at.table.holds_bits:
            continue
        start = (point.at.register - read.at.register) * _BYTES_PER_REGISTER
        registers = [order_of_bytes(point.coding, start + 2 * number) for number in range(point.n_registers)]
        if point.coding.word_order is WordOrder.LITTLE and point.coding.type is not PointType.STRING:
            registers.reverse()
        order[start : start + 2 * point.n_registers] = [byte for pair in registers for byte in pair]
        if (factor := point.coding.factor) is not None:
            start = (factor.register - read.at.register) * _BYTES_PER_REGISTER
            order[start : start + 2] = order_of_bytes(point.coding, start)
    return None if order == sorted(order) else tuple(order)


def order_of_bytes(coding: Coding, first: int) -> tuple[int, int]:
    """Return the numbers of the high and the low byte of the register that begins at byte `first`."""
    return (first, first + 1) if coding.byte_order is ByteOrder.BIG else (first + 1, first)


def _raws(read: PlannedRead, unpack: Callable[[bytes], tuple[int | float | bytes, ...]]) -> RawSource:
    """Return how the raw values are got from the bytes; they are put into another order where values need it."""
    order = _ordering(read)
    if order is None:
        return RawSource("unpack(data)", {"unpack": unpack})
    return RawSource("unpack(bytes(pick(data)))", {"unpack": unpack, "pick": itemgetter(*order)})


def decode_text(registers: Sequence[int], encoding: TextEncoding = TextEncoding.ASCII) -> str | Bad:
    """Return the text of registers, high byte first, without NUL and blank padding."""
    return text_of(bytes_of(registers), encoding)


def decode_number(registers: Sequence[int], coding: Coding) -> float:
    """Return the value of registers that hold a single number."""
    if coding.type is PointType.BIT:
        return float(registers[0])
    packed = _from_device(registers, coding)
    (raw,) = struct.unpack(f">{_STRUCT_CODES[coding.type]}", packed)
    return float(conversion(coding)(raw))


def _from_device(registers: Sequence[int], coding: Coding) -> bytes:
    """Return the bytes of one value, the highest first."""
    if coding.word_order is WordOrder.LITTLE:
        registers = registers[::-1]
    return struct.pack(f"{'>' if coding.byte_order is ByteOrder.BIG else '<'}{len(registers)}H", *registers)


def encode(value: float, coding: Coding, *, limits: tuple[float, float] | None = None) -> Encoded | Bad:
    """Return a command as registers, rounded toward zero to a whole count (floats: to the nearest one).

    NaN, infinity, values outside `limits` and beyond the registers' range are `Bad`: the codec never clamps. A
    coding with a factor register must have got its power of ten before (`values.with_power`).
    """
    low, high = limits or (-math.inf, math.inf)
    if not math.isfinite(value):
        return Bad(f"{value} is no number")
    if coding.factor is not None:
        return Bad(f"the scale factor at {coding.factor} is not known")
    if not low <= value <= high:
        return Bad(f"{value:g} is outside {low:g}..{high:g}")
    if coding.type is PointType.BIT:
        bit = value != 0.0
        return Encoded(registers=(int(bit),), value=float(bit), step=0.5)
    exact = (value * coding.sign - coding.offset) / coding.scale
    if not math.isfinite(exact):
        return Bad(f"{value:g} does not fit into {coding.type}")
    raw = exact if coding.type in FLOATS else _whole_count(exact, coding, low=low, high=high)
    try:
        packed = struct.pack(f">{_STRUCT_CODES[coding.type]}", raw)
    except (struct.error, OverflowError):
        return Bad(f"{value:g} does not fit into {coding.type}")
    registers = _to_device(packed, coding)
    written = decode_number(registers, coding)
    step = _step(written, coding, span=high - low)
    # a float next to a limit that no float hits exactly is that limit
    slack = step if coding.type in FLOATS else step * _COUNT_TOLERANCE
    if not low - slack <= written <= high + slack:
        return Bad(f"no register value near {value:g} is within {low:g}..{high:g}")
    return Encoded(registers=registers, value=written, step=step)


def _step(written: float, coding: Coding, *, span: float) -> float:
    """Return the weight of one count; of a switch with two values half of it, as they must not pass for each other."""
    float_step = _FLOAT_STEPS.get(coding.type)
    if float_step is not None:
        # with an offset the device may hold a much larger number than the value
        return max(abs(written), abs(written * coding.sign - coding.offset), _SMALLEST_STEP) * float_step
    return abs(coding.scale) / 2 if span <= abs(coding.scale) else abs(coding.scale)


def _to_device(packed: bytes, coding: Coding) -> tuple[int, ...]:
    order = ">" if coding.byte_order is ByteOrder.BIG else "<"
    registers = struct.unpack(f"{order}{N_REGISTERS[coding.type]}H", packed)
    return registers[::-1] if coding.word_order is WordOrder.LITTLE else registers


def _whole_count(exact: float, coding: Coding, *, low: float, high: float) -> int:
    """Return the neighbouring count whose value is nearer to zero and within the limits."""
    nearest = round(exact)
    if abs(exact - nearest) <= _COUNT_TOLERANCE:
        return nearest
    value_of = conversion(coding)
    values = {raw: value_of(raw) for raw in (math.floor(exact), math.ceil(exact))}
    return min(values, key=lambda raw: (not low <= values[raw] <= high, abs(values[raw])))
