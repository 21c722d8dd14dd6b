"""What people do to alarms on the daemon's own machine: a file beside the state that `ems alarms` writes.

Each entry has a number of its own and an end: it is carried out once, within a minute or never.
"""

import asyncio
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from pydantic import TypeAdapter, ValidationError

from ems.model.annunciation import AlarmAction
from ems.ports import Clock

ACTIONS_FILE: Final = "alarm-actions.json"
_VALID_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedAction:
    """An action with the number by which it is known to have been done, and its end."""

    number: str
    expires_utc: datetime
    action: AlarmAction


_ENTRIES: Final = TypeAdapter(tuple[AskedAction, ...])


class AlarmInbox:
    """Knows what was asked; `run` keeps it up to date beside control, which never waits for a disk."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / ACTIONS_FILE
        self._log = structlog.get_logger("daemon")
        self._written_ns: int | None = None
        self._asked: tuple[AskedAction, ...] = ()

    async def run(self, clock: Clock, *, period_s: float) -> None:
        """Read the file whenever it has changed, until cancelled."""
        while True:
            await asyncio.to_thread(self.read)
            await clock.sleep(period_s)

    def read(self) -> None:
        """Read the file if it has changed; blocks on the disk."""
        try:
            written_ns = self._file.stat().st_mtime_ns
        except OSError:
            return
        if written_ns == self._written_ns:
            return
        self._written_ns = written_ns
        try:
            self._asked = load_actions(self._file)
        except ValueError as error:
            self._log.warning("alarm_actions_not_read", file=str(self._file), error=str(error))

    def take(self, done: Iterable[str], *, utc: datetime) -> tuple[AskedAction, ...]:
        """Return what is asked now and was not done yet, in the order in which it was asked."""
        seen = set(done)
        return tuple(each for each in self._asked if each.number not in seen and utc < each.expires_utc)


def load_actions(file: Path) -> tuple[AskedAction, ...]:
    """Return the entries of the file; none where there is no file.

    Raises:
        ValueError: The file is not one of ours.
    """
    try:
        return _ENTRIES.validate_json(file.read_bytes())
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise ValueError(f"not a list of actions: {error.errors()[0]['msg']}") from error


def save_action(file: Path, action: AlarmAction, *, now: datetime) -> None:
    """Add an action to the file, which is replaced as a whole; what has expired goes.

    Raises:
        ValueError: The file is not one of ours.
        OSError: It cannot be written.
    """
    kept = [each for each in load_actions(file) if now < each.expires_utc]
    entry = AskedAction(number=uuid.uuid4().hex, expires_utc=now + timedelta(seconds=_VALID_S), action=action)
    document = _ENTRIES.dump_python((*kept, entry), mode="json")
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    fresh.replace(file)
