"""Too many messages: buckets of tokens, and a summary of refusals that keeps the audit log bounded."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from ems.commands.refusal import RefusalKind

# refusals that are written one by one, then one in so many seconds; the rest is summed up
_ROW_EVERY_S: Final = 1.0
_ROWS_AT_ONCE: Final = 30
_SUMMARY_S: Final = 60.0


@dataclass(slots=True)
class Bucket:
    """Lets `n_at_once` pass at once, and one more every `period_s` for ever."""

    period_s: float
    n_at_once: int
    # seconds worth of messages that may still pass; None: as many as there can be
    _left_s: float | None = None
    _at_s: float = 0.0

    def takes(self, now_s: float) -> bool:
        """Return whether one more may pass now."""
        most_s = self.n_at_once * self.period_s
        left_s = most_s if self._left_s is None else min(most_s, self._left_s + max(0.0, now_s - self._at_s))
        self._at_s = now_s
        passes = left_s >= self.period_s
        self._left_s = left_s - self.period_s if passes else left_s
        return passes


@dataclass(slots=True)
class RefusalSummary:
    """Decides which refusals get a row of their own; the others are counted by kind until a row sums them up."""

    _bucket: Bucket = field(default_factory=lambda: Bucket(period_s=_ROW_EVERY_S, n_at_once=_ROWS_AT_ONCE))
    _counts: Counter[str] = field(default_factory=Counter)
    _since_s: float | None = None

    def own_row(self, kind: RefusalKind, now_s: float, *, verified: bool) -> bool:
        """Return whether a refusal is written by itself; one with a valid signature always is."""
        if verified or self._bucket.takes(now_s):
            return True
        self._counts[kind.value] += 1
        if self._since_s is None:
            self._since_s = now_s
        return False

    def dropped(self, n: int, now_s: float) -> None:
        """Count messages that were dropped unread."""
        self._counts["dropped"] += n
        if self._since_s is None:
            self._since_s = now_s

    def due(self, now_s: float) -> dict[str, int] | None:
        """Return the counts when they are due for a row, and begin anew."""
        if self._since_s is None or now_s - self._since_s < _SUMMARY_S:
            return None
        return self.rest()

    def rest(self) -> dict[str, int] | None:
        """Return the counts now, and begin anew."""
        counts, self._counts, self._since_s = dict(self._counts), Counter(), None
        return counts or None
