"""The tables of keys in docs/register-maps.md, and the JSON Schema of map files, from the models that check them."""

import re
from pathlib import Path
from typing import Final

from docs.map_tables import json_schema, key_tables
from drivers.modbus.mapproblems import SCHEMA
from drivers.modbus.mapschema import MapFile

_PAGE: Final = Path(__file__).resolve().parent / "register-maps.md"
_PLACE: Final = re.compile(r"(<!-- keys -->\n).*?(<!-- end -->)", re.DOTALL)


def register_maps_page() -> str:
    """Return docs/register-maps.md as it is, with fresh tables of keys."""
    keys = "\n".join(key_tables(SCHEMA))
    return _PLACE.sub(lambda match: f"{match[1]}{keys}{match[2]}", _PAGE.read_text(encoding="utf-8"))


def map_schema() -> str:
    """Return the JSON Schema of a register map."""
    return json_schema(
        MapFile,
        title="register map",
        description="One register map; docs/register-maps.md explains it. `ems check` knows more than this schema.",
    )
