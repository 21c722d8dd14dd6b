"""A server for the units of one endpoint, with faults that can be set while it runs.

It listens on TCP, with the frames of Modbus TCP (also inside TLS) or those of a serial line; `serial` has the server
at the end of a line.
"""

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Final, Self

from drivers.sim.wire.bank import RegisterBank
from drivers.sim.wire.faults import GARBAGE, NO_FAULTS, Faults
from drivers.sim.wire.framing import (
    ExceptionCode,
    Frame,
    Framer,
    ReadRegisters,
    TcpFramer,
    WriteRegisters,
    exception_answer,
    parse_request,
    read_answer,
    write_answer,
)
from drivers.sim.wire.rtu import RtuFramer
from ems.model.device import Framing
from ems.ports import Clock

_FRAMERS: Final[Mapping[Framing, Callable[[], Framer]]] = {
    Framing.TCP: TcpFramer,
    Framing.TLS: TcpFramer,
    Framing.RTU_OVER_TCP: RtuFramer,
    Framing.RTU: RtuFramer,
}


class Endpoint(ABC):
    """Serves several units to whoever connects; an async context manager that is open while it is entered."""

    def __init__(self, *, units: Mapping[int, RegisterBank], clock: Clock, framing: Framing) -> None:
        self._units = units
        self._clock = clock
        self._framing = framing
        self._faults = NO_FAULTS
        self._group = asyncio.TaskGroup()
        self._conversations: set[asyncio.Task[None]] = set()

    @property
    def n_connections(self) -> int:
        """Return how many clients are connected."""
        return len(self._conversations)

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shut()
        # an error of the body is not the group's: it goes on as it is instead of being wrapped
        await self._group.__aexit__(None, None, None)

    async def set_faults(self, faults: Faults) -> None:
        """Replace the faults; `Faults()` makes everything good again."""
        self._faults = faults
        if faults.refuse:
            self._shut()
        elif not self._is_open:
            await self._open()

    @property
    @abstractmethod
    def _is_open(self) -> bool:
        """Return whether clients are taken."""

    @abstractmethod
    async def _open(self) -> None:
        """Take clients."""

    @abstractmethod
    def _close(self) -> None:
        """Take no more clients."""

    def _shut(self) -> None:
        if self._is_open:
            self._close()
        for conversation in self._conversations:
            conversation.cancel()

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, name: str) -> None:
        """Answer a client until it goes."""
        task = self._group.create_task(self._converse(reader, writer), name=name)
        self._conversations.add(task)
        task.add_done_callback(partial(self._hang_up, writer))

    def _hang_up(self, writer: asyncio.StreamWriter, task: asyncio.Task[None]) -> None:
        self._conversations.discard(task)
        writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framer = _FRAMERS[self._framing]()
        # a client that goes away while we write ends the conversation, too
        with suppress(ConnectionError):
            while (frame := await framer.read(reader)) is not None:
                answer = await self._answer(frame, framer)
                if answer is not None:
                    writer.write(answer)
                    await writer.drain()

    async def _answer(self, frame: Frame, framer: Framer) -> bytes | None:
        """Return the bytes to send for a request, None to stay silent."""
        faults = self._faults if self._faults.concern(frame.unit) else NO_FAULTS
        if faults.delay_s > 0.0:
            await self._clock.sleep(faults.delay_s)
        if faults.mute or self._is_nobody(frame.unit):
            return None
        if faults.garbage:
            return GARBAGE
        pdu = (
            exception_answer(frame.pdu[0], faults.exception_code)
            if faults.exception_code is not None
            else self._serve(frame, faults)
        )
        return framer.encode(Frame(frame.transaction, frame.unit, pdu))

    def _is_nobody(self, unit: int) -> bool:
        """Return whether nobody on a serial line hears this unit number; behind Modbus TCP a gateway answers."""
        return self._framing.is_rtu and unit not in self._units

    def _serve(self, frame: Frame, faults: Faults) -> bytes:
        """Return the PDU that answers a request."""
        function = frame.pdu[0]
        bank = self._units.get(frame.unit)
        if bank is None:
            return exception_answer(function, ExceptionCode.GATEWAY_SILENT)
        match parse_request(frame.pdu):
            case ReadRegisters() as request:
                words = bank.read(function, request.register, request.count, frozen=faults.frozen)
                if isinstance(words, ExceptionCode):
                    return exception_answer(function, words)
                return read_answer(function, words[: request.count - faults.missing_registers])
            case WriteRegisters() as request:
                refusal = bank.write(function, request.register, request.words)
                return write_answer(request) if refusal is None else exception_answer(function, refusal)
            case ExceptionCode() as code:
                return exception_answer(function, code)


class WireServer(Endpoint):
    """Listens on a TCP port; port 0 takes a free one, which `port` tells.

    `tls` is the server's side of the connection for framing `tls`.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        units: Mapping[int, RegisterBank],
        clock: Clock,
        framing: Framing = Framing.TCP,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(units=units, clock=clock, framing=framing)
        self._host = host
        self._port = port
        self._tls = tls
        self._listener: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Return the port that is or was listened on."""
        return self._port

    @property
    def _is_open(self) -> bool:
        return self._listener is not None

    async def _open(self) -> None:
        self._listener = await asyncio.start_server(self._accept, self._host, self._port, ssl=self._tls)
        self._port = self._listener.sockets[0].getsockname()[1]

    def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._is_open:
            # it was on its way in when the port closed
            writer.transport.abort()
            return
        self._begin(reader, writer, name=f"wire-{self._port}")
