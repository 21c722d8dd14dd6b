"""Alarms that devices report, with what they ask of people. The names are those of the device's register map."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ems.model.readings import BmsReading, Reading


class AlarmPriority(StrEnum):
    """How much an alarm matters: something to look at, or a function of the device that is lost."""

    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmList:
    """One list of a reading: the names of the alarms that are known to be active.

    `origin` tells lists of one device apart. While it is not `complete`, an alarm that is not named may be active.
    """

    origin: str
    priority: AlarmPriority
    names: tuple[str, ...]
    complete: bool


# the fields of readings that are lists of alarms
_FIELDS: Final[Mapping[str, AlarmPriority]] = {
    "warnings": AlarmPriority.WARNING,
    "faults": AlarmPriority.FAULT,
    "shutdowns": AlarmPriority.FAULT,
    "trips": AlarmPriority.FAULT,
}
_UNNAMED: Final = "alarm of the BMS"
# words by which the names of alarms tell of fire or of the gas that cells give off before one
_FIRE_WORDS: Final = frozenset({"fire", "smoke", "gas", "offgas", "off-gas", "aerosol", "runaway"})

# words by which the names of faults tell that a battery's insulation to earth is gone
_INSULATION_WORDS: Final = frozenset({"insulation", "earth", "ground"})


def alarm_lists(reading: Reading) -> Iterator[AlarmList]:
    """Yield every list of alarms that a device gives, those of its racks included."""
    for name, priority in _FIELDS.items():
        if hasattr(reading, name):
            yield _list(name, priority, getattr(reading, name), reading.bad, field=name)
    if isinstance(reading, BmsReading):
        yield from _battery_lists(reading)


def reports_fire(reading: Reading) -> bool:
    """Return whether an alarm that a device names tells of fire, smoke or gas.

    A device whose own signal is a single bit for all alarms tells nothing of its kind.
    """
    return any(_FIRE_WORDS & set(name.lower().split()) for each in alarm_lists(reading) for name in each.names)


def reports_earth_fault(reading: Reading) -> bool:
    """Return whether a fault that a device names, no mere warning, tells of lost insulation to earth."""
    return any(
        _INSULATION_WORDS & set(name.lower().split())
        for each in alarm_lists(reading)
        if each.priority is AlarmPriority.FAULT
        for name in each.names
    )


def _battery_lists(reading: BmsReading) -> Iterator[AlarmList]:
    racks = reading.racks or ()
    for rack in racks:
        yield _list(f"rack {rack.number}", AlarmPriority.FAULT, rack.alarms, rack.bad, field="alarms")
    if reading.faults is None and all(rack.alarms is None for rack in racks):
        # a BMS that names none of its alarms says only that there is one
        names = None if reading.alarm is None else (_UNNAMED,) if reading.alarm else ()
        yield _list("alarm", AlarmPriority.FAULT, names, reading.bad, field="alarm")


def _list(
    origin: str, priority: AlarmPriority, names: tuple[str, ...] | None, bad: Mapping[str, str], *, field: str
) -> AlarmList:
    return AlarmList(
        origin=origin,
        priority=priority,
        names=names or (),
        complete=names is not None and field not in bad,
    )
