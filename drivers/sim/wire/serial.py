"""The server at the far end of a serial line: a pseudo-terminal in the place of the adapter."""

import asyncio
import os
import tty
from collections.abc import Mapping
from pathlib import Path

from drivers.sim.wire.bank import UnitRegisters
from drivers.sim.wire.server import Endpoint
from ems.model.device import Framing
from ems.ports import Clock


class SerialServer(Endpoint):
    """Serves the units of one line; while it is open, `device` is a symbolic link to its terminal.

    A pseudo-terminal has no bit rate, so any will do, and no parity: a client that sets one is refused by the system.
    """

    def __init__(self, device: Path, *, units: Mapping[int, UnitRegisters], clock: Clock) -> None:
        super().__init__(units=units, clock=clock, framing=Framing.RTU, name=device.name)
        self._device = device
        # our own hold on the client's end: without it, every client that leaves would end the line
        self._client_end: int | None = None
        self._incoming: asyncio.BaseTransport | None = None

    @property
    def device(self) -> Path:
        """Return what a client opens."""
        return self._device

    @property
    def _is_open(self) -> bool:
        return self._client_end is not None

    async def _open(self) -> None:
        server_end, self._client_end = os.openpty()
        tty.setraw(self._client_end)
        if self._device.is_symlink():
            self._device.unlink()
        # anything else there is not ours to replace: this raises
        self._device.symlink_to(os.ttyname(self._client_end))
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        self._incoming, _ = await loop.connect_read_pipe(
            lambda: protocol, os.fdopen(os.dup(server_end), "rb", buffering=0)
        )
        out, _ = await loop.connect_write_pipe(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), os.fdopen(server_end, "wb", buffering=0)
        )
        self._begin(reader, asyncio.StreamWriter(out, protocol, reader, loop), name=f"wire-{self._device.name}")

    async def _drop_line(self) -> None:
        """Let the adapter disappear and come back."""
        self._close()
        await self._open()

    def _close(self) -> None:
        self._device.unlink(missing_ok=True)
        if self._incoming is not None:
            self._incoming.close()
            self._incoming = None
        if self._client_end is not None:
            os.close(self._client_end)
            self._client_end = None
