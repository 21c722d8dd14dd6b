"""Which values a type can hold by its scale, offset and sign: ranges and limits that it cannot are found here."""

import math
from collections.abc import Iterator
from typing import Final

from drivers.device.needs import Finding
from drivers.modbus.coding import FLOATS, N_REGISTERS, Coding, PointType
from drivers.modbus.layout import Point, SetpointCommand
from drivers.modbus.registers import Encoded, encode
from drivers.modbus.values import FACTOR_RANGE, with_power

SIGNED: Final = frozenset({PointType.INT16, PointType.INT32, PointType.INT64})
# a smaller scale is a slip: no count of 64 bits would come out as a value worth reading
LEAST_SCALE: Final = 1e-12
_BITS_PER_REGISTER: Final = 16
# a bound that misses a whole count by less than this is that count
_COUNT_TOLERANCE: Final = 1e-6
_NO_NUMBERS: Final = frozenset({PointType.BIT, PointType.STRING})

Range = tuple[float, float]


def scale_findings(coding: Coding, key: str) -> Iterator[Finding]:
    """Yield what no scale may be."""
    if abs(coding.scale) < LEAST_SCALE:
        yield f"{key}.scale", "every value would be the same", "a number above 0, at least 1e-12"
    elif coding.scale < 0:
        yield f"{key}.scale", "the key `sign` turns the sign, no scale does", 'a number above 0, with key "sign"'


def valid_findings(point: Point, key: str) -> Iterator[Finding]:
    """Yield a range in which no code of the point's registers lies."""
    held = held_by(point)
    if point.valid is None or held is None or not _is_sound(point.coding, point.valid):
        return
    first, last = _codes_within(point.coding, point.valid, _raw_range(point))
    n_absent = sum(first <= code <= last for code in point.invalid)
    if last - first + 1 <= n_absent:
        yield f"{key}.valid", f"no code of type {point.coding.type} gives such a value", _values(held)


def limit_findings(command: SetpointCommand, key: str) -> Iterator[Finding]:
    """Yield limits that the type of a command cannot hold, or between which it has no count."""
    limits, coding = command.limits, command.coding
    if limits is None or coding.type is PointType.BIT or not _is_sound(coding, limits):
        return
    if not any(_fits(limits, each) for each in _codings(coding)):
        held = None if coding.factor is not None else _held(coding, _raw_codes(coding.type))
        message = f"{limits[0]:g} to {limits[1]:g} do not fit into type {coding.type} with its scale, offset and sign"
        yield f"{key}.limits", message, None if held is None else _values(held)


def held_by(point: Point) -> Range | None:
    """Return the lowest and the highest value that a point can show, None where nothing bounds it."""
    if point.labels or point.flags or point.coding.type in _NO_NUMBERS | FLOATS or point.coding.factor is not None:
        return None
    return _held(point.coding, _raw_range(point))


def _held(coding: Coding, raws: Range | None) -> Range | None:
    if raws is None:
        return None
    low, high = sorted((raw * coding.scale + coding.offset) * coding.sign for raw in raws)
    return low, high


def _raw_range(point: Point) -> Range:
    if point.width is not None:
        return 0, (1 << point.width) - 1
    return _raw_codes(point.coding.type) or (-math.inf, math.inf)


def _raw_codes(type_: PointType) -> Range | None:
    if type_ in _NO_NUMBERS | FLOATS:
        return None
    n_bits = N_REGISTERS[type_] * _BITS_PER_REGISTER
    return (-(1 << (n_bits - 1)), (1 << (n_bits - 1)) - 1) if type_ in SIGNED else (0, (1 << n_bits) - 1)


def _is_sound(coding: Coding, range_: Range) -> bool:
    """Return whether scale and range are right in themselves: what is not is named elsewhere."""
    return coding.scale >= LEAST_SCALE and range_[0] < range_[1]


def _codes_within(coding: Coding, range_: Range, raws: Range) -> tuple[int, int]:
    """Return the first and the last raw code whose value lies in a range; none if the last is before the first."""
    low, high = sorted((value * coding.sign - coding.offset) / coding.scale for value in range_)
    first = max(low - _COUNT_TOLERANCE, raws[0])
    last = min(high + _COUNT_TOLERANCE, raws[1])
    return math.ceil(first), math.floor(last)


def _codings(coding: Coding) -> Iterator[Coding]:
    """Yield a coding with every factor that the device may show."""
    if coding.factor is None:
        yield coding
        return
    for power in range(FACTOR_RANGE[0], FACTOR_RANGE[1] + 1):
        yield with_power(coding, power)


def _fits(limits: Range, coding: Coding) -> bool:
    if not all(isinstance(encode(limit, coding), Encoded) for limit in limits):
        return False
    return any(isinstance(encode(limit, coding, limits=limits), Encoded) for limit in limits)


def _values(held: Range) -> str:
    return f"values within {held[0] + 0.0:g} to {held[1] + 0.0:g}"
