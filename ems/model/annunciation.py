"""Alarms as people see them: what is defined of each, what is found now, the state of each, and what people do to it.

Words and states follow ISA-18.2 (IEC 62682). What a device reports in its own words is in `ems.model.alarm`; here it is
one finding among others.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

# a topic level that every SCADA takes: Ignition refuses dots in tag names, MQTT has /, + and # for itself
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_-]+")


class Priority(StrEnum):
    """How soon people have to act, most urgent first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """Return 0 for the most urgent."""
        return list(Priority).index(self)


class AlarmGroup(StrEnum):
    """What an alarm is about; the first one of a group in a disturbance is its first-out alarm."""

    POWER = "power"
    STORAGE = "storage"
    GENSETS = "gensets"
    CLUSTER = "cluster"
    DEVICES = "devices"
    PLANNING = "planning"
    CONTROLLER = "controller"


class AlarmState(StrEnum):
    """Where an alarm stands: what is the case, and what people have done about it."""

    ACTIVE = "active"
    ACKNOWLEDGED = "acknowledged"
    CLEARED = "cleared"
    NORMAL = "normal"
    SHELVED = "shelved"
    OUT_OF_SERVICE = "out_of_service"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmDefinition:
    """What is known of a kind of alarm before it ever comes.

    It begins when its finding has lasted `on_delay_s`, and ends when it has been away for `off_delay_s`. A measured
    finding ends only when the value is back by `deadband_pct` of its span. One that needs no acknowledgement leaves
    the list by itself when it ends. `told_as` is the kind of event that already tells of begin and end.
    """

    kind: str
    priority: Priority
    group: AlarmGroup
    means: str
    cause: str
    consequence: str
    action: str
    on_delay_s: float = 0.0
    off_delay_s: float = 0.0
    deadband_pct: float = 0.0
    needs_acknowledgement: bool = True
    told_as: str | None = None

    @property
    def may_be_shelved(self) -> bool:
        """Return whether people may put it aside for a while; what is critical stays in sight."""
        return self.priority is not Priority.CRITICAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is wrong now: the kind of alarm, what it concerns, and a sentence with its figures."""

    kind: str
    text: str
    subject: str = ""

    @property
    def id(self) -> str:
        """Return the name of the alarm, which is a level of its topic too."""
        return alarm_id(self.kind, self.subject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One alarm in the list.

    `began_utc` and `cleared_utc` are of its newest occurrence, `n_times` counts those since it came into the list.
    `order` is its place in the order of its group, 1: the first-out alarm. One that is `chattering` is held active
    until it has been quiet for a while. `quietly`: its newest beginning was told in a summary only.
    """

    id: str
    kind: str
    text: str
    active: bool
    acknowledged: bool
    began_utc: datetime
    order: int
    n_times: int = 1
    cleared_utc: datetime | None = None
    acknowledged_utc: datetime | None = None
    acknowledged_by: str | None = None
    shelved_until_utc: datetime | None = None
    out_of_service: bool = False
    # who shelved it or took it out of service, and why
    set_aside_by: str | None = None
    set_aside_reason: str | None = None
    chattering: bool = False
    quietly: bool = False

    @property
    def state(self) -> AlarmState:
        """Return where it stands."""
        if self.out_of_service:
            return AlarmState.OUT_OF_SERVICE
        if self.shelved_until_utc is not None:
            return AlarmState.SHELVED
        if self.active:
            return AlarmState.ACKNOWLEDGED if self.acknowledged else AlarmState.ACTIVE
        return AlarmState.NORMAL if self.acknowledged else AlarmState.CLEARED

    @property
    def set_aside(self) -> bool:
        """Return whether people have put it aside: it is listed, and nobody is called for it."""
        return self.out_of_service or self.shelved_until_utc is not None


class ActionKind(StrEnum):
    """What people do to alarms."""

    ACKNOWLEDGE = "acknowledge"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    REMOVE_FROM_SERVICE = "remove_from_service"
    RETURN_TO_SERVICE = "return_to_service"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmAction:
    """What somebody does to one alarm, or acknowledges of all with `alarm_id` None.

    `until_utc` is the end of a shelving, and of nothing else. `by` is who asks.
    """

    kind: ActionKind
    by: str
    alarm_id: str | None = None
    until_utc: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmAnswer:
    """What became of an action: whether it was accepted, and why not, or what changed, in words.

    `clipped`: accepted, but for less than was asked.
    """

    accepted: bool
    text: str
    clipped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmCounts:
    """The list in numbers.

    `n_active` counts all that stand, shelved ones too; `first_out` is the first alarm of the newest disturbance that
    still stands. `n_recent` began in the flood window; in a flood single beginnings are summarised.
    """

    n_active: int = 0
    n_unacknowledged: int = 0
    n_shelved: int = 0
    n_out_of_service: int = 0
    n_chattering: int = 0
    n_recent: int = 0
    in_flood: bool = False
    highest: Priority | None = None
    first_out: str | None = None
    ids: tuple[str, ...] = field(default_factory=tuple)


def alarm_id(kind: str, subject: str = "") -> str:
    """Return the name of an alarm: its kind, and what it concerns in letters, digits, `-` and `_`."""
    return f"{kind}:{_UNFIT.sub('_', subject).strip('_')}" if subject else kind
