"""The tables of keys in docs/register-maps.md, and the JSON Schema of map files, from the models that check them."""

from pathlib import Path
from typing import Final

from docs.map_tables import json_schema, with_key_tables
from drivers.modbus.mapproblems import SCHEMA
from drivers.modbus.mapschema import MapFile

_PAGE: Final = Path(__file__).resolve().parent / "register-maps.md"


def register_maps_page() -> str:
    """Return docs/register-maps.md as it is, with fresh tables of keys."""
    return with_key_tables(_PAGE, SCHEMA)


def map_schema() -> str:
    """Return the JSON Schema of a register map."""
    return json_schema(
        MapFile,
        title="register map",
        description="One register map; docs/register-maps.md explains it. `ems check` knows more than this schema.",
    )
