"""The register tables of the shipped maps, written into the marked places of docs/drivers.md."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from drivers.modbus.mapfile import SHIPPED, map_names

_PAGE: Final = Path(__file__).resolve().parent / "drivers.md"
_PLACE: Final = re.compile(r"(<!-- registers: (?P<map>[a-z0-9-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def drivers_page() -> str:
    """Return docs/drivers.md as it is, with fresh tables.

    Raises:
        ValueError: The tables are not those of the shipped maps, each once.
    """
    text = _PAGE.read_text(encoding="utf-8")
    places = sorted(match["map"] for match in _PLACE.finditer(text))
    if places != list(map_names(())):
        raise ValueError(f"{_PAGE.name} has tables for {places}, the shipped maps are {list(map_names(()))}")
    return _PLACE.sub(lambda match: f"{match[1]}{register_table(match['map'])}{match[3]}", text)


def register_table(name: str) -> str:
    """Return one map as tables: what is read, what is written."""
    # Any: a map as TOML gives it; its form is checked where maps are loaded
    table: dict[str, Any] = tomllib.loads((SHIPPED / f"{name}.toml").read_text(encoding="utf-8"))
    return "\n".join((*_read_table(table), "", *_write_table(table))) if "commands" in table else _only_read(table)


def _only_read(table: dict[str, Any]) -> str:
    return "\n".join((*_read_table(table), ""))


def _read_table(table: dict[str, Any]) -> Iterator[str]:
    yield "| register | type | value | scale, offset, sign | not available | polled |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, text in table["identity"].items():
        yield f"| {text['at']} | string, {text['length']} registers | {name} | | | once per connection |"
    for name, point in sorted(table["points"].items(), key=lambda item: _register(item[1])):
        yield (
            f"| {point['at']} | {_type(point)} | {name}{_enum(point)} | {_scaling(point)} | "
            f"{_codes(point)} | {_speed(table, point)} |"
        )


def _write_table(table: dict[str, Any]) -> Iterator[str]:
    function = table["endpoint"]["write_fc"]
    yield f"| register (written with function {function}) | type | command | scale, sign | limits | read back in |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, command in table["commands"].items():
        low, high = command["limits"]
        yield (
            f"| {command['at']} | {command['type']} | {name} | {_scaling(command)} | {low} to {high} | "
            f"{command['readback']} |"
        )
    if "heartbeat" in table:
        yield f"| {table['heartbeat']['at']} | uint16 | heartbeat counter | | 1 to 32767 | |"
    if "watchdog" in table:
        yield f"| {table['watchdog']['at']} | {table['watchdog']['type']} | watchdog time, s | | | the same register |"
    yield ""
    yield f"Fall-back: {table['fallback']['text']}"
    yield ""


def _register(point: dict[str, Any]) -> tuple[int, int]:
    return int(point["at"].split(":")[1]), point.get("bit", 0)


def _type(point: dict[str, Any]) -> str:
    return f"bit {point['bit']}" if point["type"] == "bit" else str(point["type"])


def _enum(point: dict[str, Any]) -> str:
    if "enum" not in point:
        return ""
    return " (" + ", ".join(f"{code} {label}" for code, label in point["enum"].items()) + ")"


def _scaling(point: dict[str, Any]) -> str:
    parts = []
    if "scale" in point:
        parts.append(f"x {point['scale']:g}")
    if "offset" in point:
        parts.append(f"{point['offset']:+g}")
    if point.get("sign") == "out_of_bus":
        parts.append("sign turned")
    return ", ".join(parts)


def _codes(point: dict[str, Any]) -> str:
    codes = ["all bits set" if code == -1 else f"0x{code:X}" for code in point.get("invalid", [])]
    return "NaN" if point["type"] == "float32" and not codes else ", ".join(codes)


def _speed(table: dict[str, Any], point: dict[str, Any]) -> str:
    kind, number = point["at"].split(":")
    for block in table["blocks"]:
        block_kind, first = block["at"].split(":")
        if kind == block_kind and int(first) <= int(number) < int(first) + block["count"]:
            return str(block["speed"])
    return ""
