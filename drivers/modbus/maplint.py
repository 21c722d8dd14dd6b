"""Finds what a register map contradicts: points outside blocks, fields of another class, missing read-backs.

The form of each key is checked before, in `mapschema`.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Final

from drivers.device.fallback import Arming, LifeSign
from drivers.device.fields import DeviceClass, FieldKind, ReadingField, rack_fields, reading_fields
from drivers.device.needs import Finding
from drivers.modbus.actionlint import action_findings
from drivers.modbus.blocks import overlapping_blocks, torn_points, unplaced, unreadable
from drivers.modbus.capabilitylint import capability_findings
from drivers.modbus.coding import (
    FLOATS,
    UNSIGNED,
    WRITE_COIL,
    WRITE_COILS,
    WRITE_MULTIPLE,
    WRITE_SINGLE,
    Coding,
    PointType,
    Table,
    factor_name,
)
from drivers.modbus.layout import Command, Point, RegisterMap, SetpointCommand, Span, Speed, alarm_name, rack_place
from ems.errors import ConfigProblem

_N_ADDRESSES: Final = 0x10000
# a smaller scale is a slip: no count of 64 bits would come out as a value worth reading
_LEAST_SCALE: Final = 1e-12
_OUT_OF_SPACE: Final = ("it ends behind the last register", "addresses 0 to 65535")
_WRITABLE: Final = frozenset({PointType.UINT16, PointType.INT16, PointType.UINT32, PointType.INT32, PointType.FLOAT32})
_FUNCTIONS: Final = {Table.HOLDING: {WRITE_SINGLE, WRITE_MULTIPLE}, Table.COIL: {WRITE_COIL, WRITE_COILS}}
_CODES: Final = frozenset({PointType.UINT16, PointType.INT16, PointType.UINT32})
_FLAG_LABELS: Final = frozenset({"true", "false"})


def find_contradictions(register_map: RegisterMap, file: Path) -> Iterator[ConfigProblem]:
    """Yield everything in a map that cannot be right."""
    for key, message, allowed in (
        *_name(register_map, file),
        *_layout(register_map),
        *_identity(register_map),
        *_points(register_map),
        *_racks(register_map),
        *_commands(register_map),
        *_writes(register_map),
        *action_findings(register_map),
        *capability_findings(register_map),
        *_fallback(register_map),
    ):
        yield ConfigProblem(file=str(file), key=key, message=message, allowed=allowed)


def _name(register_map: RegisterMap, file: Path) -> Iterator[Finding]:
    if register_map.id != file.stem:
        yield "device.id", f"the file is called '{file.name}'", f"'{file.stem}'"


def _layout(register_map: RegisterMap) -> Iterator[Finding]:
    points = register_map.points.values()
    for first, second in overlapping_blocks(register_map.blocks):
        yield "blocks", f"the blocks at {first.at} and {second.at} overlap", "each register in one block"
    if all(block.speed is Speed.OWN for block in register_map.blocks):
        yield "blocks", "a reading needs a block that is read regularly", 'speed = "fast" or speed = "slow"'
    for point in unplaced(register_map.blocks, points):
        yield _no_place(register_map, point)
    for one, other in torn_points([*points, *_factors(points)]):
        yield _key_of(register_map, other), f"shares registers with {one.name}", None
    for point, why in unreadable(
        [*points, *register_map.identity.values()],
        max_registers=register_map.max_registers,
        max_bits=register_map.max_bits,
        forbidden=register_map.forbidden,
    ):
        yield f"{_key_of(register_map, point)}", why, None
    for number, block in enumerate(register_map.blocks):
        if block.end > _N_ADDRESSES:
            yield f"blocks[{number}].at", *_OUT_OF_SPACE
    for name, text in register_map.identity.items():
        if text.end > _N_ADDRESSES:
            yield f"identity.{name}.at", *_OUT_OF_SPACE
    for span in register_map.forbidden:
        if span.count < 1 or span.end > _N_ADDRESSES:
            yield "endpoint.never_read", f"{span.at} begins no range of addresses", "first..last, 0 to 65535"


def _no_place(register_map: RegisterMap, point: Point) -> Finding:
    blocks = ", ".join(str(Span(at=block.at, count=block.count)) for block in register_map.blocks)
    where = str(Span(at=point.at, count=point.n_registers))
    factor = point.coding.factor
    key = _key_of(register_map, point)
    if factor is None:
        return f"{key}.at", f"{where} is in no block", f"a place inside one of {blocks}"
    return (
        f"{key}.scale_register",
        f"{where} and its factor at {factor} are not in one block, so they cannot come in one request",
        f"both inside one of {blocks}",
    )


def _factors(points: Iterable[Point]) -> Iterator[Point]:
    """Yield the registers of scale factors as points of their own."""
    for point in points:
        if (factor := point.coding.factor) is not None:
            coding = Coding(type=PointType.INT16, byte_order=point.coding.byte_order)
            yield Point(name=f"the factor of {point.name}", at=factor, coding=coding, n_registers=1)


def _key_of(register_map: RegisterMap, point: Point) -> str:
    """Return where a point stands in the file; what is no point of its own belongs to the one that needs it."""
    if (place := rack_place(point.name.removeprefix("the factor of "))) is not None:
        return f"rack_points.{place[1]}"
    if point is register_map.identity.get(point.name):
        return f"identity.{point.name}"
    for name, command in register_map.commands.items():
        if command.coding.factor is not None and point.name == factor_name(command.coding.factor):
            return f"commands.{name}.scale_register"
    return f"points.{point.name.removeprefix('the factor of ')}"


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
        key = _key_of(register_map, point)
        is_factor = point.name.startswith("factor ")
        if point.name.startswith(alarm_name("")) or rack_place(point.name) is not None:
            continue
        yield from _form(point, key)
        is_urgent = point.stale_after_s is not None or point.name == "remote" or is_factor
        if is_urgent and _is_slow(register_map, point):
            yield f"{key}.at", "this value is read too seldom for its purpose", "a place in a fast block"
        if point.field in fields:
            yield from _fit(point, fields[point.field], key)
        elif point.fills is not None:
            yield f"{key}.fills", f"a {register_map.device_class} has no such value", ", ".join(sorted(fields))
        elif not (is_factor or point.name in readbacks or point.stale_after_s is not None):
            yield (
                key,
                f"a {register_map.device_class} has no such value",
                ", ".join(sorted(fields)) + ", the read-back of a command, or a life counter with stale_after_s",
            )


def _racks(register_map: RegisterMap) -> Iterator[Finding]:
    """Check the points of the first rack; the others are its copies."""
    fields = rack_fields()
    for name, point in register_map.rack_points(1).items():
        key = f"rack_points.{name}"
        yield from _form(point, key)
        if point.coding.factor is not None or point.stale_after_s is not None:
            yield key, "a point of a rack has no scale register and is no life counter", None
        place = rack_place(point.field)
        field = None if place is None else fields.get(place[1])
        if field is not None:
            yield from _fit(point, field, key)
        elif point.fills is not None:
            yield f"{key}.fills", "a rack has no such value", ", ".join(sorted(fields))
        else:
            yield key, "a rack has no such value", ", ".join(sorted(fields))
    if register_map.racks and register_map.device_class is not DeviceClass.BMS:
        yield "racks", f"a {register_map.device_class} has no racks", "a map of class bms"


def _form(point: Point, key: str) -> Iterator[Finding]:
    type_ = point.coding.type
    yield from _form_of_bits(point, key)
    if point.labels is not None and type_ not in _CODES:
        yield f"{key}.enum", f"a {type_} cannot hold codes", ", ".join(sorted(_CODES))
    if abs(point.coding.scale) < _LEAST_SCALE:
        yield f"{key}.scale", "every value would be the same", "any number but 0, at least 1e-12 in size"
    if point.valid is not None and point.valid[0] >= point.valid[1]:
        yield f"{key}.valid", "the first number is the lower one", None
    if point.stale_after_s is not None and type_ not in UNSIGNED:
        yield f"{key}.type", "a life counter counts up", ", ".join(sorted(UNSIGNED))
    is_number = not (point.labels or point.flags or point.stale_after_s or type_ in {PointType.BIT, PointType.STRING})
    if point.max_step_per_s is not None and not is_number:
        yield f"{key}.max_step_per_s", "only a measured number has a fastest change", None
    if point.coding.factor is not None and (point.labels or point.flags or type_ in FLOATS | {"string", "bit"}):
        yield f"{key}.scale_register", "only whole numbers have a scale factor", "an integer type without enum or bits"


def _form_of_bits(point: Point, key: str) -> Iterator[Finding]:
    type_, n_bits = point.coding.type, 16 * point.n_registers
    if point.at.table.holds_bits:
        if type_ is not PointType.BIT or point.bit is not None:
            yield f"{key}.type", f"{point.at} is a single bit", 'type = "bit" without key bit'
        if point.flags is not None and (set(point.flags) != {0} or point.labels is not None):
            yield f"{key}.bits", f"{point.at} has one bit to name", "bits = { 0 = ... }, alone"
        return
    if type_ is PointType.BIT:
        if point.bit is None or point.bit >= n_bits or point.width is not None:
            yield f"{key}.bit", "a flag is one bit of a register", "bit = 0 to 15"
    elif (point.bit is None) != (point.width is None):
        yield f"{key}.bit", "type bit and key bit belong together, or bit and width", 'type = "bit" with bit = 0 to 15'
    elif point.bit is not None and (
        type_ not in UNSIGNED or point.bit + (point.width or 1) > n_bits or point.coding.factor is not None
    ):
        yield f"{key}.width", f"these are no bits of a {type_}", ", ".join(sorted(UNSIGNED))
    if point.flags is None:
        return
    if type_ not in UNSIGNED or point.bit is not None or point.labels is not None:
        yield f"{key}.bits", f"the bits of this {type_} have no names", f"one of {', '.join(sorted(UNSIGNED))}, alone"
    elif max(point.flags) >= n_bits:
        yield f"{key}.bits", f"bit {max(point.flags)} is outside a {type_}", f"0 to {n_bits - 1}"
    elif len(set(point.flags.values())) < len(point.flags):
        yield f"{key}.bits", "two bits have the same name", None


def _is_slow(register_map: RegisterMap, point: Point) -> bool:
    return any(block.covers(point) and block.speed is not Speed.FAST for block in register_map.blocks)


def _fit(point: Point, field: ReadingField, key: str) -> Iterator[Finding]:
    """Compare a point with the field of the reading that it fills."""
    if point.coding.type is PointType.STRING and field.kind is not FieldKind.TEXT:
        yield f"{key}.type", f"this value is {field.kind.value}, no text", None
        return
    if point.flags is not None and field.kind is not FieldKind.NAMES:
        yield f"{key}.bits", f"this value is {field.kind.value}, no list of names", None
        return
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
        case FieldKind.TEXT:
            if point.coding.type is not PointType.STRING and labels is None:
                yield key, "this value is a text", 'type = "string", or enum'
        case FieldKind.NAMES:
            if point.flags is None:
                yield key, "this value is a list of names", "an unsigned type with bits"


def _is_integral(point: Point) -> bool:
    coding = point.coding
    return (
        coding.type not in FLOATS | {PointType.BIT, PointType.STRING}
        and coding.factor is None
        and isinstance(coding.scale, int)
        and isinstance(coding.offset, int)
    )


def _commands(register_map: RegisterMap) -> Iterator[Finding]:
    for name, command in register_map.commands.items():
        key = f"commands.{name}"
        yield from _readback(register_map, command, f"{key}.readback")
        if command.limits is None and command.coding.type is not PointType.BIT:
            yield f"{key}.limits", "a number that is written needs its range", "limits = [lowest, highest]"
        if command.limits is not None and command.limits[0] >= command.limits[1]:
            yield f"{key}.limits", "the first number is the lower one", None
    if register_map.commands and register_map.fallback is None:
        yield "fallback", "a device that is commanded must state what it does without a controller", "[fallback] text"


def _fallback(register_map: RegisterMap) -> Iterator[Finding]:
    rule = register_map.fallback
    if rule is None:
        return
    if rule.misses is LifeSign.HEARTBEAT and register_map.heartbeat is None:
        yield "fallback.misses", "the map has no heartbeat", "[heartbeat], or setpoints or requests"
    if rule.armed_by is Arming.WATCHDOG and register_map.watchdog is None:
        yield "fallback.armed_by", "the map has no watchdog time", "[watchdog], or setting or always"
    if rule.misses is LifeSign.NOTHING and (register_map.watchdog is not None or rule.after_s is not None):
        yield "fallback.misses", "a device that misses nothing acts after no time", "no [watchdog] and no after_s"
    if rule.armed_by is Arming.WATCHDOG and rule.after_s is not None:
        yield "fallback.after_s", "the watchdog time of the site says when it acts", "no after_s"
    for name, command in register_map.commands.items():
        if rule.misses is LifeSign.SETPOINTS and command.writes_per_day is not None:
            yield (
                f"commands.{name}.volatile",
                "a setpoint that is renewed against the fall-back wears this register out",
                "a volatile register, or a fall-back that waits for a heartbeat or for requests",
            )


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
    for key, command in written.items():
        yield from _write(key, command)
    for (one, first), (other, second) in combinations(written.items(), 2):
        if not (_is_writable(first) and _is_writable(second)) or first.at.table is not second.at.table:
            continue
        if first.at.register < second.end and second.at.register < first.end:
            yield f"{other}.at", f"it is written to the registers of {one}", None


def _is_writable(command: Command) -> bool:
    if command.at.table is Table.COIL:
        return command.coding.type is PointType.BIT
    return command.coding.type in _WRITABLE


def _write(key: str, command: Command) -> Iterator[Finding]:
    functions = _FUNCTIONS[command.at.table]
    if not _is_writable(command):
        allowed = "bit" if command.at.table is Table.COIL else ", ".join(sorted(_WRITABLE))
        yield f"{key}.type", f"a {command.coding.type} cannot be written to {command.at}", allowed
    elif command.function not in functions:
        allowed = " or ".join(str(code) for code in sorted(functions))
        yield f"{key}.write_fc", f"function {command.function} does not write to {command.at}", allowed
    elif command.function == WRITE_SINGLE and command.n_registers > 1:
        yield f"{key}.write_fc", f"function 6 writes one register, {command.coding.type} needs more", "16"
    elif command.end > _N_ADDRESSES:
        yield f"{key}.at", *_OUT_OF_SPACE
    elif abs(command.coding.scale) < _LEAST_SCALE:
        yield f"{key}.scale", "every value would be written alike", "any number but 0, at least 1e-12 in size"
    elif command.coding.factor is not None and command.coding.type in FLOATS:
        yield f"{key}.scale_register", "only whole numbers have a scale factor", "an integer type"


def _written(register_map: RegisterMap) -> Iterator[tuple[str, Command]]:
    yield from ((f"commands.{name}", command) for name, command in register_map.commands.items())
    if register_map.heartbeat is not None:
        yield "heartbeat", register_map.heartbeat
    if register_map.watchdog is not None:
        yield "watchdog", register_map.watchdog
