"""What a topic map says, as frozen values: where each point is published and how its payload is to be read.

`topicmapfile` builds these from a file; `messages` and `publications` use them. No I/O, no decoding.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from drivers.device.fallback import FallbackRule
from drivers.device.fields import DeviceClass
from ems.model.capability import Capability

# keys of objects and positions in arrays, from the outermost inwards; empty: the whole payload, as plain text
JsonPath = tuple[str, ...]
# one payload as the map writes it: a text, or what JSON can hold
Template = str | int | float | bool | tuple["Template", ...] | Mapping[str, "Template"]


class PayloadType(StrEnum):
    """What stands in a payload."""

    NUMBER = "number"
    # a number in a JSON text, as some devices write it
    NUMBER_TEXT = "number_text"
    FLAG = "flag"
    TEXT = "text"
    NAMES = "names"


class TimeFormat(StrEnum):
    """How an instant is written."""

    ISO8601 = "iso8601"
    UNIX_S = "unix_s"
    UNIX_MS = "unix_ms"


class Place(StrEnum):
    """What stands in the payload template of a command, heartbeat or watchdog time, as `{value}`."""

    VALUE = "value"
    COUNT = "count"
    REQUEST_ID = "request_id"
    VALID_FOR_S = "valid_for_s"
    VALID_UNTIL_ISO8601 = "valid_until_iso8601"
    VALID_UNTIL_S = "valid_until_unix_s"
    VALID_UNTIL_MS = "valid_until_unix_ms"
    WATCHDOG_S = "watchdog_s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """The device's own time of its values: where it stands, how it is written, and how far it may be off, s."""

    at: JsonPath
    format: TimeFormat
    most_off_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a value is published: the topic as the map writes it, and the place within the payload."""

    topic: str
    at: JsonPath = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """How a number of a payload and a value belong together: value = (raw x scale + offset) x sign.

    `sign` is -1 for a device that counts power out of the site bus as positive.
    """

    scale: float = 1
    offset: float = 0
    sign: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPoint:
    """One value that is published. `invalid` holds raw sentinels, `valid` the closed range of true values.

    `labels` names the codes of an enumeration by their text. `max_age_s` is how old the value may grow before it is
    unknown; None: it belongs to those that make a reading, and the oldest of them is the reading's age. With
    `stale_after_s` it is the device's own life counter; `max_step_per_s`, `optional` and `fills` are as in register
    maps.
    """

    name: str
    source: Source
    type: PayloadType
    scaling: Scaling = Scaling()
    invalid: frozenset[float | str] = frozenset()
    valid: tuple[float, float] | None = None
    labels: Mapping[str, str] | None = None
    optional: bool = False
    max_age_s: float | None = None
    stale_after_s: float | None = None
    max_step_per_s: float | None = None
    fills: str | None = None

    @property
    def field(self) -> str:
        """Return the field of the reading that the point fills."""
        return self.fills or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """Where the device says, or its will says for it, that it is there."""

    source: Source
    online: str
    offline: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicCommand:
    """A setpoint: `limits` is the closed range of values, `resolution` the weight of the last digit of the raw number.

    `readback` is the point that shows what the device has taken; `ramp_frac_per_s` how fast it follows by itself.
    """

    name: str
    topic: str
    payload: Template
    scaling: Scaling
    limits: tuple[float, float]
    resolution: float
    readback: str
    qos: int
    ramp_frac_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicHeartbeat:
    """What is published again and again while the device is commanded."""

    topic: str
    payload: Template
    qos: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicWatchdog:
    """What arms the device's own watchdog: published before it is commanded, and again where it has come loose."""

    topic: str
    payload: Template
    qos: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Keepalive:
    """What is published every `every_s`, commanded or not, to a device that falls silent without it."""

    topic: str
    payload: str
    every_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicMap:
    """Everything the drivers know about the topics of one kind of device.

    `name_parts` are the parts, divided by `/`, of the name that devices.toml gives a device; topics hold them in
    braces. With `partial` a message leaves out what has not changed. Points, commands and the other tables are as in
    register maps; `expected` says of some identity texts what they are.
    """

    id: str
    source: str
    device_class: DeviceClass
    name_parts: tuple[str, ...]
    qos: int
    max_bytes: int
    partial: bool
    stamp: Stamp | None
    availability: Availability | None
    points: Mapping[str, TopicPoint]
    identity: Mapping[str, TopicPoint]
    commands: Mapping[str, TopicCommand]
    heartbeat: TopicHeartbeat | None
    watchdog: TopicWatchdog | None
    keepalive: Keepalive | None
    fallback: FallbackRule | None
    expected: Mapping[str, str] = field(default_factory=dict)
    # None where the map leaves them to what its points and commands allow
    capabilities: frozenset[Capability] | None = None
