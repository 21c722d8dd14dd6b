"""Rules G0 to G9: on any picture and any request the guard only narrows, and says why."""

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite

import pytest
from hypothesis import given

from ems.control.guard import GuardContext, Guarded, Rule, guard
from ems.control.state import Mode
from ems.model.battery import BatteryPool
from ems.model.readings import GensetPhase
from ems.model.setpoints import BlockSetpoint, GensetSetpoint, PvSetpoint, Setpoints
from ems.model.site import Site
from ems.model.snapshot import BlockState, SiteSnapshot
from tests.control.draws import SEEDS, Draw, cases
from tests.control.scene import healthy, running, shipped, small

CAMPUS = small("weak-grid-campus")
DESERT = small("desert-offgrid")
POOL = CAMPUS.batteries[0]
KIND = CAMPUS.gensets[0]
FIRST = POOL.blocks[0].id
TINY_KW = 1e-5

CALM = GuardContext(mode=Mode.GRID, dt_s=1.0, stored_kwh=9e4, floor_kwh=1e4, r0_margin_kw=1000.0)
ISLANDED = replace(CALM, mode=Mode.ISLAND)


def test_campus_fixture_has_a_grid_without_export() -> None:
    assert CAMPUS.grid is not None
    assert CAMPUS.grid.export_limit_kw == 0.0


@pytest.mark.parametrize("site", [CAMPUS, DESERT], ids=["campus", "desert"])
@cases(400)
@given(seed=SEEDS)
def test_blocks_stay_within_every_live_limit(site: Site, seed: int) -> None:
    snapshot, context, request = _drawn(site, seed)

    allowed = guard(request, site, snapshot, context)

    for setpoint in allowed.setpoints.blocks:
        state = _block(snapshot, setpoint.id)
        lowest, highest = _widest_range(site.batteries[0], state)
        assert isfinite(setpoint.power_kw)
        assert state.controllable
        assert state.power_kw is not None
        assert lowest - TINY_KW <= setpoint.power_kw <= highest + TINY_KW


@pytest.mark.parametrize("site", [CAMPUS, DESERT], ids=["campus", "desert"])
@cases(400)
@given(seed=SEEDS)
def test_following_blocks_keep_the_energy_and_cell_rules(site: Site, seed: int) -> None:
    snapshot, context, request = _drawn(site, seed)
    pool = site.batteries[0]

    allowed = guard(request, site, snapshot, context)

    for setpoint in allowed.setpoints.blocks:
        state = _block(snapshot, setpoint.id)
        if context.mode is not Mode.GRID and state.forming:
            continue
        empty = state.soc_pct is not None and state.soc_pct <= pool.soc_tech_min_pct
        low_cell = state.cell_min_v is not None and state.cell_min_v <= pool.cell_min_v
        if empty or low_cell or context.stored_kwh <= context.floor_kwh:
            assert setpoint.power_kw <= 0.0
        full = state.soc_pct is not None and state.soc_pct >= pool.soc_max_pct
        if full or (state.cell_max_v is not None and state.cell_max_v >= pool.cell_max_v):
            assert setpoint.power_kw >= 0.0


@pytest.mark.parametrize("site", [CAMPUS, DESERT], ids=["campus", "desert"])
@cases(400)
@given(seed=SEEDS)
def test_guard_only_narrows_and_names_every_change(site: Site, seed: int) -> None:
    snapshot, context, request = _drawn(site, seed)

    allowed = guard(request, site, snapshot, context)

    named = {clip.asset_id for clip in allowed.clips}
    kept = {setpoint.id: setpoint.power_kw for setpoint in allowed.setpoints.blocks}
    for asked in request.blocks:
        given_kw = kept.get(asked.id)
        if given_kw is None:
            assert asked.id in named
            continue
        assert min(0.0, asked.power_kw) - TINY_KW <= given_kw <= max(0.0, asked.power_kw) + TINY_KW
        if abs(given_kw - asked.power_kw) > 2e-6:
            assert named & {asked.id, "storage"}
    for dropped in {s.id for s in request.gensets} - {s.id for s in allowed.setpoints.gensets}:
        assert dropped in named
    for dropped in {s.id for s in request.pv} - {s.id for s in allowed.setpoints.pv}:
        assert dropped in named
    assert all(clip.reason for clip in allowed.clips)


