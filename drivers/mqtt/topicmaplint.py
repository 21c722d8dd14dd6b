"""Finds what a topic map contradicts: unknown parts in topics, fields of another class, missing read-backs.

The form of each key is checked before, in `topicmapschema`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from drivers.device.fallback import LifeSign
from drivers.device.fallbacklint import commanded_findings, fallback_findings
from drivers.device.identitylint import expected_findings, name_findings
from drivers.device.mapfiles import found
from drivers.device.needs import Finding, Offer, capability_findings
from drivers.mqtt.topiccommandlint import command_findings, life_findings
from drivers.mqtt.topicpointlint import point_findings
from drivers.mqtt.topics import Source, TopicMap
from ems.errors import ConfigProblem

_PART: Final = re.compile(r"\{([^{}]*)\}")


def find_contradictions(topic_map: TopicMap, file: Path) -> Iterator[ConfigProblem]:
    """Yield everything in a map that cannot be right."""
    for finding in (
        *name_findings(topic_map.id, file),
        *_parts(topic_map),
        *_topics(topic_map),
        *point_findings(topic_map),
        *expected_findings(topic_map.expected),
        *_availability(topic_map),
        *command_findings(topic_map),
        *life_findings(topic_map),
        *commanded_findings(topic_map.fallback, is_commanded=bool(topic_map.commands)),
        *_fallback(topic_map),
        *capability_findings(_offer(topic_map)),
    ):
        yield found(file, *finding)


def _offer(topic_map: TopicMap) -> Offer:
    return Offer(
        capabilities=topic_map.capabilities,
        fields=frozenset(point.field for point in topic_map.points.values()),
        commands=frozenset(topic_map.commands),
        has_heartbeat=topic_map.heartbeat is not None,
        fallback=topic_map.fallback,
    )


def _parts(topic_map: TopicMap) -> Iterator[Finding]:
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


def _availability(topic_map: TopicMap) -> Iterator[Finding]:
    availability = topic_map.availability
    if availability is not None and availability.online == availability.offline:
        yield "availability.offline", "it is the word for online", "another word"


def _fallback(topic_map: TopicMap) -> Iterator[Finding]:
    rule = topic_map.fallback
    if rule is None:
        return
    if rule.misses is LifeSign.REQUESTS:
        yield "fallback.misses", "nothing is requested over MQTT", "heartbeat, setpoints or nothing"
    yield from fallback_findings(
        rule, has_heartbeat=topic_map.heartbeat is not None, has_watchdog=topic_map.watchdog is not None
    )


def placed(source: Source) -> str:
    """Return a source as text: the topic, and the place within its payload."""
    return f"{source.topic} {'.'.join(source.at)}" if source.at else source.topic
