"""What all commanded devices do alike: narrow and verify setpoints, keep the heartbeat, refuse."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Generic

from drivers.device.assembly import R
from drivers.device.budget import WriteBudget, on_clock
from drivers.device.commands import CommandSlot, E, Outcomes, Recipe, W
from drivers.device.heartbeat import Heartbeat
from drivers.device.jobs import NEVER_S
from drivers.device.narrowing import LimitFinder, PowerCommand
from drivers.device.pace import refuse_frequent_writes, refuse_useless_pace
from drivers.device.powergoal import PowerGoal
from drivers.device.reading import ReadDevice, spec_error
from drivers.device.values import Value
from drivers.device.wishes import Wish
from ems.model.capability import Fallback, PowerLimits
from ems.model.device import DeviceSpec
from ems.model.setpoints import WriteOutcome

# two polls, counted in periods as these are stretched by an accelerated run
SETTLE_PERIODS: Final = 2.0
# a device may miss three heartbeats before its watchdog acts
_HEARTBEATS_PER_WATCHDOG: Final = 4.0
# a device whose fall-back has come loose is armed again after this many polls
_REARM_PERIODS: Final = 5.0
# a power that nobody asks for any more is taken back within this many polls, or not any more
_RELEASE_PERIODS: Final = 10.0
_ARMED: Final = "fallback_armed"


class Commanding(ReadDevice[R], ABC, Generic[R, E, W]):
    """What a commanded device has beyond one that is read; its capabilities hand values to `_command`.

    A device calls `_take_commands` while it is built, and `_keep_alive` once it is known which heartbeats it needs.
    """

    # why nothing at all is written to the device, by the controller's word; None: it takes commands
    _silent: str | None = None

    def _take_commands(
        self,
        power: PowerCommand | None,
        recipes: Iterable[Recipe[E, W]],
        *,
        refreshes_per_watchdog: float = _HEARTBEATS_PER_WATCHDOG,
        writes_per_day: Mapping[str, int] | None = None,
        acts_after_s: float = NEVER_S,
        notices_silence: bool = True,
    ) -> None:
        """Make a slot of every command.

        `writes_per_day` holds the budgets of the commands whose registers are not volatile; `acts_after_s` is the
        silence after which the device falls back, where that is fixed in the device. One that does not notice as long
        as it is polled, or never, is released by us when no command counts any more.

        Raises:
            ConfigError: The watchdog time is missing, or a setpoint may change more often than its register bears.
        """
        spec = self._spec
        self._watchdog_s = min(_watchdog_for(spec), acts_after_s)
        self._budgets = {
            name: WriteBudget(n_per_day, on_clock(self._earlier_writes.get(name, ()), self._clock))
            for name, n_per_day in (writes_per_day or {}).items()
        }
        self._outcomes = Outcomes(spec.id, power=None if power is None else power.name)
        self._local: str | None = None
        self._is_open = False
        # until then a device may still not show that its fall-back has been armed
        self._arming_until_s = -NEVER_S
        self._rearm_s = NEVER_S
        self._heartbeats: tuple[Heartbeat[W], ...] = ()
        self._slots = {
            recipe.name: self._slot(
                recipe, (writes_per_day or {}).get(recipe.name), renewed_s=self._watchdog_s / refreshes_per_watchdog
            )
            for recipe in recipes
        }
        # a genset that shares load by its own governor takes no power
        self._power = power if power is not None and power.name in self._slots else None
        refuse_useless_pace(spec, takes_power=self._power is not None)
        self._goal = None if self._power is None else self._goal_of(self._slots[self._power.name])
        self._notices_silence = notices_silence
        self._wishes = self._make_wishes()
        self._keep_alive(())

    def _keep_alive(self, beats: Iterable[Callable[[int], W]], *, period_s: float | None = None) -> None:
        """Send these heartbeats, each made of a count, while any command counts."""
        if period_s is None:
            period_s = min(self._spec.fast_s, self._watchdog_s / _HEARTBEATS_PER_WATCHDOG)
        self._heartbeats = tuple(
            Heartbeat(beat, period_s=period_s, valid_until_s=self._valid_until_s) for beat in beats
        )
        self._serve_commands()
        if self._is_open:
            for heartbeat in self._heartbeats:
                heartbeat.open(self._clock.monotonic_s())

    def _make_wishes(self) -> Mapping[str, Wish]:
        """Return the commands that are more than one value, by name."""
        return {}

    @abstractmethod
    def _serve_commands(self) -> None:
        """Have the link serve heartbeats, slots and wishes as they are now."""

    @abstractmethod
    def _wake(self) -> None:
        """Have the link look at the jobs: one of them has become due."""

    @abstractmethod
    def _fallback_text(self) -> str:
        """Return what the device does when we go silent."""

    @abstractmethod
    def _tells(self, field: str) -> bool:
        """Return whether the device itself shows a field, so that its absence says something."""

    @abstractmethod
    def _own_limits(self, finder: LimitFinder) -> float | None:
        """Narrow the power to what is known beside nameplate and reading; return the device's ramp per s, if any."""

    def _slot(self, recipe: Recipe[E, W], n_per_day: int | None, *, renewed_s: float) -> CommandSlot[E, W]:
        """Return the slot of a command; what wears out is never renewed, and not taken if it may change too often."""
        refuse_frequent_writes(self._spec, recipe.name, n_per_day)
        return CommandSlot(
            recipe,
            outcomes=self._outcomes,
            blocked=self._refusal,
            refresh_s=renewed_s if n_per_day is None else NEVER_S,
            settle_s=SETTLE_PERIODS * self._spec.fast_s,
            budget=self._budgets.get(recipe.name),
        )

    def _goal_of(self, slot: CommandSlot[E, W]) -> PowerGoal[E, W]:
        """Return what leads the power to what is asked for, through its slot."""
        ramp_frac_per_s = self._spec.ramp_frac_per_s
        return PowerGoal(
            slot,
            limits=self._device_limits,
            is_doubtful=lambda: self.suspicion() is not None,
            most_kw=None if ramp_frac_per_s is None else ramp_frac_per_s * self._rated_kw * self._spec.fast_s,
            # a person who commands by hand decides alone how often
            every_s=None if self._spec.by_hand else self._spec.setpoint_every_s,
        )

    def silence(self, reason: str | None) -> None:
        """Write nothing from now on, and say why; None: take commands again, once the fall-back is armed."""
        if self._silent is not None and reason is None:
            self._greet_again = True
        self._silent = reason

    def _is_known(self, identity: Mapping[str, str]) -> bool:
        return self._silent is None and super()._is_known(identity)

    def outcome(self) -> WriteOutcome | None:
        """Return what became of the newest command that has ended; its detail names the command."""
        now_s = self._clock.monotonic_s()
        for slot in self._everything:
            slot.expire(now_s)
        return self._outcomes.newest

    def written_s(self) -> Mapping[str, Sequence[float]]:
        """Return when each command in non-volatile memory was written, by the clock, oldest first."""
        return {name: budget.written_s for name, budget in self._budgets.items()}

    def trouble(self) -> str | None:
        """Return why no newer reading has arrived, or why the device is only read; None while all works."""
        faults = (heartbeat.fault for heartbeat in self._heartbeats)
        return super().trouble() or next((fault for fault in faults if fault is not None), None)

    def withheld(self) -> str | None:
        """Return why commands are refused now, None while they are taken."""
        return self._silent or self._distrust() or self._local or self._unarmed()

    def _refusal(self) -> str | None:
        """Return why commands are refused; those for a device that is just being armed wait."""
        own = self._silent or self._distrust() or self._local
        return own or (None if self._is_arming() else self._unarmed())

    def _is_arming(self) -> bool:
        return self._clock.monotonic_s() < self._arming_until_s

    def fallback(self) -> Fallback:
        """Return what the device does when we go silent, after how long, and whether that is armed."""
        armed: bool | None = None if self._reading is None else getattr(self._reading, _ARMED, None)
        return Fallback(text=self._fallback_text(), after_s=self._watchdog_s, armed=armed)

    @property
    def heartbeat_s(self) -> float | None:
        """Return the period of the heartbeat, None for a device that needs none."""
        return self._heartbeats[0].period_s if self._heartbeats else None

    def heartbeat_age_s(self) -> float | None:
        """Return the time since the device took the last heartbeat, None before the first."""
        taken = [heartbeat.taken_s for heartbeat in self._heartbeats if heartbeat.taken_s is not None]
        return self._clock.monotonic_s() - min(taken) if taken and len(taken) == len(self._heartbeats) else None

    def power_limits(self) -> PowerLimits:
        """Return what may be asked for now: what the device takes, or the one setpoint that has to stand yet."""
        limits = self._device_limits()
        return limits if self._goal is None else self._goal.standing(limits, self._clock.monotonic_s())

    def _device_limits(self) -> PowerLimits:
        """Return what nameplate, register map and the device itself allow now."""
        finder = LimitFinder()
        if self._power is None:
            return finder.limits(ramp_kw_per_s=None)
        finder.narrow(
            self._power.lowest_frac * self._rated_kw, self._power.highest_frac * self._rated_kw, "the nameplate"
        )
        own_ramp_frac_per_s = self._own_limits(finder)
        finder.narrow(
            -self._allowed_kw(self._power.lowest_field), self._allowed_kw(self._power.highest_field), "the device"
        )
        ramps = [ramp for ramp in (own_ramp_frac_per_s, self._spec.ramp_frac_per_s) if ramp is not None]
        return finder.limits(ramp_kw_per_s=min(ramps) * self._rated_kw if ramps else None)

    def _allowed_kw(self, field: str | None) -> float:
        """Return what the device itself allows; a limit that it has and does not tell now allows nothing."""
        if field is None or not self._tells(field):
            return NEVER_S
        value: float | None = None if self._reading is None else getattr(self._reading, field)
        return 0.0 if value is None else value

    def lost(self, reason: str, now_s: float) -> None:
        """Give up everything under way: there is no connection."""
        super().lost(reason, now_s)
        self._is_open = False
        self._arming_until_s = -NEVER_S
        if self._goal is not None:
            self._goal.lost()
        for slot in self._everything:
            slot.close(reason, now_s)
        for heartbeat in self._heartbeats:
            heartbeat.close()

    def _command(self, name: str, value: float, *, valid_until_s: float, note: str = "") -> None:
        """Take a command; it replaces an older one that was not sent yet. `note` says why it is not what was asked."""
        now_s = self._clock.monotonic_s()
        if self._goal is not None and self._power is not None and name == self._power.name:
            self._goal.ask(value, valid_until_s=valid_until_s, now_s=now_s)
        else:
            slot = self._slots.get(name)
            if slot is not None:
                slot.offer(value, valid_until_s=valid_until_s, now_s=now_s, note=note)
            else:
                self._wishes[name].offer(value, valid_until_s=valid_until_s, now_s=now_s)
        for heartbeat in self._heartbeats:
            heartbeat.renewed(now_s)
        self._wake()

    def _beside(self) -> Mapping[str, Value | None]:
        """Return whether the fall-back is armed for maps where no register tells: the watchdog time is set."""
        return {_ARMED: self._watchdog_armed}

    def _published(self, values: Mapping[str, Value | None], at_s: float) -> None:
        """Verify what was written, and allow writes once the device has been read on this connection."""
        now_s = self._clock.monotonic_s()
        self._local = "local control at the device" if values.get("remote") is False else None
        for slot in self._slots.values():
            if slot.factor is not None:
                slot.scaled_by(values.get(slot.factor), at_s)
            slot.verify(values.get(slot.readback), at_s)
        if self._reading is not None:
            for wish in self._wishes.values():
                wish.seen(self._reading, at_s)
        self._arm_again(now_s)
        if self._goal is not None and self._power is not None:
            if not self._notices_silence and (released_frac := self._power.released_frac) is not None:
                within_s = _RELEASE_PERIODS * self._spec.fast_s
                self._goal.release(released_frac * self._rated_kw, within_s=within_s, now_s=now_s)
            self._goal.seen(values.get(self._slots[self._power.name].readback), now_s)
        if not self._is_open and not (self._is_arming() and self._unarmed() is not None):
            self._is_open = True
            self._arming_until_s = -NEVER_S
            self._allow_writes()

    def _was_armed(self, now_s: float) -> None:
        """Give a device whose fall-back was armed on this connection time to show that."""
        if not self._is_open:
            self._arming_until_s = now_s + SETTLE_PERIODS * self._spec.fast_s

    def _arm_again(self, now_s: float) -> None:
        """Set the watchdog anew where the device shows that its fall-back has come loose without a reconnect."""
        if self._silent is not None or not self._is_loose():
            self._rearm_s = NEVER_S
        elif self._rearm_s == NEVER_S:
            self._rearm_s = now_s + _REARM_PERIODS * self._spec.fast_s
        elif now_s >= self._rearm_s:
            self._rearm_s = NEVER_S
            self._greet_again = True

    def _is_loose(self) -> bool:
        """Return whether the fall-back is worth another attempt at arming it."""
        return self._unarmed() is not None

    def _allow_writes(self) -> None:
        now_s = self._clock.monotonic_s()
        for slot in self._everything:
            slot.open(now_s)
        for heartbeat in self._heartbeats:
            heartbeat.open(now_s)
        # a link that is told and does not ask may be asleep
        self._wake()

    def _unarmed(self) -> str | None:
        """Return that the device would not notice our silence, where it can tell."""
        if self._reading is None or self.fallback().armed is True:
            return None
        if self._tells(_ARMED):
            return "its fall-back for a silent controller is not armed"
        return None

    def _valid_until_s(self) -> float:
        """Return until when any command counts; a device that may not be commanded gets no heartbeat either."""
        if self.withheld() is not None:
            return -NEVER_S
        return max(slot.valid_until_s for slot in self._everything)

    @property
    def _everything(self) -> tuple[CommandSlot[E, W] | Wish, ...]:
        return (*self._slots.values(), *self._wishes.values())


def _watchdog_for(spec: DeviceSpec) -> float:
    if spec.watchdog_s is None:
        raise spec_error(
            spec, "watchdog_s", "a device that is commanded needs its fall-back time", allowed="a time in seconds"
        )
    return spec.watchdog_s