@pytest.mark.parametrize("site", [CAMPUS, DESERT], ids=["campus", "desert"])
@cases(400)
@given(seed=SEEDS)
def test_guarding_twice_changes_nothing_more(site: Site, seed: int) -> None:
    snapshot, context, request = _drawn(site, seed)
    once = guard(request, site, snapshot, context).setpoints

    twice = guard(once, site, snapshot, context)

    assert twice.clips == ()
    assert [b.power_kw for b in twice.setpoints.blocks] == pytest.approx([b.power_kw for b in once.blocks], abs=1e-3)
    assert twice.setpoints.gensets == once.gensets
    assert twice.setpoints.pv == once.pv


@pytest.mark.parametrize("site", [CAMPUS, DESERT], ids=["campus", "desert"])
@cases(400)
@given(seed=SEEDS)
def test_sets_stay_between_minimum_and_rating_and_within_their_load_step(site: Site, seed: int) -> None:
    snapshot, context, request = _drawn(site, seed)
    kind = site.gensets[0]

    allowed = guard(request, site, snapshot, context)

    for setpoint in allowed.setpoints.gensets:
        state = next(item for item in snapshot.gensets if item.id == setpoint.id)
        assert state.controllable
        assert setpoint.power_kw is not None
        assert kind.min_stable_kw <= setpoint.power_kw <= kind.rated_kw
        if state.carries and state.power_kw is not None:
            step_kw = kind.rated_kw * max(kind.step_frac, kind.ramp_frac_per_s * context.dt_s)
            assert setpoint.power_kw <= max(kind.min_stable_kw, state.power_kw + step_kw) + TINY_KW


@pytest.mark.parametrize("site", [CAMPUS, DESERT], ids=["campus", "desert"])
@cases(400)
@given(seed=SEEDS)
def test_the_last_source_that_forms_the_grid_is_never_stopped(site: Site, seed: int) -> None:
    snapshot, context, request = _drawn(site, seed)
    formers = {genset.id for genset in snapshot.gensets if genset.carries}

    allowed = guard(request, site, snapshot, context)

    stopped = {setpoint.id for setpoint in allowed.setpoints.gensets if not setpoint.run}
    on_grid = snapshot.pcc is not None and snapshot.pcc.breaker_closed
    by_storage = any(block.forming and block.ready for block in snapshot.blocks)
    if formers and not on_grid and not by_storage:
        assert formers - stopped


@cases(400)
@given(seed=SEEDS)
def test_storage_never_drives_the_connection_beyond_its_limits(seed: int) -> None:
    snapshot, context, request = _drawn(CAMPUS, seed)
    context = replace(context, mode=Mode.GRID)
    grid, pcc = CAMPUS.grid, snapshot.pcc
    assert grid is not None
    assert pcc is not None

    allowed = guard(request, CAMPUS, snapshot, context)

    after_kw = sum(setpoint.power_kw for setpoint in allowed.setpoints.blocks)
    # only what is written moves; every other block stays where it is
    before_kw = _measured(snapshot, {setpoint.id for setpoint in allowed.setpoints.blocks})
    if pcc.power_kw is not None and after_kw < -TINY_KW:
        assert pcc.power_kw - (after_kw - before_kw) <= grid.import_limit_kw + 1e-3
    if pcc.power_kw is not None and after_kw > TINY_KW:
        assert pcc.power_kw - (after_kw - before_kw) >= -grid.export_limit_kw - 1e-3
    if context.r0_margin_kw < 0.0:
        assert after_kw <= max(before_kw, 0.0) + TINY_KW


@cases(400)
@given(seed=SEEDS)
def test_pv_limits_stay_between_zero_and_rating(seed: int) -> None:
    snapshot, context, request = _drawn(CAMPUS, seed)

    allowed = guard(request, CAMPUS, snapshot, context)

    for setpoint in allowed.setpoints.pv:
        assert next(item for item in snapshot.pv if item.id == setpoint.id).controllable
        assert 0.0 <= setpoint.limit_kw <= CAMPUS.pv[0].ac_kw


