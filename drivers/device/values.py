"""What a point of a device can hold: a number, a flag, a text or a list of names; or no value, and why."""

from dataclasses import dataclass

Number = int | float
Value = int | float | bool | str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bad:
    """No value, and why."""

    reason: str
