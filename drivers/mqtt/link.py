"""One connection to a broker, shared by all devices behind it.

`MqttLink` decides when to connect, hands messages to the devices that listen to them, and publishes what they want
published; `Session` is one connection. Nothing waits in a queue on the way out: a device is asked at the moment of
sending, so that a command is always the newest one and is never sent after it has expired.
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from drivers.device.attempts import Attempts
from drivers.device.cancelling import ended, honour_cancellation
from drivers.device.jobs import NoAnswer, Result, Urgency
from drivers.device.traffic import Tally
from drivers.mqtt.access import access_to
from drivers.mqtt.listeners import Confirmed, Job, Listener
from drivers.mqtt.messages import Message, Refused
from drivers.mqtt.publications import Publication
from drivers.mqtt.session import MOST_PENDING, Connect, Session, broker_session
from drivers.mqtt.statistics import BrokerError, BrokerStatistics, broker_status
from ems.errors import DeviceUnreachableError
from ems.model.device import BrokerSpec
from ems.model.link_status import AttemptStatus, LinkStatus
from ems.ports import Clock

_JITTER_FRAC: Final = 0.25
# whatever the configuration says, nobody is called more often than this
_SHORTEST_PAUSE_S: Final = 1.0
# a wait is never longer, so that a wake-up that was missed costs little
_LONGEST_WAIT_S: Final = 60.0


@dataclass(slots=True)
class _Member:
    """A device of the link; `is_busy` while something that it wanted published is not confirmed."""

    listener: Listener
    is_busy: bool = False
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True, slots=True)
class _Turn:
    member: _Member
    job: Job


class MqttLink:
    """Listens and publishes for the devices attached to it, for as long as it runs.

    With `read_only` no command is ever published, whoever asks for it; questions are.

    Raises:
        ConfigError: The password or the certificates cannot be used.
    """

    def __init__(
        self, spec: BrokerSpec, *, clock: Clock, connect: Connect = broker_session, read_only: bool = False
    ) -> None:
        self._spec = spec
        self._read_only = read_only
        self._clock = clock
        self._connect = connect
        self._access = access_to(spec)
        self._members: list[_Member] = []
        self._wakeup = asyncio.Event()
        # spreads the reconnects of many links; no secret, and repeatable by the name of the link
        self._random = random.Random(spec.id)  # noqa: S311
        self._first_pause_s = max(spec.reconnect_min_s, _SHORTEST_PAUSE_S)
        self._longest_pause_s = max(spec.reconnect_max_s, self._first_pause_s)
        self._pause_s = self._first_pause_s
        self._next_attempt_s = float("-inf")
        self._is_connected = False
        self._n_in_flight = 0
        self._tally = Tally()
        self._attempts = Attempts()
        self._n_connections = 0
        self._n_received = 0

    @property
    def link_id(self) -> str:
        """Return the name of the broker in the configuration."""
        return self._spec.id

    def attach(self, listener: Listener) -> None:
        """Serve a device from the next connection on."""
        self._members.append(_Member(listener))

    def wake(self) -> None:
        """Look at the jobs again: one of them has become due earlier than it said."""
        self._wakeup.set()

    def statistics(self) -> BrokerStatistics:
        """Return the counters as they are now."""
        return BrokerStatistics(
            connected=self._is_connected,
            n_connections=self._n_connections,
            n_attempts=self._attempts.n_ended,
            overdue_s=self._attempts.overdue_s(self._clock.monotonic_s()),
            n_received=self._n_received,
            n_requests=self._tally.n_requests,
            n_errors=self._tally.n_errors(),
            latency=self._tally.latency(),
            answered_s=self._tally.answered_s,
            units={member.listener.device_id: member.tally.unit_statistics() for member in self._members},
        )

    def attempts(self) -> AttemptStatus:
        """Return what the task of the connection is at."""
        return self._attempts.status(self.link_id, self._clock.monotonic_s())

    def status(self) -> LinkStatus:
        """Return the counters as they are published."""
        return broker_status(self.statistics(), spec=self._spec, now_s=self._clock.monotonic_s())

    async def run(self) -> None:
        """Connect, serve, and connect again after every loss, until cancelled; no broker can make it raise."""
        try:
            await self._run()
        finally:
            self._attempts.rest()

    async def _run(self) -> None:
        while True:
            honour_cancellation()
            now_s = self._clock.monotonic_s()
            self._attempts.begin(max(now_s, self._next_attempt_s))
            await self._clock.sleep(max(0.0, self._next_attempt_s - now_s))
            self._schedule_next_attempt()
            # the client limits connecting by itself, in seconds of the network and not of the clock
            self._attempts.rest()
            serving = asyncio.create_task(self._serve(), name=f"{self.link_id}-session")
            try:
                await asyncio.wait((serving,))
            finally:
                await ended(serving)
                was_connected, self._is_connected = self._is_connected, False
                self._attempts.ended()
            if was_connected:
                self._pause_s = self._first_pause_s
            self._tally.failed(BrokerError.DISCONNECTED if was_connected else BrokerError.NO_CONNECTION)
            reason = _reason(serving)
            for member in self._members:
                member.is_busy = False
                member.listener.lost(reason, self._clock.monotonic_s())

    def _schedule_next_attempt(self) -> None:
        """Set the earliest next attempt, counted from this one; the pause doubles until the broker lets us in."""
        jitter = self._random.uniform(1.0 - _JITTER_FRAC, 1.0)
        pause_s = max(self._pause_s * jitter, self._first_pause_s)
        self._next_attempt_s = self._clock.monotonic_s() + pause_s
        self._pause_s = min(2.0 * self._pause_s, self._longest_pause_s)

    async def _serve(self) -> None:
        """Serve the devices over one connection; raise when it is lost."""
        async with self._connect(self._spec, self._access) as session:
            refused = await session.subscribe(self._topics())
            honour_cancellation()
            self._is_connected = True
            self._n_connections += 1
            for member in self._members:
                member.listener.connected(self._clock.monotonic_s())
            self._tell_refused(refused)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(session), name=f"{self.link_id}-listen")
                group.create_task(self._publish_all(session, group), name=f"{self.link_id}-publish")

    def _topics(self) -> dict[str, int]:
        """Return every topic once, with the highest quality of service that a device wants."""
        topics: dict[str, int] = {}
        for member in self._members:
            for topic in member.listener.topics:
                topics[topic] = max(topics.get(topic, 0), member.listener.qos)
        return topics

    def _tell_refused(self, refused: Sequence[str]) -> None:
        for topic in refused:
            self._tally.failed(BrokerError.NOT_SUBSCRIBED)
            for member in self._members:
                if topic in member.listener.topics:
                    member.tally.failed(BrokerError.NOT_SUBSCRIBED)
                    member.listener.unheard(topic)

    async def _listen(self, session: Session) -> None:
        routes: dict[str, list[_Member]] = {}
        for member in self._members:
            for topic in member.listener.topics:
                routes.setdefault(topic, []).append(member)
        n_dropped = 0
        async for arrival in session.messages():
            honour_cancellation()
            at_s = self._clock.monotonic_s()
            message = Message(
                topic=arrival.topic,
                payload=arrival.payload,
                retained=arrival.retained,
                at_s=at_s,
                utc=self._clock.utc(),
            )
            self._n_received += 1
            if session.n_dropped > n_dropped:
                self._tally.failed(BrokerError.DROPPED, session.n_dropped - n_dropped)
                n_dropped = session.n_dropped
            members = routes.get(arrival.topic, ())
            if not members:
                self._tally.failed(Refused.UNEXPECTED)
            for member in members:
                self._hand_over(message, member)

    def _hand_over(self, message: Message, member: _Member) -> None:
        refused = member.listener.heard(message)
        for tally in (self._tally, member.tally):
            if refused is not None:
                tally.failed(refused)
            if not message.retained:
                tally.answered_s = message.at_s

    async def _publish_all(self, session: Session, group: asyncio.TaskGroup) -> None:
        """Publish what is due, a device's one after the other, those of several at the same time."""
        while True:
            honour_cancellation()
            turn = self._next_turn(self._clock.monotonic_s())
            if isinstance(turn, float):
                await self._wait(turn)
                continue
            publication = turn.job.request(self._clock.monotonic_s())
            if publication is not None and self._read_only and turn.job.urgency is Urgency.COMMAND:
                turn.job.done(NoAnswer(f"{self.link_id} is only read", self._clock.monotonic_s()))
            elif publication is not None:
                turn.member.is_busy = True
                self._n_in_flight += 1
                group.create_task(self._publish(session, turn, publication), name=f"{self.link_id}-publication")

    def _next_turn(self, now_s: float) -> _Turn | float:
        """Return the most urgent job that is due, or how long there is none."""
        best: _Turn | None = None
        best_rank = (0, 0.0)
        until_s = now_s + _LONGEST_WAIT_S
        if self._n_in_flight >= MOST_PENDING:
            return until_s
        for member in self._members:
            if member.is_busy:
                continue
            for job in member.listener.jobs:
                if job.due_s > now_s:
                    until_s = min(until_s, job.due_s)
                    continue
                rank = (job.urgency, job.due_s + job.patience_s)
                if best is None or rank < best_rank:
                    best, best_rank = _Turn(member, job), rank
        return best or until_s

    async def _wait(self, until_s: float) -> None:
        self._wakeup.clear()
        self._attempts.begin(until_s)
        with suppress(TimeoutError):
            async with self._clock.timeout(until_s - self._clock.monotonic_s()):
                await self._wakeup.wait()

    async def _publish(self, session: Session, turn: _Turn, publication: Publication) -> None:
        """Publish and wait for the broker; without its confirmation the connection is given up."""
        sent_s = self._clock.monotonic_s()
        tallies = (self._tally, turn.member.tally)
        for tally in tallies:
            tally.n_requests += 1
        reason = f"{self.link_id}: the connection was lost"
        result: Result | None = None
        try:
            async with self._clock.timeout(self._spec.timeout_s):
                await session.publish(publication)
            honour_cancellation()
            result = Confirmed(self._clock.monotonic_s())
            for tally in tallies:
                tally.confirmed(sent_s=sent_s, at_s=result.at_s)
        except TimeoutError as error:
            reason = f"{self.link_id}: the broker has not confirmed within {self._spec.timeout_s:g} s"
            for tally in tallies:
                tally.failed(BrokerError.TIMEOUT)
            raise DeviceUnreachableError(reason, device=self.link_id) from error
        except DeviceUnreachableError as error:
            reason = str(error)
            raise
        finally:
            self._n_in_flight -= 1
            self._attempts.n_ended += 1
            turn.member.is_busy = False
            turn.job.done(result or NoAnswer(reason, self._clock.monotonic_s()))
            self.wake()


def _reason(serving: asyncio.Task[None]) -> str:
    """Return why a session has ended: the first cause in a group of failures."""
    error = None if serving.cancelled() else serving.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return "the connection was ended" if error is None else str(error) or type(error).__name__
