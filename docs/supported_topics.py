"""The part of docs/supported-devices.md about MQTT devices: what each shipped topic map reads and publishes."""

from collections.abc import Iterator
from typing import Final

from docs.map_tables import meaning, scaling, section_head
from drivers.mqtt.topicmaplint import placed
from drivers.mqtt.topics import PayloadType, Scaling, Template, TopicMap, TopicPoint

_KINDS: Final = {PayloadType.NUMBER_TEXT: "number as text"}


def topic_section(topic_map: TopicMap, description: str, fallback: list[str]) -> Iterator[str]:
    """Yield the lines about one map; `description` begins its file, `fallback` says what the device does alone."""
    yield from section_head(topic_map.id, description, topic_map.source)
    yield f"Name in devices.toml: `{'/'.join(topic_map.name_parts)}`. {_stamp(topic_map)}{_availability(topic_map)}"
    yield ""
    yield from _reads(topic_map)
    if topic_map.commands or topic_map.heartbeat or topic_map.keepalive:
        yield ""
        yield from _publishes(topic_map)
    if fallback:
        yield ""
        yield from fallback


def _stamp(topic_map: TopicMap) -> str:
    if topic_map.stamp is None:
        return "Its messages carry no time that counts."
    stamp = topic_map.stamp
    return f"Time of its values: `{'.'.join(stamp.at)}` ({stamp.format}), refused beyond {stamp.most_off_s:g} s."


def _availability(topic_map: TopicMap) -> str:
    known = topic_map.availability
    return "" if known is None else f" Availability: `{placed(known.source)}` is `{known.online}` or `{known.offline}`."


def _reads(topic_map: TopicMap) -> Iterator[str]:
    yield "| topic | place | type | value | scale, offset, sign | unknown after |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for text in topic_map.identity.values():
        yield f"| `{text.source.topic}` | {_at(text)} | text | {text.name} | | never, also retained |"
    for point in topic_map.points.values():
        age = "" if point.max_age_s is None else f"{point.max_age_s:g} s"
        yield (
            f"| `{point.source.topic}` | {_at(point)} | {_KINDS.get(point.type, point.type)} | "
            f"{meaning(point.field, point.labels)} | {_scaling(point.scaling)} | {age} |"
        )


def _publishes(topic_map: TopicMap) -> Iterator[str]:
    yield "| topic | payload | what | scale, sign | limits | QoS | read back in |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for command in topic_map.commands.values():
        low, high = command.limits
        yield (
            f"| `{command.topic}` | {_payload(command.payload)} | {command.name} | {_scaling(command.scaling)} | "
            f"{low:g} to {high:g} | {command.qos} | {command.readback} |"
        )
    if (heartbeat := topic_map.heartbeat) is not None:
        yield f"| `{heartbeat.topic}` | {_payload(heartbeat.payload)} | heartbeat | | | {heartbeat.qos} | |"
    if (watchdog := topic_map.watchdog) is not None:
        yield f"| `{watchdog.topic}` | {_payload(watchdog.payload)} | watchdog time, s | | | {watchdog.qos} | |"
    if (keepalive := topic_map.keepalive) is not None:
        what = f"keep-alive, every {keepalive.every_s:g} s"
        yield f"| `{keepalive.topic}` | {_payload(keepalive.payload)} | {what} | | | 0 | |"


def _at(point: TopicPoint) -> str:
    return f"`{'.'.join(point.source.at)}`" if point.source.at else "the payload"


def _scaling(each: Scaling) -> str:
    return scaling(scale=each.scale, offset=each.offset, sign=each.sign)


def _payload(template: Template) -> str:
    """Return a payload as it looks in the file of a map."""
    if isinstance(template, str):
        return f"`{template}`" if template else "empty"
    return f"`{_json(template)}`"


def _json(template: Template) -> str:
    match template:
        case str() if template.startswith("{"):
            return template
        case str() | int() | float():
            return f'"{template}"' if isinstance(template, str) else str(template)
        case tuple():
            return f"[{', '.join(_json(each) for each in template)}]"
        case _:
            return "{" + ", ".join(f'"{key}": {_json(each)}' for key, each in template.items()) + "}"
