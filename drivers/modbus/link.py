"""One connection or serial line, shared by all units behind it.

`ModbusLink` decides when to connect, whose request goes out and when an answer is too late; `Session` is one
connection. The library's own retries and reconnects are off: two policies would fight.
"""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from drivers.device.attempts import Attempts
from drivers.device.cancelling import honour_cancellation
from drivers.device.jobs import NoAnswer, Urgency
from drivers.device.traffic import LatencyCount, Tally
from drivers.modbus.expected import Fault
from drivers.modbus.requests import Answer, Answered, ExceptionAnswer, Job, Request, Station, Write
from drivers.modbus.session import ExceptionCode, Session
from drivers.modbus.silence import silence_s
from drivers.modbus.statistics import ErrorKind, LinkStatistics, link_status
from drivers.modbus.tls import tls_context
from drivers.modbus.turns import Member, Pause, Turn, next_turn
from ems.errors import DeviceUnreachableError
from ems.model.device import LinkSpec
from ems.model.link_status import AttemptStatus, LinkStatus
from ems.ports import Clock

_JITTER_FRAC: Final = 0.25
# the exception code of a function that is not to be had, for writes on a link that only reads
_REFUSED: Final = 1
# whatever the configuration says, nobody is called more often than this
_SHORTEST_PAUSE_S: Final = 1.0
# a serial line that has not answered so often in a row is opened anew: the adapter or the serial server may hang
_LINE_IS_DEAD: Final = 3


@dataclass(frozen=True, slots=True)
class _Begun:
    """A command that went out before the link's own task had its turn."""

    turn: Turn
    request: Request
    sent_s: float


