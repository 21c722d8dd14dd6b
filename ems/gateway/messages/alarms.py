"""Messages about alarms."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from ems.contract.alarms import AlarmMessage, AlarmsPart
from ems.contract.outgoing import Outgoing
from ems.contract.topics import alarm_topic
from ems.control.alarms import definition_of
from ems.model.annunciation import Alarm, AlarmCounts


def alarm_messages(utc: datetime, alarms: Iterable[Alarm]) -> Iterator[Outgoing]:
    """Yield one message for each alarm of the list."""
    for alarm in alarms:
        yield Outgoing(topic=alarm_topic(alarm.id), message=alarm_message(utc, alarm))


def alarm_message(utc: datetime, alarm: Alarm) -> AlarmMessage:
    """Return an alarm with what its definition says."""
    definition = definition_of(alarm.kind)
    return AlarmMessage(
        ts=utc,
        id=alarm.id,
        kind=alarm.kind,
        group=definition.group.value,
        priority=definition.priority.value,
        state=alarm.state.value,
        active=alarm.active,
        text=alarm.text,
        means=definition.means,
        probable_cause=definition.cause,
        consequence=definition.consequence,
        action=definition.action,
        began_utc=alarm.began_utc,
        cleared_utc=alarm.cleared_utc,
        acknowledged_utc=alarm.acknowledged_utc,
        acknowledged_by=alarm.acknowledged_by,
        shelved_until_utc=alarm.shelved_until_utc,
        set_aside_by=alarm.set_aside_by,
        set_aside_reason=alarm.set_aside_reason,
        n_times=alarm.n_times,
        order=alarm.order,
        chattering=alarm.chattering,
        summarised=alarm.quietly,
    )


def alarms_part(counts: AlarmCounts) -> AlarmsPart:
    """Return the list in numbers."""
    return AlarmsPart(
        n_active=counts.n_active,
        n_unacknowledged=counts.n_unacknowledged,
        n_shelved=counts.n_shelved,
        n_out_of_service=counts.n_out_of_service,
        n_chattering=counts.n_chattering,
        n_recent=counts.n_recent,
        in_flood=counts.in_flood,
        highest=None if counts.highest is None else counts.highest.value,
        first_out=counts.first_out,
        ids=counts.ids,
    )
