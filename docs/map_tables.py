"""Tables of keys and JSON Schemas of map files, from the models that check them."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pydantic.fields import FieldInfo

from drivers.device.maptables import MapTable
from drivers.device.schemaproblems import Schema

_PLACE: Final = re.compile(r"(<!-- keys -->\n).*?(<!-- end -->)", re.DOTALL)


def with_key_tables(page: Path, schema: Schema) -> str:
    """Return a page as it is, with fresh tables of keys."""
    keys = "\n".join(key_tables(schema))
    return _PLACE.sub(lambda match: f"{match[1]}{keys}{match[2]}", page.read_text(encoding="utf-8"))


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


def section_head(name: str, description: str, source: str) -> Iterator[str]:
    """Yield the lines with which a section about a map begins: the comment of its file, and its document."""
    yield f"## {name}"
    yield ""
    yield description
    yield ""
    yield f"Source: {source}."
    yield ""


def meaning(field: str, labels: Mapping[int, str] | Mapping[str, str] | None) -> str:
    """Return the field that a point fills, with the names of its codes or bits."""
    codes = f" ({', '.join(f'{code} {label}' for code, label in labels.items())})" if labels else ""
    return f"{field}{codes}"


def scaling(*, scale: float, offset: float, sign: int, factor: str = "") -> str:
    """Return how a value follows from what is read, nothing for the number itself."""
    parts = [factor] if factor else []
    parts += [f"x {scale:g}"] if scale != 1 else []
    parts += [f"{offset:+g}"] if offset else []
    parts += ["sign turned"] if sign < 0 else []
    return ", ".join(parts)


def _needed(field: FieldInfo) -> str:
    if field.is_required():
        return "yes"
    default = field.get_default(call_default_factory=True)
    return "" if default is None or default in ([], {}) else f"`{str(default).lower()}`"
