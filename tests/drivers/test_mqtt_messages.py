import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.mqtt.messages import Heard, MessageDecoder, Refused, name_fault
from drivers.mqtt.topicmapfile import load_topic_map, topic_map_names
from tests.drivers.mqtt_maps import ARRIVED_S, NOON, message, site_map

# each goes to every topic of every shipped map
N_PAYLOADS = 3000 if os.environ.get("EMS_FUZZ") == "full" else 100
NOW_MS = int(NOON.timestamp() * 1000)


@pytest.fixture(name="decoder")
def _decoder() -> MessageDecoder:
    return MessageDecoder(site_map(), "plant/b1")


def state(**changes: Any) -> str:
    """Return the JSON of a good message with some keys changed; a key that is set to `...` is left out."""
    whole = {
        "time": NOW_MS,
        "ac": {"power": -2500, "setpoint": -3000.0},
        "mode": 1,
        "ready": True,
        "phases": [{"hz": 50.1}, {"hz": 49.9}],
        "faults": ["fan"],
    }
    return json.dumps({key: value for key, value in (whole | changes).items() if value is not ...})


def heard(decoder: MessageDecoder, **changes: Any) -> Heard:
    return decoder.decode(message("plant/b1/state", state(**changes)))


def test_a_good_message_gives_values_in_our_units_and_signs(decoder: MessageDecoder) -> None:
    said = heard(decoder)

    assert said.values == {
        "power_kw": 2.5,
        "setpoint_kw": 3.0,
        "remote": True,
        "ready": True,
        "frequency_hz": 49.9,
        "faults": ("fan",),
    }
    assert (dict(said.bad), said.refusal, said.at_s) == ({}, None, ARRIVED_S)


def test_charging_and_discharging_come_out_with_our_sign(decoder: MessageDecoder) -> None:
    charging = heard(decoder, ac={"power": 4000, "setpoint": 0})
    discharging = heard(decoder, ac={"power": -4000, "setpoint": 0})

    assert charging.values["power_kw"] == -4.0
    assert discharging.values["power_kw"] == 4.0


def test_the_topics_are_those_of_the_device(decoder: MessageDecoder) -> None:
    assert set(decoder.topics) == {
        "plant/b1/state",
        "plant/b1/counter/charge",
        "plant/b1/info",
        "plant/b1/status",
    }


def test_a_plain_payload_is_the_number_itself_and_a_counter_stays_whole(decoder: MessageDecoder) -> None:
    said = decoder.decode(message("plant/b1/counter/charge", " 1234.567\n"))

    assert said.values == {"charge_wh": 1234567}
    assert isinstance(said.values["charge_wh"], int)


@pytest.mark.parametrize("payload", ["nan", "inf", "1_000", "0x10", "", "12 kW", "1e999", "--3", "٣"])
def test_a_plain_payload_that_is_no_number_is_bad(decoder: MessageDecoder, payload: str) -> None:
    said = decoder.decode(message("plant/b1/counter/charge", payload))

    assert said.values == {"charge_wh": None}
    assert "charge_wh" in said.bad


@pytest.mark.parametrize(
    ("changes", "point", "reason"),
    [
        ({"ac": {"power": "12", "setpoint": 0}}, "power_kw", "'12' is no number"),
        ({"ac": {"power": True, "setpoint": 0}}, "power_kw", "true is no number"),
        ({"ac": {"power": None, "setpoint": 0}}, "power_kw", "not available (null)"),
        ({"ac": {"power": -32768, "setpoint": 0}}, "power_kw", "not available (-32768)"),
        ({"ac": {"power": 200_000, "setpoint": 0}}, "power_kw", "-200 is outside -100..100"),
        ({"ac": {"power": 10**40, "setpoint": 0}}, "power_kw", "the number is beyond every range"),
        ({"ac": {"power": [1], "setpoint": 0}}, "power_kw", "an array is no number"),
        ({"ac": {"setpoint": 0}}, "power_kw", "the message has no 'ac.power'"),
        ({"ac": ...}, "power_kw", "the message has no 'ac'"),
        ({"mode": 3}, "remote", "unknown code 3"),
        ({"ready": 1}, "ready", "1 is neither true nor false"),
        ({"faults": "fan"}, "faults", "'fan' is no list of names"),
    ],
)
def test_a_value_that_cannot_be_understood_is_unknown_with_its_reason(
    decoder: MessageDecoder, changes: dict[str, Any], point: str, reason: str
) -> None:
    said = heard(decoder, **changes)

    assert said.values[point] is None
    assert said.bad[point] == reason


