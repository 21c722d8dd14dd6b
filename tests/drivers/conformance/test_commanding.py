"""Every commanded driver: accepted, narrowed, ramped, refused under local control, expired, reverted, re-asserted."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from ems.model.capability import Capability
from ems.model.setpoints import Outcome
from ems.ports import (
    Commanded,
    ControlsTie,
    Curtails,
    Identified,
    KeepsHeartbeat,
    LimitsPower,
    Reverts,
    SetsPower,
    Silences,
    StartsAndStops,
    Withholds,
)
from tests.drivers.conformance.plant import FollowingPlant
from tests.drivers.conformance.rigs import Rig, fault_or_skip, running
from tests.drivers.conformance.subjects import MAPS, POWER_KW, WATCHDOG_S, Subject, find_subjects
from tests.drivers.rig import RATED_KW, Value

SUBJECTS = tuple(find_subjects())
pytestmark = pytest.mark.wire


def having(*capabilities: Capability) -> pytest.MarkDecorator:
    """Run on every subject with one of these capabilities."""
    found = [subject for subject in SUBJECTS if subject.capabilities & set(capabilities)]
    return pytest.mark.parametrize("subject", found, ids=lambda subject: subject.name)


POWER = (Capability.SETS_POWER, Capability.CURTAILS)


def ask(rig: Rig, power_kw: float, *, valid_s: float = 30.0) -> None:
    """Ask for a power, a limit of it, or to run where the device takes neither; a sync-check device gets a permit."""
    device, until_s = rig.devices[1], rig.clock.monotonic_s() + valid_s
    if isinstance(device, SetsPower):
        device.set_power(power_kw, valid_until_s=until_s)
    elif isinstance(device, StartsAndStops):
        device.set_run(run=power_kw > 0.0, valid_until_s=until_s)
    elif isinstance(device, ControlsTie):
        device.set_tie(permit_close=power_kw > 0.0, request_open=False, valid_until_s=until_s)
    else:
        assert isinstance(device, Curtails)
        device.set_limit(power_kw, valid_until_s=until_s)


def asked_of(plant: FollowingPlant) -> list[float]:
    return [value for name, value in plant.commands if name in ("power_kw", "limit_kw", "run", "permit_close")]


def ended(rig: Rig) -> tuple[Outcome | None, float | None]:
    device = rig.devices[1]
    assert isinstance(device, Commanded)
    outcome = device.outcome()
    return (None, None) if outcome is None else (outcome.outcome, outcome.written_kw)


async def ready(rig: Rig, plant: FollowingPlant) -> None:
    """Let the device be read, and its fall-back be armed."""
    plant.clock = rig.clock
    await rig.first_reading()
    await rig.clock.run(2.0)


def limits(rig: Rig) -> Any:  # the device's own
    device = rig.devices[1]
    assert isinstance(device, LimitsPower)
    return device.power_limits()


@having(*POWER)
async def test_a_setpoint_within_limits_is_accepted_and_reaches_the_device_unchanged(subject: Subject) -> None:
    plant = subject.plant()
    async with running((subject.spec, plant), maps=MAPS) as rig:
        await ready(rig, plant)

        ask(rig, POWER_KW)
        await rig.clock.run(4.0)

        outcome, written_kw = ended(rig)
    assert outcome is Outcome.ACCEPTED
    assert written_kw == pytest.approx(POWER_KW, abs=0.01 * RATED_KW)
    assert asked_of(plant)[-1] == pytest.approx(POWER_KW, abs=0.01 * RATED_KW)
    # rounding is towards the safe side
    assert abs(asked_of(plant)[-1]) <= POWER_KW + 1e-6


@having(*POWER)
@pytest.mark.parametrize("direction", [1.0, -1.0])
async def test_a_setpoint_beyond_the_limits_is_narrowed_and_never_widened(subject: Subject, direction: float) -> None:
    plant = subject.plant()
    async with running((subject.spec, plant), maps=MAPS) as rig:
        await ready(rig, plant)
        now = limits(rig)

        ask(rig, direction * 1e6)
        await rig.clock.run(4.0)

        outcome, written_kw = ended(rig)
    assert outcome is Outcome.ACCEPTED
    assert -RATED_KW <= now.lowest_kw <= now.highest_kw <= RATED_KW
    expected_kw = now.highest_kw if direction > 0.0 else now.lowest_kw
    # a limit of the whole rating may be given by taking the limit away
    assert written_kw == pytest.approx(expected_kw, abs=0.01 * RATED_KW)
    assert all(now.lowest_kw - 1e-6 <= value <= now.highest_kw + 1e-6 for value in asked_of(plant))


@having(*POWER)
@pytest.mark.parametrize("power_kw", [float("nan"), float("inf")])
async def test_what_is_no_number_never_reaches_the_device(subject: Subject, power_kw: float) -> None:
    plant = subject.plant()
    async with running((subject.spec, plant), maps=MAPS) as rig:
        await ready(rig, plant)
        before = len(asked_of(plant))

        ask(rig, power_kw)
        await rig.clock.run(3.0)

        outcome, written_kw = ended(rig)
    assert (outcome, written_kw) == (Outcome.REFUSED, None)
    assert len(asked_of(plant)) == before


@having(Capability.SETS_POWER)
async def test_a_setpoint_moves_no_faster_than_its_ramp(subject: Subject) -> None:
    plant = subject.plant(setpoint_kw=0.0, power_kw=0.0)
    spec = replace(subject.spec, ramp_frac_per_s=0.05)
    async with running((spec, plant), maps=MAPS) as rig:
        await ready(rig, plant)

        ask(rig, 0.0)
        await rig.clock.run(3.0)
        began = len(asked_of(plant))
        ask(rig, POWER_KW)
        await rig.clock.run(12.0)

    steps = [0.0, *asked_of(plant)[began:]]
    assert steps[-1] == pytest.approx(POWER_KW, abs=0.01 * RATED_KW)
    assert max(later - one for one, later in pairwise(steps)) <= 0.05 * RATED_KW + 1e-6


@having(Capability.STARTS_AND_STOPS)
async def test_a_start_and_a_stop_are_shown_by_the_state_of_the_unit(subject: Subject) -> None:
    at_rest: dict[str, Value] = {"phase": "stopped", "breaker_closed": False}
    if subject.shows("engine_state"):
        at_rest["engine_state"] = "stopped"
    plant = subject.plant(**at_rest)
    async with running((subject.spec, plant), maps=MAPS) as rig:
        await ready(rig, plant)
        device = rig.devices[1]
        assert isinstance(device, StartsAndStops)

        phases = []
        for run in (True, False):
            device.set_run(run=run, valid_until_s=rig.clock.monotonic_s() + 30.0)
            await rig.clock.run(5.0)
            phases.append(getattr(device.reading(), "phase", None))
        outcome, _ = ended(rig)

    assert phases == ["running", "stopped"]
    assert outcome is Outcome.ACCEPTED


@having(*POWER, Capability.STARTS_AND_STOPS)
async def test_under_local_control_nothing_is_commanded_and_the_reason_is_told(subject: Subject) -> None:
    plant = subject.plant(remote=False)
    async with running((subject.spec, plant), maps=MAPS) as rig:
        await ready(rig, plant)
        device = rig.devices[1]
        if getattr(device.reading(), "remote", None) is None:
            pytest.skip("the device does not say who controls it")
        assert isinstance(device, Withholds)
        withheld = device.withheld()
        before = len(asked_of(plant))

        ask(rig, POWER_KW)
        await rig.clock.run(3.0)
        refused, _ = ended(rig)
        meanwhile = asked_of(plant)[before:]
        plant.shown["remote"] = True
        await rig.clock.run(3.0)
        ask(rig, POWER_KW)
        await rig.clock.run(4.0)

        outcome, _ = ended(rig)
    assert withheld is not None
    assert refused is Outcome.REFUSED
    assert meanwhile == []
    assert outcome is Outcome.ACCEPTED


@having(*POWER)
async def test_a_command_that_could_not_be_sent_in_time_is_lost_and_never_sent(subject: Subject) -> None:
    plant = subject.plant()
    async with running((subject.spec, plant), maps=MAPS) as rig:
        await ready(rig, plant)
        await rig.fail(refuse=True)
        await rig.clock.run(2.0)

        ask(rig, POWER_KW, valid_s=3.0)
        await rig.clock.run(6.0)
        outcome, _ = ended(rig)
        await rig.heal()
        await rig.clock.run(8.0)

    assert outcome is Outcome.LOST
    assert POWER_KW not in [round(value) for value in asked_of(plant)]


@having(*POWER)
async def test_a_device_whose_controller_goes_silent_falls_back_by_itself(subject: Subject) -> None:
    plant = subject.plant()
    async with running((subject.spec, plant), maps=MAPS) as rig:
        await ready(rig, plant)
        device = rig.devices[1]
        assert isinstance(device, Reverts)
        ask(rig, POWER_KW, valid_s=4.0)
        await rig.clock.run(3.0)
        followed = _in_force(device)
        fallback = device.fallback()

        await rig.clock.run(4.0 + WATCHDOG_S + 4.0)
        reverted = _in_force(device)

    assert followed == pytest.approx(POWER_KW, abs=0.01 * RATED_KW)
    assert (fallback.armed, fallback.after_s) == (True, WATCHDOG_S)
    assert len(fallback.text) > 10
    assert reverted != pytest.approx(POWER_KW, abs=0.01 * RATED_KW)


def _in_force(device: object) -> float | None:
    reading = device.reading() if hasattr(device, "reading") else None
    value: float | None = getattr(reading, "limit_kw", getattr(reading, "setpoint_kw", None))
    return value


@having(Capability.HEARTBEAT)
async def test_the_heartbeat_goes_on_while_a_command_counts_and_no_longer(subject: Subject) -> None:
    plant = subject.plant()
    async with running((subject.spec, plant), maps=MAPS) as rig:
        await ready(rig, plant)
        device = rig.devices[1]
        assert isinstance(device, KeepsHeartbeat)
        before_s = device.heartbeat_age_s()
        ask(rig, POWER_KW, valid_s=10.0)
        ages_s = []
        for _ in range(9):
            await rig.clock.run(1.0)
            ages_s.append(device.heartbeat_age_s())
        await rig.clock.run(10.0)
        silent_s = device.heartbeat_age_s()

    assert device.heartbeat_s is not None
    assert before_s is None or before_s > 1.0
    assert all(age_s is not None and age_s <= 2.0 for age_s in ages_s)
    assert silent_s is not None
    assert silent_s > 7.0


@having(*POWER)
async def test_after_a_disconnect_the_setpoint_in_force_is_asserted_again(subject: Subject) -> None:
    plant = subject.plant()
    async with running((subject.spec, plant), maps=MAPS) as rig:
        await ready(rig, plant)
        ask(rig, POWER_KW, valid_s=120.0)
        await rig.clock.run(4.0)
        n_before = len(asked_of(plant))

        await rig.fail(refuse=True)
        await rig.clock.run(2.0 * WATCHDOG_S)
        await rig.heal()
        await rig.clock.run(10.0)

        in_force = _in_force(rig.devices[1])
        outcome, _ = ended(rig)
    assert len(asked_of(plant)) > n_before
    assert in_force == pytest.approx(POWER_KW, abs=0.01 * RATED_KW)
    assert outcome is Outcome.ACCEPTED


@having(*POWER)
async def test_another_device_is_read_and_neither_commanded_nor_armed(subject: Subject) -> None:
    plant = subject.plant()
    known = {"manufacturer": "Maker", "model": "M1", "serial": "another one"}
    async with running((subject.spec, plant), maps=MAPS, known=known) as rig:
        await ready(rig, plant)
        device = rig.devices[1]
        ask(rig, POWER_KW)
        await rig.clock.run(4.0)
        outcome, _ = ended(rig)
        meanwhile = list(plant.commands)

        assert isinstance(device, Identified)
        identity = device.identity()
        assert identity is not None
        device.confirm(identity)
        await rig.clock.run(4.0)
        ask(rig, POWER_KW)
        await rig.clock.run(4.0)
        confirmed, _ = ended(rig)

    assert device.reading() is not None
    assert outcome is Outcome.REFUSED
    assert meanwhile == []
    assert confirmed is Outcome.ACCEPTED


@having(*POWER)
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
    for fault in faults:
        fault_or_skip(subject, fault)
    async with running((subject.spec, plant), maps=MAPS) as rig:
        await ready(rig, plant)
        ask(rig, POWER_KW / 2.0, valid_s=60.0)
        await rig.clock.run(4.0)

        await rig.fail(**faults)
        ask(rig, POWER_KW, valid_s=6.0)
        await rig.clock.run(8.0)

        outcome, _ = ended(rig)
    assert outcome in outcomes


def test_the_commanded_kinds_of_device_are_all_there() -> None:
    found = {capability for subject in SUBJECTS for capability in subject.capabilities}

    assert found >= {*POWER, Capability.STARTS_AND_STOPS, Capability.HEARTBEAT, Capability.REVERTS}


@having(Capability.SETS_POWER, Capability.CURTAILS, Capability.STARTS_AND_STOPS, Capability.CONTROLS_TIE)
async def test_a_device_that_is_told_to_be_silent_writes_nothing_until_it_may_again(subject: Subject) -> None:
    plant = subject.plant()
    async with running((subject.spec, plant), maps=MAPS) as rig:
        plant.clock, device = rig.clock, rig.devices[1]
        assert isinstance(device, Silences)
        assert isinstance(device, Withholds)
        device.silence("OFF by hand")
        await rig.first_reading()
        await _asked_for(rig, POWER_KW, seconds=15)
        before = list(plant.commands)
        withheld = device.withheld()

        device.silence(None)
        # a set that runs already needs no word to do so
        is_set = isinstance(device, StartsAndStops) and not isinstance(device, SetsPower)
        await _asked_for(rig, 0.0 if is_set else POWER_KW, seconds=15)
        n_between = len(plant.commands)
        device.silence("OFF by hand")
        # less than its own fall-back takes
        await _asked_for(rig, 0.5 * POWER_KW, seconds=5)

    assert before == []
    assert withheld == "OFF by hand"
    assert asked_of(plant)
    assert len(plant.commands) == n_between


async def _asked_for(rig: Rig, power_kw: float, *, seconds: int) -> None:
    for _ in range(seconds):
        ask(rig, power_kw)
        await rig.clock.run(1.0)
