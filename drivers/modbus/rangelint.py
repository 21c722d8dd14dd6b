"""Which values a type can hold by its scale, offset and sign: ranges and limits that it cannot are found here."""

import math
from collections.abc import Iterator
from typing import Final

from drivers.device.needs import Finding
from drivers.device.numberlint import Range, held_by, is_sound, values_within
from drivers.modbus.coding import FLOATS, N_REGISTERS, Coding, PointType
from drivers.modbus.layout import Point, SetpointCommand
from drivers.modbus.registers import Encoded, encode
from drivers.modbus.values import FACTOR_RANGE, with_power

SIGNED: Final = frozenset({PointType.INT16, PointType.INT32, PointType.INT64})
_BITS_PER_REGISTER: Final = 16
# a bound that misses a whole count by less than this is that count
_COUNT_TOLERANCE: Final = 1e-6
_NO_NUMBERS: Final = frozenset({PointType.BIT, PointType.STRING})


def valid_findings(point: Point, key: str) -> Iterator[Finding]:
    """Yield a range in which no code of the point's registers lies."""
    held = values_of(point)
    if point.valid is None or held is None or not is_sound(point.coding.scale, point.valid):
        return
    first, last = _codes_within(point.coding, point.valid, _raw_range(point))
    n_absent = sum(first <= code <= last for code in point.invalid)
    if last - first + 1 <= n_absent:
        yield f"{key}.valid", f"no code of type {point.coding.type} gives such a value", values_within(held)


def limit_findings(command: SetpointCommand, key: str) -> Iterator[Finding]:
    """Yield limits that the type of a command cannot hold, or between which it has no count."""
    limits, coding = command.limits, command.coding
    if limits is None or coding.type is PointType.BIT or not is_sound(coding.scale, limits):
        return
    if not any(_fits(limits, each) for each in _codings(coding)):
        held = None if coding.factor is not None else _held(coding, _raw_codes(coding.type))
        message = f"{limits[0]:g} to {limits[1]:g} do not fit into type {coding.type} with its scale, offset and sign"
        yield f"{key}.limits", message, None if held is None else values_within(held)


def values_of(point: Point) -> Range | None:
    """Return the lowest and the highest value that a point can show, None where nothing bounds it."""
    if point.labels or point.flags or point.coding.type in _NO_NUMBERS | FLOATS or point.coding.factor is not None:
        return None
    return _held(point.coding, _raw_range(point))


def _held(coding: Coding, raws: Range | None) -> Range | None:
    if raws is None:
        return None
    return held_by(raws, scale=coding.scale, offset=coding.offset, sign=coding.sign)


def _raw_range(point: Point) -> Range:
    if point.width is not None:
        return 0, (1 << point.width) - 1
    return _raw_codes(point.coding.type) or (-math.inf, math.inf)


def _raw_codes(type_: PointType) -> Range | None:
    if type_ in _NO_NUMBERS | FLOATS:
        return None
    n_bits = N_REGISTERS[type_] * _BITS_PER_REGISTER
    return (-(1 << (n_bits - 1)), (1 << (n_bits - 1)) - 1) if type_ in SIGNED else (0, (1 << n_bits) - 1)


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
