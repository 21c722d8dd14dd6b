"""Alarms: one message for each, and the list in numbers as a part of `health`."""

from typing import Annotated, Literal

from pydantic import Field

from ems.contract.message import Message, Payload
from ems.contract.quantities import Count, Instant

PriorityName = Literal["critical", "high", "medium", "low"]
GroupName = Literal["power", "storage", "gensets", "cluster", "devices", "planning", "controller"]
StateName = Literal["active", "acknowledged", "cleared", "normal", "shelved", "out_of_service"]
Order = Annotated[int, Field(ge=1)]


class AlarmMessage(Message):
    """One alarm of the list: what it means, where it stands, and what to do."""

    id: str = Field(description="Its name: the kind, and after a colon what it concerns.")
    kind: str = Field(description="Kind of the alarm, as in docs/alarms.md.")
    group: GroupName = Field(description="What it is about.")
    priority: PriorityName = Field(description="How soon people have to act.")
    state: StateName = Field(
        description="active: stands and waits for an acknowledgement; acknowledged: stands; cleared: over, and waits "
        "for an acknowledgement; normal: over, the message is withdrawn after a minute; shelved and out_of_service: "
        "put aside by people, for a while and until they bring it back."
    )
    active: bool = Field(description="Whether what it tells of is the case now, also where it is put aside.")
    text: str = Field(description="One sentence with the figures of its beginning.")
    means: str = Field(description="What this kind of alarm means.")
    probable_cause: str = Field(description="Why it comes.")
    consequence: str = Field(description="What happens if nobody acts.")
    action: str = Field(description="What to do.")
    began_utc: Instant = Field(description="Newest beginning; when it was put aside, if it has never come.")
    cleared_utc: Instant | None = Field(description="End of the newest occurrence; null: it stands, or never came.")
    acknowledged_utc: Instant | None = Field(description="When people acknowledged it; null: nobody has.")
    acknowledged_by: str | None = Field(description="Who did; null: nobody.")
    shelved_until_utc: Instant | None = Field(description="End of the shelving; null: it is not shelved.")
    set_aside_by: str | None = Field(description="Who shelved it or took it out of service; null: nobody.")
    set_aside_reason: str | None = Field(description="Why; null: not put aside, or no reason given.")
    n_times: Count = Field(description="How often it began since it came into the list.")
    order: Order = Field(description="Place in the order in which the alarms of its group came; 1: the first-out one.")
    chattering: bool = Field(description="Whether it comes and goes, and is held active until it is quiet.")
    summarised: bool = Field(description="Whether its beginning was told in the summary of a flood only.")


class AlarmsPart(Payload):
    """The list of alarms in numbers."""

    n_active: Count = Field(description="What stands, alarms put aside included.")
    n_unacknowledged: Count = Field(description="What waits for an acknowledgement.")
    n_shelved: Count = Field(description="Shelved for a while.")
    n_out_of_service: Count = Field(description="Out of service.")
    n_chattering: Count = Field(description="What comes and goes.")
    n_recent: Count = Field(description="Beginnings in the last `alarms.flood_min` minutes.")
    in_flood: bool = Field(description="Whether so many begin that single ones are only summarised, critical aside.")
    highest: PriorityName | None = Field(description="Most urgent priority that stands; null: none.")
    first_out: str | None = Field(
        description="First alarm of the newest disturbance that nobody has acknowledged; null: none."
    )
    ids: tuple[str, ...] = Field(description="Names of all in the list: each has a topic `alarm/<id>`.")
