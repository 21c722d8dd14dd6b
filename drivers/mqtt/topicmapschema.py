"""The shape of a topic-map file: tables, keys and the range of each, as pydantic models.

Only the form is checked here; what spans several keys is in `topicmaplint`, the meaning in `topics`.
"""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from drivers.device.maptables import DeviceTable, Direction, FallbackTable, MapTable, Name, Number, Range
from drivers.mqtt.topics import PayloadType, TimeFormat

Topic = Annotated[str, Field(pattern=r"^[^+#\x00]+$", max_length=200)]
Path = Annotated[str, Field(pattern=r"^[^.\s]+(\.[^.\s]+)*$", max_length=100)]
Part = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=20)]
Word = Annotated[str, Field(min_length=1, max_length=100)]
Qos = Annotated[int, Field(ge=0, le=1)]
AgeS = Annotated[float, Field(gt=0.0, le=86400.0)]
PeriodS = Annotated[float, Field(ge=1.0, le=3600.0)]
# a plain text, or an object of whatever JSON can hold
Payload = str | dict[str, JsonValue]


class MessagesTable(MapTable):
    """[messages]: what holds for all messages of the device."""

    name_parts: Annotated[list[Part], Field(min_length=1, max_length=5)] = Field(
        default_factory=lambda: ["device"],
        description="Parts of the device's `name` in devices.toml, divided by `/`; topics hold them as `{device}`.",
    )
    qos: Qos = Field(0, description="Quality of service with which the device's topics are subscribed, 0 or 1.")
    max_bytes: Annotated[int, Field(ge=16, le=1_048_576)] = Field(
        65_536, description="A longer payload is refused unread."
    )
    partial: bool = Field(False, description="A message leaves out what has not changed since the one before.")
    stamp: Path | None = Field(None, description="Where JSON payloads hold the device's own time of the values.")
    stamp_format: Annotated[TimeFormat, Field(strict=False)] = Field(
        TimeFormat.ISO8601, description="How that time is written: " + ", ".join(TimeFormat) + "."
    )
    most_off_s: Annotated[float, Field(gt=0.0, le=3600.0)] = Field(
        10.0, description="A message that is older by its own time, or further ahead of ours, is refused; s."
    )


class AvailabilityTable(MapTable):
    """[availability]: where the device, or its will, says whether it is there."""

    topic: Topic = Field(description="Topic; a retained message counts here.")
    at: Path | None = Field(None, description="Place in a JSON payload; left out: the payload is the word itself.")
    online: Word = Field(description="Word that means that it is there.")
    offline: Word = Field(description="Word that means that it is not.")


class IdentityTable(MapTable):
    """[identity.manufacturer], [identity.model], [identity.serial], [identity.firmware]."""

    topic: Topic = Field(description="Topic; a retained message counts here.")
    at: Path | None = Field(None, description="Place in a JSON payload; left out: the payload is the text itself.")
    expect: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="What the text must be, as a text or a regular expression for all of it."
    )


class PointTable(MapTable):
    """[points.<field of the reading>]."""

    topic: Topic = Field(description="Topic with the parts of the device's name in braces, as `{device}/state`.")
    at: Path | None = Field(
        None,
        description="Place in a JSON payload, as `ENERGY.Power` or `phases.0.power`; left out: the payload itself.",
    )
    type: Annotated[PayloadType, Field(strict=False)] = Field(
        PayloadType.NUMBER,
        description="`number`; `number_text` (a number in a JSON text); `flag` (true or false); `text`; `names` (an "
        "array of texts). With `enum` the code may be of any of the first four.",
    )
    scale: Number = Field(1, description="value = (number x scale + offset) x sign.")
    offset: Number = Field(0, description="value = (number x scale + offset) x sign.")
    sign: Direction = Field("into_bus", description="`into_bus`: positive means into the site bus; else `out_of_bus`.")
    invalid: list[Number | Word] = Field(
        default_factory=list, description="Numbers or texts that mean `not available`, as null does."
    )
    valid: Range | None = Field(None, description="[lowest, highest] value that can be true.")
    enum: dict[Word, str] | None = Field(
        None, description="Name of each code, by its text; `true` and `false` for a flag."
    )
    optional: bool = Field(False, description="`not available` is no fault of the device.")
    max_age_s: AgeS | None = Field(
        None,
        description="Age at which the value becomes unknown; s. Left out: it belongs to those that make a reading.",
    )
    stale_after_s: Annotated[float, Field(gt=0.0, le=3600.0)] | None = Field(
        None, description="The device's own life counter: unchanged for this long, its values are frozen."
    )
    max_step_per_s: Annotated[float, Field(gt=0.0)] | None = Field(
        None,
        description="The fastest true change, in units of the value per second: a single faster sample is refused.",
    )
    fills: Name | None = Field(None, description="The field of the reading, if it is not the point's name.")


