"""Discovery messages by the rules that Home Assistant publishes for MQTT sensors, and against our contract."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from ems.contract.catalogue import topic_of
from ems.contract.message import Payload
from ems.contract.topics import Topics
from ems.gateway.home_assistant import ENTITIES, Discovery, Entity, discovery
from ems.gateway.mqtt import MqttPublisher
from tests.gateway.brokers import TOPICS, Mosquitto, needs_mosquitto, settings, subscriber, until

SITE = Topics(prefix="ems/north", site_id="desert")
MESSAGES = tuple(discovery(SITE, prefix="homeassistant", site_name="Desert", version="1.0"))
# units that a device class takes, and device classes of binary sensors, of those that we use
UNITS = {
    "power": {"mW", "W", "kW", "MW", "GW", "TW"},
    "energy": {"J", "kJ", "MJ", "GJ", "mWh", "Wh", "kWh", "MWh", "GWh", "TWh", "cal", "kcal", "Mcal", "Gcal"},
    "battery": {"%"},
    "frequency": {"Hz", "kHz", "MHz", "GHz"},
    "temperature": {"°C", "°F", "K"},
    "volume_storage": {"L", "mL", "gal", "fl. oz.", "m³", "ft³", "CCF"},
}
KEYS = {
    *("name", "unique_id", "state_topic", "value_template", "availability_topic", "payload_available"),
    *("payload_not_available", "device", "origin", "unit_of_measurement", "device_class", "state_class"),
}


def config(message: Discovery) -> dict[str, Any]:  # JSON of any shape
    document: dict[str, Any] = json.loads(message.payload)
    return document


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.topic)
def test_a_message_is_one_that_home_assistant_takes(message: Discovery) -> None:
    found = re.fullmatch(
        r"homeassistant/(sensor|binary_sensor)/([A-Za-z0-9_-]+)/([A-Za-z0-9_-]+)/config", message.topic
    )
    document = config(message)

    assert found is not None
    assert set(document) <= KEYS
    assert document["device"]["identifiers"] == ["ems_north_desert"]
    assert document["availability_topic"] == "ems/north/desert/status"
    if found[1] == "binary_sensor":
        assert document.get("device_class") in (None, "problem")
        assert "unit_of_measurement" not in document
        assert "'ON'" in document["value_template"]
    else:
        device_class, unit = document.get("device_class"), document.get("unit_of_measurement")
        assert device_class is None or unit in UNITS[device_class]
        # what has a state class is a number, and an energy that only rises says so
        assert (device_class == "energy") is (document.get("state_class") == "total_increasing")


def test_no_two_messages_have_the_same_name_or_topic() -> None:
    assert len({config(message)["unique_id"] for message in MESSAGES}) == len(MESSAGES) == len(ENTITIES)
    assert len({message.topic for message in MESSAGES}) == len(MESSAGES)


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: f"{entity.topic}.{entity.field}")
def test_every_value_is_one_of_the_contract(entity: Entity) -> None:
    row = topic_of(entity.topic)
    assert row is not None
    model: Any = row.model  # walks down through parts
    for name in entity.field.split("."):
        assert issubclass(model, Payload)
        assert name in model.model_fields
        model = model.model_fields[name].annotation


@pytest.mark.wire
@pytest.mark.mosquitto
@needs_mosquitto
async def test_what_is_published_outside_the_site_s_root_goes_to_its_own_topic(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        publisher = MqttPublisher(settings(broker.port), TOPICS)
        publisher.publish_outside("homeassistant/sensor/test/x/config", b"{}")
        task = asyncio.create_task(publisher.run())
        await until(lambda: publisher.statistics().connected and publisher.statistics().n_waiting == 0)
        with subscriber(broker.port, Topics(prefix="homeassistant", site_id="sensor")) as client:
            await until(lambda: client.newest("test/x/config") == b"{}")
        task.cancel()
        await asyncio.wait((task,))
