"""docs/supported-devices.md: every shipped map, with what it reads, writes and falls back to."""

import re
from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Final

from docs.map_tables import meaning, scaling, section_head
from docs.supported_topics import topic_section
from drivers.device.alarms import AlarmList
from drivers.device.fallback import Arming, FallbackRule, LifeSign
from drivers.modbus.coding import FLOATS, N_REGISTERS, Coding, PointType, TextEncoding, WordOrder, factor_name
from drivers.modbus.keys import SequenceCommand
from drivers.modbus.layout import Command, Point, RegisterMap, SetpointCommand, Speed, alarm_name, rack_place
from drivers.modbus.mapfile import load_map, map_file, map_names
from drivers.mqtt.topicmapfile import load_topic_map, topic_map_file, topic_map_names
from drivers.mqtt.topics import TopicMap

_HEAD: Final = """# Supported devices

Generated from `drivers/maps` by `make docs`; do not edit. Each map names the document that it was made from;
what is believed but was not checked against one stands as a comment in the map. Addresses are those in the frame.
The language of the register maps is explained in [register-maps.md](register-maps.md), that of the topic maps of MQTT
devices, at the end of this page, in [mqtt-devices.md](mqtt-devices.md). Devices that describe themselves by SunSpec
models need no map; their drivers are in [sunspec.md](sunspec.md).

The maps called `generic-*` and `mqtt-json-*` are the project's own interface lists and describe no maker's product. A
site whose device differs writes its own map.
"""
_ARMED_BY: Final = {
    Arming.WATCHDOG: "the watchdog time that the driver sets",
    Arming.SETTING: "a setting at the device",
    Arming.ALWAYS: "its make",
}
_COMMENT: Final = re.compile(r"^# ?(.*)$")


def supported_devices_page() -> str:
    """Return docs/supported-devices.md."""
    maps = [load_map(name, ()) for name in map_names(())]
    topic_maps = [load_topic_map(name, ()) for name in topic_map_names(())]
    sections = ["\n".join(_section(register_map)) for register_map in maps]
    sections += ["\n".join(_topic_section(topic_map)) for topic_map in topic_maps]
    return "\n".join((_HEAD, *_overview((*maps, *topic_maps)), "", "\n\n".join(sections), ""))


def description(file: Path) -> str:
    """Return the comment with which the file of a map begins."""
    lines = file.read_text(encoding="utf-8").splitlines()
    comments = takewhile(lambda match: match is not None, (_COMMENT.match(line) for line in lines))
    return " ".join(match[1].strip() for match in comments if match is not None).strip()


def _overview(maps: Iterable[RegisterMap | TopicMap]) -> Iterator[str]:
    yield "| map | class | capabilities | commands | source |"
    yield "| --- | --- | --- | --- | --- |"
    for each in maps:
        sequences = each.sequences if isinstance(each, RegisterMap) else ()
        commands = ", ".join((*each.commands, *sequences)) or "read only"
        yield (
            f"| [{each.id}](#{each.id}) | {each.device_class} | {', '.join(sorted(each.capabilities or ()))} | "
            f"{commands} | {each.source} |"
        )


def _section(register_map: RegisterMap) -> Iterator[str]:
    yield from section_head(register_map.id, description(map_file(register_map.id, ())), register_map.source)
    if not register_map.identity:
        reason = "" if register_map.unidentified is None else f" {register_map.unidentified}"
        yield f"That the device was exchanged is not noticed.{reason}"
        yield ""
    yield from _reads(register_map)
    if register_map.commands or register_map.heartbeat or register_map.watchdog:
        yield ""
        yield from _writes(register_map)
    if len(register_map.racks) > 1:
        yield ""
        yield _racks(register_map)
    for alarms in register_map.alarms:
        yield ""
        yield _alarms(register_map, alarms)
    for name, sequence in register_map.sequences.items():
        yield ""
        yield from _sequence(name, sequence)
    if register_map.fallback is not None:
        yield ""
        yield from _fallback(register_map.fallback)


def _topic_section(topic_map: TopicMap) -> Iterator[str]:
    rule = topic_map.fallback
    fallback = [] if rule is None else list(_fallback(rule))
    yield from topic_section(topic_map, description(topic_map_file(topic_map.id, ())), fallback)


def _fallback(rule: FallbackRule) -> Iterator[str]:
    if rule.misses is LifeSign.NOTHING:
        yield f"Fall-back: none. {rule.text}"
        return
    after = "" if rule.after_s is None else f" Fixed time: {rule.after_s:g} s."
    yield f"Fall-back: {rule.text} Waits for: {rule.misses}. Armed by: {_ARMED_BY[rule.armed_by]}.{after}"


def _reads(register_map: RegisterMap) -> Iterator[str]:
    yield "| register | type | value | scale, offset, sign | not available | polled |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for text in sorted(register_map.identity.values(), key=_place):
        yield f"| {text.at} | {_type(text)} | {text.name} | | | once per connection |"
    factors = {factor_name(each.coding.factor) for each in register_map.commands.values() if each.coding.factor}
    repeated = {name for name in register_map.points if (place := rack_place(name)) is not None and place[0] > 1}
    for point in sorted(register_map.points.values(), key=_place):
        if point.name not in {*factors, *repeated} and not point.name.startswith(alarm_name("")):
            yield (
                f"| {point.at} | {_type(point)} | {meaning(point.field, point.labels or point.flags)} | "
                f"{_scaling(point.coding)} | {_codes(point)} | {_period(register_map, point)} |"
            )


