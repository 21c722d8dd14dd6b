"""Starts the process that seals hours and deletes what is beyond its bounds; the historian's thread looks after it."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from ems.history.keeping import HistoryBounds
from ems.history.layout import DAMAGED

# in looks of the historian, one a second: late rows of the hour have arrived by then
_BEGIN_AFTER: Final = 60
_AGAIN_AFTER: Final = 300
_KILLED_AFTER: Final = 900
_STOP_S: Final = 3.0
_LOG_CHARS: Final = 300


class Housekeeper:
    """One process at a time; what it could not do is done by the next one."""

    def __init__(self, state_directory: Path, bounds: HistoryBounds) -> None:
        self._command = (
            sys.executable,
            "-m",
            "ems.history.housekeeping",
            str(state_directory),
            *bounds.arguments(),
        )
        self._log = structlog.get_logger("historian")
        self._child: subprocess.Popen[str] | None = None
        self._due_in: int | None = None
        self._age = 0
        self.n_sealed = 0
        self.trouble: str | None = None
        self.found_damage = False

    def hour_passed(self) -> None:
        """Let a process begin in a minute, unless one is about to."""
        if self._due_in is None:
            self._due_in = _BEGIN_AFTER

    def look(self, *, may_begin: bool) -> None:
        """Count one second; begin, await or give up what runs."""
        if self._child is not None:
            self._watch(self._child)
            return
        if self._due_in is None or not may_begin:
            return
        self._due_in -= 1
        if self._due_in <= 0:
            self._due_in = None
            self._begin()

    def end(self) -> None:
        """End what runs; every step of it is whole or not done."""
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.communicate(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.communicate()
        self._child = None

    def _begin(self) -> None:
        self._age = 0
        try:
            self._child = subprocess.Popen(  # noqa: S603 - our own module
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        except OSError as error:
            self._failed(str(error))

    def _watch(self, child: subprocess.Popen[str]) -> None:
        self._age += 1
        if child.poll() is None:
            if self._age == _KILLED_AFTER:
                with suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGKILL)
            return
        said, errors = child.communicate()
        self._child = None
        self.found_damage = child.returncode == DAMAGED
        if child.returncode != 0:
            self._failed(errors.strip()[-_LOG_CHARS:] or f"it ended with {child.returncode}")
            return
        self.n_sealed += sum(line.startswith("sealed ") for line in said.splitlines())
        if self.trouble is not None:
            self.trouble = None
            self._log.info("history_kept_again")

    def _failed(self, error: str) -> None:
        self._due_in = _AGAIN_AFTER
        if self.trouble is None:
            self._log.warning("history_not_kept", error=error)
        self.trouble = f"hours are not sealed: {error}"
