"""What must be remembered of an energy counter that starts again at zero."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterMemory:
    """A counter as the device showed it last, and what all its rounds before that have added."""

    shown_wh: float
    added_wh: float
