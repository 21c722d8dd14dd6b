"""Finds what a register map contradicts: points outside blocks, fields of another class, missing read-backs.

The form of each key is checked before, in `mapschema`.
"""

import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Final

from drivers.modbus.actionlint import action_findings
from drivers.modbus.blocks import overlapping_blocks, torn_points, unplaced
from drivers.modbus.fields import FieldKind, ReadingField, reading_fields
from drivers.modbus.layout import WRITE_SINGLE, Address, Command, Point, PointType, RegisterMap, SetpointCommand, Speed
from ems.errors import ConfigProblem

_N_ADDRESSES: Final = 0x10000
_OUT_OF_SPACE: Final = ("it ends behind the last register", "addresses 0 to 65535")
_WRITABLE: Final = frozenset({PointType.UINT16, PointType.INT16, PointType.UINT32, PointType.INT32, PointType.FLOAT32})
_FLAG_LABELS: Final = frozenset({"true", "false"})


def find_contradictions(register_map: RegisterMap, file: Path) -> Iterator[ConfigProblem]:
    """Yield everything in a map that cannot be right."""
    for key, message, allowed in (
        *_name(register_map, file),
        *_layout(register_map),
        *_identity(register_map),
        *_points(register_map),
        *_commands(register_map),
        *_writes(register_map),
        *action_findings(register_map),
    ):
        yield ConfigProblem(file=str(file), key=key, message=message, allowed=allowed)


# key, message, what is allowed
Finding = tuple[str, str, str | None]


def _name(register_map: RegisterMap, file: Path) -> Iterator[Finding]:
    if register_map.id != file.stem:
        yield "device.id", f"the file is called '{file.name}'", f"'{file.stem}'"


def _layout(register_map: RegisterMap) -> Iterator[Finding]:
    points = register_map.points.values()
    for first, second in overlapping_blocks(register_map.blocks):
        yield "blocks", f"the blocks at {first.at} and {second.at} overlap", "each register in one block"
    for point in unplaced(register_map.blocks, points):
        yield (
            f"points.{point.name}.at",
            f"{_span(point.at, point.n_registers)} is in no block",
            "a place inside one of " + ", ".join(_span(block.at, block.count) for block in register_map.blocks),
        )
    for one, other in torn_points(points):
        yield f"points.{other.name}.at", f"shares registers with {one.name}", None
    for block in register_map.blocks:
        if block.end > _N_ADDRESSES:
            yield "blocks", *_OUT_OF_SPACE
    for name, text in register_map.identity.items():
        if text.end > _N_ADDRESSES:
            yield f"identity.{name}.at", *_OUT_OF_SPACE


def _identity(register_map: RegisterMap) -> Iterator[Finding]:
    for name, expected in register_map.expected.items():
        try:
            re.compile(expected)
        except re.error as error:
            yield f"identity.{name}.expect", f"no regular expression: {error}", "a text or a regular expression"


def _points(register_map: RegisterMap) -> Iterator[Finding]:
    fields = reading_fields(register_map.device_class)
    readbacks = {command.readback for command in register_map.commands.values()}
    for point in register_map.points.values():
        key = f"points.{point.name}"
        yield from _form(point, key)
        if (point.stale_after_s is not None or point.name == "remote") and _is_slow(register_map, point):
            yield f"{key}.at", "this value is read too seldom for its purpose", "a place in a fast block"
        if point.name in fields:
            yield from _fit(point, fields[point.name], key)
        elif point.name not in readbacks and point.stale_after_s is None:
            yield (
                key,
                f"a {register_map.device_class} has no such value",
                ", ".join(sorted(fields)) + ", the read-back of a command, or a life counter with stale_after_s",
            )


def _form(point: Point, key: str) -> Iterator[Finding]:
    type_ = point.coding.type
    if type_ is PointType.STRING:
        yield f"{key}.type", "texts are read as identity only", "a number, a bit or an enumeration"
    if (type_ is PointType.BIT) != (point.bit is not None):
        yield f"{key}.bit", "type bit and key bit belong together", 'type = "bit" with bit = 0 to 15'
    if point.labels is not None and type_ not in {PointType.UINT16, PointType.INT16, PointType.UINT32}:
        yield f"{key}.enum", f"a {type_} cannot hold codes", "uint16, int16 or uint32"
    if point.coding.scale == 0:
        yield f"{key}.scale", "every value would be the same", "any number but 0"
    if point.valid is not None and point.valid[0] >= point.valid[1]:
        yield f"{key}.valid", "the first number is the lower one", None
    if point.stale_after_s is not None and type_ not in {PointType.UINT16, PointType.UINT32}:
        yield f"{key}.type", "a life counter counts up", "uint16 or uint32"


