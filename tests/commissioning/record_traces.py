"""Records the traces of the tests from the wire twin: `python -m tests.commissioning.record_traces [MAP...]`.

For each shipped map without a trace, or for those named: what a device with the values below answers, and beside it
the values themselves. A trace of a real device is put here the same way: `ems devices trace record`, and the values
that its display showed.
"""

import asyncio
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from drivers.device.fields import FieldKind, rack_fields, reading_fields
from drivers.modbus.coding import PointType
from drivers.modbus.layout import Point, RegisterMap
from drivers.modbus.mapfile import load_map, map_names
from drivers.sim.wire.bank import RegisterBank
from drivers.sim.wire.server import WireServer
from ems.app.commissioning.endpoints import Reach
from ems.app.commissioning.targets import endpoint_target
from ems.app.commissioning.trace import record_link
from ems.runtime.clock import SystemClock
from tests.drivers.rig import IDENTITY, PlantDevice, Value

HOME = Path(__file__).parent / "traces"
# what the ranges of maps allow, where 12.5 is not in them
NUMBERS = {"frequency_hz": 50.0, "cell_max_v": 3.4, "cell_min_v": 3.2}


def shown_values(register_map: RegisterMap) -> dict[str, Value]:
    """Return plausible values for every point of a map."""
    kinds = dict(reading_fields(register_map.device_class))
    for rack in register_map.racks:
        kinds |= {point: rack_fields()[name] for name, point in rack.items()}
    values: dict[str, Value] = {
        name: IDENTITY.get(name, f"{name} 1") if point.coding.type is PointType.STRING else "513"
        for name, point in register_map.identity.items()
    }
    for point in register_map.points.values():
        field = kinds.get(point.field)
        if field is None:
            continue
        low, high = point.valid or (0.0, 60.0)
        match field.kind:
            case FieldKind.NUMBER:
                known = NUMBERS.get(point.name.rpartition(" ")[2])
                values[point.name] = known or (12.5 if low <= 12.5 <= high else (low + high) / 2.0)
            case FieldKind.INTEGER:
                step = max(1, round(point.coding.scale))
                values[point.name] = 123_400 // step * step
            case FieldKind.FLAG:
                values[point.name] = True
            case FieldKind.LABEL:
                values[point.name] = _label(point, register_map)
            case FieldKind.NAMES:
                values[point.name] = (*(point.flags or {}).values(),)[-1:]
            case _:
                pass
    return values


def _label(point: Point, register_map: RegisterMap) -> str:
    """Return a label: the first one, or the first that agrees with a flag which is made of the same register."""
    labels = point.labels or {0: ""}
    flags = [
        other.labels
        for other in register_map.points.values()
        if (other.at, other.bit) == (point.at, point.bit) and other.labels and "true" in other.labels.values()
    ]
    return next(label for code, label in labels.items() if all(flag.get(code) == "true" for flag in flags))


def shown_fields(points: Iterable[Point], values: Mapping[str, Value]) -> dict[str, Value]:
    """Return the fields that a device shows in these points; several points may show one field, or parts of a list."""
    fields: dict[str, Value] = {}
    for point in points:
        if point.name not in values:
            continue
        value, before = values[point.name], fields.get(point.field)
        if isinstance(value, tuple) and isinstance(before, tuple):
            value = (*before, *value)
        fields[point.field] = value
    return fields


async def record(name: str) -> None:
    """Write the trace and the values of one map."""
    clock = SystemClock()
    register_map = load_map(name, ())
    values = shown_values(register_map)
    fields = shown_fields(register_map.points.values(), values)
    bank = RegisterBank(register_map, PlantDevice(values | fields), clock=clock)
    async with WireServer("127.0.0.1", 0, units={1: bank}, clock=clock) as server:
        target = endpoint_target(f"127.0.0.1:{server.port}", map_name=name, unit=1, reach=Reach(timeout_s=5.0), maps=())
        trace = await record_link([target], every_s=0.1, n_rounds=2, clock=clock)
    (HOME / f"{name}.jsonl").write_text(trace.text(), encoding="utf-8")
    (HOME / f"{name}.values.json").write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def main() -> None:
    """Record what is asked for, else what is missing."""
    missing = [name for name in map_names(()) if not (HOME / f"{name}.jsonl").is_file()]
    for name in sys.argv[1:] or missing:
        asyncio.run(record(name))


if __name__ == "__main__":
    main()
