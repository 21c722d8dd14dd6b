"""The twin's own encoding of values into 16-bit words, by the description in a register map.

Written without the drivers' codec and without its shortcuts, on purpose: two independent readings of a map.
"""

import math
import struct
from decimal import Decimal
from typing import Final

from drivers.modbus.coding import ByteOrder, Coding, PointType, TextEncoding, WordOrder
from drivers.modbus.layout import Command, Point

Words = list[int]
Value = float | int | bool | str | tuple[str, ...] | None

_ALL_ONES: Final = 0xFFFF
# quiet NaN, the code and the integer of the same length
_FLOATS: Final = {PointType.FLOAT32: ("!f", "!L", 0x7FC00000), PointType.FLOAT64: ("!d", "!Q", 0x7FF8000000000000)}
# bits and whether negative numbers exist
_INTEGERS: Final = {
    PointType.UINT16: (16, False),
    PointType.INT16: (16, True),
    PointType.UINT32: (32, False),
    PointType.INT32: (32, True),
    PointType.UINT64: (64, False),
    PointType.INT64: (64, True),
}


def point_words(point: Point, value: Value, *, power: int = 0) -> Words:
    """Return the registers of a point; None is what the device shows for a value that it does not have.

    `power` is the scale factor that the device shows beside it, a power of ten.
    """
    coding = point.coding
    if point.at.table.holds_bits:
        if point.flags is not None:
            return [int(isinstance(value, tuple) and point.flags[0] in value)]
        return [int(bool(value))]
    if coding.type is PointType.BIT:
        return _ordered(int(bool(value)) << (point.bit or 0), 1, coding)
    if coding.type is PointType.STRING:
        return _text_words(str(value or ""), point)
    raw = _raw_of(point, value, power)
    if point.bit is not None and point.width is not None:
        raw = (raw & (1 << point.width) - 1) << point.bit
    return _ordered(raw, point.n_registers, coding)


def command_value(command: Command, words: tuple[int, ...], *, power: int = 0) -> float:
    """Return the value that the registers of a command mean."""
    coding = command.coding
    if coding.type is PointType.BIT:
        return float(words[0])
    raw = 0
    for word in words if coding.word_order is WordOrder.BIG else reversed(words):
        raw = raw * 0x10000 + (_swapped(word) if coding.byte_order is ByteOrder.LITTLE else word)
    if coding.type in _FLOATS:
        code, integer, _ = _FLOATS[coding.type]
        number = Decimal(struct.unpack(code, struct.pack(integer, raw))[0])
    else:
        n_bits, signed = _INTEGERS[coding.type]
        number = Decimal(raw - (1 << n_bits) if signed and raw >> (n_bits - 1) else raw)
    # in decimals, as the map writes them: the rated power must not come out a rounding error above itself
    value = number.scaleb(power) * Decimal(str(coding.scale)) + Decimal(str(coding.offset))
    return float(-value if coding.sign < 0 else value)


def fitting_power(point: Point) -> int:
    """Return the smallest scale factor with which a point's whole range fits its registers."""
    n_bits, signed = _INTEGERS[point.coding.type]
    largest = max(abs(limit - point.coding.offset) for limit in point.valid or (0.0,)) / abs(point.coding.scale)
    highest = (1 << (n_bits - 1 if signed else n_bits)) - 1
    return next((power for power in range(-3, 11) if largest <= (highest - 1) * 10.0**power), 0)


def _raw_of(point: Point, value: Value, power: int) -> int:
    """Return the bits of a value."""
    if value is None and point.flags is not None and not point.invalid:
        # a bit field without a code for it cannot be absent
        return 0
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return _absent(point)
    if point.flags is not None:
        shown = value if isinstance(value, tuple) else ()
        return sum(1 << bit for bit, name in point.flags.items() if name in shown)
    if point.labels is not None:
        return _code_of(point, value)
    if isinstance(value, tuple):
        return _absent(point)
    if isinstance(value, str):
        # devices that name themselves by numbers
        return int(value) if value.isdecimal() else number_of(value) % (1 << 16 * point.n_registers - 1)
    return _raw(value, point.coding, power)


def number_of(text: str) -> int:
    """Return a number that stands for a text, the same in every run."""
    number = 1
    for character in text:
        number = (number * 31 + ord(character)) % 0x7FFFFFFF
    return number


def _raw(value: float, coding: Coding, power: int) -> int:
    """Return the bits of a number; a device shows the end of its range for what lies beyond."""
    seen = -value if coding.sign < 0 else value
    # a counter stays an exact integer
    count = seen if coding.scale == 1 and coding.offset == 0 else (seen - coding.offset) / coding.scale
    if coding.type in _FLOATS:
        code, integer, _ = _FLOATS[coding.type]
        return int(struct.unpack(integer, struct.pack(code, count))[0])
    if power:
        count = float(Decimal(count).scaleb(-power))
    n_bits, signed = _INTEGERS[coding.type]
    lowest = -(1 << (n_bits - 1)) if signed else 0
    highest = (1 << (n_bits - 1 if signed else n_bits)) - 1
    whole = math.floor(count + 0.5) if isinstance(count, float) else count
    return min(max(whole, lowest), highest) % (1 << n_bits)


def _absent(point: Point) -> int:
    if point.invalid:
        return int(max(point.invalid)) % (1 << 16 * point.n_registers)
    if point.coding.type in _FLOATS:
        return _FLOATS[point.coding.type][2]
    return (1 << 16 * point.n_registers) - 1


def _code_of(point: Point, value: Value) -> int:
    name = str(value).lower() if isinstance(value, bool) else str(value)
    for code, label in (point.labels or {}).items():
        if label == name:
            return code
    return _ALL_ONES


def _ordered(raw: int, n_words: int, coding: Coding) -> Words:
    low_first = []
    for _ in range(n_words):
        raw, word = divmod(raw, 0x10000)
        low_first.append(_swapped(word) if coding.byte_order is ByteOrder.LITTLE else word)
    return low_first if coding.word_order is WordOrder.LITTLE else low_first[::-1]


def _swapped(word: int) -> int:
    return (word & 0xFF) << 8 | word >> 8


def _text_words(text: str, point: Point) -> Words:
    if point.encoding is TextEncoding.UTF16:
        return [ord(character) for character in text[: point.n_registers].ljust(point.n_registers, "\0")]
    n_bytes = 2 * point.n_registers
    raw = text.encode("ascii", errors="replace")[:n_bytes].ljust(n_bytes, b"\0")
    words = [high << 8 | low for high, low in zip(raw[::2], raw[1::2], strict=True)]
    return [_swapped(word) for word in words] if point.coding.byte_order is ByteOrder.LITTLE else words
