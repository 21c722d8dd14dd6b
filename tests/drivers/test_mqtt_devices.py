"""Devices behind a broker: what becomes of their messages, and of what is published to them."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from drivers.mqtt.families import MqttBms, MqttLoadMeter, MqttPcs
from ems.errors import ConfigError
from ems.model.capability import Capability
from ems.model.device import DeviceSpec
from ems.model.setpoints import WriteOutcome
from ems.ports import DEVICE_PROTOCOLS, Device
from tests.drivers.mqtt_rig import FakeBroker, MqttRig, listening, mqtt_spec

PCS = mqtt_spec("mqtt-json-battery", driver="mqtt.pcs")
METER = mqtt_spec("mqtt-json-meter", driver="mqtt.load_meter")
STATE, INFO, STATUS, SET, BEAT, WATCHDOG = (
    f"plant/one/{name}" for name in ("state", "info", "status", "set", "heartbeat", "watchdog")
)
IDENTITY = {"manufacturer": "Maker", "model": "M1", "serial": "S-0001", "firmware": "1.0"}


class Battery:
    """What a battery of the project's own family sends, a message a second."""

    def __init__(self, rig: MqttRig) -> None:
        self.rig = rig
        self.count = 0
        self.setpoint_w = 0.0
        self.changes: dict[str, object] = {}

    def introduce(self) -> None:
        self.rig.broker.say(INFO, IDENTITY, retained=True)
        self.rig.broker.say(STATUS, "online", retained=True)

    def send(self, *, ago_s: float = 0.0, retained: bool = False, **changes: object) -> None:
        self.count += 1
        state: dict[str, object] = {
            "time": self.rig.stamp(ago_s=ago_s),
            "count": self.count,
            "power_w": 250_000 + self.count,
            "setpoint_w": self.setpoint_w,
            "ready": True,
            "control": "remote",
            "grid_mode": "following",
            "fallback_armed": True,
            "frequency_hz": 50.0,
        }
        self.rig.broker.say(STATE, {**state, **self.changes, **changes}, retained=retained)

    async def run(self, duration_s: float, *, follows: bool = True) -> None:
        """Let time pass, with a message a second; a device that follows takes what it was sent."""
        for _ in range(round(duration_s)):
            orders = self.rig.broker.payloads(SET)
            if follows and orders:
                self.setpoint_w = orders[-1]["power_w"]
            self.send()
            await self.rig.clock.run(1.0)


async def battery(rig: MqttRig) -> Battery:
    """Return a battery that has been heard."""
    await rig.connected()
    device = Battery(rig)
    device.introduce()
    await device.run(1.0)
    return device


def outcome(device: MqttPcs) -> WriteOutcome:
    newest = device.outcome()
    assert newest is not None
    return newest


async def test_a_message_becomes_a_reading_with_the_time_of_its_arrival() -> None:
    async with listening(PCS) as rig:
        await battery(rig)
        reading = rig.device(MqttPcs).reading()
        now_s = rig.clock.monotonic_s()

    assert reading is not None
    assert (reading.power_kw, reading.setpoint_kw, reading.remote, reading.forming) == (250.001, 0.0, True, False)
    assert now_s - reading.at_s == pytest.approx(1.0, abs=0.05)


async def test_a_value_is_as_old_as_the_stamp_of_the_device_says() -> None:
    async with listening(PCS) as rig:
        device = await battery(rig)

        device.send(ago_s=4.0, count=99)
        await rig.clock.run(0.1)
        late = rig.device(MqttPcs).reading()
        device.send(ago_s=0.5)
        await rig.clock.run(0.1)
        reading = rig.device(MqttPcs).reading()
        now_s = rig.clock.monotonic_s()

    # what is older than what was heard before changes nothing
    assert late is not None
    assert late.power_kw == pytest.approx(250.001)
    assert reading is not None
    assert now_s - reading.at_s == pytest.approx(0.6, abs=0.05)


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ("{not json", "malformed"),
        ("[1, 2", "malformed"),
        ('{"time": "2026-06-21T00:16:40+00:00", "power_w": NaN}', "malformed"),
        ('{"power_w": 1}', "malformed"),
        ("\xff\xfe".encode("latin-1"), "malformed"),
        (b"x" * 70_000, "too_long"),
    ],
)
async def test_a_message_that_cannot_be_understood_is_counted_and_changes_nothing(
    payload: str | bytes, kind: str
) -> None:
    async with listening(PCS) as rig:
        await battery(rig)
        before = rig.device(MqttPcs).reading()

        rig.broker.say(STATE, payload)
        await rig.clock.run(0.1)

        status = rig.link.status()
        after = rig.device(MqttPcs).reading()
    assert after == before
    assert status.n_errors == {kind: 1}
    assert status.units["dev1"].n_errors == {kind: 1}


