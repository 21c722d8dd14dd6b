"""Tables of keys and JSON Schemas of map files, from the models that check them."""

import json
from collections.abc import Iterator

from pydantic.fields import FieldInfo

from drivers.device.maptables import MapTable
from drivers.device.schemaproblems import Schema


def key_tables(schema: Schema) -> Iterator[str]:
    """Yield the lines of one table of keys for each table of a map file."""
    for name, table in schema.tables.items():
        heading = f"[{name}.<name>]" if name in schema.collections else f"[{name}]"
        if name in schema.lists:
            heading = f"[[{name}]]"
        yield f"### `{heading}`"
        yield ""
        yield schema.top.model_fields[name].description or ""
        yield ""
        yield "| key | needed | meaning |"
        yield "| --- | --- | --- |"
        for key, field in table.model_fields.items():
            yield f"| `{field.alias or key}` | {_needed(field)} | {field.description or ''} |"
        yield ""


def json_schema(top: type[MapTable], *, title: str, description: str) -> str:
    """Return the JSON Schema of a map, for editors that check and complete TOML while it is written."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **top.model_json_schema(by_alias=True),
        "title": title,
        "description": description,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _needed(field: FieldInfo) -> str:
    if field.is_required():
        return "yes"
    default = field.get_default(call_default_factory=True)
    return "" if default is None or default in ([], {}) else f"`{str(default).lower()}`"
