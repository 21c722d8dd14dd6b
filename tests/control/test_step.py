"""One whole cycle on any picture: pure, complete, never beyond what may be written."""

from copy import deepcopy
from dataclasses import fields, replace
from math import isfinite

import pytest
from hypothesis import given

from ems.control.state import ControlState, Mode
from ems.control.step import Decision, step
from ems.model.plan import Plan
from ems.model.setpoints import Setpoints
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from tests.control.draws import SEEDS, Draw, cases
from tests.control.scene import NOW_S, flat_plan, healthy, small, steady, unheard_block, unheard_genset

CAMPUS = small("weak-grid-campus")
DESERT = small("desert-offgrid")
SITES = pytest.mark.parametrize("site", [CAMPUS, DESERT], ids=["campus", "desert"])
PLANS = {
    site.id: flat_plan(site, n_on=1, genset_kw=1500.0, load_kw=5000.0, stored_kwh=2e4) for site in (CAMPUS, DESERT)
}


@SITES
@cases(150, n_full=5000)
@given(seed=SEEDS)
def test_every_setpoint_is_finite_within_ratings_and_for_a_device_that_takes_it(site: Site, seed: int) -> None:
    for snapshot, decision in _course(site, seed):
        _check(site, snapshot, decision.setpoints)


@SITES
@cases(60, n_full=2000)
@given(seed=SEEDS)
def test_the_same_picture_and_memory_give_the_same_decision(site: Site, seed: int) -> None:
    draw = Draw(seed)
    plan = _plan(site, seed)
    state = steady(site, healthy(site), Mode.ISLAND)
    snapshot = draw.snapshot(site, at_s=NOW_S + 1.0)
    before = deepcopy(state)

    first = step(site, snapshot, plan, state)
    second = step(site, snapshot, plan, state)

    assert first == second
    assert state == before


@SITES
@cases(80, n_full=3000)
@given(seed=SEEDS)
def test_memory_stays_finite_and_complete(site: Site, seed: int) -> None:
    for _, decision in _course(site, seed):
        state = decision.state
        for field in fields(ControlState):
            value = getattr(state, field.name)
            if isinstance(value, float):
                assert isfinite(value), field.name
        assert all(isfinite(kwh) for kwh in state.stored_kwh.values())
        if decision.setpoints.gensets:
            assert set(state.gensets) == {unit for kind in site.gensets for unit in kind.unit_ids}


@SITES
@cases(80, n_full=3000)
@given(seed=SEEDS)
def test_every_mode_change_and_every_clip_has_a_reason(site: Site, seed: int) -> None:
    for _, decision in _course(site, seed):
        assert decision.change is None or decision.change.reason
        assert all(clip.reason for clip in decision.clips)
        assert all(reason.text for reason in decision.reasons)


@SITES
def test_what_is_not_heard_is_not_written_and_the_rest_goes_on(site: Site) -> None:
    picture = healthy(site, soc_pct=60.0)
    mode = Mode.ISLAND if site.grid is None else Mode.GRID
    partly = replace(
        picture,
        blocks=(unheard_block(picture.blocks[0]), *picture.blocks[1:]),
        gensets=(unheard_genset(picture.gensets[0]), *picture.gensets[1:]),
    )

    decision = step(site, partly, None, steady(site, picture, mode))

    assert [block.id for block in decision.setpoints.blocks] == ["bess02", "bess03"]
    assert [genset.id for genset in decision.setpoints.gensets] == ["gen02", "gen03"]


def test_stored_energy_of_a_silent_block_is_carried_on_by_its_power() -> None:
    picture = healthy(DESERT, soc_pct=60.0)
    state = steady(DESERT, picture, Mode.ISLAND)
    pool = DESERT.batteries[0]
    blind = replace(picture.blocks[0], soc_pct=None)

    decision = step(DESERT, replace(picture, blocks=(blind, *picture.blocks[1:])), None, state)

    cells_kw = ((blind.power_kw or 0.0) + pool.no_load_kw) / pool.discharge_eff_frac
    expected_kwh = state.stored_kwh[blind.id] - cells_kw * DESERT.control.period_s / 3600.0
    assert decision.state.stored_kwh[blind.id] == pytest.approx(expected_kwh)


def test_energy_that_was_never_known_counts_as_none() -> None:
    picture = healthy(DESERT, soc_pct=60.0)
    state = replace(steady(DESERT, picture, Mode.ISLAND), stored_kwh={})
    blind = replace(picture.blocks[0], soc_pct=None)

    decision = step(DESERT, replace(picture, blocks=(blind, *picture.blocks[1:])), None, state)

    assert decision.storage is not None
    assert decision.storage.stored_kwh == pytest.approx(0.6 * 2.0 * DESERT.batteries[0].block_kwh)


def _course(site: Site, seed: int) -> list[tuple[SiteSnapshot, Decision]]:
    """Return some cycles with their pictures, each drawn anew, with the memory handed on."""
    draw = Draw(seed)
    plan = _plan(site, seed)
    state = ControlState(mode_since_s=NOW_S) if draw.odd() else steady(site, healthy(site), Mode.ISLAND)
    course = []
    at_s = NOW_S
    for _ in range(4):
        at_s += draw.maybe(0.5, 20.0) or 1.0
        snapshot = draw.snapshot(site, at_s=at_s)
        decision = step(site, snapshot, plan, state)
        state = decision.state
        course.append((snapshot, decision))
    return course


def _plan(site: Site, seed: int) -> Plan | None:
    return PLANS[site.id] if seed % 2 else None


def _check(site: Site, snapshot: SiteSnapshot, setpoints: Setpoints) -> None:
    pool, kind, plant = site.batteries[0], site.gensets[0], site.pv[0]
    blocks = {state.id: state for state in snapshot.blocks}
    gensets = {state.id: state for state in snapshot.gensets}
    pv = {state.id: state for state in snapshot.pv}
    for block in setpoints.blocks:
        assert blocks[block.id].controllable
        assert -pool.max_charge_kw <= block.power_kw <= pool.max_discharge_kw
        if blocks[block.id].max_discharge_kw is None:
            assert block.power_kw <= 0.0
        if blocks[block.id].max_charge_kw is None:
            assert block.power_kw >= 0.0
    for genset in setpoints.gensets:
        assert gensets[genset.id].controllable
        assert gensets[genset.id].phase is not None
        assert genset.power_kw is not None
        assert kind.min_stable_kw <= genset.power_kw <= kind.rated_kw
    for limit in setpoints.pv:
        assert pv[limit.id].controllable
        assert 0.0 <= limit.limit_kw <= plant.ac_kw
