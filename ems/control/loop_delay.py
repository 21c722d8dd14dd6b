"""How long a setpoint takes until its power is seen: measured at the units that follow, step by step.

Pure: a track per unit, what it was asked for and what it delivers in, the next track and at times a delay out. A step
that is large enough is timed until half of it is seen; another step, or none of it for long, ends the attempt.
"""

from dataclasses import dataclass, replace
from statistics import median
from typing import Final

# a step that noise and droop cannot be taken for, share of the rating
_STEP_FRAC: Final = 0.05
_SEEN_FRAC: Final = 0.5
# the unit must have been at rest for so many periods before, and show half of the step within so many
_REST_PERIODS: Final = 5.0
_LONGEST_PERIODS: Final = 20.0
# delays that are kept, and how many of them tell something
_KEPT: Final = 31
_ENOUGH: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayTrack:
    """One unit: what it is asked for since when, and the step that is timed now."""

    asked_kw: float | None = None
    since_s: float = 0.0
    from_kw: float | None = None
    timed: bool = False


def timed_step(
    track: DelayTrack, *, asked_kw: float | None, power_kw: float | None, rated_kw: float, now_s: float, period_s: float
) -> tuple[DelayTrack, float | None]:
    """Return the track after this cycle, and the delay of a step of which half is seen now.

    `asked_kw` is what the unit was asked for in the cycle before, None where it need not follow.
    """
    if asked_kw is None or power_kw is None:
        return DelayTrack(), None
    if track.asked_kw is None:
        return DelayTrack(asked_kw=asked_kw, since_s=now_s), None
    if abs(asked_kw - track.asked_kw) > _STEP_FRAC * rated_kw:
        rested = now_s - track.since_s >= _REST_PERIODS * period_s
        # it was asked a cycle ago
        return DelayTrack(asked_kw=asked_kw, since_s=now_s - period_s, from_kw=power_kw, timed=rested), None
    if not track.timed or track.from_kw is None:
        return track, None
    passed_s = now_s - track.since_s
    step_kw = track.asked_kw - track.from_kw
    if (power_kw - track.from_kw) * step_kw >= _SEEN_FRAC * step_kw**2:
        # a unit that was there before it was asked has shown nothing
        return replace(track, timed=False), passed_s if abs(step_kw) > _STEP_FRAC * rated_kw else None
    return (replace(track, timed=False) if passed_s > _LONGEST_PERIODS * period_s else track), None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopDelay:
    """The newest delays of all units."""

    delays_s: tuple[float, ...] = ()

    def with_delay(self, delay_s: float) -> "LoopDelay":
        """Return the delays with one more."""
        return LoopDelay(delays_s=(*self.delays_s[1 - _KEPT :], delay_s))

    @property
    def typical_s(self) -> float | None:
        """Return the median, None before there are enough."""
        return median(self.delays_s) if len(self.delays_s) >= _ENOUGH else None
