"""What people do to alarms: acknowledge, shelve for a while, take out of service; each answered in words."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ems.control.alarms.book import AlarmBook, AlarmRules, Change, ChangeKind, next_order
from ems.control.alarms.catalogue import CATALOGUE, definition_of
from ems.model.annunciation import ActionKind, Alarm, AlarmAction, AlarmAnswer


@dataclass(frozen=True, slots=True)
class Handled:
    """The list after an action, what has changed, and what the one who asked is told."""

    book: AlarmBook
    changes: tuple[Change, ...]
    answer: AlarmAnswer


def handled(book: AlarmBook, action: AlarmAction, *, utc: datetime, rules: AlarmRules) -> Handled:
    """Return the list after an action; one that cannot be done changes nothing and is answered with the reason."""
    if action.kind is ActionKind.ACKNOWLEDGE and action.alarm_id is None:
        return _acknowledged_all(book, action, utc)
    if action.alarm_id is None:
        return _refused(book, f"{action.kind.value} concerns one alarm: name it")
    if action.kind is ActionKind.REMOVE_FROM_SERVICE:
        return _removed(book, action, action.alarm_id, utc)
    alarm = book.alarms.get(action.alarm_id)
    if alarm is None:
        return _refused(book, f"'{action.alarm_id}' is not in the list of alarms")
    match action.kind:
        case ActionKind.ACKNOWLEDGE:
            return _acknowledged(book, alarm, action, utc)
        case ActionKind.SHELVE:
            return _shelved(book, alarm, action, utc, rules)
        case ActionKind.UNSHELVE:
            if alarm.shelved_until_utc is None:
                return _refused(book, f"{alarm.id} is not shelved")
            return _brought_back(book, alarm, action, ChangeKind.UNSHELVED)
        case ActionKind.RETURN_TO_SERVICE:
            if not alarm.out_of_service:
                return _refused(book, f"{alarm.id} is not out of service")
            return _brought_back(book, alarm, action, ChangeKind.RETURNED_TO_SERVICE)


def _acknowledged_all(book: AlarmBook, action: AlarmAction, utc: datetime) -> Handled:
    waiting = [alarm for alarm in book.alarms.values() if not alarm.acknowledged and not alarm.set_aside]
    if not waiting:
        return Handled(book, (), AlarmAnswer(accepted=True, text="nothing waits to be acknowledged"))
    seen = {alarm.id: _seen(alarm, action, utc) for alarm in waiting}
    text = f"{len(seen)} alarms are acknowledged by {action.by}"
    changes = tuple(
        Change(kind=ChangeKind.ACKNOWLEDGED, text=f"{name} is acknowledged by {action.by}", alarm=alarm, told=False)
        for name, alarm in seen.items()
    )
    told = Change(kind=ChangeKind.ACKNOWLEDGED, text=text)
    return Handled(_with(book, seen), (*changes, told), AlarmAnswer(accepted=True, text=text))


def _acknowledged(book: AlarmBook, alarm: Alarm, action: AlarmAction, utc: datetime) -> Handled:
    if alarm.acknowledged:
        return Handled(book, (), AlarmAnswer(accepted=True, text=f"{alarm.id} is acknowledged already"))
    return _changed(
        book, _seen(alarm, action, utc), ChangeKind.ACKNOWLEDGED, f"{alarm.id} is acknowledged by {action.by}"
    )


def _shelved(book: AlarmBook, alarm: Alarm, action: AlarmAction, utc: datetime, rules: AlarmRules) -> Handled:
    if not definition_of(alarm.kind).may_be_shelved:
        return _refused(book, f"{alarm.id} is critical: it cannot be shelved")
    if alarm.out_of_service:
        return _refused(book, f"{alarm.id} is out of service")
    if action.until_utc is None or action.until_utc <= utc:
        return _refused(book, "a shelving has an end that is still to come")
    latest = utc + timedelta(hours=rules.max_shelve_h)
    until = min(action.until_utc, latest)
    text = f"{alarm.id} is shelved by {action.by} until {until:%Y-%m-%d %H:%M:%S} UTC"
    if until < action.until_utc:
        text += f": {rules.max_shelve_h:g} h is the longest"
    aside = replace(alarm, shelved_until_utc=until, set_aside_by=action.by, set_aside_reason=action.reason)
    return _changed(book, aside, ChangeKind.SHELVED, text, clipped=until < action.until_utc)


def _removed(book: AlarmBook, action: AlarmAction, name: str, utc: datetime) -> Handled:
    """Take an alarm out of service until somebody brings it back; it need not have come yet."""
    if not action.reason:
        return _refused(book, "taking an alarm out of service needs a reason")
    kind = name.partition(":")[0]
    alarm = book.alarms.get(name)
    if alarm is None:
        if kind not in CATALOGUE:
            return _refused(book, f"'{name}' is no alarm: '{kind}' is not in the catalogue")
        alarm = Alarm(
            id=name, kind=kind, text="has not come yet", active=False, acknowledged=True, began_utc=utc, order=1,
            n_times=0,
        )  # fmt: skip
    if not definition_of(kind).may_be_shelved:
        return _refused(book, f"{name} is critical: it cannot be taken out of service")
    if alarm.out_of_service:
        return _refused(book, f"{name} is out of service already")
    aside = replace(
        alarm, out_of_service=True, shelved_until_utc=None, set_aside_by=action.by, set_aside_reason=action.reason
    )
    text = f"{name} is taken out of service by {action.by}: {action.reason}"
    return _changed(book, aside, ChangeKind.REMOVED_FROM_SERVICE, text)


def _brought_back(book: AlarmBook, alarm: Alarm, action: AlarmAction, kind: ChangeKind) -> Handled:
    """Bring an alarm back into sight; one that stands has to be acknowledged anew."""
    back = replace(
        alarm,
        out_of_service=False,
        shelved_until_utc=None,
        order=next_order(book.alarms, alarm.id, definition_of(alarm.kind).group),
        set_aside_by=None,
        set_aside_reason=None,
        acknowledged=alarm.acknowledged and not alarm.active,
    )
    word = "no longer shelved" if kind is ChangeKind.UNSHELVED else "in service again"
    return _changed(book, back, kind, f"{alarm.id} is {word}, says {action.by}")


def _seen(alarm: Alarm, action: AlarmAction, utc: datetime) -> Alarm:
    return replace(alarm, acknowledged=True, acknowledged_utc=utc, acknowledged_by=action.by)


def _changed(book: AlarmBook, alarm: Alarm, kind: ChangeKind, text: str, *, clipped: bool = False) -> Handled:
    change = Change(kind=kind, text=text, alarm=alarm)
    return Handled(_with(book, {alarm.id: alarm}), (change,), AlarmAnswer(accepted=True, text=text, clipped=clipped))


def _with(book: AlarmBook, changed: Mapping[str, Alarm]) -> AlarmBook:
    return replace(book, alarms={**book.alarms, **changed})


def _refused(book: AlarmBook, text: str) -> Handled:
    return Handled(book, (), AlarmAnswer(accepted=False, text=text))
