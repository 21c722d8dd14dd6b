"""The tools on a device behind a broker: read, watch, write, record."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from drivers.mqtt.link import MqttLink
from drivers.mqtt.messages import MessageDecoder
from drivers.mqtt.topicmapfile import load_topic_map
from drivers.mqtt.trace import load_message_trace
from drivers.sim.mqtt.station import MqttStation
from ems.app.commissioning import targets
from ems.app.commissioning.audit import AuditLog
from ems.app.commissioning.checks import Verdict
from ems.app.commissioning.read import ReadResult, read, watch
from ems.app.commissioning.targets import Target, site_target
from ems.app.commissioning.trace import record
from ems.app.commissioning.verify import VerifyResult, verify
from ems.app.commissioning.verify_device import Rules
from ems.app.commissioning.write import write
from ems.errors import ConfigError, DeviceUnreachableError
from tests.commissioning.devices import timed
from tests.commissioning.live import LivePcs
from tests.config.directories import copy_of, replace
from tests.drivers.clock import SteppedClock
from tests.drivers.mqtt_broker import MemoryBroker
from tests.drivers.mqtt_rig import FakeBroker, broker_spec, mqtt_spec
from tests.drivers.rig import RATED_KW, background

IDENTITY = {"manufacturer": "Maker", "model": "M1", "serial": "S-0001", "firmware": "1.0"}
NAME = "plant/one"


class Broker(FakeBroker):
    """A broker with a battery behind it that follows its setpoint."""

    silent = False
    power_w = 0.0

    def retain(self) -> None:
        """Have the battery say who it is."""
        self.say(f"{NAME}/info", IDENTITY, retained=True)
        self.say(f"{NAME}/status", "online", retained=True)

    async def live(self, clock: SteppedClock) -> None:
        """Publish a state a second."""
        count = 0
        while True:
            count += 1
            if orders := self.payloads(f"{NAME}/set"):
                self.power_w = orders[-1]["power_w"]
            if not self.silent and self.subscribed:
                self.say(f"{NAME}/state", self._state(clock, count))
            if count == 2:
                self.retain()
                if not self.silent:
                    self.say(f"{NAME}/energy", b"\xff\xfe")
            await clock.sleep(1.0)

    def _state(self, clock: SteppedClock, count: int) -> dict[str, object]:
        return {
            "time": clock.utc().isoformat(),
            "count": count,
            "power_w": self.power_w,
            "setpoint_w": self.power_w,
            "ready": True,
            "control": "remote",
            "grid_mode": "following",
            "fallback_armed": True,
            "frequency_hz": 50.0,
        }


def battery(**changes: object) -> Target:
    """Return the battery as a configuration names it."""
    spec = mqtt_spec("mqtt-json-battery", driver="mqtt.pcs", name=NAME, **changes)
    return Target(spec=spec, link=broker_spec(), rated_kw=RATED_KW, maps=(), files=None)


@asynccontextmanager
async def served(monkeypatch: pytest.MonkeyPatch, clock: SteppedClock) -> AsyncIterator[Broker]:
    broker = Broker()
    monkeypatch.setattr(targets, "MqttLink", partial(MqttLink, connect=broker.connect))
    async with background(broker.live(clock)):
        yield broker


async def test_every_value_comes_with_its_topic_and_the_place_in_its_payload(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SteppedClock()
    async with served(monkeypatch, clock) as broker:
        broker.power_w = -800_000.0
        result = await timed(asyncio.create_task(read(battery(), clock=clock)), clock)

    rows = {row.point: row for row in result.rows}
    assert (rows["power_kw"].value, rows["power_kw"].unit) == (-800.0, "kW")
    assert rows["power_kw"].at == "plant/one/state power_w"
    assert rows["charge_wh"].quality == "bad"
    assert result.text.startswith("dev1, 'plant/one' at broker broker\n")


async def test_a_device_that_sends_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SteppedClock()
    async with served(monkeypatch, clock) as broker:
        broker.silent = True
        work = asyncio.create_task(read(battery(), clock=clock))
        with pytest.raises(DeviceUnreachableError, match="no message"):
            await timed(work, clock)


async def test_watching_tells_what_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SteppedClock()
    told: list[ReadResult] = []
    async with served(monkeypatch, clock) as broker:

        def take(result: ReadResult) -> None:
            told.append(result)
            broker.power_w = 100_000.0

        await timed(asyncio.create_task(watch(battery(), every_s=3.5, n_rounds=2, clock=clock, told=take)), clock)

    assert told[1].changed == {"power_kw", "setpoint_kw"}


async def test_a_command_is_shown_as_its_message_and_accepted_when_the_device_shows_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = SteppedClock()
    asked: list[str] = []

    def ask(text: str) -> bool:
        asked.append(text)
        return True

    async with served(monkeypatch, clock) as broker:
        work = write(
            battery(),
            "power_kw",
            250.0,
            for_s=2.0,
            audit=AuditLog(tmp_path / "audit.jsonl", clock),
            forced="",
            ask=ask,
            clock=clock,
        )
        result = await timed(asyncio.create_task(work), clock)
        orders = broker.payloads(f"{NAME}/set")

    assert result.done
    assert orders[0]["power_w"] == 250_000
    assert 'plant/one/set: {"power_w": 250000' in asked[0]


async def test_recorded_messages_can_be_decoded_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = SteppedClock()
    async with served(monkeypatch, clock):
        work = record([battery()], out=tmp_path / "trace.jsonl", every_s=1.0, n_rounds=4, clock=clock)
        result = await timed(asyncio.create_task(work), clock)

    trace = load_message_trace(tmp_path / "trace.jsonl")
    device = trace.devices["dev1"]
    decoder = MessageDecoder(load_topic_map(device.map, ()), device.name)
    heard = [decoder.decode(message) for message in trace.arrivals(origin_s=0.0)]
    assert result.answered
    assert len(trace.messages) >= 4
    assert [each.values["power_kw"] for each in heard if "power_kw" in each.values][:3] == [0.0, 0.0, 0.0]
    assert {name: text for each in heard for name, text in each.identity.items()} == IDENTITY
    # what was no text is kept as it came
    assert b"\xff\xfe" in [message.payload for message in trace.messages]


async def verified(
    monkeypatch: pytest.MonkeyPatch, clock: SteppedClock, plant: LivePcs, out: Path
) -> tuple[VerifyResult, dict[str, Verdict]]:
    """Verify a simulated battery behind a broker in memory; return the result, and the verdict of each check."""
    broker, target = MemoryBroker(), battery()
    monkeypatch.setattr(targets, "MqttLink", partial(MqttLink, connect=broker.connect))
    station = MqttStation(
        target.spec, broker_spec(), load_topic_map("mqtt-json-battery", ()), plant, clock=clock, dial=broker.dial
    )
    rules = Rules(ask=lambda _: True, audit=AuditLog(out / "audit.jsonl", clock), forced="", step_frac=0.02)
    async with background(station.run()):
        work = verify([target], rules, out=out / "report", clock=clock, told=lambda _: None)
        result = await timed(asyncio.create_task(work), clock, limit_s=300.0)
    document = json.loads((out / "report" / "commissioning.json").read_text(encoding="utf-8"))
    (section,) = document["devices"]
    assert (section["endpoint"], section["framing"], section["map"]) == ("127.0.0.1:1883", "mqtt", "mqtt-json-battery")
    return result, {check["name"]: Verdict(check["verdict"]) for check in section["checks"]}


async def test_a_good_battery_passes_every_check_and_is_left_as_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = SteppedClock()
    plant = LivePcs(clock)
    plant.command("power_kw", 300.0)

    result, checks = await verified(monkeypatch, clock, plant, tmp_path)

    assert set(checks) == {
        *("reachable", "identity", "values", "fall-back armed", "limits", "limits kept"),
        *("step up", "step down", "heartbeat", "fall-back", "put back"),
    }
    assert set(checks.values()) == {Verdict.PASSED}
    assert result.passed
    assert plant.commanded("power_kw")[-1] == 300.0


async def test_a_battery_that_counts_the_other_way_fails_both_steps(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = SteppedClock()

    result, checks = await verified(monkeypatch, clock, LivePcs(clock, sign=-1.0), tmp_path)

    assert (checks["step up"], checks["step down"]) == (Verdict.FAILED, Verdict.FAILED)
    assert not result.passed


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"t_s": -1, "topic": "a", "retained": false, "text": ""}', "'t_s' is no time in seconds"),
        ('{"t_s": 1, "topic": "a", "text": ""}', "a message has a topic"),
        ('{"t_s": 1, "topic": "a", "retained": false}', "one of text, base64"),
        ('{"t_s": 1, "topic": "a", "retained": false, "base64": "?"}', "'base64' is none"),
        ("[]", "no JSON object"),
    ],
)
def test_a_line_that_is_no_message_is_refused_with_its_number(tmp_path: Path, line: str, message: str) -> None:
    head = '{"format": "ems-mqtt-trace", "version": 1, "recorded": "2026-06-21T00:00:00+00:00", "devices": {}}'
    (tmp_path / "trace.jsonl").write_text(f"{head}\n{line}\n", encoding="utf-8")

    with pytest.raises(ConfigError) as refusal:
        load_message_trace(tmp_path / "trace.jsonl")

    (problem,) = refusal.value.problems
    assert problem.line == 2
    assert message in problem.message


def test_a_device_of_a_configuration_is_found_behind_its_broker_with_an_identifier_of_the_tools_own(
    tmp_path: Path,
) -> None:
    home = copy_of("weak-grid-campus", tmp_path / "campus")
    replace(
        home / "devices.toml", '[[link]]\nid = "plant"', '[[broker]]\nid = "yard"\nhost = "b"\n\n[[link]]\nid = "plant"'
    )
    replace(
        home / "devices.toml",
        'driver = "meter.pcc"\nmap = "generic-pcc"\nasset = "pcc"\nlink = "plant"\nunit = 6',
        'driver = "mqtt.pcc_meter"\nmap = "mqtt-json-pcc"\nasset = "pcc"\nlink = "yard"\nname = "yard/pcc"',
    )

    target = site_target(str(home), "pcc-meter")

    broker = target.own_broker(broker_spec())
    assert (target.title, target.endpoint, target.framing) == ("pcc-meter, 'yard/pcc' at broker yard", "b:1883", "mqtt")
    assert target.register_map() is None
    assert broker.client_id.startswith("ems-devices-broker-tool-")
