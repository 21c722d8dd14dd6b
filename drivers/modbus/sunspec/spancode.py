"""Compiles the conversion of one answer of a model, for scale factors that are known, into one Python function.

Whatever is no plain number goes to a decoder of its own. "Not implemented" codes by the SunSpec Device Information
Model Specification, table of point types.
"""

import math
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from drivers.device.values import Bad, Value
from drivers.modbus.coding import TextEncoding
from drivers.modbus.values import text_of

ABSENT: Final[Mapping[str, int]] = {
    "int16": -0x8000, "sunssf": -0x8000, "uint16": 0xFFFF, "enum16": 0xFFFF, "bitfield16": 0xFFFF, "count": 0xFFFF,
    "int32": -0x80000000, "uint32": 0xFFFFFFFF, "enum32": 0xFFFFFFFF, "bitfield32": 0xFFFFFFFF,
    "int64": -0x8000000000000000, "uint64": 0xFFFFFFFFFFFFFFFF, "bitfield64": 0xFFFFFFFFFFFFFFFF,
    "acc16": 0, "acc32": 0, "acc64": 0,
}  # fmt: skip
LARGEST_FACTOR: Final = 10
_PLAIN: Final = frozenset(ABSENT) - {"sunssf"}

Raw = int | float | bytes
# from the raw values of an answer to the values in their order; the second argument takes reasons
SpanFunction = Callable[[Sequence[Any], MutableMapping[str, str]], tuple[Value | None, ...]]


@dataclass(frozen=True, slots=True)
class SpanPoint:
    """A point of an answer, of a SunSpec type; `factor_index` is the place of its scale factor among the raw values."""

    key: str
    type: str
    factor_index: int | None


def compile_span(points: Sequence[SpanPoint], factors: Mapping[int, int]) -> SpanFunction:
    """Return the function for these scale factors, by their places."""
    names: dict[str, object] = {}
    entries = []
    for number, point in enumerate(points):
        factor = None if point.factor_index is None else factors[point.factor_index]
        names[f"decode{number}"] = _noting(point, factor)
        entries.append(_expression(number, point, factor))
    raws = "".join(f"x{number}, " for number in range(len(points)))
    code = f"def span(raws, bad):\n    {raws}= raws\n    return ({', '.join(entries)},)\n"
    # nothing of a device but numbers goes into the code
    exec(compile(code, "<answer of a model>", "exec"), names)  # noqa: S102
    return cast("SpanFunction", names["span"])


def _expression(number: int, point: SpanPoint, factor: int | None) -> str:
    raw = f"x{number}"
    if point.type not in _PLAIN or (factor is not None and factor_fault(factor) is not None):
        return f"decode{number}({raw}, bad)"
    value = raw
    if factor:
        value = f"{raw} * {10**factor}" if factor > 0 else f"{raw} / {10**-factor}"
    return f"None if {raw} == {ABSENT[point.type]} else {value}"


def _noting(point: SpanPoint, factor: int | None) -> Callable[[Raw, MutableMapping[str, str]], Value | None]:
    """Return the careful way from a raw value to its value; it notes why there is none."""

    def decode(raw: Raw, bad: MutableMapping[str, str]) -> Value | None:
        value = _decoded(raw, point.type, factor)
        if isinstance(value, Bad):
            bad[point.key] = value.reason
            return None
        return value

    return decode


def _decoded(raw: Raw, type_: str, factor: int | None) -> Value | Bad | None:
    value = raw if type_ in _PLAIN and not isinstance(raw, bytes) else _special(raw, type_)
    if value == ABSENT.get(type_):
        return None
    if factor is None or not isinstance(value, int | float):
        return value
    fault = factor_fault(factor)
    return scaled(value, factor) if fault is None else Bad(fault)


def factor_fault(factor: int) -> str | None:
    """Return why a number is no scale factor, None if it is one."""
    if factor == ABSENT["sunssf"]:
        return "its scale factor is not implemented"
    return None if abs(factor) <= LARGEST_FACTOR else f"its scale factor is {factor}"


def _special(raw: float | bytes, type_: str) -> Value | Bad | None:
    """Return a scale factor, float or text, None where it is not implemented."""
    if isinstance(raw, bytes):
        text = text_of(raw, TextEncoding.ASCII)
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