async def test_a_value_of_the_wrong_type_is_unknown_with_its_reason_and_the_others_count() -> None:
    async with listening(PCS) as rig:
        device = await battery(rig)

        device.send(power_w="much")
        await rig.clock.run(0.1)

        reading = rig.device(MqttPcs).reading()
    assert reading is not None
    assert (reading.power_kw, reading.ready) == (None, True)
    assert "power_kw" in reading.bad


async def test_a_message_that_the_broker_had_kept_is_no_reading_until_a_live_one_comes() -> None:
    async with listening(PCS) as rig:
        await rig.connected()
        device = Battery(rig)
        device.introduce()

        device.send(retained=True)
        await rig.clock.run(1.0)
        kept, why = rig.device(MqttPcs).reading(), rig.device(MqttPcs).trouble()
        device.send()
        await rig.clock.run(0.1)

        live = rig.device(MqttPcs).reading()
        errors = rig.link.status().n_errors
    assert kept is None
    assert why is not None
    assert "retained" in why
    assert live is not None
    assert errors == {"retained": 1}


async def test_a_device_that_stops_sending_is_in_trouble_and_its_reading_grows_old() -> None:
    async with listening(PCS) as rig:
        device = await battery(rig)
        await device.run(3.0)
        well = rig.device(MqttPcs).trouble()

        await rig.clock.run(2.1)

        trouble, reading = rig.device(MqttPcs).trouble(), rig.device(MqttPcs).reading()
        age_s = rig.clock.monotonic_s() - (0.0 if reading is None else reading.at_s)
    # the last message came a second before the silence
    assert well is None
    assert trouble == "it has sent nothing new for 3.1 s"
    assert age_s > 3.0


async def test_a_life_counter_that_stands_still_says_that_the_values_are_frozen() -> None:
    async with listening(PCS) as rig:
        device = await battery(rig)

        for _ in range(7):
            device.send(count=1)
            await rig.clock.run(1.0)

        trouble = rig.device(MqttPcs).trouble()
    assert trouble is not None
    assert "life counter unchanged" in trouble


async def test_a_device_whose_will_says_that_it_is_gone_is_lost_at_once_and_comes_back() -> None:
    async with listening(PCS) as rig:
        device = await battery(rig)

        rig.broker.say(STATUS, "offline")
        await rig.clock.run(0.1)
        gone = rig.device(MqttPcs).trouble()
        device.send()
        await rig.clock.run(0.1)
        still_gone = rig.device(MqttPcs).trouble()
        rig.broker.say(STATUS, "online")
        await device.run(1.0)

        back = rig.device(MqttPcs).trouble()
    assert gone is not None
    assert "offline" in gone
    assert still_gone == gone
    assert back is None


async def test_a_lost_broker_is_called_again_and_every_device_is_heard_anew() -> None:
    async with listening(PCS) as rig:
        await battery(rig)
        rig.broker.retained = {INFO: json.dumps(IDENTITY).encode(), STATUS: b"online"}

        rig.broker.drop()
        await rig.clock.until(lambda: not rig.link.statistics().connected)
        trouble_at_s = rig.clock.monotonic_s()
        took_s = await rig.clock.until(lambda: rig.link.statistics().connected)
        device = Battery(rig)
        await device.run(2.0)

        status, trouble = rig.link.status(), rig.device(MqttPcs).trouble()
        reading = rig.device(MqttPcs).reading()
    assert took_s <= 2.0
    assert status.n_connections == 2
    assert status.n_errors["disconnected"] == 1
    assert trouble is None
    assert reading is not None
    assert reading.at_s > trouble_at_s


async def test_a_broker_that_refuses_is_called_at_most_once_a_second_and_ever_more_seldom() -> None:
    async with listening(PCS, broker=FakeBroker(refuses=True)) as rig:
        await rig.clock.run(10.5)
        soon = rig.link.status().n_errors["no_connection"]
        await rig.clock.run(60.0)
        later = rig.link.status().n_errors["no_connection"] - soon

    # at 0, 1, 2 to 3, 4 to 7, 8 to 15 s; from then on every 22 to 30 s
    assert 4 <= soon <= 5
    assert 2 <= later <= 4