def test_no_stop_reaches_the_only_set_that_carries_the_island() -> None:
    snapshot = _on_sets_alone("gen01")
    request = Setpoints(gensets=(GensetSetpoint(id="gen01", run=False, power_kw=1000.0),))

    allowed = guard(request, CAMPUS, snapshot, ISLANDED)

    assert allowed.setpoints.gensets == ()
    assert _rules(allowed) == [Rule.LAST_FORMING]


def test_of_two_sets_that_carry_the_island_only_one_is_stopped() -> None:
    snapshot = _on_sets_alone("gen01", "gen02")
    request = Setpoints(
        gensets=tuple(GensetSetpoint(id=unit, run=False, power_kw=1000.0) for unit in ("gen01", "gen02"))
    )

    allowed = guard(request, CAMPUS, snapshot, ISLANDED)

    assert [setpoint.id for setpoint in allowed.setpoints.gensets] == ["gen01"]
    assert _rules(allowed) == [Rule.LAST_FORMING]


def test_a_number_that_is_none_is_dropped_with_its_device() -> None:
    request = Setpoints(
        blocks=(BlockSetpoint(id=FIRST, power_kw=float("nan")),),
        gensets=(GensetSetpoint(id="gen01", run=True, power_kw=float("inf")),),
        pv=(PvSetpoint(id="pv01", limit_kw=float("-inf")),),
    )

    allowed = guard(request, CAMPUS, healthy(CAMPUS), CALM)

    assert allowed.setpoints == Setpoints()
    assert _rules(allowed) == [Rule.NOT_A_NUMBER] * 3


def test_the_battery_management_limit_wins_over_the_configured_one() -> None:
    snapshot = _with_block(healthy(CAMPUS), {"max_discharge_kw": 700.0})

    allowed = guard(_ask(900.0), CAMPUS, snapshot, CALM)

    assert allowed.setpoints.blocks[0].power_kw == 700.0
    assert _rules(allowed) == [Rule.LIVE_LIMIT]


@pytest.mark.parametrize(
    ("changes", "asked_kw", "rule"),
    [
        ({"soc_pct": POOL.soc_tech_min_pct + 0.9}, 500.0, Rule.SOC_WINDOW),
        ({"soc_pct": POOL.soc_max_pct}, -500.0, Rule.SOC_WINDOW),
        ({"cell_min_v": POOL.cell_min_v}, 500.0, Rule.CELL_VOLTAGE),
        ({"cell_max_v": POOL.cell_max_v}, -500.0, Rule.CELL_VOLTAGE),
        ({"cell_max_degc": POOL.max_degc}, 500.0, Rule.TEMPERATURE),
        ({"alarm": True}, -500.0, Rule.LIVE_LIMIT),
        ({"max_discharge_kw": None}, 500.0, Rule.LIVE_LIMIT),
        ({"ready": False}, 500.0, Rule.LIVE_LIMIT),
    ],
)
def test_a_block_on_the_grid_goes_to_zero_at_its_limit(changes: dict[str, object], asked_kw: float, rule: Rule) -> None:
    snapshot = _with_block(healthy(CAMPUS), changes)

    allowed = guard(_ask(asked_kw), CAMPUS, snapshot, CALM)

    assert allowed.setpoints.blocks[0].power_kw == 0.0
    assert _rules(allowed) == [rule]


def test_temperature_takes_power_away_in_a_straight_line() -> None:
    middle_degc = (POOL.warn_degc + POOL.max_degc) / 2.0
    snapshot = _with_block(healthy(CAMPUS), {"cell_max_degc": middle_degc})

    allowed = guard(_ask(POOL.max_discharge_kw), CAMPUS, snapshot, CALM)

    half_kw = 0.5 * min(POOL.max_discharge_kw, POOL.pcs_kw)
    assert allowed.setpoints.blocks[0].power_kw == pytest.approx(half_kw)
    assert _rules(allowed) == [Rule.TEMPERATURE]


def test_a_forming_block_of_an_island_is_not_taken_to_zero_by_the_energy_rules() -> None:
    snapshot = _with_block(healthy(CAMPUS), {"soc_pct": POOL.soc_tech_min_pct, "cell_min_v": POOL.cell_min_v})

    allowed = guard(_ask(500.0), CAMPUS, snapshot, replace(ISLANDED, stored_kwh=0.0))

    assert allowed.setpoints.blocks[0].power_kw == 500.0
    assert allowed.clips == ()


