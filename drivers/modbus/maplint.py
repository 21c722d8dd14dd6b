"""Finds what a register map contradicts: points outside blocks, fields of another class, missing read-backs.

The form of each key is checked before, in `mapschema`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from drivers.device.fields import DeviceClass, rack_fields
from drivers.device.identitylint import expected_findings, name_findings
from drivers.device.mapfiles import found
from drivers.device.needs import Finding
from drivers.modbus.actionlint import action_findings
from drivers.modbus.blocks import overlapping_blocks, torn_points, unplaced, unreadable
from drivers.modbus.capabilitylint import capability_findings
from drivers.modbus.coding import (
    Coding,
    PointType,
)
from drivers.modbus.layout import Point, RegisterMap, Span, Speed, rack_place
from drivers.modbus.pointlint import N_ADDRESSES, OUT_OF_SPACE, fit_findings, key_of, point_findings, shape_findings
from drivers.modbus.writelint import command_findings, fallback_findings, write_findings
from ems.errors import ConfigProblem


def find_contradictions(register_map: RegisterMap, file: Path) -> Iterator[ConfigProblem]:
    """Yield everything in a map that cannot be right."""
    for finding in (
        *name_findings(register_map.id, file),
        *_layout(register_map),
        *_identity(register_map),
        *point_findings(register_map),
        *_racks(register_map),
        *command_findings(register_map),
        *write_findings(register_map),
        *action_findings(register_map),
        *capability_findings(register_map),
        *fallback_findings(register_map),
    ):
        yield found(file, *finding)


def _layout(register_map: RegisterMap) -> Iterator[Finding]:
    points = register_map.points.values()
    for first, second in overlapping_blocks(register_map.blocks):
        yield "blocks", f"the blocks at {first.at} and {second.at} overlap", "each register in one block"
    if all(block.speed is Speed.OWN for block in register_map.blocks):
        yield "blocks", "a reading needs a block that is read regularly", 'speed = "fast" or speed = "slow"'
    for point in unplaced(register_map.blocks, points):
        yield _no_place(register_map, point)
    for one, other in torn_points([*points, *_factors(points)]):
        yield key_of(register_map, other), f"shares registers with {one.name}", None
    for point, why in unreadable(
        [*points, *register_map.identity.values()],
        max_registers=register_map.max_registers,
        max_bits=register_map.max_bits,
        forbidden=register_map.forbidden,
    ):
        yield f"{key_of(register_map, point)}", why, None
    for number, block in enumerate(register_map.blocks):
        if block.end > N_ADDRESSES:
            yield f"blocks[{number}].at", *OUT_OF_SPACE
    for name, text in register_map.identity.items():
        if text.end > N_ADDRESSES:
            yield f"identity.{name}.at", *OUT_OF_SPACE
    for span in register_map.forbidden:
        if span.count < 1 or span.end > N_ADDRESSES:
            yield "endpoint.never_read", f"{span.at} begins no range of addresses", "first..last, 0 to 65535"


def _no_place(register_map: RegisterMap, point: Point) -> Finding:
    blocks = ", ".join(str(Span(at=block.at, count=block.count)) for block in register_map.blocks)
    where = str(Span(at=point.at, count=point.n_registers))
    factor = point.coding.factor
    key = key_of(register_map, point)
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


def _identity(register_map: RegisterMap) -> Iterator[Finding]:
    is_commanded = bool(register_map.commands or register_map.sequences)
    if is_commanded and not register_map.identity and register_map.unidentified is None:
        message = "a device that is commanded must name itself, else an exchange is not noticed"
        yield "identity", message, "[identity.serial], or device.unidentified with the reason why there is none"
    if register_map.identity and register_map.unidentified is not None:
        yield "device.unidentified", "the map has texts that name the device", "one of the two"
    yield from expected_findings(register_map.expected)
    for one, other in torn_points(register_map.identity.values()):
        yield f"identity.{other.name}.at", f"shares registers with identity.{one.name}", "registers of its own"


def _racks(register_map: RegisterMap) -> Iterator[Finding]:
    """Check the points of the first rack; the others are its copies."""
    fields = rack_fields()
    for name, point in register_map.rack_points(1).items():
        key = f"rack_points.{name}"
        yield from shape_findings(point, key)
        if point.coding.factor is not None or point.stale_after_s is not None:
            yield key, "a point of a rack has no scale register and is no life counter", None
        place = rack_place(point.field)
        field = None if place is None else fields.get(place[1])
        if field is not None:
            yield from fit_findings(point, field, key)
        elif point.fills is not None:
            yield f"{key}.fills", "a rack has no such value", ", ".join(sorted(fields))
        else:
            yield key, "a rack has no such value", ", ".join(sorted(fields))
    if register_map.racks and register_map.device_class is not DeviceClass.BMS:
        yield "racks", f"a {register_map.device_class} has no racks", "a map of class bms"
