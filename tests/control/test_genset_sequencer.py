"""Which sets run: start rules, failed starts, minimum run, stops. One cycle per second on a fixed picture."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ems.control.state import ControlState, Mode
from ems.control.step import Decision, step
from ems.model.genset_rules import Maintenance
from ems.model.plan import Plan, PlanSource
from ems.model.readings import GensetPhase
from ems.model.rotation import Rotation
from ems.model.setpoints import Cause
from ems.model.snapshot import SiteSnapshot
from ems.reserve import soc_floor_pct
from tests.control.scene import (
    NOW_S,
    START,
    at,
    flat_plan,
    healthy,
    run_for,
    shipped,
    small,
    steady,
    unheard_genset,
    with_sets,
)

DESERT = small("desert-offgrid")
CAMPUS = small("weak-grid-campus")
KIND = DESERT.gensets[0]
LOAD_KW = sum(block.power_kw or 0.0 for block in healthy(DESERT).blocks)
FLOOR_PCT = soc_floor_pct(DESERT, load_kw=LOAD_KW, full_kwh=DESERT.full_kwh)
START_PCT = FLOOR_PCT + DESERT.control.soc_start_above_floor_pct
STOP_PCT = START_PCT + DESERT.control.soc_stop_above_start_pct


def test_set_stays_off_while_soc_is_above_the_start_threshold() -> None:
    # rule 2 asks for the lead energy too: take a store that has it
    picture = healthy(DESERT, soc_pct=START_PCT + 15.0)

    decision = step(DESERT, picture, None, steady(DESERT, picture, Mode.ISLAND))

    assert _wanted(decision) == []


def test_sets_for_the_net_deficit_start_at_the_threshold() -> None:
    picture = healthy(DESERT, soc_pct=START_PCT - 0.1)

    decision = step(DESERT, picture, None, steady(DESERT, picture, Mode.ISLAND))

    # 5.18 MW inside the upper band edge of 90 % of 2 MW: three sets
    assert KIND.sets_to_carry(LOAD_KW) == 3
    assert _wanted(decision) == ["gen01", "gen02", "gen03"]
    assert {reason.cause for reason in decision.reasons if reason.text.startswith("start ")} == {Cause.ENERGY_LOW}
    assert all(setpoint.run for setpoint in decision.setpoints.gensets)


def test_the_longest_rested_set_starts_first() -> None:
    site = shipped("desert-offgrid")
    picture = healthy(site, soc_pct=95.0)
    state = steady(site, picture, Mode.ISLAND)
    tracks = dict(state.gensets)
    tracks["gen07"] = replace(tracks["gen07"], rests_since_s=NOW_S - 9000.0)
    plan = flat_plan(site, n_on=1, load_kw=10_000.0, stored_kwh=1e5)

    decision = step(site, picture, plan, replace(state, gensets=tracks))

    assert _wanted(decision) == ["gen07"]


def test_the_set_with_the_fewest_run_hours_starts_first_where_they_decide() -> None:
    shipped_site = shipped("desert-offgrid")
    site = replace(shipped_site, gensets=(replace(shipped_site.gensets[0], rotation=Rotation.RUN_HOURS),))
    picture = healthy(site, soc_pct=95.0)
    hours = {genset.id: 500.0 for genset in picture.gensets} | {"gen04": 120.0}
    picture = replace(picture, gensets=tuple(replace(genset, run_h=hours[genset.id]) for genset in picture.gensets))
    state = steady(site, picture, Mode.ISLAND)
    plan = flat_plan(site, n_on=1, load_kw=10_000.0, stored_kwh=1e5)

    assert _wanted(step(site, picture, plan, state)) == ["gen04"]


def test_a_set_in_maintenance_is_not_started() -> None:
    shipped_site = shipped("desert-offgrid")
    picture = healthy(shipped_site, soc_pct=95.0)
    day = timedelta(days=1)
    work = Maintenance(unit_id="gen01", start_utc=picture.utc - day, end_utc=picture.utc + day)
    site = replace(shipped_site, gensets=(replace(shipped_site.gensets[0], maintenance=(work,)),))
    state = steady(site, picture, Mode.ISLAND)
    plan = flat_plan(site, n_on=1, load_kw=10_000.0, stored_kwh=1e5)

    assert _wanted(step(site, picture, plan, state)) == ["gen02"]


def test_a_plan_starts_its_set_one_carry_time_before_the_step() -> None:
    # the plan's second hour has a set on
    picture = healthy(DESERT, soc_pct=90.0)
    plan = flat_plan(DESERT, load_kw=LOAD_KW, pv_q10_kw=LOAD_KW, stored_kwh=9000.0)
    later = replace(plan.steps[1], gensets=(replace(plan.steps[1].gensets[0], n_on=1),))
    plan = replace(plan, steps=(plan.steps[0], later, *plan.steps[2:]))
    state = steady(DESERT, picture, Mode.ISLAND)
    carry_s = KIND.carry_s

    early = step(DESERT, at(picture, NOW_S + 3600.0 - carry_s - 2.0), _made_at(plan, NOW_S + 3500.0), state)
    due = step(DESERT, at(picture, NOW_S + 3600.0 - carry_s + 2.0), _made_at(plan, NOW_S + 3500.0), state)

    assert _wanted(early) == []
    assert _wanted(due) == ["gen01"]
    assert [reason.cause for reason in due.reasons if reason.text.startswith("start ")] == [Cause.PLAN]


def test_an_old_plan_starts_nothing() -> None:
    picture = healthy(DESERT, soc_pct=90.0)
    plan = flat_plan(DESERT, n_on=2, load_kw=LOAD_KW, pv_q10_kw=LOAD_KW, stored_kwh=9000.0)
    limit_s = DESERT.planning.max_age_periods * DESERT.planning.period_s

    young = step(DESERT, at(picture, NOW_S + limit_s - 1.0), plan, steady(DESERT, picture, Mode.ISLAND))
    old = step(DESERT, at(picture, NOW_S + limit_s + 1.0), plan, steady(DESERT, picture, Mode.ISLAND))

    assert len(_wanted(young)) == 2
    assert _wanted(old) == []


def test_the_rules_own_plan_commits_no_set() -> None:
    picture = healthy(DESERT, soc_pct=90.0)
    plan = flat_plan(
        DESERT, n_on=2, load_kw=LOAD_KW, pv_q10_kw=LOAD_KW, stored_kwh=9000.0, source=PlanSource.MERIT_ORDER
    )

    decision = step(DESERT, picture, plan, steady(DESERT, picture, Mode.ISLAND))

    assert _wanted(decision) == []


def test_a_failed_start_is_given_up_and_the_next_set_started_in_the_same_cycle() -> None:
    site = shipped("desert-offgrid")
    picture = healthy(site, soc_pct=95.0)
    plan = flat_plan(site, n_on=1, load_kw=10_000.0, pv_q10_kw=10_000.0, stored_kwh=1e5)
    state = step(site, picture, plan, steady(site, picture, Mode.ISLAND)).state
    cranking = _phase(picture, "gen01", GensetPhase.STARTING)
    timeout_s = site.gensets[0].start_timeout_s

    patient = step(site, at(cranking, NOW_S + timeout_s - 1.0), _made_at(plan, NOW_S + timeout_s), state)
    given_up = step(site, at(cranking, NOW_S + timeout_s + 1.0), _made_at(plan, NOW_S + timeout_s), state)

    assert _wanted(patient) == ["gen01"]
    assert _wanted(given_up) == ["gen02"]
    assert Cause.FAILED_START in _causes(given_up)


def test_a_set_in_fault_is_replaced_at_once_and_left_alone() -> None:
    site = shipped("desert-offgrid")
    picture = healthy(site, soc_pct=95.0)
    plan = flat_plan(site, n_on=1, load_kw=10_000.0, pv_q10_kw=10_000.0, stored_kwh=1e5)
    state = step(site, picture, plan, steady(site, picture, Mode.ISLAND)).state

    failed = step(site, at(_phase(picture, "gen01", GensetPhase.FAULT), NOW_S + 5.0), plan, state)
    repaired = step(site, at(picture, NOW_S + 6.0), None, failed.state)

    assert _wanted(failed) == ["gen02"]
    track = repaired.state.gensets["gen01"]
    assert not track.wanted
    assert track.failed_until_s == pytest.approx(NOW_S + 5.0 + 4.0 * 3600.0)


def test_a_running_set_that_is_not_heard_for_a_while_is_no_failed_start() -> None:
    picture = with_sets(healthy(DESERT, soc_pct=95.0), {"gen01": 1500.0})
    plan = flat_plan(DESERT, n_on=1, genset_kw=1500.0, load_kw=LOAD_KW, pv_q10_kw=LOAD_KW, stored_kwh=9000.0)
    state = steady(DESERT, picture, Mode.ISLAND)
    silent = replace(picture, gensets=(unheard_genset(picture.gensets[0]), *picture.gensets[1:]))

    dark = run_for(DESERT, silent, state, 8.0, plan=plan)
    back = step(DESERT, at(picture, NOW_S + 8.0), plan, dark[-1].state)

    assert all(Cause.FAILED_START not in _causes(decision) for decision in dark)
    assert all(setpoint.id != "gen01" for decision in dark for setpoint in decision.setpoints.gensets)
    assert _run(back, "gen01") is True
    assert back.state.gensets["gen01"].carries_since_s == state.gensets["gen01"].carries_since_s


@pytest.mark.parametrize(("ran_s", "runs"), [(KIND.min_up_h * 3600.0 - 2.0, True), (KIND.min_up_h * 3600.0, False)])
def test_a_set_runs_its_minimum_time(ran_s: float, runs: bool) -> None:  # noqa: FBT001 - a table's column
    picture = with_sets(healthy(DESERT, soc_pct=95.0, pv_kw=LOAD_KW), {"gen01": KIND.min_stable_kw})
    plan = flat_plan(DESERT, load_kw=LOAD_KW, pv_q10_kw=LOAD_KW, pv_kw=LOAD_KW, stored_kwh=9000.0)
    state = _carrying_since(steady(DESERT, picture, Mode.ISLAND), "gen01", NOW_S - ran_s)

    decision = step(DESERT, picture, plan, state)

    assert _run(decision, "gen01") is runs
    if runs:
        assert decision.state.gensets["gen01"].cause is Cause.MINIMUM_RUN


def test_without_a_plan_a_set_runs_on_until_the_stop_threshold() -> None:
    below = with_sets(healthy(DESERT, soc_pct=STOP_PCT - 0.5), {"gen01": 1500.0})
    state = replace(steady(DESERT, below, Mode.ISLAND), energy_run=True)

    decision = step(DESERT, below, None, state)

    assert _run(decision, "gen01") is True
    assert decision.state.energy_run


def test_a_set_stops_when_the_low_quantile_of_pv_carries_the_load() -> None:
    picture = with_sets(healthy(DESERT, soc_pct=STOP_PCT - 4.0, pv_kw=LOAD_KW), {"gen01": KIND.min_stable_kw})
    rules = flat_plan(
        DESERT,
        load_kw=LOAD_KW,
        pv_q10_kw=LOAD_KW,
        pv_kw=LOAD_KW,
        stored_kwh=9000.0,
        source=PlanSource.MERIT_ORDER,
    )
    state = replace(steady(DESERT, picture, Mode.ISLAND), energy_run=True)

    decision = step(DESERT, picture, rules, state)

    assert not decision.state.energy_run
    assert _run(decision, "gen01") is False


def test_without_a_forecast_pv_is_not_trusted_to_carry() -> None:
    picture = with_sets(healthy(DESERT, soc_pct=STOP_PCT - 4.0, pv_kw=LOAD_KW), {"gen01": KIND.min_stable_kw})
    state = replace(steady(DESERT, picture, Mode.ISLAND), energy_run=True)

    decision = step(DESERT, picture, None, state)

    assert _run(decision, "gen01") is True


def test_only_one_set_stops_per_cycle_and_the_longest_running_first() -> None:
    picture = with_sets(
        healthy(DESERT, soc_pct=95.0, pv_kw=LOAD_KW), {"gen01": KIND.min_stable_kw, "gen02": KIND.min_stable_kw}
    )
    plan = flat_plan(DESERT, load_kw=LOAD_KW, pv_q10_kw=LOAD_KW, pv_kw=LOAD_KW, stored_kwh=9000.0)
    state = _carrying_since(steady(DESERT, picture, Mode.ISLAND), "gen02", NOW_S - 9000.0)

    decision = step(DESERT, picture, plan, state)

    assert _run(decision, "gen01") is True
    assert _run(decision, "gen02") is False


def test_a_short_reserve_starts_a_set_after_the_delay() -> None:
    # all three blocks near their limit: nothing is left for the loss of one of them
    picture = healthy(DESERT, soc_pct=90.0)
    high_kw = 0.98 * DESERT.batteries[0].max_discharge_kw
    picture = replace(picture, blocks=tuple(replace(block, power_kw=high_kw) for block in picture.blocks))
    plan = flat_plan(DESERT, load_kw=LOAD_KW, pv_q10_kw=LOAD_KW, stored_kwh=9000.0)

    decisions = run_for(DESERT, picture, steady(DESERT, picture, Mode.ISLAND), 5.0, plan=plan)

    delay = round(DESERT.control.reserve_start_delay_s)
    assert all(_wanted(decision) == [] for decision in decisions[:delay])
    assert _wanted(decisions[delay]) == ["gen01"]
    assert Cause.HEADROOM_LOW in _causes(decisions[delay])
    # the one that starts is waited for
    assert _wanted(decisions[-1]) == ["gen01"]


def test_a_lost_grid_is_ridden_on_a_full_store() -> None:
    decision = _grid_lost(soc_pct=95.0)

    assert decision.state.mode is Mode.UNPLANNED_ISLANDING
    assert _wanted(decision) == []


def test_a_lost_grid_on_a_low_store_starts_sets_at_once() -> None:
    floor_pct = soc_floor_pct(CAMPUS, load_kw=LOAD_KW, full_kwh=CAMPUS.full_kwh)

    decision = _grid_lost(soc_pct=floor_pct + 3.0)

    assert len(_wanted(decision)) == 3
    assert Cause.ENERGY_LOW in _causes(decision)


def test_an_uncontrollable_set_is_never_chosen() -> None:
    picture = healthy(DESERT, soc_pct=START_PCT - 0.1)
    local = replace(picture.gensets[0], controllable=False)
    picture = replace(picture, gensets=(local, *picture.gensets[1:]))

    decision = step(DESERT, picture, None, steady(DESERT, picture, Mode.ISLAND))

    assert _wanted(decision) == ["gen02", "gen03"]


def test_a_plan_does_not_start_a_set_more_often_than_allowed() -> None:
    site = replace(DESERT, gensets=(replace(KIND, unit_ids=("gen01",)),))
    picture = healthy(site, soc_pct=95.0)
    plan = flat_plan(site, n_on=1, load_kw=LOAD_KW, pv_q10_kw=LOAD_KW, stored_kwh=9000.0)
    state = steady(site, picture, Mode.ISLAND)
    recent = tuple(NOW_S - 600.0 * (place + 1) for place in range(round(KIND.max_starts_per_h)))
    tired = replace(state.gensets["gen01"], starts_s=recent)

    decision = step(site, picture, plan, replace(state, gensets={"gen01": tired}))

    assert _wanted(decision) == []


def test_first_cycles_after_a_start_leave_running_sets_alone() -> None:
    picture = with_sets(healthy(DESERT, soc_pct=95.0, pv_kw=LOAD_KW), {"gen02": 1500.0})

    decisions = run_for(DESERT, picture, ControlState(mode_since_s=NOW_S), 30.0)

    written = [setpoint for decision in decisions for setpoint in decision.setpoints.gensets]
    assert {(setpoint.id, setpoint.run) for setpoint in written} == {
        ("gen01", False),
        ("gen02", True),
        ("gen03", False),
    }


def test_a_set_that_is_first_heard_long_after_the_start_is_adopted_as_it_runs() -> None:
    picture = with_sets(healthy(DESERT, soc_pct=95.0, pv_kw=LOAD_KW), {"gen01": 1500.0})
    silent = replace(picture, gensets=(unheard_genset(picture.gensets[0]), *picture.gensets[1:]))
    state = run_for(DESERT, silent, ControlState(mode_since_s=NOW_S), 30.0)[-1].state

    first = step(DESERT, at(picture, NOW_S + 30.0), None, state)

    assert state.mode is Mode.ISLAND
    assert _run(first, "gen01") is True
    assert first.state.gensets["gen01"].cause in (Cause.ADOPTED, Cause.MINIMUM_RUN)


def _grid_lost(*, soc_pct: float) -> Decision:
    """Return the first cycle of an island on the campus; nothing is forecast."""
    before = healthy(CAMPUS, soc_pct=soc_pct)
    assert before.pcc is not None
    state = steady(CAMPUS, before, Mode.GRID)
    need_kw = before.pcc.power_kw or 0.0
    picture = replace(
        before,
        pcc=replace(before.pcc, breaker_closed=False, power_kw=0.0, grid_voltage_frac=0.0),
        blocks=tuple(replace(block, power_kw=need_kw / len(before.blocks)) for block in before.blocks),
    )
    return step(CAMPUS, picture, None, state)


def _made_at(plan: Plan, at_s: float) -> Plan:
    """Return the plan as if it had been made at a time; its steps stay where they are."""
    return replace(plan, created_utc=START + timedelta(seconds=at_s - NOW_S))


def _carrying_since(state: ControlState, unit: str, since_s: float) -> ControlState:
    track = replace(state.gensets[unit], wanted=True, wanted_since_s=since_s - 30.0, carries_since_s=since_s)
    return replace(state, gensets={**state.gensets, unit: track})


def _phase(picture: SiteSnapshot, unit: str, phase: GensetPhase) -> SiteSnapshot:
    return replace(
        picture,
        gensets=tuple(replace(genset, phase=phase) if genset.id == unit else genset for genset in picture.gensets),
    )


def _wanted(decision: Decision) -> list[str]:
    return [unit for unit, track in decision.state.gensets.items() if track.wanted]


def _run(decision: Decision, unit: str) -> bool | None:
    return next((setpoint.run for setpoint in decision.setpoints.gensets if setpoint.id == unit), None)


def _causes(decision: Decision) -> set[Cause]:
    return {reason.cause for reason in decision.reasons}