def test_discharge_on_the_grid_stops_at_the_floor() -> None:
    allowed = guard(_ask(500.0), CAMPUS, healthy(CAMPUS), replace(CALM, stored_kwh=CALM.floor_kwh))

    assert allowed.setpoints.blocks[0].power_kw == 0.0
    assert _rules(allowed) == [Rule.SOC_WINDOW]


def test_charging_is_cut_to_what_the_connection_still_carries() -> None:
    grid = CAMPUS.grid
    assert grid is not None
    snapshot = _importing(healthy(CAMPUS), grid.import_limit_kw - 300.0)

    allowed = guard(_ask(-1000.0), CAMPUS, snapshot, CALM)

    assert allowed.setpoints.blocks[0].power_kw == pytest.approx(-300.0)
    assert _rules(allowed) == [Rule.SITE_LIMIT]


def test_a_block_that_is_not_written_does_not_count_as_switched_off() -> None:
    grid = CAMPUS.grid
    assert grid is not None
    silent = _with_block(healthy(CAMPUS), {"controllable": False, "power_kw": -2000.0}, place=1)
    snapshot = _importing(silent, grid.import_limit_kw - 300.0)

    allowed = guard(_ask(-1000.0), CAMPUS, snapshot, CALM)

    assert allowed.setpoints.blocks[0].power_kw == pytest.approx(-300.0)


def test_discharge_is_cut_where_nothing_may_be_exported() -> None:
    snapshot = _importing(healthy(CAMPUS), 400.0)

    allowed = guard(_ask(1000.0), CAMPUS, snapshot, CALM)

    assert allowed.setpoints.blocks[0].power_kw == pytest.approx(400.0)
    assert _rules(allowed) == [Rule.SITE_LIMIT]


def test_a_short_instant_reserve_forbids_more_discharge() -> None:
    snapshot = _with_block(healthy(CAMPUS), {"power_kw": 200.0})

    allowed = guard(_ask(1000.0), CAMPUS, snapshot, replace(CALM, r0_margin_kw=-50.0))

    assert allowed.setpoints.blocks[0].power_kw == pytest.approx(200.0)
    assert _rules(allowed) == [Rule.HEADROOM]


def test_a_short_instant_reserve_does_not_lift_the_export_limit() -> None:
    # the block delivers 800 kW while 300 kW are exported: 500 kW are the most that may stay
    snapshot = _importing(_with_block(healthy(CAMPUS), {"power_kw": 800.0}), -300.0)

    allowed = guard(_ask(1000.0), CAMPUS, snapshot, replace(CALM, r0_margin_kw=-50.0))

    assert allowed.setpoints.blocks[0].power_kw == pytest.approx(500.0)


def test_a_running_set_takes_only_its_permitted_load_step() -> None:
    calm = healthy(CAMPUS)
    snapshot = replace(calm, gensets=(running(calm.gensets[0], 700.0), *calm.gensets[1:]))
    request = Setpoints(gensets=(GensetSetpoint(id="gen01", run=True, power_kw=KIND.rated_kw),))

    allowed = guard(request, CAMPUS, snapshot, CALM)

    assert allowed.setpoints.gensets[0].power_kw == pytest.approx(700.0 + KIND.step_frac * KIND.rated_kw)
    assert _rules(allowed) == [Rule.RATE]


def test_a_set_of_unknown_phase_gets_no_command() -> None:
    calm = healthy(CAMPUS)
    unknown = replace(calm.gensets[0], phase=None)
    request = Setpoints(gensets=(GensetSetpoint(id="gen01", run=False, power_kw=KIND.min_stable_kw),))

    allowed = guard(request, CAMPUS, replace(calm, gensets=(unknown, *calm.gensets[1:])), CALM)

    assert allowed.setpoints.gensets == ()
    assert _rules(allowed) == [Rule.DATA_AGE]


