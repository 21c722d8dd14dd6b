"""What people have taken over: a file beside the state that `ems mode` writes, and windows of the configuration.

Every entry has an end. It is told by the wall clock and kept by the monotonic one from the moment it is read, so that
a step of the clock neither ends nor prolongs it. The file is read once before the first cycle, then beside control: a
disk that does not answer delays nothing, and what is known still ends in time.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from ems.model.hand import HandMode, Hands, HandSetting, HandWindow
from ems.ports import Clock

HANDS_FILE: Final = "hands.json"
VALUES: Final = ("power_kw", "limit_kw", "run", "supply_degc")
_SETTINGS: Final = "settings"
_CONFIRMED: Final = "confirmed"
_BY_PERSON: Final = "an operator"
_BY_PLAN: Final = "planned work of control.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandEntry:
    """One mode as people asked for it."""

    mode: HandMode
    since_utc: datetime
    until_utc: datetime
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandFile:
    """What stands in the file: modes by asset, and until when SEMI may act, by asset."""

    settings: Mapping[str, HandEntry] = field(default_factory=dict)
    confirmed: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Read:
    """What was in the file when it had this time, the ends by the monotonic clock."""

    written_ns: int | None
    settings: Mapping[str, HandSetting]
    confirmed_until_s: Mapping[str, float]


class HandBook:
    """Knows what is in hands; `run` keeps it up to date. A person's word goes before a window of the configuration."""

    def __init__(self, directory: Path, assets: Iterable[str], windows: Iterable[HandWindow] = ()) -> None:
        self._file = directory / HANDS_FILE
        self._assets = frozenset(assets)
        self._windows = tuple(windows)
        self._log = structlog.get_logger("daemon")
        self._read: _Read | None = None
        # windows that have begun, each with its end by the monotonic clock
        self._begun: dict[HandWindow, HandSetting] = {}
        self._told: dict[str, HandSetting] = {}
        self._now: Hands = Hands()

    async def run(self, clock: Clock, *, period_s: float) -> None:
        """Read the file whenever it has changed, until cancelled."""
        while True:
            now_s, utc = clock.monotonic_s(), clock.utc()
            self._read = await asyncio.to_thread(self._fresh, now_s, utc)
            await clock.sleep(period_s)

    def in_force(self, clock: Clock) -> Hands:
        """Return what has not ended."""
        now_s, utc = clock.monotonic_s(), clock.utc()
        if self._read is None:
            self._read = self._fresh(now_s, utc)
        settings = {**self._planned(now_s, utc), **self._read.settings}
        self._now = Hands(
            settings={asset: each for asset, each in settings.items() if now_s < each.until_s},
            confirmed_until_s={asset: end_s for asset, end_s in self._read.confirmed_until_s.items() if now_s < end_s},
        )
        return self._now

    def changes(self, now_s: float) -> tuple[str, ...]:
        """Return in words what has been taken over and given back since the last call."""
        now = {asset: each for asset, each in self._now.settings.items() if now_s < each.until_s}
        before, self._told = self._told, now
        words = [
            f"{asset} is in {each.mode.value.upper()} until {each.until_utc:%Y-%m-%d %H:%M:%S} UTC by {each.source}"
            for asset, each in sorted(now.items())
            if before.get(asset) != each
        ]
        return (*words, *(f"{asset} is in AUTO again" for asset in sorted(before.keys() - now.keys())))

    def _planned(self, now_s: float, utc: datetime) -> dict[str, HandSetting]:
        """Return the windows in force; one that has begun ends by the monotonic clock."""
        for window in self._windows:
            if window not in self._begun and window.start_utc <= utc < window.end_utc:
                self._begun[window] = HandSetting(
                    mode=window.mode,
                    since_s=now_s - (utc - window.start_utc).total_seconds(),
                    until_s=now_s + (window.end_utc - utc).total_seconds(),
                    until_utc=window.end_utc,
                    source=_BY_PLAN,
                    **{name: getattr(window, name) for name in VALUES},
                )
        return {window.asset_id: each for window, each in self._begun.items() if now_s < each.until_s}

    def _fresh(self, now_s: float, utc: datetime) -> _Read:
        before = self._read or _Read(None, {}, {})
        try:
            written_ns = self._file.stat().st_mtime_ns
        except OSError:
            return _Read(None, {}, {})
        if written_ns == before.written_ns:
            return before
        try:
            found = load_hands(self._file)
            if unknown := sorted({*found.settings, *found.confirmed} - self._assets):
                raise ValueError(f"nothing is called {', '.join(unknown)} here")  # noqa: TRY301 - told with the rest
        except ValueError as error:
            self._log.warning("hands_not_read", file=str(self._file), error=str(error))
            # what was known still counts, until it ends
            return _Read(written_ns, before.settings, before.confirmed_until_s)
        return _Read(
            written_ns,
            {asset: _setting(entry, now_s, utc) for asset, entry in found.settings.items() if utc < entry.until_utc},
            {asset: now_s + (end - utc).total_seconds() for asset, end in found.confirmed.items()},
        )