def test_one_bad_value_leaves_the_others(decoder: MessageDecoder) -> None:
    said = heard(decoder, mode=9)

    assert said.values["power_kw"] == 2.5
    assert set(said.bad) == {"remote"}


def test_an_optional_value_that_is_missing_is_unknown_without_being_a_fault(decoder: MessageDecoder) -> None:
    said = heard(decoder, phases=[], faults=...)

    assert said.values["frequency_hz"] is None
    assert dict(said.bad) == {}


@pytest.mark.parametrize("mode", [1, 1.0, "1"])
def test_a_code_counts_however_json_writes_it(decoder: MessageDecoder, mode: object) -> None:
    assert heard(decoder, mode=mode).values["remote"] is True


@pytest.mark.parametrize(
    "payload",
    [
        b"{",
        b"\xff\xfe",
        b'{"time": NaN}',
        b'{"ac": {"power": Infinity}}',
        b"[" * 300,
        b'{"time": 1' + b"0" * 300 + b"}",
        b'{"ac": {"power": 1}}',
        b"null",
        b"17",
    ],
)
def test_a_malformed_message_gives_no_value(decoder: MessageDecoder, payload: bytes) -> None:
    said = decoder.decode(message("plant/b1/state", payload))

    assert said.refusal is not None
    assert said.refusal.kind is Refused.MALFORMED
    assert said.values == {}


def test_an_empty_payload_says_that_the_device_is_gone(decoder: MessageDecoder) -> None:
    said = decoder.decode(message("plant/b1/state", b""))

    assert set(said.values.values()) == {None}
    assert said.bad["power_kw"] == "not available (empty payload)"


def test_a_huge_message_is_refused_unread(decoder: MessageDecoder) -> None:
    said = heard(decoder, faults=["x" * 400])

    assert said.refusal is not None
    assert said.refusal.kind is Refused.TOO_LONG


def test_a_retained_message_is_never_a_fresh_value(decoder: MessageDecoder) -> None:
    said = decoder.decode(message("plant/b1/state", state(), retained=True))

    assert said.refusal is not None
    assert said.refusal.kind is Refused.RETAINED
    assert said.values == {}


def test_a_value_is_no_fresher_than_the_stamp_of_its_device(decoder: MessageDecoder) -> None:
    assert heard(decoder, time=NOW_MS - 3000).at_s == pytest.approx(ARRIVED_S - 3.0)
    assert heard(decoder, time=NOW_MS + 3000).at_s == ARRIVED_S


@pytest.mark.parametrize(("off_ms", "reason"), [(-6000, "6.0 s old"), (6000, "6.0 s ahead")])
def test_a_message_with_a_stamp_far_off_is_refused(decoder: MessageDecoder, off_ms: int, reason: str) -> None:
    said = heard(decoder, time=NOW_MS + off_ms)

    assert said.refusal is not None
    assert said.refusal.kind is Refused.OLD
    assert reason in said.refusal.reason


@pytest.mark.parametrize("stamp", [..., None, "noon", True, 10**30, -1])
def test_a_message_without_a_sound_stamp_is_refused(decoder: MessageDecoder, stamp: object) -> None:
    said = heard(decoder, time=stamp)

    assert said.refusal is not None
    assert said.refusal.kind is Refused.MALFORMED


@pytest.mark.parametrize(
    ("form", "stamp"),
    [
        ("iso8601", "2026-06-01T11:59:58Z"),
        ("iso8601", "2026-06-01T13:59:58.000+02:00"),
        ("unix_s", NOON.timestamp() - 2.0),
        ("unix_ms", NOW_MS - 2000),
    ],
)
def test_a_stamp_is_understood_in_its_format(form: str, stamp: object) -> None:
    decoder = MessageDecoder(site_map(('"unix_ms"', f'"{form}"')), "b1")

    said = decoder.decode(message("b1/state", state(time=stamp)))

    assert said.at_s == pytest.approx(ARRIVED_S - 2.0)


def test_a_stamp_without_its_zone_is_refused() -> None:
    decoder = MessageDecoder(site_map(('"unix_ms"', '"iso8601"')), "b1")

    said = decoder.decode(message("b1/state", state(time="2026-06-01T12:00:00")))

    assert said.refusal is not None
    assert "zone" in said.refusal.reason


@pytest.mark.parametrize(("word", "online"), [("here", True), ("gone", False), ("Gone", None), ("", None)])
@pytest.mark.parametrize("retained", [True, False])
def test_availability_counts_also_where_it_is_retained(
    decoder: MessageDecoder, *, word: str, online: bool | None, retained: bool
) -> None:
    assert decoder.decode(message("plant/b1/status", word, retained=retained)).online is online


