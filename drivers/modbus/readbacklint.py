"""What the read-back of a command must be: the same quantity, in the same unit and direction, over all its limits."""

from collections.abc import Iterator
from typing import Final

from drivers.device.fields import reading_fields
from drivers.device.needs import Finding
from drivers.modbus.coding import PointType
from drivers.modbus.layout import Point, RegisterMap, SetpointCommand
from drivers.modbus.pointlint import FLAG_LABELS, is_slow
from drivers.modbus.rangelint import held_by

# the field of a reading that shows what a command has set; any other field is a measured value
_SHOWN_BY: Final = {"power_kw": "setpoint_kw", "limit_kw": "limit_kw", "supply_degc": "setpoint_degc"}
# a switch has no unit
_SWITCHES: Final = frozenset({"run"})
_TOLERANCE: Final = 1e-9


def readback_findings(register_map: RegisterMap, command: SetpointCommand, key: str) -> Iterator[Finding]:
    """Yield why the read-back of a command could not verify it."""
    point = register_map.points.get(command.readback)
    if point is None:
        yield f"{key}.readback", f"there is no point '{command.readback}'", ", ".join(sorted(register_map.points))
        return
    if is_slow(register_map, point):
        message = f"'{point.name}' is read too seldom to verify a setpoint"
        yield f"{key}.readback", message, "a point in a fast block"
        return
    wrong = _kind(register_map, command, point)
    if wrong is not None:
        yield f"{key}.readback", *wrong
    elif command.name not in _SWITCHES:
        yield from _extent(command, point, key)


def _kind(register_map: RegisterMap, command: SetpointCommand, point: Point) -> tuple[str, str] | None:
    """Return why a point is of another kind than the command, and what it should be."""
    is_flag = point.coding.type is PointType.BIT or _has_labels_of_flag(point)
    is_number = not (is_flag or point.labels or point.flags or point.coding.type is PointType.STRING)
    is_switch = command.name in _SWITCHES or command.coding.type is PointType.BIT
    wanted = _SHOWN_BY.get(command.name)
    if point.stale_after_s is not None:
        return f"'{point.name}' is the life counter", "a point that shows what the device has taken"
    if point.flags is not None or not (is_number or (is_switch and is_flag)):
        allowed = "a number or a flag" if is_switch else "a number"
        return f"'{point.name}' is no number that a setpoint could be compared with", allowed
    if point.field in reading_fields(register_map.device_class) and point.field != wanted:
        allowed = wanted or "a point of its own, in [points]"
        return f"'{point.name}' shows {point.field}, not what {command.name} has set", allowed
    unit = _unit_of(command.name)
    if unit is not None and _unit_of(point.name) != unit and point.field != wanted:
        return f"the name '{point.name}' does not state the unit of {command.name}", f"a name that ends in _{unit}"
    return None


def _has_labels_of_flag(point: Point) -> bool:
    return point.labels is not None and frozenset(point.labels.values()) <= FLAG_LABELS


def _unit_of(name: str) -> str | None:
    """Return the unit that the end of a command's or point's name states."""
    return None if name in _SWITCHES else name.rpartition("_")[2]


def _extent(command: SetpointCommand, point: Point, key: str) -> Iterator[Finding]:
    if command.coding.sign != point.coding.sign:
        yield f"{key}.sign", f"'{point.name}' counts the other direction as positive", f"as points.{point.name}.sign"
    limits = command.limits
    if limits is None or limits[0] >= limits[1]:
        return
    for shown, what in ((point.valid, "valid of"), (held_by(point), "what fits into")):
        if shown is None or shown[0] >= shown[1]:
            continue
        # a limit is rounded to a whole count, so that what is shown may miss it by less than one
        slack = _TOLERANCE if what == "valid of" else max(point.coding.scale, command.coding.scale)
        if limits[0] < shown[0] - slack or limits[1] > shown[1] + slack:
            yield (
                f"{key}.limits",
                f"a setpoint beyond {what} '{point.name}' could not be verified",
                f"limits within {shown[0]:g} to {shown[1]:g}",
            )
            return
