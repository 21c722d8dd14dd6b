import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from ems.contract.catalogue import RECEIVED, TOPICS, payload_schema, schema_file_names, topic_of
from ems.contract.daemon import EventMessage
from ems.contract.devices import TankMessage
from ems.contract.message import Message, Payload, content
from ems.contract.site import ModeName, ReserveName
from ems.contract.status import Presence, StatusText
from ems.contract.topics import DeviceGroup, Topics, device_topic, envelope_topic, forecast_topic, setpoint_topic
from ems.control.state import Mode
from ems.reserve import WATCHED
from tests.conventions.sources import ROOT

NOON = datetime(2026, 7, 3, 12, 0, 0, 123_999, tzinfo=UTC)


def tank(**changes: Any) -> TankMessage:  # any field
    values: dict[str, Any] = {"ts": NOON, "device": "gauge", "asset": "tank", "trouble": None, "fuel_l": 1000.0}
    return TankMessage.model_validate(values | changes)


def test_topics_lie_below_prefix_and_site() -> None:
    topics = Topics(prefix="ems", site_id="desert")

    assert topics.full(device_topic("bess01-pcs", DeviceGroup.PCS)) == "ems/desert/device/bess01-pcs/pcs"
    assert topics.full(setpoint_topic("gen01")) == "ems/desert/setpoint/gen01"
    assert topics.full(forecast_topic("it")) == "ems/desert/forecast/it"
    assert topics.full(envelope_topic("hall-a")) == "ems/desert/cluster/hall-a/envelope"


@pytest.mark.parametrize(
    ("topic", "name"),
    [("ems/desert/state", "state"), ("ems/desert2/state", None), ("ems/desert", None), ("other/desert/state", None)],
)
def test_the_name_of_a_topic_is_what_lies_below_the_root(topic: str, name: str | None) -> None:
    assert Topics(prefix="ems", site_id="desert").name(topic) == name


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("state", "state"),
        ("device/bess01/pcs", "device/<device>/pcs"),
        ("forecast/it", "forecast/it"),
        ("forecast/pv_west", "forecast/pv_<plant>"),
        ("forecast/pv_", None),
        ("cluster/hall-a/envelope", "cluster/<id>/envelope"),
        ("cluster/hall-a/shed", "cluster/<id>/shed"),
        ("cluster/hall-a/ack", None),
        ("device/bess01", None),
    ],
)
def test_a_name_finds_its_row_of_the_contract(name: str, pattern: str | None) -> None:
    row = topic_of(name)

    assert (None if row is None else row.pattern) == pattern


def test_time_is_written_in_utc_with_milliseconds() -> None:
    seoul = NOON.astimezone(timezone(timedelta(hours=9)))

    document = json.loads(tank(ts=seoul).payload())

    assert document["v"] == 1
    assert document["ts"] == "2026-07-03T12:00:00.123Z"


def test_what_is_published_reads_back_equal() -> None:
    message = tank(fuel_l=None, quality={"fuel_l": "stale: no answer"}, age_s={})

    assert TankMessage.model_validate_json(message.payload()) == message


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ts": datetime(2026, 7, 3, 12, 0)}, "naive"),  # noqa: DTZ001 - the naive time is what is refused
        ({"ts": 1_783_000_000}, "a number"),
        ({"fuel_l": float("nan")}, "NaN"),
        ({"fuel_l": float("inf")}, "infinity"),
        ({"level_l": 1.0}, "an unknown name"),
        ({"quality": {"fuel_l": "stale"}}, "a quality beside a value"),
        ({"fuel_l": None, "quality": {"level_l": "stale"}}, "a quality of nothing"),
        ({"fuel_l": None, "quality": {"fuel_l.x": "stale"}}, "a quality of an entry of no table"),
        ({"fuel_l": None, "quality": {"fuel_l": "rotten"}}, "an unknown word"),
        ({"fuel_l": None, "quality": {"fuel_l": "staleness"}}, "a word that only begins like one"),
        ({"age_s": {"level_l": 3.0}}, "an age of nothing"),
        ({"v": 2}, "another version"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_message_refuses(changes: dict[str, Any], reason: str) -> None:
    assert reason
    with pytest.raises(ValidationError):
        tank(**changes)


def test_a_message_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        tank().fuel_l = 2.0  # type: ignore[misc] # the assignment is what is refused


def test_messages_with_the_same_values_have_the_same_content_at_any_time() -> None:
    later = tank(ts=NOON + timedelta(seconds=1))

    assert later.payload() != tank().payload()
    assert content(later.payload()) == content(tank().payload())
    assert content(tank(fuel_l=999.0).payload()) != content(tank().payload())


def test_a_time_inside_a_message_is_content() -> None:
    event = EventMessage(ts=NOON, kind="x", text='{"v":1,"ts":"2026"', cause=None, figures={})

    assert b"2026" in content(event.payload())


def test_negative_zero_is_zero() -> None:
    assert b"-0.0" not in tank(fuel_l=-0.0001).payload()


def test_status_is_plain_text() -> None:
    assert [presence.value for presence in Presence] == ["online", "offline"]
    assert StatusText.model_validate("offline").root is Presence.OFFLINE
    with pytest.raises(ValidationError):
        StatusText.model_validate("away")


def test_the_contract_names_every_mode_and_reserve_class() -> None:
    assert set(get_args(ModeName)) == {mode.value for mode in Mode}
    assert set(get_args(ReserveName)) == {reserve.value for reserve in WATCHED}


def test_every_field_is_described() -> None:
    bare = [
        f"{model.__name__}.{name}"
        for model in _models(Payload)
        for name, field in model.model_fields.items()
        if not field.description
    ]

    assert bare == []


def test_every_message_is_a_topic() -> None:
    topics = {topic.model for topic in TOPICS}
    heads = {model for model in _models(Message) if model.__subclasses__()}

    assert {model for model in _models(Message) if model not in heads} == topics - {StatusText}


def test_only_what_is_gone_with_its_moment_is_not_retained() -> None:
    kept = {topic.pattern for topic in TOPICS if topic.retain}

    assert {topic.pattern for topic in TOPICS} - kept == {
        *("event", "ack/<id>", "standby/<host>", "cluster/<id>/shed"),
        *("record/energy", "record/carbon", "record/alarm"),
    }


def test_the_directory_of_schemas_holds_what_the_contract_has() -> None:
    files = {path.name for path in (ROOT / "ems/contract/schemas").iterdir()}

    assert files == set(schema_file_names())


@pytest.mark.parametrize("name", schema_file_names())
def test_a_schema_forbids_what_it_does_not_name(name: str) -> None:
    schema = json.loads(payload_schema(name))

    objects = [node for node in (schema, *schema.get("$defs", {}).values()) if "properties" in node]

    assert schema["description"]
    assert all(node["additionalProperties"] is False for node in objects)
    # what is published has every field; what is read may leave out those with a default
    if name not in {f"{topic.schema}.schema.json" for topic in RECEIVED}:
        assert all(set(node["required"]) == set(node["properties"]) for node in objects)


def _models(head: type[BaseModel]) -> list[type[BaseModel]]:
    """Return every model below one, those of the contract only."""
    found = []
    for model in head.__subclasses__():
        if model.__module__.startswith("ems.contract"):
            found.append(model)
        found += _models(model)
    return found
