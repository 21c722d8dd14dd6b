"""docs/mqtt.md against the models: what it shows is what is published."""

import json
import re
from typing import Any

import pytest

from ems.contract.catalogue import RECEIVED, TOPICS, Topic
from ems.contract.message import Message
from tests.conventions.sources import ROOT

PAGE = (ROOT / "docs/mqtt.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"^### `([^`]+)`\n(?:(?!^### )[\s\S])*?^```json\n([\s\S]*?)^```$", PAGE, re.MULTILINE))
ROWS = {
    pattern: (retained == "yes", schema)
    for pattern, retained, schema in re.findall(
        r"^\| `([^`]+)` \| (yes|no) \|.*\| `([^`]+)\.schema\.json` \|$", PAGE, re.MULTILINE
    )
}
IN_JSON = [topic for topic in TOPICS if issubclass(topic.model, Message)]


def test_the_table_has_exactly_the_topics_of_the_contract() -> None:
    assert {topic.pattern: (topic.retain, topic.schema) for topic in (*TOPICS, *RECEIVED)} == ROWS


def test_every_topic_in_json_has_an_example_and_no_other() -> None:
    assert set(EXAMPLES) == {topic.pattern for topic in IN_JSON}


@pytest.mark.parametrize("topic", IN_JSON, ids=lambda topic: topic.pattern)
def test_an_example_is_a_whole_message(topic: Topic) -> None:
    text = EXAMPLES[topic.pattern]

    message = topic.model.model_validate_json(text)

    assert json.loads(message.model_dump_json()) == json.loads(text)


@pytest.mark.parametrize("topic", IN_JSON, ids=lambda topic: topic.pattern)
def test_an_example_has_every_field_that_the_schema_requires_and_no_other(topic: Topic) -> None:
    schema = _schema(topic)
    example: dict[str, Any] = json.loads(EXAMPLES[topic.pattern])

    assert set(example) == set(schema["properties"]) == set(schema["required"])


def test_the_page_explains_every_word_of_quality() -> None:
    pattern = Message.model_json_schema()["properties"]["quality"]["additionalProperties"]["pattern"]

    words = re.findall(r"[a-z]+", pattern.partition(")")[0])

    assert words == ["stale", "bad", "unknown", "absent"]
    assert all(f"\n| `{word}` | " in PAGE for word in words)


def test_the_page_lists_exactly_the_nulls_that_are_values() -> None:
    (table,) = re.findall(r"^\| field \| null means \|\n\| --- \| --- \|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    listed = {
        (topic.removesuffix("/..."), name)
        for topic, names in re.findall(r"^\| `([a-z./]+)`: ((?:`\w+`(?:, )?)+) \|", table, re.MULTILINE)
        for name in re.findall(r"\w+", names)
    }

    described = {
        (topic.pattern.partition("/")[0], name)
        for topic in IN_JSON
        # a record is a message of another topic
        if not topic.pattern.startswith("record/")
        for name, field in topic.model.model_fields.items()
        if "null:" in (field.description or "")
    }

    assert listed == described


def _schema(topic: Topic) -> dict[str, Any]:
    path = ROOT / f"ems/contract/schemas/{topic.schema}.schema.json"
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return schema
