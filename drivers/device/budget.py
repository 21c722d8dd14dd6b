"""The write budget of a register in non-volatile memory: so many writes in 24 h and no more.

The count lives as long as the driver: it goes on over reconnects, and begins anew when the process does.
"""

from collections import deque
from typing import Final

DAY_S: Final = 86_400.0
_H_S: Final = 3600.0


class WriteBudget:
    """Counts the writes of the last 24 h."""

    def __init__(self, writes_per_day: int) -> None:
        self._writes_per_day = writes_per_day
        self._written_s: deque[float] = deque()

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
