"""Finds what a topic map contradicts: unknown parts in topics, fields of another class, missing read-backs.

The form of each key is checked before, in `topicmapschema`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from drivers.device.fallback import Arming, LifeSign
from drivers.device.fields import FieldKind, ReadingField, reading_fields
from drivers.device.needs import Finding, Offer, capability_findings
from drivers.mqtt.topics import PayloadType, Place, Source, Template, TopicCommand, TopicMap, TopicPoint
from ems.errors import ConfigProblem

_PART: Final = re.compile(r"\{([^{}]*)\}")
_PLACES: Final = frozenset(Place)
_NUMBERS: Final = frozenset({PayloadType.NUMBER, PayloadType.NUMBER_TEXT})
_FLAG_LABELS: Final = frozenset({"true", "false"})
_LEAST_SCALE: Final = 1e-12
_OF_COMMANDS: Final = _PLACES - {Place.COUNT}
_OF_HEARTBEATS: Final = frozenset({Place.COUNT})
_OF_WATCHDOGS: Final = frozenset({Place.WATCHDOG_S})


def find_contradictions(topic_map: TopicMap, file: Path) -> Iterator[ConfigProblem]:
    """Yield everything in a map that cannot be right."""
    for key, message, allowed in (
        *_name(topic_map, file),
        *_topics(topic_map),
        *_points(topic_map),
        *_identity(topic_map),
        *_stamp(topic_map),
        *_availability(topic_map),
        *_commands(topic_map),
        *_heartbeat(topic_map),
        *_fallback(topic_map),
        *capability_findings(_offer(topic_map)),
    ):
        yield ConfigProblem(file=str(file), key=key, message=message, allowed=allowed)


def _offer(topic_map: TopicMap) -> Offer:
    return Offer(
        capabilities=topic_map.capabilities,
        fields=frozenset(point.field for point in topic_map.points.values()),
        commands=frozenset(topic_map.commands),
        has_heartbeat=topic_map.heartbeat is not None,
        fallback=topic_map.fallback,
    )


def _name(topic_map: TopicMap, file: Path) -> Iterator[Finding]:
    if topic_map.id != file.stem:
        yield "device.id", f"the file is called '{file.name}'", f"'{file.stem}'"
    if len(set(topic_map.name_parts)) < len(topic_map.name_parts):
        yield "messages.name_parts", "two parts have the same name", None


def _topics(topic_map: TopicMap) -> Iterator[Finding]:
    known = frozenset(topic_map.name_parts)
    allowed = ", ".join(f"{{{part}}}" for part in topic_map.name_parts)
    listened, published = dict(_listened(topic_map)), dict(_published(topic_map))
    for key, topic in (*listened.items(), *published.items()):
        parts = _PART.findall(topic)
        if unknown := [part for part in parts if part not in known]:
            yield f"{key}.topic", f"the name has no part '{unknown[0]}'", allowed
        elif "{" in _PART.sub("", topic) or "}" in _PART.sub("", topic):
            yield f"{key}.topic", "a brace stands alone", allowed
        elif not parts:
            yield f"{key}.topic", "every device would have the same topic", f"a topic with {allowed}"
        elif topic.startswith("$"):
            yield f"{key}.topic", "topics that begin with $ are the broker's own", None
    for key, topic in published.items():
        if (heard := next((other for other, of_other in listened.items() if of_other == topic), None)) is not None:
            yield f"{key}.topic", f"the device's own messages come on it ({heard})", "a topic of its own"


def _listened(topic_map: TopicMap) -> Iterator[tuple[str, str]]:
    """Yield the topics that are subscribed, by their table."""
    yield from ((f"points.{name}", point.source.topic) for name, point in topic_map.points.items())
    yield from ((f"identity.{name}", text.source.topic) for name, text in topic_map.identity.items())
    if topic_map.availability is not None:
        yield "availability", topic_map.availability.source.topic


def _published(topic_map: TopicMap) -> Iterator[tuple[str, str]]:
    """Yield the topics that we publish to, by their table."""
    yield from ((f"commands.{name}", command.topic) for name, command in topic_map.commands.items())
    if topic_map.heartbeat is not None:
        yield "heartbeat", topic_map.heartbeat.topic
    if topic_map.watchdog is not None:
        yield "watchdog", topic_map.watchdog.topic
    if topic_map.keepalive is not None:
        yield "keepalive", topic_map.keepalive.topic


def _points(topic_map: TopicMap) -> Iterator[Finding]:
    fields = reading_fields(topic_map.device_class)
    readbacks = {command.readback for command in topic_map.commands.values()}
    known = ", ".join(sorted(fields))
    for name, point in topic_map.points.items():
        key = f"points.{name}"
        yield from _form(point, key)
        if (point.stale_after_s is not None or name in {"remote", *readbacks}) and point.max_age_s is not None:
            yield f"{key}.max_age_s", "this value must not be older than the others", "no max_age_s"
        if point.field in fields:
            yield from _fit(point, fields[point.field], key)
        elif point.fills is not None:
            yield f"{key}.fills", f"a {topic_map.device_class} has no such value", known
        elif not (name in readbacks or point.stale_after_s is not None):
            message = f"a {topic_map.device_class} has no such value"
            yield key, message, f"{known}, the read-back of a command, or a life counter with stale_after_s"
    if topic_map.points and all(point.max_age_s is not None for point in topic_map.points.values()):
        yield "points", "no value makes a reading", "at least one point without max_age_s"


def _form(point: TopicPoint, key: str) -> Iterator[Finding]:
    is_number = point.type in _NUMBERS
    if abs(point.scaling.scale) < _LEAST_SCALE:
        yield f"{key}.scale", "every value would be the same", "any number but 0, at least 1e-12 in size"
    if point.valid is not None and point.valid[0] >= point.valid[1]:
        yield f"{key}.valid", "the first number is the lower one", None
    if not is_number and (point.valid is not None or point.max_step_per_s is not None or _scales(point)):
        yield f"{key}.type", f"a {point.type} is not scaled and has no range", ", ".join(sorted(_NUMBERS))
    if point.labels is not None and point.type is PayloadType.NAMES:
        yield f"{key}.enum", "names stand for themselves", "no enum"
    if point.labels is not None and (point.valid is not None or point.stale_after_s is not None or _scales(point)):
        yield f"{key}.enum", "a code is no number", "no scale, offset, sign, valid or stale_after_s"
    if point.type is PayloadType.NAMES and not point.source.at:
        yield f"{key}.at", "names come in a JSON array", "the place of the array"
    if point.type is PayloadType.NUMBER_TEXT and not point.source.at:
        yield f"{key}.type", "a plain payload is a text in any case", "number"


def _scales(point: TopicPoint) -> bool:
    return (point.scaling.scale, point.scaling.offset, point.scaling.sign) != (1, 0, 1)


def _fit(point: TopicPoint, field: ReadingField, key: str) -> Iterator[Finding]:
    """Compare a point with the field of the reading that it fills."""
    labels = frozenset(point.labels.values()) if point.labels is not None else None
    match field.kind:
        case FieldKind.FLAG:
            shown = _FLAG_LABELS if labels is None and point.type is PayloadType.FLAG else labels
            if shown is None or not shown <= _FLAG_LABELS:
                yield key, "this value is true or false", 'type = "flag", or enum with "true" and "false"'
        case FieldKind.LABEL:
            known = frozenset(field.labels or ())
            if labels is None or not labels <= known:
                yield f"{key}.enum", "this value is one of a list of names", ", ".join(sorted(known))
        case FieldKind.INTEGER | FieldKind.NUMBER:
            if labels is not None or point.type not in _NUMBERS:
                yield key, "this value is a number", "type number or number_text without enum"
        case FieldKind.TEXT:
            if point.type is not PayloadType.TEXT and labels is None:
                yield key, "this value is a text", 'type = "text", or enum'
        case FieldKind.NAMES:
            if point.type is not PayloadType.NAMES:
                yield key, "this value is a list of names", 'type = "names"'


def _identity(topic_map: TopicMap) -> Iterator[Finding]:
    for name, expected in topic_map.expected.items():
        try:
            re.compile(expected)
        except re.error as error:
            yield f"identity.{name}.expect", f"no regular expression: {error}", "a text or a regular expression"


def _stamp(topic_map: TopicMap) -> Iterator[Finding]:
    if topic_map.stamp is not None and not any(point.source.at for point in topic_map.points.values()):
        yield "messages.stamp", "no point comes in a JSON payload that could hold it", "no stamp"


def _availability(topic_map: TopicMap) -> Iterator[Finding]:
    availability = topic_map.availability
    if availability is not None and availability.online == availability.offline:
        yield "availability.offline", "it is the word for online", "another word"


def _commands(topic_map: TopicMap) -> Iterator[Finding]:
    for name, command in topic_map.commands.items():
        key = f"commands.{name}"
        yield from _readback(topic_map, command, f"{key}.readback")
        yield from _payload(command.payload, f"{key}.payload", needed=Place.VALUE, known=_OF_COMMANDS)
        if command.limits[0] >= command.limits[1]:
            yield f"{key}.limits", "the first number is the lower one", None
        if abs(command.scaling.scale) < _LEAST_SCALE:
            yield f"{key}.scale", "every value would be written alike", "any number but 0, at least 1e-12 in size"
    if topic_map.commands and topic_map.fallback is None:
        yield "fallback", "a device that is commanded must state what it does without a controller", "[fallback] text"


def _readback(topic_map: TopicMap, command: TopicCommand, key: str) -> Iterator[Finding]:
    point = topic_map.points.get(command.readback)
    if point is None:
        yield key, f"there is no point '{command.readback}'", ", ".join(sorted(topic_map.points))
    elif point.type not in _NUMBERS or point.labels is not None:
        yield key, f"'{point.name}' is no number that a setpoint could be compared with", "a number"


def _heartbeat(topic_map: TopicMap) -> Iterator[Finding]:
    if topic_map.heartbeat is not None:
        yield from _payload(topic_map.heartbeat.payload, "heartbeat.payload", needed=None, known=_OF_HEARTBEATS)
    if (watchdog := topic_map.watchdog) is not None:
        yield from _payload(watchdog.payload, "watchdog.payload", needed=Place.WATCHDOG_S, known=_OF_WATCHDOGS)


def _payload(payload: Template, key: str, *, needed: Place | None, known: frozenset[Place]) -> Iterator[Finding]:
    allowed = ", ".join(f"{{{place}}}" for place in sorted(known))
    texts = list(_texts(payload))
    places = [place for text in texts for place in _PART.findall(text)]
    if unknown := [place for place in places if place not in known]:
        yield key, f"nothing is put in the place of '{{{unknown[0]}}}'", allowed
    elif torn := [text for text in texts if _PART.search(text) and not _PART.fullmatch(text)]:
        yield key, f"'{torn[0]}' holds more than one of {allowed}", "a text of its own for each"
    elif needed is not None and places.count(needed) != 1:
        yield key, f"{{{needed}}} stands in it {places.count(needed)} times", f"{{{needed}}} once"


def _texts(payload: Template) -> Iterator[str]:
    """Yield every text of a payload template, however deep."""
    match payload:
        case str():
            yield payload
        case int() | float():
            return
        case tuple():
            for each in payload:
                yield from _texts(each)
        case _:
            for each in payload.values():
                yield from _texts(each)


def _fallback(topic_map: TopicMap) -> Iterator[Finding]:
    rule = topic_map.fallback
    if rule is None:
        return
    if rule.misses is LifeSign.REQUESTS:
        yield "fallback.misses", "nothing is requested over MQTT", "heartbeat, setpoints or nothing"
    if rule.misses is LifeSign.HEARTBEAT and topic_map.heartbeat is None:
        yield "fallback.misses", "the map has no heartbeat", "[heartbeat], or setpoints"
    if rule.armed_by is Arming.WATCHDOG and topic_map.watchdog is None:
        yield "fallback.armed_by", "the map has no watchdog time", "[watchdog], or setting or always"
    if rule.misses is LifeSign.NOTHING and (topic_map.watchdog is not None or rule.after_s is not None):
        yield "fallback.misses", "a device that misses nothing acts after no time", "no [watchdog] and no after_s"
    if rule.armed_by is Arming.WATCHDOG and rule.after_s is not None:
        yield "fallback.after_s", "the watchdog time of the site says when it acts", "no after_s"


def placed(source: Source) -> str:
    """Return a source as text: the topic, and the place within its payload."""
    return f"{source.topic} {'.'.join(source.at)}" if source.at else source.topic
