"""Writes to registers in non-volatile memory, across restarts: a daemon that starts anew has no fresh budget.

Drivers count; here their writes are put into the state as instants, because clocks start anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from ems.ports import Clock, Device, WearsOut
from ems.runtime.persistence import StateStore

_DOCUMENT: Final = "writes"
_DAY: Final = timedelta(days=1)

Written = Mapping[str, Sequence[datetime]]


class WriteBook:
    """Remembers the writes of the last 24 h by device and command; looked at once per cycle."""

    def __init__(self, store: StateStore, clock: Clock) -> None:
        """Take up what earlier runs have written."""
        self._store = store
        self._clock = clock
        self._book: dict[str, Written] = _restored(store)
        self._seen_s: dict[str, Mapping[str, Sequence[float]]] = {}

    def written(self, device_id: str) -> Written:
        """Return the writes to a device by command."""
        return self._book.get(device_id, {})

    def look(self, devices: Iterable[Device]) -> None:
        """Save what the devices have written since the last look."""
        seen_s = {
            device.device_id: written_s
            for device in devices
            if isinstance(device, WearsOut) and (written_s := device.written_s())
        }
        if seen_s == self._seen_s:
            return
        now_s, utc = self._clock.monotonic_s(), self._clock.utc()
        self._seen_s = seen_s
        for device_id, commands in seen_s.items():
            self._book[device_id] = {
                name: tuple(utc - timedelta(seconds=now_s - at_s) for at_s in times_s)
                for name, times_s in commands.items()
            }
        self._store.save(_DOCUMENT, _document(self._book, since=utc - _DAY), utc=utc)


def _document(book: Mapping[str, Written], *, since: datetime) -> dict[str, object]:
    return {
        device_id: {
            name: [instant.isoformat(timespec="seconds") for instant in instants if instant > since]
            for name, instants in sorted(commands.items())
        }
        for device_id, commands in sorted(book.items())
    }


def _restored(store: StateStore) -> dict[str, Written]:
    """Return what was saved; an entry that is none of ours counts as nothing written."""
    found = store.load(_DOCUMENT)
    if found is None:
        return {}
    return {
        device_id: {str(name): _instants(texts) for name, texts in commands.items()}
        for device_id, commands in found[0].items()
        if isinstance(commands, dict)
    }


def _instants(texts: object) -> tuple[datetime, ...]:
    try:
        return tuple(datetime.fromisoformat(text).astimezone(UTC) for text in texts) if isinstance(texts, list) else ()
    except (TypeError, ValueError):
        return ()
