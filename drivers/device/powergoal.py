"""The way to a power that was asked for: within the limits of the moment, along the ramp, probing where in doubt."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic

from drivers.device.commands import CommandSlot, E, W
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
    the largest step of one poll, None: at once.
    """

    def __init__(
        self,
        slot: CommandSlot[E, W],
        *,
        limits: Callable[[], PowerLimits],
        is_doubtful: Callable[[], bool],
        most_kw: float | None,
    ) -> None:
        self._slot = slot
        self._limits = limits
        self._is_doubtful = is_doubtful
        self._most_kw = most_kw
        self._goal: _Goal | None = None
        # the setpoint that the device shows to be in force
        self._in_force_kw: float | None = None
        self._offered_kw: float | None = None

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

    def lost(self) -> None:
        """Forget what is in force: the device may have changed it meanwhile."""
        self._in_force_kw = None

    def _approach(self, goal: _Goal, now_s: float, *, again: bool) -> None:
        """Offer what may be written now; `again`: only if that is not what was offered last."""
        allowed = narrowed(goal.power_kw, self._limits())
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
        if again and self._offered_kw is not None and abs(step_kw - self._offered_kw) <= _ARRIVED_KW:
            return
        self._offered_kw = step_kw
        self._slot.offer(step_kw, valid_until_s=goal.valid_until_s, now_s=now_s, note=note)
