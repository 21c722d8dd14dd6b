"""Finds and loads topic maps: TOML files that describe the MQTT topics of one kind of device.

They lie in a directory `mqtt` beside the register maps; a site's own come before the shipped ones. A map that is
wrong in form or contradicts itself is refused with file, key and what is allowed; nothing is guessed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import JsonValue, ValidationError

from drivers.device.mapfiles import find_file, found, map_of_device, names_in, read_toml
from drivers.device.maptables import DeviceTable, FallbackTable, fallback_of, range_of, sign_of
from drivers.device.schemaproblems import Schema, problems
from drivers.mqtt.topickeylint import key_findings
from drivers.mqtt.topicmaplint import find_contradictions
from drivers.mqtt.topicmapschema import (
    AvailabilityTable,
    CommandTable,
    HeartbeatTable,
    IdentityTable,
    KeepaliveTable,
    MessagesTable,
    PointTable,
    TopicMapFile,
    WatchdogTable,
)
from drivers.mqtt.topics import (
    Availability,
    JsonPath,
    Keepalive,
    PayloadType,
    Scaling,
    Source,
    Stamp,
    Template,
    TopicCommand,
    TopicHeartbeat,
    TopicMap,
    TopicPoint,
    TopicWatchdog,
)
from ems.errors import ConfigError, ConfigProblem
from ems.model.device import DeviceSpec

FOLDER: Final = "mqtt"
SHIPPED: Final = Path(__file__).resolve().parents[1] / "maps" / FOLDER
SCHEMA: Final = Schema(
    top=TopicMapFile,
    tables={
        "device": DeviceTable,
        "messages": MessagesTable,
        "availability": AvailabilityTable,
        "identity": IdentityTable,
        "points": PointTable,
        "commands": CommandTable,
        "heartbeat": HeartbeatTable,
        "watchdog": WatchdogTable,
        "keepalive": KeepaliveTable,
        "fallback": FallbackTable,
    },
    collections=frozenset({"identity", "points", "commands"}),
)
_WHAT: Final = "topic map"


def load_topic_map(name: str, directories: Sequence[Path]) -> TopicMap:
    """Return the topic map of that name; each of `directories` may have a folder `mqtt` with maps.

    Raises:
        ConfigError: No directory has it, or the file is wrong; carries every problem that was found.
    """
    return read_topic_map(topic_map_file(name, directories))


def device_topic_map(spec: DeviceSpec, directories: Sequence[Path]) -> TopicMap | None:
    """Return the topic map of a device: that of its name, or the one written beside it; None if it has none.

    Raises:
        ConfigError: As `load_topic_map`; of a map beside the device the keys are those of devices.toml.
    """
    return map_of_device(
        spec, "topics", spec.topics, load=lambda name: load_topic_map(name, directories), build=topic_map_of
    )


def read_topic_map(file: Path) -> TopicMap:
    """Return the topic map in a file.

    Raises:
        ConfigError: The file is wrong; carries every problem that was found.
    """
    return topic_map_of(read_toml(file), file)


def topic_map_of(table: Mapping[str, object], file: Path) -> TopicMap:
    """Return the topic map that the tables of a file, or of a device in devices.toml, describe.

    Raises:
        ConfigError: As `read_topic_map`; `file` is the one that is blamed.
    """
    try:
        tables = TopicMapFile.model_validate(table)
    except ValidationError as error:
        raise ConfigError(*problems(file, error, SCHEMA)) from error
    topic_map = _build(tables)
    without_effect = (found(file, *finding) for finding in key_findings(tables))
    if contradictions := (*without_effect, *find_contradictions(topic_map, file)):
        raise ConfigError(*contradictions)
    return topic_map


def topic_map_names(directories: Sequence[Path]) -> tuple[str, ...]:
    """Return the names of all topic maps that can be loaded, the shipped ones included."""
    return names_in(_homes(directories))


def topic_map_file(name: str, directories: Sequence[Path]) -> Path:
    """Return the file of the topic map of that name, a site's own before a shipped one.

    Raises:
        ConfigError: No directory has it.
    """
    return find_file(name, _homes(directories), what=_WHAT)


def is_topic_map(table: Mapping[str, object]) -> bool:
    """Return whether the tables of a file are meant as a topic map: no register map has messages."""
    return "messages" in table


def _homes(directories: Sequence[Path]) -> tuple[Path, ...]:
    return (*(directory / FOLDER for directory in directories), SHIPPED)


def _build(tables: TopicMapFile) -> TopicMap:
    messages, device = tables.messages, tables.device
    return TopicMap(
        id=device.id,
        source=device.source,
        device_class=device.device_class,
        name_parts=tuple(messages.name_parts),
        qos=messages.qos,
        max_bytes=messages.max_bytes,
        partial=messages.partial,
        stamp=_stamp(messages),
        availability=_availability(tables.availability),
        points={name: _point(name, table) for name, table in tables.points.items()},
        identity={name: _text(name, table) for name, table in tables.identity.items()},
        expected={name: table.expect for name, table in tables.identity.items() if table.expect is not None},
        commands={name: _command(name, table) for name, table in tables.commands.items()},
        heartbeat=_heartbeat(tables.heartbeat),
        watchdog=_watchdog(tables.watchdog),
        keepalive=_keepalive(tables.keepalive),
        fallback=fallback_of(
            tables.fallback, has_heartbeat=tables.heartbeat is not None, has_watchdog=tables.watchdog is not None
        ),
        capabilities=device.declared,
    )


def _path(at: str | None) -> JsonPath:
    return () if at is None else tuple(at.split("."))


def _stamp(table: MessagesTable) -> Stamp | None:
    if table.stamp is None:
        return None
    return Stamp(at=_path(table.stamp), format=table.stamp_format, most_off_s=table.most_off_s)


def _availability(table: AvailabilityTable | None) -> Availability | None:
    if table is None:
        return None
    return Availability(
        source=Source(topic=table.topic, at=_path(table.at)), online=table.online, offline=table.offline
    )


def _point(name: str, table: PointTable) -> TopicPoint:
    return TopicPoint(
        name=name,
        source=Source(topic=table.topic, at=_path(table.at)),
        type=table.type,
        scaling=_scaling(table),
        invalid=frozenset(table.invalid),
        valid=range_of(table.valid),
        labels=table.enum,
        optional=table.optional,
        max_age_s=table.max_age_s,
        stale_after_s=table.stale_after_s,
        max_step_per_s=table.max_step_per_s,
        fills=table.fills,
    )


def _text(name: str, table: IdentityTable) -> TopicPoint:
    return TopicPoint(name=name, source=Source(topic=table.topic, at=_path(table.at)), type=PayloadType.TEXT)


def _scaling(table: PointTable | CommandTable) -> Scaling:
    return Scaling(scale=table.scale, offset=table.offset, sign=sign_of(table.sign))


def _command(name: str, table: CommandTable) -> TopicCommand:
    return TopicCommand(
        name=name,
        topic=table.topic,
        payload=_template(table.payload),
        scaling=_scaling(table),
        limits=(table.limits[0], table.limits[1]),
        resolution=table.resolution,
        readback=table.readback,
        qos=table.qos,
        ramp_frac_per_s=table.ramp_frac_per_s,
    )


def _heartbeat(table: HeartbeatTable | None) -> TopicHeartbeat | None:
    if table is None:
        return None
    return TopicHeartbeat(topic=table.topic, payload=_template(table.payload), qos=table.qos)


def _watchdog(table: WatchdogTable | None) -> TopicWatchdog | None:
    if table is None:
        return None
    return TopicWatchdog(topic=table.topic, payload=_template(table.payload), qos=table.qos)


def _keepalive(table: KeepaliveTable | None) -> Keepalive | None:
    return None if table is None else Keepalive(topic=table.topic, payload=table.payload, every_s=table.every_s)


def _template(payload: JsonValue) -> Template:
    match payload:
        case dict():
            return {key: _template(value) for key, value in payload.items()}
        case list():
            return tuple(_template(value) for value in payload)
        case None:
            raise ConfigError(ConfigProblem(file="", message="a payload holds null, which TOML cannot write"))
        case _:
            return payload
