"""Which fields each class of device reports, and what kind of value each field takes.

The reading types of `ems.model.readings` are the one list; a map names its points after their fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import cache
from typing import Final, get_args, get_origin, get_type_hints

from ems.model.readings import (
    BmsReading,
    CduReading,
    ChillerReading,
    CoolingReading,
    DryCoolerReading,
    GensetReading,
    LoadReading,
    PccReading,
    PcsReading,
    PvReading,
    RackReading,
    Reading,
    TankReading,
)


class DeviceClass(StrEnum):
    """What kind of device a map describes; each class has one type of reading."""

    PCS = "pcs"
    BMS = "bms"
    GENSET = "genset"
    TANK = "tank"
    PV = "pv"
    LOAD_METER = "load_meter"
    PCC_METER = "pcc_meter"
    COOLING = "cooling"
    CDU = "cdu"
    CHILLER = "chiller"
    DRY_COOLER = "dry_cooler"


READING_TYPES: Final[Mapping[DeviceClass, type[Reading]]] = {
    DeviceClass.PCS: PcsReading,
    DeviceClass.BMS: BmsReading,
    DeviceClass.GENSET: GensetReading,
    DeviceClass.TANK: TankReading,
    DeviceClass.PV: PvReading,
    DeviceClass.LOAD_METER: LoadReading,
    DeviceClass.PCC_METER: PccReading,
    DeviceClass.COOLING: CoolingReading,
    DeviceClass.CDU: CduReading,
    DeviceClass.CHILLER: ChillerReading,
    DeviceClass.DRY_COOLER: DryCoolerReading,
}
# what every reading has and no map may name
_OWN_FIELDS: Final = frozenset({"device_id", "at_s", "bad", "racks", "number"})


class FieldKind(Enum):
    """The type of a field's value, once it is known."""

    NUMBER = "a number"
    INTEGER = "an integer"
    FLAG = "true or false"
    LABEL = "one of a list of names"
    TEXT = "a text"
    NAMES = "a list of names"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingField:
    """One field of a reading; `labels` is set for a field that takes one of a list of names."""

    kind: FieldKind
    labels: type[StrEnum] | None = None


@cache
def reading_fields(device_class: DeviceClass) -> Mapping[str, ReadingField]:
    """Return the measured fields of a class's reading, by name."""
    return _fields(READING_TYPES[device_class])


@cache
def rack_fields() -> Mapping[str, ReadingField]:
    """Return the measured fields of a rack, by name."""
    return _fields(RackReading)


def _fields(kind: type) -> Mapping[str, ReadingField]:
    return {name: _field(hint) for name, hint in get_type_hints(kind).items() if name not in _OWN_FIELDS}


def numeric_fields(device_class: DeviceClass) -> frozenset[str]:
    """Return the names of the fields that are numbers."""
    numbers = {FieldKind.NUMBER, FieldKind.INTEGER}
    return frozenset(name for name, field in reading_fields(device_class).items() if field.kind in numbers)


def _field(hint: object) -> ReadingField:
    known = next(kind for kind in get_args(hint) if kind is not type(None))
    if get_origin(known) is tuple:
        return ReadingField(kind=FieldKind.NAMES)
    if known is str:
        return ReadingField(kind=FieldKind.TEXT)
    if known is bool:
        return ReadingField(kind=FieldKind.FLAG)
    if known is int:
        return ReadingField(kind=FieldKind.INTEGER)
    if issubclass(known, StrEnum):
        return ReadingField(kind=FieldKind.LABEL, labels=known)
    return ReadingField(kind=FieldKind.NUMBER)
