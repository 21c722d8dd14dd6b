"""From a setpoint to a message: rounded, signed, within its range, with the time until which it counts.

Pure. Commands are never retained; a value that does not fit is refused, never clamped.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from drivers.device.commands import Encoded
from drivers.device.values import Bad, Number
from drivers.mqtt.messages import name_of
from drivers.mqtt.payloads import conversion
from drivers.mqtt.topics import Place, Template, TopicCommand, TopicHeartbeat, TopicMap

# a count that is a hair below a whole one is that one
_COUNT_TOLERANCE: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A message to a device. It is never retained; the broker should drop it after `expires_s`, None: it may wait."""

    topic: str
    payload: bytes
    qos: int
    expires_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedSetpoint(Encoded):
    """A command as the number in its payload; `value` is what that means after rounding, `step` the last digit."""

    raw: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What is known when a message is sent: the present time, how long it counts, its number and the watchdog, s."""

    utc: datetime
    valid_for_s: float
    request_id: int
    watchdog_s: float | None = None


class CommandEncoder:
    """Makes the messages of one command for one device."""

    def __init__(self, topic_map: TopicMap, command: TopicCommand, name: str) -> None:
        self._command = command
        self._topic = command.topic.format_map(name_of(topic_map, name))

    def encode(self, value: float) -> EncodedSetpoint | Bad:
        """Return a command rounded toward zero to its resolution, or why it cannot be sent."""
        command = self._command
        low, high = command.limits
        if not math.isfinite(value):
            return Bad(f"{value} is no number")
        if not low <= value <= high:
            return Bad(f"{value:g} is outside {low:g}..{high:g}")
        scaling, resolution = command.scaling, command.resolution
        exact = (value * scaling.sign - scaling.offset) / scaling.scale
        counts = math.trunc(exact / resolution + math.copysign(_COUNT_TOLERANCE, exact))
        raw = _exact(counts, resolution)
        step = abs(scaling.scale) * resolution
        written = float(conversion(scaling)(raw))
        if not low - step * _COUNT_TOLERANCE <= written <= high + step * _COUNT_TOLERANCE:
            return Bad(f"no number near {value:g} is within {low:g}..{high:g}")
        return EncodedSetpoint(raw=raw, value=written, step=step)

    def publication(self, encoded: EncodedSetpoint, sending: Sending) -> Publication:
        """Return the message that brings a command about; it dies with the command."""
        until = sending.utc.astimezone(UTC) + timedelta(seconds=sending.valid_for_s)
        filling: dict[str, Number | str | None] = {
            Place.VALUE: encoded.raw,
            Place.REQUEST_ID: sending.request_id,
            Place.VALID_FOR_S: round(sending.valid_for_s, 3),
            Place.VALID_UNTIL_ISO8601: until.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            Place.VALID_UNTIL_S: round(until.timestamp(), 3),
            Place.VALID_UNTIL_MS: round(until.timestamp() * 1000.0),
            Place.WATCHDOG_S: sending.watchdog_s,
        }
        return Publication(
            topic=self._topic,
            payload=_payload(self._command.payload, filling),
            qos=self._command.qos,
            expires_s=sending.valid_for_s,
        )


class HeartbeatEncoder:
    """Makes the heartbeats of one device."""

    def __init__(self, topic_map: TopicMap, heartbeat: TopicHeartbeat, name: str) -> None:
        self._heartbeat = heartbeat
        self._topic = heartbeat.topic.format_map(name_of(topic_map, name))

    def publication(self, count: int, *, period_s: float) -> Publication:
        """Return the heartbeat of that number; an old one must not keep a watchdog quiet."""
        filling: dict[str, Number | str | None] = {Place.COUNT: count}
        return Publication(
            topic=self._topic,
            payload=_payload(self._heartbeat.payload, filling),
            qos=self._heartbeat.qos,
            expires_s=period_s,
        )


def watchdog(topic_map: TopicMap, name: str, *, watchdog_s: float) -> Publication | None:
    """Return what sets the device's watchdog time, None where the map has no such message."""
    if (setting := topic_map.watchdog) is None:
        return None
    return Publication(
        topic=setting.topic.format_map(name_of(topic_map, name)),
        payload=_payload(setting.payload, {Place.WATCHDOG_S: watchdog_s}),
        qos=setting.qos,
        expires_s=watchdog_s,
    )


def keepalive(topic_map: TopicMap, name: str) -> Publication | None:
    """Return the request to go on publishing, None for a device that needs none."""
    if (request := topic_map.keepalive) is None:
        return None
    return Publication(
        topic=request.topic.format_map(name_of(topic_map, name)),
        payload=request.payload.encode(),
        qos=0,
        expires_s=request.every_s,
    )


def _exact(counts: int, resolution: float) -> Number:
    """Return a multiple of the resolution without the noise of binary fractions."""
    if resolution.is_integer():
        return counts * int(resolution)
    digits = max(0, -math.floor(math.log10(resolution))) + 1
    return round(counts * resolution, digits)


def _payload(template: Template, filling: Mapping[str, Number | str | None]) -> bytes:
    filled = _filled(template, filling)
    return (filled if isinstance(filled, str) else json.dumps(filled, allow_nan=False)).encode()


def _filled(template: Template, filling: Mapping[str, Number | str | None]) -> object:
    match template:
        case str() if template.startswith("{") and template.endswith("}"):
            return filling[template[1:-1]]
        case str() | int() | float():
            return template
        case tuple():
            return [_filled(each, filling) for each in template]
        case _:
            return {key: _filled(each, filling) for key, each in template.items()}
