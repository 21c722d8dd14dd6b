"""Recorded messages of devices behind a broker, in a file of one JSON object a line.

The first line says what the file is: `format`, `version`, `recorded` (UTC), `endpoint`, and for each device its topic
map and its name in the topics. Every further line is one message: `t_s` since the recording began, `topic`,
`retained`, and `text` or, for what is no UTF-8, `base64`.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from drivers.device.tracefile import TraceFormat, refused
from drivers.mqtt.listeners import Job
from drivers.mqtt.messages import Message, Refused

FORMAT: Final = TraceFormat("ems-mqtt-trace", 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedMessage:
    """One message and when it came."""

    t_s: float
    topic: str
    retained: bool
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDevice:
    """Which device it was: its topic map, and what it is called in its topics."""

    map: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageTrace:
    """Everything that the devices behind a broker sent while it was recorded; `devices` by id."""

    recorded: datetime
    endpoint: str
    devices: Mapping[str, RecordedDevice]
    messages: tuple[RecordedMessage, ...]

    def text(self) -> str:
        """Return the file's text."""
        head = {
            "recorded": self.recorded.isoformat(timespec="milliseconds"),
            "endpoint": self.endpoint,
            "devices": {name: {"map": each.map, "name": each.name} for name, each in self.devices.items()},
        }
        return FORMAT.text(head, map(_line, self.messages))

    def arrivals(self, *, origin_s: float) -> Iterator[Message]:
        """Yield the messages as they arrived, on a clock that showed `origin_s` when the recording began."""
        for each in self.messages:
            yield Message(
                topic=each.topic,
                payload=each.payload,
                retained=each.retained,
                at_s=origin_s + each.t_s,
                utc=self.recorded + timedelta(seconds=each.t_s),
            )


class MessageRecorder:
    """Listens to the topics of some devices beside these, and keeps what comes."""

    device_id = "recorder"
    qos = 0

    def __init__(self, topics: Iterable[str], *, began_s: float) -> None:
        self.topics: Sequence[str] = tuple(dict.fromkeys(topics))
        self.jobs: Sequence[Job] = ()
        self._began_s = began_s
        self._messages: list[RecordedMessage] = []

    @property
    def messages(self) -> tuple[RecordedMessage, ...]:
        """Return what was heard, in its order."""
        return tuple(self._messages)

    def heard(self, message: Message) -> Refused | None:
        """Keep a message, whatever it holds."""
        self._messages.append(
            RecordedMessage(
                t_s=round(message.at_s - self._began_s, 3),
                topic=message.topic,
                retained=message.retained,
                payload=message.payload,
            )
        )
        return None

    def connected(self, now_s: float) -> None:
        """Go on as before."""

    def unheard(self, topic: str) -> None:
        """Go on as before: the device says it."""

    def lost(self, reason: str, now_s: float) -> None:
        """Go on as before: what comes later belongs to the recording, too."""


def load_message_trace(file: Path) -> MessageTrace:
    """Return a recorded file.

    Raises:
        ConfigError: It cannot be read, or is no trace of this version; names the line.
    """
    head, lines = FORMAT.read(file)
    try:
        recorded = datetime.fromisoformat(str(head["recorded"]))
        devices = {
            str(name): RecordedDevice(map=str(each["map"]), name=str(each["name"]))
            for name, each in dict(head["devices"]).items()
        }
    except (KeyError, TypeError, ValueError) as error:
        raise refused(file, 1, f"the first line does not say what was recorded: {error}") from error
    if recorded.tzinfo is None:
        raise refused(file, 1, "'recorded' has no time zone")
    messages = tuple(_message(file, number, facts) for number, facts in lines)
    return MessageTrace(recorded=recorded, endpoint=str(head.get("endpoint", "")), devices=devices, messages=messages)


def _line(message: RecordedMessage) -> dict[str, object]:
    facts: dict[str, object] = {"t_s": message.t_s, "topic": message.topic, "retained": message.retained}
    try:
        return {**facts, "text": message.payload.decode()}
    except UnicodeDecodeError:
        return {**facts, "base64": base64.b64encode(message.payload).decode()}


def _message(file: Path, line: int, facts: Mapping[str, Any]) -> RecordedMessage:
    t_s, topic, retained = facts.get("t_s"), facts.get("topic"), facts.get("retained")
    if isinstance(t_s, bool) or not isinstance(t_s, int | float) or not t_s >= 0.0:
        raise refused(file, line, "'t_s' is no time in seconds")
    if not isinstance(topic, str) or not isinstance(retained, bool):
        raise refused(file, line, "a message has a topic, and 'retained' as true or false")
    if ("text" in facts) is ("base64" in facts):
        raise refused(file, line, "a message has one of text, base64")
    try:
        payload = base64.b64decode(facts["base64"], validate=True) if "base64" in facts else str(facts["text"]).encode()
    except (binascii.Error, TypeError, ValueError) as error:
        raise refused(file, line, f"'base64' is none: {error}") from error
    return RecordedMessage(t_s=float(t_s), topic=topic, retained=retained, payload=payload)
