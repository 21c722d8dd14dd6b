"""ems/contract/asyncapi.json: the MQTT contract as an AsyncAPI 3.0 document, from the catalogue of topics."""

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ems.contract.catalogue import RECEIVED, TOPICS, Topic
from ems.contract.message import Message

_QOS: Final = 1
_PLACE: Final = re.compile(r"<([a-z]+)>")
_PARAMETERS: Final = {
    "prefix": {"description": "`prefix` of mqtt.toml.", "default": "ems"},
    "site": {"description": "`id` of site.toml."},
    "device": {"description": "Name of the device in devices.toml."},
    "link": {"description": "Name of the connection in devices.toml."},
    "plant": {"description": "Name of the PV plant in assets.toml."},
    "id": {"description": "Name of the cluster, of the alarm or of the command."},
    "name": {"description": "Name of the command."},
    "host": {"description": "Host of a controller that does not command."},
}
_DESCRIPTION: Final = (
    "What the controller publishes and reads. The page docs/mqtt.md explains quality, ages, units and signs, with an "
    "example of each message; the JSON Schemas lie beside this document."
)
# JSON of any shape
_Json = dict[str, Any]


def asyncapi_document() -> str:
    """Return the document as JSON; its payloads refer to the shipped schemas."""
    rows = [*((topic, "send") for topic in TOPICS), *((topic, "receive") for topic in RECEIVED)]
    document: _Json = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "GPU microgrid EMS",
            "version": "1",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"broker": _server()},
        "channels": {_key(topic): _channel(topic) for topic, _ in rows},
        "operations": {f"{action}_{_key(topic)}": _operation(topic, action) for topic, action in rows},
        "components": {"messages": dict(_messages(topic for topic, _ in rows))},
    }
    return json.dumps(document, indent=2) + "\n"


def _server() -> _Json:
    return {
        "host": "{host}:{port}",
        "protocol": "mqtt",
        "protocolVersion": "5",
        "description": "The site's broker; `protocol` of mqtt.toml switches to 3.1.1, `ca_file` to TLS.",
        "variables": {"host": {"description": "Address of the broker."}, "port": {"default": "1883"}},
    }


def _channel(topic: Topic) -> _Json:
    address = "{prefix}/{site}/" + _PLACE.sub(r"{\1}", topic.pattern)
    names = re.findall(r"{([a-z]+)}", address)
    return {
        "address": address,
        "servers": [{"$ref": "#/servers/broker"}],
        "parameters": {name: _PARAMETERS.get(name, {}) for name in names},
        "messages": {_message_name(topic): {"$ref": f"#/components/messages/{_message_name(topic)}"}},
    }


def _operation(topic: Topic, action: str) -> _Json:
    channel = f"#/channels/{_key(topic)}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "summary": _summary(topic),
        "bindings": {"mqtt": {"qos": _QOS, "retain": topic.retain, "bindingVersion": "0.2.0"}},
        "messages": [{"$ref": f"{channel}/messages/{_message_name(topic)}"}],
    }


def _messages(topics: Iterator[Topic]) -> Iterator[tuple[str, Mapping[str, object]]]:
    for topic in topics:
        yield (
            _message_name(topic),
            {
                "name": _message_name(topic),
                "contentType": "application/json" if issubclass(topic.model, Message) else "text/plain",
                "summary": _summary(topic),
                "payload": {
                    "schemaFormat": "application/schema+json;version=draft-2020-12",
                    "schema": {"$ref": f"schemas/{topic.schema}.schema.json"},
                },
            },
        )


def _summary(topic: Topic) -> str:
    return inspect.cleandoc(topic.model.__doc__ or "").partition("\n")[0]


def _key(topic: Topic) -> str:
    """Return the name of a topic inside the document: letters, digits and `_`."""
    return re.sub(r"[^a-z0-9]+", "_", topic.pattern).strip("_")


def _message_name(topic: Topic) -> str:
    return topic.schema.replace(".", "_")
