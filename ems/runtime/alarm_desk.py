"""Keeps the list of alarms: looks once a cycle, takes what people do, tells what changed, survives a restart."""

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import chain
from typing import Final

import structlog
from pydantic import TypeAdapter, ValidationError

from ems.control.alarms import AlarmBook, AlarmRules, Change, ChangeKind, counted, definition_of, followed, handled
from ems.model.annunciation import Alarm, AlarmAction, AlarmAnswer, AlarmCounts, Finding
from ems.runtime.alarm_requests import AlarmInbox
from ems.runtime.observer import Event
from ems.runtime.persistence import StateStore

DOCUMENT: Final = "alarms"
_ALARMS: Final = TypeAdapter(tuple[Alarm, ...])
# numbers of actions that were carried out; an entry of the file lives for a minute
_REMEMBERED: Final = 200
_URGENT: Final = (ChangeKind.BEGAN, ChangeKind.CHATTERING, ChangeKind.FLOOD_BEGAN, ChangeKind.FLOOD_SUMMARY)

FindingSource = Callable[[], Iterable[Finding]]


class AlarmDesk:
    """The list of one daemon. `act` may be called at any time in the event loop; `look` tells of it."""

    def __init__(self, store: StateStore, inbox: AlarmInbox, *, rules: AlarmRules | None = None) -> None:
        """Take up the list of the run before."""
        self._store = store
        self._inbox = inbox
        self._rules = AlarmRules() if rules is None else rules
        self._log = structlog.get_logger("daemon")
        self._sources: list[FindingSource] = []
        self._told_later: list[Change] = []
        self._done: deque[str] = deque(maxlen=_REMEMBERED)
        self._book = self._restored()
        self._saved = self._book.alarms

    @property
    def inbox(self) -> AlarmInbox:
        """Return what reads the actions that are asked for on this machine."""
        return self._inbox

    @property
    def standing(self) -> frozenset[str]:
        """Return the names of the alarms that are active."""
        return self._book.standing

    def watch(self, source: FindingSource) -> None:
        """Ask this for findings in every look, too; it neither waits nor raises."""
        self._sources.append(source)

    def alarms(self) -> tuple[Alarm, ...]:
        """Return the list."""
        return tuple(self._book.alarms.values())

    def counts(self) -> AlarmCounts:
        """Return the list in numbers."""
        return counted(self._book)

    def act(self, action: AlarmAction, *, utc: datetime) -> AlarmAnswer:
        """Do what somebody asks; the answer says why not, where it cannot be done."""
        done = handled(self._book, action, utc=utc, rules=self._rules)
        self._book = done.book
        self._told_later += done.changes
        return done.answer

    def look(
        self, findings: Iterable[Finding], *, now_s: float, utc: datetime, settled: bool = True
    ) -> tuple[Event, ...]:
        """Compare with what is found now; return what people are told. While not `settled` no alarm ends."""
        self._carry_out(utc)
        everything = chain(findings, *(source() for source in self._sources))
        told = followed(self._book, everything, now_s=now_s, utc=utc, rules=self._rules, settled=settled)
        changes = (*self._told_later, *told.changes)
        self._told_later = []
        self._book = told.book
        if self._book.alarms != self._saved:
            self._save(utc)
        return tuple(_event(change, utc) for change in changes if change.told and not _is_told_elsewhere(change))

    def _carry_out(self, utc: datetime) -> None:
        for asked in self._inbox.take(self._done, utc=utc):
            self._done.append(asked.number)
            answer = self.act(asked.action, utc=utc)
            if not answer.accepted:
                self._log.warning("alarm_action_refused", action=asked.action.kind.value, reason=answer.text)

    def _save(self, utc: datetime) -> None:
        self._saved = self._book.alarms
        alarms = _ALARMS.dump_python(tuple(self._saved.values()), mode="json")
        self._store.save(DOCUMENT, {"alarms": alarms, "done": list(self._done)}, utc=utc)

    def _restored(self) -> AlarmBook:
        found = self._store.load(DOCUMENT)
        if found is None:
            return AlarmBook()
        try:
            book = book_of(found[0])
        except ValueError as error:
            self._log.warning("alarms_not_restored", error=str(error))
            return AlarmBook()
        if isinstance(done := found[0].get("done"), list):
            self._done.extend(str(number) for number in done)
        return book


def book_of(document: dict[str, object]) -> AlarmBook:
    """Return the list that a run has saved, without its clocks.

    Raises:
        ValueError: The document is not one of ours.
    """
    try:
        alarms = _ALARMS.validate_python(document.get("alarms"), strict=False)
    except ValidationError as error:
        raise ValueError(f"not a list of alarms: {error.errors()[0]['msg']}") from error
    return AlarmBook(alarms={alarm.id: alarm for alarm in alarms})


def _is_told_elsewhere(change: Change) -> bool:
    """Return whether another kind of event tells of it already."""
    if change.alarm is None or change.kind not in (ChangeKind.BEGAN, ChangeKind.ENDED):
        return False
    return definition_of(change.alarm.kind).told_as is not None


def _event(change: Change, utc: datetime) -> Event:
    cause = None if change.alarm is None else definition_of(change.alarm.kind).priority.value
    return Event(utc=utc, kind="alarm", text=change.text, cause=cause, urgent=change.kind in _URGENT)
