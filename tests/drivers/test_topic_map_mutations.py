"""Shipped topic maps with one line spoiled: refused with file, place and reason, or harmless down to the messages."""

import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.device.values import Bad
from drivers.mqtt.messages import Message, MessageDecoder
from drivers.mqtt.publications import CommandEncoder
from drivers.mqtt.topicmapfile import SHIPPED, read_topic_map, topic_map_names
from drivers.mqtt.topics import TopicMap
from tests.drivers.test_map_mutations import N_MUTATIONS, mutated, taken_or_told

ADDED = (
    *("scale = 0", "scale = -1", "offset = 1e308", 'sign = "out_of_bus"', "valid = [1, 0]", "invalid = [-1]"),
    *('type = "flag"', 'type = "names"', 'type = "number_text"', 'enum = { 1 = "true" }', "enum = {}", 'at = "a.0"'),
    *("max_age_s = 1.0", "stale_after_s = 1.0", "max_step_per_s = 1", 'fills = "remote"', "optional = true"),
    *("partial = true", 'stamp = "time"', "max_bytes = 16", 'payload = "{value}"', "resolution = 1e6", "qos = 2"),
    *('topic = "{device}/#"', 'readback = "power_kw"', "limits = [0, 0]", 'misses = "requests"', "x = 1"),
)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
NAMES = {"device": "d", "portal": "p", "instance": "i"}


@pytest.mark.parametrize("name", topic_map_names(()))
@settings(max_examples=N_MUTATIONS, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_topic_map_with_a_spoiled_line_is_refused_with_place_and_reason_or_can_be_used(
    name: str, data: st.DataObject
) -> None:
    text = mutated((SHIPPED / f"{name}.toml").read_text(encoding="utf-8"), data, added=ADDED)
    taken = taken_or_told(text, name, read_topic_map)
    if taken is not None:
        use(taken, data)


def use(topic_map: TopicMap, data: st.DataObject) -> None:
    """Decode and encode by a map that was taken; no value leaves its range."""
    name = "/".join(NAMES.get(part, part) for part in topic_map.name_parts)
    decoder = MessageDecoder(topic_map, name)
    raw: object = data.draw(st.sampled_from([0, 1, -1, 1e19, "1", "on", True, None, ["x"], {}]), label="raw")
    for topic in decoder.topics:
        for payload in (json.dumps(raw), json.dumps(document(topic_map, raw)), str(raw)):
            heard = decoder.decode(
                Message(topic=topic, payload=payload.encode(), retained=False, at_s=0.0, utc=NOW),
            )
            for point_name, value in heard.values.items():
                point = topic_map.points[point_name]
                assert value is not None or point.optional or heard.bad[point_name]
                if isinstance(value, float):
                    low, high = point.valid or (-math.inf, math.inf)
                    assert low <= value <= high
    for command in topic_map.commands.values():
        for limit in command.limits:
            setpoint = CommandEncoder(topic_map, command, name).encode(limit)
            assert isinstance(setpoint, Bad) or math.isfinite(setpoint.raw)


def document(topic_map: TopicMap, raw: object) -> dict[str, object]:
    """Return an object that holds a value at every place that the map reads, with a fresh stamp."""
    whole: dict[str, object] = {}
    for point in topic_map.points.values():
        inner = whole
        for part in point.source.at[:-1]:
            given = inner.setdefault(part, {})
            inner = given if isinstance(given, dict) else {}
        if point.source.at:
            inner[point.source.at[-1]] = raw
    if topic_map.stamp is not None:
        whole[topic_map.stamp.at[0]] = NOW.isoformat()
    return whole