class ModbusLink:
    """Polls and writes for the stations attached to it, one request at a time, for as long as it runs.

    With `read_only` nothing is ever written: a write is refused here, whoever asks for it.
    With `searching` a question without an answer costs its wait only, neither the connection nor a pause of the unit:
    for tools that ask for registers which may not exist.

    Raises:
        ConfigError: The certificates of a link with TLS cannot be used.
    """

    def __init__(self, spec: LinkSpec, *, clock: Clock, searching: bool = False, read_only: bool = False) -> None:
        self._spec = spec
        self._read_only = read_only
        self._searching = searching
        self._timeout_s = spec.timeout_s
        self._clock = clock
        self._tls = tls_context(spec)
        self._gap_s = max(spec.gap_s, silence_s(spec.endpoint))
        self._members: list[Member] = []
        self._wakeup = asyncio.Event()
        # spreads the reconnects of many links; no secret, and repeatable by the name of the link
        self._random = random.Random(spec.id)  # noqa: S311
        self._first_pause_s = max(spec.reconnect_min_s, _SHORTEST_PAUSE_S)
        self._longest_pause_s = max(spec.reconnect_max_s, self._first_pause_s)
        self._pause_s = self._first_pause_s
        self._next_attempt_s = float("-inf")
        self._session: Session | None = None
        self._tally = Tally()
        self._attempts = Attempts()
        self._command_waits = LatencyCount()
        # nothing is due, and what was sent at once when a command came
        self._is_idle = False
        self._begun: _Begun | None = None
        self._n_connections = 0
        self._n_unanswered = 0

    @property
    def link_id(self) -> str:
        """Return the name of the link in the configuration."""
        return self._spec.id

    @property
    def timeout_s(self) -> float:
        """Return how long an answer is waited for unless `wait_at_most` says otherwise."""
        return self._spec.timeout_s

    def wait_at_most(self, timeout_s: float | None) -> None:
        """Wait so long for each answer from now on; None: as configured."""
        self._timeout_s = self._spec.timeout_s if timeout_s is None else timeout_s

    def attach(self, station: Station) -> None:
        """Serve a unit from the next connection on."""
        self._members.append(Member(station))

    def wake(self) -> None:
        """Look at the jobs again: one of them has become due earlier than it said.

        A command goes out at once where nothing is under way and the line needs no silence: it does not wait until
        the event loop has done what other links have to do.
        """
        if self._is_idle and self._begun is None and self._gap_s == 0.0:
            self._begun = self._begin_command()
        self._wakeup.set()

    def statistics(self) -> LinkStatistics:
        """Return the counters as they are now."""
        return LinkStatistics(
            connected=self._session is not None and self._session.alive,
            n_connections=self._n_connections,
            n_attempts=self._attempts.n_ended,
            overdue_s=self._attempts.overdue_s(self._clock.monotonic_s()),
            command_wait=self._command_waits.latency(),
            n_requests=self._tally.n_requests,
            n_errors=self._tally.n_errors(),
            latency=self._tally.latency(),
            answered_s=self._tally.answered_s,
            units={member.station.unit: member.tally.unit_statistics() for member in self._members},
        )

    def attempts(self) -> AttemptStatus:
        """Return what the task of the connection is at."""
        return self._attempts.status(self.link_id, self._clock.monotonic_s())

    def status(self) -> LinkStatus:
        """Return the counters as they are published."""
        return link_status(self.statistics(), spec=self._spec, now_s=self._clock.monotonic_s())

    async def run(self) -> None:
        """Connect, serve, and connect again after every loss, until cancelled. Devices cannot make it raise."""
        try:
            await self._run()
        finally:
            self._attempts.rest()

    async def _run(self) -> None:
        while True:
            honour_cancellation()
            await self._sleep(self._next_attempt_s - self._clock.monotonic_s())
            self._schedule_next_attempt()
            try:
                self._session = await self._connect()
                reason = await self._serve(self._session)
            except DeviceUnreachableError as error:
                self._tally.failed(ErrorKind.NO_CONNECTION)
                reason = str(error)
            finally:
                self._disconnect()
            for member in self._members:
                member.station.lost(reason, self._clock.monotonic_s())

    def _schedule_next_attempt(self) -> None:
        """Set the earliest next attempt, counted from this one; the pause doubles until something is answered."""
        jitter = self._random.uniform(1.0 - _JITTER_FRAC, 1.0)
        pause_s = max(self._pause_s * jitter, self._first_pause_s)
        self._next_attempt_s = self._clock.monotonic_s() + pause_s
        self._pause_s = min(2.0 * self._pause_s, self._longest_pause_s)

    async def _connect(self) -> Session:
        session = Session(self._spec, tls=self._tls, on_loss=self.wake)
        self._attempts.begin(self._clock.monotonic_s() + self._spec.timeout_s)
        try:
            async with self._clock.timeout(self._spec.timeout_s):
                refusal = await session.connect()
        except TimeoutError:
            refusal = "in time"
        self._attempts.ended()
        if refusal is not None:
            session.close()
            reason = f"no connection to {self._spec.endpoint}"
            reason += " in time" if refusal == "in time" else f": {refusal}"
            raise DeviceUnreachableError(reason, device=self.link_id)
        self._n_connections += 1
        self._n_unanswered = 0
        return session

    def _disconnect(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None
        self._begun = None

    async def _serve(self, session: Session) -> str:
        """Serve the units in turn until the connection is lost or given up; return why."""
        honour_cancellation()
        await self._sleep(self._spec.connect_delay_s)
        for member in self._members:
            member.station.connected(self._clock.monotonic_s())
        while session.alive or self._begun is not None:
            begun, self._begun = self._begun, None
            match begun or next_turn(self._members, self._clock.monotonic_s()):
                case Pause(until_s):
                    await self._wait(until_s)
                case Turn(member, job) | _Begun(Turn(member, job)):
                    request = self._request(job) if begun is None else begun.request
                    if request is None:
                        continue
                    answer = await self._exchange(session, member, request, begun)
                    job.done(answer)
                    if isinstance(answer, NoAnswer) and self._is_over(session):
                        return answer.reason
                    if isinstance(answer, NoAnswer):
                        await self._start_over(session, member, answer)
                    await self._pause_between_requests()
        self._tally.failed(ErrorKind.DISCONNECTED)
        return f"{self.link_id}: the device closed the connection"

    def _begin_command(self) -> "_Begun | None":
        """Send the command that is due, if it is one."""
        session, turn = self._session, next_turn(self._members, self._clock.monotonic_s())
        if session is None or not session.alive or isinstance(turn, Pause) or turn.job.urgency is not Urgency.COMMAND:
            return None
        request = self._request(turn.job)
        if request is None:
            return None
        session.begin(turn.member.station.unit, request)
        return _Begun(turn, request, self._clock.monotonic_s())

    def _request(self, job: Job) -> Request | None:
        due_s, now_s = job.due_s, self._clock.monotonic_s()
        request = job.request(now_s)
        if self._read_only and isinstance(request, Write):
            job.done(ExceptionAnswer(_REFUSED, now_s))
            return None
        if request is not None and job.urgency is Urgency.COMMAND:
            self._command_waits.add(now_s - due_s)
        return request

    def _is_over(self, session: Session) -> bool:
        """Return whether a connection without an answer is given up.

        On Modbus TCP at once: what comes late then meets a closed door. A serial line has no other door to close,
        and opening it anew would cost its other units more than the one that did not answer.
        """
        is_line = self._spec.endpoint.framing.is_rtu
        if self._searching:
            return not session.alive
        return not is_line or not session.alive or self._n_unanswered >= _LINE_IS_DEAD

    async def _start_over(self, session: Session, member: Member, answer: NoAnswer) -> None:
        """Let a unit of a serial line begin anew once the line is quiet."""
        member.station.lost(answer.reason, answer.at_s)
        latest_s = self._clock.monotonic_s() + self._spec.timeout_s
        n_received = -1
        while n_received != session.n_received and self._clock.monotonic_s() < latest_s:
            n_received = session.n_received
            await self._sleep(self._gap_s)
        member.station.connected(self._clock.monotonic_s())

    async def _wait(self, until_s: float) -> None:
        self._wakeup.clear()
        self._attempts.begin(until_s)
        self._is_idle = True
        try:
            with suppress(TimeoutError):
                async with self._clock.timeout(until_s - self._clock.monotonic_s()):
                    await self._wakeup.wait()
        finally:
            self._is_idle = False

    async def _pause_between_requests(self) -> None:
        if self._gap_s > 0.0:
            await self._sleep(self._gap_s)

    async def _sleep(self, duration_s: float) -> None:
        self._attempts.begin(self._clock.monotonic_s() + max(0.0, duration_s))
        await self._clock.sleep(max(0.0, duration_s))

    async def _exchange(self, session: Session, member: Member, request: Request, begun: "_Begun | None") -> Answer:
        """Send one request and return what came of it; before it a probe, where a late answer could deceive."""
        probe = session.probe(member.station.unit, request)
        if begun is None and probe is not None:
            answer = await self._ask(session, member, probe)
            if isinstance(answer, NoAnswer):
                return answer
            await self._pause_between_requests()
        return await self._ask(session, member, request, begun)

    async def _ask(self, session: Session, member: Member, request: Request, begun: "_Begun | None" = None) -> Answer:
        """Send one request, unless it has gone out already, and return what came of it and when that was known."""
        self._tally.n_requests += 1
        member.tally.n_requests += 1
        sent_s = self._clock.monotonic_s() if begun is None else begun.sent_s
        self._attempts.begin(self._clock.monotonic_s() + self._timeout_s)
        try:
            async with self._clock.timeout(self._timeout_s):
                if begun is None:
                    session.begin(member.station.unit, request)
                result = await session.answer(request)
        except TimeoutError:
            result = Fault(ErrorKind.TIMEOUT, f"no answer within {self._timeout_s:g} s")
        self._attempts.ended()
        if n_dropped := session.take_dropped():
            self._tally.failed(ErrorKind.LATE, n_dropped)
        if isinstance(result, Fault):
            return self._no_answer(member, request, result)
        at_s = self._clock.monotonic_s()
        for tally in (self._tally, member.tally):
            tally.answered(sent_s=sent_s, at_s=at_s)
        self._pause_s = self._first_pause_s
        self._n_unanswered = 0
        if isinstance(result, ExceptionCode):
            return self._exception(member, ExceptionAnswer(result.code, at_s))
        member.answered()
        return Answered(result, at_s)

    def _no_answer(self, member: Member, request: Request, fault: Fault) -> NoAnswer:
        for tally in (self._tally, member.tally):
            tally.failed(fault.kind)
        self._n_unanswered += 1
        now_s = self._clock.monotonic_s()
        if not self._searching:
            member.stayed_silent(now_s=now_s, timeout_s=self._spec.timeout_s)
        return NoAnswer(
            f"{self.link_id} unit {member.station.unit}: {fault.reason} ({request})",
            now_s,
            hung_up=fault.kind is ErrorKind.DISCONNECTED,
        )

    def _exception(self, member: Member, answer: ExceptionAnswer) -> ExceptionAnswer:
        for tally in (self._tally, member.tally):
            tally.failed(ErrorKind.EXCEPTION)
        if answer.is_silence:
            member.stayed_silent(now_s=answer.at_s, timeout_s=self._spec.timeout_s)
        else:
            member.answered()
        return answer
