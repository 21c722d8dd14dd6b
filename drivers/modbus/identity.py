"""The texts that name a device, and whether they are those that its map expects."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from drivers.device.values import Bad
from drivers.modbus.blocks import PlannedRead
from drivers.modbus.coding import PointType
from drivers.modbus.layout import Point, RegisterMap
from drivers.modbus.registers import decode_text

_ALL_ONES: Final = 0xFFFF


def identity_texts(read: PlannedRead, registers: Sequence[int]) -> dict[str, str]:
    """Return the texts of an answer; what is no text counts as empty."""
    texts = {}
    for point in read.points:
        start = point.at.register - read.at.register
        texts[point.name] = _text(point, registers[start : start + point.n_registers])
    return texts


def _text(point: Point, registers: Sequence[int]) -> str:
    """Return a text or a number as text; a number of zeros or ones only is what an empty register shows."""
    if point.coding.type is PointType.STRING:
        text = decode_text(registers, point.encoding)
        return "" if isinstance(text, Bad) else text
    if set(registers) in ({0}, {_ALL_ONES}):
        return ""
    number = 0
    for register in registers:
        number = number << 16 | register
    return str(number)


def identity_faults(register_map: RegisterMap, texts: Mapping[str, str]) -> tuple[str, ...]:
    """Return why a device with these texts is none of the map's; empty texts name nobody."""
    return tuple(_faults(register_map, texts))


def _faults(register_map: RegisterMap, texts: Mapping[str, str]) -> Iterator[str]:
    if empty := [name for name, text in texts.items() if not text]:
        yield f"it gives no {' and no '.join(empty)}"
    for name, expected in register_map.expected.items():
        text = texts.get(name, "")
        if text and text != expected and re.fullmatch(expected, text) is None:
            yield f"its {name} is '{text}', the map is for '{expected}'"
