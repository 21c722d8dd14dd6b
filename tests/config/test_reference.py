import json
from collections.abc import Iterator
from typing import Any

import pytest

from docs.build import ROOT
from ems.config.files import SCHEMAS
from ems.config.json_schema import editor_schema, schema_file_names
from ems.config.keys import Key, Kind, file_key
from ems.config.reference import configuration_page
from ems.config.shipped import site_directory
from ems.config.source import read_directory


@pytest.mark.parametrize("file_name", list(SCHEMAS))
def test_every_key_has_words_and_a_meaning(file_name: str) -> None:
    silent = [path for path, key in _values(file_key(file_name), file_name) if not key.words or not key.meaning]

    assert silent == []


def test_the_page_has_a_row_with_range_unit_default_and_meaning() -> None:
    page = configuration_page()

    assert (
        "| `battery.<name>.max_charge_kw` | a number above 0 and up to 1000000 kW | required "
        "| Charge limit of one block, not above the PCS rating. |"
    ) in page
    assert "| `planning.gap_frac` | a number from 0 to 0.05 | `0.005` | Relative gap at which to stop. |" in page
    assert "| `site.timezone` | an IANA time zone such as Asia/Seoul | required |" in page


def test_the_page_has_every_key_of_a_shipped_site() -> None:
    page = configuration_page()
    tree = read_directory(site_directory("weak-grid-campus"))

    missing = [key for name in SCHEMAS for key in tree.file(name).table if key not in page]

    assert missing == []


def test_an_editor_asks_for_no_key_that_an_extended_site_may_have() -> None:
    schema = json.loads(editor_schema("assets.schema.json"))

    assert "required" not in schema
    assert "required" not in schema["properties"]["cooling"]


def test_an_editor_asks_for_every_key_of_a_list_entry() -> None:
    schema = json.loads(editor_schema("devices.schema.json"))

    assert schema["properties"]["link"]["items"]["required"] == ["id"]


@pytest.mark.parametrize("name", list(schema_file_names()))
def test_a_schema_refuses_unknown_keys_at_every_level_and_holds_nothing_of_python(name: str) -> None:
    schema = json.loads((ROOT / "config/schema" / name).read_text(encoding="utf-8"))

    tables = [node for node in _nodes(schema) if node.get("type") == "object"]

    # register maps and topic maps have schemas of their own
    open_tables = [table["description"] for table in tables if table["additionalProperties"] is not False]
    pages = ("docs/register-maps.md", "docs/mqtt-devices.md")
    assert all(any(page in description for page in pages) for description in open_tables)
    assert not any(keyword in node for node in _nodes(schema) for keyword in ("$ref", "$defs", "anyOf", "x-words"))


def _values(key: Key, path: str) -> Iterator[tuple[str, Key]]:
    if key.kind is Kind.VALUE:
        yield path, key
    for name, child in key.children.items():
        yield from _values(child, f"{path}.{name}")
    if key.entry is not None and key.entry.kind is Kind.TABLE:
        yield from _values(key.entry, f"{path}[]")


def _nodes(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:  # JSON of any shape
    yield schema
    for keyword in ("properties", "patternProperties"):
        for child in schema.get(keyword, {}).values():
            yield from _nodes(child)
    if "items" in schema:
        yield from _nodes(schema["items"])
