"""Compiles the decoding of a block into one Python function: the fast path of polling.

For a number the function holds one expression: convert, and check the range. Whatever does not pass, and every
point that is no plain number, goes to the point's decoder in `values`, which knows the reasons; so the rules
stand there once, and the compiled code only knows when nothing can be wrong. A loop over decoders takes three
times as long (tests/campaigns/measure_drivers.py).
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from drivers.device.values import Bad, Value, parts_of
from drivers.modbus.coding import FLOATS, UNSIGNED, PointType
from drivers.modbus.layout import Point
from drivers.modbus.values import FactoredDecoder, PointDecoder, conversion

# registers of the longest integers whose values are looked through
_MOST_COUNTED: Final = 2
BlockFunction = Callable[[bytes, MutableMapping[str, str]], tuple[Value | None, ...]]


@dataclass(frozen=True, slots=True)
class RawSource:
    """The expression from the bytes `data` to the tuple of raw values, and what its names stand for."""

    expression: str
    names: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledPoint:
    """A point, its place among the raw values, and its decoder; `factor_index` is the place of its power of ten."""

    point: Point
    index: int
    integral: bool
    decode: PointDecoder | FactoredDecoder
    factor_index: int | None = None


def compile_block(source: RawSource, n_raws: int, points: Sequence[CompiledPoint]) -> BlockFunction:
    """Return the function from the bytes of an answer to the values in order; its second argument takes reasons."""
    if not points:
        return lambda _data, _bad: ()
    names: dict[str, object] = {**source.names, "inf": float("inf")}
    entries = []
    for number, compiled in enumerate(points):
        names[f"decode{number}"] = _noting(compiled)
        entries.append(_expression(number, compiled))
    unpacked = "".join(f"x{index}, " for index in range(n_raws))
    values = "".join(f"{entry}, " for entry in entries)
    code = f"def block(data, bad):\n    {unpacked}= {source.expression}\n    return ({values})\n"
    # nothing of a map but numbers goes into the code
    exec(compile(code, "<block of registers>", "exec"), names)  # noqa: S102
    return cast("BlockFunction", names["block"])


def _noting(compiled: CompiledPoint) -> Callable[..., Value | None]:
    """Return the decoder of a point with a last argument that takes the reason if there is no value."""
    name = compiled.point.name
    # as many raw values as the decoder takes, by construction
    decode = cast("Callable[..., Value | Bad | None]", compiled.decode)

    def noting(*raws_and_bad: Any) -> Value | None:  # raw values and a table have nothing in common
        *raws, bad = raws_and_bad
        value = decode(*raws)
        if isinstance(value, Bad):
            bad[name] = value.reason
            return None
        return value

    return noting


def _expression(number: int, compiled: CompiledPoint) -> str:
    raw = f"x{compiled.index}"
    if compiled.factor_index is not None:
        return f"decode{number}({raw}, x{compiled.factor_index}, bad)"
    carefully = f"decode{number}({raw}, bad)"
    point = compiled.point
    if point.coding.type is PointType.BIT and not point.invalid and point.flags is None:
        return f"{raw} & {1 << (point.bit or 0)} != 0"
    if not _is_plain_number(point):
        return carefully
    value = _conversion(raw, compiled)
    counts = _good_counts(compiled)
    invalid = sorted(code for code in point.invalid if counts is None or code in counts)
    passes = [f"{raw} != {code!r}" for code in invalid]
    if counts is not None:
        # the interpreter has a fast way for each of two comparisons, not for a chain
        passes.append(f"{raw} >= {counts.start} and {raw} <= {counts.stop - 1}")
    elif point.valid is not None or point.coding.type in FLOATS:
        low, compare, high = ("-inf", "<", "inf") if point.valid is None else (point.valid[0], "<=", point.valid[1])
        passes.append(f"{low} {compare} (v := {value}) {compare} {high}")
        value = "v"
    return f"{value} if {' and '.join(passes)} else {carefully}" if passes else value


def _good_counts(compiled: CompiledPoint) -> range | None:
    """Return the raw integers whose values are in the point's range: two numbers are compared, nothing is converted.

    None without a range, for floats, and for 64 bits, which are more than a range can count.
    """
    point = compiled.point
    if point.valid is None or point.coding.type in FLOATS or point.n_registers > _MOST_COUNTED:
        return None
    n_values = 1 << 16 * point.n_registers
    raws = range(n_values) if point.coding.type in UNSIGNED else range(-n_values // 2, n_values // 2)
    low, high = point.valid
    value_of = conversion(point.coding, integral=compiled.integral)
    if point.coding.scale * point.coding.sign > 0:
        first = bisect_left(raws, x=True, key=lambda raw: value_of(raw) >= low)
        end = bisect_left(raws, x=True, key=lambda raw: value_of(raw) > high)
    else:
        first = bisect_left(raws, x=True, key=lambda raw: value_of(raw) <= high)
        end = bisect_left(raws, x=True, key=lambda raw: value_of(raw) < low)
    return raws[first:end]


def _is_plain_number(point: Point) -> bool:
    return (
        point.labels is None and point.flags is None and point.bit is None and point.coding.type is not PointType.STRING
    )


def _conversion(raw: str, compiled: CompiledPoint) -> str:
    """Return the expression of `values.conversion`, without the terms that do nothing."""
    coding = compiled.point.coding
    factor, offset = coding.scale * coding.sign, coding.offset * coding.sign
    added = f" + {offset!r}" if offset else ""
    if compiled.integral:
        if isinstance(factor, int) and isinstance(offset, int):
            return f"{raw}{added}" if factor == 1 else f"{raw} * {factor!r}{added}"
        return f"int({raw} * {factor!r}{added})"
    if (parts := parts_of(factor)) is not None:
        return f"{raw} / {parts!r}{added}"
    if factor == 1 and coding.type in FLOATS:
        return f"{raw}{added}"
    return f"{raw} * {float(factor)!r}{added}"
