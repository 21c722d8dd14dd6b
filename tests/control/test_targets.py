"""Totals of a cycle: feed-forward to the plan, the grid takes the error, storage what lies beyond its limits."""

from dataclasses import replace

import pytest

from ems.control.import_limit import AIM_FRAC
from ems.control.state import BilledImport, Mode
from ems.control.step import Decision, step
from ems.control.trim import gain_of
from ems.model.setpoints import Cause
from ems.model.site import Site
from ems.model.snapshot import PvState, SiteSnapshot
from tests.control.scene import NOW_S, at, flat_plan, genset_kw, healthy, run_for, small, steady, with_sets

CAMPUS = small("weak-grid-campus")
DESERT = small("desert-offgrid")


def _load_kw(site: Site) -> float:
    picture = healthy(site)
    loads = (picture.it, picture.cooling_load, picture.aux)
    return sum(load.load_kw or 0.0 for load in loads) * (1.0 + site.economics.site_loss_frac)


LOAD_KW = _load_kw(CAMPUS)


def test_fixture_load_lies_well_inside_the_campus_import_limit() -> None:
    assert CAMPUS.grid is not None
    assert 4000.0 < LOAD_KW < 0.5 * CAMPUS.grid.import_limit_kw


@pytest.mark.parametrize("planned_kw", [1500.0, -1500.0])
def test_storage_follows_the_plan_on_the_grid(planned_kw: float) -> None:
    decision = _on_grid(planned_kw=planned_kw)

    assert _storage_kw(decision) == pytest.approx(planned_kw)
    assert decision.import_target_kw == pytest.approx(LOAD_KW - planned_kw)


def test_without_a_plan_storage_rests_on_the_grid() -> None:
    decision = _on_grid(planned_kw=None)

    assert _storage_kw(decision) == pytest.approx(0.0)


def test_storage_keeps_the_margin_to_no_export() -> None:
    # the plan would export: two percent of the load stay as import
    decision = _on_grid(planned_kw=LOAD_KW + 500.0)

    assert _storage_kw(decision) == pytest.approx(0.98 * LOAD_KW)
    assert decision.import_target_kw == pytest.approx(0.02 * LOAD_KW)


def test_storage_takes_what_the_connection_may_not_carry() -> None:
    grid = CAMPUS.grid
    assert grid is not None
    site = replace(CAMPUS, grid=replace(grid, import_limit_kw=LOAD_KW - 800.0))

    decision = _on_grid(site=site, planned_kw=0.0)

    assert _storage_kw(decision) == pytest.approx(800.0)
    assert Cause.IMPORT_LIMIT in {reason.cause for reason in decision.reasons}


def test_storage_takes_what_the_billing_interval_has_no_room_for() -> None:
    grid = CAMPUS.grid
    assert grid is not None
    assert grid.tariff.demand is not None
    peak_kw = LOAD_KW - 1000.0
    demand = replace(grid.tariff.demand, ratchet_kw=0.0, expected_peak_kw=peak_kw)
    site = replace(CAMPUS, grid=replace(grid, tariff=replace(grid.tariff, demand=demand)))

    picture = at(healthy(site, soc_pct=70.0), NOW_S + 1.0)
    plan = flat_plan(site, load_kw=LOAD_KW, stored_kwh=4e4)

    decision = step(site, picture, plan, steady(site, picture, Mode.GRID))

    # one second of the interval has passed at the full load and one more passes until the setpoint acts: the rest of
    # the quarter hour makes up for both
    target_kw = (900.0 * AIM_FRAC * peak_kw - 2.0 * LOAD_KW) / 898.0
    assert decision.import_target_kw == pytest.approx(target_kw)
    assert _storage_kw(decision) == pytest.approx(LOAD_KW - target_kw)
    assert Cause.PEAK_LIMIT in {reason.cause for reason in decision.reasons}


def test_discharge_on_the_grid_ends_at_the_floor() -> None:
    decision = _on_grid(planned_kw=1500.0, soc_pct=8.0)

    assert _storage_kw(decision) == pytest.approx(0.0)


def test_a_miss_at_a_limit_is_trimmed_away_cycle_by_cycle() -> None:
    grid = CAMPUS.grid
    assert grid is not None
    site = replace(CAMPUS, grid=replace(grid, import_limit_kw=LOAD_KW - 800.0))
    picture = healthy(site, soc_pct=70.0)
    assert picture.pcc is not None
    # the meter shows 200 kW more than the target
    picture = replace(picture, pcc=replace(picture.pcc, power_kw=LOAD_KW - 600.0))
    plan = flat_plan(site, load_kw=LOAD_KW, stored_kwh=4e4)

    decisions = run_for(site, picture, steady(site, picture, Mode.GRID), 3.0, plan=plan)

    gain_frac = gain_of(3)
    asked_kw = [decision.state.trim_kw for decision in decisions]
    assert asked_kw == pytest.approx([0.0, gain_frac * 200.0, 2.0 * gain_frac * 200.0])


