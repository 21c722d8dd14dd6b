"""Shipped maps with one line spoiled: refused with file, place and reason, or harmless all the way to the registers."""

import math
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.modbus.blocks import plan_reads
from drivers.modbus.layout import RegisterMap
from drivers.modbus.mapfile import SHIPPED, map_names, read_map
from drivers.modbus.registers import BlockDecoder, Encoded, encode
from drivers.modbus.values import with_power
from ems.errors import ConfigError

M = TypeVar("M")
N_MUTATIONS = 2000 if os.environ.get("EMS_FUZZ") == "full" else 40
NUMBER = re.compile(r"-?\d+(\.\d+)?")
TEXT = re.compile(r'"[^"]*"')
VALUES = (
    "0",
    "-1",
    "1e300",
    "65535",
    "65536",
    "true",
    '""',
    '"uint64"',
    '"bit"',
    '"string"',
    '"coil:3"',
    "[]",
    "[1, 2]",
    "{}",
)
ADDED = (
    *(
        'scale_register = "holding:1"',
        "scale = 0",
        "offset = 1e308",
        "bit = 63",
        "width = 32",
        "length = 125",
        "invalid = [-1]",
    ),
    *(
        'bits = { 63 = "x" }',
        'enum = { 0 = "false" }',
        "valid = [1, 0]",
        'sign = "out_of_bus"',
        'byte_order = "little"',
    ),
    *(
        "stale_after_s = 0.5",
        'fills = "remote"',
        "optional = true",
        "volatile = false",
        "writes_per_day = 1",
        "every_s = 60.0",
    ),
    *(
        'gaps = "never"',
        'never_read = ["holding:0..65535"]',
        "max_bits = 1",
        "after_s = 1.0",
        'misses = "requests"',
        "x = 1",
    ),
)


def mutated(text: str, data: st.DataObject, *, added: Sequence[str] = ADDED) -> str:
    """Return the text with one line dropped, doubled, changed or added."""
    lines = text.splitlines()
    number = data.draw(st.integers(0, len(lines) - 1), label="line")
    line = lines[number]
    match data.draw(st.sampled_from(["drop", "double", "number", "text", "value", "add", "swap"]), label="mutation"):
        case "drop":
            lines[number] = ""
        case "double":
            lines.insert(number, line)
        case "number":
            new = data.draw(st.sampled_from(["0", "1", "-1", "16", "99999", "0.5", "1e400"]), label="number")
            lines[number] = NUMBER.sub(new, line, count=1)
        case "text":
            new = data.draw(st.sampled_from(VALUES), label="text")
            lines[number] = TEXT.sub(lambda _match: new, line, count=1)
        case "value":
            new = data.draw(st.sampled_from(VALUES), label="value")
            lines[number] = f"{line.partition('=')[0]}= {new}" if "=" in line else line
        case "add":
            lines.insert(number + 1, data.draw(st.sampled_from(added), label="added"))
        case _:
            other = data.draw(st.integers(0, len(lines) - 1), label="other line")
            lines[number], lines[other] = lines[other], line
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", map_names(()))
@settings(max_examples=N_MUTATIONS, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_map_with_a_spoiled_line_is_refused_with_place_and_reason_or_can_be_used(
    name: str, data: st.DataObject
) -> None:
    text = mutated((SHIPPED / f"{name}.toml").read_text(encoding="utf-8"), data)
    taken = taken_or_told(text, name, read_map)
    if taken is not None:
        use(taken, data)


def taken_or_told(text: str, name: str, read: Callable[[Path], M]) -> M | None:
    """Return the map that a text is; None where it is refused, which must say where and why."""
    with TemporaryDirectory() as home:
        file = Path(home) / f"{name}.toml"
        file.write_text(text, encoding="utf-8")
        taken = _read_or_refusal(file, read)
    if not isinstance(taken, ConfigError):
        return taken
    assert taken.problems
    for problem in taken.problems:
        assert problem.file == str(file)
        assert problem.message
        assert problem.key or problem.line
    return None


def _read_or_refusal(file: Path, read: Callable[[Path], M]) -> M | ConfigError:
    try:
        return read(file)
    except ConfigError as refusal:
        return refusal


def use(register_map: RegisterMap, data: st.DataObject) -> None:
    """Plan, decode and encode by a map that was taken; no value leaves its range."""
    reads = plan_reads(
        register_map.blocks,
        register_map.points.values(),
        max_registers=register_map.max_registers,
        max_bits=register_map.max_bits,
        forbidden=register_map.forbidden,
    )
    assert sorted(point.name for read in reads for point in read.points) == sorted(register_map.points)
    word = data.draw(st.sampled_from([0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x7F80]), label="word")
    for read in reads:
        bits = read.at.table.holds_bits
        assert read.count <= (register_map.max_bits if bits else register_map.max_registers)
        decoded = BlockDecoder(read).decode([word & 1 if bits else word] * read.count)
        for point in read.points:
            value = decoded.values[point.name]
            assert value is not None or point.optional or decoded.bad[point.name]
            if isinstance(value, float):
                low, high = point.valid or (-math.inf, math.inf)
                assert low <= value <= high
    for command in register_map.commands.values():
        coding = command.coding if command.coding.factor is None else with_power(command.coding, 0)
        for asked in command.limits or (0.0, 1.0):
            encoded = encode(asked, coding, limits=command.limits)
            assert not isinstance(encoded, Encoded) or all(0 <= each <= 0xFFFF for each in encoded.registers)
