"""What was commanded by hand, by whom and with which outcome: one JSON object a line, never rewritten."""

import getpass
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from ems.errors import StateError
from ems.ports import Clock

_VERSION: Final = 1
FILE_NAME: Final = "device-audit.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandCommand:
    """What is to be commanded; `forced` is the reason for doing so beside a daemon."""

    tool: str
    site: str | None
    device: str
    endpoint: str
    unit: int
    command: str
    value: float
    forced: str = ""


class AuditLog:
    """Appends to one file; a line stands on the disk before the device is written.

    Raises:
        StateError: The file cannot be written, so that nothing may be commanded.
    """

    def __init__(self, file: Path, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("ab"):
                pass
        except OSError as error:
            raise StateError(f"{file}: the audit file cannot be written ({error}); name another: --audit") from error

    @property
    def file(self) -> Path:
        """Return where the lines are."""
        return self._file

    def begin(self, command: HandCommand) -> str:
        """Note that something is about to be commanded; return the number that its end will carry."""
        number = uuid4().hex
        self._append(number, {"event": "begin", **_facts(command)})
        return number

    def end(self, number: str, command: HandCommand, *, outcome: str, detail: str) -> None:
        """Note what became of it."""
        self._append(number, {"event": "end", **_facts(command), "outcome": outcome, "detail": detail})

    def _append(self, number: str, facts: Mapping[str, object]) -> None:
        line = {"v": _VERSION, "ts": _stamp(self._clock), "id": number, "user": _user(), "host": socket.gethostname()}
        handle = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            os.write(handle, (json.dumps({**line, **facts}, allow_nan=False) + "\n").encode())
            os.fsync(handle)
        except OSError as error:
            raise StateError(f"{self._file}: the audit file cannot be written ({error})") from error
        finally:
            os.close(handle)


def own_audit_file() -> Path:
    """Return where commands to devices without a site are noted: the user's own state directory."""
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "gpu-microgrid-ems" / FILE_NAME


def _facts(command: HandCommand) -> dict[str, object]:
    return {
        "tool": command.tool,
        "site": command.site,
        "device": command.device,
        "endpoint": command.endpoint,
        "unit": command.unit,
        "command": command.command,
        "value": command.value,
        "forced": command.forced or None,
    }


def _user() -> str:
    """Return who is at the keyboard, also behind sudo."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


def _stamp(clock: Clock) -> str:
    return clock.utc().isoformat(timespec="milliseconds").replace("+00:00", "Z")
