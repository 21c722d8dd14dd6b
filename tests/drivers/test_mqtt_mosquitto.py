"""Drivers and simulated devices at a real mosquitto, in real time: both sides use MQTT clients of their own."""

import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drivers.mqtt.families import MqttPcs
from drivers.mqtt.link import MqttLink
from drivers.mqtt.topicmapfile import load_topic_map
from drivers.sim.mqtt.station import MqttStation
from drivers.sim.wire.faults import Faults
from ems.model.device import MqttVersion, TlsFiles
from ems.model.setpoints import Outcome
from ems.runtime.clock import SystemClock
from tests.drivers.certificates import certificate
from tests.drivers.mqtt_rig import BROKER, broker_spec, mqtt_spec
from tests.drivers.rig import IDENTITY, PlantDevice, background, build, pcs
from tests.gateway.brokers import Mosquitto, free_port, needs_mosquitto, subscriber, until

pytestmark = [pytest.mark.wire, pytest.mark.mosquitto, pytest.mark.slow, needs_mosquitto]

NAME = "yard/bess01"
SPEC = mqtt_spec("mqtt-json-battery", driver="mqtt.pcs", name=NAME, fast_s=0.25, slow_s=1.0, watchdog_s=4.0)


@dataclass(frozen=True, slots=True)
class Yard:
    """A battery, its driver, and the broker between them."""

    clock: SystemClock
    broker: Mosquitto
    plant: PlantDevice
    station: MqttStation
    link: MqttLink
    driver: MqttPcs

    async def heard(self) -> None:
        """Wait for a reading that is newer than now, and for permission to command."""
        now_s = self.clock.monotonic_s()
        await until(lambda: (reading := self.driver.reading()) is not None and reading.at_s > now_s)
        await until(lambda: self.driver.trouble() is None and self.driver.withheld() is None)

    def ask(self, power_kw: float, *, valid_s: float) -> None:
        self.driver.set_power(power_kw, valid_until_s=self.clock.monotonic_s() + valid_s)

    def ended(self) -> Outcome | None:
        outcome = self.driver.outcome()
        return None if outcome is None else outcome.outcome


def make_link(port: int, **changes: Any) -> MqttLink:  # values of any field
    fields = {"port": port, "keepalive_s": 5, "timeout_s": 1.0, "reconnect_max_s": 1.0, **changes}
    return MqttLink(broker_spec(**fields), clock=SystemClock())


@asynccontextmanager
async def yard(broker: Mosquitto, *, link: MqttLink | None = None) -> AsyncIterator[Yard]:
    clock, plant = SystemClock(), pcs(power_kw=100.0, setpoint_kw=0.0)
    topic_map = load_topic_map("mqtt-json-battery", ())
    station = MqttStation(SPEC, broker_spec(port=broker.port), topic_map, plant, clock=clock)
    link = link or make_link(broker.port)
    driver = build(SPEC, clock=clock, links={BROKER: link})
    assert isinstance(driver, MqttPcs)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(background(station.run()))
        await stack.enter_async_context(background(link.run()))
        placed = Yard(clock, broker, plant, station, link, driver)
        await placed.heard()
        yield placed


@pytest.fixture(name="broker")
def _broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as running:
        yield running


@pytest.mark.parametrize("version", list(MqttVersion))
async def test_a_battery_is_read_armed_and_commanded(broker: Mosquitto, version: MqttVersion) -> None:
    async with yard(broker, link=make_link(broker.port, version=version)) as site:
        site.ask(-250.0, valid_s=10.0)
        await until(lambda: site.ended() is Outcome.ACCEPTED)
        await until(lambda: len(site.plant.commanded("heartbeat")) >= 3)

        reading, identity = site.driver.reading(), site.driver.identity()

    assert reading is not None
    assert (reading.power_kw, reading.setpoint_kw) == (100.0, -250.0)
    # as the plant's device names itself; the firmware is that of its board where it tells none
    assert identity == {"firmware": "1.0", **IDENTITY}
    assert site.plant.commanded("watchdog_s")[0] == 4.0
    assert site.plant.commanded("power_kw")[0] == -250.0


async def test_a_broker_that_dies_is_noticed_and_its_successor_found(broker: Mosquitto) -> None:
    async with yard(broker) as site:
        broker.kill()
        await until(lambda: site.driver.trouble() is not None)
        site.ask(700.0, valid_s=0.5)
        await until(lambda: site.ended() is Outcome.LOST)
        broker.start()
        await site.heard()
        site.ask(300.0, valid_s=5.0)
        await until(lambda: site.ended() is Outcome.ACCEPTED)

    assert 700.0 not in site.plant.commanded("power_kw")
    assert site.link.statistics().n_connections == 2


