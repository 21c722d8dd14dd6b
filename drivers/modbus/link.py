"""One Modbus TCP connection, shared by all units behind it. The only module that imports pymodbus.

`ModbusLink` decides when to connect, whose request goes out and when an answer is too late; `_Session` wraps
the library for one connection. The library's own retries and reconnects are off: two policies would fight.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ExceptionResponse, ModbusPDU

from drivers.modbus.frames import frame_fault
from drivers.modbus.layout import WRITE_COIL, WRITE_COILS, WRITE_SINGLE, Table
from drivers.modbus.requests import Answer, Answered, ExceptionAnswer, NoAnswer, Read, Request, Station, Write
from drivers.modbus.turns import Member, Pause, Turn, next_turn
from ems.errors import DeviceUnreachableError, DriverError, ProtocolViolationError
from ems.model.device import LinkSpec
from ems.ports import Clock

# every fault reaches us as an answer; the library would print it with packet dumps, once per poll
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

# The library counts real seconds, we the clock's. Ours decides, so the library's limit lies beyond any of ours.
_LIBRARY_TIMEOUT_S: Final = 604_800.0
_JITTER_FRAC: Final = 0.25


class ErrorKind(StrEnum):
    """Why a request or a connection failed."""

    NO_CONNECTION = "no_connection"
    DISCONNECTED = "disconnected"
    TIMEOUT = "timeout"
    MALFORMED = "malformed"
    EXCEPTION = "exception"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStatistics:
    """How a link has done since the start; the latency is that of the last answer, in seconds of the clock."""

    connected: bool
    n_connections: int
    n_requests: int
    n_errors: Mapping[ErrorKind, int]
    latency_s: float | None


class ModbusLink:
    """Polls and writes for the stations attached to it, one request at a time, for as long as it runs."""

    def __init__(self, spec: LinkSpec, *, clock: Clock) -> None:
        self._spec = spec
        self._clock = clock
        self._members: list[Member] = []
        self._wakeup = asyncio.Event()
        # spreads the reconnects of many links; no secret, and repeatable by the name of the link
        self._random = random.Random(spec.id)  # noqa: S311
        self._pause_s = spec.reconnect_min_s
        self._next_attempt_s = float("-inf")
        self._session: _Session | None = None
        self._n_connections = 0
        self._n_requests = 0
        self._errors: Counter[ErrorKind] = Counter()
        self._latency_s: float | None = None

    @property
    def link_id(self) -> str:
        """Return the name of the link in the configuration."""
        return self._spec.id

    def attach(self, station: Station) -> None:
        """Serve a unit from the next connection on."""
        self._members.append(Member(station))

    def wake(self) -> None:
        """Look at the jobs again: one of them has become due earlier than it said."""
        self._wakeup.set()

    def statistics(self) -> LinkStatistics:
        """Return the counters as they are now."""
        return LinkStatistics(
            connected=self._session is not None and self._session.alive,
            n_connections=self._n_connections,
            n_requests=self._n_requests,
            n_errors=dict(self._errors),
            latency_s=self._latency_s,
        )

    async def run(self) -> None:
        """Connect, serve, and connect again after every loss, until cancelled. Devices cannot make it raise."""
        while True:
            _honour_cancellation()
            await self._clock.sleep(max(0.0, self._next_attempt_s - self._clock.monotonic_s()))
            self._schedule_next_attempt()
            try:
                self._session = await self._connect()
                reason = await self._serve(self._session)
            except DeviceUnreachableError as error:
                self._errors[ErrorKind.NO_CONNECTION] += 1
                reason = str(error)
            finally:
                self._disconnect()
            for member in self._members:
                member.station.lost(reason, self._clock.monotonic_s())

    def _schedule_next_attempt(self) -> None:
        """Set the earliest next attempt, counted from this one; the pause doubles until something is answered."""
        jitter = self._random.uniform(1.0, 1.0 + _JITTER_FRAC)
        self._next_attempt_s = self._clock.monotonic_s() + self._pause_s * jitter
        self._pause_s = min(2.0 * self._pause_s, self._spec.reconnect_max_s)

    async def _connect(self) -> "_Session":
        address = f"{self._spec.host}:{self._spec.port}"
        try:
            async with self._clock.timeout(self._spec.timeout_s):
                session = await _Session.open(self._spec, on_loss=self.wake)
        except TimeoutError as error:
            raise DeviceUnreachableError(f"no connection to {address} in time", device=self.link_id) from error
        if session is None:
            raise DeviceUnreachableError(f"no connection to {address}", device=self.link_id)
        self._n_connections += 1
        return session

    def _disconnect(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    async def _serve(self, session: "_Session") -> str:
        """Serve the units in turn until the connection is lost or given up; return why."""
        _honour_cancellation()
        await self._clock.sleep(self._spec.connect_delay_s)
        for member in self._members:
            member.station.connected(self._clock.monotonic_s())
        while session.alive:
            match next_turn(self._members, self._clock.monotonic_s()):
                case Pause(until_s):
                    await self._wait(until_s)
                case Turn(member, job):
                    request = job.request(self._clock.monotonic_s())
                    if request is None:
                        continue
                    answer = await self._exchange(session, member, request)
                    job.done(answer)
                    if isinstance(answer, NoAnswer):
                        return answer.reason
                    await self._pause_between_requests()
        self._errors[ErrorKind.DISCONNECTED] += 1
        return f"{self.link_id}: the device closed the connection"

    async def _wait(self, until_s: float) -> None:
        self._wakeup.clear()
        with suppress(TimeoutError):
            async with self._clock.timeout(until_s - self._clock.monotonic_s()):
                await self._wakeup.wait()

    async def _pause_between_requests(self) -> None:
        if self._spec.gap_s > 0.0:
            await self._clock.sleep(self._spec.gap_s)

    async def _exchange(self, session: "_Session", member: Member, request: Request) -> Answer:
        """Send one request and return what came of it, with the time at which that was known."""
        self._n_requests += 1
        sent_s = self._clock.monotonic_s()
        try:
            async with self._clock.timeout(self._spec.timeout_s):
                result = await session.exchange(member.station.unit, request)
        except TimeoutError:
            late = f"{self.link_id} unit {member.station.unit}: no answer within {self._spec.timeout_s:g} s"
            return self._no_answer(member, request, ErrorKind.TIMEOUT, late)
        except ProtocolViolationError as error:
            return self._no_answer(member, request, ErrorKind.MALFORMED, str(error))
        except DriverError as error:
            return self._no_answer(member, request, ErrorKind.DISCONNECTED, str(error))
        _honour_cancellation()
        at_s = self._clock.monotonic_s()
        self._latency_s = at_s - sent_s
        self._pause_s = self._spec.reconnect_min_s
        if isinstance(result, _ExceptionCode):
            return self._exception(member, ExceptionAnswer(result.code, at_s))
        member.answered()
        return Answered(result, at_s)

    def _no_answer(self, member: Member, request: Request, kind: ErrorKind, reason: str) -> NoAnswer:
        self._errors[kind] += 1
        now_s = self._clock.monotonic_s()
        member.stayed_silent(now_s=now_s, timeout_s=self._spec.timeout_s)
        return NoAnswer(f"{reason} ({request})", now_s)

    def _exception(self, member: Member, answer: ExceptionAnswer) -> ExceptionAnswer:
        self._errors[ErrorKind.EXCEPTION] += 1
        if answer.is_silence:
            member.stayed_silent(now_s=answer.at_s, timeout_s=self._spec.timeout_s)
        else:
            member.answered()
        return answer


def _honour_cancellation() -> None:
    """Raise a cancellation that the library has swallowed.

    It waits with `asyncio.wait_for`, which before Python 3.12 returns the answer instead when both come at the
    same moment: a link that is told to stop would go on for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling() > 0:
        raise asyncio.CancelledError


