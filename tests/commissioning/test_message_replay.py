"""Recorded messages played to a broker: drivers take them for the device."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from drivers.mqtt.families import MqttPcs
from drivers.mqtt.link import MqttLink
from drivers.mqtt.topicmapfile import load_topic_map, topic_map_names
from drivers.mqtt.topics import Stamp, TimeFormat
from drivers.mqtt.trace import load_message_trace
from drivers.sim.mqtt.replay import ReplayedDevice, restamped
from ems.app.commissioning.replay import BrokerReach, Stage, replay
from ems.errors import ConfigError
from ems.model.setpoints import Outcome
from ems.ports import Device
from ems.runtime.clock import SystemClock
from tests.commissioning.record_message_traces import DRIVERS, HOME
from tests.drivers.clock import SteppedClock
from tests.drivers.mqtt_broker import MemoryBroker
from tests.drivers.mqtt_rig import BROKER, broker_spec, mqtt_spec
from tests.drivers.rig import background, build
from tests.gateway.brokers import Mosquitto, free_port, needs_mosquitto, subscriber, until


@dataclass(frozen=True, slots=True)
class Played:
    """A replayed device at a broker in memory, and a driver that takes it for the device."""

    clock: SteppedClock
    broker: MemoryBroker
    device: Device
    replayed: ReplayedDevice
    told: list[str]

    def reading(self) -> dict[str, object]:
        reading = self.device.reading()
        return {} if reading is None else {name: getattr(reading, name) for name in reading.__slots__}


@asynccontextmanager
async def playing(name: str) -> AsyncIterator[Played]:
    clock, broker = SteppedClock(), MemoryBroker()
    trace = load_message_trace(HOME / f"{name}.jsonl")
    ((device_id, recorded),) = trace.devices.items()
    topic_map = load_topic_map(name, ())
    told: list[str] = []
    replayed = ReplayedDevice(
        device_id, trace, topic_map, place=("", 0), clock=clock, dial=broker.dial, told=told.append
    )
    spec = mqtt_spec(name, driver=DRIVERS[topic_map.device_class], name=recorded.name)
    link = MqttLink(broker_spec(), clock=clock, connect=broker.connect)
    device = build(spec, clock=clock, links={BROKER: link})
    async with background(replayed.run()), background(link.run()):
        yield Played(clock, broker, device, replayed, told)


@pytest.mark.parametrize("name", topic_map_names(()))
async def test_a_driver_reads_a_replayed_device_as_it_was_long_after_the_recording(name: str) -> None:
    values = json.loads((HOME / f"{name}.values.json").read_text(encoding="utf-8"))
    async with playing(name) as played:
        # one run of the recording takes 11 s, and begins again
        await played.clock.run(30.0)

        assert played.device.trouble() is None
        read = played.reading()

    assert {field: read[field] for field in values} == {
        field: tuple(value) if isinstance(value, list) else pytest.approx(value, abs=1e-6)
        for field, value in values.items()
    }


async def test_whoever_comes_late_is_told_who_it_is_and_that_it_is_there() -> None:
    async with playing("mqtt-json-battery") as played:
        await played.clock.run(5.0)
        retained = dict(played.broker.retained)

    name = load_message_trace(HOME / "mqtt-json-battery.jsonl").devices["dev1"].name
    assert retained[f"{name}/status"] == b"online"
    assert json.loads(retained[f"{name}/info"])["serial"] == "S-0001"
    assert f"{name}/state" not in retained
    # it has gone when the replay ends
    assert played.broker.retained[f"{name}/status"] == b"offline"


async def test_a_recording_takes_no_commands_and_says_so() -> None:
    async with playing("mqtt-json-battery") as played:
        pcs = played.device
        assert isinstance(pcs, MqttPcs)
        await played.clock.until(lambda: pcs.withheld() is None and pcs.reading() is not None)
        pcs.set_power(5.0, valid_until_s=played.clock.monotonic_s() + 10.0)
        await played.clock.until(lambda: pcs.outcome() is not None)
        outcome = pcs.outcome()

    assert outcome is not None
    assert outcome.outcome is Outcome.FAILED
    assert "power_kw not carried out" in played.told[0]
    assert "5000" in played.told[0]


async def test_a_device_that_is_asked_to_go_on_sends_everything_once_more() -> None:
    name = "victron-venus-meter"
    request = load_topic_map(name, ()).keepalive
    assert request is not None
    async with playing(name) as played:
        await played.clock.run(13.0)
        before = len(played.broker.log)
        played.broker.publish("R/portal1/keepalive", b"")
        topics = [topic for topic, _ in played.broker.log[before:]]

    recorded = {message.topic for message in load_message_trace(HOME / f"{name}.jsonl").messages}
    assert recorded <= set(topics)


@pytest.mark.parametrize(
    ("form", "before", "after"),
    [
        (TimeFormat.ISO8601, '"2026-06-01T12:00:00.500Z"', '"2026-06-01T13:00:00.500Z"'),
        (TimeFormat.UNIX_S, "1780315200.5", "1780318800.5"),
        (TimeFormat.UNIX_MS, "1780315200500", "1780318800500"),
    ],
)
def test_the_own_time_of_a_message_is_moved_in_its_own_form(form: TimeFormat, before: str, after: str) -> None:
    stamp = Stamp(at=("head", "0"), format=form, most_off_s=10.0)
    payload = f'{{"head": [{before}], "value": 1}}'.encode()

    moved = restamped(payload, stamp, timedelta(hours=1))

    assert moved == f'{{"head": [{after}], "value": 1}}'.encode()


@pytest.mark.parametrize("payload", [b"online", b"\xff", b"{}", b'{"head": ["no time"]}', b'{"head": [null]}'])
def test_a_message_without_a_time_of_its_own_stays_as_it_is(payload: bytes) -> None:
    stamp = Stamp(at=("head", "0"), format=TimeFormat.ISO8601, most_off_s=10.0)

    assert restamped(payload, stamp, timedelta(hours=1)) == payload


@pytest.mark.parametrize(
    ("file", "broker", "message"),
    [
        (HOME / "mqtt-json-meter.jsonl", "", "holds messages"),
        (HOME.parent / "generic-pcs.jsonl", "127.0.0.1:1883", "holds no messages"),
        (HOME / "mqtt-json-meter.jsonl", "broker", "no endpoint"),
    ],
)
async def test_a_recording_is_played_to_what_it_came_from(file: Path, broker: str, message: str) -> None:
    stage = Stage(broker=BrokerReach(broker=broker))

    with pytest.raises(ConfigError, match=message):
        await replay(file, stage, clock=SystemClock(), told=print)


async def test_a_recording_whose_map_was_beside_its_device_says_so(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    text = (HOME / "mqtt-json-meter.jsonl").read_text(encoding="utf-8")
    file.write_text(text.replace('"map": "mqtt-json-meter"', '"map": ""'), encoding="utf-8")

    with pytest.raises(ConfigError, match="written beside it"):
        await replay(file, Stage(broker=BrokerReach(broker="127.0.0.1:1")), clock=SystemClock(), told=print)


@pytest.mark.parametrize(
    ("reach", "where"),
    [
        (BrokerReach(broker="a:1", password_file=Path("no-such-file")), "--password-file"),
        (BrokerReach(broker="a:1", ca_file=Path("no-such-file")), "--ca-file, --cert-file, --key-file"),
    ],
)
def test_a_password_or_certificate_that_is_none_is_refused_by_its_option(reach: BrokerReach, where: str) -> None:
    with pytest.raises(ConfigError) as refused:
        reach.login()

    assert refused.value.problems[0].file == where


@pytest.mark.wire
@pytest.mark.mosquitto
@pytest.mark.slow
@needs_mosquitto
async def test_any_client_of_a_real_broker_hears_a_replayed_device(tmp_path: Path) -> None:
    passwords = tmp_path / "password"
    passwords.write_text("secret\n", encoding="utf-8")
    told: asyncio.Queue[str] = asyncio.Queue()
    with Mosquitto(tmp_path) as broker:
        stage = Stage(broker=BrokerReach(broker=f"127.0.0.1:{broker.port}", username="replay", password_file=passwords))
        work = replay(HOME / "mqtt-json-meter.jsonl", stage, clock=SystemClock(), told=told.put_nowait, for_s=4.0)
        task = asyncio.create_task(work)
        where = await told.get()
        with subscriber(broker.port) as ear:
            ear._client.subscribe("#", qos=1)
            await until(lambda: any(topic.endswith("/state") for topic, _, _ in ear.messages))
        await task

    assert where.startswith(f"127.0.0.1:{broker.port} (mqtt), dev1 as ")


@pytest.mark.wire
async def test_a_broker_that_lets_nobody_in_is_told() -> None:
    stage = Stage(broker=BrokerReach(broker=f"127.0.0.1:{free_port()}"))
    clock = SteppedClock()

    work = asyncio.create_task(replay(HOME / "mqtt-json-meter.jsonl", stage, clock=clock, told=print))
    while not work.done():
        await clock.run(0.5)

    with pytest.raises(ConfigError, match="lets nobody in"):
        work.result()
