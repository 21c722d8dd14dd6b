"""The tables of keys in docs/mqtt-devices.md, and the JSON Schema of topic maps, from the models that check them."""

import re
from pathlib import Path
from typing import Final

from docs.map_tables import json_schema, key_tables
from drivers.mqtt.topicmapfile import SCHEMA
from drivers.mqtt.topicmapschema import TopicMapFile

_PAGE: Final = Path(__file__).resolve().parent / "mqtt-devices.md"
_PLACE: Final = re.compile(r"(<!-- keys -->\n).*?(<!-- end -->)", re.DOTALL)


def mqtt_devices_page() -> str:
    """Return docs/mqtt-devices.md as it is, with fresh tables of keys."""
    keys = "\n".join(key_tables(SCHEMA))
    return _PLACE.sub(lambda match: f"{match[1]}{keys}{match[2]}", _PAGE.read_text(encoding="utf-8"))


def topic_map_schema() -> str:
    """Return the JSON Schema of a topic map."""
    return json_schema(
        TopicMapFile,
        title="topic map",
        description="One map of topics; docs/mqtt-devices.md explains it. `ems devices maps lint` knows more.",
    )
