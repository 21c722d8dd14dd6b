"""The Sparkplug B edge node, decoded with Tahu's own protocol buffer classes and heard on a real broker."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion
from sparkplub_b_packets.core import sparkplug_b_pb2

from ems.contract.devices import TankMessage
from ems.contract.outgoing import Outgoing
from ems.contract.topics import STATE
from ems.gateway.messages.site import state_message
from ems.gateway.sparkplug.encoding import DataType, Metric, Property, encoded, orders
from ems.gateway.sparkplug.node import EdgeNode
from ems.gateway.sparkplug.session import SparkplugPublisher, SparkplugSettings
from tests.conventions.sources import ROOT
from tests.gateway.brokers import Mosquitto, needs_mosquitto, settings, until
from tests.gateway.operation import operation

EDGE = operation("edge-node")
NOON = datetime(2026, 7, 3, 12, tzinfo=UTC)
SETTINGS = SparkplugSettings(group="plant", node="edge", primary_host=None)


def state(*, soc_pct: float = 50.0) -> Outgoing:
    record = EDGE.record
    message = state_message(EDGE.site, record.snapshot, record.decision, None, device_ids=EDGE.device_ids)
    return Outgoing(topic=STATE, message=message.model_copy(update={"soc_pct": soc_pct, "ts": NOON}))


def tank(fuel_l: float | None, *, at: datetime = NOON, quality: str = "stale: 20 s old") -> Outgoing:
    message = TankMessage(
        ts=at,
        device="gauge",
        asset="tank",
        trouble=None if fuel_l is not None else "no answer",
        fuel_l=fuel_l,
        quality={} if fuel_l is not None else {"fuel_l": quality},
    )
    return Outgoing(topic="device/gauge/tank", message=message)


def payload(data: bytes) -> Any:  # a class made at run time
    """Return a payload as Tahu's classes read it."""
    found = sparkplug_b_pb2.Payload()
    found.ParseFromString(data)
    return found


def by_name(data: bytes) -> dict[str, Any]:
    return {metric.name: metric for metric in payload(data).metrics}


def born(node: EdgeNode) -> dict[str, bytes]:
    node.will()
    return {sending.topic: sending.payload for sending in node.born()}


def node_with(*messages: Outgoing) -> EdgeNode:
    node = EdgeNode(group="plant", node="edge")
    for message in messages:
        node.see(message)
    return node


def test_a_birth_has_every_metric_with_name_alias_type_unit_and_quality() -> None:
    births = born(node_with(state(), tank(800.0)))

    assert list(births) == ["spBv1.0/plant/NBIRTH/edge", "spBv1.0/plant/DBIRTH/edge/gauge"]
    node, device = births.values()
    assert (payload(node).seq, payload(device).seq) == (0, 1)
    metrics = by_name(node)
    assert metrics["bdSeq"].long_value == 0
    assert metrics["Node Control/Rebirth"].boolean_value is False
    soc = metrics["state/soc_pct"]
    assert (soc.datatype, soc.double_value, soc.timestamp) == (10, 50.0, int(NOON.timestamp() * 1000))
    assert dict(
        zip(soc.properties.keys, [(v.int_value, v.string_value) for v in soc.properties.values], strict=True)
    ) == {
        "engUnit": (0, "%"),
        "Quality": (192, ""),
    }
    assert metrics["state/mode"].string_value == EDGE.record.decision.state.mode.value
    assert by_name(device)["tank/fuel_l"].double_value == 800.0
    aliases = [metric.alias for data in births.values() for metric in payload(data).metrics if metric.HasField("alias")]
    assert len(aliases) == len(set(aliases)) > 20


def test_only_what_has_changed_is_sent_and_by_its_alias() -> None:
    node = node_with(state(), tank(800.0))
    birth = born(node)["spBv1.0/plant/DBIRTH/edge/gauge"]
    alias = by_name(birth)["tank/fuel_l"].alias

    node.see(state())
    node.see(tank(790.0, at=NOON + timedelta(seconds=1)))
    (data,) = node.news()

    assert data.topic == "spBv1.0/plant/DDATA/edge/gauge"
    (metric,) = payload(data.payload).metrics
    assert (metric.alias, metric.name, metric.double_value) == (alias, "", 790.0)
    assert payload(data.payload).seq == 2
    assert list(node.news()) == []


def test_a_value_that_is_not_known_is_null_with_its_quality() -> None:
    message = tank(None)
    shown = replace(message, message=message.message.model_copy(update={"trouble": None}))

    births = born(node_with(state(), shown))

    # a device of which nothing is known is not there
    assert list(births) == ["spBv1.0/plant/NBIRTH/edge"]
    null = by_name(births["spBv1.0/plant/NBIRTH/edge"])["state/import_target_kw"]
    assert null.is_null
    assert not null.HasField("double_value")