async def test_a_command_that_a_frozen_broker_held_up_is_dead_when_it_arrives(broker: Mosquitto) -> None:
    with subscriber(broker.port) as ear:
        ear._client.subscribe(f"{NAME}/set", qos=1)
        async with yard(broker) as site:
            broker.send(signal.SIGSTOP)
            site.ask(700.0, valid_s=1.5)
            await until(lambda: site.driver.trouble() is not None)
            await until(lambda: site.ended() is Outcome.LOST)
            frozen_s = site.clock.monotonic_s()
            await until(lambda: site.clock.monotonic_s() > frozen_s + 1.5)
            broker.send(signal.SIGCONT)
            await until(lambda: any(topic == f"{NAME}/set" for topic, _, _ in ear.messages))
            await site.heard()

    # the broker had it in its socket and handed it on; the device saw that it is over
    assert 700.0 not in site.plant.commanded("power_kw")


async def test_a_device_that_loses_its_power_is_declared_dead_and_found_again(broker: Mosquitto) -> None:
    async with yard(broker) as site:
        site.ask(200.0, valid_s=60.0)
        await until(lambda: site.ended() is Outcome.ACCEPTED)
        await site.station.set_faults(Faults(refuse=True))
        await until(lambda: "offline" in (site.driver.trouble() or ""))
        site.plant.shown["setpoint_kw"] = 0.0
        await site.station.set_faults()
        await site.heard()
        await until(lambda: site.plant.shown["setpoint_kw"] == 200.0)

    assert site.link.statistics().n_connections == 1


async def test_a_command_to_a_device_that_is_away_is_not_kept_for_it(broker: Mosquitto) -> None:
    async with yard(broker) as site:
        n_before = len(site.plant.commanded("power_kw"))
        await site.station.set_faults(Faults(refuse=True))
        await until(lambda: not site.station.is_connected)
        # at once, before the will has said anything
        site.ask(700.0, valid_s=1.0)
        over_s = site.clock.monotonic_s() + 1.0
        await until(lambda: site.ended() is Outcome.LOST)
        # until then the driver itself would give it to a device that is back
        await until(lambda: site.clock.monotonic_s() > over_s)
        await site.station.set_faults()
        await site.heard()

    assert 700.0 not in site.plant.commanded("power_kw")[n_before:]


async def test_values_that_the_broker_has_kept_are_no_reading(broker: Mosquitto) -> None:
    async with yard(broker) as site:
        await site.station.set_faults(Faults(retained=True))
        await site.heard()
        await site.station.set_faults(Faults(mute=True))
        later = make_link(broker.port, client_id="ems-later")
        other = build(SPEC, clock=site.clock, links={BROKER: later})
        async with background(later.run()):
            await until(lambda: later.statistics().n_errors.get("retained", 0) >= 1)
            trouble = other.trouble()

    assert other.reading() is None
    assert "retained" in (trouble or "")


def make_user(file: Path, name: str, password: str) -> None:
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(file), name, password], check=True, timeout=20)


async def test_a_broker_with_tls_and_passwords_lets_us_in(tmp_path: Path) -> None:
    made, port = certificate(tmp_path, "localhost"), free_port()
    users = tmp_path / "users"
    password = tmp_path / "password.txt"
    password.write_text("open sesame\n", encoding="utf-8")
    make_user(users, "ems", "open sesame")
    # the simulated device may come without a name, but nobody with a wrong password
    lines = (
        *("allow_anonymous true", f"password_file {users}", f"listener {port} 127.0.0.1"),
        *(f"cafile {made.cert_file}", f"certfile {made.cert_file}", f"keyfile {made.key_file}"),
    )
    with Mosquitto(tmp_path, *lines) as broker:
        access = {"username": "ems", "password_file": password, "tls": TlsFiles(ca_file=made.cert_file)}
        link = make_link(port, host="localhost", **access)
        async with yard(broker, link=link) as site:
            framing = site.link.status().framing
            password.write_text("guess", encoding="utf-8")
            stranger = make_link(port, host="localhost", client_id="stranger", **access)
            async with background(stranger.run()):
                await until(lambda: stranger.statistics().n_errors.get("no_connection", 0) >= 1)

    assert framing == "mqtts"
    assert stranger.statistics().n_connections == 0
