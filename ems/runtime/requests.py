"""What people ask of the operating modes: a file beside the state that `ems request` writes and the daemon only reads.

Each request has an end. The file is read beside control, which only looks at what was read last: a disk that does not
answer delays nothing, and requests that are known still end in time.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from ems.model.requests import MODE_REQUESTS, OperatorRequests
from ems.ports import Clock
from ems.runtime.order_file import load_orders, save_orders

REQUESTS_FILE: Final = "requests.json"
REQUEST_NAMES: Final = MODE_REQUESTS
_TABLE: Final = f"a table of requests; known are {', '.join(REQUEST_NAMES)}"


@dataclass(frozen=True, slots=True)
class _Read:
    """What was in the file when it had this time."""

    written_ns: int | None
    until: Mapping[str, datetime]


class RequestBook:
    """Knows the requests in force; `run` keeps it up to date."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / REQUESTS_FILE
        self._log = structlog.get_logger("daemon")
        self._read = _Read(None, {})
        self._told: frozenset[str] = frozenset()

    async def run(self, clock: Clock, *, period_s: float) -> None:
        """Read the file whenever it has changed, until cancelled."""
        while True:
            self._read = await asyncio.to_thread(self._fresh)
            await clock.sleep(period_s)

    def in_force(self, utc: datetime) -> OperatorRequests:
        """Return the requests that have not ended."""
        asked = {name for name, until in self._read.until.items() if utc < until}
        return OperatorRequests(
            island="island" in asked,
            stay_island="stay_island" in asked,
            black_start="black_start" in asked,
            e_stop="e_stop" in asked,
            leave_e_stop="leave_e_stop" in asked,
        )

    def changes(self, utc: datetime) -> tuple[str, ...]:
        """Return in words which requests have begun and ended since the last call."""
        now = frozenset(name for name, until in self._read.until.items() if utc < until)
        begun, ended, self._told = sorted(now - self._told), sorted(self._told - now), now
        words = [f"an operator asks for {name} until {self._read.until[name]:%Y-%m-%d %H:%M:%S} UTC" for name in begun]
        return (*words, *(f"the request for {name} has ended" for name in ended))

    def _fresh(self) -> _Read:
        try:
            written_ns = self._file.stat().st_mtime_ns
        except OSError:
            return _Read(None, {})
        if written_ns == self._read.written_ns:
            return self._read
        try:
            return _Read(written_ns, load_requests(self._file))
        except ValueError as error:
            self._log.warning("requests_not_read", file=str(self._file), error=str(error))
            # what was known still counts, until it ends
            return _Read(written_ns, self._read.until)


def load_requests(file: Path) -> dict[str, datetime]:
    """Return until when each request counts; none where there is no file.

    Raises:
        ValueError: The file is not one of ours.
    """
    document = load_orders(file, what=_TABLE)
    if not set(document) <= set(REQUEST_NAMES):
        raise ValueError(f"not {_TABLE}")
    return {name: _instant(text) for name, text in document.items()}


def save_request(file: Path, name: str, *, until: datetime | None, now: datetime) -> None:
    """Add a request to the file, or withdraw it with `until` None; what has ended goes. Replaced as a whole.

    Raises:
        ValueError: The file is not one of ours.
        OSError: It cannot be written.
    """
    kept = {each: end for each, end in load_requests(file).items() if now < end and each != name}
    if until is not None:
        kept[name] = until
    save_orders(file, {each: end.astimezone(UTC).isoformat() for each, end in sorted(kept.items())})


def _instant(text: object) -> datetime:
    instant = datetime.fromisoformat(str(text))
    if instant.tzinfo is None:
        raise ValueError(f"'{text}' names no time zone")
    return instant