def test_a_device_that_is_lost_dies_and_is_born_again() -> None:
    node = node_with(state(), tank(800.0))
    born(node)

    node.see(tank(None))
    (death,) = node.news()
    node.see(tank(None))
    nothing = list(node.news())
    node.see(tank(700.0))
    (birth,) = node.news()

    assert (death.topic, payload(death.payload).seq) == ("spBv1.0/plant/DDEATH/edge/gauge", 2)
    assert nothing == []
    assert (birth.topic, payload(birth.payload).seq) == ("spBv1.0/plant/DBIRTH/edge/gauge", 3)
    assert by_name(birth.payload)["tank/fuel_l"].double_value == 700.0


def test_a_metric_that_was_not_in_the_birth_brings_a_new_one() -> None:
    node = node_with(state())
    born(node)

    node.see(tank(800.0))

    assert [sending.topic.split("/")[2] for sending in node.news()] == ["NBIRTH", "DBIRTH"]


def test_sequence_numbers_run_from_0_to_255_and_the_number_of_the_connection_rises() -> None:
    node = node_with(state())
    born(node)
    seqs = []
    for number in range(600):
        node.see(state(soc_pct=number / 10.0))
        seqs += [payload(sending.payload).seq for sending in node.news()]

    assert seqs == [(number + 1) % 256 for number in range(len(seqs))]
    assert len(seqs) > 590
    for expected in (1, 2):
        will = payload(node.will())
        birth = payload(next(iter(node.born())).payload)
        assert (will.metrics[0].name, will.metrics[0].long_value, will.HasField("seq")) == ("bdSeq", expected, False)
        assert birth.metrics[0].long_value == expected


def rebirth(*, value: bool = True, name: str = "Node Control/Rebirth") -> bytes:
    command = sparkplug_b_pb2.Payload()
    metric = command.metrics.add()
    metric.name, metric.datatype, metric.boolean_value = name, 11, value
    data: bytes = command.SerializeToString()
    return data


def test_a_rebirth_that_a_host_asks_for_repeats_all_births_with_the_same_connection_number() -> None:
    node = node_with(state(), tank(800.0))
    born(node)
    node.see(state(soc_pct=51.0))

    assert node.command(rebirth()) is None
    sendings = list(node.news())

    assert [sending.topic.split("/")[2] for sending in sendings] == ["NBIRTH", "DBIRTH"]
    assert by_name(sendings[0].payload)["bdSeq"].long_value == 0
    assert payload(sendings[0].payload).seq == 0
    assert by_name(sendings[0].payload)["state/soc_pct"].double_value == 51.0


@pytest.mark.parametrize("command", [rebirth(value=False), rebirth(name="state/mode"), b""])
def test_no_other_command_is_taken(command: bytes) -> None:
    node = node_with(state())
    born(node)

    refusal = node.command(command)

    assert refusal is not None
    assert refusal.endswith("no command but Node Control/Rebirth is taken")
    assert list(node.news()) == []


@given(st.binary(max_size=200))
def test_any_bytes_are_a_command_or_refused(data: bytes) -> None:
    with suppress(ValueError):
        orders(data)


_VALUES = st.one_of(
    st.tuples(st.just(DataType.DOUBLE), st.floats(allow_nan=False)),
    st.tuples(st.just(DataType.INT64), st.integers(min_value=-(2**63), max_value=2**63 - 1)),
    st.tuples(st.just(DataType.INT32), st.integers(min_value=-(2**31), max_value=2**31 - 1)),
    st.tuples(st.just(DataType.BOOLEAN), st.booleans()),
    st.tuples(st.just(DataType.STRING), st.text()),
    st.tuples(st.sampled_from(DataType), st.none()),
)


@given(
    _VALUES, st.text(max_size=20), st.integers(min_value=0, max_value=2**63), st.integers(min_value=0, max_value=255)
)
def test_what_is_encoded_is_read_by_others_as_it_was(
    typed: tuple[DataType, float | int | bool | str | None], name: str, at_ms: int, seq: int
) -> None:
    kind, value = typed
    metric = Metric(
        kind=kind, value=value, at_ms=at_ms, name=name, alias=7, properties={"p": Property(kind=kind, value=value)}
    )

    (seen,) = payload(encoded((metric,), at_ms=at_ms, seq=seq)).metrics

    assert (seen.name, seen.alias, seen.timestamp, seen.datatype) == (name, 7, at_ms, int(kind))
    for holder in (seen, seen.properties.values[0]):
        assert holder.is_null is (value is None)
        if value is not None:
            assert _decoded(kind, holder) == value


def _decoded(kind: DataType, holder: Any) -> object:  # a class made at run time
    match kind:
        case DataType.INT32:
            return holder.int_value - (2**32 if holder.int_value >= 2**31 else 0)
        case DataType.INT64:
            return holder.long_value - (2**64 if holder.long_value >= 2**63 else 0)
        case DataType.DOUBLE:
            return holder.double_value
        case DataType.BOOLEAN:
            return holder.boolean_value
        case _:
            return holder.string_value


