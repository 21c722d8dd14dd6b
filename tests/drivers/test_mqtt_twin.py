"""The simulated devices behind a broker: what they publish, take, and how their faults look to the drivers' decoder."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.mqtt.messages import Heard, Message, MessageDecoder, Refused
from drivers.mqtt.publications import CommandEncoder, EncodedSetpoint, HeartbeatEncoder, Sending, watchdog
from drivers.mqtt.topicmapfile import load_topic_map, topic_map_names
from drivers.mqtt.topics import TopicMap
from drivers.sim.mqtt.encoding import command_value, payload
from drivers.sim.mqtt.station import MqttStation
from drivers.sim.wire.faults import Faults
from drivers.sim.wire.steering import FaultSteering, OrderError
from ems.model.device import BrokerSpec, MqttVersion
from tests.drivers.clock import SteppedClock
from tests.drivers.mqtt_broker import Ear, MemoryBroker
from tests.drivers.mqtt_maps import ARRIVED_S, NOON, site_map
from tests.drivers.rig import PlantDevice, background, device_spec, pcs
from tests.drivers.test_wire_steering import ask

NAME = "plant/b1"
BROKER = BrokerSpec(
    id="broker",
    host="127.0.0.1",
    port=1883,
    version=MqttVersion.V5,
    client_id="ems",
    username=None,
    password_file=None,
    tls=None,
    keepalive_s=10,
    timeout_s=2.0,
    reconnect_min_s=1.0,
    reconnect_max_s=30.0,
    max_queued=100,
)


@dataclass
class Stage:
    """A station, its broker, and what a driver would understand."""

    clock: SteppedClock
    broker: MemoryBroker
    station: MqttStation
    plant: PlantDevice
    topic_map: TopicMap
    ear: Ear

    def __post_init__(self) -> None:
        self._decoder = MessageDecoder(self.topic_map, NAME)
        self._n_read = 0
        self.broker.subscribe(self.ear, self._decoder.topics)

    def heard(self) -> list[Heard]:
        """Return what has come since the last call."""
        news, self._n_read = self.ear.heard[self._n_read :], len(self.ear.heard)
        now_s, utc = self.clock.monotonic_s(), self.clock.utc()
        return [
            self._decoder.decode(Message(topic=topic, payload=data, retained=retained, at_s=now_s, utc=utc))
            for topic, data, retained in news
        ]

    async def heard_within(self, duration_s: float) -> list[Heard]:
        self.heard()
        await self.clock.run(duration_s)
        return self.heard()

    def command(self, power_kw: float, *, valid_for_s: float = 5.0, retain: bool = False) -> None:
        encoder = CommandEncoder(self.topic_map, self.topic_map.commands["power_kw"], NAME)
        encoded = encoder.encode(power_kw)
        assert isinstance(encoded, EncodedSetpoint)
        sending = Sending(utc=self.clock.utc(), valid_for_s=valid_for_s, request_id=1)
        publication = encoder.publication(encoded, sending)
        self.broker.publish(publication.topic, publication.payload, retain=retain)


@asynccontextmanager
async def staged(map_name: str = "mqtt-json-battery", plant: PlantDevice | None = None) -> AsyncIterator[Stage]:
    clock, broker, topic_map = SteppedClock(), MemoryBroker(), load_topic_map(map_name, ())
    plant = plant or pcs(max_charge_kw=800.0, max_discharge_kw=900.0, warnings=("fan",), faults=())
    spec = device_spec(map_name, link="broker", name=NAME)
    station = MqttStation(spec, BROKER, topic_map, plant, clock=clock, dial=broker.dial)
    async with background(station.run()):
        await clock.until(lambda: station.is_connected)
        yield Stage(clock, broker, station, plant, topic_map, Ear())


def values(heard: list[Heard]) -> dict[str, object]:
    known: dict[str, object] = {}
    for said in heard:
        known |= said.values
    return known


def refusals(heard: list[Heard]) -> set[Refused]:
    return {said.refusal.kind for said in heard if said.refusal is not None}


async def test_a_device_publishes_what_the_plant_shows_and_the_driver_understands_it() -> None:
    async with staged() as stage:
        heard = await stage.heard_within(6.5)

    shown = {name: value for name, value in stage.plant.shown.items() if name in stage.topic_map.points}
    known = values(heard)
    assert known.pop("life_counter") is not None
    assert known == shown
    assert not refusals(heard)
    assert all(not said.bad for said in heard)


async def test_a_device_says_that_it_is_there_and_who_it_is() -> None:
    async with staged() as stage:
        heard = stage.heard()

    assert [said.online for said in heard if said.online is not None] == [True]
    assert {"serial": "S-0001"}.items() <= heard[-1].identity.items() | heard[0].identity.items()


async def test_a_device_that_is_switched_off_in_good_order_says_so() -> None:
    async with staged() as stage:
        pass

    assert stage.broker.retained[f"{NAME}/status"] == b"offline"


async def test_a_command_that_counts_is_obeyed_and_shown() -> None:
    async with staged() as stage:
        stage.command(-123.0)
        heard = await stage.heard_within(1.5)

    assert stage.plant.commanded("power_kw") == [-123.0]
    assert values(heard)["setpoint_kw"] == -123.0


async def test_an_old_command_dies() -> None:
    async with staged() as stage:
        stage.command(300.0, valid_for_s=-1.0)

    assert stage.plant.commanded("power_kw") == []


async def test_a_retained_command_is_not_replayed_to_a_device_that_comes_back() -> None:
    async with staged() as stage:
        await stage.station.set_faults(Faults(refuse=True))
        await stage.clock.run(2.0)
        stage.command(300.0, valid_for_s=60.0, retain=True)
        await stage.station.set_faults()
        await stage.clock.until(lambda: stage.station.is_connected)

    assert stage.plant.commanded("power_kw") == []


async def test_a_device_takes_its_watchdog_time_and_heartbeats() -> None:
    async with staged() as stage:
        assert stage.topic_map.heartbeat is not None
        encoder = HeartbeatEncoder(stage.topic_map, stage.topic_map.heartbeat, NAME)
        setting = watchdog(stage.topic_map, NAME, watchdog_s=12.0)
        assert setting is not None
        for publication in (setting, encoder.publication(7, period_s=1.0)):
            stage.broker.publish(publication.topic, publication.payload)

    assert stage.plant.commands == [("watchdog_s", 12.0), ("heartbeat", 7.0)]


@pytest.mark.parametrize("text", ["", "{}", "nonsense", "[]", '{"power_w": "12"}', '{"power_w": null, "id": 1}'])
async def test_what_is_no_command_is_ignored(text: str) -> None:
    async with staged() as stage:
        stage.broker.publish(f"{NAME}/set", text.encode())
        stage.broker.publish(f"{NAME}/heartbeat", text.encode())

    assert stage.plant.commands == []


async def fault(**kinds: Any) -> list[Heard]:
    """Return what is heard of a device with a fault."""
    async with staged() as stage:
        await stage.clock.run(1.0)
        await stage.station.set_faults(Faults(**kinds))
        return await stage.heard_within(4.0)


async def test_a_mute_device_publishes_nothing() -> None:
    assert await fault(mute=True) == []


async def test_a_device_without_power_is_declared_dead_by_its_will() -> None:
    assert [said.online for said in await fault(refuse=True)] == [False]


async def test_a_device_that_loses_its_connection_again_and_again_comes_and_goes() -> None:
    online = [said.online for said in await fault(disconnect=True) if said.online is not None]

    assert online[:3] == [False, True, False]


async def test_a_frozen_device_repeats_itself_with_its_old_time() -> None:
    heard = await fault(frozen=True)

    assert len({said.at_s for said in heard}) == len({round(said.at_s, 1) for said in heard}) == 1
    assert len({said.values["life_counter"] for said in heard if "life_counter" in said.values}) == 1


async def test_a_device_whose_clock_is_slow_is_refused() -> None:
    assert refusals(await fault(old_s=30.0)) == {Refused.OLD}


@pytest.mark.parametrize("kind", ["garbage", "truncate"])
async def test_a_spoiled_message_is_refused(kind: str) -> None:
    assert refusals(await fault(**{kind: True})) == {Refused.MALFORMED}


async def test_a_device_that_shows_nothing_has_every_value_unknown() -> None:
    heard = await fault(sentinel=True)

    assert set(values(heard).values()) == {None}
    assert {"power_kw", "setpoint_kw"} <= {name for said in heard for name in said.bad}


async def test_late_messages_carry_their_old_time() -> None:
    async with staged() as stage:
        await stage.station.set_faults(Faults(late_s=3.0))
        heard = await stage.heard_within(6.0)
        now_s = stage.clock.monotonic_s()

    ages_s = [now_s - said.at_s for said in heard if said.values]
    assert ages_s
    assert min(ages_s) >= 3.0


async def test_a_retained_old_value_is_refused_by_whom_subscribes_later() -> None:
    async with staged() as stage:
        await stage.station.set_faults(Faults(retained=True))
        await stage.clock.run(2.0)
        await stage.station.set_faults(Faults(mute=True))
        stage.heard()
        stage.broker.subscribe(stage.ear, [f"{NAME}/state"])

        assert refusals(stage.heard()) == {Refused.RETAINED}


async def test_a_device_under_local_control_says_so_and_ignores_commands() -> None:
    async with staged() as stage:
        await stage.station.set_faults(Faults(local=True))
        stage.command(100.0)
        heard = await stage.heard_within(1.5)

    assert values(heard)["remote"] is False
    assert stage.plant.commanded("power_kw") == []


async def test_a_deaf_device_shows_the_setpoint_and_does_not_follow_it() -> None:
    async with staged() as stage:
        await stage.station.set_faults(Faults(deaf=True))
        stage.command(100.0)
        heard = await stage.heard_within(1.5)

    assert values(heard)["setpoint_kw"] == 100.0
    assert stage.plant.commanded("power_kw") == []


async def test_faults_of_registers_are_refused() -> None:
    async with staged() as stage:
        with pytest.raises(OrderError, match="exception_code"):
            await stage.station.set_faults(Faults(exception_code=4))


@pytest.mark.wire
async def test_faults_of_a_device_are_steered_over_http() -> None:
    async with staged() as stage, FaultSteering({"b1": stage.station}, port=0) as steering:
        put = await ask("PUT", f"{steering.address}/b1", '{"old_s": 30}')
        shown = await ask("GET", steering.address)
        refused = await ask("PUT", f"{steering.address}/b1", '{"exception_code": 4}')

    assert (put[0], shown[1]) == (200, {"b1": [{"old_s": 30.0}]})
    assert (refused[0], refused[1]["problems"]) == (400, ["exception_code: no fault of a device behind a broker"])


async def test_a_fault_that_is_over_leaves_a_good_device() -> None:
    async with staged() as stage:
        await stage.station.set_faults(Faults(refuse=True, lasts_s=5.0))
        await stage.clock.run(4.0)
        assert not stage.station.is_connected
        await stage.clock.run(3.0)
        heard = await stage.heard_within(2.0)

    assert values(heard)["power_kw"] == 500.0


async def test_a_victron_device_falls_silent_without_its_keepalive() -> None:
    plant = PlantDevice({"power_kw": 12.5, "import_wh": 5000, "export_wh": 7000})
    clock, broker, topic_map = SteppedClock(), MemoryBroker(), load_topic_map("victron-venus-meter", ())
    station = MqttStation(
        device_spec("", link="broker", name="c061/30"), BROKER, topic_map, plant, clock=clock, dial=broker.dial
    )
    async with background(station.run()):
        await clock.until(lambda: station.is_connected)
        await clock.run(3.0)
        before = [topic for topic, _ in broker.log if topic.endswith("/Ac/Power")]

        broker.publish("R/c061/keepalive", b"")
        await clock.run(70.0)
        during = [data for topic, data in broker.log if topic.endswith("/Ac/Power")]
        await clock.run(10.0)
        after = [data for topic, data in broker.log if topic.endswith("/Ac/Power")]

    assert before == []
    assert 58 <= len(during) <= 62
    assert json.loads(during[0]) == {"value": 12500}
    assert after == during


def test_the_twin_turns_sign_and_scale_by_itself() -> None:
    topic_map = site_map()
    points = [point for point in topic_map.points.values() if point.source.topic.endswith("/state")]
    shown = {"power_kw": 2.5, "setpoint_kw": None, "remote": False, "ready": True, "frequency_hz": 50.02, "faults": ()}

    assert json.loads(payload(points, shown, topic_map.stamp, NOON)) == {
        "time": int(NOON.timestamp() * 1000),
        "ac": {"power": -2500, "setpoint": None},
        "mode": 2,
        "ready": True,
        "phases": [None, {"hz": 50.02}],
        "faults": [],
    }


def test_the_twin_reads_a_command_by_itself() -> None:
    command = site_map().commands["power_kw"]
    until_ms = int(NOON.timestamp() * 1000) + 1000
    text = json.dumps({"p": -2500, "until": until_ms, "ttl": 1.0, "n": 3, "unit": "W"})

    assert command_value(command, text, NOON) == 2.5
    assert command_value(command, text, NOON + timedelta(seconds=2)) is None
    assert command_value(command, text.replace('"W"', '"kW"'), NOON) is None


@settings(deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", topic_map_names(()))
def test_what_the_twin_writes_the_driver_reads_back(name: str, data: st.DataObject) -> None:
    topic_map = load_topic_map(name, ())
    decoder = MessageDecoder(topic_map, "a/b")
    power_kw = data.draw(st.integers(min_value=-20_000_000, max_value=20_000_000)) / 1000
    shown: dict[str, Any] = {"power_kw": power_kw, "load_kw": abs(power_kw) / 1000, "soc_pct": 55.5, "energy_wh": 17}
    points = [point for point in topic_map.points.values() if point.name in shown]

    for point in points:
        text = payload([point], shown, topic_map.stamp, NOON)
        topic = point.source.topic.format_map({"device": "a/b", "portal": "a", "instance": "b"})
        said = decoder.decode(Message(topic=topic, payload=text.encode(), retained=False, at_s=ARRIVED_S, utc=NOON))
        assert said.values[point.name] == pytest.approx(shown[point.name], abs=1e-9)
