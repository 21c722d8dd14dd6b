"""What the task of a connection is at, and by when that must be over; the watchdog asks.

A device that does not answer ends an attempt as well as one that does. Only a task that hangs does not end one.
"""

from ems.model.link_status import AttemptStatus


class Attempts:
    """Counts what was tried and has ended, whether it was answered, refused or timed out."""

    def __init__(self) -> None:
        self.n_ended = 0
        self._over_by_s: float | None = None

    def begin(self, over_by_s: float) -> None:
        """Say that an attempt or a wait begins, and by what time of the clock it is over."""
        self._over_by_s = over_by_s

    def ended(self) -> None:
        """Count the attempt; until the next one begins nothing is awaited."""
        self.n_ended += 1
        self._over_by_s = None

    def rest(self) -> None:
        """Say that nothing goes on: the task has ended, or what goes on limits itself."""
        self._over_by_s = None

    def status(self, link_id: str, now_s: float) -> AttemptStatus:
        """Return both under the name of the link."""
        return AttemptStatus(link_id=link_id, n_ended=self.n_ended, overdue_s=self.overdue_s(now_s))

    def overdue_s(self, now_s: float) -> float:
        """Return how long ago the present attempt should have been over, 0 while it has time left."""
        return 0.0 if self._over_by_s is None else max(0.0, now_s - self._over_by_s)
