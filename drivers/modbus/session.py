"""One connection of a link through pymodbus. The only module that imports that library; none of its types leave it.

The library connects, encodes requests and moves bytes. Answers are found in them by `frames` and `rtuframes`; its own
way from request to answer takes as long again as everything else that a poll needs (docs/benchmark-drivers.md).
"""

import asyncio
import logging
import ssl
import termios
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadDiscreteInputsRequest,
    WriteMultipleCoilsRequest,
    WriteSingleCoilRequest,
)
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from drivers.modbus.coding import WRITE_COIL, WRITE_COILS, WRITE_SINGLE, Table
from drivers.modbus.expected import EXCEPTION_FLAG, Expected, Fault
from drivers.modbus.frames import Answers, TcpAnswers
from drivers.modbus.requests import Read, Request, Write
from drivers.modbus.rtuframes import CRC_LENGTH, RtuAnswers
from drivers.modbus.statistics import ErrorKind
from drivers.modbus.words import Words, bits_of
from ems.model.device import LinkSpec, Parity, SerialLine, TcpEndpoint

# every fault reaches us as an answer; the library would print it with packet dumps, once per poll
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

# The library counts real seconds, we the clock's. Ours decides, so the library's limit lies beyond any of ours.
_LIBRARY_TIMEOUT_S: Final = 604_800.0
_PARITIES: Final = {Parity.NONE: "N", Parity.EVEN: "E", Parity.ODD: "O"}

# what the event loop hands over at once (asyncio.selector_events reads 256 KiB)
_MOST_AT_ONCE: Final = 262_144
_TRANSACTION_LENGTH: Final = 2
_LAST_TRANSACTION: Final = 0xFFFF
# transaction, protocol, length and unit
_HEADER_LENGTH: Final = 7
_BROKEN: Final = Fault(ErrorKind.DISCONNECTED, "the connection broke")

_READS: Final = {
    Table.COIL: ReadCoilsRequest,
    Table.DISCRETE: ReadDiscreteInputsRequest,
    Table.HOLDING: ReadHoldingRegistersRequest,
    Table.INPUT: ReadInputRegistersRequest,
}
_Client = AsyncModbusTcpClient | AsyncModbusSerialClient


@dataclass(frozen=True, slots=True)
class ExceptionCode:
    """The exception code of an answer."""

    code: int


@dataclass(frozen=True, slots=True)
class _Outgoing:
    """A request as it goes out, and what answers it."""

    frame: bytes
    expected: Expected


