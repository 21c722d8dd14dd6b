"""A restart is the normal path: memory comes back as ages, the plant is adopted, nothing is started or stopped."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ems.control.state import BilledImport, BlackStartTrack, ControlState, GensetTrack, Mode, ResyncTrack
from ems.model.readings import GensetPhase
from ems.model.setpoints import Cause
from ems.ports import Device
from ems.runtime.cycle import ControlCycle
from ems.runtime.memory import control_document, restored_control
from tests.runtime.fakes import PortSite, ShownDevice
from tests.twin.settings import START

NIGHT = START + timedelta(hours=12)
STATE = ControlState(
    mode=Mode.ISLAND,
    mode_since_s=400.0,
    last_s=999.0,
    load_kw=5000.0,
    grid_lost_since_s=700.0,
    gensets={
        "gen01": GensetTrack(
            wanted=True,
            wanted_since_s=500.0,
            carries_since_s=540.0,
            starts_s=(100.0, 500.0),
            cause=Cause.ENERGY_LOW,
            power_kw=1200.0,
        ),
        "gen02": GensetTrack(rests_since_s=200.0, failed_until_s=9000.0, cause=Cause.FAILED_START),
    },
    stored_kwh={"bess01": 12_345.0},
    billed=BilledImport(
        interval_start_utc=START,
        interval_kwh=250.0,
        month_start_utc=START,
        peak_kw=7777.0,
        until_utc=START + timedelta(minutes=3),
        last_kw=5100.0,
        counter_wh=123_456_789,
    ),
)

BILLED = {"interval_start_utc": None, "interval_kwh": 0.0, "month_start_utc": None, "peak_kw": 0.0}


def test_memory_comes_back_with_its_ages_on_the_new_clock() -> None:
    document = control_document(STATE, now_s=1000.0)

    # 30 s without a daemon; the new clock stands at 5
    restored = restored_control(document, saved_ago_s=30.0, now_s=5.0)

    running, failed = restored.gensets["gen01"], restored.gensets["gen02"]
    assert running.wanted
    assert running.carries_since_s == pytest.approx(5.0 - 30.0 - 460.0)
    assert running.starts_s == pytest.approx((5.0 - 930.0, 5.0 - 530.0))
    assert running.cause is Cause.ENERGY_LOW
    assert failed.failed_until_s == pytest.approx(5.0 - 30.0 + 8000.0)
    assert failed.rests_since_s == pytest.approx(5.0 - 30.0 - 800.0)
    assert restored.grid_lost_since_s == pytest.approx(5.0 - 30.0 - 300.0)
    assert restored.billed == STATE.billed
    assert restored.stored_kwh == STATE.stored_kwh


def test_a_document_of_before_the_counted_pause_is_taken_without_it() -> None:
    document = {**control_document(STATE, now_s=1000.0), "billed": {**BILLED, "peak_kw": 7777.0}}

    assert restored_control(document, saved_ago_s=0.0, now_s=5.0).billed == BilledImport(peak_kw=7777.0)


def test_what_people_must_lift_and_attempts_that_count_outlive_a_restart() -> None:
    resync = ResyncTrack(tries_s=(400.0, 900.0), n_failed=2, ended_s=950.0)
    before = replace(STATE, e_stop_latched=True, resync=resync, black_start=BlackStartTrack(hold="look"))

    restored = restored_control(control_document(before, now_s=1000.0), saved_ago_s=20.0, now_s=5.0)

    assert restored.e_stop_latched
    assert restored.black_start.hold == "look"
    assert restored.resync == ResyncTrack(tries_s=(-615.0, -115.0), n_failed=2, ended_s=-65.0)


def test_the_mode_always_begins_with_init_and_setpoints_are_not_remembered() -> None:
    document = control_document(replace(STATE, block_setpoints_kw={"bess01": 900.0}), now_s=1000.0)

    restored = restored_control(document, saved_ago_s=0.0, now_s=5.0)

    assert restored.mode is Mode.INIT
    assert restored.mode_since_s == 5.0
    assert restored.last_s is None
    assert restored.load_kw is None
    assert restored.block_setpoints_kw == {}


def test_a_wall_clock_that_went_backwards_makes_no_negative_age() -> None:
    restored = restored_control(control_document(STATE, now_s=1000.0), saved_ago_s=-500.0, now_s=5.0)

    assert restored.gensets["gen01"].carries_since_s == pytest.approx(5.0 - 460.0)


@pytest.mark.parametrize(
    "damage",
    [
        {"gensets": None},
        {"billed": []},
        {"stored_kwh": {"bess01": "much"}},
        {"gensets": {"gen01": {"wanted": True}}},
        {"billed": {"interval_start_utc": "yesterday"}},
        {"billed": {**BILLED, "last_kw": "much"}},
        {"billed": {**BILLED, "counter_wh": []}},
    ],
)
def test_a_document_that_is_none_is_refused(damage: dict[str, object]) -> None:
    document = {**control_document(STATE, now_s=1000.0), **damage}

    with pytest.raises((ValueError, TypeError, KeyError)):
        restored_control(document, saved_ago_s=0.0, now_s=5.0)


@pytest.mark.parametrize("remembers", [True, False])
def test_a_controller_that_starts_beside_a_running_set_leaves_it_running(remembers: bool) -> None:  # noqa: FBT001
    plant_site, before = _with_a_running_set()
    now_s = plant_site.clock.monotonic_s()
    state = ControlState(mode_since_s=now_s)
    if remembers:
        state = restored_control(control_document(before, now_s=now_s), saved_ago_s=0.0, now_s=now_s)
    genset = plant_site.plant.gensets["gen01"]
    power_kw, n_starts = genset.power_kw, genset.n_starts

    cycle = ControlCycle(plant_site.site, plant_site.devices, plant_site.clock, state=state)
    modes = []
    for _ in range(30):
        modes.append(cycle.run(None).decision.state.mode)
        plant_site.advance(1.0)

    assert modes[0] is Mode.INIT
    assert modes[-1] is Mode.ISLAND
    assert genset.phase is GensetPhase.RUNNING
    assert genset.n_starts == n_starts
    assert power_kw > 0.0
    assert plant_site.plant.totals.unserved == 0.0


def test_powers_are_held_as_found_and_nothing_is_started_stopped_or_switched_before_adoption() -> None:
    plant_site, _ = _with_a_running_set()
    # what the controller before had still under way arrives
    for _ in range(5):
        plant_site.advance(1.0)
    before = {name: block.setpoint_kw for name, block in plant_site.plant.blocks.items()}
    cycle = ControlCycle(
        plant_site.site,
        plant_site.devices,
        plant_site.clock,
        state=ControlState(mode_since_s=plant_site.clock.monotonic_s()),
    )

    for _ in range(round(plant_site.site.control.adopt_wait_s)):
        decision = cycle.run(None).decision
        assert decision.state.mode is Mode.INIT
        assert {block.id for block in decision.setpoints.blocks} == before.keys()
        assert decision.setpoints.gensets == ()
        assert decision.setpoints.pv == ()
        # the guard has seen them
        assert decision.context is not None
        plant_site.advance(1.0)

    found = {name: block.setpoint_kw for name, block in plant_site.plant.blocks.items()}
    # read through a meter of the twin, and renewed five times
    assert found == pytest.approx(before, abs=1.0)


def test_nothing_is_written_before_the_picture_is_complete() -> None:
    plant_site, _ = _with_a_running_set()
    silent = ShownDevice("it")
    devices: dict[str, Device] = {
        **plant_site.devices,
        **{name: silent for name in plant_site.devices if name == silent.asset_id},
    }
    assert silent in devices.values()
    outcomes = [device.outcome() for device in plant_site.devices.values()]
    cycle = ControlCycle(
        plant_site.site,
        devices,
        plant_site.clock,
        state=ControlState(mode_since_s=plant_site.clock.monotonic_s()),
    )

    for _ in range(5):
        assert cycle.run(None).decision.setpoints.blocks == ()
        plant_site.advance(1.0)

    assert [device.outcome() for device in plant_site.devices.values()] == outcomes


def test_a_restart_counts_the_minimum_run_from_the_first_start() -> None:
    plant_site, state = _with_a_running_set()
    now_s = plant_site.clock.monotonic_s()
    carried_s = now_s - (state.gensets["gen01"].carries_since_s or 0.0)

    restored = restored_control(control_document(state, now_s=now_s), saved_ago_s=2.0, now_s=now_s + 2.0)
    plant_site.advance(2.0)
    cycle = ControlCycle(plant_site.site, plant_site.devices, plant_site.clock, state=restored)
    after = cycle.run(None).decision.state

    age_s = plant_site.clock.monotonic_s() - (after.gensets["gen01"].carries_since_s or 0.0)
    assert carried_s > 100.0
    assert age_s == pytest.approx(carried_s + 2.0)


def test_unchanged_setpoints_are_renewed_with_every_heartbeat_and_changed_ones_at_once() -> None:
    plant_site, state = _with_a_running_set()
    device = plant_site.devices["gen01"]
    cycle = ControlCycle(plant_site.site, plant_site.devices, plant_site.clock, state=state)

    times = []
    for _ in range(10):
        cycle.run(None)
        outcome = device.outcome()
        times.append(None if outcome is None else outcome.at_s)
        plant_site.advance(1.0)

    written = [at_s for at_s in times if at_s is not None]
    assert len(set(written)) == len(written) >= 4


def test_a_record_tells_the_time_since_the_cycle_before() -> None:
    plant_site = PortSite()
    cycle = ControlCycle(plant_site.site, plant_site.devices, plant_site.clock, state=ControlState())

    first = cycle.run(None)
    plant_site.advance(2.5)
    second = cycle.run(None)

    assert first.dt_s == plant_site.site.control.period_s
    assert second.dt_s == pytest.approx(2.5)
    assert second.snapshot.utc == START + timedelta(seconds=2.5)


def _with_a_running_set() -> tuple[PortSite, ControlState]:
    """Return a plant whose set runs, and the memory of the controller that has started it, both some minutes old."""
    plant_site = PortSite(start=NIGHT)
    for container in plant_site.plant.blocks["bess01"].containers:
        container.stored_kwh = 0.11 * container.full_kwh
    cycle = ControlCycle(
        plant_site.site,
        plant_site.devices,
        plant_site.clock,
        state=ControlState(mode_since_s=plant_site.clock.monotonic_s()),
    )
    for _ in range(240):
        cycle.run(None)
        plant_site.advance(1.0)
    assert plant_site.plant.gensets["gen01"].phase is GensetPhase.RUNNING
    return plant_site, cycle.state