@pytest.mark.parametrize("changes", [{"controllable": False}, {"power_kw": None}])
def test_a_block_that_is_not_heard_or_not_ours_gets_no_command(changes: dict[str, object]) -> None:
    allowed = guard(_ask(100.0), CAMPUS, _with_block(healthy(CAMPUS), changes), CALM)

    assert allowed.setpoints.blocks == ()
    assert _rules(allowed) == [Rule.DATA_AGE]


def test_a_healthy_request_passes_unchanged() -> None:
    request = Setpoints(
        blocks=tuple(BlockSetpoint(id=block.id, power_kw=-200.0) for block in POOL.blocks),
        gensets=(GensetSetpoint(id="gen01", run=True, power_kw=0.8 * KIND.rated_kw),),
        pv=(PvSetpoint(id="pv01", limit_kw=0.5 * CAMPUS.pv[0].ac_kw),),
    )

    allowed = guard(request, CAMPUS, healthy(CAMPUS), CALM)

    assert allowed == Guarded(setpoints=request, clips=())


def test_blocks_of_the_full_campus_share_a_cut_in_proportion() -> None:
    site = shipped("weak-grid-campus")
    assert site.grid is not None
    snapshot = _importing(healthy(site), site.grid.import_limit_kw - 600.0)
    blocks = snapshot.blocks[:2]
    request = Setpoints(
        blocks=(BlockSetpoint(id=blocks[0].id, power_kw=-800.0), BlockSetpoint(id=blocks[1].id, power_kw=-400.0))
    )

    allowed = guard(request, site, snapshot, CALM)

    assert [setpoint.power_kw for setpoint in allowed.setpoints.blocks] == pytest.approx([-400.0, -200.0])


def _drawn(site: Site, seed: int) -> tuple[SiteSnapshot, GuardContext, Setpoints]:
    draw = Draw(seed)
    return draw.snapshot(site), draw.context(site), draw.request(site)


def _widest_range(pool: BatteryPool, state: BlockState) -> tuple[float, float]:
    """Return the range that nameplate, BMS and temperature leave, worked out from the rule's text."""
    if not state.ready or state.alarm:
        return 0.0, 0.0
    degc = state.cell_max_degc
    warmth = 1.0 if degc is None else min(1.0, max(0.0, (pool.max_degc - degc) / (pool.max_degc - pool.warn_degc)))
    lowest = -min(state.max_charge_kw or 0.0, warmth * pool.max_charge_kw, warmth * pool.pcs_kw)
    return lowest, min(state.max_discharge_kw or 0.0, warmth * pool.max_discharge_kw, warmth * pool.pcs_kw)


def _block(snapshot: SiteSnapshot, block_id: str) -> BlockState:
    return next(state for state in snapshot.blocks if state.id == block_id)


def _measured(snapshot: SiteSnapshot, ids: set[str]) -> float:
    return sum(state.power_kw or 0.0 for state in snapshot.blocks if state.id in ids)


def _ask(power_kw: float) -> Setpoints:
    return Setpoints(blocks=(BlockSetpoint(id=FIRST, power_kw=power_kw),))


def _rules(allowed: Guarded) -> list[Rule]:
    return [clip.rule for clip in allowed.clips]


def _with_block(snapshot: SiteSnapshot, changes: Mapping[str, object], *, place: int = 0) -> SiteSnapshot:
    blocks = list(snapshot.blocks)
    blocks[place] = replace(blocks[place], **changes)  # type: ignore[arg-type] # fields by name, from a table
    return replace(snapshot, blocks=tuple(blocks))


def _importing(snapshot: SiteSnapshot, power_kw: float) -> SiteSnapshot:
    assert snapshot.pcc is not None
    return replace(snapshot, pcc=replace(snapshot.pcc, power_kw=power_kw))


def _on_sets_alone(*units: str) -> SiteSnapshot:
    """Return an island without any forming block, carried by sets."""
    calm = healthy(CAMPUS)
    assert calm.pcc is not None
    return replace(
        calm,
        blocks=tuple(replace(block, forming=False) for block in calm.blocks),
        gensets=tuple(
            running(genset, 1500.0) if genset.id in units else replace(genset, phase=GensetPhase.STOPPED)
            for genset in calm.gensets
        ),
        pcc=replace(calm.pcc, breaker_closed=False, power_kw=0.0),
    )
