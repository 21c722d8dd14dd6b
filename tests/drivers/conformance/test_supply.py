"""Every driver that takes a supply temperature: narrowed, held, refused under local control, expired, given back."""

from typing import Any

import pytest

from ems.model.capability import Capability, SupplyLimits
from ems.model.setpoints import Outcome
from ems.ports import Commanded, Reverts, SetsSupply, StartsAndStops, Withholds
from tests.drivers.conformance.plant import FollowingPlant
from tests.drivers.conformance.subjects import LOCAL_SUPPLY_DEGC, MAPS, Subject, find_subjects
from tests.drivers.rig import Rig, running

WANTED_DEGC = 24.0
SUBJECTS = [subject for subject in find_subjects() if Capability.SETS_SUPPLY in subject.capabilities]
commanded = pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
pytestmark = pytest.mark.wire


def unit(rig: Rig) -> Any:  # a device with several of the capability protocols
    device = rig.devices[1]
    assert isinstance(device, SetsSupply)
    return device


def ask(rig: Rig, supply_degc: float, *, valid_s: float = 30.0) -> None:
    unit(rig).set_supply(supply_degc, valid_until_s=rig.clock.monotonic_s() + valid_s)


def asked_of(plant: FollowingPlant) -> list[float]:
    return [value for name, value in plant.commands if name == "supply_degc"]


def ended(rig: Rig) -> Outcome | None:
    device = rig.devices[1]
    assert isinstance(device, Commanded)
    outcome = device.outcome()
    return None if outcome is None else outcome.outcome


async def ready(rig: Rig, plant: FollowingPlant) -> None:
    plant.clock = rig.clock
    await rig.first_reading()
    await rig.clock.run(2.0)


def test_there_are_units_that_take_a_supply_temperature() -> None:
    assert {subject.spec.driver for subject in SUBJECTS} == {"cooling.cdu", "cooling.chiller"}


@commanded
async def test_a_temperature_within_the_band_is_accepted_and_reaches_the_unit(subject: Subject) -> None:
    plant = subject.plant()
    async with running((subject.spec, plant), maps=MAPS) as rig:
        await ready(rig, plant)

        ask(rig, WANTED_DEGC)
        await rig.clock.run(4.0)

        outcome, shown = ended(rig), getattr(rig.devices[1].reading(), "setpoint_degc", None)
    assert outcome is Outcome.ACCEPTED
    assert asked_of(plant) == [pytest.approx(WANTED_DEGC, abs=0.1)]
    assert shown == pytest.approx(WANTED_DEGC, abs=0.1)


@commanded
async def test_no_unit_is_started_or_stopped_by_its_driver(subject: Subject) -> None:
    async with running((subject.spec, subject.plant()), maps=MAPS) as rig:
        device: object = unit(rig)

        assert not isinstance(device, StartsAndStops)
        assert Capability.STARTS_AND_STOPS not in subject.capabilities


@commanded
@pytest.mark.parametrize("wanted_degc", [-50.0, 90.0])
async def test_a_temperature_outside_the_band_is_narrowed_to_it(subject: Subject, wanted_degc: float) -> None:
    plant = subject.plant()
    async with running((subject.spec, plant), maps=MAPS) as rig:
        await ready(rig, plant)
        limits: SupplyLimits = unit(rig).supply_limits()

        ask(rig, wanted_degc)
        await rig.clock.run(4.0)

        outcome = unit(rig).outcome()
    expected_degc = limits.lowest_degc if wanted_degc < 0.0 else limits.highest_degc
    assert outcome.outcome is Outcome.ACCEPTED
    assert f"{wanted_degc:g} asked" in outcome.detail
    assert asked_of(plant)[-1] == pytest.approx(expected_degc, abs=0.1)
    assert all(limits.lowest_degc - 1e-6 <= value <= limits.highest_degc + 1e-6 for value in asked_of(plant))


@commanded
@pytest.mark.parametrize("wanted_degc", [float("nan"), float("inf")])
async def test_what_is_no_number_never_reaches_the_unit(subject: Subject, wanted_degc: float) -> None:
    plant = subject.plant()
    async with running((subject.spec, plant), maps=MAPS) as rig:
        await ready(rig, plant)

        ask(rig, wanted_degc)
        await rig.clock.run(3.0)

        outcome = ended(rig)
    assert outcome is Outcome.REFUSED
    assert asked_of(plant) == []


@commanded
async def test_changes_below_the_deadband_are_not_written(subject: Subject) -> None:
    plant = subject.plant()
    async with running((subject.spec, plant), maps=MAPS) as rig:
        await ready(rig, plant)
        ask(rig, WANTED_DEGC)
        await rig.clock.run(4.0)

        for step in range(6):
            ask(rig, WANTED_DEGC + 0.15 * (-1.0) ** step)
            await rig.clock.run(1.0)

        outcome = ended(rig)
    assert outcome is Outcome.ACCEPTED
    assert len(asked_of(plant)) == 1


