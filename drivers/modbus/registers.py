"""The codec between registers and values: types, word order, scale, sign, sentinels, valid ranges.

A register that cannot be understood gives no number: the result is a value, None (not available, and allowed
to be) or `Bad` with the reason. Nothing is clamped on reading. Signs are flipped here and nowhere else.
"""

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from drivers.modbus.blocks import PlannedRead
from drivers.modbus.layout import N_REGISTERS, Coding, Point, PointType, WordOrder

_STRUCT_CODES: Final[Mapping[PointType, str]] = {
    PointType.UINT16: "H",
    PointType.INT16: "h",
    PointType.UINT32: "I",
    PointType.INT32: "i",
    PointType.UINT64: "Q",
    PointType.INT64: "q",
    PointType.FLOAT32: "f",
}
_BYTES_PER_REGISTER: Final = 2
# a value that misses a whole count by less than this is that count: 0.3 / 0.1 is 2.9999999999999996
_COUNT_TOLERANCE: Final = 1e-6
# spacing of float32 numbers relative to their size (24 bits of mantissa)
_FLOAT32_STEP: Final = 2.0**-23
_SMALLEST_STEP: Final = 1e-3

Raw = int | float
Value = int | float | bool | str


@dataclass(frozen=True, slots=True)
class Bad:
    """No value, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """The points of one answer: None where a point has no value; `bad` says why unless that is normal."""

    values: Mapping[str, Value | None]
    bad: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A command as registers; `value` is what they mean after rounding, `step` the weight of one count."""

    registers: tuple[int, ...]
    value: float
    step: float


PointDecoder = Callable[[Raw], Value | Bad | None]


class BlockDecoder:
    """Decodes one planned read with a single precompiled unpack.

    A device with the low word first has its registers reversed as a whole: then every longer value stands high
    word first, at a mirrored place, and one big-endian format reads them all.
    """

    def __init__(self, read: PlannedRead, word_order: WordOrder, *, integers: Iterable[str] = ()) -> None:
        self._reversed = word_order is WordOrder.LITTLE
        self._pack = struct.Struct(f">{read.count}H").pack
        places = {_place(point, read, mirrored=self._reversed) for point in read.points}
        order = sorted(places)
        self._unpack = struct.Struct(_format(order, read.count)).unpack
        integers = frozenset(integers)
        self._points = tuple(
            (
                point.name,
                order.index(_place(point, read, mirrored=self._reversed)),
                point_decoder(point, integral=point.name in integers),
            )
            for point in read.points
        )

    def decode(self, registers: Sequence[int]) -> Decoded:
        """Return the points of an answer that has exactly the registers asked for."""
        if self._reversed:
            registers = registers[::-1]
        raw = self._unpack(self._pack(*registers))
        values: dict[str, Value | None] = {}
        bad: dict[str, str] = {}
        for name, index, decode in self._points:
            value = decode(raw[index])
            if isinstance(value, Bad):
                values[name] = None
                bad[name] = value.reason
            else:
                values[name] = value
        return Decoded(values, bad)

    def all_bad(self, reason: str) -> Decoded:
        """Return the points of an answer that never came: a block fails as a whole."""
        names = [name for name, _, _ in self._points]
        return Decoded(dict.fromkeys(names), dict.fromkeys(names, reason))


def _place(point: Point, read: PlannedRead, *, mirrored: bool) -> tuple[int, str]:
    """Return where a point starts in the answer, in registers, and its struct code."""
    offset = point.at.register - read.at.register
    if mirrored:
        offset = read.count - offset - point.n_registers
    return offset, _STRUCT_CODES[point.coding.raw_type]


def _format(order: list[tuple[int, str]], n_registers: int) -> str:
    parts = [">"]
    position = 0
    for offset, code in order:
        parts.append(f"{(offset - position) * _BYTES_PER_REGISTER}x{code}")
        position = offset + struct.calcsize(f">{code}") // _BYTES_PER_REGISTER
    parts.append(f"{(n_registers - position) * _BYTES_PER_REGISTER}x")
    return "".join(parts)


def point_decoder(point: Point, *, integral: bool) -> PointDecoder:
    """Return the function that turns a point's raw number into its value.

    `integral` keeps the value an int; otherwise numbers come out as float.
    """
    if point.bit is not None:
        return _flag_decoder(point.bit, point)
    if point.labels is not None:
        return _label_decoder(point.labels, point)
    return _number_decoder(point, integral=integral)


def _absent(point: Point, raw: Raw) -> Bad | None:
    return None if point.optional else Bad(f"not available (code {raw:g})")


def _flag_decoder(bit: int, point: Point) -> PointDecoder:
    mask = 1 << bit

    def decode(raw: Raw) -> Value | Bad | None:
        if raw in point.invalid:
            return _absent(point, raw)
        return bool(int(raw) & mask)

    return decode


