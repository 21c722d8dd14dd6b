"""The twin's own encoding of values into 16-bit words, by the description in a register map.

Written without the drivers' codec and without its shortcuts, on purpose: two independent readings of a map.
"""

import math
import struct
from decimal import Decimal
from typing import Final

from drivers.modbus.layout import Coding, Command, Point, PointType, WordOrder

Words = list[int]
Value = float | int | bool | str | None

_ALL_ONES: Final = 0xFFFF
_QUIET_NAN: Final = 0x7FC00000
# bits and whether negative numbers exist
_INTEGERS: Final = {
    PointType.UINT16: (16, False),
    PointType.INT16: (16, True),
    PointType.UINT32: (32, False),
    PointType.INT32: (32, True),
    PointType.UINT64: (64, False),
    PointType.INT64: (64, True),
}


def point_words(point: Point, value: Value, word_order: WordOrder) -> Words:
    """Return the registers of a point; None is what the device shows for a value that it does not have."""
    if point.bit is not None:
        return [int(bool(value)) << point.bit]
    if point.coding.type is PointType.STRING:
        return _text_words(str(value or ""), point.n_registers)
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return _ordered(_absent(point), point.n_registers, word_order)
    if point.labels is not None:
        return _ordered(_code_of(point, value), point.n_registers, word_order)
    number = float(value) if isinstance(value, str) else value
    return _ordered(_raw(number, point.coding), point.n_registers, word_order)


def command_value(command: Command, words: tuple[int, ...], word_order: WordOrder) -> float:
    """Return the value that the registers of a command mean."""
    raw = 0
    for word in words if word_order is WordOrder.BIG else reversed(words):
        raw = raw * 0x10000 + word
    coding = command.coding
    if coding.type is PointType.FLOAT32:
        number = Decimal(struct.unpack("!f", struct.pack("!L", raw))[0])
    else:
        n_bits, signed = _INTEGERS[coding.type]
        number = Decimal(raw - (1 << n_bits) if signed and raw >> (n_bits - 1) else raw)
    # in decimals, as the map writes them: the rated power must not come out a rounding error above itself
    value = number * Decimal(str(coding.scale)) + Decimal(str(coding.offset))
    return float(-value if coding.sign < 0 else value)


def _raw(value: float, coding: Coding) -> int:
    """Return the bits of a number; a device shows the end of its range for what lies beyond."""
    seen = -value if coding.sign < 0 else value
    # a counter stays an exact integer
    count = seen if coding.scale == 1 and coding.offset == 0 else (seen - coding.offset) / coding.scale
    if coding.type is PointType.FLOAT32:
        return int(struct.unpack("!L", struct.pack("!f", count))[0])
    n_bits, signed = _INTEGERS[coding.type]
    lowest = -(1 << (n_bits - 1)) if signed else 0
    highest = (1 << (n_bits - 1 if signed else n_bits)) - 1
    whole = math.floor(count + 0.5) if isinstance(count, float) else count
    return min(max(whole, lowest), highest) % (1 << n_bits)


def _absent(point: Point) -> int:
    if point.invalid:
        return int(max(point.invalid)) % (1 << 16 * point.n_registers)
    if point.coding.type is PointType.FLOAT32:
        return _QUIET_NAN
    return (1 << 16 * point.n_registers) - 1


def _code_of(point: Point, value: Value) -> int:
    name = str(value).lower() if isinstance(value, bool) else str(value)
    for code, label in (point.labels or {}).items():
        if label == name:
            return code
    return _ALL_ONES


def _ordered(raw: int, n_words: int, word_order: WordOrder) -> Words:
    low_first = []
    for _ in range(n_words):
        raw, word = divmod(raw, 0x10000)
        low_first.append(word)
    return low_first if word_order is WordOrder.LITTLE else low_first[::-1]


def _text_words(text: str, n_words: int) -> Words:
    raw = text.encode("ascii", errors="replace")[: 2 * n_words].ljust(2 * n_words, b"\0")
    return [high << 8 | low for high, low in zip(raw[::2], raw[1::2], strict=True)]
