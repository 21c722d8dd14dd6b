"""What the messages to a device contradict: commands and their read-back, limits, payloads, heartbeat, watchdog."""

import math
import re
from collections.abc import Iterator
from typing import Final

from drivers.device.fields import reading_fields
from drivers.device.needs import Finding
from drivers.device.numberlint import is_sound, order_findings, scale_findings, values_within
from drivers.device.readbacklint import Asked, Shown, readback_findings
from drivers.mqtt.topicpointlint import kind_of, range_of_numbers
from drivers.mqtt.topics import Place, Template, TopicCommand, TopicMap, TopicPoint

_PART: Final = re.compile(r"\{([^{}]*)\}")
# a bound that misses a whole count by less than this is that count
_COUNT_TOLERANCE: Final = 1e-6
_OF_COMMANDS: Final = frozenset(Place) - {Place.COUNT}
_OF_HEARTBEATS: Final = frozenset({Place.COUNT})
_OF_WATCHDOGS: Final = frozenset({Place.WATCHDOG_S})


def command_findings(topic_map: TopicMap) -> Iterator[Finding]:
    """Yield setpoints that could not be verified, limited or sent."""
    for name, command in topic_map.commands.items():
        key = f"commands.{name}"
        yield from _readback(topic_map, command, key)
        yield from _payload(command.payload, f"{key}.payload", needed=Place.VALUE, known=_OF_COMMANDS)
        yield from scale_findings(command.scaling.scale, key)
        yield from order_findings(command.limits, f"{key}.limits")
        if is_sound(command.scaling.scale, command.limits):
            yield from _limits(command, key)


def life_findings(topic_map: TopicMap) -> Iterator[Finding]:
    """Yield what is wrong with the messages that keep the device's own watchdog quiet, or set it."""
    if topic_map.heartbeat is not None:
        yield from _payload(topic_map.heartbeat.payload, "heartbeat.payload", needed=None, known=_OF_HEARTBEATS)
    if (watchdog := topic_map.watchdog) is not None:
        yield from _payload(watchdog.payload, "watchdog.payload", needed=Place.WATCHDOG_S, known=_OF_WATCHDOGS)


def _readback(topic_map: TopicMap, command: TopicCommand, key: str) -> Iterator[Finding]:
    point = topic_map.points.get(command.readback)
    if point is None:
        yield f"{key}.readback", f"there is no point '{command.readback}'", ", ".join(sorted(topic_map.points))
    else:
        yield from readback_findings(_asked(command), _shown(point), reading_fields(topic_map.device_class), key)


def _asked(command: TopicCommand) -> Asked:
    scaling = command.scaling
    return Asked(name=command.name, sign=scaling.sign, limits=command.limits, step=scaling.scale * command.resolution)


def _shown(point: TopicPoint) -> Shown:
    return Shown(
        name=point.name,
        field=point.field,
        kind=kind_of(point),
        sign=point.scaling.sign,
        valid=point.valid,
        held=range_of_numbers(point.scaling),
        step=point.scaling.scale,
        counts_life=point.stale_after_s is not None,
    )


def _limits(command: TopicCommand, key: str) -> Iterator[Finding]:
    """Yield limits beyond every number of a payload, or between which its resolution leaves nothing to choose."""
    low, high = command.limits
    held = range_of_numbers(command.scaling)
    if low < held[0] or high > held[1]:
        yield f"{key}.limits", f"{low:g} to {high:g} do not fit into a payload with its scale", values_within(held)
    elif _n_numbers(command) <= 1:
        step = command.scaling.scale * command.resolution
        message = f"no two numbers of this resolution lie within {low:g} to {high:g}"
        yield f"{key}.resolution", message, f"limits that are further apart than {step:g}, or a finer resolution"


def _n_numbers(command: TopicCommand) -> int:
    """Return how many numbers of its resolution lie within the limits of a command."""
    scaling = command.scaling
    low, high = sorted((limit * scaling.sign - scaling.offset) / scaling.scale for limit in command.limits)
    first, last = low / command.resolution - _COUNT_TOLERANCE, high / command.resolution + _COUNT_TOLERANCE
    return math.floor(last) - math.ceil(first) + 1


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