def _is_slow(register_map: RegisterMap, point: Point) -> bool:
    return any(block.covers(point) and block.speed is Speed.SLOW for block in register_map.blocks)


def _fit(point: Point, field: ReadingField, key: str) -> Iterator[Finding]:
    """Compare a point with the field of the reading that it fills."""
    labels = frozenset(point.labels.values()) if point.labels else None
    match field.kind:
        case FieldKind.FLAG:
            if point.coding.type is not PointType.BIT and (labels is None or not labels <= _FLAG_LABELS):
                yield key, "this value is true or false", 'type = "bit", or enum with "true" and "false"'
        case FieldKind.LABEL:
            known = frozenset(field.labels or ())
            if labels is None or not labels <= known:
                yield f"{key}.enum", "this value is one of a list of names", ", ".join(sorted(known))
        case FieldKind.INTEGER:
            if labels is not None or not _is_integral(point):
                yield key, "this value is a whole number", "an integer type with integer scale and offset"
        case FieldKind.NUMBER:
            if labels is not None or point.coding.type is PointType.BIT:
                yield key, "this value is a number", "a numeric type without enum"


def _is_integral(point: Point) -> bool:
    coding = point.coding
    return (
        coding.type not in {PointType.FLOAT32, PointType.BIT}
        and isinstance(coding.scale, int)
        and isinstance(coding.offset, int)
    )


def _commands(register_map: RegisterMap) -> Iterator[Finding]:
    for name, command in register_map.commands.items():
        key = f"commands.{name}"
        yield from _readback(register_map, command, f"{key}.readback")
        if command.limits is not None and command.limits[0] >= command.limits[1]:
            yield f"{key}.limits", "the first number is the lower one", None
    if register_map.commands and register_map.fallback is None:
        yield "fallback", "a device that is commanded must state what it does without a controller", "[fallback] text"


def _readback(register_map: RegisterMap, command: SetpointCommand, key: str) -> Iterator[Finding]:
    point = register_map.points.get(command.readback)
    if point is None:
        yield key, f"there is no point '{command.readback}'", ", ".join(sorted(register_map.points))
        return
    if point.labels is not None and not frozenset(point.labels.values()) <= _FLAG_LABELS:
        yield key, f"'{point.name}' is no number that a setpoint could be compared with", "a number or a flag"
    if _is_slow(register_map, point):
        yield key, f"'{point.name}' is read too seldom to verify a setpoint", "a point in a fast block"


def _writes(register_map: RegisterMap) -> Iterator[Finding]:
    """Check what every write has: setpoints, heartbeat and watchdog."""
    written = dict(_written(register_map))
    sound = {key: command for key, command in written.items() if command.coding.type in _WRITABLE}
    for key, command in written.items():
        if key not in sound:
            yield f"{key}.type", f"a {command.coding.type} cannot be written", ", ".join(sorted(_WRITABLE))
        elif command.function == WRITE_SINGLE and command.n_registers > 1:
            yield f"{key}.write_fc", f"function 6 writes one register, {command.coding.type} needs more", "16"
        elif command.end > _N_ADDRESSES:
            yield f"{key}.at", *_OUT_OF_SPACE
        elif command.coding.scale == 0:
            yield f"{key}.scale", "every value would be written alike", "any number but 0"
    for (one, first), (other, second) in combinations(sound.items(), 2):
        if first.at.register < second.end and second.at.register < first.end:
            yield f"{other}.at", f"it is written to the registers of {one}", None


def _written(register_map: RegisterMap) -> Iterator[tuple[str, Command]]:
    yield from ((f"commands.{name}", command) for name, command in register_map.commands.items())
    if register_map.heartbeat is not None:
        yield "heartbeat", register_map.heartbeat
    if register_map.watchdog is not None:
        yield "watchdog", register_map.watchdog


def _span(at: Address, count: int) -> str:
    return str(at) if count == 1 else f"{at}..{at.register + count - 1}"
