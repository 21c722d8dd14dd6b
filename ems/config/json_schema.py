"""A JSON Schema for each file, for editors that check and complete TOML while it is written.

A site may extend another one and state only what differs, so an editor cannot know what is missing: here tables
need no key. Entries of lists do, because a list is always replaced as a whole. `ems check` knows everything.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from ems.config.files import SCHEMAS, introduction
from ems.config.keys import Node, resolved
from ems.config.schema.fields import WORDS

# what only this project reads, and titles that pydantic makes of identifiers
_DROPPED: Final = frozenset({WORDS, "title", "$defs"})


def schema_file_names() -> Iterator[str]:
    """Yield the name of each schema file, in the order of the configuration's files."""
    return (f"{file_name.removesuffix('.toml')}.schema.json" for file_name in SCHEMAS)


def editor_schema(schema_file_name: str) -> str:
    """Return the text of a schema file."""
    file_name = f"{schema_file_name.removesuffix('.schema.json')}.toml"
    schema = SCHEMAS[file_name].model_json_schema()
    node = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": file_name,
        **_for_editors(schema, schema.get("$defs", {}), is_whole=False),
        "description": introduction(file_name),
    }
    return json.dumps(node, indent=2, ensure_ascii=False) + "\n"


def _for_editors(node: Node, definitions: Node, *, is_whole: bool) -> dict[str, Any]:
    """Return a node with its references filled in; `is_whole`: its tables must have every required key."""
    plain: dict[str, Any] = {}
    for keyword, value in resolved(node, definitions).items():
        match keyword:
            case "properties" | "patternProperties":
                plain[keyword] = {
                    name: _for_editors(child, definitions, is_whole=is_whole) for name, child in value.items()
                }
            case "items":
                plain[keyword] = _for_editors(value, definitions, is_whole=True)
            case "required" if not is_whole:
                continue
            case "default" if value is None:
                continue  # TOML has no null
            case _ if keyword not in _DROPPED:
                plain[keyword] = value
    if "patternProperties" in plain:
        # the pattern says it already; other names are refused
        plain.pop("propertyNames", None)
        plain["additionalProperties"] = False
    return plain
