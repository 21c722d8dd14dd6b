"""The list of alarms from one look to the next: delays, first-out order, chattering, floods, the end of shelvings.

A kind of alarm that comes and goes more than a few times a minute is chattering: it is told once and stays active
until it has been quiet for as long. More new alarms than people can read in the time (EEMUA 191 and ISA-18.2 call more
than 10 in 10 minutes a flood) are in the list as always, but told of in summaries; critical ones are told singly even
then.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from ems.control.alarms.catalogue import definition_of
from ems.model.annunciation import Alarm, AlarmCounts, AlarmGroup, Finding, Priority

# three times in a minute is chattering (ISA-18.2, 16.5.4.3)
_CHATTER_N: Final = 3
_CHATTER_S: Final = 60.0
# a flood is over below half of what began it (EEMUA 191: begins at 10, ends below 5 in ten minutes)
_CALM_FRAC: Final = 0.5
_SUMMARY_EVERY_S: Final = 60.0
# what is normal again stays in the list for this long, so that every client sees its end
_LINGER_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRules:
    """What people can take: more than `flood_n` new alarms in `flood_s` are a flood; the longest shelving.

    `stretch` is the factor by which an accelerated run stretches its periods, and so the delays of alarms.
    """

    flood_n: int = 10
    flood_s: float = 600.0
    max_shelve_h: float = 8.0
    stretch: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmBook:
    """The list and what its clocks know; times are the monotonic clock's, by id of the alarm.

    `pending_s`: found, and not yet for long enough. `away_s`: active, and the finding is away. `normal_s`: over and
    acknowledged. `onsets_s`: beginnings within the chattering time. `recent_s`: all beginnings within the flood time.
    """

    alarms: Mapping[str, Alarm] = field(default_factory=dict)
    pending_s: Mapping[str, float] = field(default_factory=dict)
    away_s: Mapping[str, float] = field(default_factory=dict)
    normal_s: Mapping[str, float] = field(default_factory=dict)
    onsets_s: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    recent_s: tuple[float, ...] = ()
    in_flood: bool = False
    n_quiet: int = 0
    summary_s: float | None = None

    @property
    def standing(self) -> frozenset[str]:
        """Return the names of all that are active."""
        return frozenset(name for name, alarm in self.alarms.items() if alarm.active)


class ChangeKind(StrEnum):
    """What can happen to an alarm, or to the list."""

    BEGAN = "began"
    ENDED = "ended"
    ACKNOWLEDGED = "acknowledged"
    SHELVED = "shelved"
    UNSHELVED = "unshelved"
    REMOVED_FROM_SERVICE = "removed_from_service"
    RETURNED_TO_SERVICE = "returned_to_service"
    CHATTERING = "chattering"
    FLOOD_BEGAN = "flood_began"
    FLOOD_SUMMARY = "flood_summary"
    FLOOD_OVER = "flood_over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change; `alarm` None: it concerns the list. One that is not `told` is seen in the list alone."""

    kind: ChangeKind
    text: str
    alarm: Alarm | None = None
    told: bool = True


@dataclass(frozen=True, slots=True)
class Told:
    """The list after a look, and what has changed."""

    book: AlarmBook
    changes: tuple[Change, ...]


def followed(
    book: AlarmBook,
    findings: Iterable[Finding],
    *,
    now_s: float,
    utc: datetime,
    rules: AlarmRules,
    settled: bool = True,
) -> Told:
    """Return the list after a look at everything that is wrong now.

    While it is not `settled` (the first seconds of a run, when much is not known yet) nothing ends.
    """
    work = _Look(book, now_s=now_s, utc=utc, rules=rules)
    found = {finding.id: finding for finding in findings}
    work.end_shelvings()
    for finding in found.values():
        work.take(finding)
    work.drop_pending(found.keys())
    if settled:
        work.let_end(found.keys())
    work.tidy()
    work.judge_flood()
    return Told(work.book(), tuple(work.changes))


def counted(book: AlarmBook) -> AlarmCounts:
    """Return the list in numbers."""
    alarms = book.alarms.values()
    active = [alarm for alarm in alarms if alarm.active]
    seen = [alarm for alarm in active if not alarm.set_aside]
    return AlarmCounts(
        n_active=len(active),
        n_unacknowledged=sum(not alarm.acknowledged and not alarm.set_aside for alarm in alarms),
        n_shelved=sum(alarm.shelved_until_utc is not None for alarm in alarms),
        n_out_of_service=sum(alarm.out_of_service for alarm in alarms),
        n_chattering=sum(alarm.chattering for alarm in active),
        n_recent=len(book.recent_s),
        in_flood=book.in_flood,
        highest=min((definition_of(alarm.kind).priority for alarm in seen), key=_rank, default=None),
        first_out=_first_out(book),
        ids=tuple(sorted(book.alarms)),
    )


