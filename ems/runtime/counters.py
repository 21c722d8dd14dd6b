"""Counters that start again at zero, across restarts: drivers count on where an earlier run has ended.

A counter that has started again while nobody looked is noticed by the first value that is much lower than the last.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from math import isfinite
from typing import Final

from ems.model.counters import CounterMemory
from ems.ports import CountsOn, Device
from ems.runtime.persistence import StateStore

_DOCUMENT: Final = "counters"

Counters = Mapping[str, CounterMemory]


class CounterBook:
    """Remembers counters by device and name; devices that are away keep theirs."""

    def __init__(self, store: StateStore) -> None:
        """Take up what earlier runs have counted."""
        self._store = store
        self._book: dict[str, Counters] = _restored(store)

    def counted(self, device_id: str) -> Counters:
        """Return the counters of a device by name."""
        return self._book.get(device_id, {})

    def save(self, devices: Iterable[Device], *, utc: datetime) -> None:
        """Save how far the devices have counted."""
        now = {
            device.device_id: dict(counters)
            for device in devices
            if isinstance(device, CountsOn) and (counters := device.counters())
        }
        if now.items() <= self._book.items():
            return
        self._book |= now
        document: dict[str, object] = {
            device_id: {name: asdict(memory) for name, memory in sorted(counters.items())}
            for device_id, counters in sorted(self._book.items())
        }
        self._store.save(_DOCUMENT, document, utc=utc)


def _restored(store: StateStore) -> dict[str, Counters]:
    """Return what was saved; an entry that is none of ours counts as nothing counted."""
    found = store.load(_DOCUMENT)
    if found is None:
        return {}
    return {
        device_id: {str(name): memory for name, entry in counters.items() if (memory := _memory(entry)) is not None}
        for device_id, counters in found[0].items()
        if isinstance(counters, dict)
    }


def _memory(entry: object) -> CounterMemory | None:
    if not isinstance(entry, dict):
        return None
    shown, added = entry.get("shown_wh"), entry.get("added_wh")
    numbers = [number for number in (shown, added) if isinstance(number, int | float) and isfinite(number)]
    return CounterMemory(shown_wh=numbers[0], added_wh=numbers[1]) if len(numbers) == 2 else None
