"""Writes every generated page and file: `python -m docs.build` from anywhere.

To add one, add its path and its generator to `GENERATED`; the tests then hold it to be fresh.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from docs.alarms import alarms_page
from docs.asyncapi import asyncapi_document
from docs.modes import modes_page
from docs.planning_files import planning_files_page
from docs.register_maps import map_schema, register_maps_page
from docs.supported_devices import supported_devices_page
from docs.topic_maps import mqtt_devices_page, topic_map_schema
from ems.config.json_schema import editor_schema, schema_file_names
from ems.config.reference import configuration_page
from ems.contract import catalogue
from ems.runtime.planning_schema import SCHEMA_NAMES, planning_schema

ROOT: Final = Path(__file__).resolve().parents[1]

# text by path relative to the repository
GENERATED: Final[Mapping[str, Callable[[], str]]] = {
    "docs/alarms.md": alarms_page,
    "docs/configuration.md": configuration_page,
    "docs/modes.md": modes_page,
    "docs/mqtt-devices.md": mqtt_devices_page,
    "docs/planning-files.md": planning_files_page,
    "docs/register-maps.md": register_maps_page,
    "docs/supported-devices.md": supported_devices_page,
    "drivers/maps/schema/register-map.schema.json": map_schema,
    "drivers/maps/schema/topic-map.schema.json": topic_map_schema,
    **{f"config/schema/{name}": partial(editor_schema, name) for name in schema_file_names()},
    "ems/contract/asyncapi.json": asyncapi_document,
    **{
        f"ems/contract/schemas/{name}": partial(catalogue.payload_schema, name)
        for name in catalogue.schema_file_names()
    },
    **{f"ems/runtime/schemas/{name}.schema.json": partial(planning_schema, name) for name in SCHEMA_NAMES},
}


def main() -> None:
    """Write every generated file whose text has changed."""
    for path, generate in GENERATED.items():
        file = ROOT / path
        text = generate()
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        print(f"wrote {path}")  # noqa: T201 - the progress of a command


if __name__ == "__main__":
    main()
