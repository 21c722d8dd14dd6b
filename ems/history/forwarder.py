"""Keeps the forwarding process alive beside the daemon and hears from it; control notices nothing of either."""

import json
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final

import structlog

from ems.history.forwarding import PostgresSettings
from ems.model.status import SinkStatus

_AGAIN_S: Final = 30.0
_STOP_S: Final = 3.0


class Forwarder:
    """Starts the process in a thread of its own, and again when it has ended."""

    def __init__(self, state_directory: Path, settings: PostgresSettings) -> None:
        self._directory = state_directory
        self._settings = settings
        self._log = structlog.get_logger("forwarder")
        self._closing = threading.Event()
        self._child: subprocess.Popen[str] | None = None
        self._status = SinkStatus(behind_s=None, trouble="nothing is sent yet")
        self._thread = threading.Thread(target=self._work, name="forwarder", daemon=True)
        self._thread.start()

    def status(self) -> SinkStatus:
        """Return how it does."""
        return self._status

    def close(self) -> None:
        """End the process; what was not sent waits in the history."""
        self._closing.set()
        child = self._child
        if child is not None:
            with suppress(OSError, ValueError):
                if child.stdin is not None:
                    child.stdin.close()
            try:
                child.wait(timeout=_STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
        self._thread.join(timeout=_STOP_S)

    def _work(self) -> None:
        while not self._closing.is_set():
            try:
                self._run()
            except (OSError, ValueError) as error:
                self._heard(None, f"the forwarding process cannot be used: {error}")
            self._closing.wait(_AGAIN_S)

    def _run(self) -> None:
        command = (sys.executable, "-m", "ems.history.forwarding", str(self._directory))
        with subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as child:
            self._child = child
            if child.stdin is None or child.stdout is None:
                return
            child.stdin.write(json.dumps(asdict(self._settings)) + "\n")
            child.stdin.flush()
            for line in child.stdout:
                said = json.loads(line)
                self._heard(said["behind_s"], said["trouble"])
            code = child.wait()
        self._child = None
        if not self._closing.is_set():
            self._heard(None, f"the forwarding process ended with {code}; its error stands in the log")

    def _heard(self, lag_s: float | None, trouble: str | None) -> None:
        before, self._status = self._status, SinkStatus(behind_s=lag_s, trouble=trouble)
        if trouble is not None and trouble != before.trouble:
            self._log.warning("history_not_forwarded", host=self._settings.host, error=trouble)
        elif trouble is None and before.trouble is not None:
            self._log.info("history_forwarded", host=self._settings.host)
