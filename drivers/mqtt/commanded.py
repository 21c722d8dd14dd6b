"""What all commanded devices behind a broker do alike: their commands are published and die with their time."""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Final

from drivers.device.assembly import Family, R
from drivers.device.commanding import Commanding
from drivers.device.jobs import NEVER_S
from drivers.device.narrowing import LimitFinder
from drivers.device.values import Bad
from drivers.mqtt.device import MqttDevice
from drivers.mqtt.publications import CommandEncoder, EncodedSetpoint, HeartbeatEncoder, Publication, Sending
from drivers.mqtt.topics import TopicCommand
from ems.model.device import DeviceSpec
from ems.ports import DriverEnvironment

# a device that reads the time from the message gets at least this, s: less would be over when it arrives
_LEAST_VALID_S: Final = 0.1


class TopicRecipe:
    """The recipe of a command in a topic map: one message, which says until when it counts.

    `sending` tells what is known at the moment of sending.
    """

    factor = None

    def __init__(self, command: TopicCommand, encoder: CommandEncoder, sending: Callable[[], Sending]) -> None:
        self.name = command.name
        self.readback = command.readback
        self._encoder = encoder
        self._sending = sending

    def encode(self, value: float) -> EncodedSetpoint | Bad:
        """Return a value as it is published, or why it cannot be."""
        return self._encoder.encode(value)

    def scaled_by(self, power: int | None) -> None:
        """Go on as before: no message has a scale factor."""

    def writes(self, encoded: EncodedSetpoint) -> Sequence[Publication]:
        """Return the one message."""
        return (self._encoder.publication(encoded, self._sending()),)

    def refused(self) -> None:
        """Go on as before: there is one way only."""


class CommandedMqttDevice(Commanding[R, EncodedSetpoint, Publication], MqttDevice[R]):
    """A device behind a broker that is heard and commanded.

    Raises:
        ConfigError: As `MqttDevice`, or the watchdog time is missing.
    """

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment, family: Family[R]) -> None:
        super().__init__(spec, environment, family)
        self._heard_jobs = self._jobs
        self._request_ids = count(1)
        rule = self._map.fallback
        commands = [self._map.commands[name] for name in family.commands if name in self._map.commands]
        self._take_commands(
            family.power,
            [self._recipe(command) for command in commands],
            acts_after_s=NEVER_S if rule is None or rule.after_s is None else rule.after_s,
        )
        if self._map.heartbeat is not None:
            encoder = HeartbeatEncoder(self._map, self._map.heartbeat, self._name)
            self._keep_alive((lambda number: self._beat(encoder, number),))

    def _recipe(self, command: TopicCommand) -> TopicRecipe:
        encoder = CommandEncoder(self._map, command, self._name)
        return TopicRecipe(command, encoder, lambda: self._sending(command.name))

    def _sending(self, name: str) -> Sending:
        valid_for_s = self._slots[name].valid_until_s - self._clock.monotonic_s()
        return Sending(
            utc=self._clock.utc(),
            valid_for_s=max(valid_for_s, _LEAST_VALID_S),
            request_id=next(self._request_ids),
            watchdog_s=self._watchdog_s,
        )

    def _beat(self, encoder: HeartbeatEncoder, number: int) -> Publication:
        period_s = self.heartbeat_s or self._watchdog_s
        return encoder.publication(number, period_s=period_s, watchdog_s=self._watchdog_s)

    def _serve_commands(self) -> None:
        self._jobs = (*self._heard_jobs, *self._heartbeats, *self._slots.values())

    def _wake(self) -> None:
        self._link.wake()

    def _fallback_text(self) -> str:
        return "" if self._map.fallback is None else self._map.fallback.text

    def _tells(self, field: str) -> bool:
        return self._newest.tells(field)

    def _own_limits(self, finder: LimitFinder) -> float | None:
        command = None if self._power is None else self._map.commands[self._power.name]
        if command is None:
            return None
        finder.narrow(*command.limits, "the topic map")
        return command.ramp_frac_per_s
