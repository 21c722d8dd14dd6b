"""`ems mode`: devices and the site in people's hands, written where the daemon finds it."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ems.app.daemon import state_home
from ems.config.files import ConfigFiles
from ems.config.loader import load_files
from ems.config.naming import assets_in_hands
from ems.config.shipped import site_directory
from ems.errors import ConfigError, ConfigProblem, StateError
from ems.model.hand import HandMode
from ems.runtime.clock import SystemClock
from ems.runtime.hands import HANDS_FILE, HandEntry, save_confirmation, save_hand

CONFIRM: Final = "confirm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was put down: until when it counts, None where an asset is given back."""

    asset: str
    what: str
    until: datetime | None


def put_in_hands(site: str, asset: str, what: str, *, minutes: float, values: Mapping[str, Any]) -> Asked:
    """Put an asset into a mode for some minutes, give it back with `auto`, or confirm what it proposes.

    `values` are the setpoints of MANUAL by name; those that are None hold what is found.

    Raises:
        ConfigError: The configuration is refused, there is no such asset or mode, or a value does not belong to it.
        StateError: The state directory cannot be written.
    """
    files = load_files(site_directory(site))
    given = {name: value for name, value in values.items() if value is not None}
    _check(files, asset, what, given)
    file = state_home(files) / HANDS_FILE
    now = SystemClock().utc()
    until = now + timedelta(minutes=minutes)
    try:
        if what == CONFIRM:
            save_confirmation(file, asset, until=until, now=now)
            return Asked(asset=asset, what=what, until=until)
        mode = HandMode(what)
        entry = None
        if mode is not HandMode.AUTO:
            entry = HandEntry(mode=mode, since_utc=now, until_utc=until, values=given)
        save_hand(file, asset, entry, now=now)
    except (OSError, ValueError) as error:
        raise StateError(f"{file}: {error}; check the state directory") from error
    return Asked(asset=asset, what=what, until=None if entry is None else until)


def hand_assets(files: ConfigFiles) -> dict[str, tuple[str, ...]]:
    """Return what people can take over, each with the values that it follows in MANUAL."""
    return assets_in_hands(files.assets, has_grid=files.limits.grid is not None)


def _check(files: ConfigFiles, asset: str, what: str, given: Mapping[str, Any]) -> None:
    assets = hand_assets(files)
    words = (*(mode.value for mode in HandMode), CONFIRM)
    if asset not in assets:
        raise ConfigError(_problem("ASSET", f"nothing is called '{asset}' that is commanded", assets, asset))
    if what not in words:
        raise ConfigError(_problem("MODE", f"'{what}' is no mode", words, what))
    takes = assets[asset] if what == HandMode.MANUAL.value else ()
    for name in given:
        if name not in takes:
            message = f"{name} means nothing for '{asset}' in {what}"
            raise ConfigError(_problem("MODE", message, takes or ("no value here",), name))


def _problem(place: str, message: str, allowed: Mapping[str, object] | tuple[str, ...], given: str) -> ConfigProblem:
    nearest = next(iter(difflib.get_close_matches(given, list(allowed), n=1)), None)
    return ConfigProblem(file=place, message=message, allowed=", ".join(allowed), nearest=nearest)
