"""What is odd in a register map or topic map and no reason to refuse it."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from drivers.device.doubts import Texts, twin_doubts
from drivers.device.needs import Finding
from drivers.modbus.mapdoubts import map_doubts
from drivers.modbus.mapfile import SHIPPED, load_map, map_names
from drivers.mqtt.topicdoubts import topic_doubts
from drivers.mqtt.topicmapfile import SHIPPED as SHIPPED_TOPICS
from drivers.mqtt.topicmapfile import load_topic_map, topic_map_names

POWER = '[points.power_kw]\nat = "input:104"\ntype = "int32"                       # W\nscale = 0.001\n'
COMMAND = '[commands.power_kw]\nat = "holding:500"\ntype = "int32"                       # W\nscale = 0.001\n'
FLASH = (
    "limits = [-20000, 20000]\nvolatile = true",
    "limits = [-20000, 20000]\nvolatile = false\nwrites_per_day = 500",
)


def changed(source: Path, directory: Path, *changes: tuple[str, str]) -> None:
    text = source.read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    directory.mkdir(exist_ok=True)
    (directory / source.name).write_text(text, encoding="utf-8")


def doubts(directory: Path, *changes: tuple[str, str]) -> list[Finding]:
    changed(SHIPPED / "generic-pcs.toml", directory, *changes)
    return list(map_doubts(load_map("generic-pcs", (directory,))))


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        (POWER + 'sign = "out_of_bus"\n', POWER, "points.power_kw.sign", "counts the other direction"),
        (COMMAND, COMMAND.replace("0.001", "1"), "commands.power_kw.scale", "one count of power_kw is 1, one of"),
        (POWER, POWER + "max_step_per_s = 1e9\n", "points.power_kw.max_step_per_s", "all values lie within 40000"),
        (POWER, POWER + "max_step_per_s = 1e-4\n", "points.power_kw.max_step_per_s", "refuses every change"),
        (*FLASH, "commands.power_kw.writes_per_day", "needs setpoint_every_s = 173 or more"),
    ],
)
def test_odd_lines_of_a_register_map_are_told_with_their_key(
    tmp_path: Path, old: str, new: str, key: str, message: str
) -> None:
    found = doubts(tmp_path, (old, new))

    assert any(place == key and message in text for place, text, _ in found), found


def test_the_shipped_maps_hold_nothing_odd() -> None:
    of_registers = {name: list(map_doubts(load_map(name, ()))) for name in map_names(())}
    of_topics = {name: list(topic_doubts(load_topic_map(name, ()))) for name in topic_map_names(())}

    assert {name: found for name, found in (of_registers | of_topics).items() if found} == {}


def test_a_topic_map_is_looked_at_like_a_register_map(tmp_path: Path) -> None:
    source = SHIPPED_TOPICS / "mqtt-json-battery.toml"
    text = source.read_text(encoding="utf-8")
    power = text[text.index("[points.power_kw]") :].split("\n\n")[0]
    (tmp_path / "mqtt").mkdir()
    changed(source, tmp_path / "mqtt", (power, power + '\nsign = "out_of_bus"'))

    found = list(topic_doubts(load_topic_map("mqtt-json-battery", (tmp_path,))))

    assert [key for key, _, _ in found] == ["points.power_kw.sign"]


def texts(name: str, expected: dict[str, str], *, of: str = "pcs") -> Texts:
    return Texts(map_id=name, device_class=of, places={"model": "holding:0 4"}, expected=expected)


@pytest.mark.parametrize(
    ("maps", "found"),
    [
        ((texts("a", {"model": "PCS-.*"}), texts("b", {"model": "PCS-500"})), ["b"]),
        ((texts("a", {"model": "PCS-250"}), texts("b", {"model": "PCS-500"})), []),
        # a container's BMS and PCS may name themselves alike
        ((texts("a", {"model": "X"}), texts("b", {"model": "X"}, of="bms")), []),
        # a map that expects nothing fits many devices on purpose
        ((texts("a", {}), texts("b", {"model": "X"})), []),
    ],
)
def test_maps_that_take_the_same_devices_for_theirs_are_told(maps: Iterable[Texts], found: list[str]) -> None:
    assert [name for name, _ in twin_doubts(tuple(maps))] == found
