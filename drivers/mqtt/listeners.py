"""What a link to a broker serves: devices that listen, and the jobs that they want published."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from drivers.device.jobs import Acknowledged, Result, Urgency
from drivers.mqtt.messages import Message, Refused
from drivers.mqtt.publications import Publication


@dataclass(frozen=True, slots=True)
class Confirmed(Acknowledged):
    """The broker has taken a publication; whether the device does is seen in its messages."""

    at_s: float


class Job(Protocol):
    """Something that a device wants published again and again; as for register links, but with publications."""

    urgency: Urgency
    due_s: float
    patience_s: float

    def request(self, now_s: float) -> Publication | None:
        """Return what to publish now; None, with `due_s` moved on, if it is no longer wanted."""

    def done(self, answer: Result) -> None:
        """Take what came of it and move `due_s` on."""


class Listener(Protocol):
    """One device behind a broker."""

    @property
    def device_id(self) -> str:
        """Return the name of the device."""

    @property
    def topics(self) -> Sequence[str]:
        """Return the topics that it publishes to."""

    @property
    def qos(self) -> int:
        """Return the quality of service with which they are subscribed."""

    @property
    def jobs(self) -> Sequence[Job]:
        """Return all jobs of the device."""

    def connected(self, now_s: float) -> None:
        """Start afresh on a new connection: hear first, then command."""

    def heard(self, message: Message) -> Refused | None:
        """Take a message; return the kind of fault if it gives no values."""

    def unheard(self, topic: str) -> None:
        """Take note that the broker does not hand over the messages of a topic."""

    def lost(self, reason: str, now_s: float) -> None:
        """Give up everything under way: there is no connection."""
