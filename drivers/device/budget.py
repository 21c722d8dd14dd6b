"""The write budget of a register in non-volatile memory: so many writes in 24 h and no more.

The count goes on over reconnects, and over restarts of the process where its environment remembers the writes.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from ems.ports import Clock

DAY_S: Final = 86_400.0
_H_S: Final = 3600.0


class WriteBudget:
    """Counts the writes of the last 24 h."""

    def __init__(self, writes_per_day: int, written_s: Iterable[float] = ()) -> None:
        """Go on with the writes of an earlier run, oldest first."""
        self._writes_per_day = writes_per_day
        self._written_s: deque[float] = deque(written_s)

    @property
    def written_s(self) -> Sequence[float]:
        """Return when the writes were that count, by the monotonic clock, oldest first."""
        return tuple(self._written_s)

    def spend(self, now_s: float) -> str | None:
        """Count one write; return why it must not be done if the budget is used up."""
        while self._written_s and now_s - self._written_s[0] >= DAY_S:
            self._written_s.popleft()
        if len(self._written_s) < self._writes_per_day:
            self._written_s.append(now_s)
            return None
        wait_h = (self._written_s[0] + DAY_S - now_s) / _H_S
        return (
            f"its register is not volatile and the {self._writes_per_day} writes of a day are used up; "
            f"the next one is free in {wait_h:.1f} h"
        )


def setpoints_per_day(*, period_s: float) -> float:
    """Return how many writes a day a setpoint needs that may change with every poll."""
    return DAY_S / period_s


def least_period_s(writes_per_day: int) -> int:
    """Return the shortest time in whole seconds between two changes that a budget bears."""
    return math.ceil(DAY_S / writes_per_day)


def on_clock(instants: Iterable[datetime], clock: Clock) -> tuple[float, ...]:
    """Return instants of an earlier run as seconds of this run's clock; one in the future counts as now."""
    now_s, utc = clock.monotonic_s(), clock.utc()
    return tuple(sorted(now_s - max(0.0, (utc - instant).total_seconds()) for instant in instants))
