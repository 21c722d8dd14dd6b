"""The AsyncAPI document by the rules of AsyncAPI 3.0.0 that concern what it uses, and against the catalogue."""

import json
import re
from collections.abc import Iterator
from typing import Any

from ems.contract.catalogue import RECEIVED, TOPICS
from tests.conventions.sources import ROOT

FILE = ROOT / "ems/contract/asyncapi.json"
# JSON of any shape
DOCUMENT: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
# the fields that the specification allows in the objects that we use
FIELDS = {
    "channels": {"address", "title", "summary", "description", "servers", "parameters", "messages", "tags", "bindings"},
    "operations": {
        *("action", "channel", "title", "summary", "description", "security", "tags", "bindings"),
        *("traits", "messages", "reply"),
    },
    "servers": {
        *("host", "protocol", "protocolVersion", "pathname", "description", "title", "summary", "variables"),
        *("security", "tags", "externalDocs", "bindings"),
    },
}
MESSAGE_FIELDS = {
    "headers",
    "payload",
    "contentType",
    "name",
    "title",
    "summary",
    "description",
    "bindings",
    "examples",
}


def references(node: Any) -> Iterator[str]:  # JSON of any shape
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def resolved(reference: str) -> Any:  # JSON of any shape
    node: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def test_the_document_has_the_required_parts_and_no_unknown_ones() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(DOCUMENT["info"])
    assert set(DOCUMENT) <= {
        "asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components"
    }  # fmt: skip
    for part, fields in FIELDS.items():
        for name, entry in DOCUMENT[part].items():
            assert re.fullmatch(r"[A-Za-z0-9_\-]+", name), name
            assert set(entry) <= fields, name
    assert all(set(message) <= MESSAGE_FIELDS for message in DOCUMENT["components"]["messages"].values())
    assert all({"host", "protocol"} <= set(server) for server in DOCUMENT["servers"].values())


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        if reference.startswith("#/"):
            assert resolved(reference) is not None
        else:
            assert (FILE.parent / reference).is_file(), reference


def test_the_parameters_of_a_channel_are_those_of_its_address() -> None:
    for channel in DOCUMENT["channels"].values():
        assert set(channel["parameters"]) == set(re.findall(r"{(\w+)}", channel["address"]))
        assert not re.search(r"[<>+#]", channel["address"])
        assert all(set(each) <= {"description", "default", "enum"} for each in channel["parameters"].values())


def test_an_operation_names_messages_of_its_own_channel() -> None:
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in ("send", "receive")
        channel = operation["channel"]["$ref"]
        assert resolved(channel)["address"]
        assert all(message["$ref"].startswith(f"{channel}/messages/") for message in operation["messages"])


def test_the_document_has_exactly_the_topics_of_the_contract() -> None:
    shown = {}
    for operation in DOCUMENT["operations"].values():
        address = resolved(operation["channel"]["$ref"])["address"]
        pattern = re.sub(r"{(\w+)}", r"<\1>", address.removeprefix("{prefix}/{site}/"))
        binding = operation["bindings"]["mqtt"]
        schema = resolved(resolved(operation["messages"][0]["$ref"])["$ref"])["payload"]["schema"]["$ref"]
        shown[pattern] = (operation["action"], binding["retain"], binding["qos"], schema)

    rows = [*((topic, "send") for topic in TOPICS), *((topic, "receive") for topic in RECEIVED)]
    assert shown == {
        topic.pattern: (action, topic.retain, 1, f"schemas/{topic.schema}.schema.json") for topic, action in rows
    }
