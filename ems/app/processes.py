"""Child processes of a demo: each in a session of its own, restarted when it dies, gone when the demo is gone."""

import asyncio
import ctypes
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_RESTART_PAUSE_S = 1.0
_STOP_WAIT_S = 15.0


def ems_command(*arguments: str) -> list[str]:
    """Return the command line of another `ems` of this installation."""
    return [sys.executable, "-m", "ems.cli", *arguments]


class Child:
    """One process that is kept running until it is stopped."""

    def __init__(self, name: str, command: list[str], *, log: Path, restarts: bool) -> None:
        self.name = name
        self.n_starts = 0
        self._command = command
        self._log = log
        self._restarts = restarts
        self._process: Process | None = None
        self._stop = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """Return the process id, None while it does not run."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    async def start(self) -> None:
        """Start the process; its errors go to the log."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                preexec_fn=_die_with_parent,
                start_new_session=True,
            )
        self.n_starts += 1

    async def watch(self, told: Callable[[str], None]) -> int:
        """Keep the process running; return its exit code when it ended and is not to be restarted."""
        while True:
            code = await self._running().wait()
            if self._stop.is_set() or not self._restarts:
                return code
            told(f"{self.name} ended with {code}, starting it again")
            await asyncio.sleep(_RESTART_PAUSE_S)
            if self._stop.is_set():
                return code
            await self.start()

    async def ask(self, line: bytes) -> bytes:
        """Send one line and return the line that answers it."""
        process = self._running()
        if process.stdin is None or process.stdout is None:
            raise OSError(f"{self.name} has no pipes")
        process.stdin.write(line + b"\n")
        await process.stdin.drain()
        return await process.stdout.readline()

    async def first_line(self) -> bytes:
        """Return the first line that the process writes: it is ready."""
        process = self._running()
        return b"" if process.stdout is None else await process.stdout.readline()

    async def stop(self) -> None:
        """Ask the process to end, insist after a while."""
        self._stop.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_WAIT_S):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    def _running(self) -> Process:
        if self._process is None:
            raise OSError(f"{self.name} was not started")
        return self._process


def _die_with_parent() -> None:
    """Ask the kernel (Linux) to end this process when the demo is killed."""
    with suppress(OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
