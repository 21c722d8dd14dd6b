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

from drivers.sim.wire.bank import UnitRegisters
from drivers.sim.wire.corruption import spoiled
from drivers.sim.wire.faultlayer import FaultLayer
from drivers.sim.wire.faults import Faults
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
# between the pieces of an answer that is split: well within any time-out
_SPLIT_PAUSE_S: Final = 0.05
_ALL_ONES: Final = 0xFFFF
_FOR_EVER_S: Final = float("inf")


class Endpoint(ABC):
    """Serves several units to whoever connects; an async context manager that is open while it is entered."""

    def __init__(self, *, units: Mapping[int, UnitRegisters], clock: Clock, framing: Framing, name: str) -> None:
        self._units = units
        self._clock = clock
        self._framing = framing
        self._name = name
        self._layer = FaultLayer(clock=clock, seed=name)
        self._group = asyncio.TaskGroup()
        self._conversations: set[asyncio.Task[None]] = set()
        self._late: set[asyncio.Task[None]] = set()
        self._reopening: asyncio.Task[None] | None = None
        self._n_writes = 0

    @property
    def n_writes(self) -> int:
        """Return how many requests to write have come, whatever became of them."""
        return self._n_writes

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
        self._forget_reopening()
        self._shut()
        # an error of the body is not the group's: it goes on as it is instead of being wrapped
        await self._group.__aexit__(None, None, None)

    @property
    def faults(self) -> tuple[Faults, ...]:
        """Return the faults that are set and not over."""
        return self._layer.present

    async def set_faults(self, *faults: Faults) -> None:
        """Replace all faults; none, or `Faults()`, makes everything good again."""
        self._layer.set(faults)
        self._forget_reopening()
        closed_s = self._layer.refusal_s
        if closed_s is None:
            await self._reopen()
            return
        self._shut()
        if closed_s < _FOR_EVER_S:
            self._reopening = self._group.create_task(self._reopen(after_s=closed_s), name=f"reopen-{self._name}")

    async def _reopen(self, *, after_s: float = 0.0) -> None:
        if after_s > 0.0:
            await self._clock.sleep(after_s)
        if not self._is_open:
            await self._open()

    def _forget_reopening(self) -> None:
        if self._reopening is not None:
            self._reopening.cancel()
            self._reopening = None

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

    @abstractmethod
    async def _drop_line(self) -> None:
        """Do what is needed so that a client whose conversation ends can come again."""

    def _shut(self) -> None:
        if self._is_open:
            self._close()
        for task in self._conversations | self._late:
            task.cancel()

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
                faults = self._layer.of_request(frame.unit)
                if faults.delay_s > 0.0:
                    await self._clock.sleep(faults.delay_s)
                if faults.disconnect:
                    await self._drop_line()
                    return
                pieces = self._answer(frame, framer, faults)
                if faults.late_s > 0.0:
                    self._send_late(writer, pieces, faults.late_s)
                else:
                    await self._send(writer, pieces)

    def _send_late(self, writer: asyncio.StreamWriter, pieces: tuple[bytes, ...], late_s: float) -> None:
        task = self._group.create_task(self._send(writer, pieces, after_s=late_s), name=f"late-{self._name}")
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _send(self, writer: asyncio.StreamWriter, pieces: tuple[bytes, ...], *, after_s: float = 0.0) -> None:
        if after_s > 0.0:
            await self._clock.sleep(after_s)
        for number, piece in enumerate(pieces):
            if number > 0:
                await self._clock.sleep(_SPLIT_PAUSE_S)
            if writer.is_closing():
                return
            writer.write(piece)
            with suppress(ConnectionError):
                await writer.drain()

    def _answer(self, frame: Frame, framer: Framer, faults: Faults) -> tuple[bytes, ...]:
        """Return the pieces to send for a request, none to stay silent."""
        if faults.mute or self._is_nobody(frame.unit):
            return ()
        pdu = (
            exception_answer(frame.pdu[0], faults.exception_code)
            if faults.exception_code is not None
            else self._serve(frame, faults)
        )
        answer = Frame(frame.transaction, frame.unit, pdu)
        return spoiled(answer, faults, encode=framer.encode, dice=self._layer.dice)

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
                words = bank.read(function, request.register, request.count, faults)
                if isinstance(words, ExceptionCode):
                    return exception_answer(function, words)
                if faults.zero or faults.ones:
                    words = [_ALL_ONES if faults.ones else 0] * request.count
                return read_answer(function, words[: max(0, request.count - faults.missing_registers)])
            case WriteRegisters() as request:
                self._n_writes += 1
                refusal = bank.write(function, request.register, request.words, faults)
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
        units: Mapping[int, UnitRegisters],
        clock: Clock,
        framing: Framing = Framing.TCP,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(units=units, clock=clock, framing=framing, name=f"{host}:{port}")
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

    async def _drop_line(self) -> None:
        """Do nothing: we still listen."""

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._is_open:
            # it was on its way in when the port closed
            writer.transport.abort()
            return
        self._begin(reader, writer, name=f"wire-{self._port}")