def _label_decoder(labels: Mapping[int, str], point: Point) -> PointDecoder:
    flags = {"true": True, "false": False}
    values: dict[Raw, Value] = {code: flags.get(label, label) for code, label in labels.items()}

    def decode(raw: Raw) -> Value | Bad | None:
        if raw in point.invalid:
            return _absent(point, raw)
        value = values.get(raw)
        return Bad(f"unknown code {raw:g}") if value is None else value

    return decode


def _conversion(coding: Coding) -> Callable[[Raw], Raw]:
    """Return the function from raw numbers to values.

    A scale that is one part of a whole number is divided by it: 3 / 10 is 0.3, 3 x 0.1 is not, and a setpoint of
    exactly the rated power must not come out above it.
    """
    factor, offset = coding.scale * coding.sign, coding.offset * coding.sign
    parts = round(1 / factor)
    if abs(factor) < 1 and math.isclose(parts * factor, 1.0, rel_tol=1e-12):
        return lambda raw: raw / parts + offset
    return lambda raw: raw * factor + offset


def _number_decoder(point: Point, *, integral: bool) -> PointDecoder:
    value_of = _conversion(point.coding)
    low, high = point.valid or (-math.inf, math.inf)
    convert = int if integral else float

    def decode(raw: Raw) -> Value | Bad | None:
        if raw in point.invalid:
            return _absent(point, raw)
        value = convert(value_of(raw))
        if not low <= value <= high:
            return Bad(f"{value:g} is outside {low:g}..{high:g}")
        return value

    def decode_finite(raw: Raw) -> Value | Bad | None:
        if math.isnan(raw):
            return _absent(point, raw)
        return Bad("infinite") if math.isinf(raw) else decode(raw)

    return decode_finite if point.coding.type is PointType.FLOAT32 else decode


def decode_text(registers: Sequence[int]) -> str | Bad:
    """Return the text of registers with two ASCII characters each, without NUL and blank padding."""
    raw = b"".join(register.to_bytes(_BYTES_PER_REGISTER, "big") for register in registers)
    try:
        text = raw.split(b"\0", 1)[0].decode("ascii").strip()
    except UnicodeDecodeError:
        return Bad("not a text")
    return text if text.isprintable() else Bad("not a text")


def decode_number(registers: Sequence[int], coding: Coding, word_order: WordOrder) -> float:
    """Return the value of registers that hold a single number."""
    if word_order is WordOrder.LITTLE:
        registers = registers[::-1]
    (raw,) = struct.unpack(f">{_STRUCT_CODES[coding.type]}", struct.pack(f">{len(registers)}H", *registers))
    return float(_conversion(coding)(raw))


def encode(
    value: float, coding: Coding, *, limits: tuple[float, float] | None = None, word_order: WordOrder
) -> Encoded | Bad:
    """Return a command as registers, rounded toward zero to a whole count (float32: to the nearest float32).

    NaN, infinity, values outside `limits` and beyond the registers' range are `Bad`: the codec never clamps.
    """
    low, high = limits or (-math.inf, math.inf)
    if not math.isfinite(value):
        return Bad(f"{value} is no number")
    if not low <= value <= high:
        return Bad(f"{value:g} is outside {low:g}..{high:g}")
    exact = (value * coding.sign - coding.offset) / coding.scale
    raw = exact if coding.type is PointType.FLOAT32 else _whole_count(exact, coding, low=low, high=high)
    try:
        packed = struct.pack(f">{_STRUCT_CODES[coding.type]}", raw)
    except (struct.error, OverflowError):
        return Bad(f"{value:g} does not fit into {coding.type}")
    registers = struct.unpack(f">{N_REGISTERS[coding.type]}H", packed)
    if word_order is WordOrder.LITTLE:
        registers = registers[::-1]
    written = decode_number(registers, coding, word_order)
    step = max(abs(written), _SMALLEST_STEP) * _FLOAT32_STEP if coding.type is PointType.FLOAT32 else abs(coding.scale)
    if not low - step * _COUNT_TOLERANCE <= written <= high + step * _COUNT_TOLERANCE:
        return Bad(f"no register value near {value:g} is within {low:g}..{high:g}")
    return Encoded(registers=registers, value=written, step=step)


def _whole_count(exact: float, coding: Coding, *, low: float, high: float) -> int:
    """Return the neighbouring count whose value is nearer to zero and within the limits."""
    nearest = round(exact)
    if abs(exact - nearest) <= _COUNT_TOLERANCE:
        return nearest
    value_of = _conversion(coding)
    values = {raw: value_of(raw) for raw in (math.floor(exact), math.ceil(exact))}
    return min(values, key=lambda raw: (not low <= values[raw] <= high, abs(values[raw])))
