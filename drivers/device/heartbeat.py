"""The sign of life that a commanded device waits for: a counter, written only while a command is valid.

When commands stop being renewed the counter stops, too: the device then falls back by itself, which is the
purpose of its watchdog.
"""

from collections.abc import Callable
from typing import Final, Generic

from drivers.device.commands import W
from drivers.device.jobs import NEVER_S, Acknowledged, Refused, Result, Urgency

# starts again at 1: 0 is the value of a controller that never spoke, high values are often "not available"
_LAST_COUNT: Final = 0x7FFF


class Heartbeat(Generic[W]):
    """The job that sends the counter once per period until the commands expire; `beat` makes one of a count."""

    urgency = Urgency.COMMAND
    patience_s = 0.0

    def __init__(self, beat: Callable[[int], W], *, period_s: float, valid_until_s: Callable[[], float]) -> None:
        self.due_s = NEVER_S
        self.fault: str | None = None
        self._beat = beat
        self.period_s = period_s
        self._valid_until_s = valid_until_s
        self._open = False
        self.taken_s: float | None = None
        self._count = 0
        self._sent_s = -NEVER_S

    def open(self, now_s: float) -> None:
        """Allow writes: the device has been read on this connection."""
        self._open = True
        self.renewed(now_s)

    def close(self) -> None:
        """Forbid writes: the connection is gone."""
        self._open = False
        self.due_s = NEVER_S

    def renewed(self, now_s: float) -> None:
        """Go on after a command came in."""
        if self._open and self.due_s == NEVER_S and now_s < self._valid_until_s():
            self.due_s = max(now_s, self._sent_s + self.period_s)

    def request(self, now_s: float) -> W | None:
        """Return the next count, None once no command is valid any more."""
        self.due_s = NEVER_S
        if now_s >= self._valid_until_s():
            return None
        self._sent_s = now_s
        self.due_s = now_s + self.period_s
        self._count = self._count % _LAST_COUNT + 1
        return self._beat(self._count)

    def done(self, answer: Result) -> None:
        """Note whether the device takes the heartbeat, and when it did."""
        if isinstance(answer, Acknowledged):
            self.taken_s = answer.at_s
        self.fault = f"the heartbeat is refused: {answer}" if isinstance(answer, Refused) else None
