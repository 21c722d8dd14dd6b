"""A contingency is declared for a loss, has an end, and lets storage below its floor meanwhile (G3)."""

from dataclasses import replace

import pytest

from ems.control.contingency import declared
from ems.control.guard import GuardContext, guard
from ems.control.state import ControlState, Mode
from ems.control.step import step
from ems.model.readings import GensetPhase
from ems.model.setpoints import BlockSetpoint, Setpoints
from ems.model.snapshot import SiteSnapshot
from tests.control.scene import at, healthy, small, steady, with_sets

CAMPUS = small("weak-grid-campus")
LASTS_S = CAMPUS.control.contingency_s


def _running() -> tuple[SiteSnapshot, ControlState]:
    snapshot = with_sets(healthy(CAMPUS), {"gen01": 1000.0})
    state = steady(CAMPUS, snapshot, Mode.GRID)
    limits = {pv.id: 1e4 for pv in snapshot.pv}
    return snapshot, replace(
        state, block_setpoints_kw={block.id: 0.0 for block in snapshot.blocks}, pv_limits_kw=limits
    )


def _without_first_set(snapshot: SiteSnapshot, phase: GensetPhase) -> SiteSnapshot:
    tripped = replace(snapshot.gensets[0], phase=phase, breaker_closed=False, power_kw=0.0)
    return replace(snapshot, gensets=(tripped, *snapshot.gensets[1:]))


def test_nothing_is_declared_while_nothing_is_lost() -> None:
    snapshot, state = _running()

    after = declared(CAMPUS, snapshot, state)

    assert after.contingency is None
    assert after.lost == frozenset()


@pytest.mark.parametrize("phase", [GensetPhase.FAULT, GensetPhase.STOPPED, GensetPhase.RUNNING])
def test_a_set_that_leaves_the_bus_is_a_contingency_with_an_end(phase: GensetPhase) -> None:
    snapshot, state = _running()

    after = declared(CAMPUS, _without_first_set(snapshot, phase), state)

    assert after.contingency is not None
    assert after.contingency.reason == "loss of gen01"
    assert after.contingency.until_s - after.contingency.since_s == LASTS_S


def test_a_set_that_was_told_to_stop_is_no_loss() -> None:
    snapshot, state = _running()
    told = {**state.gensets, "gen01": replace(state.gensets["gen01"], wanted=False)}

    after = declared(CAMPUS, _without_first_set(snapshot, GensetPhase.STOPPED), replace(state, gensets=told))

    assert after.contingency is None


def test_a_contingency_ends_by_itself_and_is_not_declared_again_for_the_same_loss() -> None:
    snapshot, state = _running()
    lost = _without_first_set(snapshot, GensetPhase.FAULT)
    state = declared(CAMPUS, lost, state)

    running = declared(CAMPUS, at(lost, lost.at_s + LASTS_S - 1.0), state)
    over = declared(CAMPUS, at(lost, lost.at_s + LASTS_S), running)
    later = declared(CAMPUS, at(lost, lost.at_s + LASTS_S + 1.0), over)

    assert running.contingency is not None
    assert over.contingency is None
    assert later.contingency is None
    assert later.lost == {"gen01"}


def test_a_contingency_ends_when_everything_is_back() -> None:
    snapshot, state = _running()
    state = declared(CAMPUS, _without_first_set(snapshot, GensetPhase.FAULT), state)

    after = declared(CAMPUS, at(snapshot, snapshot.at_s + 60.0), state)

    assert after.contingency is None
    assert after.lost == frozenset()


def test_a_block_that_says_it_is_not_ready_is_lost_and_a_silent_one_is_not() -> None:
    snapshot, state = _running()
    tripped = replace(snapshot.blocks[0], ready=False, power_kw=0.0)
    silent = replace(snapshot.blocks[0], ready=False, power_kw=None)

    lost = declared(CAMPUS, replace(snapshot, blocks=(tripped, *snapshot.blocks[1:])), state)
    unheard = declared(CAMPUS, replace(snapshot, blocks=(silent, *snapshot.blocks[1:])), state)

    assert lost.contingency is not None
    assert lost.contingency.reason == f"loss of {tripped.id}"
    assert unheard.contingency is None


def test_a_pv_block_that_delivers_nothing_of_what_it_could_is_lost() -> None:
    snapshot, state = _running()
    dark = replace(snapshot.pv[0], power_kw=0.0, available_kw=CAMPUS.pv[0].ac_kw)

    after = declared(CAMPUS, replace(snapshot, pv=(dark, *snapshot.pv[1:])), state)

    assert after.contingency is not None
    assert after.contingency.reason == f"loss of {dark.id}"


def test_the_loss_of_the_grid_is_declared_in_the_cycle_in_which_the_mode_changes() -> None:
    snapshot, state = _running()
    assert snapshot.pcc is not None
    dark = replace(snapshot, pcc=replace(snapshot.pcc, breaker_closed=False, power_kw=0.0))

    decision = step(CAMPUS, dark, None, state)
    next_ = step(CAMPUS, at(dark, dark.at_s + 1.0), None, decision.state)

    assert decision.state.mode is Mode.UNPLANNED_ISLANDING
    assert decision.state.contingency is not None
    assert decision.state.contingency.reason == "loss of grid"
    assert next_.state.contingency == decision.state.contingency


def test_below_its_floor_storage_gives_power_only_in_a_contingency() -> None:
    snapshot = healthy(CAMPUS)
    calm = GuardContext(mode=Mode.GRID, dt_s=1.0, stored_kwh=100.0, floor_kwh=200.0, r0_margin_kw=1000.0)
    request = Setpoints(blocks=(BlockSetpoint(id=snapshot.blocks[0].id, power_kw=500.0),))

    held = guard(request, CAMPUS, snapshot, calm)
    given = guard(request, CAMPUS, snapshot, replace(calm, contingency="loss of gen01"))

    assert held.setpoints.blocks[0].power_kw == 0.0
    assert given.setpoints.blocks[0].power_kw == 500.0
    assert given.clips == ()


def test_on_the_grid_the_store_is_asked_for_its_reserve_when_a_set_is_lost() -> None:
    # more load than the connection may bring, and storage at its floor
    snapshot, state = _running()
    assert CAMPUS.grid is not None
    poor = replace(snapshot, blocks=tuple(replace(block, soc_pct=13.0) for block in snapshot.blocks))
    state = replace(
        state,
        load_kw=CAMPUS.grid.import_limit_kw + 3000.0,
        stored_kwh={block.id: 0.13 * (block.full_kwh or 0.0) for block in poor.blocks},
    )
    lost = _without_first_set(poor, GensetPhase.FAULT)

    calm = step(CAMPUS, poor, None, state)
    after = step(CAMPUS, lost, None, state)

    assert calm.storage is not None
    assert calm.storage.stored_kwh < calm.storage.floor_kwh
    assert sum(block.power_kw for block in calm.setpoints.blocks) <= 0.0
    assert sum(block.power_kw for block in after.setpoints.blocks) > 0.0