def test_trim_does_not_wind_up_while_storage_is_at_its_limit() -> None:
    grid = CAMPUS.grid
    assert grid is not None
    site = replace(CAMPUS, grid=replace(grid, import_limit_kw=LOAD_KW - 800.0))
    picture = healthy(site, soc_pct=8.0)
    plan = flat_plan(site, load_kw=LOAD_KW, stored_kwh=4e3)

    last = run_for(site, picture, steady(site, picture, Mode.GRID), 30.0, plan=plan)[-1]

    assert last.state.trim_kw == 0.0


def test_forming_units_carry_what_is_left_in_an_island() -> None:
    picture = with_sets(healthy(DESERT, soc_pct=80.0, pv_kw=1000.0), {"gen01": 1500.0})

    decision = step(DESERT, picture, None, steady(DESERT, picture, Mode.ISLAND))

    assert _storage_kw(decision) == pytest.approx(_load_kw(DESERT) - 2500.0)


def test_sets_take_what_storage_cannot_carry() -> None:
    picture = with_sets(healthy(DESERT, soc_pct=80.0), {"gen01": 600.0})
    weak = replace(picture, blocks=tuple(replace(block, max_discharge_kw=1200.0) for block in picture.blocks))

    decision = step(DESERT, weak, None, steady(DESERT, picture, Mode.ISLAND))

    wanted_kw = _load_kw(DESERT) - 3600.0
    assert 600.0 < wanted_kw < 2000.0
    assert _genset_kw(decision, "gen01") == pytest.approx(min(wanted_kw, 600.0 + 0.3 * 2000.0))


def test_a_full_store_limits_pv_to_the_load() -> None:
    site = DESERT
    top_pct = site.batteries[0].soc_max_pct
    picture = healthy(site, soc_pct=top_pct, pv_kw=6000.0)

    decision = step(site, picture, None, steady(site, picture, Mode.ISLAND))

    limits = [setpoint.limit_kw for setpoint in decision.setpoints.pv]
    assert sum(limits) == pytest.approx(_load_kw(site))
    assert limits[0] == pytest.approx(limits[1])
    assert Cause.SURPLUS in {reason.cause for reason in decision.reasons}


def test_a_store_with_room_leaves_pv_unlimited() -> None:
    picture = healthy(DESERT, soc_pct=50.0, pv_kw=6000.0)

    decision = step(DESERT, picture, None, steady(DESERT, picture, Mode.ISLAND))

    assert [setpoint.limit_kw for setpoint in decision.setpoints.pv] == [DESERT.pv[0].ac_kw] * 2


def test_a_shaded_block_leaves_its_share_of_the_limit_to_the_others() -> None:
    top_pct = DESERT.batteries[0].soc_max_pct
    picture = healthy(DESERT, soc_pct=top_pct, pv_kw=6000.0)
    shaded = replace(picture.pv[0], power_kw=2000.0, available_kw=2000.0)
    sunny = replace(picture.pv[1], power_kw=4000.0, available_kw=4000.0)

    decision = step(DESERT, replace(picture, pv=(shaded, sunny)), None, steady(DESERT, picture, Mode.ISLAND))

    limits = [setpoint.limit_kw for setpoint in decision.setpoints.pv]
    assert min(2000.0, limits[0]) + min(4000.0, limits[1]) == pytest.approx(_load_kw(DESERT))


def test_fuller_blocks_give_more_and_emptier_ones_take_more() -> None:
    picture = healthy(DESERT, soc_pct=60.0)
    uneven = replace(
        picture,
        blocks=tuple(
            replace(block, soc_pct=soc) for block, soc in zip(picture.blocks, (40.0, 60.0, 80.0), strict=True)
        ),
    )

    all_share = replace(DESERT, control=replace(DESERT.control, fewest_units_frac=0.0))

    giving = step(all_share, uneven, None, steady(DESERT, uneven, Mode.ISLAND))
    sunny = healthy(DESERT, pv_kw=_load_kw(DESERT) + 3000.0)
    uneven_sunny = replace(sunny, blocks=uneven.blocks)
    taking = step(all_share, uneven_sunny, None, steady(DESERT, uneven_sunny, Mode.ISLAND))

    tech_pct = DESERT.batteries[0].soc_tech_min_pct
    low, middle, high = (block.power_kw for block in giving.setpoints.blocks)
    assert low / middle == pytest.approx((40.0 - tech_pct) / (60.0 - tech_pct))
    assert high / middle == pytest.approx((80.0 - tech_pct) / (60.0 - tech_pct))
    charges = [block.power_kw for block in taking.setpoints.blocks]
    assert charges[0] < charges[1] < charges[2] < 0.0


