"""What is odd in a register map that is right in form: see `drivers.device.doubts`."""

from collections.abc import Iterator

from drivers.device.doubts import MEASURED, Number, Texts, command_doubts, step_doubts, wear_doubts
from drivers.device.needs import Finding
from drivers.modbus.layout import Point, RegisterMap, SetpointCommand, rack_place
from drivers.modbus.pointlint import is_slow, key_of
from drivers.modbus.rangelint import values_of


def map_doubts(register_map: RegisterMap) -> Iterator[Finding]:
    """Yield what a person should look at again."""
    for name, command in register_map.commands.items():
        key = f"commands.{name}"
        shown = register_map.points.get(command.readback)
        measured = register_map.points.get(MEASURED.get(name, ""))
        yield from command_doubts(
            _asked(command, key),
            None if shown is None else _shown(register_map, shown),
            None if measured is None else _shown(register_map, measured),
        )
        yield from wear_doubts(key, name, command.writes_per_day)
    for point in register_map.points.values():
        if (place := rack_place(point.name)) is None or place[0] == 1:
            yield from step_doubts(_shown(register_map, point), is_fast=not is_slow(register_map, point))


def texts_of(register_map: RegisterMap) -> Texts:
    """Return by which texts a map knows its device."""
    return Texts(
        map_id=register_map.id,
        device_class=register_map.device_class,
        places={name: f"{text.at} {text.n_registers}" for name, text in register_map.identity.items()},
        expected=register_map.expected,
    )


def _asked(command: SetpointCommand, key: str) -> Number:
    coding = command.coding
    return Number(
        key=key, name=command.name, sign=coding.sign, step=None if coding.factor is not None else abs(coding.scale)
    )


def _shown(register_map: RegisterMap, point: Point) -> Number:
    coding = point.coding
    return Number(
        key=key_of(register_map, point),
        name=point.name,
        sign=coding.sign,
        step=None if coding.factor is not None else abs(coding.scale),
        range_=point.valid or values_of(point),
        max_step_per_s=point.max_step_per_s,
    )