async def test_a_topic_that_the_broker_refuses_is_named() -> None:
    async with listening(PCS, broker=FakeBroker(refused_topics=frozenset({STATE}))) as rig:
        await rig.connected()
        trouble = rig.device(MqttPcs).trouble()
        errors = rig.link.status().n_errors

    assert trouble == f"the broker refuses the subscription to {STATE}"
    assert errors == {"not_subscribed": 1}


async def test_a_setpoint_is_published_with_its_expiry_and_accepted_when_it_is_shown() -> None:
    async with listening(PCS) as rig:
        device = await battery(rig)
        now_s, utc = rig.clock.monotonic_s(), rig.clock.utc()

        rig.device(MqttPcs).set_power(-400.5, valid_until_s=now_s + 15.0)
        await device.run(3.0)

        (order,) = [each for each in rig.broker.published if each.topic == SET]
        newest = outcome(rig.device(MqttPcs))
    payload = json.loads(order.payload)
    assert payload["power_w"] == -400_500
    assert (datetime.fromisoformat(payload["valid_until"]) - utc).total_seconds() == pytest.approx(15.0, abs=0.01)
    assert order.qos == 1
    assert order.expires_s == pytest.approx(15.0, abs=0.05)
    assert (newest.outcome, newest.written_kw) == ("accepted", -400.5)


async def test_a_setpoint_that_the_device_does_not_show_has_failed() -> None:
    async with listening(PCS) as rig:
        device = await battery(rig)

        rig.device(MqttPcs).set_power(100.0, valid_until_s=rig.clock.monotonic_s() + 15.0)
        await device.run(4.0, follows=False)

        newest = outcome(rig.device(MqttPcs))
    assert newest.outcome == "failed"
    assert newest.detail == "power_kw: 100 written, 0 read back"


async def test_a_setpoint_above_the_nameplate_is_narrowed() -> None:
    async with listening(PCS) as rig:
        device = await battery(rig)

        rig.device(MqttPcs).set_power(5000.0, valid_until_s=rig.clock.monotonic_s() + 15.0)
        await device.run(3.0)

        sent = rig.broker.payloads(SET)
    assert [order["power_w"] for order in sent] == [2_000_000]


async def test_a_limit_that_the_device_has_told_and_tells_no_more_allows_nothing() -> None:
    async with listening(PCS) as rig:
        device = await battery(rig)
        never_told = rig.device(MqttPcs).power_limits()
        device.changes = {"max_discharge_w": 300_000}
        await device.run(1.0)
        told = rig.device(MqttPcs).power_limits()
        device.changes = {"max_discharge_w": None}
        await device.run(1.0)
        told_no_more = rig.device(MqttPcs).power_limits()

    limits = [(each.lowest_kw, each.highest_kw) for each in (never_told, told, told_no_more)]
    assert limits == [(-2000.0, 2000.0), (-2000.0, 300.0), (-2000.0, 0.0)]


async def test_commands_given_while_the_broker_is_away_are_not_sent_after_they_have_expired() -> None:
    async with listening(PCS) as rig:
        await battery(rig)
        rig.broker.retained = {INFO: json.dumps(IDENTITY).encode(), STATUS: b"online"}
        rig.broker.refuses = True
        rig.broker.drop()
        await rig.clock.until(lambda: not rig.link.statistics().connected)

        rig.device(MqttPcs).set_power(300.0, valid_until_s=rig.clock.monotonic_s() + 2.0)
        await rig.clock.run(5.0)
        rig.broker.refuses = False
        await rig.connected()
        device = Battery(rig)
        await device.run(3.0)

        sent, newest = rig.broker.payloads(SET), outcome(rig.device(MqttPcs))
    assert sent == []
    assert (newest.outcome, newest.detail) == ("lost", "power_kw: expired")


async def test_a_frozen_broker_costs_the_connection_and_what_it_did_not_take_is_lost() -> None:
    async with listening(PCS) as rig:
        device = await battery(rig)
        pcs = rig.device(MqttPcs)
        pcs.set_power(0.0, valid_until_s=rig.clock.monotonic_s() + 60.0)
        await device.run(1.5)
        rig.broker.confirms = False
        before_s = rig.clock.monotonic_s()

        pcs.set_power(300.0, valid_until_s=rig.clock.monotonic_s() + 2.5)
        took_s = await rig.clock.until(lambda: not rig.link.statistics().connected)
        await rig.clock.run(1.0)

        errors, newest = rig.link.status().n_errors, outcome(pcs)
    assert took_s <= 2.1
    assert errors["timeout"] == 1
    assert newest.outcome == "lost"
    assert newest.at_s > before_s


