"""How often the guard steps in (G18): a rule that does so all the time says that plan and plant disagree."""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

from ems.control.guard import Clip

_BUCKET_S: Final = 60.0
_BUCKETS: Final = 10
_SHARE_FRAC: Final = 0.01
# fewer cycles in the window say nothing about a share of one percent
_LEAST_TICKS: Final = 100


@dataclass(slots=True)
class _Bucket:
    """The cycles of a minute, and in how many of them each rule stepped in."""

    begin_s: float
    n_ticks: int = 0
    rules: Counter[str] = field(default_factory=Counter)


class ClipWatch:
    """Looks at the last ten minutes, minute by minute."""

    def __init__(self) -> None:
        self._buckets: deque[_Bucket] = deque(maxlen=_BUCKETS)

    def add(self, clips: tuple[Clip, ...], *, now_s: float) -> None:
        """Count one cycle."""
        if not self._buckets or now_s - self._buckets[-1].begin_s >= _BUCKET_S:
            self._buckets.append(_Bucket(begin_s=now_s))
        bucket = self._buckets[-1]
        bucket.n_ticks += 1
        bucket.rules.update({clip.rule.value for clip in clips})

    def shares_frac(self) -> dict[str, float]:
        """Return by rule the share of cycles in which it stepped in, empty before the window is full."""
        n_ticks = sum(bucket.n_ticks for bucket in self._buckets)
        if len(self._buckets) < _BUCKETS or n_ticks < _LEAST_TICKS:
            return {}
        rules: Counter[str] = sum((bucket.rules for bucket in self._buckets), Counter())
        return {rule: count / n_ticks for rule, count in sorted(rules.items())}

    def alarms(self) -> dict[str, str]:
        """Return the rules that have stepped in too often."""
        return {
            f"clips:{rule}": f"guard rule {rule} changed setpoints in {100.0 * share:.1f} % of the cycles of the last "
            "ten minutes: plan and plant disagree"
            for rule, share in self.shares_frac().items()
            if share > _SHARE_FRAC
        }
