"""The way to a power that was asked for: within the limits of the moment, along the ramp, probing where in doubt."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Generic

from drivers.device.commands import CommandSlot, E, W
from drivers.device.jobs import NEVER_S
from drivers.device.narrowing import narrowed, next_step, probing_step
from drivers.device.values import Value
from ems.model.capability import PowerLimits

# neighbouring floats: a setpoint that is this near has arrived
_ARRIVED_KW: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Goal:
    """The power that was asked for; a ramp leads there step by step."""

    power_kw: float
    valid_until_s: float
    # why it is not what control asked for
    note: str = ""
    releases: bool = False


class PowerGoal(Generic[E, W]):
    """Offers a command slot what may be written now on the way to the power that was asked for.

    `limits` and `is_doubtful` tell the present limits and whether the values of the device may be frozen; `most_kw` is
    the largest step of one poll, None: at once. `every_s` is the least time between two changes of the setpoint: until
    then the one before stands, unless the limits no longer allow it or 0 kW is asked for.
    """

    def __init__(
        self,
        slot: CommandSlot[E, W],
        *,
        limits: Callable[[], PowerLimits],
        is_doubtful: Callable[[], bool],
        most_kw: float | None,
        every_s: float | None = None,
    ) -> None:
        self._slot = slot
        self._limits = limits
        self._is_doubtful = is_doubtful
        self._most_kw = most_kw
        self._every_s = every_s
        self._goal: _Goal | None = None
        # the setpoint that the device shows to be in force
        self._in_force_kw: float | None = None
        self._offered_kw: float | None = None
        self._changed_s = -NEVER_S

    def ask(self, power_kw: float, *, valid_until_s: float, now_s: float) -> None:
        """Take a new goal, which counts until `valid_until_s`."""
        self._goal = _Goal(power_kw=power_kw, valid_until_s=valid_until_s)
        self._approach(self._goal, now_s, again=False)

    def seen(self, setpoint: Value | None, now_s: float) -> None:
        """Take what the device shows to be in force, and go on to the goal."""
        self._in_force_kw = float(setpoint) if isinstance(setpoint, int | float) else None
        if self._goal is not None and now_s < self._goal.valid_until_s:
            self._approach(self._goal, now_s, again=True)

    def release(self, power_kw: float, *, within_s: float, now_s: float) -> None:
        """Lead to this power once the goal has expired, or give that up after `within_s`."""
        if self._goal is None or self._goal.releases or now_s < self._goal.valid_until_s:
            return
        self._goal = _Goal(
            power_kw=power_kw,
            valid_until_s=now_s + within_s,
            note="no command counts any more, and it would not notice that",
            releases=True,
        )
        self._approach(self._goal, now_s, again=False)

    def standing(self, limits: PowerLimits, now_s: float) -> PowerLimits:
        """Return the limits of what may be asked for: a setpoint that has to stand yet is all that they allow."""
        standing_kw = self._standing_kw(limits, now_s)
        if standing_kw is None:
            return limits
        why = "the setpoint that stands yet"
        return replace(limits, lowest_kw=standing_kw, highest_kw=standing_kw, lowest_reason=why, highest_reason=why)

    def _standing_kw(self, limits: PowerLimits, now_s: float) -> float | None:
        if self._every_s is None or self._offered_kw is None or now_s - self._changed_s >= self._every_s:
            return None
        return self._offered_kw if limits.lowest_kw <= self._offered_kw <= limits.highest_kw else None

    def lost(self) -> None:
        """Forget what is in force: the device may have changed it meanwhile."""
        self._in_force_kw = None

    def _approach(self, goal: _Goal, now_s: float, *, again: bool) -> None:
        """Offer what may be written now; `again`: only if that is not what was offered last."""
        limits = self._limits()
        allowed = narrowed(goal.power_kw, limits)
        if allowed.power_kw is None:
            self._slot.refuse(allowed.note, now_s)
            return
        step_kw, note = allowed.power_kw, "; ".join(text for text in (goal.note, allowed.note) if text)
        if self._most_kw is not None and self._in_force_kw is not None:
            step_kw = next_step(step_kw, present_kw=self._in_force_kw, most_kw=self._most_kw)
            if abs(step_kw - allowed.power_kw) > _ARRIVED_KW:
                note = "; ".join(text for text in (note, f"on the ramp to {allowed.power_kw:g}") if text)
        if self._is_doubtful():
            step_kw = probing_step(step_kw)
            note = "; ".join(text for text in (note, "a little less, to see whether its values move") if text)
        standing_kw = None if goal.releases or step_kw == 0.0 else self._standing_kw(limits, now_s)
        if standing_kw is not None and abs(step_kw - standing_kw) > _ARRIVED_KW:
            note = f"{step_kw:g} asked, a setpoint stands for {self._every_s:g} s"
            step_kw = standing_kw
        if self._offered_kw is None or abs(step_kw - self._offered_kw) > _ARRIVED_KW:
            self._changed_s = now_s
        elif again:
            return
        self._offered_kw = step_kw
        self._slot.offer(step_kw, valid_until_s=goal.valid_until_s, now_s=now_s, note=note)
