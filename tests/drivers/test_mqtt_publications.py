import json
import math
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.device.values import Bad
from drivers.mqtt.publications import CommandEncoder, EncodedSetpoint, HeartbeatEncoder, Sending, keepalive, watchdog
from drivers.mqtt.topicmapfile import load_topic_map
from tests.drivers.mqtt_maps import NOON, site_map

SENDING = Sending(utc=NOON, valid_for_s=4.0, request_id=7, watchdog_s=10.0)


@pytest.fixture(name="encoder")
def _encoder() -> CommandEncoder:
    topic_map = site_map()
    return CommandEncoder(topic_map, topic_map.commands["power_kw"], "plant/b1")


def encoded(encoder: CommandEncoder, value: float) -> EncodedSetpoint:
    order = encoder.encode(value)
    assert isinstance(order, EncodedSetpoint)
    return order


def test_a_setpoint_becomes_a_message_that_dies_with_it(encoder: CommandEncoder) -> None:
    publication = encoder.publication(encoded(encoder, 2.5), SENDING)

    assert publication.topic == "plant/b1/set"
    assert publication.qos == 1
    assert publication.expires_s == 4.0
    assert json.loads(publication.payload) == {
        "p": -2500,
        "until": int((NOON + timedelta(seconds=4)).timestamp() * 1000),
        "ttl": 4.0,
        "n": 7,
        "unit": "W",
    }


def test_a_setpoint_is_rounded_toward_zero_to_what_the_device_resolves(encoder: CommandEncoder) -> None:
    order = encoded(encoder, -2.4999)

    assert (order.raw, order.value) == (2490, -2.49)
    assert order.step == pytest.approx(0.01)


def test_a_value_that_is_a_multiple_already_stays_the_same(encoder: CommandEncoder) -> None:
    assert encoded(encoder, 0.07).raw == -70


@pytest.mark.parametrize("value", [100.1, -100.1, math.nan, math.inf, -math.inf])
def test_what_does_not_fit_is_refused_and_not_clamped(encoder: CommandEncoder, value: float) -> None:
    assert isinstance(encoder.encode(value), Bad)


def test_a_fine_resolution_leaves_no_noise_of_binary_fractions() -> None:
    topic_map = site_map(("resolution = 10.0", "resolution = 0.1"))
    encoder = CommandEncoder(topic_map, topic_map.commands["power_kw"], "b1")

    assert encoded(encoder, -0.0003).raw == 0.3


@settings(deadline=None)
@given(value=st.floats(min_value=-100.0, max_value=100.0))
def test_a_written_value_is_never_larger_than_the_one_asked_for(value: float) -> None:
    topic_map = site_map()
    order = encoded(CommandEncoder(topic_map, topic_map.commands["power_kw"], "b1"), value)

    assert abs(order.value) <= abs(value) + 1e-5
    assert abs(order.value - value) <= order.step * 1.001


def test_a_heartbeat_counts_in_its_payload() -> None:
    topic_map = site_map()
    assert topic_map.heartbeat is not None

    publication = HeartbeatEncoder(topic_map, topic_map.heartbeat, "b1").publication(12, period_s=1.0)

    assert (publication.topic, publication.payload, publication.expires_s) == ("b1/alive", b"12", 1.0)


def test_the_watchdog_time_is_a_message_of_its_own() -> None:
    publication = watchdog(load_topic_map("mqtt-json-battery", ()), "b1", watchdog_s=8.0)

    assert publication is not None
    assert (publication.topic, json.loads(publication.payload)) == ("b1/watchdog", {"watchdog_s": 8.0})
    assert watchdog(load_topic_map("tasmota-meter", ()), "pump", watchdog_s=8.0) is None


def test_the_setpoint_of_the_own_family_says_until_when_it_counts() -> None:
    topic_map = load_topic_map("mqtt-json-battery", ())
    encoder = CommandEncoder(topic_map, topic_map.commands["power_kw"], "b1")

    publication = encoder.publication(encoded(encoder, 1250.0), SENDING)

    assert publication.topic == "b1/set"
    assert json.loads(publication.payload) == {"power_w": 1250000, "valid_until": "2026-06-01T12:00:04.000Z", "id": 7}


def test_a_keepalive_goes_to_the_topic_of_the_whole_system() -> None:
    publication = keepalive(load_topic_map("victron-venus-meter", ()), "c0619ab1cafe/30")

    assert publication is not None
    assert (publication.topic, publication.payload) == ("R/c0619ab1cafe/keepalive", b"")
    assert keepalive(load_topic_map("tasmota-meter", ()), "pump") is None