_CHILD = """
import asyncio, sys
from ems.gateway.sparkplug.session import SparkplugPublisher, SparkplugSettings
from tests.gateway.brokers import settings

async def main():
    named = SparkplugSettings(group="plant", node="edge", primary_host=None)
    publisher = SparkplugPublisher(settings(int(sys.argv[1])), named)
    # born with nothing but its number: the will is what matters
    type(publisher._node).is_ready = True
    await publisher.run()

asyncio.run(main())
"""


class Host:
    """An independent client that hears everything of the group, and may be the primary host."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self.subscribed = False
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._take
        self._client.on_subscribe = self._ready
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("spBv1.0/#", qos=1)
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def kinds(self) -> list[str]:
        return [topic.split("/")[2] for topic, _, _ in self.heard if "/STATE/" not in topic]

    def say(self, topic: str, data: bytes, *, retain: bool = False) -> None:
        self._client.publish(topic, data, qos=1, retain=retain).wait_for_publish(20.0)

    def state(self, *, online: bool, at_ms: int) -> None:
        data = json.dumps({"online": online, "timestamp": at_ms}).encode()
        self.say("spBv1.0/STATE/scada", data, retain=True)

    def _take(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        self.heard.append((message.topic, bytes(message.payload), message.retain))

    def _ready(self, *_: object) -> None:
        self.subscribed = True


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as process:
        yield process


@asynccontextmanager
async def running(port: int, to: SparkplugSettings) -> AsyncIterator[tuple[SparkplugPublisher, Host]]:
    host = Host(port)
    await until(lambda: host.subscribed)
    publisher = SparkplugPublisher(settings(port), to)
    publisher.see(state())
    publisher.see(tank(800.0))
    task = asyncio.create_task(publisher.run())
    try:
        yield publisher, host
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait((task,))
        await until(lambda: host.kinds()[-1:] == ["NDEATH"])
        host.close()


@pytest.mark.wire
@pytest.mark.mosquitto
@needs_mosquitto
async def test_a_host_hears_births_data_a_rebirth_and_the_death(broker: Mosquitto) -> None:
    async with running(broker.port, SETTINGS) as (publisher, host):
        publisher.flush()
        await until(lambda: host.kinds() == ["NBIRTH", "DBIRTH"])
        publisher.see(tank(790.0))
        publisher.flush()
        await until(lambda: host.kinds()[2:] == ["DDATA"])
        host.say("spBv1.0/plant/NCMD/edge", rebirth())
        await until(lambda: [kind for kind in host.kinds()[3:] if kind != "NCMD"] == ["NBIRTH", "DBIRTH"])
        host.say("spBv1.0/plant/DCMD/edge/gauge", rebirth())

    assert all(not retained for _, _, retained in host.heard)
    assert by_name(host.heard[-1][1])["bdSeq"].long_value == 0


@pytest.mark.wire
@pytest.mark.mosquitto
@needs_mosquitto
async def test_the_node_waits_for_its_primary_host_and_leaves_with_it(broker: Mosquitto) -> None:
    async with running(broker.port, replace(SETTINGS, primary_host="scada")) as (publisher, host):
        host.state(online=False, at_ms=1000)
        await until(lambda: len(host.heard) == 1)
        assert host.kinds() == []
        host.state(online=True, at_ms=2000)
        await until(lambda: host.kinds() == ["NBIRTH", "DBIRTH"])
        # an old will of the host says nothing any more
        host.state(online=False, at_ms=1000)
        host.state(online=False, at_ms=3000)
        await until(lambda: host.kinds() == ["NBIRTH", "DBIRTH", "NDEATH"])
        assert not publisher.is_born
        host.state(online=True, at_ms=4000)
        await until(lambda: host.kinds()[3:] == ["NBIRTH", "DBIRTH"])

    numbers = [
        by_name(data)["bdSeq"].long_value
        for topic, data, _ in host.heard
        if topic.split("/")[2] in ("NBIRTH", "NDEATH")
    ]
    assert numbers[:3] == [0, 0, 1]


@pytest.mark.wire
@pytest.mark.mosquitto
@needs_mosquitto
async def test_the_broker_tells_of_the_death_of_a_node_that_is_cut_off(broker: Mosquitto) -> None:
    host = Host(broker.port)
    await until(lambda: host.subscribed)
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", _CHILD, str(broker.port), cwd=ROOT)
    try:
        await until(lambda: host.kinds() == ["NBIRTH"])
    finally:
        child.kill()
        await child.wait()

    await until(lambda: host.kinds() == ["NBIRTH", "NDEATH"])
    host.close()

    assert by_name(host.heard[-1][1])["bdSeq"].long_value == by_name(host.heard[0][1])["bdSeq"].long_value == 0
