"""What one message tells of a device. Pure: topic, payload and time in, values with their time and reasons out.

A retained message, one that is old by its own time stamp, one that is too long or malformed gives no values at all;
a single value that cannot be understood is unknown with its reason.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from drivers.device.fields import FieldKind, reading_fields
from drivers.device.values import Bad, Value
from drivers.mqtt.payloads import Json, RawDecoder, found_at, parse_json, plain_text, raw_decoder, unix_s
from drivers.mqtt.topics import Availability, JsonPath, Source, Stamp, TopicMap, TopicPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as it arrived; `at_s` is the arrival by the monotonic clock, `utc` by the wall clock."""

    topic: str
    payload: bytes
    retained: bool
    at_s: float
    utc: datetime


class Refused(StrEnum):
    """Why a message gives no values: what is counted."""

    UNEXPECTED = "unexpected"
    TOO_LONG = "too_long"
    MALFORMED = "malformed"
    RETAINED = "retained"
    OLD = "old"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The kind for the counters, and the reason for people."""

    kind: Refused
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one message tells: points by name, texts of the identity, and whether the device is there.

    `at_s` is the time of the values: that of the arrival, or earlier where the device's own stamp says so; it may lie
    before that of a message which arrived before. `refusal` says why there are no points where there should be.
    """

    at_s: float
    values: Mapping[str, Value | None] = field(default_factory=dict)
    bad: Mapping[str, str] = field(default_factory=dict)
    identity: Mapping[str, str] = field(default_factory=dict)
    online: bool | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class _Reader:
    """One point of a topic and what reads it."""

    name: str
    at: JsonPath
    decode: RawDecoder


@dataclass(slots=True)
class _Topic:
    """What is read from the messages of one topic."""

    points: list[_Reader] = field(default_factory=list)
    texts: list[_Reader] = field(default_factory=list)
    availability: Availability | None = None

    @property
    def has_json(self) -> bool:
        places = [*(reader.at for reader in (*self.points, *self.texts))]
        return any(places) or (self.availability is not None and bool(self.availability.source.at))


class MessageDecoder:
    """Reads the messages of one device by its map.

    `name` is the device's own name as devices.toml gives it; `name_fault` tells whether it fits the map.
    """

    def __init__(self, topic_map: TopicMap, name: str) -> None:
        self._map = topic_map
        self._topics: dict[str, _Topic] = {}
        fields = reading_fields(topic_map.device_class)
        integers = {known for known, kind in fields.items() if kind.kind is FieldKind.INTEGER}
        parts = name_of(topic_map, name)
        for point in topic_map.points.values():
            reader = _reader(point, integral=point.field in integers)
            self._topic(point.source, parts).points.append(reader)
        for text in topic_map.identity.values():
            self._topic(text.source, parts).texts.append(_reader(text, integral=False))
        if topic_map.availability is not None:
            self._topic(topic_map.availability.source, parts).availability = topic_map.availability

    @property
    def topics(self) -> tuple[str, ...]:
        """Return the topics to subscribe."""
        return tuple(self._topics)

    def decode(self, message: Message) -> Heard:
        """Return what a message tells; it never raises, whatever the payload holds."""
        topic = self._topics.get(message.topic)
        if topic is None:
            return _refused(message, Refused.UNEXPECTED, f"nothing is expected on {message.topic}")
        if len(message.payload) > self._map.max_bytes:
            reason = f"{len(message.payload)} bytes, more than {self._map.max_bytes}"
            return _refused(message, Refused.TOO_LONG, reason)
        if topic.has_json and not message.payload and not message.retained:
            # so says a Victron GX that a device has gone; a broker that a retained message was cleared
            names = [reader.name for reader in topic.points]
            gone = dict.fromkeys(names, "not available (empty payload)")
            return Heard(at_s=message.at_s, values=dict.fromkeys(names), bad=gone)
        document = parse_json(message.payload) if topic.has_json else None
        if isinstance(document, Bad):
            return _refused(message, Refused.MALFORMED, document.reason)
        text = plain_text(message.payload)
        identity, online = _identity(topic, document, text), _online(topic, document, text)
        if not topic.points:
            return Heard(at_s=message.at_s, identity=identity, online=online)
        age_s = _age_s(message, document, self._map.stamp if topic.has_json else None)
        if isinstance(age_s, Refusal):
            return Heard(at_s=message.at_s, identity=identity, online=online, refusal=age_s)
        values, bad = self._points(topic, document, text)
        return Heard(at_s=message.at_s - age_s, values=values, bad=bad, identity=identity, online=online)

    def _points(
        self, topic: _Topic, document: Json, text: str | Bad
    ) -> tuple[Mapping[str, Value | None], Mapping[str, str]]:
        values: dict[str, Value | None] = {}
        bad: dict[str, str] = {}
        for reader in topic.points:
            raw = _raw(reader.at, document, text)
            is_left_out = isinstance(raw, Bad) and bool(reader.at)
            if is_left_out and self._map.partial:
                # it is as it was
                continue
            if is_left_out and self._map.points[reader.name].optional:
                values[reader.name] = None
                continue
            value = raw if isinstance(raw, Bad) else reader.decode(raw)
            if isinstance(value, Bad):
                values[reader.name], bad[reader.name] = None, value.reason
            else:
                values[reader.name] = value
        return values, bad

    def _topic(self, source: Source, parts: Mapping[str, str]) -> _Topic:
        return self._topics.setdefault(source.topic.format_map(parts), _Topic())