@pytest.mark.parametrize(("serial", "shown"), [("A-17", "A-17"), (4711, "4711")])
def test_a_retained_identity_counts(decoder: MessageDecoder, serial: object, shown: str) -> None:
    said = decoder.decode(message("plant/b1/info", json.dumps({"serial": serial}), retained=True))

    assert said.identity == {"serial": shown}


def test_a_topic_that_nobody_expects_is_refused(decoder: MessageDecoder) -> None:
    said = decoder.decode(message("plant/b2/state", state()))

    assert said.refusal is not None
    assert said.refusal.kind is Refused.UNEXPECTED


def test_a_partial_message_says_nothing_of_what_it_leaves_out() -> None:
    decoder = MessageDecoder(site_map(("max_bytes = 400", "partial = true")), "b1")

    said = decoder.decode(message("b1/state", json.dumps({"time": NOW_MS, "ready": False})))

    assert said.values == {"ready": False}
    assert dict(said.bad) == {}


def test_a_number_written_as_a_json_text_is_read_where_the_map_says_so() -> None:
    changed = site_map(('at = "ac.power"\n', 'at = "ac.power"\ntype = "number_text"\n'))
    decoder = MessageDecoder(changed, "b1")

    said = decoder.decode(message("b1/state", state(ac={"power": "-2500.5", "setpoint": 0})))
    absent = decoder.decode(message("b1/state", state(ac={"power": "-32768", "setpoint": 0})))

    assert said.values["power_kw"] == 2.5005
    assert absent.bad["power_kw"] == "not available (-32768)"


def test_the_parts_of_a_name_fill_the_topics() -> None:
    decoder = MessageDecoder(load_topic_map("victron-venus-meter", ()), "c0619ab1cafe/30")

    said = decoder.decode(message("N/c0619ab1cafe/grid/30/Ac/Power", '{"value": 1500.5}'))
    gone = decoder.decode(message("N/c0619ab1cafe/grid/30/Ac/Power", '{"value": null}'))

    assert said.values == {"power_kw": 1.5005}
    assert gone.bad == {"power_kw": "not available (null)"}


def test_a_tasmota_meter_is_read_as_users_log_it() -> None:
    decoder = MessageDecoder(load_topic_map("tasmota-meter", ()), "pump")

    said = decoder.decode(
        message("tele/pump/SENSOR", '{"Time":"2026-06-01T12:00:00","ENERGY":{"Total":1.234,"Power":250,"Voltage":230}}')
    )

    assert said.values == {"load_kw": 0.25, "energy_wh": 1234}
    assert decoder.decode(message("tele/pump/LWT", "Offline", retained=True)).online is False


@pytest.mark.parametrize(
    ("name", "fault"),
    [("p1/30", None), ("p1", "parts portal/instance"), ("p1//30", "parts"), ("p1/+", "sign"), ("/30", "parts")],
)
def test_a_name_has_the_parts_that_its_map_asks_for(name: str, fault: str | None) -> None:
    said = name_fault(load_topic_map("victron-venus-meter", ()), name)

    assert (said is None) if fault is None else (said is not None and fault in said)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PAYLOADS = (
    st.binary(max_size=200)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.fixed_dictionaries({"time": JSON, "ac": JSON, "mode": JSON, "ready": JSON, "phases": JSON}).map(
        lambda value: json.dumps(value).encode()
    )
    | st.fixed_dictionaries(
        {"time": st.just(NOW_MS), "ac": st.fixed_dictionaries({"power": JSON, "setpoint": JSON}), "mode": JSON}
    ).map(lambda value: json.dumps(value).encode())
)
DECODERS = [MessageDecoder(load_topic_map(name, ()), "a/b") for name in topic_map_names(())]
DECODERS.append(MessageDecoder(site_map(), "b1"))


@settings(deadline=None, max_examples=N_PAYLOADS, suppress_health_check=[HealthCheck.too_slow])
@given(payload=PAYLOADS, retained=st.booleans())
def test_no_payload_raises_or_gives_a_value_outside_its_range(*, payload: bytes, retained: bool) -> None:
    for decoder in DECODERS:
        for topic in decoder.topics:
            said = decoder.decode(message(topic, payload, retained=retained))
            power_kw = said.values.get("power_kw")
            assert power_kw is None or -20_000 <= float(str(power_kw)) <= 20_000
            assert all(said.values[name] is None for name in said.bad)
            assert not (retained and said.values)
