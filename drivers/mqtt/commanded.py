"""What all commanded devices behind a broker do alike: their commands are published and die with their time."""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Final

from drivers.device.assembly import Family, R
from drivers.device.commanding import Commanding
from drivers.device.fallback import UNNOTICED
from drivers.device.jobs import NEVER_S, NoAnswer, Result, Urgency
from drivers.device.narrowing import LimitFinder
from drivers.device.values import Bad, Value
from drivers.mqtt.device import MqttDevice
from drivers.mqtt.publications import CommandEncoder, EncodedSetpoint, HeartbeatEncoder, Publication, Sending, watchdog
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


class Arming:
    """The job that tells a device its watchdog time, once per request to do so; `retry_s` where the broker was lost."""

    urgency = Urgency.COMMAND
    patience_s = 0.0

    def __init__(self, publication: Publication, *, retry_s: float) -> None:
        self.due_s = NEVER_S
        self._publication = publication
        self._retry_s = retry_s

    def start(self, now_s: float) -> None:
        """Tell it now."""
        self.due_s = now_s

    def stop(self) -> None:
        """Give up; the device is not there."""
        self.due_s = NEVER_S

    def request(self, _now_s: float) -> Publication:
        """Return the message."""
        self.due_s = NEVER_S
        return self._publication

    def done(self, answer: Result) -> None:
        """Try again if the broker has not taken it; whether the device did is seen in its messages."""
        if isinstance(answer, NoAnswer):
            self.due_s = answer.at_s + self._retry_s


class CommandedMqttDevice(Commanding[R, EncodedSetpoint, Publication], MqttDevice[R]):
    """A device behind a broker that is heard and commanded.

    Raises:
        ConfigError: As `MqttDevice`, or the watchdog time is missing.
    """

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment, family: Family[R]) -> None:
        super().__init__(spec, environment, family)
        self._heard_jobs = self._jobs
        self._request_ids = count(1)
        self._arming: Arming | None = None
        # whether the device has been told its watchdog time since it came
        self._is_told = False
        rule = self._map.fallback
        commands = [self._map.commands[name] for name in family.commands if name in self._map.commands]
        self._take_commands(
            family.power,
            [self._recipe(command) for command in commands],
            acts_after_s=NEVER_S if rule is None or rule.after_s is None else rule.after_s,
            notices_silence=rule is None or rule.misses not in UNNOTICED,
        )
        publication = watchdog(self._map, self._name, watchdog_s=self._watchdog_s)
        if publication is not None:
            self._arming = Arming(publication, retry_s=spec.fast_s)
            self._serve_commands()
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
        return encoder.publication(number, period_s=period_s)

    def _serve_commands(self) -> None:
        arming = () if self._arming is None else (self._arming,)
        self._jobs = (*self._heard_jobs, *arming, *self._heartbeats, *self._slots.values())

    def lost(self, reason: str, now_s: float) -> None:
        """Give up everything under way: there is no connection, or the device is away."""
        super().lost(reason, now_s)
        self._is_told = False
        if self._arming is not None:
            self._arming.stop()

    def _published(self, values: Mapping[str, Value | None], at_s: float) -> None:
        """Arm the fall-back of a device that has come, or whose fall-back has come loose, before it is commanded."""
        may_arm = self._arming is not None and self._silent is None and self._distrust() is None
        if self._arming is not None and may_arm and (self._greet_again or not self._is_told):
            self._is_told, self._greet_again = True, False
            now_s = self._clock.monotonic_s()
            self._arming.start(now_s)
            self._was_armed(now_s)
            self._wake()
        super()._published(values, at_s)

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
