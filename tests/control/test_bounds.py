"""Bounds that people set: obeyed in every cycle, never wider than the site, and gone with their end."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ems.control.authority import Authority
from ems.control.bounds import bounded, narrowed
from ems.control.state import GensetTrack, Mode
from ems.control.step import Decision, step
from ems.model.bounds import Bound, tightest
from ems.model.readings import GensetPhase
from ems.model.requests import OperatorRequests, both
from ems.model.setpoints import Cause
from ems.reserve import soc_floor_pct
from tests.control.draws import SEEDS, Draw, cases
from tests.control.scene import NOW_S, START, flat_plan, healthy, small, steady

CAMPUS, DESERT = small("weak-grid-campus"), small("desert-offgrid")
LATER = START + timedelta(hours=1)
BLOCKS = frozenset(block.id for pool in CAMPUS.batteries for block in pool.blocks)


def bound(**limits: object) -> Bound:
    return replace(Bound(id="test-0001", issuer="control room", until_utc=LATER), **limits)  # type: ignore[arg-type] # any field


def asks(*bounds: Bound) -> OperatorRequests:
    return OperatorRequests(bounds=bounds)


def campus_step(*bounds: Bound, at_s: float = NOW_S) -> Decision:
    picture = healthy(CAMPUS, at_s=at_s, soc_pct=70.0)
    return step(CAMPUS, picture, None, steady(CAMPUS, picture, Mode.GRID), asks(*bounds))


def test_an_import_limit_is_the_target_and_the_store_takes_the_rest_and_both_say_why() -> None:
    free, held = campus_step(), campus_step(bound(import_kw=2000.0))

    assert free.import_target_kw is not None
    assert free.import_target_kw > 2000.0
    assert held.import_target_kw == 2000.0
    gain_kw = sum(each.power_kw for each in held.setpoints.blocks) - sum(e.power_kw for e in free.setpoints.blocks)
    assert gain_kw == pytest.approx(free.import_target_kw - 2000.0, abs=1.0)
    told = [reason for reason in held.reasons if reason.cause is Cause.COMMAND]
    assert ["test-0001" in reason.text and "2000 kW" in reason.text for reason in told] == [True]
    assert all(Cause.COMMAND in {reason.cause for reason in block.reasons} for block in held.setpoints.blocks)


def test_a_bound_is_gone_with_its_end() -> None:
    assert campus_step(bound(import_kw=2000.0, until_utc=START)) == campus_step()


def test_a_limit_that_storage_cannot_hold_takes_no_load_away() -> None:
    held = campus_step(bound(import_kw=0.0, assets=BLOCKS, discharge_kw=10.0), bound(import_kw=0.0))

    assert all(block.power_kw <= 10.0 for block in held.setpoints.blocks)
    assert held.state.shed.order is None


@pytest.mark.parametrize("pct", [0.0, 30.0, 65.0])
def test_a_floor_only_rises(pct: float) -> None:
    site = narrowed(CAMPUS, (bound(soc_floor_pct=pct),), START)
    before = soc_floor_pct(CAMPUS, load_kw=5000.0, full_kwh=20_000.0)

    assert soc_floor_pct(site, load_kw=5000.0, full_kwh=20_000.0) == max(pct, before)


@cases(100, n_full=5000)
@given(seed=SEEDS, charge_kw=st.floats(0.0, 3000.0), discharge_kw=st.floats(0.0, 3000.0))
def test_no_block_is_asked_for_more_than_its_bound_in_any_picture(
    seed: int, charge_kw: float, discharge_kw: float
) -> None:
    name = CAMPUS.batteries[0].blocks[0].id
    picture = Draw(seed).snapshot(CAMPUS)
    held = bound(assets=frozenset((name,)), charge_kw=charge_kw, discharge_kw=discharge_kw)

    decision = step(CAMPUS, picture, None, steady(CAMPUS, healthy(CAMPUS), Mode.GRID), asks(held))

    if decision.state.mode is Mode.GRID:
        asked = [block.power_kw for block in decision.setpoints.blocks if block.id == name]
        assert all(-charge_kw - 1e-6 <= kw <= discharge_kw + 1e-6 for kw in asked)


@cases(100, n_full=5000)
@given(
    limits=st.lists(
        st.tuples(st.none() | st.floats(0, 2e5), st.none() | st.floats(0, 2e5), st.none() | st.floats(0, 100)),
        max_size=5,
    )
)
def test_bounds_never_widen_the_site_and_the_tightest_counts(
    limits: list[tuple[float | None, float | None, float | None]],
) -> None:
    bounds = tuple(bound(import_kw=i, export_kw=e, soc_floor_pct=f) for i, e, f in limits)
    assert CAMPUS.grid is not None

    site = narrowed(CAMPUS, bounds, START)

    assert site.grid is not None
    assert site.grid.import_limit_kw <= CAMPUS.grid.import_limit_kw
    assert site.grid.export_limit_kw <= CAMPUS.grid.export_limit_kw
    assert site.reserve.least_soc_pct >= CAMPUS.reserve.least_soc_pct
    assert tightest(bounds, START) == tightest(tuple(reversed(bounds)), START)
    assert narrowed(site, bounds, START) == site


def test_a_block_out_of_service_is_not_written_and_one_whose_work_lies_ahead_is() -> None:
    name = CAMPUS.batteries[0].blocks[0].id
    now, ahead = (bound(assets=frozenset((name,)), out_of_service=True, start_utc=start) for start in (None, LATER))

    assert name not in {block.id for block in campus_step(now).setpoints.blocks}
    assert name in {block.id for block in campus_step(ahead).setpoints.blocks}
    picture = healthy(CAMPUS)
    assert bounded(picture, ()) is picture


def wanted(decision: Decision) -> set[str]:
    return {name for name, track in decision.state.gensets.items() if track.wanted}


def desert_step(*bounds: Bound, soc_pct: float = 60.0) -> Decision:
    picture = healthy(DESERT, soc_pct=soc_pct)
    plan = flat_plan(DESERT, n_on=1, genset_kw=1500.0, load_kw=5000.0, stored_kwh=2e4)
    return step(DESERT, picture, plan, steady(DESERT, picture, Mode.ISLAND), asks(*bounds))


SETS = frozenset(unit for kind in DESERT.gensets for unit in kind.unit_ids)


def test_a_plan_starts_no_set_that_is_banned_or_out_of_service_and_takes_another() -> None:
    first = wanted(desert_step())
    assert len(first) == 1

    assert wanted(desert_step(bound(assets=SETS, bans_starts=True))) == set()
    other = wanted(desert_step(bound(assets=frozenset(first), bans_starts=True)))
    assert len(other) == 1
    assert other != first
    assert first.isdisjoint(wanted(desert_step(bound(assets=frozenset(first), out_of_service=True))))


def test_an_emergency_starts_a_banned_set_all_the_same_but_none_that_people_work_on() -> None:
    ban = bound(assets=SETS, bans_starts=True)
    work = bound(assets=SETS, out_of_service=True)

    assert wanted(desert_step(ban, soc_pct=9.0)) != set()
    assert wanted(desert_step(work, soc_pct=9.0)) == set()


def test_a_test_starts_its_set_and_keeps_it_until_it_ends() -> None:
    held = bound(assets=frozenset(("gen02",)), tests=True)
    started = campus_step(held)
    assert wanted(started) == {"gen02"}
    assert [reason.cause for reason in started.reasons if reason.text.startswith("start")] == [Cause.TEST]

    running = replace(
        healthy(CAMPUS, at_s=NOW_S + 7200.0, soc_pct=70.0),
        gensets=tuple(
            replace(each, phase=GensetPhase.RUNNING, breaker_closed=True, power_kw=700.0)
            if each.id == "gen02"
            else each
            for each in healthy(CAMPUS).gensets
        ),
        utc=START,
    )
    tracks = {**started.state.gensets, "gen02": GensetTrack(wanted=True, cause=Cause.TEST, carries_since_s=NOW_S)}
    state = replace(steady(CAMPUS, running, Mode.GRID), gensets=tracks)
    assert "gen02" in wanted(step(CAMPUS, running, None, state, asks(held)))
    assert "gen02" not in wanted(step(CAMPUS, running, None, state, asks()))


@pytest.mark.parametrize("mode", [Mode.DEGRADED, Mode.DEAD_BUS, Mode.E_STOP])
def test_no_set_is_tested_while_the_site_has_other_worries(mode: Mode) -> None:
    picture = healthy(CAMPUS, soc_pct=70.0)
    held = bound(assets=frozenset(("gen02",)), tests=True)

    decision = step(CAMPUS, picture, None, steady(CAMPUS, picture, mode), asks(held))

    assert all(reason.cause is not Cause.TEST for reason in decision.reasons) or decision.state.mode is Mode.GRID


def test_what_is_asked_for_here_and_by_command_counts_together() -> None:
    one = OperatorRequests(island=True, bounds=(bound(import_kw=1.0),))
    other = OperatorRequests(e_stop=True, bounds=(bound(import_kw=2.0),))

    assert both(one, other) == OperatorRequests(island=True, e_stop=True, bounds=(*one.bounds, *other.bounds))


def test_the_layer_that_binds_is_named_and_the_ramp_of_the_contract_stands_above_people() -> None:
    grid = CAMPUS.grid
    assert grid is not None
    ramped = replace(CAMPUS, grid=replace(grid, ramp_kw_per_min=600.0))
    picture = healthy(CAMPUS, soc_pct=70.0)
    assert picture.pcc is not None
    begins_kw = picture.pcc.power_kw or 0.0

    free = campus_step(bound(import_kw=2000.0))
    slow = step(ramped, picture, None, steady(ramped, picture, Mode.GRID), asks(bound(import_kw=2000.0)))

    assert free.exchange is not None
    assert (free.exchange.highest.by, free.exchange.highest.limit_kw) == (Authority.OPERATOR, 2000.0)
    assert any("(operator)" in reason.text for reason in free.reasons)
    assert slow.exchange is not None
    assert slow.exchange.highest.by is Authority.GUARD
    assert slow.import_target_kw == pytest.approx(begins_kw - 10.0)


def test_an_export_that_people_forbid_is_not_planned_through() -> None:
    grid = CAMPUS.grid
    assert grid is not None
    site = replace(CAMPUS, grid=replace(grid, export_limit_kw=3000.0))
    picture = healthy(site, soc_pct=70.0)
    plan = flat_plan(site, load_kw=5000.0, storage_kw=6000.0, stored_kwh=4e4)
    state = steady(site, picture, Mode.GRID)

    free, held = (step(site, picture, plan, state, asks(*each)) for each in ((), (bound(export_kw=0.0),)))

    assert free.import_target_kw is not None
    assert held.import_target_kw is not None
    assert free.import_target_kw < 0.0 < held.import_target_kw