@dataclass(frozen=True, slots=True)
class _ExceptionCode:
    """The exception code of an answer."""

    code: int


class _Session:
    """One TCP connection through pymodbus; none of that library's types or exceptions leave this class."""

    def __init__(self, spec: LinkSpec, on_loss: Callable[[], None]) -> None:
        self._spec = spec
        self._on_loss = on_loss
        self._under_way: Request | None = None
        self._client = AsyncModbusTcpClient(
            spec.host,
            port=spec.port,
            name=spec.id,
            timeout=_LIBRARY_TIMEOUT_S,
            retries=0,
            reconnect_delay=0.0,
            trace_packet=self._inspect,
            trace_connect=self._connection_changed,
        )

    @classmethod
    async def open(cls, spec: LinkSpec, *, on_loss: Callable[[], None]) -> "_Session | None":
        """Return a connection, None if the peer refused it; `on_loss` is called when it breaks later."""
        session = cls(spec, on_loss)
        return session if await session._client.connect() else None

    @property
    def alive(self) -> bool:
        """Return whether the connection is open as far as is known."""
        return self._client.connected

    def close(self) -> None:
        """Close the connection; answers that are still under way are lost."""
        self._client.close()

    async def exchange(self, unit: int, request: Request) -> Sequence[int] | _ExceptionCode:
        """Send a request and return the registers of the answer (none for a write), or its exception code.

        Raises:
            DeviceUnreachableError: The connection broke.
            ProtocolViolationError: The answer is none that the protocol allows for this request.
        """
        device = f"{self._spec.id} unit {unit}"
        self._under_way = request
        try:
            pdu = await self._send(unit, request)
        except ConnectionException as error:
            raise DeviceUnreachableError("the connection broke", device=device) from error
        except ModbusException as error:
            raise ProtocolViolationError(error.string, device=device) from error
        finally:
            self._under_way = None
        if isinstance(pdu, ExceptionResponse):
            return _ExceptionCode(pdu.exception_code)
        fault = _answer_fault(pdu, request)
        if fault is not None:
            raise ProtocolViolationError(fault, device=device)
        return _content(pdu, request) if isinstance(request, Read) else ()

    async def _send(self, unit: int, request: Request) -> ModbusPDU:
        register, client = request.at.register, self._client
        match request:
            case Read(count=count):
                reads = {
                    Table.COIL: client.read_coils,
                    Table.DISCRETE: client.read_discrete_inputs,
                    Table.HOLDING: client.read_holding_registers,
                    Table.INPUT: client.read_input_registers,
                }
                return await reads[request.at.table](register, count=count, device_id=unit)
            case Write(registers=(value,)) if request.function == WRITE_COIL:
                return await client.write_coil(register, value != 0, device_id=unit)
            case Write(registers=(value,)) if request.function == WRITE_SINGLE:
                return await client.write_register(register, value, device_id=unit)
            case Write(registers=values) if request.function == WRITE_COILS:
                return await client.write_coils(register, [value != 0 for value in values], device_id=unit)
            case Write(registers=values):
                return await client.write_registers(register, list(values), device_id=unit)

    def _inspect(self, sending: bool, data: bytes) -> bytes:  # noqa: FBT001 - the library's signature
        if sending or self._under_way is None:
            return data
        fault = frame_fault(data, function=self._under_way.function)
        if fault is None:
            return data
        self._fail(ModbusException(fault))
        return b""

    def _connection_changed(self, connected: bool) -> None:  # noqa: FBT001 - the library's signature
        if not connected:
            self._fail(ConnectionException("lost"))
            self._on_loss()

    def _fail(self, error: ModbusException) -> None:
        """End the request under way; the library itself would let it wait for its full time-out."""
        answer = self._client.ctx.response_future
        if self._under_way is not None and not answer.done():
            answer.set_exception(error)


def _content(pdu: ModbusPDU, request: Read) -> Sequence[int]:
    return [int(bit) for bit in pdu.bits[: request.count]] if request.at.table.holds_bits else pdu.registers


def _answer_fault(pdu: ModbusPDU, request: Request) -> str | None:
    """Return what is wrong with an answer that the library takes for a success."""
    if pdu.isError():
        return f"an error answer without a code ({pdu})"
    match request:
        case Read(count=count) if request.at.table.holds_bits:
            # the library hands over whole bytes, and a short answer without a word
            n_bits = 8 * ((count + 7) // 8)
            return None if len(pdu.bits) == n_bits else f"{len(pdu.bits)} bits instead of {n_bits}"
        case Read(count=count):
            return None if len(pdu.registers) == count else f"{len(pdu.registers)} registers instead of {count}"
        case Write(at=at):
            return None if pdu.address == at.register else f"wrote {pdu.address} instead of {at.register}"
