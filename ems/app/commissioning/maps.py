"""`ems devices maps list` and `show`: the register and topic maps that can be used."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drivers.modbus.layout import Point, RegisterMap
from drivers.modbus.mapfile import load_map, map_file, map_names
from drivers.mqtt import topicmapfile
from drivers.mqtt.topicmaplint import placed
from drivers.mqtt.topics import TopicPoint
from ems.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class MapReport:
    """What a command about maps prints: one JSON document, or text."""

    document: dict[str, object]
    text: str


def list_maps(directories: Sequence[Path]) -> MapReport:
    """Return every map by name with its class, document and place; a map that is refused with the reason."""
    rows = [_row(name, directories) for name in map_names(directories)]
    rows += [_topic_row(name, directories) for name in topicmapfile.topic_map_names(directories)]
    width = max((len(str(row["map"])) for row in rows), default=0)
    lines = [
        f"{row['map']!s:{width}}  {row['class'] or 'refused'!s:10}  {row['source'] or row['error']}" for row in rows
    ]
    return MapReport(document={"maps": rows}, text="\n".join(lines))


def show_map(name: str, directories: Sequence[Path]) -> MapReport:
    """Return what a map reads and writes; of a register and a topic map of one name it is the register map.

    Raises:
        ConfigError: There is no such map, or it is refused.
    """
    is_topic_map = name in topicmapfile.topic_map_names(directories) and name not in map_names(directories)
    return _show_topics(name, directories) if is_topic_map else _show_registers(name, directories)


def _show_registers(name: str, directories: Sequence[Path]) -> MapReport:
    register_map = load_map(name, directories)
    file = map_file(name, directories)
    points = [_point_row(point) for point in _by_address(register_map)]
    commands = [
        {
            "command": command.name,
            "at": str(command.at),
            "type": command.coding.type.value,
            "limits": None if command.limits is None else list(command.limits),
            "readback": command.readback,
        }
        for command in register_map.commands.values()
    ]
    document: dict[str, object] = {
        "map": register_map.id,
        "file": str(file),
        "class": register_map.device_class.value,
        "source": register_map.source,
        "points": points,
        "commands": commands,
        "heartbeat": None if register_map.heartbeat is None else str(register_map.heartbeat.at),
        "watchdog": None if register_map.watchdog is None else str(register_map.watchdog.at),
        "fallback": None if register_map.fallback is None else register_map.fallback.text,
    }
    lines = [
        f"{register_map.id} ({register_map.device_class}), {file}",
        f"  source: {register_map.source}",
        *(f"  reads   {row['at']!s:14} {row['type']!s:8} {row['point']}" for row in points),
        *(
            f"  writes  {row['at']!s:14} {row['type']!s:8} {row['command']}, limits {row['limits']}, "
            f"read back in {row['readback']}"
            for row in commands
        ),
        *([f"  fallback: {register_map.fallback.text}"] if register_map.fallback else []),
    ]
    return MapReport(document=document, text="\n".join(lines))


def _show_topics(name: str, directories: Sequence[Path]) -> MapReport:
    topic_map = topicmapfile.load_topic_map(name, directories)
    file = topicmapfile.topic_map_file(name, directories)
    points = [_topic_point(point) for point in (*topic_map.identity.values(), *topic_map.points.values())]
    commands = [
        {
            "command": command.name,
            "topic": command.topic,
            "limits": list(command.limits),
            "readback": command.readback,
        }
        for command in topic_map.commands.values()
    ]
    document: dict[str, object] = {
        "map": topic_map.id,
        "file": str(file),
        "class": topic_map.device_class.value,
        "source": topic_map.source,
        "name_parts": list(topic_map.name_parts),
        "points": points,
        "commands": commands,
        "heartbeat": None if topic_map.heartbeat is None else topic_map.heartbeat.topic,
        "keepalive": None if topic_map.keepalive is None else topic_map.keepalive.topic,
        "fallback": None if topic_map.fallback is None else topic_map.fallback.text,
    }
    lines = [
        f"{topic_map.id} ({topic_map.device_class}), {file}",
        f"  source: {topic_map.source}",
        f"  name in devices.toml: {'/'.join(topic_map.name_parts)}",
        *(f"  reads   {row['type']!s:12} {row['point']}: {row['place']}" for row in points),
        *(
            f"  writes  {row['command']}: {row['topic']}, limits {row['limits']}, read back in {row['readback']}"
            for row in commands
        ),
        *([f"  fallback: {topic_map.fallback.text}"] if topic_map.fallback else []),
    ]
    return MapReport(document=document, text="\n".join(lines))


def _row(name: str, directories: Sequence[Path]) -> dict[str, object]:
    row: dict[str, object] = {"map": name, "file": str(map_file(name, directories)), "class": None, "source": None}
    try:
        register_map = load_map(name, directories)
    except ConfigError as error:
        return {**row, "error": str(error)}
    return {**row, "class": register_map.device_class.value, "source": register_map.source, "error": None}


def _topic_row(name: str, directories: Sequence[Path]) -> dict[str, object]:
    file = topicmapfile.topic_map_file(name, directories)
    row: dict[str, object] = {"map": name, "file": str(file), "class": None, "source": None}
    try:
        topic_map = topicmapfile.load_topic_map(name, directories)
    except ConfigError as error:
        return {**row, "error": str(error)}
    return {**row, "class": topic_map.device_class.value, "source": topic_map.source, "error": None}


def _by_address(register_map: RegisterMap) -> list[Point]:
    everything = (*register_map.identity.values(), *register_map.points.values())
    return sorted(everything, key=lambda point: (point.at.table, point.at.register, point.bit or 0))


def _topic_point(point: TopicPoint) -> dict[str, object]:
    return {
        "point": point.name,
        "place": placed(point.source),
        "type": point.type.value,
        "valid": None if point.valid is None else list(point.valid),
    }


def _point_row(point: Point) -> dict[str, object]:
    return {
        "point": point.name,
        "at": str(point.at),
        "type": point.coding.type.value,
        "registers": point.n_registers,
        "bit": point.bit,
        "valid": None if point.valid is None else list(point.valid),
    }
