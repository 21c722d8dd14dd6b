"""`ems request`: what people ask of the operating modes, written where the daemon finds it."""

from datetime import datetime, timedelta

from ems.app.daemon import state_home
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from ems.errors import ConfigError, ConfigProblem, StateError
from ems.runtime.clock import SystemClock
from ems.runtime.requests import REQUEST_NAMES, REQUESTS_FILE, save_request


def request(site: str, name: str, *, minutes: float | None) -> datetime | None:
    """Ask for something for some minutes, or withdraw it with None; return until when it counts.

    Raises:
        ConfigError: The configuration is refused, or nothing of this name can be asked for.
        StateError: The state directory cannot be written.
    """
    known = name.replace("-", "_")
    if known not in REQUEST_NAMES:
        names = ", ".join(each.replace("_", "-") for each in REQUEST_NAMES)
        raise ConfigError(ConfigProblem(file="NAME", message=f"nothing is called '{name}'", allowed=names))
    home = state_home(load_files(site_directory(site)))
    now = SystemClock().utc()
    until = None if minutes is None else now + timedelta(minutes=minutes)
    try:
        save_request(home / REQUESTS_FILE, known, until=until, now=now)
    except (OSError, ValueError) as error:
        raise StateError(f"{home / REQUESTS_FILE}: {error}; check the state directory") from error
    return until
