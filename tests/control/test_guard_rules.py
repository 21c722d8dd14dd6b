"""Single rules of the guard: forming role, fire, interlocks, reserve in an island, sums, ramps, cooling."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ems.control.guard import GuardContext, Guarded, Rule, guard, guarded_supplies
from ems.control.guard.rules import Clip
from ems.control.state import GensetTrack, Mode
from ems.model.genset_rules import Maintenance
from ems.model.grid import FlowGroup
from ems.model.load import ChillerUnits
from ems.model.readings import GensetPhase
from ems.model.setpoints import (
    BlockSetpoint,
    Cause,
    GensetSetpoint,
    PvSetpoint,
    Reason,
    Setpoints,
    SupplySetpoint,
)
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from tests.control.scene import NOW_S, START, healthy, running, small

CAMPUS = small("weak-grid-campus")
DESERT = small("desert-offgrid")
POOL, KIND, PLANT = CAMPUS.batteries[0], CAMPUS.gensets[0], CAMPUS.pv[0]
CALM = GuardContext(mode=Mode.GRID, dt_s=1.0, stored_kwh=9e4, floor_kwh=1e4, r0_margin_kw=1000.0)
ISLANDED = replace(CALM, mode=Mode.ISLAND)
BLOCKS = tuple(block.id for block in POOL.blocks)


def _rules(allowed: Guarded) -> list[Rule]:
    return [clip.rule for clip in allowed.clips]


def _set(unit: str = "gen01", *, run: bool, cause: Cause = Cause.PLAN) -> Setpoints:
    reason = (Reason(cause=cause, text="test"),)
    return Setpoints(gensets=(GensetSetpoint(id=unit, run=run, power_kw=KIND.rated_kw / 2.0, reasons=reason),))


def _tracked(**changes: object) -> GuardContext:
    track = replace(GensetTrack(wanted=True), **changes)  # type: ignore[arg-type] # fields by name
    return replace(CALM, tracks={"gen01": track})


def _on_load(snapshot: SiteSnapshot, power_kw: float = 1000.0) -> SiteSnapshot:
    return replace(snapshot, gensets=(running(snapshot.gensets[0], power_kw), *snapshot.gensets[1:]))


def test_fire_takes_a_block_to_zero_and_asks_for_its_isolation() -> None:
    calm = healthy(CAMPUS)
    burning = replace(calm.blocks[0], fire=True, alarm=True)
    request = Setpoints(blocks=(BlockSetpoint(id=BLOCKS[0], power_kw=500.0),))

    allowed = guard(request, CAMPUS, replace(calm, blocks=(burning, *calm.blocks[1:])), CALM)

    assert allowed.setpoints.blocks[0].power_kw == 0.0
    assert _rules(allowed) == [Rule.TEMPERATURE]
    assert [each.asset_id for each in allowed.isolations] == [BLOCKS[0]]


def test_the_last_block_that_forms_an_island_is_neither_zeroed_nor_isolated() -> None:
    calm = healthy(DESERT)
    first = replace(calm.blocks[0], fire=True, alarm=True)
    others = tuple(replace(block, ready=False, forming=False) for block in calm.blocks[1:])
    request = Setpoints(blocks=(BlockSetpoint(id=first.id, power_kw=0.0),))

    allowed = guard(request, DESERT, replace(calm, blocks=(first, *others)), ISLANDED)

    assert allowed.setpoints.blocks == ()
    assert _rules(allowed) == [Rule.LAST_FORMING]
    assert allowed.isolations == ()


def test_with_another_former_the_burning_block_goes() -> None:
    calm = healthy(DESERT)
    first = replace(calm.blocks[0], fire=True, alarm=True)
    request = Setpoints(blocks=(BlockSetpoint(id=first.id, power_kw=300.0),))

    allowed = guard(request, DESERT, replace(calm, blocks=(first, *calm.blocks[1:])), ISLANDED)

    assert allowed.setpoints.blocks[0].power_kw == 0.0
    assert [each.asset_id for each in allowed.isolations] == [first.id]


@pytest.mark.parametrize(
    ("changes", "cause", "passes"),
    [
        ({}, Cause.PLAN, True),
        ({"starts_s": (NOW_S,) * (int(KIND.max_starts_per_h) + 1)}, Cause.PLAN, False),
        ({"starts_s": (NOW_S,) * (int(KIND.max_starts_per_h) + 1)}, Cause.ENERGY_LOW, True),
        ({"starts_s": (NOW_S - 900.0, NOW_S), "rests_since_s": NOW_S - 60.0}, Cause.PLAN, False),
        ({"starts_s": (NOW_S - 900.0, NOW_S), "rests_since_s": NOW_S - 60.0}, Cause.HEADROOM_LOW, True),
        ({"starts_s": (NOW_S,), "rests_since_s": NOW_S - 60.0}, Cause.PLAN, True),
    ],
)
def test_a_start_keeps_to_starts_per_hour_and_rest_unless_it_is_urgent(
    *, changes: dict[str, object], cause: Cause, passes: bool
) -> None:
    allowed = guard(_set(run=True, cause=cause), CAMPUS, healthy(CAMPUS), _tracked(**changes))

    assert bool(allowed.setpoints.gensets) is passes
    assert _rules(allowed) == ([] if passes else [Rule.INTERLOCK])


def test_no_start_reaches_a_set_with_a_fault_or_under_planned_work() -> None:
    calm = healthy(CAMPUS)
    faulty = replace(calm, gensets=(replace(calm.gensets[0], phase=GensetPhase.FAULT), *calm.gensets[1:]))
    work = Maintenance(unit_id="gen01", start_utc=START - timedelta(hours=1), end_utc=START + timedelta(hours=1))
    worked_on = replace(CAMPUS, gensets=(replace(KIND, maintenance=(work,)),))

    in_fault = guard(_set(run=True, cause=Cause.ENERGY_LOW), CAMPUS, faulty, CALM)
    in_work = guard(_set(run=True), worked_on, calm, CALM)

    assert _rules(in_fault) == [Rule.INTERLOCK]
    assert _rules(in_work) == [Rule.INTERLOCK]
    assert in_fault.setpoints.gensets == in_work.setpoints.gensets == ()


def test_a_set_is_not_stopped_within_its_minimum_run_unless_people_stop_the_site() -> None:
    snapshot = _on_load(healthy(CAMPUS))
    early = _tracked(carries_since_s=NOW_S - 60.0)

    allowed = guard(_set(run=False), CAMPUS, snapshot, early)
    stopped = guard(_set(run=False), CAMPUS, snapshot, replace(early, stop_all=True))
    late = guard(_set(run=False), CAMPUS, snapshot, _tracked(carries_since_s=NOW_S - 3600.0 * KIND.min_up_h))

    assert _rules(allowed) == [Rule.INTERLOCK]
    assert [genset.run for genset in stopped.setpoints.gensets] == [False]
    assert [genset.run for genset in late.setpoints.gensets] == [False]


@pytest.mark.parametrize("mode", [Mode.GRID, Mode.ISLAND])
def test_while_r0_is_short_no_set_is_stopped_in_any_mode(mode: Mode) -> None:
    snapshot = _on_load(healthy(CAMPUS))

    allowed = guard(_set(run=False), CAMPUS, snapshot, replace(CALM, mode=mode, r0_margin_kw=-10.0))

    assert allowed.setpoints.gensets == ()
    assert _rules(allowed) == [Rule.HEADROOM]


def test_in_an_island_no_pv_is_cut_while_storage_discharges_and_r0_is_short() -> None:
    calm = healthy(DESERT, pv_kw=1000.0)
    request = Setpoints(pv=(PvSetpoint(id=calm.pv[0].id, limit_kw=100.0),))

    short = guard(request, DESERT, calm, replace(ISLANDED, r0_margin_kw=-10.0))
    held = guard(request, DESERT, calm, ISLANDED)

    assert short.setpoints.pv == ()
    assert _rules(short) == [Rule.HEADROOM]
    assert held.setpoints == request


def _with_group(site: Site, *members: str, limit_kw: float) -> Site:
    return replace(site, groups=(FlowGroup(id="feeder", members=members, limit_kw=limit_kw),))


def test_storage_gives_a_feeder_no_more_than_its_limit() -> None:
    site = _with_group(CAMPUS, POOL.id, limit_kw=900.0)
    request = Setpoints(blocks=tuple(BlockSetpoint(id=block, power_kw=600.0) for block in BLOCKS[:2]))
    calm = healthy(CAMPUS)

    allowed = guard(request, site, calm, CALM)

    assert [block.power_kw for block in allowed.setpoints.blocks] == pytest.approx([450.0, 450.0])
    assert allowed.clips == (
        Clip(
            rule=Rule.SITE_LIMIT,
            asset_id="storage",
            requested_kw=1200.0,
            allowed_kw=pytest.approx(900.0),  # type: ignore[arg-type] # compared only
            reason="feeder would carry 1200 kW of 900 kW",
        ),
    )


def test_pv_behind_a_transformer_is_cut_when_storage_cannot_help() -> None:
    calm = healthy(CAMPUS, pv_kw=3000.0)
    site = _with_group(CAMPUS, PLANT.id, limit_kw=2400.0)
    request = Setpoints(pv=tuple(PvSetpoint(id=pv.id, limit_kw=PLANT.ac_kw) for pv in calm.pv))

    allowed = guard(request, site, calm, CALM)

    assert [pv.limit_kw for pv in allowed.setpoints.pv] == pytest.approx([1200.0, 1200.0])
    assert _rules(allowed) == [Rule.SITE_LIMIT] * 2


def test_sets_on_one_transformer_are_lowered_to_its_limit_and_never_below_their_minimum() -> None:
    calm = healthy(CAMPUS)
    sets = tuple(running(genset, 1000.0) for genset in calm.gensets[:2])
    snapshot = replace(calm, gensets=(*sets, *calm.gensets[2:]))
    request = Setpoints(gensets=tuple(GensetSetpoint(id=genset.id, run=True, power_kw=1500.0) for genset in sets))

    within = guard(request, _with_group(CAMPUS, KIND.id, limit_kw=2000.0), snapshot, CALM)
    least = guard(request, _with_group(CAMPUS, KIND.id, limit_kw=100.0), snapshot, CALM)

    assert [genset.power_kw for genset in within.setpoints.gensets] == pytest.approx([1000.0, 1000.0])
    assert [genset.power_kw for genset in least.setpoints.gensets] == [KIND.min_stable_kw] * 2


def test_the_charging_of_storage_counts_a_set_that_is_about_to_stop() -> None:
    # the set's 1000 kW come from the grid when it stops: 300 kW are left of the connection now, none then
    assert CAMPUS.grid is not None
    calm = _on_load(healthy(CAMPUS))
    assert calm.pcc is not None
    snapshot = replace(calm, pcc=replace(calm.pcc, power_kw=CAMPUS.grid.import_limit_kw - 300.0))
    charge = Setpoints(blocks=(BlockSetpoint(id=BLOCKS[0], power_kw=-200.0),))

    alone = guard(charge, CAMPUS, snapshot, CALM)
    stopping = guard(replace(charge, gensets=_set(run=False).gensets), CAMPUS, snapshot, CALM)

    assert alone.setpoints.blocks[0].power_kw == -200.0
    assert stopping.setpoints.blocks[0].power_kw == 0.0


def test_a_pv_limit_is_lifted_as_far_as_connection_and_storage_take_it() -> None:
    calm = healthy(CAMPUS)
    assert calm.pcc is not None
    held = replace(calm.pv[0], power_kw=100.0, limit_kw=100.0, available_kw=1000.0)
    full = tuple(replace(block, max_charge_kw=0.0, power_kw=0.0) for block in calm.blocks)
    snapshot = replace(calm, pv=(held, *calm.pv[1:]), blocks=full, pcc=replace(calm.pcc, power_kw=250.0))
    request = Setpoints(pv=(PvSetpoint(id=held.id, limit_kw=PLANT.ac_kw),))

    allowed = guard(request, CAMPUS, snapshot, CALM)
    with_room = guard(request, CAMPUS, replace(snapshot, blocks=calm.blocks), CALM)

    assert allowed.setpoints.pv[0].limit_kw == pytest.approx(350.0)
    assert _rules(allowed) == [Rule.SITE_LIMIT]
    assert with_room.setpoints == request


def test_configured_ramps_slow_setpoints_and_lifts_but_no_move_that_a_limit_demands() -> None:
    pool, plant = replace(POOL, ramp_frac_per_s=0.1), replace(PLANT, ramp_frac_per_s=0.2)
    site = replace(CAMPUS, batteries=(pool,), pv=(plant,))
    calm = healthy(CAMPUS)
    held = replace(calm.pv[0], power_kw=100.0, limit_kw=100.0)
    moving = replace(calm.blocks[0], power_kw=1000.0)
    snapshot = replace(calm, blocks=(moving, *calm.blocks[1:]), pv=(held, *calm.pv[1:]))
    request = Setpoints(
        blocks=(BlockSetpoint(id=moving.id, power_kw=0.0),), pv=(PvSetpoint(id=held.id, limit_kw=plant.ac_kw),)
    )

    ramped = guard(request, site, snapshot, CALM)
    full = guard(
        request, site, replace(snapshot, blocks=(replace(moving, max_discharge_kw=0.0), *calm.blocks[1:])), CALM
    )

    assert ramped.setpoints.blocks[0].power_kw == pytest.approx(1000.0 - 0.1 * pool.pcs_kw)
    assert ramped.setpoints.pv[0].limit_kw == pytest.approx(100.0 + 0.2 * plant.ac_kw)
    assert _rules(ramped) == [Rule.RATE] * 2
    assert full.setpoints.blocks[0].power_kw == 0.0


def test_a_soc_that_the_bms_reports_lower_than_control_counts_with_ends_discharge() -> None:
    calm = healthy(CAMPUS)
    doubtful = replace(calm.blocks[0], soc_pct=40.0, reported_soc_pct=POOL.soc_tech_min_pct)
    request = Setpoints(blocks=(BlockSetpoint(id=doubtful.id, power_kw=300.0),))

    allowed = guard(request, CAMPUS, replace(calm, blocks=(doubtful, *calm.blocks[1:])), CALM)

    assert allowed.setpoints.blocks[0].power_kw == 0.0
    assert _rules(allowed) == [Rule.SOC_WINDOW]


def test_a_cooling_unit_is_never_told_to_be_warmer_than_configured() -> None:
    chillers = ChillerUnits(unit_ids=("chiller01", "chiller02"), capacity_kw_th=500.0, supply_degc=18.0)
    site = replace(CAMPUS, cooling=replace(CAMPUS.cooling, chillers=chillers))
    clips: list[Clip] = []

    allowed = guarded_supplies(
        (
            SupplySetpoint(id="chiller01", supply_degc=18.0),
            SupplySetpoint(id="chiller02", supply_degc=25.0),
            SupplySetpoint(id="cdu01", supply_degc=18.0),
        ),
        site,
        clips,
    )

    assert [setpoint.id for setpoint in allowed] == ["chiller01"]
    assert [(clip.rule, clip.asset_id) for clip in clips] == [(Rule.COOLING, "chiller02"), (Rule.COOLING, "cdu01")]


def test_limits_that_share_blocks_are_both_kept_in_the_end() -> None:
    # the feeder may carry 500 kW out, and 400 kW may be exported
    assert CAMPUS.grid is not None
    site = replace(_with_group(CAMPUS, POOL.id, limit_kw=500.0), grid=replace(CAMPUS.grid, export_limit_kw=400.0))
    calm = healthy(CAMPUS)
    assert calm.pcc is not None
    snapshot = replace(calm, pcc=replace(calm.pcc, power_kw=0.0))
    request = Setpoints(blocks=tuple(BlockSetpoint(id=block, power_kw=1000.0) for block in BLOCKS))

    allowed = guard(request, site, snapshot, CALM)

    assert sum(block.power_kw for block in allowed.setpoints.blocks) == pytest.approx(400.0)
    assert _rules(allowed) == [Rule.SITE_LIMIT] * 2
