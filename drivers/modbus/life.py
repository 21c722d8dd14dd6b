"""Notices a device whose registers are frozen behind a connection that works: its life counter stands still."""


class LifeWatch:
    """Watches a counter that the device itself keeps moving."""

    def __init__(self, *, stale_after_s: float) -> None:
        self._stale_after_s = stale_after_s
        self._count: object = None
        self._moved_s = 0.0

    def frozen(self, count: object, at_s: float) -> str | None:
        """Take the counter of a reading; return how long it has stood still once that is too long."""
        if count != self._count:
            self._count = count
            self._moved_s = at_s
            return None
        still_s = at_s - self._moved_s
        if still_s < self._stale_after_s:
            return None
        return f"its values are frozen: life counter unchanged for {still_s:.1f} s"