def load_hands(file: Path) -> HandFile:
    """Return what stands in a file; nothing where there is none.

    Raises:
        ValueError: The file is not one of ours.
    """
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return HandFile()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    if not isinstance(document, dict) or not set(document) <= {_SETTINGS, _CONFIRMED}:
        raise ValueError(f"not a table with {_SETTINGS} and {_CONFIRMED}")
    try:
        return HandFile(
            settings={str(asset): _entry(each) for asset, each in document.get(_SETTINGS, {}).items()},
            confirmed={str(asset): _instant(end) for asset, end in document.get(_CONFIRMED, {}).items()},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a table of modes: {error!r}") from error


def save_hand(file: Path, asset: str, entry: HandEntry | None, *, now: datetime) -> None:
    """Put an asset into a mode, or back to AUTO with None; what has ended goes. Replaced as a whole.

    Raises:
        ValueError: The file is not one of ours.
        OSError: It cannot be written.
    """
    found = load_hands(file)
    settings = {name: each for name, each in found.settings.items() if now < each.until_utc and name != asset}
    if entry is not None:
        settings[asset] = entry
    _write(file, HandFile(settings=settings, confirmed=found.confirmed), now=now)


def save_confirmation(file: Path, asset: str, *, until: datetime, now: datetime) -> None:
    """Let what an asset in SEMI proposes be done until then.

    Raises:
        ValueError: The file is not one of ours.
        OSError: It cannot be written.
    """
    found = load_hands(file)
    _write(file, HandFile(settings=found.settings, confirmed={**found.confirmed, asset: until}), now=now)


def _write(file: Path, content: HandFile, *, now: datetime) -> None:
    document = {
        _SETTINGS: {asset: _document(each) for asset, each in sorted(content.settings.items())},
        _CONFIRMED: {asset: _text(end) for asset, end in sorted(content.confirmed.items()) if now < end},
    }
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    fresh.replace(file)


def _setting(entry: HandEntry, now_s: float, utc: datetime) -> HandSetting:
    return HandSetting(
        mode=entry.mode,
        since_s=now_s - max(0.0, (utc - entry.since_utc).total_seconds()),
        until_s=now_s + (entry.until_utc - utc).total_seconds(),
        until_utc=entry.until_utc,
        source=_BY_PERSON,
        **entry.values,
    )


def _document(entry: HandEntry) -> dict[str, object]:
    return {
        "mode": entry.mode.value,
        "since": _text(entry.since_utc),
        "until": _text(entry.until_utc),
        **entry.values,
    }


def _entry(document: Mapping[str, Any]) -> HandEntry:
    values = {name: document[name] for name in VALUES if document.get(name) is not None}
    if unknown := set(document) - {"mode", "since", "until", *VALUES}:
        raise ValueError(f"unknown keys {', '.join(sorted(unknown))}")
    for name, value in values.items():
        if not isinstance(value, bool if name == "run" else int | float) or (name != "run" and isinstance(value, bool)):
            raise ValueError(f"{name} = {value!r}")
    mode = HandMode(document["mode"])
    if mode is HandMode.AUTO:
        raise ValueError("auto is no entry")
    return HandEntry(
        mode=mode, since_utc=_instant(document["since"]), until_utc=_instant(document["until"]), values=values
    )


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()


def _instant(text: object) -> datetime:
    instant = datetime.fromisoformat(str(text))
    if instant.tzinfo is None:
        raise ValueError(f"'{text}' names no time zone")
    return instant
