"""Which device is the right one in each place, across restarts: the texts that it named itself with.

The first device that answers in a place is taken for the right one. Another one is monitored and not controlled
until an operator confirms it; the confirmation is a file beside the state, which the daemon only reads.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from ems.ports import Device, Identified
from ems.runtime.order_file import load_orders, save_orders
from ems.runtime.persistence import StateStore

CONFIRMATIONS_FILE: Final = "confirmed-devices.json"
_DOCUMENT: Final = "identities"

Texts = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquaintance:
    """One place: the texts of the right device, and of the one that answered last."""

    known: Texts
    seen: Texts

    @property
    def changes(self) -> dict[str, tuple[str, str]]:
        """Return the texts that differ: the known one and the other."""
        return {
            name: (self.known[name], text) for name, text in self.seen.items() if self.known.get(name, text) != text
        }


_NOBODY: Final = Acquaintance(known={}, seen={})


class IdentityBook:
    """Remembers devices and takes confirmations; looked at once per cycle."""

    def __init__(self, store: StateStore, directory: Path) -> None:
        """Take up what an earlier run knew, and what was confirmed since."""
        self._store = store
        self._file = directory / CONFIRMATIONS_FILE
        self._log = structlog.get_logger("daemon")
        self._book = load_acquaintances(store)
        self._written_ns: int | None = None
        self._told: set[str] = set()
        for device_id, texts in self._fresh_confirmations().items():
            self._book[device_id] = Acquaintance(known=texts, seen=self._book.get(device_id, _NOBODY).seen)

    def known(self, device_id: str) -> Texts | None:
        """Return the texts of the right device, None where none has answered yet."""
        found = self._book.get(device_id)
        return None if found is None else found.known

    def look(self, devices: Iterable[Device], *, utc: datetime) -> tuple[str, ...]:
        """Compare who answers with who should; return what an operator is told."""
        before = dict(self._book)
        confirmed = self._fresh_confirmations() if self._told else {}
        told: list[str] = []
        for device in devices:
            if not isinstance(device, Identified):
                continue
            if (texts := confirmed.get(device.device_id)) is not None:
                self._book[device.device_id] = replace(self._book[device.device_id], known=texts)
                device.confirm(texts)
                told.append(f"{device.device_id} is confirmed: {_listed(texts)}")
            if texts := device.identity():
                told += self._meet(device.device_id, dict(texts))
        if self._book != before:
            self._store.save(_DOCUMENT, _document(self._book), utc=utc)
        return tuple(told)

    def strangers(self) -> dict[str, str]:
        """Return by device how the one that answers differs from the right one."""
        return {device_id: changed(self._book[device_id]) for device_id in self._told if device_id in self._book}

    def _meet(self, device_id: str, texts: Texts) -> Iterable[str]:
        """Compare the texts of the device that answers with those of the right one."""
        found = replace(self._book.get(device_id, Acquaintance(known=texts, seen=texts)), seen=texts)
        if not found.changes:
            # a text that was not read before is one more that is known
            found = replace(found, known={**texts, **found.known})
            self._told.discard(device_id)
        elif device_id not in self._told:
            self._told.add(device_id)
            yield f"{device_id} is another device, monitored and not controlled until it is confirmed: {changed(found)}"
        self._book[device_id] = found

    def _fresh_confirmations(self) -> dict[str, Texts]:
        """Return confirmations that say something new, from a file that has changed since it was read."""
        try:
            written_ns = self._file.stat().st_mtime_ns
        except OSError:
            return {}
        if written_ns == self._written_ns:
            return {}
        self._written_ns = written_ns
        try:
            confirmed = load_confirmations(self._file)
        except ValueError as error:
            self._log.warning("confirmations_not_read", file=str(self._file), error=str(error))
            return {}
        return {name: texts for name, texts in confirmed.items() if texts != self._book.get(name, _NOBODY).known}


def load_acquaintances(store: StateStore) -> dict[str, Acquaintance]:
    """Return what the last run knew, by device; a document that is none counts as nothing known."""
    found = store.load(_DOCUMENT)
    if found is None:
        return {}
    return {
        device_id: Acquaintance(known=_texts(entry.get("known")), seen=_texts(entry.get("seen")))
        for device_id, entry in found[0].items()
        if isinstance(entry, dict)
    }


def load_confirmations(file: Path) -> dict[str, Texts]:
    """Return the confirmed texts by device; none where there is no file.

    Raises:
        ValueError: The file is not one of ours.
    """
    found = load_orders(file, what="a table of devices")
    return {device_id: _texts(texts) for device_id, texts in found.items()}


def save_confirmation(file: Path, device_id: str, texts: Texts) -> None:
    """Add a confirmation to the file, which is replaced as a whole.

    Raises:
        ValueError: The file is not one of ours.
        OSError: It cannot be written.
    """
    save_orders(file, {**load_confirmations(file), device_id: dict(texts)})


def changed(found: Acquaintance) -> str:
    """Return the texts that differ, in words."""
    return ", ".join(f"{name} '{known}' is now '{text}'" for name, (known, text) in found.changes.items())


def _listed(texts: Texts) -> str:
    return ", ".join(f"{name} '{text}'" for name, text in texts.items())


def _document(book: Mapping[str, Acquaintance]) -> dict[str, object]:
    return {
        device_id: {"known": dict(found.known), "seen": dict(found.seen)} for device_id, found in sorted(book.items())
    }


def _texts(entry: object) -> Texts:
    if not isinstance(entry, dict):
        return {}
    return {str(name): str(text) for name, text in entry.items()}
