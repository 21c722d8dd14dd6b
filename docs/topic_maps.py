"""The tables of keys in docs/mqtt-devices.md, and the JSON Schema of topic maps, from the models that check them."""

from pathlib import Path
from typing import Final

from docs.map_tables import json_schema, with_key_tables
from drivers.mqtt.topicmapfile import SCHEMA
from drivers.mqtt.topicmapschema import TopicMapFile

_PAGE: Final = Path(__file__).resolve().parent / "mqtt-devices.md"


def mqtt_devices_page() -> str:
    """Return docs/mqtt-devices.md as it is, with fresh tables of keys."""
    return with_key_tables(_PAGE, SCHEMA)


def topic_map_schema() -> str:
    """Return the JSON Schema of a topic map."""
    return json_schema(
        TopicMapFile,
        title="topic map",
        description="One map of topics; docs/mqtt-devices.md explains it. `ems devices maps lint` knows more.",
    )
