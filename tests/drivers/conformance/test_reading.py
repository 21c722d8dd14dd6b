"""Every driver: it reads what the device shows, with its sign, and never takes an unknown value for a good one."""

from importlib.metadata import entry_points

import pytest

from drivers.device.fields import DeviceClass, FieldKind, reading_fields
from drivers.modbus.mapfile import map_names
from drivers.mqtt.topicmapfile import topic_map_names
from ems.model.capability import Capability
from ems.ports import DEVICE_PROTOCOLS, READING_PROTOCOLS
from tests.drivers.conformance.rigs import fault_or_skip, running
from tests.drivers.conformance.subjects import MAPS, POWER_KW, Subject, find_subjects

SUBJECTS = tuple(find_subjects())
every = pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
signed = pytest.mark.parametrize(
    "subject",
    [subject for subject in SUBJECTS if subject.device_class in {DeviceClass.PCS, DeviceClass.PCC_METER}],
    ids=lambda subject: subject.name,
)
# kinds of values whose sample a device without a map shows in a form of its own
_EXACT = {FieldKind.NUMBER, FieldKind.INTEGER, FieldKind.FLAG, FieldKind.LABEL}
pytestmark = pytest.mark.wire


def test_every_driver_and_every_map_is_under_test() -> None:
    drivers = {entry.name for entry in entry_points(group="ems.drivers")}

    assert {subject.spec.driver for subject in SUBJECTS} == drivers
    found = {subject.spec.map for subject in SUBJECTS if subject.spec.map}
    assert found == {*map_names(MAPS), *topic_map_names(MAPS)}


@every
async def test_every_value_that_the_device_shows_is_read(subject: Subject) -> None:
    plant = subject.plant()
    async with running((subject.spec, plant), maps=MAPS) as rig:
        await rig.first_reading()
        # what is polled or published seldom comes behind the first reading
        await rig.clock.run(2.0 + (subject.spec.slow_s if subject.is_behind_broker else 0.0))
        reading, trouble = rig.devices[1].reading(), rig.devices[1].trouble()

    assert reading is not None
    assert trouble is None
    # what a device without a map does not tell is left open with a reason
    assert reading.bad == {} or subject.map is None
    assert all(getattr(reading, name) is None for name in reading.bad)
    shown = {
        name: value
        for name, field in reading_fields(subject.device_class).items()
        if subject.map is not None and field.kind in _EXACT and (value := plant.shown.get(name)) is not None
    }
    read = {name: getattr(reading, name) for name in shown}
    # one count of the coarsest map
    assert read == {
        name: pytest.approx(value, abs=0.5) if isinstance(value, float) else value for name, value in shown.items()
    }


@every
async def test_what_a_device_declares_is_implemented_and_shown(subject: Subject) -> None:
    async with running((subject.spec, subject.plant()), maps=MAPS) as rig:
        await rig.first_reading()
        device = rig.devices[1]
        reading = device.reading()

    declared = None if subject.map is None else subject.map.capabilities
    # a driver may have fewer than its map offers: one for sets without power leaves the power alone
    offered = {
        name
        for name in declared or ()
        if all(isinstance(device, protocol) for protocol in DEVICE_PROTOCOLS.get(name, ()))
    }
    assert declared is None or offered == subject.capabilities
    for name in subject.capabilities:
        assert all(isinstance(device, protocol) for protocol in DEVICE_PROTOCOLS.get(name, ())), name
        assert all(isinstance(reading, protocol) for protocol in READING_PROTOCOLS.get(name, ())), name
    if Capability.REPORTS_POWER in subject.capabilities:
        assert getattr(reading, "power_kw", None) is not None


@signed
@pytest.mark.parametrize("power_kw", [POWER_KW, -POWER_KW])
async def test_a_power_is_read_in_the_direction_in_which_it_flows(subject: Subject, power_kw: float) -> None:
    async with running((subject.spec, subject.plant(power_kw=power_kw)), maps=MAPS) as rig:
        await rig.first_reading()
        reading = rig.devices[1].reading()

    assert getattr(reading, "power_kw", None) == pytest.approx(power_kw, abs=1.0)


@every
async def test_a_value_that_the_device_does_not_have_is_unknown(subject: Subject) -> None:
    numbers = {
        name: None
        for name, field in reading_fields(subject.device_class).items()
        if field.kind in {FieldKind.NUMBER, FieldKind.INTEGER}
        and subject.shows(name)
        # a device that has its limit from us always has one, and a SunSpec device its nameplate
        and not (subject.map is None and name in {"limit_kw", "setpoint_kw", "rated_kw"})
    }
    async with running((subject.spec, subject.plant(**numbers)), maps=MAPS) as rig:
        await rig.clock.run(8.0)
        reading = rig.devices[1].reading()

    if reading is not None:
        assert {name: getattr(reading, name) for name in numbers} == numbers


@every
@pytest.mark.parametrize(
    "fault",
    ["sentinel", "zero", "ones", "missing_registers", "exception_code", "garbage", "truncate", "old_s", "mute"],
)
async def test_no_value_of_a_faulty_device_is_published_as_good(subject: Subject, fault: str) -> None:
    amount = fault_or_skip(subject, fault)
    async with running((subject.spec, subject.plant()), maps=MAPS) as rig:
        await rig.first_reading()
        device = rig.devices[1]
        await rig.clock.run(2.0)
        before = device.reading()

        began_s = rig.clock.monotonic_s()
        await rig.fail(**{fault: amount})
        await rig.clock.run(4.0 * subject.spec.slow_s)
        reading, trouble = device.reading(), device.trouble()

    assert before is not None
    assert reading is not None
    numbers = [n for n, field in reading_fields(subject.device_class).items() if field.kind is FieldKind.NUMBER]
    # one round may have been under way
    is_old = reading.at_s < began_s + subject.spec.fast_s and trouble is not None
    assert is_old or all(getattr(reading, name) is None for name in numbers)


@every
async def test_a_device_that_was_away_is_read_again_within_five_seconds(subject: Subject) -> None:
    async with running((subject.spec, subject.plant()), maps=MAPS) as rig:
        await rig.first_reading()
        device = rig.devices[1]
        await rig.fail(refuse=True)
        await rig.clock.run(4.0 * subject.spec.slow_s)
        trouble = device.trouble()

        await rig.heal()
        healed_s = rig.clock.monotonic_s()
        took_s = await rig.clock.until(lambda: (now := device.reading()) is not None and now.at_s > healed_s)

    assert trouble is not None
    assert took_s < 5.0 + subject.spec.fast_s
