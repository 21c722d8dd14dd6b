"""What all commanded register devices do alike: their commands are written as jobs of their link."""

from collections.abc import Iterable, Mapping
from typing import Final

from drivers.device.assembly import Family, R
from drivers.device.commanding import SETTLE_PERIODS, Commanding
from drivers.device.fallback import UNNOTICED, LifeSign
from drivers.device.jobs import NEVER_S
from drivers.device.narrowing import LimitFinder
from drivers.device.reading import spec_error
from drivers.modbus.attached import AttachedDevice
from drivers.modbus.device import PolledDevice
from drivers.modbus.handshake import Met, Unknown
from drivers.modbus.keys import SequenceCommand
from drivers.modbus.recipes import MapRecipe, counter_write
from drivers.modbus.registers import Encoded
from drivers.modbus.requests import Write
from drivers.modbus.sequences import SequenceSlot
from ems.model.device import DeviceSpec
from ems.ports import DriverEnvironment

# a unit that refused a control key is asked again after this, counted in periods like the time to settle
_RETRY_PERIODS: Final = 30.0
# two requests may be lost
_POLLS_PER_WATCHDOG: Final = 3.0


class RegisterCommanding(Commanding[R, Encoded, Write], AttachedDevice[R]):
    """A commanded device on a link: its commands are jobs like its polls."""

    def _sequence_commands(self) -> Iterable[SequenceCommand]:
        """Return the commands that are sequences of control keys."""
        return ()

    def _make_wishes(self) -> Mapping[str, SequenceSlot]:
        self._sequences = {
            command.name: SequenceSlot(
                command,
                outcomes=self._outcomes,
                blocked=self._refusal,
                retry_s=_RETRY_PERIODS * self._spec.fast_s,
                least_s=SETTLE_PERIODS * self._spec.fast_s,
            )
            for command in self._sequence_commands()
        }
        self._read_jobs = self._jobs
        return self._sequences

    def _serve_commands(self) -> None:
        self._jobs = (*self._read_jobs, *self._heartbeats, *self._slots.values(), *self._sequences.values())

    def _wake(self) -> None:
        self._link.wake()

    def _met(self, result: Met | Unknown, now_s: float) -> None:
        super()._met(result, now_s)
        if isinstance(result, Met) and result.watchdog_armed:
            self._was_armed(now_s)


class CommandedDevice(RegisterCommanding[R], PolledDevice[R]):
    """A device with a register map that is read and commanded.

    Raises:
        ConfigError: As `PolledDevice`, or the watchdog time or a command of the map is missing.
    """

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment, family: Family[R]) -> None:
        super().__init__(spec, environment, family)
        self._sources = family.sources
        self._shown_fields = frozenset(point.field for point in self._map.points.values())
        commands = self._map.commands
        recipes = [MapRecipe(commands[name]) for name in family.commands if name in commands]
        rule = self._map.fallback
        if rule is not None and rule.misses is LifeSign.REQUESTS:
            _refuse_rare_polls(spec)
        written = [*commands.values(), *([self._map.watchdog] if self._map.watchdog is not None else [])]
        self._take_commands(
            family.power,
            recipes,
            writes_per_day={each.name: each.writes_per_day for each in written if each.writes_per_day is not None},
            acts_after_s=NEVER_S if rule is None or rule.after_s is None else rule.after_s,
            notices_silence=rule is None or rule.misses not in UNNOTICED,
        )
        if self._map.heartbeat is not None:
            self._keep_alive((counter_write(self._map.heartbeat),))

    def _spend_on_watchdog(self) -> str | None:
        budget = None if self._map.watchdog is None else self._budgets.get(self._map.watchdog.name)
        return None if budget is None else budget.spend(self._clock.monotonic_s())

    def _sequence_commands(self) -> Iterable[SequenceCommand]:
        return self._map.sequences.values()

    def _fallback_text(self) -> str:
        return "" if self._map.fallback is None else self._map.fallback.text

    def _tells(self, field: str) -> bool:
        return not self._shown_fields.isdisjoint({field, *self._sources.get(field, ())})

    def _own_limits(self, finder: LimitFinder) -> float | None:
        command = None if self._power is None else self._map.commands[self._power.name]
        if command is None:
            return None
        if command.limits is not None:
            finder.narrow(*command.limits, "the register map")
        return command.ramp_frac_per_s


def _refuse_rare_polls(spec: DeviceSpec) -> None:
    """Refuse a device that waits for any request, and is polled so seldom that it would fall back between two polls."""
    shortest_s = _POLLS_PER_WATCHDOG * spec.fast_s
    if spec.watchdog_s is not None and spec.watchdog_s < shortest_s:
        raise spec_error(
            spec,
            "watchdog_s",
            f"it waits for requests, which come every {spec.fast_s:g} s: {spec.watchdog_s:g} s are over before two of "
            "them may be lost",
            allowed=f"at least {shortest_s:g} s, or a shorter fast_s",
        )
