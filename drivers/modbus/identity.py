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


def identity_texts(read: PlannedRead, registers: Sequence[int]) -> dict[str, str | Bad]:
    """Return the texts of an answer; of what is no text, why it is none."""
    texts: dict[str, str | Bad] = {}
    for point in read.points:
        start = point.at.register - read.at.register
        texts[point.name] = _text(point, registers[start : start + point.n_registers])
    return texts


def known_texts(texts: Mapping[str, str | Bad]) -> dict[str, str]:
    """Return the texts that are some."""
    return {name: text for name, text in texts.items() if isinstance(text, str) and text}


def _text(point: Point, registers: Sequence[int]) -> str | Bad:
    """Return a text or a number as text; zeros or ones only are what an empty register shows."""
    if set(registers) in ({0}, {_ALL_ONES}):
        return ""
    if point.coding.type is PointType.STRING:
        return decode_text(registers, point.encoding)
    number = 0
    for register in registers:
        number = number << 16 | register
    return str(number)


def identity_faults(register_map: RegisterMap, texts: Mapping[str, str | Bad]) -> tuple[str, ...]:
    """Return why a device with these texts is none of the map's; empty texts name nobody."""
    return tuple(_faults(register_map, texts))


def _faults(register_map: RegisterMap, texts: Mapping[str, str | Bad]) -> Iterator[str]:
    for name, text in texts.items():
        if isinstance(text, Bad):
            yield f"its {name} cannot be read: {text.reason}"
    if empty := [name for name, text in texts.items() if not text]:
        yield f"it gives no {' and no '.join(empty)}"
    for name, expected in register_map.expected.items():
        text = texts.get(name, "")
        if isinstance(text, str) and text and text != expected and re.fullmatch(expected, text) is None:
            yield f"its {name} is '{text}', the map is for '{expected}'"
