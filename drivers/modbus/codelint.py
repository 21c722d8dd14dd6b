"""Finds keys of points that would do nothing: sentinels and codes beyond the type, scales of what is no number."""

from collections.abc import Iterator
from typing import Final

from drivers.device.keylint import nameless_findings, unscaled_findings
from drivers.device.needs import Finding
from drivers.modbus.coding import FLOATS, N_REGISTERS, PointType
from drivers.modbus.mapschema import MapFile, PointTable
from drivers.modbus.rangelint import SIGNED

_BITS_PER_REGISTER: Final = 16


def code_findings(tables: MapFile) -> Iterator[Finding]:
    """Yield what the points of a map say without effect."""
    for name, table in tables.points.items():
        yield from _of_point(table, f"points.{name}")
    for name, rack_table in tables.rack_points.items():
        yield from _of_point(rack_table, f"rack_points.{name}")


def _of_point(table: PointTable, key: str) -> Iterator[Finding]:
    yield from unscaled_findings(table, key, _no_number(table))
    for name, names in (("enum", table.enum), ("bits", table.bits)):
        yield from nameless_findings(names, f"{key}.{name}")
    if table.type is PointType.STRING:
        if table.invalid:
            yield f"{key}.invalid", "a text has no codes", "no invalid; an empty text is not available"
    elif table.type not in FLOATS:
        yield from _codes(table, key)


def _no_number(table: PointTable) -> str | None:
    """Return what a value is that no scale or range applies to."""
    if table.bits is not None:
        return "a list of names"
    if table.type is PointType.BIT:
        return "a flag"
    if table.type is PointType.STRING:
        return "a text"
    return None if table.enum is None else "an enumeration"


def _codes(table: PointTable, key: str) -> Iterator[Finding]:
    n_bits = _n_bits(table)
    is_signed, is_whole = table.type in SIGNED, _is_whole(table)
    most = (1 << n_bits) - 1
    # documents write the lowest int16 as 0x8000; -1 stands for all bits set
    least = -(1 << (n_bits - 1)) if is_whole else 0
    for code in table.invalid:
        if code != int(code) or not least <= code <= most:
            yield f"{key}.invalid", f"{code} is no code of {_named(table)}", f"whole numbers from {least} to {most}"
    # a name is looked up by the number that the registers decode to
    highest = most >> 1 if is_signed else most
    for label in table.enum or ():
        if int(label) > highest:
            yield f"{key}.enum", f"{label} is no code of {_named(table)}", f"codes up to {highest}"


def _is_whole(table: PointTable) -> bool:
    """Return whether the value takes whole registers."""
    return table.width is None and not _is_single_bit(table)


def _is_single_bit(table: PointTable) -> bool:
    return table.at.startswith(("coil:", "discrete:"))


def _n_bits(table: PointTable) -> int:
    if _is_single_bit(table):
        return 1
    if table.type is not PointType.BIT and table.width is not None:
        return table.width
    return N_REGISTERS[table.type] * _BITS_PER_REGISTER


def _named(table: PointTable) -> str:
    if _is_single_bit(table):
        return "a single bit"
    return f"type {table.type}" if table.width is None else f"{table.width} bits"
