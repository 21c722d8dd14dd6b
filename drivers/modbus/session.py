"""One connection of a link through pymodbus. The only module that imports that library; none of its types leave it."""

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
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ExceptionResponse, ModbusPDU

from drivers.modbus.expected import Fault
from drivers.modbus.frames import Answers, TcpAnswers
from drivers.modbus.layout import WRITE_COIL, WRITE_COILS, WRITE_SINGLE, Table
from drivers.modbus.requests import Read, Request, Write
from drivers.modbus.rtuframes import RtuAnswers
from drivers.modbus.statistics import ErrorKind
from ems.model.device import LinkSpec, Parity, SerialLine, TcpEndpoint

# every fault reaches us as an answer; the library would print it with packet dumps, once per poll
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

# The library counts real seconds, we the clock's. Ours decides, so the library's limit lies beyond any of ours.
_LIBRARY_TIMEOUT_S: Final = 604_800.0
_PARITIES: Final = {Parity.NONE: "N", Parity.EVEN: "E", Parity.ODD: "O"}

_Client = AsyncModbusTcpClient | AsyncModbusSerialClient


@dataclass(frozen=True, slots=True)
class ExceptionCode:
    """The exception code of an answer."""

    code: int


def _content(pdu: ModbusPDU, request: Read) -> Sequence[int]:
    """Return what was read; the library hands over whole bytes of bits."""
    return [int(bit) for bit in pdu.bits[: request.count]] if request.at.table.holds_bits else pdu.registers


class Session:
    """One connection. Requests go out one at a time; a request that is cancelled counts as unanswered."""

    def __init__(self, spec: LinkSpec, *, tls: ssl.SSLContext | None, on_loss: Callable[[], None]) -> None:
        self._on_loss = on_loss
        self._answers: Answers = RtuAnswers() if spec.endpoint.framing.is_rtu else TcpAnswers()
        self._under_way: tuple[int, Request] | None = None
        self._fault: Fault | None = None
        self._refusal = "refused"
        self.n_received = 0
        self._client = self._new_client(spec)
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

    async def exchange(self, unit: int, request: Request) -> Sequence[int] | ExceptionCode | Fault:
        """Send a request; return what was read (nothing by a write), the exception code, or what is wrong with it."""
        self._under_way, self._fault = (unit, request), None
        try:
            pdu = await self._send(unit, request)
        except ConnectionException:
            return Fault(ErrorKind.DISCONNECTED, "the connection broke")
        except ModbusException as error:
            return self._fault or Fault(ErrorKind.MALFORMED, error.string)
        finally:
            self._under_way = None
            self._answers.give_up()
        if isinstance(pdu, ExceptionResponse):
            return ExceptionCode(pdu.exception_code)
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
        """Let requests pass, and of what comes in only the frame that answers the request under way."""
        if sending:
            if self._under_way is not None:
                self._answers.expect(*self._under_way, data)
            return data
        self.n_received += 1
        # what was received before is kept by us, not by the library
        self._client.ctx.recv_buffer = b""
        found = self._answers.feed(data)
        if isinstance(found, Fault):
            self._fault = found
            self._fail(ModbusException(found.reason))
            return b""
        return found or b""

    def _connection_changed(self, connected: bool) -> None:  # noqa: FBT001 - the library's signature
        if not connected:
            self._fail(ConnectionException("lost"))
            self._on_loss()

    def _fail(self, error: ModbusException) -> None:
        """End the request under way; the library itself would let it wait for its full time-out."""
        answer = self._client.ctx.response_future
        if self._under_way is not None and not answer.done():
            answer.set_exception(error)

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
