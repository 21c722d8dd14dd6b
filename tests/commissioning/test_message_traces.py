"""Recorded messages of every shipped topic map, played to the drivers."""

import json
from typing import Any

import pytest

from drivers.device.fields import DeviceClass
from drivers.mqtt.device import MqttDevice
from drivers.mqtt.link import MqttLink
from drivers.mqtt.topicmapfile import load_topic_map, topic_map_names
from drivers.mqtt.trace import load_message_trace
from tests.commissioning.record_message_traces import DRIVERS, HOME
from tests.drivers.clock import SteppedClock
from tests.drivers.mqtt_rig import BROKER, broker_spec, mqtt_spec
from tests.drivers.rig import build

RECORDED = tuple(sorted(file.stem for file in HOME.glob("*.jsonl")))


def played(name: str) -> MqttDevice[Any]:  # of any class of reading
    """Return a device that has heard what was recorded."""
    trace = load_message_trace(HOME / f"{name}.jsonl")
    (recorded,) = trace.devices.values()
    clock = SteppedClock()
    spec = mqtt_spec(recorded.map, driver=DRIVERS[load_topic_map(name, ()).device_class], name=recorded.name)
    device = build(spec, clock=clock, links={BROKER: MqttLink(broker_spec(), clock=clock)})
    assert isinstance(device, MqttDevice)
    device.connected(clock.monotonic_s())
    for message in trace.arrivals(origin_s=clock.monotonic_s()):
        device.heard(message)
    return device


def test_every_shipped_topic_map_has_a_recorded_trace() -> None:
    assert set(RECORDED) == set(topic_map_names(()))


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_device_is_decoded_to_the_values_that_it_had(name: str) -> None:
    values = json.loads((HOME / f"{name}.values.json").read_text(encoding="utf-8"))
    reading = played(name).reading()

    assert reading is not None
    read = {field: getattr(reading, field) for field in values}
    assert read == {
        field: tuple(value) if isinstance(value, list) else pytest.approx(value, abs=1e-6)
        for field, value in values.items()
    }
    assert dict(reading.bad) == {}


@pytest.mark.parametrize("name", [name for name in RECORDED if load_topic_map(name, ()).identity])
def test_a_recorded_device_has_named_itself(name: str) -> None:
    identity = played(name).identity() or {}

    assert set(identity) == set(load_topic_map(name, ()).identity)


def test_a_recorded_battery_is_commanded_after_its_fallback_was_seen_to_be_armed() -> None:
    assert load_topic_map("mqtt-json-battery", ()).device_class is DeviceClass.PCS
    withheld = getattr(played("mqtt-json-battery"), "withheld", None)

    assert withheld is not None
    assert withheld() is None