async def test_the_heartbeat_counts_up_until_the_commands_expire() -> None:
    async with listening(PCS) as rig:
        device = await battery(rig)
        before = rig.broker.payloads(BEAT)

        rig.device(MqttPcs).set_power(0.0, valid_until_s=rig.clock.monotonic_s() + 3.5)
        await device.run(8.0)

        beats = rig.broker.payloads(BEAT)
        period_s = rig.device(MqttPcs).heartbeat_s
    assert before == []
    assert period_s == 1.0
    assert beats == [{"count": number} for number in (1, 2, 3, 4)]


async def test_a_device_under_local_control_is_not_commanded() -> None:
    async with listening(PCS) as rig:
        device = await battery(rig)
        device.changes = {"control": "local"}
        await device.run(1.0)

        rig.device(MqttPcs).set_power(100.0, valid_until_s=rig.clock.monotonic_s() + 15.0)
        await device.run(2.0)

        newest = outcome(rig.device(MqttPcs))
        published = [*rig.broker.payloads(SET), *rig.broker.payloads(BEAT)]
    assert newest.outcome == "refused"
    assert "local control" in newest.detail
    assert published == []


async def test_a_device_that_has_not_named_itself_is_read_and_not_commanded() -> None:
    async with listening(PCS) as rig:
        await rig.connected()
        device = Battery(rig)
        await device.run(1.0)

        reading, withheld = rig.device(MqttPcs).reading(), rig.device(MqttPcs).withheld()

    assert reading is not None
    assert withheld == "it has not named itself yet: no manufacturer and no model and no serial and no firmware"


async def test_another_device_than_the_known_one_is_read_and_not_commanded_until_it_is_confirmed() -> None:
    async with listening(PCS, known={**IDENTITY, "serial": "S-0007"}) as rig:
        device = await battery(rig)
        pcs = rig.device(MqttPcs)

        withheld = pcs.withheld()
        pcs.confirm(pcs.identity() or {})
        await device.run(1.0)

        after = pcs.withheld()
    assert withheld is not None
    assert "serial 'S-0007' is now 'S-0001'" in withheld
    assert after is None


async def test_a_meter_keeps_an_energy_that_comes_seldom_until_it_is_too_old() -> None:
    async with listening(METER) as rig:
        await rig.connected()
        rig.broker.say(INFO, IDENTITY, retained=True)
        rig.broker.say("plant/one/energy", {"time": rig.stamp(), "energy_wh": 123_456})
        count = 0

        async def run(seconds: int) -> None:
            nonlocal count
            for _ in range(seconds):
                count += 1
                rig.broker.say(STATE, {"time": rig.stamp(), "count": count, "load_w": 850_000.0})
                await rig.clock.run(1.0)

        await run(3)
        early = rig.device(MqttLoadMeter).reading()
        await run(60)
        late = rig.device(MqttLoadMeter).reading()

    assert early is not None
    assert (early.load_kw, early.energy_wh, early.load_max_kw) == (850.0, 123_456, None)
    assert late is not None
    assert late.energy_wh is None
    assert late.bad["energy_wh"].startswith("not read for")


async def test_a_device_that_wants_to_be_asked_is_asked_again_and_again() -> None:
    spec = mqtt_spec("victron-venus-battery", driver="mqtt.bms", name="c0ffee/512")
    async with listening(spec) as rig:
        await rig.connected()
        await rig.clock.run(25.0)
        topics = [each.topic for each in rig.broker.published]
        rig.broker.say("N/c0ffee/battery/512/Soc", {"value": 61.5})
        await rig.clock.run(0.1)
        reading = rig.device(MqttBms).reading()

    assert topics == ["R/c0ffee/keepalive"] * 3
    assert reading is not None
    assert reading.soc_pct == 61.5


async def test_two_devices_of_one_broker_share_its_connection_and_get_their_own_messages() -> None:
    other = mqtt_spec("mqtt-json-battery", driver="mqtt.pcs", id="dev2", name="plant/two")
    async with listening(PCS, other) as rig:
        await battery(rig)
        units = rig.link.status().units

        assert rig.devices["dev1"].reading() is not None
        assert rig.devices["dev2"].reading() is None
    assert rig.broker.n_sessions == 1
    assert units["dev1"].answer_age_s is not None
    assert units["dev2"].answer_age_s is None


