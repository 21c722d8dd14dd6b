"""Alarms of SunSpec devices: the bits of an event point by the names that the model's definition gives them."""

from collections.abc import Mapping
from functools import cache
from typing import Final

from drivers.modbus.sunspec.definitions import model_definition
from drivers.modbus.sunspec.fields import Fields

_WARNING: Final = "WARNING"
# what an event of model 802 is, said again behind its name
_KINDS: Final = (f"_{_WARNING}", "_ALARM", "_ALRM", "_ERROR")


def fill_alarms(fields: Fields, model_id: int, point: str) -> None:
    """Fill `warnings` and `faults` from an event point; a device without it tells of no alarms."""
    key = f"{model_id}.{point}"
    events = fields.points.code(key)
    if events is None:
        # a point that the device does not have is no fault of it
        keys = (key,) if fields.points.is_bad(key) else ()
        fields.value("warnings", None, *keys)
        fields.value("faults", None, *keys)
        return
    active = [name for bit, name in event_names(model_id, point).items() if events & 1 << bit]
    fields.value("warnings", tuple(_said(name) for name in active if name.endswith(_WARNING)))
    fields.value("faults", tuple(_said(name) for name in active if not name.endswith(_WARNING)))


@cache
def event_names(model_id: int, point: str) -> Mapping[int, str]:
    """Return the names of the bits of an event point that mean something, as the definition writes them."""
    definition = model_definition(model_id)
    symbols = {} if definition is None else definition.points[point].symbols
    return {bit: name for bit, name in symbols.items() if "RESERVED" not in name}


def _said(name: str) -> str:
    for kind in _KINDS:
        name = name.removesuffix(kind)
    return name.lower().replace("_", " ")
