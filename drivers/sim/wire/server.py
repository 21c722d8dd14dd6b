"""A Modbus TCP server for the units of one endpoint, with faults that can be set while it runs."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Self

from drivers.sim.wire.bank import RegisterBank
from drivers.sim.wire.faults import GARBAGE, NO_FAULTS, Faults
from drivers.sim.wire.framing import (
    ExceptionCode,
    Frame,
    ReadRegisters,
    WriteRegisters,
    exception_answer,
    parse_request,
    read_answer,
    read_frame,
    write_answer,
)
from ems.ports import Clock


class WireServer:
    """Serves several units behind one port; an async context manager that listens while it is entered.

    Port 0 takes a free one, which `port` tells.
    """

    def __init__(self, host: str, port: int, *, units: Mapping[int, RegisterBank], clock: Clock) -> None:
        self._host = host
        self._port = port
        self._units = units
        self._clock = clock
        self._faults = NO_FAULTS
        self._group = asyncio.TaskGroup()
        self._listener: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Return the port that is or was listened on."""
        return self._port

    @property
    def n_connections(self) -> int:
        """Return how many clients are connected."""
        return len(self._conversations)

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        await self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        # an error of the body is not the group's: it goes on as it is instead of being wrapped
        await self._group.__aexit__(None, None, None)

    async def set_faults(self, faults: Faults) -> None:
        """Replace the faults; `Faults()` makes everything good again."""
        self._faults = faults
        if faults.refuse:
            self._close()
        elif self._listener is None:
            await self._listen()

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._accept, self._host, self._port)
        self._port = self._listener.sockets[0].getsockname()[1]

    def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for conversation in self._conversations:
            conversation.cancel()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._listener is None:
            # it was on its way in when the port closed
            writer.transport.abort()
            return
        task = self._group.create_task(self._converse(reader, writer), name=f"wire-{self._port}")
        self._conversations.add(task)
        task.add_done_callback(partial(self._hang_up, writer))

    def _hang_up(self, writer: asyncio.StreamWriter, task: asyncio.Task[None]) -> None:
        self._conversations.discard(task)
        writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # a client that goes away while we write ends the conversation, too
        with suppress(ConnectionError):
            while (frame := await read_frame(reader)) is not None:
                answer = await self._answer(frame)
                if answer is not None:
                    writer.write(answer)
                    await writer.drain()

    async def _answer(self, frame: Frame) -> bytes | None:
        """Return the bytes to send for a request, None to stay silent."""
        faults = self._faults if self._faults.concern(frame.unit) else NO_FAULTS
        if faults.delay_s > 0.0:
            await self._clock.sleep(faults.delay_s)
        if faults.mute:
            return None
        if faults.garbage:
            return GARBAGE
        pdu = (
            exception_answer(frame.pdu[0], faults.exception_code)
            if faults.exception_code is not None
            else self._serve(frame, faults)
        )
        return Frame(frame.transaction, frame.unit, pdu).encode()

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