class _Look:
    """One look in the making: the book's parts, unpacked."""

    def __init__(self, book: AlarmBook, *, now_s: float, utc: datetime, rules: AlarmRules) -> None:
        self._before = book
        self._now_s = now_s
        self._utc = utc
        self._rules = rules
        self._alarms = dict(book.alarms)
        self._pending_s = dict(book.pending_s)
        self._away_s = dict(book.away_s)
        self._normal_s = dict(book.normal_s)
        self._onsets_s = dict(book.onsets_s)
        self._recent_s = [each for each in book.recent_s if now_s - each < rules.flood_s]
        self._in_flood = book.in_flood
        self._n_quiet = book.n_quiet
        self._summary_s = book.summary_s
        self.changes: list[Change] = []

    def book(self) -> AlarmBook:
        """Return what has become of it."""
        return AlarmBook(
            alarms=self._alarms,
            pending_s=self._pending_s,
            away_s=self._away_s,
            normal_s=self._normal_s,
            onsets_s=self._onsets_s,
            recent_s=tuple(self._recent_s),
            in_flood=self._in_flood,
            n_quiet=self._n_quiet,
            summary_s=self._summary_s,
        )

    def end_shelvings(self) -> None:
        """Bring back what was shelved until now; what stands calls people anew."""
        for name, alarm in self._alarms.items():
            until = alarm.shelved_until_utc
            if until is not None and self._utc >= until:
                back = replace(
                    alarm,
                    shelved_until_utc=None,
                    order=next_order(self._alarms, name, definition_of(alarm.kind).group),
                    set_aside_by=None,
                    set_aside_reason=None,
                    acknowledged=alarm.acknowledged and not alarm.active,
                )
                self._alarms[name] = back
                text = f"{name} is no longer shelved: {alarm.text}"
                self._say(ChangeKind.UNSHELVED, text, back, told=alarm.active)

    def take(self, finding: Finding) -> None:
        """Take what is found: it is active already, waits for its delay, or begins."""
        name = finding.id
        self._away_s.pop(name, None)
        known = self._alarms.get(name)
        if known is not None and known.active:
            return
        since_s = self._pending_s.setdefault(name, self._now_s)
        if self._now_s - since_s >= self._rules.stretch * definition_of(finding.kind).on_delay_s:
            del self._pending_s[name]
            self._begin(finding, known)

    def drop_pending(self, found: Iterable[str]) -> None:
        """Forget what went away before its delay was over."""
        still = set(found)
        self._pending_s = {name: since_s for name, since_s in self._pending_s.items() if name in still}

    def let_end(self, found: Iterable[str]) -> None:
        """End what has been away for long enough."""
        still = set(found)
        for name, alarm in list(self._alarms.items()):
            if not alarm.active or name in still:
                continue
            since_s = self._away_s.setdefault(name, self._now_s)
            off_delay_s = self._rules.stretch * definition_of(alarm.kind).off_delay_s
            if self._now_s - since_s >= (max(off_delay_s, _CHATTER_S) if alarm.chattering else off_delay_s):
                self._end(alarm)

    def tidy(self) -> None:
        """Drop from the list what has been normal for a while, and onsets that count no more."""
        for name, alarm in list(self._alarms.items()):
            if alarm.active or not alarm.acknowledged or alarm.set_aside:
                self._normal_s.pop(name, None)
            elif self._now_s - self._normal_s.setdefault(name, self._now_s) >= _LINGER_S:
                del self._alarms[name], self._normal_s[name]
        self._onsets_s = {
            name: kept
            for name, times_s in self._onsets_s.items()
            if (kept := tuple(each for each in times_s if self._now_s - each < _CHATTER_S))
        }

    def judge_flood(self) -> None:
        """Summarise what was not told singly, and see whether the flood is over."""
        calm = len(self._recent_s) < _CALM_FRAC * self._rules.flood_n
        due = self._summary_s is None or self._now_s - self._summary_s >= _SUMMARY_EVERY_S
        if self._in_flood and self._n_quiet and (due or calm):
            text = f"{self._n_quiet} more alarms have begun, {len(self._recent_s)} in the last minutes; all are listed"
            self._say(ChangeKind.FLOOD_SUMMARY, text, None)
            self._summary_s, self._n_quiet = self._now_s, 0
        if self._in_flood and calm:
            self._in_flood, self._summary_s = False, None
            self._say(ChangeKind.FLOOD_OVER, "the flood of alarms is over: each is told singly again", None)

    def _begin(self, finding: Finding, known: Alarm | None) -> None:
        definition = definition_of(finding.kind)
        times_s = (*self._onsets_s.get(finding.id, ()), self._now_s)
        self._onsets_s[finding.id] = times_s
        recent = sum(1 for each in times_s if self._now_s - each < _CHATTER_S)
        alarm = replace(
            known or Alarm(id=finding.id, kind=finding.kind, text="", active=True, acknowledged=False,
                           began_utc=self._utc, order=1, n_times=0),
            text=finding.text,
            active=True,
            acknowledged=False,
            began_utc=self._utc,
            cleared_utc=None,
            acknowledged_utc=None,
            acknowledged_by=None,
            order=next_order(self._alarms, finding.id, definition.group),
            n_times=1 if known is None else known.n_times + 1,
            chattering=recent >= _CHATTER_N,
        )  # fmt: skip
        told = not alarm.set_aside and not alarm.chattering and self._may_tell(definition.priority)
        alarm = replace(alarm, quietly=not told)
        self._alarms[finding.id] = alarm
        self._say(ChangeKind.BEGAN, finding.text, alarm, told=told)
        if alarm.chattering:
            text = f"{finding.id} comes and goes: it stays active until it has been away for {_CHATTER_S:.0f} s"
            self._say(ChangeKind.CHATTERING, text, alarm, told=not alarm.set_aside)

    def _may_tell(self, priority: Priority) -> bool:
        """Count a beginning; return whether people are called for it, or read of it in a summary."""
        self._recent_s.append(self._now_s)
        if len(self._recent_s) > self._rules.flood_n and not self._in_flood:
            self._in_flood = True
            minutes = self._rules.flood_s / 60.0
            text = (
                f"more than {self._rules.flood_n} alarms in {minutes:g} min: only critical ones are told singly now, "
                f"the others in summaries; first was {_first_out(self.book())}"
            )
            self._say(ChangeKind.FLOOD_BEGAN, text, None)
            self._summary_s = self._now_s
        if not self._in_flood or priority is Priority.CRITICAL:
            return True
        self._n_quiet += 1
        return False

    def _end(self, alarm: Alarm) -> None:
        self._away_s.pop(alarm.id, None)
        ended = replace(
            alarm,
            active=False,
            chattering=False,
            cleared_utc=self._utc,
            acknowledged=alarm.acknowledged or not definition_of(alarm.kind).needs_acknowledgement,
        )
        self._alarms[alarm.id] = ended
        told = not alarm.set_aside and not alarm.quietly
        self._say(ChangeKind.ENDED, f"over: {alarm.text}", ended, told=told)

    def _say(self, kind: ChangeKind, text: str, alarm: Alarm | None, *, told: bool = True) -> None:
        self.changes.append(Change(kind=kind, text=text, alarm=alarm, told=told))


def next_order(alarms: Mapping[str, Alarm], name: str, group: AlarmGroup) -> int:
    """Return the place of a new alarm in its group's disturbance: 1 when all that came before is acknowledged."""
    orders = (each.order for each in _of_group(alarms.values(), group) if each.id != name and _is_open(each))
    return max(orders, default=0) + 1


def _is_open(alarm: Alarm) -> bool:
    """Return whether an alarm belongs to a disturbance that people have not acknowledged."""
    return not alarm.acknowledged and not alarm.set_aside


def _first_out(book: AlarmBook) -> str | None:
    """Return the first alarm of the group in which something began last, of what is not acknowledged."""
    opened = [alarm for alarm in book.alarms.values() if _is_open(alarm)]
    if not opened:
        return None
    newest = definition_of(max(opened, key=_began).kind).group
    return min(_of_group(opened, newest), key=lambda alarm: alarm.order).id


def _of_group(alarms: Iterable[Alarm], group: AlarmGroup) -> Iterator[Alarm]:
    return (alarm for alarm in alarms if definition_of(alarm.kind).group is group)


def _began(alarm: Alarm) -> datetime:
    return alarm.began_utc


def _rank(priority: Priority) -> int:
    return priority.rank