@commanded
async def test_under_local_control_nothing_is_written_and_the_reason_is_told(subject: Subject) -> None:
    plant = subject.plant(remote=False)
    async with running((subject.spec, plant), maps=MAPS) as rig:
        await ready(rig, plant)
        device: object = unit(rig)
        assert isinstance(device, Withholds)
        withheld = device.withheld()

        ask(rig, WANTED_DEGC)
        await rig.clock.run(3.0)
        refused, meanwhile = ended(rig), asked_of(plant)
        plant.shown["remote"] = True
        await rig.clock.run(3.0)
        ask(rig, WANTED_DEGC)
        await rig.clock.run(4.0)

        outcome = ended(rig)
    assert withheld is not None
    assert (refused, meanwhile) == (Outcome.REFUSED, [])
    assert outcome is Outcome.ACCEPTED


@commanded
async def test_a_command_that_could_not_be_sent_in_time_is_lost_and_never_sent(subject: Subject) -> None:
    plant = subject.plant()
    async with running((subject.spec, plant), maps=MAPS) as rig:
        await ready(rig, plant)
        await rig.fail(refuse=True)
        await rig.clock.run(2.0)

        ask(rig, WANTED_DEGC, valid_s=3.0)
        await rig.clock.run(6.0)
        outcome = ended(rig)
        await rig.heal()
        await rig.clock.run(8.0)

    assert outcome is Outcome.LOST
    assert WANTED_DEGC not in [round(value, 1) for value in asked_of(plant)]


@commanded
async def test_when_no_command_counts_any_more_the_unit_has_its_own_setpoint_again(subject: Subject) -> None:
    plant = subject.plant()
    async with running((subject.spec, plant), maps=MAPS) as rig:
        await ready(rig, plant)
        ask(rig, WANTED_DEGC, valid_s=5.0)
        await rig.clock.run(4.0)
        followed = plant.shown["setpoint_degc"]

        await rig.clock.run(6.0)

    assert followed == pytest.approx(WANTED_DEGC, abs=0.1)
    assert plant.shown["setpoint_degc"] == pytest.approx(LOCAL_SUPPLY_DEGC, abs=0.1)


@commanded
async def test_a_unit_that_notices_a_silent_controller_is_armed_before_it_is_commanded(subject: Subject) -> None:
    plant = subject.plant()
    async with running((subject.spec, plant), maps=MAPS) as rig:
        await ready(rig, plant)
        device: object = unit(rig)
        assert isinstance(device, Reverts)
        fallback = device.fallback()

    armed = Capability.REVERTS in subject.capabilities
    assert len(fallback.text) > 10
    assert (fallback.armed is True, plant.watchdog_s) == ((True, subject.spec.watchdog_s) if armed else (False, None))


@commanded
async def test_after_a_disconnect_the_setpoint_in_force_is_asserted_again(subject: Subject) -> None:
    plant = subject.plant()
    async with running((subject.spec, plant), maps=MAPS) as rig:
        await ready(rig, plant)
        ask(rig, WANTED_DEGC, valid_s=120.0)
        await rig.clock.run(4.0)

        await rig.fail(refuse=True)
        await rig.clock.run(10.0)
        # somebody turned it at the panel
        plant.shown["setpoint_degc"] = 20.0
        await rig.heal()
        await rig.clock.run(10.0)

        outcome = ended(rig)
    assert plant.shown["setpoint_degc"] == pytest.approx(WANTED_DEGC, abs=0.1)
    assert outcome is Outcome.ACCEPTED


@commanded
@pytest.mark.parametrize(
    ("faults", "outcomes"),
    [
        ({"ignore_writes": True}, {Outcome.FAILED, Outcome.LOST}),
        ({"exception_code": 4}, {Outcome.REFUSED, Outcome.LOST}),
        ({"mute": True}, {Outcome.LOST}),
    ],
    ids=["ignored", "refused", "mute"],
)
async def test_a_setpoint_that_is_not_obeyed_is_never_accepted(
    subject: Subject, faults: dict[str, Any], outcomes: set[Outcome]
) -> None:
    plant = subject.plant()
    async with running((subject.spec, plant), maps=MAPS) as rig:
        await ready(rig, plant)

        await rig.fail(**faults)
        ask(rig, WANTED_DEGC, valid_s=6.0)
        await rig.clock.run(8.0)

        outcome = ended(rig)
    assert outcome in outcomes
