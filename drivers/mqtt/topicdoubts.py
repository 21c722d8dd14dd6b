"""What is odd in a topic map that is right in form: see `drivers.device.doubts`."""

from collections.abc import Iterator

from drivers.device.doubts import MEASURED, Number, Texts, command_doubts, step_doubts
from drivers.device.needs import Finding
from drivers.mqtt.topicmaplint import placed
from drivers.mqtt.topics import TopicMap, TopicPoint


def topic_doubts(topic_map: TopicMap) -> Iterator[Finding]:
    """Yield what a person should look at again."""
    for name, command in topic_map.commands.items():
        scaling = command.scaling
        shown, measured = topic_map.points.get(command.readback), topic_map.points.get(MEASURED.get(name, ""))
        # numbers of a payload have no counts of their own: the unit is what the scale makes of 1
        asked = Number(key=f"commands.{name}", name=name, sign=scaling.sign, step=abs(scaling.scale))
        yield from command_doubts(
            asked, None if shown is None else _shown(shown), None if measured is None else _shown(measured)
        )
    for point in topic_map.points.values():
        # nothing says how fine the numbers of a payload are
        yield from step_doubts(_shown(point), is_fast=False)


def texts_of(topic_map: TopicMap) -> Texts:
    """Return by which texts a map knows its device."""
    return Texts(
        map_id=topic_map.id,
        device_class=topic_map.device_class,
        places={name: placed(text.source) for name, text in topic_map.identity.items()},
        expected=topic_map.expected,
    )


def _shown(point: TopicPoint) -> Number:
    return Number(
        key=f"points.{point.name}",
        name=point.name,
        sign=point.scaling.sign,
        step=abs(point.scaling.scale),
        range_=point.valid,
        max_step_per_s=point.max_step_per_s,
    )