def _writes(register_map: RegisterMap) -> Iterator[str]:
    yield "| register | function | type | command | scale, sign | limits | memory | read back in |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for command in register_map.commands.values():
        yield (
            f"| {command.at} | {command.function} | {_words(command.coding)} | {command.name} | "
            f"{_scaling(command.coding)} | {_limits(command)} | {_memory(command)} | {command.readback} |"
        )
    if (heartbeat := register_map.heartbeat) is not None:
        yield f"| {heartbeat.at} | {heartbeat.function} | uint16 | heartbeat counter | | 1 to 32767 | RAM | |"
    if (watchdog := register_map.watchdog) is not None:
        yield (
            f"| {watchdog.at} | {watchdog.function} | {_words(watchdog.coding)} | watchdog time, s | "
            f"{_scaling(watchdog.coding)} | | written only where it differs; {_memory(watchdog)} | the same register |"
        )


def _racks(register_map: RegisterMap) -> str:
    """Return a sentence about the racks behind the first one."""
    first, second = register_map.rack_points(1), register_map.rack_points(2)
    strides = {name: second[name].at.register - point.at.register for name, point in first.items()}
    bits = {name: (second[name].bit or 0) - (point.bit or 0) for name, point in first.items() if not strides[name]}
    usual = max(strides.values(), key=list(strides.values()).count)
    others = "".join(
        f" {name}: {f'{bits[name]} bit' if name in bits else stride}."
        for name, stride in strides.items()
        if stride != usual
    )
    return f"Racks: {len(register_map.racks)}; registers from one to the next: {usual}.{others}"


def _alarms(register_map: RegisterMap, alarms: AlarmList) -> str:
    """Return a sentence about a list of alarms."""
    points = sorted((register_map.points[name] for name in alarms.points.values()), key=_place)
    if alarms.prefixes is not None:
        words = ", ".join(f"{word} ({severity})" for word, severity in alarms.prefixes.items())
        records = ", ".join(str(point.at) for point in points)
        return f"Alarms as texts, in records at {records}; severity by the first word: {words}."
    names = ", ".join(f"`{name}`" for name in alarms.points)
    return f"Alarms, four to a register, {points[0].at} to {points[-1].at}: {names}."


def _sequence(name: str, sequence: SequenceCommand) -> Iterator[str]:
    yield f"| command `{name}` | writes | proved by |"
    yield "| --- | --- | --- |"
    for value, actions in sequence.actions.items():
        writes = ", then ".join(
            f"{action.name} ({', '.join(f'{write.at}: {_hex(write.words)}' for write in action.writes)})"
            for action in actions
        )
        once = ", once" if value in sequence.once else ""
        yield f"| {str(value).lower()}{once} | {writes or 'nothing'} | {sequence.shows[value]} |"


def _hex(words: Iterable[int]) -> str:
    return " ".join(f"{word:04X}" for word in words)


def _place(point: Point) -> tuple[str, int, int]:
    return point.at.table, point.at.register, point.bit or 0


def _type(point: Point) -> str:
    if point.coding.type is PointType.STRING:
        kind = "string" if point.encoding is TextEncoding.ASCII else "UTF-16 string"
        return f"{kind}, {point.n_registers} registers"
    if point.coding.type is PointType.BIT:
        return "bit" if point.bit is None else f"bit {point.bit}"
    if point.bit is not None and point.width is not None:
        return f"bits {point.bit} to {point.bit + point.width - 1} of a {point.coding.type}"
    return _words(point.coding)


def _words(coding: Coding) -> str:
    low_first = coding.word_order is WordOrder.LITTLE and N_REGISTERS[coding.type] > 1
    return f"{coding.type}, low word first" if low_first else str(coding.type)


def _scaling(coding: Coding) -> str:
    factor = "" if coding.factor is None else f"x 10^({coding.factor})"
    return scaling(scale=coding.scale, offset=coding.offset, sign=coding.sign, factor=factor)


def _codes(point: Point) -> str:
    if point.coding.type in FLOATS:
        return ", ".join(["NaN", *(f"{code:g}" for code in sorted(point.invalid))])
    n_bits = 16 * point.n_registers
    codes = [int(code) % (1 << n_bits) for code in sorted(point.invalid)]
    return ", ".join("all bits set" if n_bits > 32 and code == (1 << n_bits) - 1 else f"0x{code:X}" for code in codes)


def _limits(command: SetpointCommand) -> str:
    return "" if command.limits is None else f"{command.limits[0]:g} to {command.limits[1]:g}"


def _memory(command: Command) -> str:
    budget = command.writes_per_day
    return "RAM" if budget is None else f"non-volatile, {budget} writes a day"


def _period(register_map: RegisterMap, point: Point) -> str:
    for block in register_map.blocks:
        if block.covers(point):
            return f"every {block.every_s:g} s" if block.speed is Speed.OWN else str(block.speed)
    return ""