@pytest.mark.parametrize("site", [CAMPUS, DESERT], ids=["campus", "desert"])
def test_one_silent_pv_block_does_not_turn_the_field_into_night(site: Site) -> None:
    mode = Mode.ISLAND if site.grid is None else Mode.GRID
    picture = healthy(site, soc_pct=70.0, pv_kw=2000.0)
    plan = flat_plan(site, load_kw=_load_kw(site), pv_kw=2000.0, storage_kw=500.0, stored_kwh=4e4)
    state = steady(site, picture, mode)

    known = step(site, picture, plan, state)
    silent = step(site, _one_pv_silent(picture), plan, state)

    assert _storage_kw(silent) == pytest.approx(_storage_kw(known))


def test_two_unknown_sources_count_with_what_is_known_of_them() -> None:
    picture = with_sets(healthy(DESERT, soc_pct=70.0, pv_kw=2000.0), {"gen01": 900.0})
    odd = replace(picture.gensets[1], power_kw=None)
    picture = replace(_one_pv_silent(picture), gensets=(picture.gensets[0], odd, picture.gensets[2]), spread_s=0.0)

    decision = step(DESERT, picture, None, steady(DESERT, picture, Mode.ISLAND))

    # one PV block of two (1 MW) and the set that is known (900 kW)
    assert _storage_kw(decision) == pytest.approx(_load_kw(DESERT) - 1000.0 - 900.0)


def test_a_silent_block_leaves_its_share_to_the_others() -> None:
    picture = healthy(CAMPUS, soc_pct=70.0)
    plan = flat_plan(CAMPUS, load_kw=LOAD_KW, storage_kw=1500.0, stored_kwh=4e4)
    lost = replace(picture.blocks[0], controllable=False)
    picture = replace(picture, blocks=(lost, *picture.blocks[1:]))

    decision = step(CAMPUS, picture, plan, steady(CAMPUS, picture, Mode.GRID))

    assert {block.id: block.power_kw for block in decision.setpoints.blocks} == pytest.approx(
        {"bess02": 750.0, "bess03": 750.0}
    )


def test_the_billing_interval_is_counted_and_closed() -> None:
    grid = CAMPUS.grid
    assert grid is not None
    assert grid.tariff.demand is not None
    picture = healthy(CAMPUS)
    interval_s = 60.0 * grid.tariff.demand.interval_min
    state = replace(steady(CAMPUS, picture, Mode.GRID), billed=BilledImport())

    decisions = run_for(CAMPUS, picture, state, interval_s + 2.0)

    # each cycle counts the second that lies behind it; the first cycle is at the boundary
    running, closed, after = (decision.state.billed for decision in decisions[-3:])
    assert running.interval_kwh == pytest.approx(LOAD_KW * (interval_s - 1.0) / 3600.0)
    assert closed.interval_kwh == 0.0
    assert closed.peak_kw == pytest.approx(LOAD_KW)
    assert after.interval_kwh == pytest.approx(LOAD_KW / 3600.0)


def test_an_unknown_grid_power_waits_to_be_counted() -> None:
    picture = healthy(CAMPUS)
    assert picture.pcc is not None
    silent = replace(picture, pcc=replace(picture.pcc, power_kw=None))
    state = steady(CAMPUS, picture, Mode.GRID)

    decision = step(CAMPUS, at(silent, NOW_S), None, state)

    assert decision.state.billed == state.billed


def _on_grid(*, planned_kw: float | None, soc_pct: float = 70.0, site: Site = CAMPUS) -> Decision:
    """Return a cycle on the grid with all energy known."""
    picture = healthy(site, soc_pct=soc_pct)
    plan = None
    if planned_kw is not None:
        plan = flat_plan(site, load_kw=LOAD_KW, storage_kw=planned_kw, stored_kwh=4e4)
    return step(site, picture, plan, steady(site, picture, Mode.GRID))


def _one_pv_silent(picture: SiteSnapshot) -> SiteSnapshot:
    dark = PvState(
        id=picture.pv[0].id, power_kw=None, available_kw=None, limit_kw=None, controllable=False, energy_wh=None
    )
    return replace(picture, pv=(dark, *picture.pv[1:]))


def _storage_kw(decision: Decision) -> float:
    return sum(block.power_kw for block in decision.setpoints.blocks)


def _genset_kw(decision: Decision, unit: str) -> float:
    return genset_kw(decision, unit)
