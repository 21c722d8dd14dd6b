"""Notices a device whose values are frozen behind a connection that works: nothing of it moves any more."""

from collections.abc import Mapping

from drivers.device.named import row_of
from drivers.device.values import Value

# a measured power is never the same to the last digit for this long, s: rule of the project for devices without a
# life counter, 60 polls of 1 s
STILL_S = 60.0
# a flag is an int, too, and no measurement
_NUMBERS = frozenset({int, float})


class LifeWatch:
    """Watches a counter that the device itself keeps moving."""

    def __init__(self, *, stale_after_s: float) -> None:
        self._stale_after_s = stale_after_s
        self._count: object = None
        self._moved_s = 0.0

    @property
    def moved_s(self) -> float:
        """Return when the counter was seen to move last."""
        return self._moved_s

    def take(self, count: object, at_s: float) -> None:
        """Take the counter of a reading."""
        if count != self._count:
            self._count = count
            self._moved_s = at_s

    def frozen(self, now_s: float) -> str | None:
        """Return how long the counter has stood still, once that is too long."""
        still_s = now_s - self._moved_s
        if self._count is None or still_s < self._stale_after_s:
            return None
        return f"its values are frozen: life counter unchanged for {still_s:.1f} s"


class StillWatch:
    """Watches the measured values of a device without a life counter: under power they never stand still for long.

    What it finds is a suspicion and no proof. Any change ends it.
    """

    def __init__(self, *, still_s: float) -> None:
        self._still_s = still_s
        self._numbers: tuple[Value | None, ...] = ()
        self._moved_s = 0.0

    def take(self, values: Mapping[str, Value | None], at_s: float) -> str | None:
        """Take the values of a round; return why they may be old."""
        numbers = tuple(value if type(value) in _NUMBERS else None for value in row_of(values))
        if numbers != self._numbers or not _carries_power(values):
            self._numbers = numbers
            self._moved_s = at_s
            return None
        still_s = at_s - self._moved_s
        if still_s < self._still_s:
            return None
        return f"its values may be frozen: not a digit has changed for {still_s:.0f} s under power"


def _carries_power(values: Mapping[str, Value | None]) -> bool:
    return any(values.get(name) not in {None, 0} for name in ("power_kw", "load_kw"))
