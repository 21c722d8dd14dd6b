"""Compiles the decoding of a block into one Python function: the fast path of polling.

For a number the function holds one expression: convert, and check the range. Whatever does not pass, and every
point that is no plain number, goes to the point's decoder in `values`, which knows the reasons; so the rules
stand there once, and the compiled code only knows when nothing can be wrong. A loop over decoders takes three
times as long (tests/campaigns/measure_drivers.py).
"""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from drivers.modbus.layout import FLOATS, Point, PointType
from drivers.modbus.values import Bad, FactoredDecoder, PointDecoder, Value, parts_of

Raws = Callable[[Sequence[int]], tuple[int | float | bytes, ...]]
Values = Mapping[str, Value | None]
BlockFunction = Callable[[Sequence[int], MutableMapping[str, str]], Values]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledPoint:
    """A point, its place among the raw values, and its decoder; `factor_index` is the place of its power of ten."""

    point: Point
    index: int
    integral: bool
    decode: PointDecoder | FactoredDecoder
    factor_index: int | None = None


def compile_block(raws: Raws, n_raws: int, points: Sequence[CompiledPoint]) -> BlockFunction:
    """Return the function from the registers of an answer to values by name; its second argument takes reasons."""
    if not points:
        return lambda _registers, _bad: {}
    names: dict[str, object] = {"raws": raws, "inf": float("inf")}
    entries = []
    for number, compiled in enumerate(points):
        names[f"decode{number}"] = _noting(compiled)
        entries.append(f"{compiled.point.name!r}: {_expression(number, compiled)}")
    unpacked = "".join(f"x{index}, " for index in range(n_raws))
    code = f"def block(registers, bad):\n    {unpacked}= raws(registers)\n    return {{{', '.join(entries)}}}\n"
    # names are the map's own and quoted, everything else is made here
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
    if point.coding.type is PointType.BIT and not point.invalid:
        return f"{raw} & {1 << (point.bit or 0)} != 0"
    if not _is_plain_number(point):
        return carefully
    sentinels = " and ".join(f"{raw} != {code!r}" for code in sorted(point.invalid))
    value = _conversion(raw, compiled)
    if point.valid is not None:
        low, high = point.valid
        passes = f"{low!r} <= (v := {value}) <= {high!r}"
        return f"v if {sentinels + ' and ' if sentinels else ''}{passes} else {carefully}"
    if point.coding.type in FLOATS:
        passes = f"-inf < (v := {value}) < inf"
        return f"v if {sentinels + ' and ' if sentinels else ''}{passes} else {carefully}"
    return f"{value} if {sentinels} else {carefully}" if sentinels else value


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