def name_of(topic_map: TopicMap, name: str) -> Mapping[str, str]:
    """Return the parts of a device's name by the names that topics hold in braces.

    A map with one part takes the whole name. A name with too few parts fills the last ones with nothing: ask
    `name_fault` first.
    """
    pieces = name.split("/", len(topic_map.name_parts) - 1)
    pieces += [""] * (len(topic_map.name_parts) - len(pieces))
    return dict(zip(topic_map.name_parts, pieces, strict=True))


def name_fault(topic_map: TopicMap, name: str) -> str | None:
    """Return why a device of this map cannot be called so."""
    parts = name.split("/")
    if len(parts) < len(topic_map.name_parts) or not all(parts):
        wanted = "/".join(topic_map.name_parts)
        return f"'{name}' does not have the parts {wanted}"
    if any(sign in name for sign in "+#\0"):
        return f"'{name}' holds a sign that topics cannot have"
    return None


def _reader(point: TopicPoint, *, integral: bool) -> _Reader:
    return _Reader(name=point.name, at=point.source.at, decode=raw_decoder(point, integral=integral))


def _refused(message: Message, kind: Refused, reason: str) -> Heard:
    return Heard(at_s=message.at_s, refusal=Refusal(kind=kind, reason=reason))


def _raw(at: JsonPath, document: Json, text: str | Bad) -> Json | Bad:
    return found_at(document, at) if at else text


def _identity(topic: _Topic, document: Json, text: str | Bad) -> Mapping[str, str]:
    return dict(_texts(topic, document, text)) if topic.texts else {}


def _texts(topic: _Topic, document: Json, text: str | Bad) -> Iterator[tuple[str, str]]:
    for reader in topic.texts:
        raw = _raw(reader.at, document, text)
        # a serial number may be a number
        shown = str(raw) if isinstance(raw, int) and not isinstance(raw, bool) else raw
        value = shown if isinstance(shown, Bad) else reader.decode(shown)
        if isinstance(value, str):
            yield reader.name, value


def _online(topic: _Topic, document: Json, text: str | Bad) -> bool | None:
    availability = topic.availability
    if availability is None:
        return None
    raw = _raw(availability.source.at, document, text)
    word = str(raw).lower() if isinstance(raw, bool) else raw
    return {availability.online: True, availability.offline: False}.get(word) if isinstance(word, str) else None


def _age_s(message: Message, document: Json, stamp: Stamp | None) -> float | Refusal:
    """Return how old the values of a message were when it arrived, or why they are not taken."""
    if message.retained:
        return Refusal(kind=Refused.RETAINED, reason="retained by the broker, of unknown age")
    if stamp is None:
        return 0.0
    raw = found_at(document, stamp.at)
    written_s = raw if isinstance(raw, Bad) else unix_s(raw, stamp.format)
    if isinstance(written_s, Bad):
        return Refusal(kind=Refused.MALFORMED, reason=written_s.reason)
    age_s = message.utc.timestamp() - written_s
    if age_s > stamp.most_off_s:
        return Refusal(kind=Refused.OLD, reason=f"{age_s:.1f} s old by its own time (or its clock is slow)")
    if age_s < -stamp.most_off_s:
        return Refusal(kind=Refused.OLD, reason=f"its own time is {-age_s:.1f} s ahead of ours")
    return max(0.0, age_s)
