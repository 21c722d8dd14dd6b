"""What all commanded register devices do alike: verify writes, keep the heartbeat, refuse while not allowed."""

from collections.abc import Mapping
from typing import Final

from drivers.modbus.assembly import Family, R
from drivers.modbus.attached import spec_error
from drivers.modbus.commands import CommandSlot, Outcomes
from drivers.modbus.device import PolledDevice
from drivers.modbus.heartbeat import Heartbeat
from drivers.modbus.requests import NEVER_S
from drivers.modbus.sequences import SequenceSlot
from drivers.modbus.values import Value
from ems.model.device import DeviceSpec
from ems.model.setpoints import WriteOutcome
from ems.ports import DriverEnvironment

# two polls, counted in periods as these are stretched by an accelerated run
_SETTLE_PERIODS: Final = 2.0
# a unit that refused a control key is asked again after this, counted in periods like the time to settle
_RETRY_PERIODS: Final = 30.0
# a device may miss three heartbeats before its watchdog acts
_HEARTBEATS_PER_WATCHDOG: Final = 4.0


class CommandedDevice(PolledDevice[R]):
    """A device that is read and commanded; its capabilities hand values to `_command`.

    Raises:
        ConfigError: As `PolledDevice`, or the watchdog time or a command of the map is missing.
    """

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment, family: Family[R]) -> None:
        super().__init__(spec, environment, family)
        watchdog_s = _watchdog_for(spec)
        self._outcomes = Outcomes(spec.id)
        self._local: str | None = None
        self._is_open = False
        self._slots = {
            name: CommandSlot(
                self._map.commands[name],
                outcomes=self._outcomes,
                blocked=self._blocked,
                refresh_s=watchdog_s / _HEARTBEATS_PER_WATCHDOG,
                settle_s=_SETTLE_PERIODS * spec.fast_s,
            )
            for name in family.commands
            if name in self._map.commands
        }
        self._sequences = {
            name: SequenceSlot(
                command,
                outcomes=self._outcomes,
                blocked=self._blocked,
                retry_s=_RETRY_PERIODS * spec.fast_s,
                least_s=_SETTLE_PERIODS * spec.fast_s,
            )
            for name, command in self._map.sequences.items()
        }
        self._heartbeat: Heartbeat | None = None
        if self._map.heartbeat is not None:
            self._heartbeat = Heartbeat(
                self._map.heartbeat,
                period_s=watchdog_s / _HEARTBEATS_PER_WATCHDOG,
                valid_until_s=self._valid_until_s,
            )
            self._jobs = (*self._jobs, self._heartbeat)
        self._jobs = (*self._jobs, *self._slots.values(), *self._sequences.values())

    def outcome(self) -> WriteOutcome | None:
        """Return what became of the newest command that has ended; its detail names the command."""
        now_s = self._clock.monotonic_s()
        for slot in self._all_slots:
            slot.expire(now_s)
        return self._outcomes.newest

    def trouble(self) -> str | None:
        """Return why no newer reading has arrived, or why the device is only read; None while all works."""
        heartbeat_fault = self._heartbeat.fault if self._heartbeat is not None else None
        return super().trouble() or heartbeat_fault

    def lost(self, reason: str, now_s: float) -> None:
        """Give up everything under way: there is no connection."""
        super().lost(reason, now_s)
        self._is_open = False
        for slot in self._all_slots:
            slot.close(reason, now_s)
        if self._heartbeat is not None:
            self._heartbeat.close()

    def _command(self, name: str, value: float, *, valid_until_s: float) -> None:
        """Take a command; it replaces an older one that was not sent yet."""
        now_s = self._clock.monotonic_s()
        slot = self._slots.get(name) or self._sequences[name]
        slot.offer(value, valid_until_s=valid_until_s, now_s=now_s)
        if self._heartbeat is not None:
            self._heartbeat.renewed(now_s)
        self._link.wake()

    def _published(self, values: Mapping[str, Value | None], at_s: float) -> None:
        """Verify what was written, and allow writes once the device has been read on this connection."""
        self._local = "local control at the device" if values.get("remote") is False else None
        for slot in self._slots.values():
            if slot.factor is not None:
                slot.scaled_by(values.get(slot.factor), at_s)
            slot.verify(values.get(slot.readback), at_s)
        if self._reading is not None:
            for sequence in self._sequences.values():
                sequence.seen(self._reading, at_s)
        if not self._is_open:
            self._is_open = True
            self._allow_writes()

    def _allow_writes(self) -> None:
        now_s = self._clock.monotonic_s()
        for slot in self._all_slots:
            slot.open(now_s)
        if self._heartbeat is not None:
            self._heartbeat.open(now_s)

    def _blocked(self) -> str | None:
        """Return why commands are refused."""
        return self._distrust or self._local

    def _valid_until_s(self) -> float:
        """Return until when any command counts; a device that may not be commanded gets no heartbeat either."""
        if self._blocked() is not None:
            return -NEVER_S
        return max(slot.valid_until_s for slot in self._all_slots)

    @property
    def _all_slots(self) -> tuple[CommandSlot | SequenceSlot, ...]:
        return (*self._slots.values(), *self._sequences.values())


def _watchdog_for(spec: DeviceSpec) -> float:
    if spec.watchdog_s is None:
        raise spec_error(
            spec, "watchdog_s", "a device that is commanded needs its fall-back time", allowed="a time in seconds"
        )
    return spec.watchdog_s
