"""What the points of a register map contradict: their type, their place, and the field that they fill."""

from collections.abc import Iterator
from typing import Final

from drivers.device import fieldlint
from drivers.device.fieldlint import kind_of_labels, unknown_field
from drivers.device.fields import FieldKind, ReadingField, reading_fields
from drivers.device.keylint import step_findings
from drivers.device.needs import Finding
from drivers.device.numberlint import order_findings, scale_findings
from drivers.modbus.coding import FLOATS, UNSIGNED, PointType, factor_name
from drivers.modbus.layout import Point, RegisterMap, Speed, alarm_name, rack_place
from drivers.modbus.rangelint import valid_findings

N_ADDRESSES: Final = 0x10000
OUT_OF_SPACE: Final = ("it ends behind the last register", "addresses 0 to 65535")
_CODES: Final = frozenset({PointType.UINT16, PointType.INT16, PointType.UINT32})
_WRITTEN: Final = {
    FieldKind.FLAG: 'type = "bit", or enum with "true" and "false"',
    FieldKind.INTEGER: "an integer type with integer scale and offset",
    FieldKind.NUMBER: "a numeric type without enum",
    FieldKind.TEXT: 'type = "string", or enum',
    FieldKind.NAMES: "an unsigned type with bits",
}


def point_findings(register_map: RegisterMap) -> Iterator[Finding]:
    """Yield what is wrong with the points that control and the driver rely on."""
    fields = reading_fields(register_map.device_class)
    readbacks = {command.readback for command in register_map.commands.values()}
    for point in register_map.points.values():
        key = key_of(register_map, point)
        is_factor = point.name.startswith("factor ")
        if point.name.startswith(alarm_name("")) or rack_place(point.name) is not None:
            continue
        yield from shape_findings(point, key)
        is_urgent = point.stale_after_s is not None or point.name == "remote" or is_factor
        if is_urgent and is_slow(register_map, point):
            yield f"{key}.at", "this value is read too seldom for its purpose", "a place in a fast block"
        if point.field in fields:
            yield from fit_findings(point, fields[point.field], key)
        else:
            has_purpose = is_factor or point.name in readbacks or point.stale_after_s is not None
            yield from unknown_field(register_map.device_class, fields, key, fills=point.fills, has_purpose=has_purpose)


def shape_findings(point: Point, key: str) -> Iterator[Finding]:
    """Yield what a point says of itself that cannot be."""
    type_ = point.coding.type
    yield from _form_of_bits(point, key)
    if point.labels is not None and type_ not in _CODES:
        yield f"{key}.enum", f"a {type_} cannot hold codes", ", ".join(sorted(_CODES))
    yield from scale_findings(point.coding.scale, key)
    yield from order_findings(point.valid, f"{key}.valid")
    yield from valid_findings(point, key)
    if point.stale_after_s is not None and type_ not in UNSIGNED:
        yield f"{key}.type", "a life counter counts up", ", ".join(sorted(UNSIGNED))
    is_measured = kind_of(point) is FieldKind.NUMBER and not point.stale_after_s
    yield from step_findings(point.max_step_per_s, key, is_measured=is_measured)
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


def is_slow(register_map: RegisterMap, point: Point) -> bool:
    """Return whether a point lies in a block that is not read with every fast poll."""
    return any(block.covers(point) and block.speed is not Speed.FAST for block in register_map.blocks)


def fit_findings(point: Point, field: ReadingField, key: str) -> Iterator[Finding]:
    """Compare a point with the field of the reading that it fills."""
    if point.coding.type is PointType.STRING and field.kind is not FieldKind.TEXT:
        yield f"{key}.type", f"this value is {field.kind.value}, no text", None
        return
    if point.flags is not None and field.kind is not FieldKind.NAMES:
        yield f"{key}.bits", f"this value is {field.kind.value}, no list of names", None
        return
    if field.kind is FieldKind.INTEGER and not _is_integral(point):
        yield key, "this value is a whole number", _WRITTEN[FieldKind.INTEGER]
        return
    labels = point.labels.values() if point.labels else None
    yield from fieldlint.fit_findings(kind_of(point), labels, field, key, _WRITTEN)


def kind_of(point: Point) -> FieldKind:
    """Return what a point gives."""
    if point.flags is not None:
        return FieldKind.NAMES
    if point.coding.type is PointType.BIT:
        return FieldKind.FLAG
    if point.labels is not None:
        return kind_of_labels(point.labels.values())
    return FieldKind.TEXT if point.coding.type is PointType.STRING else FieldKind.NUMBER


def _is_integral(point: Point) -> bool:
    coding = point.coding
    return (
        coding.type not in FLOATS | {PointType.BIT, PointType.STRING}
        and not point.labels
        and coding.factor is None
        and isinstance(coding.scale, int)
        and isinstance(coding.offset, int)
    )


def key_of(register_map: RegisterMap, point: Point) -> str:
    """Return where a point stands in the file; what is no point of its own belongs to the one that needs it."""
    if (place := rack_place(point.name.removeprefix("the factor of "))) is not None:
        return f"rack_points.{place[1]}"
    if point is register_map.identity.get(point.name):
        return f"identity.{point.name}"
    for name, command in register_map.commands.items():
        if command.coding.factor is not None and point.name == factor_name(command.coding.factor):
            return f"commands.{name}.scale_register"
    return f"points.{point.name.removeprefix('the factor of ')}"
