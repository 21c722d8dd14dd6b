"""The tables of keys in docs/register-maps.md, and the JSON Schema of map files, from the models that check them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic.fields import FieldInfo

from drivers.modbus.mapproblems import SCHEMA
from drivers.modbus.mapschema import MapFile

_PAGE: Final = Path(__file__).resolve().parent / "register-maps.md"
_PLACE: Final = re.compile(r"(<!-- keys -->\n).*?(<!-- end -->)", re.DOTALL)


def register_maps_page() -> str:
    """Return docs/register-maps.md as it is, with fresh tables of keys."""
    keys = "\n".join(_tables())
    return _PLACE.sub(lambda match: f"{match[1]}{keys}{match[2]}", _PAGE.read_text(encoding="utf-8"))


def map_schema() -> str:
    """Return the JSON Schema of a register map, for editors that check and complete TOML while it is written."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **MapFile.model_json_schema(by_alias=True),
        "title": "register map",
        "description": "One register map; docs/register-maps.md explains it. `ems check` knows more than this schema.",
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _tables() -> Iterator[str]:
    for name, table in SCHEMA.tables.items():
        heading = f"[{name}.<name>]" if name in SCHEMA.collections else f"[{name}]"
        if name in SCHEMA.lists:
            heading = f"[[{name}]]"
        yield f"### `{heading}`"
        yield ""
        yield MapFile.model_fields[name].description or ""
        yield ""
        yield "| key | needed | meaning |"
        yield "| --- | --- | --- |"
        for key, field in table.model_fields.items():
            yield f"| `{field.alias or key}` | {_needed(field)} | {field.description or ''} |"
        yield ""


def _needed(field: FieldInfo) -> str:
    if field.is_required():
        return "yes"
    default = field.get_default(call_default_factory=True)
    return "" if default is None or default in ([], {}) else f"`{str(default).lower()}`"
