"""`ems alarms`: the list that a site's daemon has saved, and what people do to it on the daemon's machine."""

import getpass
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ems.app.daemon import state_home
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from ems.control.alarms import AlarmBook, AlarmRules, definition_of, handled
from ems.errors import ConfigError, ConfigProblem, StateError
from ems.model.annunciation import ActionKind, Alarm, AlarmAction, AlarmAnswer
from ems.runtime.alarm_desk import DOCUMENT, book_of
from ems.runtime.alarm_requests import ACTIONS_FILE, save_action
from ems.runtime.clock import SystemClock
from ems.runtime.persistence import StateStore


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedAlarms:
    """The list as it was saved last; `saved_utc` None: no daemon has saved one yet."""

    directory: Path
    book: AlarmBook
    rules: AlarmRules
    saved_utc: datetime | None

    def document(self) -> dict[str, object]:
        """Return the list as JSON, most urgent first."""
        saved = None if self.saved_utc is None else self.saved_utc.isoformat(timespec="seconds")
        return {"saved": saved, "alarms": [_row(alarm) for alarm in self._ordered()]}

    def text(self) -> str:
        """Return the list for people."""
        lines = [
            f"{definition_of(alarm.kind).priority.value:<9}{alarm.state.value:<15}"
            f"{alarm.began_utc:%Y-%m-%d %H:%M:%S}  {alarm.id}  {alarm.text}"
            for alarm in self._ordered()
        ]
        return "\n".join(lines) if lines else "no alarms"

    def _ordered(self) -> list[Alarm]:
        return sorted(
            self.book.alarms.values(), key=lambda alarm: (definition_of(alarm.kind).priority.rank, alarm.began_utc)
        )


def saved_alarms(site: str) -> SavedAlarms:
    """Return the list of a site's daemon.

    Raises:
        ConfigError: The configuration is refused.
        StateError: The state cannot be read.
    """
    files = load_files(site_directory(site))
    home = state_home(files)
    rules = AlarmRules(max_shelve_h=files.control.alarms.max_shelve_h)
    if not (home / "state.db").is_file():
        return SavedAlarms(directory=home, book=AlarmBook(), rules=rules, saved_utc=None)
    store = StateStore(home / "state.db")
    try:
        found = store.load(DOCUMENT)
        book = AlarmBook() if found is None else book_of(found[0])
    except ValueError as error:
        raise StateError(f"{home / 'state.db'}: {error}; start the daemon, which begins a new list") from error
    finally:
        store.close()
    return SavedAlarms(directory=home, book=book, rules=rules, saved_utc=None if found is None else found[1])


def ask(
    site: str,
    kind: ActionKind,
    alarm_id: str | None,
    *,
    minutes: float | None = None,
    reason: str | None = None,
    by: str | None = None,
) -> AlarmAnswer:
    """Ask the daemon of a site for an action; it is judged against the saved list first.

    Raises:
        ConfigError: The configuration is refused.
        StateError: The state cannot be read, or the action not be written.
    """
    saved = saved_alarms(site)
    now = SystemClock().utc()
    until = None if minutes is None else now + timedelta(minutes=minutes)
    action = AlarmAction(kind=kind, by=by or _user(), alarm_id=alarm_id, until_utc=until, reason=reason)
    answer = handled(saved.book, action, utc=now, rules=saved.rules).answer
    if answer.accepted:
        try:
            save_action(saved.directory / ACTIONS_FILE, action, now=now)
        except (OSError, ValueError) as error:
            raise StateError(f"{saved.directory / ACTIONS_FILE}: {error}; check the state directory") from error
    return answer


def _row(alarm: Alarm) -> dict[str, object]:
    return {
        "id": alarm.id,
        "priority": definition_of(alarm.kind).priority.value,
        "state": alarm.state.value,
        "active": alarm.active,
        "began": alarm.began_utc.isoformat(timespec="seconds"),
        "text": alarm.text,
        "action": definition_of(alarm.kind).action,
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:
        problem = ConfigProblem(file="--by", message="the system does not say who asks", allowed="a name")
        raise ConfigError(problem) from error