class Session:
    """One connection. Requests go out one at a time; a request that is cancelled counts as unanswered."""

    def __init__(self, spec: LinkSpec, *, tls: ssl.SSLContext | None, on_loss: Callable[[], None]) -> None:
        self._on_loss = on_loss
        self._answers: Answers = RtuAnswers() if spec.endpoint.framing.is_rtu else TcpAnswers()
        self._is_rtu = spec.endpoint.framing.is_rtu
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[bytes | Fault] | None = None
        self._reads: dict[tuple[int, Request], _Outgoing] = {}
        self._transaction = 0
        self._refusal = "refused"
        self.n_received = 0
        self._client = self._new_client(spec)
        # an answer together with late or doubled ones is longer than the one that the library has room for
        self._client.ctx.max_buffer_size = _MOST_AT_ONCE
        self._make_connection(spec.endpoint, tls)

    async def connect(self) -> str | None:
        """Open the connection; return why it cannot be opened, None when it is open."""
        try:
            return None if await self._client.connect() else self._refusal
        except (termios.error, ValueError) as error:
            # a serial port that does not know the bit rate or the parity
            return str(error)

    @property
    def alive(self) -> bool:
        """Return whether the connection is open as far as is known."""
        return self._client.connected

    def close(self) -> None:
        """Close the connection; answers that are still under way are lost."""
        self._client.close()

    def take_dropped(self) -> int:
        """Return how many frames without a request have come since the last call."""
        n_dropped, self._answers.n_dropped = self._answers.n_dropped, 0
        return n_dropped

    def probe(self, unit: int, request: Request) -> Read | None:
        """Return what must be read first, so that no late answer can be taken for the one to this request."""
        return self._answers.probe(unit, request)

    def begin(self, unit: int, request: Request) -> None:
        """Send a request, whose answer must then be waited for."""
        outgoing = self._outgoing(unit, request)
        self._answer = self._loop.create_future()
        if self.alive:
            self._send(outgoing, request)
        else:
            self._answer.set_result(_BROKEN)

    async def answer(self, request: Request) -> Sequence[int] | ExceptionCode | Fault:
        """Return what came of the request that has been sent."""
        if self._answer is None:
            return _BROKEN
        try:
            found = await self._answer
        finally:
            self._answer = None
            self._answers.give_up()
        return found if isinstance(found, Fault) else self._content(found, request)

    def _send(self, outgoing: _Outgoing, request: Request) -> None:
        frame = outgoing.frame
        if not self._is_rtu:
            self._transaction = self._transaction % _LAST_TRANSACTION + 1
            frame = self._transaction.to_bytes(_TRANSACTION_LENGTH, "big") + frame[_TRANSACTION_LENGTH:]
        self._answers.expect(outgoing.expected, request, frame)
        self._client.ctx.send(frame)

    def _outgoing(self, unit: int, request: Request) -> _Outgoing:
        """Return a request encoded by the library; a read is sent again and again."""
        kept = self._reads.get((unit, request))
        if kept is not None:
            return kept
        frame = self._client.ctx.framer.buildFrame(_message(unit, request))
        outgoing = _Outgoing(frame, Expected.of(unit, request))
        if isinstance(request, Read):
            self._reads[unit, request] = outgoing
        return outgoing

    def _content(self, frame: bytes, request: Request) -> Sequence[int] | ExceptionCode:
        """Return what an answer says that has been found to be the one to the request."""
        start, end = (1, -CRC_LENGTH) if self._is_rtu else (_HEADER_LENGTH, None)
        function = frame[start]
        if function & EXCEPTION_FLAG:
            return ExceptionCode(frame[start + 1])
        if not isinstance(request, Read):
            return ()
        data = frame[start + 2 : end]
        return bits_of(data, request.count) if request.at.table.holds_bits else Words(data)

    def _inspect(self, sending: bool, data: bytes) -> bytes:  # noqa: FBT001 - the library's signature
        """Take what comes in before the library does, which waits on after a wrong header and passes short answers."""
        if sending:
            return data
        self.n_received += 1
        # what was received before is kept by us, not by the library
        self._client.ctx.recv_buffer = b""
        found = self._answers.feed(data)
        if found is not None:
            self._end(found)
        return b""

    def _connection_changed(self, connected: bool) -> None:  # noqa: FBT001 - the library's signature
        if not connected:
            self._end(_BROKEN)
            self._on_loss()

    def _end(self, found: bytes | Fault) -> None:
        """End the request under way."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(found)

    def _new_client(self, spec: LinkSpec) -> _Client:
        match spec.endpoint:
            case SerialLine() as line:
                return AsyncModbusSerialClient(
                    line.device,
                    baudrate=line.baud,
                    parity=_PARITIES[line.parity],
                    stopbits=line.stop_bits,
                    name=spec.id,
                    timeout=_LIBRARY_TIMEOUT_S,
                    retries=0,
                    reconnect_delay=0.0,
                    trace_packet=self._inspect,
                    trace_connect=self._connection_changed,
                )
            case TcpEndpoint() as endpoint:
                return AsyncModbusTcpClient(
                    endpoint.host,
                    port=endpoint.port,
                    framer=FramerType.RTU if endpoint.framing.is_rtu else FramerType.SOCKET,
                    name=spec.id,
                    timeout=_LIBRARY_TIMEOUT_S,
                    retries=0,
                    reconnect_delay=0.0,
                    trace_packet=self._inspect,
                    trace_connect=self._connection_changed,
                )

    def _make_connection(self, endpoint: TcpEndpoint | SerialLine, tls: ssl.SSLContext | None) -> None:
        """Have the library connect in our way: with the name in the certificate, and with the reason of a refusal.

        Its own TLS client cannot name a server other than by its host, and takes every chunk for a whole frame.
        """
        context = self._client.ctx
        connect = context.call_create
        if tls is not None and isinstance(endpoint, TcpEndpoint) and endpoint.tls is not None:
            connect = partial(
                asyncio.get_running_loop().create_connection,
                context.handle_new_connection,
                endpoint.host,
                endpoint.port,
                ssl=tls,
                server_hostname=endpoint.tls.server_name or endpoint.host,
            )

        async def create() -> object:
            try:
                return await connect()
            except OSError as error:
                self._refusal = error.strerror or str(error)
                raise

        context.call_create = create


def _message(unit: int, request: Request) -> ModbusPDU:
    """Return the library's message for a request."""
    register = request.at.register
    match request:
        case Read(count=count):
            return _READS[request.at.table](address=register, count=count, dev_id=unit)
        case Write(registers=(value,)) if request.function == WRITE_COIL:
            return WriteSingleCoilRequest(address=register, bits=[value != 0], dev_id=unit)
        case Write(registers=(value,)) if request.function == WRITE_SINGLE:
            return WriteSingleRegisterRequest(address=register, registers=[value], dev_id=unit)
        case Write(registers=values) if request.function == WRITE_COILS:
            return WriteMultipleCoilsRequest(address=register, bits=[value != 0 for value in values], dev_id=unit)
        case Write(registers=values):
            return WriteMultipleRegistersRequest(address=register, registers=list(values), dev_id=unit)