class CommandTable(MapTable):
    """[commands.<name>]."""

    topic: Topic = Field(description="Topic; commands are never retained.")
    payload: Payload = Field(
        description="The payload, a text or a table that becomes a JSON object; a text `{value}` becomes the number. "
        "Also `{valid_for_s}`, `{valid_until_iso8601}`, `{valid_until_unix_s}`, `{valid_until_unix_ms}`, "
        "`{request_id}`, `{watchdog_s}`."
    )
    scale: Number = Field(1, description="value = (number x scale + offset) x sign.")
    offset: Number = Field(0, description="value = (number x scale + offset) x sign.")
    sign: Direction = Field("into_bus", description="`into_bus`: positive means into the site bus; else `out_of_bus`.")
    limits: Range = Field(description="[lowest, highest] value that may be written.")
    resolution: Annotated[float, Field(ge=1e-6, le=1e6)] = Field(
        1.0, description="The number is rounded toward zero to a multiple of this."
    )
    qos: Qos = Field(1, description="Quality of service, 0 or 1.")
    ramp_frac_per_s: Annotated[float, Field(gt=0.0, le=1.0)] | None = Field(
        None, description="How fast the device itself follows a power setpoint, share of rating per s."
    )
    readback: Name = Field(description="The point that shows the value that the device has taken.")


class HeartbeatTable(MapTable):
    """[heartbeat]: what is published while we command."""

    topic: Topic = Field(description="Topic; heartbeats are never retained.")
    payload: Payload = Field(description="As that of a command; a text `{count}` becomes a number that counts up.")
    qos: Qos = Field(0, description="Quality of service, 0 or 1.")


class WatchdogTable(MapTable):
    """[watchdog]: what tells the device after which silence it falls back, before it is commanded."""

    topic: Topic = Field(description="Topic; the message is never retained.")
    payload: Payload = Field(
        description="As that of a command; a text `{watchdog_s}` becomes the time from devices.toml, s."
    )
    qos: Qos = Field(1, description="Quality of service, 0 or 1.")


class KeepaliveTable(MapTable):
    """[keepalive]: what a device wants to hear, commanded or not, to go on publishing."""

    topic: Topic = Field(description="Topic.")
    payload: Annotated[str, Field(max_length=1000)] = Field("", description="The payload as it stands.")
    every_s: PeriodS = Field(description="Period; s.")


class TopicMapFile(MapTable):
    """One topic map."""

    device: DeviceTable = Field(description="What the map describes.")
    messages: MessagesTable = Field(description="What holds for all messages.")
    availability: AvailabilityTable | None = Field(None, description="Whether the device is there, by its will.")
    identity: dict[Literal["manufacturer", "model", "serial", "firmware"], IdentityTable] = Field(
        default_factory=dict, description="Texts that name the device."
    )
    points: dict[Name, PointTable] = Field(min_length=1, description="What is read.")
    commands: dict[Name, CommandTable] = Field(default_factory=dict, description="What is published to the device.")
    heartbeat: HeartbeatTable | None = Field(None, description="Heartbeat of the controller.")
    watchdog: WatchdogTable | None = Field(None, description="Time of the device's own watchdog.")
    keepalive: KeepaliveTable | None = Field(None, description="Request to go on publishing.")
    fallback: FallbackTable | None = Field(None, description="Behaviour on loss of the controller.")
