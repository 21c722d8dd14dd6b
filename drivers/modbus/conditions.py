"""Whether a reading shows what a register map asks for. Pure."""

from drivers.modbus.keys import Condition, SequenceCommand
from ems.model.readings import Reading


def holds(condition: Condition, reading: Reading | None) -> bool | None:
    """Return whether a reading shows one of the condition's names, None where it does not know the field."""
    value: object = None if reading is None else getattr(reading, condition.field)
    if value is None:
        return None
    label = str(value).lower() if isinstance(value, bool) else str(value)
    return label in condition.labels


def shown(command: SequenceCommand, reading: Reading | None) -> bool | None:
    """Return which value of a command a reading shows, None while it is under way or unknown."""
    for value, condition in command.shows.items():
        if holds(condition, reading):
            return value
    return None
