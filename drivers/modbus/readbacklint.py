"""What the read-back of a command in a register map must be."""

from collections.abc import Iterator

from drivers.device.fields import reading_fields
from drivers.device.needs import Finding
from drivers.device.readbacklint import SWITCHES, Asked, Shown
from drivers.device.readbacklint import readback_findings as findings_of
from drivers.modbus.coding import PointType
from drivers.modbus.layout import Point, RegisterMap, SetpointCommand
from drivers.modbus.pointlint import is_slow, kind_of
from drivers.modbus.rangelint import values_of


def readback_findings(register_map: RegisterMap, command: SetpointCommand, key: str) -> Iterator[Finding]:
    """Yield why the read-back of a command could not verify it."""
    point = register_map.points.get(command.readback)
    if point is None:
        yield f"{key}.readback", f"there is no point '{command.readback}'", ", ".join(sorted(register_map.points))
    elif is_slow(register_map, point):
        message = f"'{point.name}' is read too seldom to verify a setpoint"
        yield f"{key}.readback", message, "a point in a fast block"
    else:
        yield from findings_of(_asked(command), _shown(point), reading_fields(register_map.device_class), key)


def _asked(command: SetpointCommand) -> Asked:
    return Asked(
        name=command.name,
        sign=command.coding.sign,
        limits=command.limits,
        step=command.coding.scale,
        is_switch=command.name in SWITCHES or command.coding.type is PointType.BIT,
    )


def _shown(point: Point) -> Shown:
    return Shown(
        name=point.name,
        field=point.field,
        kind=kind_of(point),
        sign=point.coding.sign,
        valid=point.valid,
        held=values_of(point),
        step=point.coding.scale,
        counts_life=point.stale_after_s is not None,
    )
