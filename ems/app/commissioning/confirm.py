"""`ems devices confirm`: an operator's word that a device which was exchanged is the right one."""

from dataclasses import dataclass
from pathlib import Path

from ems.app.daemon import state_home
from ems.config.build import build_wiring
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from ems.errors import ConfigError, ConfigProblem, StateError
from ems.runtime.identities import (
    CONFIRMATIONS_FILE,
    Acquaintance,
    changed,
    load_acquaintances,
    load_confirmations,
    save_confirmation,
)
from ems.runtime.persistence import StateStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """A device of a site, and how the one that answered last differs from the right one."""

    device_id: str
    file: Path
    acquaintance: Acquaintance | None

    @property
    def changes(self) -> dict[str, tuple[str, str]]:
        """Return the texts that differ: the known one and the other."""
        return {} if self.acquaintance is None else self.acquaintance.changes

    @property
    def text(self) -> str:
        """Return what an operator should know before the answer."""
        if self.acquaintance is None:
            return f"{self.device_id} has not answered any daemon yet: there is nothing to confirm"
        if not self.changes:
            return f"{self.device_id} is the device that it was: there is nothing to confirm"
        return f"{self.device_id} is another device: {changed(self.acquaintance)}"

    def document(self, *, confirmed: bool) -> dict[str, object]:
        """Return the result as JSON."""
        return {
            "device": self.device_id,
            "confirmed": confirmed,
            "changes": {name: {"known": known, "seen": seen} for name, (known, seen) in self.changes.items()},
        }


def find_exchanged(site: str, device_id: str) -> Exchanged:
    """Return what the site's daemon has seen of a device.

    Raises:
        ConfigError: The configuration is refused, or has no such device.
        StateError: The state directory cannot be used.
    """
    files = load_files(site_directory(site))
    known = sorted(spec.id for spec in build_wiring(files).devices)
    if device_id not in known:
        raise ConfigError(
            ConfigProblem(file="devices.toml", message=f"no device is called '{device_id}'", allowed=", ".join(known))
        )
    home = state_home(files)
    if not (home / "state.db").is_file():
        raise StateError(f"{home}: no daemon has run with this configuration; start it first")
    store = StateStore(home / "state.db")
    try:
        book = load_acquaintances(store)
        confirmed = load_confirmations(home / CONFIRMATIONS_FILE)
    except ValueError as error:
        raise StateError(f"{home / CONFIRMATIONS_FILE}: {error}; correct or delete it") from error
    finally:
        store.close()
    found = book.get(device_id)
    if found is not None and confirmed.get(device_id) == found.seen:
        found = Acquaintance(known=found.seen, seen=found.seen)
    return Exchanged(device_id=device_id, file=home / CONFIRMATIONS_FILE, acquaintance=found)


def write_confirmation(found: Exchanged) -> None:
    """Write the operator's word where the daemon finds it.

    Raises:
        StateError: The file cannot be written.
    """
    if found.acquaintance is None:
        return
    try:
        save_confirmation(found.file, found.device_id, found.acquaintance.seen)
    except (OSError, ValueError) as error:
        raise StateError(f"{found.file}: {error}; check the state directory") from error
