"""From one raw number or text to the value of a point: scale, sign, sentinels, valid ranges, names of codes and bits.

A register that cannot be understood gives no number: the result is a value, None (not available, and allowed to
be) or `Bad` with the reason. Nothing is clamped on reading. Signs are turned here, and in `registers.encode`.
"""

import math
from collections.abc import Callable, Mapping
from typing import Final

from drivers.device.values import Bad, Number, Value, parts_of
from drivers.modbus.coding import FLOATS, Coding, PointType, TextEncoding
from drivers.modbus.layout import Point

Raw = int | float | bytes

# the powers of ten that a scale factor may take (SunSpec Device Information Model Specification, type sunssf)
FACTOR_RANGE: Final = (-10, 10)
# 'not implemented' of such a factor (same document), whatever else a map names
FACTOR_ABSENT: Final = -0x8000
# of ASCII
_FIRST_PRINTABLE: Final = 0x20
_LAST_PRINTABLE: Final = 0x7E
_MOST_BYTES_SHOWN: Final = 8


# `raw` and, for a point with a scale factor, the power of ten beside it
PointDecoder = Callable[[Raw], Value | Bad | None]
FactoredDecoder = Callable[[Raw, Raw], Value | Bad | None]


def point_decoder(point: Point, *, integral: bool) -> PointDecoder:
    """Return the function that turns a point's raw number into its value.

    `integral` keeps the value an int; otherwise numbers come out as float.
    """
    if point.coding.type is PointType.STRING:
        return _text_decoder(point)
    if point.flags is not None:
        return _flags_decoder(point.flags, point)
    if point.coding.type is PointType.BIT:
        return _flag_decoder(point.bit or 0, point)
    decode = _label_decoder(point.labels, point) if point.labels is not None else _number_decoder(point, integral)
    return decode if point.bit is None else _part_decoder(decode, point)


def factored_decoder(point: Point) -> FactoredDecoder:
    """Return the function from a raw number and its power of ten to the value."""
    decoders = {
        power: _number_decoder(point, integral=False, coding=with_power(point.coding, power))
        for power in range(FACTOR_RANGE[0], FACTOR_RANGE[1] + 1)
    }

    def decode(raw: Raw, power: Raw) -> Value | Bad | None:
        decoder = decoders.get(int(power))
        if decoder is not None:
            return decoder(raw)
        if power == FACTOR_ABSENT:
            return None if point.optional else Bad("its scale factor is not available")
        return Bad(f"its scale factor is 10^{power!r}")

    return decode


def with_power(coding: Coding, power: int) -> Coding:
    """Return a coding whose factor is known: 10^power."""
    scale = coding.scale * 10**power if power >= 0 else coding.scale / 10**-power
    return Coding(
        type=coding.type,
        scale=scale,
        offset=coding.offset,
        sign=coding.sign,
        word_order=coding.word_order,
        byte_order=coding.byte_order,
    )


def conversion(coding: Coding, *, integral: bool = False) -> Callable[[Number], Number]:
    """Return the function from raw numbers to values; int in and int out if `integral`."""
    factor, offset = coding.scale * coding.sign, coding.offset * coding.sign
    if integral:
        return lambda raw: int(raw * factor + offset)
    if (parts := parts_of(factor)) is not None:
        return lambda raw: raw / parts + offset
    factor = float(factor)
    return lambda raw: raw * factor + offset


def _absent(point: Point, raw: Number) -> Bad | None:
    return None if point.optional else Bad(f"not available (code {raw:g})")


def _flag_decoder(bit: int, point: Point) -> PointDecoder:
    mask = 1 << bit

    def decode(raw: Raw) -> Value | Bad | None:
        if raw in point.invalid:
            return _absent(point, int(raw))
        return bool(int(raw) & mask)

    return decode


def _flags_decoder(flags: Mapping[int, str], point: Point) -> PointDecoder:
    """Return the decoder to the names of the bits that are set, lowest first; bits without a name say nothing."""
    names = tuple((1 << bit, name) for bit, name in sorted(flags.items()))

    def decode(raw: Raw) -> Value | Bad | None:
        if raw in point.invalid:
            return _absent(point, int(raw))
        bits = int(raw)
        return tuple(name for mask, name in names if bits & mask)

    return decode


def _part_decoder(decode: PointDecoder, point: Point) -> PointDecoder:
    """Return the decoder of some bits of a register, which has its own sentinels, codes and range."""
    shift, mask = point.bit or 0, (1 << (point.width or 1)) - 1
    return lambda raw: decode(int(raw) >> shift & mask)


def _label_decoder(labels: Mapping[int, str], point: Point) -> PointDecoder:
    flags = {"true": True, "false": False}
    values: dict[Raw, Value] = {code: flags.get(label, label) for code, label in labels.items()}

    def decode(raw: Raw) -> Value | Bad | None:
        if raw in point.invalid:
            return _absent(point, int(raw))
        value = values.get(raw)
        return Bad(f"unknown code {raw!r}") if value is None else value

    return decode


def _number_decoder(point: Point, integral: bool, *, coding: Coding | None = None) -> PointDecoder:  # noqa: FBT001 - one of two equal inputs
    value_of = conversion(coding or point.coding, integral=integral)
    low, high = point.valid or (-math.inf, math.inf)

    def decode(raw: Raw) -> Value | Bad | None:
        number = raw if isinstance(raw, int) else float(raw)
        if number in point.invalid:
            return _absent(point, number)
        value = value_of(number)
        if not low <= value <= high:
            return Bad(f"{value:g} is outside {low:g}..{high:g}")
        return value

    def decode_finite(raw: Raw) -> Value | Bad | None:
        number = float(raw)
        if math.isnan(number):
            return _absent(point, number)
        return Bad("infinite") if math.isinf(number) else decode(number)

    return decode_finite if point.coding.type in FLOATS else decode


def _text_decoder(point: Point) -> PointDecoder:
    def decode(raw: Raw) -> Value | Bad | None:
        text = text_of(raw, point.encoding) if isinstance(raw, bytes) else Bad("not a text")
        if text == "":
            return None if point.optional else Bad("an empty text")
        return text

    return decode


def text_of(raw: bytes, encoding: TextEncoding) -> str | Bad:
    """Return the text of registers without its padding of NUL and blanks."""
    try:
        if encoding is TextEncoding.UTF16:
            text = raw.decode("utf-16-be").split("\0", 1)[0]
        else:
            # behind the end of the text there may be anything
            text = raw.split(b"\0", 1)[0].decode("ascii")
    except UnicodeDecodeError:
        return _no_text(raw, encoding)
    text = text.strip()
    return text if text.isprintable() else _no_text(raw, encoding)


def _no_text(raw: bytes, encoding: TextEncoding) -> Bad:
    """Return which bytes keep registers from being a text."""
    if encoding is TextEncoding.UTF16:
        return Bad(f"{raw[:_MOST_BYTES_SHOWN].hex(' ').upper()} is no text of UTF-16")
    strange = [
        f"{byte:02X}" for byte in raw.split(b"\0", 1)[0].strip() if not _FIRST_PRINTABLE <= byte <= _LAST_PRINTABLE
    ]
    more = " ..." if len(strange) > _MOST_BYTES_SHOWN else ""
    noun, verb = ("byte", "is") if len(strange) == 1 else ("bytes", "are")
    return Bad(f"{noun} {' '.join(strange[:_MOST_BYTES_SHOWN])}{more} {verb} no text")
