"""Every fault of a device behind a broker: how soon it is noticed, what is published meanwhile, and how it ends."""

import json
from typing import Any

import pytest

from drivers.device.fields import DeviceClass, FieldKind, reading_fields
from drivers.mqtt.families import MqttPcs
from ems.model.setpoints import Outcome
from ems.ports import Device
from tests.drivers.conformance.rigs import BrokerRig, behind_broker
from tests.drivers.mqtt_rig import mqtt_spec
from tests.drivers.rig import PlantDevice, pcs

PCS = mqtt_spec("mqtt-json-battery", driver="mqtt.pcs", name="plant/one")
PERIOD_S = PCS.fast_s
# how long a fault lasts, and how soon the device must be good again after its end
LASTS_S, HEALED_WITHIN_S = 30.0, 10.0
# fault, its size, and the time within which it must be noticed
LOUD = [
    ("refuse", True, PERIOD_S),
    ("disconnect", True, 2.0 * PERIOD_S),
    ("mute", True, 3.0 * PERIOD_S),
    ("garbage", True, 3.0 * PERIOD_S),
    ("truncate", True, 3.0 * PERIOD_S),
    ("sentinel", True, 3.0 * PERIOD_S),
    ("old_s", 30.0, 3.0 * PERIOD_S),
    ("late_s", 60.0, 3.0 * PERIOD_S),
    # the life counter of the map
    ("frozen", True, 5.0 + PERIOD_S),
]
_TURN_S = 0.2


def device_of(rig: BrokerRig) -> Device:
    return rig.devices[1]


@pytest.mark.parametrize(("kind", "amount", "within_s"), LOUD, ids=[kind for kind, _, _ in LOUD])
async def test_a_fault_is_noticed_in_time_and_forgotten_when_it_is_over(
    kind: str, amount: float, within_s: float
) -> None:
    async with behind_broker((PCS, pcs())) as rig:
        await rig.first_reading()
        await rig.clock.run(3.0)
        device = device_of(rig)
        assert device.trouble() is None
        await rig.fail(**{kind: amount})
        began_s = rig.clock.monotonic_s()
        noticed_s = await rig.clock.until(lambda: device.trouble() is not None)
        worst_s = 0.0
        while rig.clock.monotonic_s() < began_s + LASTS_S:
            await rig.clock.run(1.0)
            reading = device.reading()
            assert reading is not None
            good = [name for name in _numbers() if getattr(reading, name) is not None]
            # what was true before the fault may be read, with its age
            worst_s = max(worst_s, reading.at_s - began_s if good else 0.0)
        await rig.heal()
        healed_s = await rig.clock.until(lambda: device.trouble() is None)

    assert noticed_s <= within_s + _TURN_S
    assert worst_s <= PERIOD_S
    assert healed_s <= HEALED_WITHIN_S


def _numbers() -> list[str]:
    fields = reading_fields(DeviceClass.PCS)
    return [name for name, field in fields.items() if field.kind is FieldKind.NUMBER]


@pytest.mark.parametrize("kind", ["ignore_writes", "local", "deaf"])
async def test_a_device_that_does_not_obey_is_found_by_its_next_setpoint(kind: str) -> None:
    plant: PlantDevice = pcs(setpoint_kw=0.0)
    async with behind_broker((PCS, plant)) as rig:
        await rig.first_reading()
        await rig.clock.run(3.0)
        driver = device_of(rig)
        assert isinstance(driver, MqttPcs)
        await rig.fail(**{kind: True})
        await rig.clock.run(2.0)
        driver.set_power(300.0, valid_until_s=rig.clock.monotonic_s() + 20.0)
        await rig.clock.run(4.0)
        outcome = driver.outcome()

    assert outcome is not None
    # one that shows a setpoint and does not follow it is found by its power: tests/runtime
    expected = {"ignore_writes": Outcome.FAILED, "local": Outcome.REFUSED, "deaf": Outcome.ACCEPTED}
    assert outcome.outcome is expected[kind]
    assert plant.commanded("power_kw") == []


async def test_messages_that_come_twice_change_nothing() -> None:
    async with behind_broker((PCS, pcs())) as rig:
        await rig.first_reading()
        await rig.fail(doubled=True)
        await rig.clock.run(7.0)
        reading: Any = device_of(rig).reading()

        assert device_of(rig).trouble() is None
    assert reading.power_kw == 500.0
    assert reading.bad == {}


async def test_messages_that_the_broker_has_kept_are_taken_by_nobody_who_comes_later() -> None:
    async with behind_broker((PCS, pcs(power_kw=500.0))) as rig:
        await rig.first_reading()
        device = device_of(rig)
        await rig.fail(retained=True)
        await rig.clock.run(5.0)
        while_live = device.trouble()
        kept = json.loads(rig.broker.retained["plant/one/state"])
        # nothing comes any more, and the driver's connection is a new one
        await rig.fail(mute=True)
        rig.broker.stop()
        await rig.clock.run(1.0)
        rig.broker.is_up = True
        began_s = rig.clock.monotonic_s()
        await rig.clock.run(20.0)
        reading, trouble = device.reading(), device.trouble()
        n_refused = rig.link.statistics().n_errors["retained"]
        await rig.heal()
        healed_s = await rig.clock.until(lambda: device.trouble() is None)

    assert while_live is None
    assert kept["power_w"] == 500_000.0
    assert trouble is not None
    assert reading is None or reading.at_s < began_s
    assert n_refused >= 1
    assert healed_s <= HEALED_WITHIN_S