async def test_capabilities_are_what_the_driver_implements_and_the_map_declares() -> None:
    async with listening(PCS) as rig:
        device: Device = rig.devices["dev1"]
        found = rig.device(MqttPcs).capabilities

    assert found == {
        Capability.REPORTS_POWER,
        Capability.SETS_POWER,
        Capability.FORMS_GRID,
        Capability.HEARTBEAT,
        Capability.REVERTS,
    }
    for name in found:
        assert all(isinstance(device, protocol) for protocol in DEVICE_PROTOCOLS.get(name, ()))


def tasmota_beside(**power: object) -> DeviceSpec:
    """Return a meter whose topics are written beside it."""
    topics = {
        "device": {"class": "load_meter", "source": "the integrator's list of topics, 2026-11-02"},
        "messages": {},
        "points": {"load_kw": {"topic": "{device}/power", "scale": 0.001, **power}},
    }
    return mqtt_spec("", driver="mqtt.load_meter", map=None, topics=topics)


async def test_a_device_can_have_its_topics_written_beside_it() -> None:
    async with listening(tasmota_beside()) as rig:
        await rig.connected()
        rig.broker.say("plant/one/power", "8500")
        await rig.clock.run(0.1)
        reading = rig.device(MqttLoadMeter).reading()

    assert reading is not None
    assert reading.load_kw == 8.5


async def test_topics_beside_a_device_are_refused_with_the_key_of_devices_toml() -> None:
    with pytest.raises(ConfigError) as caught:
        async with listening(tasmota_beside(scale=0.0)):
            pass

    (problem,) = caught.value.problems
    assert (problem.file, problem.key) == ("devices.toml", "device 'dev1'.topics.points.load_kw.scale")


@pytest.mark.parametrize(
    ("spec", "key", "message"),
    [
        (mqtt_spec("mqtt-json-battery", driver="mqtt.pcs", link="none"), "link", "there is no broker 'none'"),
        (mqtt_spec("mqtt-json-meter", driver="mqtt.pcs"), "map", "map 'mqtt-json-meter' describes a load_meter"),
        (
            mqtt_spec("mqtt-json-battery", driver="mqtt.pcs", name=None),
            "name",
            "nothing says what the device is called",
        ),
        (mqtt_spec("mqtt-json-battery", driver="mqtt.pcs", map=None), "map", "driver mqtt.pcs needs a topic map"),
        (mqtt_spec("mqtt-json-battery", driver="mqtt.pcs", watchdog_s=None), "watchdog_s", "fall-back time"),
        (mqtt_spec("victron-venus-battery", driver="mqtt.bms", name="c0ffee"), "name", "does not have the parts"),
    ],
)
async def test_a_specification_that_cannot_be_served_is_refused_with_its_key(
    spec: DeviceSpec, key: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        async with listening(spec):
            pass

    (problem,) = caught.value.problems
    assert problem.key == f"device 'dev1'.{key}"
    assert message in problem.message


async def test_a_password_file_that_cannot_be_read_is_refused_with_broker_and_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        async with listening(PCS, password_file=tmp_path / "absent", username="ems"):
            pass

    (problem,) = caught.value.problems
    assert (problem.file, problem.key) == ("devices.toml", "broker 'broker'.password_file")


async def test_the_fallback_is_armed_before_the_first_command_and_again_when_it_comes_loose() -> None:
    async with listening(PCS) as rig:
        await rig.connected()
        device, driver = Battery(rig), rig.device(MqttPcs)
        device.introduce()
        device.changes = {"fallback_armed": False}

        await device.run(4.0)
        withheld, told = driver.withheld(), rig.broker.payloads(WATCHDOG)
        driver.set_power(100.0, valid_until_s=rig.clock.monotonic_s() + 60.0)
        await device.run(1.0)
        refused = rig.broker.payloads(SET)
        device.changes = {"fallback_armed": True}
        await device.run(1.0)
        driver.set_power(100.0, valid_until_s=rig.clock.monotonic_s() + 60.0)
        await device.run(2.0)
        obeyed = rig.broker.payloads(SET)
        device.changes = {"fallback_armed": False}
        await device.run(8.0)
        told_again = rig.broker.payloads(WATCHDOG)

    assert withheld is not None
    assert "not armed" in withheld
    assert (told, refused) == ([{"watchdog_s": 12.0}], [])
    assert [order["power_w"] for order in obeyed] == [100_000]
    assert len(told_again) >= 2
