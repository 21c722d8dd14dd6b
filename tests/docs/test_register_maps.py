import json
import tomllib
from typing import Any

import pytest

from docs.register_maps import map_schema
from docs.supported_devices import description, supported_devices_page
from docs.topic_maps import topic_map_schema
from drivers.modbus.layout import rack_place
from drivers.modbus.mapfile import SHIPPED, load_map, map_file, map_names
from drivers.modbus.mapproblems import SCHEMA
from drivers.modbus.mapschema import MapFile
from drivers.mqtt import topicmapfile
from drivers.mqtt.topicmapfile import load_topic_map, topic_map_file, topic_map_names
from drivers.mqtt.topicmapschema import TopicMapFile
from tests.docs.pages import ROOT


def test_every_table_of_a_map_is_on_the_page_of_the_language() -> None:
    page = (ROOT / "docs/register-maps.md").read_text(encoding="utf-8")

    assert set(SCHEMA.tables) == set(MapFile.model_fields)
    fields = [(key, field) for table in SCHEMA.tables.values() for key, field in table.model_fields.items()]
    missing = [key for key, field in fields if f"| `{field.alias or key}` |" not in page]
    assert missing == []


@pytest.mark.parametrize("name", map_names(()))
def test_the_page_of_supported_devices_has_every_point_and_command_of_every_map(name: str) -> None:
    page = supported_devices_page()
    section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    register_map = load_map(name, ())

    assert register_map.source in section
    for point in register_map.points.values():
        if (place := rack_place(point.name)) is not None and place[0] > 1:
            # the racks behind the first one are said in a sentence
            assert f"Racks: {len(register_map.racks)};" in section
        elif point.name.startswith("alarm "):
            # alarms are listed by name, texts by the registers of their records
            assert f"`{point.name.removeprefix('alarm ')}`" in section or str(point.at.register) in section
        elif not point.name.startswith("factor "):
            assert f"| {point.at} |" in section
            assert point.field in section
    for command in (*register_map.commands, *register_map.sequences):
        assert command in section


@pytest.mark.parametrize("name", map_names(()))
def test_a_shipped_map_begins_by_saying_what_it_is_and_declares_what_it_can_be_relied_on_for(name: str) -> None:
    assert len(description(map_file(name, ()))) > 20
    assert load_map(name, ()).capabilities is not None


@pytest.mark.parametrize("name", topic_map_names(()))
def test_the_page_of_supported_devices_has_every_point_and_command_of_every_topic_map(name: str) -> None:
    page = supported_devices_page()
    section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    topic_map = load_topic_map(name, ())

    assert topic_map.source in section
    for point in (*topic_map.points.values(), *topic_map.identity.values()):
        assert f"| `{point.source.topic}` |" in section
        assert point.field in section
    for command in topic_map.commands.values():
        assert f"| `{command.topic}` |" in section


@pytest.mark.parametrize("name", topic_map_names(()))
def test_a_shipped_topic_map_says_what_it_is_and_has_only_keys_that_the_json_schema_knows(name: str) -> None:
    file = topic_map_file(name, ())
    schema = json.loads(topic_map_schema())
    table = tomllib.loads(file.read_text(encoding="utf-8"))

    assert len(description(file)) > 20
    assert unknown_keys(schema, table, schema["$defs"]) == []


def test_every_table_of_a_topic_map_is_on_the_page_of_mqtt_devices() -> None:
    page = (ROOT / "docs/mqtt-devices.md").read_text(encoding="utf-8")

    assert set(topicmapfile.SCHEMA.tables) == set(TopicMapFile.model_fields)
    tables = topicmapfile.SCHEMA.tables.values()
    fields = [(key, field) for table in tables for key, field in table.model_fields.items()]
    assert [key for key, field in fields if f"| `{field.alias or key}` |" not in page] == []


@pytest.mark.parametrize("name", map_names(()))
def test_a_shipped_map_names_only_keys_that_the_json_schema_knows(name: str) -> None:
    schema = json.loads(map_schema())
    table = tomllib.loads((SHIPPED / f"{name}.toml").read_text(encoding="utf-8"))

    assert unknown_keys(schema, table, schema["$defs"]) == []


def test_the_json_schema_refuses_a_key_that_no_map_has() -> None:
    schema = json.loads(map_schema())

    assert unknown_keys(schema, {"device": {"colour": 1}}, schema["$defs"]) == ["colour"]


def unknown_keys(schema: Any, value: Any, definitions: Any) -> list[str]:  # JSON of any shape
    """Return the keys of a document that its schema does not know, however deep."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return min((unknown_keys(part, value, definitions) for part in schema["anyOf"]), key=len)
    if isinstance(value, list):
        return [key for item in value for key in unknown_keys(schema.get("items", {}), item, definitions)]
    if not isinstance(value, dict):
        return []
    known, others = schema.get("properties", {}), schema.get("additionalProperties", False)
    unknown = []
    for key, item in value.items():
        if key in known:
            unknown += unknown_keys(known[key], item, definitions)
        elif isinstance(others, dict):
            unknown += unknown_keys(others, item, definitions)
        elif "patternProperties" not in schema:
            unknown.append(key)
    return unknown
