"""From a shipped site, its condition and forecasts to the planning problem."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import hypot
from typing import Any

import pytest

from ems.dispatch.formulate import formulate
from ems.dispatch.formulate.demand import on_steps
from ems.dispatch.formulate.supply import expected_outage_h
from ems.dispatch.refusal import refusals
from ems.model.forecast import EvenSeries
from ems.model.grid import AnnouncedOutage, OutageStatistics
from ems.model.plan import PlanSource
from ems.model.problem import Contingency, ContingencyKind, Loss, PlanningProblem
from ems.model.site import Site, SlowReserve
from ems.model.timegrid import TimeGrid
from ems.reserve import R2_WITHIN_S
from ems.thermal.plant import cooling_power
from tests.dispatch.sites import NOON, condition, outlook, site
from tests.dispatch.solving import gensets_kw, n_on, solved, storage_kw

DESERT, CAMPUS = "desert-offgrid", "weak-grid-campus"


def test_terminal_value_of_every_piece_lies_below_the_cost_of_charging_from_a_set() -> None:
    desert = site(DESERT)

    stated = formulate(desert, condition(desert), outlook(desert), previous=None, problem_id="p")

    (pool,), (sets,) = stated.pools, stated.gensets
    cheapest_l_per_kwh = min(segment.fuel_l_per_kwh for segment in sets.segments)
    charging_cost = cheapest_l_per_kwh * desert.economics.fuel_cost_per_l / pool.charge_eff_frac
    assert [piece.value_per_kwh < charging_cost for piece in pool.terminal_value] == [True, True]


def test_terminal_value_is_concave() -> None:
    desert = site(DESERT)

    (pool,) = formulate(desert, condition(desert), outlook(desert), previous=None, problem_id="p").pools

    assert all(first.value_per_kwh >= later.value_per_kwh for first, later in pairwise(pool.terminal_value))
    assert sum(piece.width_kwh for piece in pool.terminal_value) == pytest.approx(
        pool.max_stored_kwh - pool.min_stored_kwh
    )


def test_no_plan_of_the_desert_site_burns_fuel_to_end_with_more_than_it_needs() -> None:
    desert = site(DESERT)
    stated = formulate(desert, condition(desert, soc_frac=0.6), outlook(desert), previous=None, problem_id="p")
    worthless = replace(stated, pools=(replace(stated.pools[0], terminal_value=()),))

    litres, least = solved(stated).objective.fuel_cost, solved(worthless).objective.fuel_cost

    assert litres == pytest.approx(least, rel=0.01)


def test_load_is_demand_with_cooling_auxiliaries_and_losses() -> None:
    desert = site(DESERT)

    load = formulate(desert, condition(desert), outlook(desert), previous=None, problem_id="p").load

    it_kw = load.it_kw[0]
    served_kw = it_kw + load.cooling_kw(0, it_kw)
    served_kw += load.aux_frac_of_it * it_kw + load.aux_constant_kw[0]
    assert load.demand_kw(0) == pytest.approx((1.0 + desert.economics.site_loss_frac) * served_kw)


@pytest.mark.parametrize("ambient_degc", [0.0, 20.0, 30.0, 40.0])
def test_cooling_follows_the_plant_at_every_load_and_is_never_negative(ambient_degc: float) -> None:
    desert = site(DESERT)
    stated = formulate(
        desert, condition(desert), outlook(desert, ambient_degc=ambient_degc), previous=None, problem_id="p"
    )

    design_kw = desert.cooling.design_heat_kw_th
    for it_kw in (0.3 * design_kw, 0.5 * design_kw, design_kw):
        plant_kw = cooling_power(desert.cooling, it_kw=it_kw, ambient_degc=ambient_degc).load_kw
        # raised by no more than the jump of the fans, 2.5 % of design
        assert -0.02 * it_kw <= stated.load.cooling_kw(0, it_kw) - plant_kw <= 0.025 * design_kw
    assert stated.load.cooling_kw(0, 0.0) > 0.0


def test_cooling_is_scaled_by_what_was_measured() -> None:
    desert = site(DESERT)
    measured = replace(outlook(desert), cooling_ratio_frac=1.2)

    model = formulate(desert, condition(desert), outlook(desert), previous=None, problem_id="p").load
    scaled = formulate(desert, condition(desert), measured, previous=None, problem_id="p").load

    assert scaled.cooling_kw(0, 4000.0) == pytest.approx(1.2 * model.cooling_kw(0, 4000.0))


def test_site_that_loses_every_source_has_a_plan_that_says_so() -> None:
    desert = site(DESERT)
    dark = formulate(desert, condition(desert), outlook(desert), previous=None, problem_id="p")
    idle = replace(dark.gensets[0], units=tuple(replace(each, available=False) for each in dark.gensets[0].units))
    (pool,) = dark.pools
    empty = replace(pool, stored_kwh=pool.min_stored_kwh, no_load_kw=0.0, self_discharge_frac_per_h=0.0)
    unsecured = replace(dark.reserve, classes=(), floor_kwh=(0.0,) * dark.grid.n_steps)

    plan = solved(replace(dark, gensets=(idle,), pools=(empty,), reserve=unsecured))

    assert plan.relaxed == ("unserved",)
    assert max(step.it_kw for step in plan.steps) == pytest.approx(0.0)


def test_net_q90_adds_the_errors_of_load_and_pv_as_squares() -> None:
    desert = site(DESERT)
    neutral = replace(desert, planning=replace(desert.planning, optimism_frac=0.0))
    forecasts = outlook(desert, pv_kw=(2000.0, 3000.0, 4000.0))

    stated = formulate(neutral, condition(desert), forecasts, previous=None, problem_id="p")

    load, available_kw = stated.load, stated.available_pv_kw(0)
    load_error_kw = load.load_q90_kw[0] - load.demand_kw(0)
    pv_error_kw = 1000.0 * len(desert.pv)
    expected = load.demand_kw(0) - available_kw + (load_error_kw**2 + pv_error_kw**2) ** 0.5
    assert load.net_q90_kw[0] == pytest.approx(expected)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_optimism_moves_medians_towards_their_favourable_quantiles(share: float) -> None:
    desert = site(DESERT)
    shaped = replace(desert, planning=replace(desert.planning, optimism_frac=share))

    stated = formulate(
        shaped, condition(desert), outlook(desert, pv_kw=(2000.0, 3000.0, 4000.0)), previous=None, problem_id="p"
    )

    assert stated.pv[0].available_kw[0] == pytest.approx(3000.0 + share * 1000.0)
    assert stated.pv[0].available_q10_kw[0] == pytest.approx(2000.0)
    assert stated.load.it_kw[0] == pytest.approx(4000.0 - share * 400.0)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_negative_optimism_moves_medians_towards_their_unfavourable_quantiles(share: float) -> None:
    desert = site(DESERT)
    shaped = replace(desert, planning=replace(desert.planning, optimism_frac=-share))

    stated = formulate(
        shaped, condition(desert), outlook(desert, pv_kw=(2500.0, 3000.0, 4000.0)), previous=None, problem_id="p"
    )

    # the low quantile lies nearer than the high one
    assert stated.pv[0].available_kw[0] == pytest.approx(3000.0 - share * 500.0)
    assert stated.pv[0].available_q10_kw[0] == pytest.approx(2500.0)
    assert stated.load.it_kw[0] == pytest.approx(4000.0 + share * 400.0)


def test_forecast_that_ends_before_the_horizon_is_refused_by_name() -> None:
    desert = site(DESERT)

    with pytest.raises(ValueError, match="PV pv does not cover 2026-01-09"):
        formulate(desert, condition(desert), outlook(desert, horizon_h=20.0), previous=None, problem_id="p")


def test_mean_over_a_step_is_that_of_the_series() -> None:
    series = EvenSeries(start_utc=NOON, step_s=900.0, values=(10.0, 20.0, 30.0, 40.0))
    grid = TimeGrid(start_utc=NOON, duration_h=(0.25, 0.5, 0.125))

    assert on_steps(series, grid, name="x") == pytest.approx((10.0, 25.0, 40.0))


def test_contingencies_are_those_that_the_site_is_to_survive() -> None:
    campus, desert = site(CAMPUS), site(DESERT)

    with_grid = formulate(
        campus, condition(campus), outlook(campus, carbon_kgco2e_per_kwh=0.4), previous=None, problem_id="p"
    )
    island = formulate(desert, condition(desert), outlook(desert), previous=None, problem_id="p")

    assert _kinds(with_grid) == set(campus.reserve.survive)
    assert ContingencyKind.GRID not in _kinds(island)


def _kinds(stated: PlanningProblem) -> set[ContingencyKind]:
    return {loss.kind for contingency in stated.reserve.contingencies for loss in contingency.losses}


def test_steps_end_where_the_price_changes() -> None:
    campus = site(CAMPUS)
    assert campus.grid is not None

    stated = formulate(campus, condition(campus), outlook(campus), previous=None, problem_id="p")

    assert stated.connection is not None
    for start, hours, price in zip(
        stated.grid.starts_utc, stated.grid.duration_h, stated.connection.price_per_kwh, strict=True
    ):
        last = start + timedelta(hours=hours) - timedelta(seconds=1)
        assert campus.grid.tariff.price_per_kwh(last) == price


def test_announced_outage_cuts_the_steps_and_opens_the_connection() -> None:
    campus = site(CAMPUS)
    assert campus.grid is not None
    outage = AnnouncedOutage(start_utc=NOON + timedelta(hours=14.4), end_utc=NOON + timedelta(hours=16.9))
    announced = replace(campus, grid=replace(campus.grid, announced=(outage,)))

    stated = formulate(announced, condition(campus), outlook(campus), previous=None, problem_id="p")

    assert stated.connection is not None
    steps = zip(stated.grid.duration_h, stated.connection.connected, strict=True)
    assert sum(hours for hours, on in steps if not on) == pytest.approx(2.5)


def test_running_outage_is_expected_to_last_its_mean_residual() -> None:
    statistics = OutageStatistics(share_of_year_frac=0.01, mean_h=1.5, longest_h=4.5)

    # mean residual = (longest - elapsed) * mean / longest; never less than a quarter of an hour
    assert expected_outage_h(statistics, lost_h=0.0) == pytest.approx(1.5)
    assert expected_outage_h(statistics, lost_h=1.5) == pytest.approx(1.0)
    assert expected_outage_h(statistics, lost_h=9.0) == pytest.approx(0.25)


def test_lost_grid_is_away_for_the_time_that_the_outage_is_expected_to_last() -> None:
    campus = site(CAMPUS)
    assert campus.grid is not None
    expected_h = expected_outage_h(campus.grid.outages, lost_h=0.5)

    stated = formulate(campus, condition(campus, lost_h=0.5), outlook(campus), previous=None, problem_id="p")

    assert stated.connection is not None
    for offset, on in zip(stated.grid.offset_h, stated.connection.connected, strict=False):
        assert bool(on) is (offset >= expected_h)


def test_quarters_share_a_billing_interval_of_half_an_hour() -> None:
    campus = site(CAMPUS)
    assert campus.grid is not None
    assert campus.grid.tariff.demand is not None
    tariff = replace(campus.grid.tariff, demand=replace(campus.grid.tariff.demand, interval_min=30))
    halves = replace(campus, grid=replace(campus.grid, tariff=tariff))
    at = datetime(2026, 1, 10, 12, 20, tzinfo=UTC)

    stated = formulate(halves, condition(halves, at=at), outlook(halves, at=at), previous=None, problem_id="p")

    assert stated.connection is not None
    month = stated.connection.demand[0]
    starts = stated.grid.starts_utc
    # 12:20 to 12:30, then halves of two quarters, then hours
    assert [starts[end] for end in month.interval_ends[:3]] == [
        datetime(2026, 1, 10, 12, 30, tzinfo=UTC),
        datetime(2026, 1, 10, 13, 0, tzinfo=UTC),
        datetime(2026, 1, 10, 13, 30, tzinfo=UTC),
    ]
    assert month.intervals()[-1] == (stated.grid.n_steps - 1, stated.grid.n_steps)


def test_each_billing_month_of_the_horizon_has_its_own_floor() -> None:
    campus = site(CAMPUS)
    assert campus.grid is not None
    charge = campus.grid.tariff.demand
    assert charge is not None
    # noon UTC on 30 January; the local month ends on 31 January 15:00 UTC
    at = datetime(2026, 1, 30, 12, tzinfo=UTC)

    stated = formulate(campus, condition(campus, at=at), outlook(campus, at=at), previous=None, problem_id="p")

    assert stated.connection is not None
    january, february = stated.connection.demand
    assert stated.grid.starts_utc[february.first_step] == datetime(2026, 1, 31, 15, tzinfo=UTC)
    assert (january.first_step, january.end_step, february.end_step) == (
        0,
        february.first_step,
        stated.grid.n_steps,
    )
    assert (january.running_kwh, february.running_kwh) == (50.0, 0.0)
    # quarters stay alone, hours too: both fill their billing intervals
    assert january.interval_ends == tuple(range(1, january.end_step + 1))
    assert january.floor_kw == max(charge.ratchet_kw, charge.expected_peak_kw, 1000.0)


def test_holding_energy_against_outages_is_worth_less_the_longer_the_outage_must_be() -> None:
    campus = site(CAMPUS)

    (pool,) = formulate(campus, condition(campus), outlook(campus), previous=None, problem_id="p").pools

    values = [piece.value_per_kwh for piece in pool.hold_value_per_h]
    assert len(values) == 4
    assert values == sorted(values, reverse=True)
    assert values[-1] > 0.0


def test_previous_commitment_is_that_of_the_plan_which_was_followed() -> None:
    desert = site(DESERT)
    stated = formulate(desert, condition(desert, soc_frac=0.15), outlook(desert), previous=None, problem_id="p")
    last = solved(stated)
    fallback = replace(last, source=PlanSource.MERIT_ORDER)

    again = formulate(desert, condition(desert), outlook(desert), previous=last, problem_id="q")
    fresh = formulate(desert, condition(desert), outlook(desert), previous=fallback, problem_id="q")

    (commitment,) = again.previous
    assert list(commitment.n_on) == n_on(last)[: len(commitment.n_on)]
    # the whole horizon, of which four hours of quarters are compared
    assert len(commitment.n_on) == again.grid.n_steps
    assert again.n_change_steps == 16
    assert fresh.previous == ()


def test_plan_that_was_made_for_other_sets_says_nothing_about_these() -> None:
    desert = site(DESERT)
    last = solved(formulate(desert, condition(desert), outlook(desert), previous=None, problem_id="p"))
    (genset,) = desert.gensets
    renamed = replace(desert, gensets=(replace(genset, id="turbine"),))
    joined = replace(desert, gensets=(genset, replace(genset, id="turbine")))

    for reloaded in (renamed, joined):
        stated = formulate(reloaded, condition(reloaded), outlook(reloaded), previous=last, problem_id="q")

        assert stated.previous == ()


def test_previous_commitment_goes_by_the_name_of_the_class() -> None:
    desert = site(DESERT)
    last = solved(formulate(desert, condition(desert), outlook(desert), previous=None, problem_id="p"))
    ran = replace(last.steps[0].gensets[0], n_on=3)
    steps = tuple(replace(step, gensets=(replace(ran, id="turbine", n_on=1), ran)) for step in last.steps)

    stated = formulate(desert, condition(desert), outlook(desert), previous=replace(last, steps=steps), problem_id="q")

    (commitment,) = stated.previous
    assert (commitment.id, set(commitment.n_on)) == (desert.gensets[0].id, {3})


def test_previous_commitment_leaves_out_units_that_the_class_has_no_more() -> None:
    desert = site(DESERT)
    last = solved(formulate(desert, condition(desert), outlook(desert), previous=None, problem_id="p"))
    (genset,) = desert.gensets
    steps = tuple(replace(step, gensets=(replace(step.gensets[0], n_on=3),)) for step in last.steps)
    smaller = replace(desert, gensets=(replace(genset, unit_ids=genset.unit_ids[:2]),))

    stated = formulate(
        smaller, condition(smaller), outlook(smaller), previous=replace(last, steps=steps), problem_id="q"
    )

    (commitment,) = stated.previous
    assert set(commitment.n_on) == {2}
    assert not [refusal for refusal in refusals(stated) if refusal.path.startswith("previous")]


def test_plan_of_the_desert_site_in_the_dark_serves_the_load_from_sets_and_store() -> None:
    desert = site(DESERT)
    stated = formulate(desert, condition(desert, soc_frac=0.3), outlook(desert), previous=None, problem_id="p")

    plan = solved(stated)

    supplied = [sets + store for sets, store in zip(gensets_kw(plan), storage_kw(plan), strict=True)]
    assert supplied == pytest.approx([stated.load.demand_kw(t) for t in range(stated.grid.n_steps)], rel=1e-6)
    assert plan.relaxed == ()


SLOW = SlowReserve(sustain_s=1800.0, pv_drop_frac=0.6, error_quantile_frac=0.99, start_quantile_frac=0.999)


def with_policy(of: Site, **changes: Any) -> Site:  # fields of a reserve policy
    return replace(of, reserve=replace(of.reserve, **changes))


def stated_for(of: Site, **forecasts: Any) -> PlanningProblem:  # arguments of the outlook
    believed = replace(outlook(of, pv_kw=(10000.0, 12000.0, 13000.0)), **forecasts)
    return formulate(of, condition(of), believed, previous=None, problem_id="p")


def test_class_r2_exists_only_where_the_site_asks_for_it() -> None:
    desert = with_policy(site(DESERT), r2=None, curtailed_counts=False, down_slow=False)

    plain = stated_for(desert)
    asked = stated_for(with_policy(desert, r2=SLOW, curtailed_counts=True, down_slow=True))

    assert [each.id for each in plain.reserve.classes] == ["r0", "r1"]
    assert not plain.reserve.down_slow
    assert plain.gensets[0].n_start_failures == 0
    r0, r1, r2 = asked.reserve.classes
    assert (r2.id, r2.starts_count, r2.sustain_h, r2.pv_drop_frac) == ("r2", True, 0.5, 0.6)
    assert [each.curtailed_counts for each in (r0, r1, r2)] == [False, True, False]
    assert asked.reserve.down_slow


def test_forecast_error_of_r2_is_the_configured_share_until_a_record_exists() -> None:
    desert = with_policy(site(DESERT), r2=SLOW)
    policy, rated_kw = desert.reserve, desert.pv[0].total_ac_kw

    cold = stated_for(desert)
    known = stated_for(desert, load_error_frac=0.02, pv_error_frac=(0.25,))

    load_kw = cold.load.demand_kw(0)
    fixed = (policy.swing_kw, desert.it.job_step_kw)
    available_kw = cold.pv[0].available_kw[0]
    cold_pv_kw = min(policy.forecast_error_pv_frac * rated_kw, 0.5 * available_kw)
    assert cold.reserve.classes[2].variation_kw[0] == pytest.approx(
        hypot(*fixed, policy.forecast_error_load_frac * load_kw, cold_pv_kw)
    )
    assert known.reserve.classes[2].variation_kw[0] == pytest.approx(hypot(*fixed, 0.02 * load_kw, 0.25 * available_kw))
    # R1 knows no forecast error
    assert cold.reserve.classes[1].variation_kw[0] == pytest.approx(hypot(*fixed))


def test_sets_that_carry_too_late_never_count_in_r2() -> None:
    desert = with_policy(site(DESERT), r2=SLOW)
    sets = desert.gensets[0]
    late = replace(desert, gensets=(replace(sets, start_s=R2_WITHIN_S),))

    assert 1 <= stated_for(desert).gensets[0].n_start_failures < sets.n_units
    assert stated_for(late).gensets[0].n_start_failures == sets.n_units


def test_common_losses_of_the_site_stand_beside_the_single_ones() -> None:
    section = Contingency(id="section", losses=(Loss(kind=ContingencyKind.GENSET, member="gen", count=2),))
    desert = site(DESERT)

    plain, asked = stated_for(desert), stated_for(with_policy(desert, contingencies=(section,)))

    assert asked.reserve.contingencies == (*plain.reserve.contingencies, section)


def test_auxiliaries_of_containers_follow_the_forecast_ambient_where_their_cooling_is_configured() -> None:
    desert = site("desert-offgrid")
    cooled = replace(desert, batteries=tuple(replace(pool, cooling_power_frac=0.4) for pool in desert.batteries))
    n_containers = sum(len(block.container_ids) for pool in desert.batteries for block in pool.blocks)

    def aux_kw(of: Site, ambient_degc: float) -> float:
        believed = outlook(of, ambient_degc=ambient_degc)
        problem = formulate(of, condition(of), believed, previous=None, problem_id="p")
        assert set(problem.load.aux_constant_kw) == {problem.load.aux_constant_kw[0]}
        return problem.load.aux_constant_kw[0]

    # 0.08 kW/K through the envelope of 5 MWh above 28 degC, at a COP of 2.5
    scale = desert.batteries[0].container_kwh / 5000.0
    assert aux_kw(cooled, 48.0) - aux_kw(cooled, 20.0) == pytest.approx(n_containers * scale * 0.08 * 20.0 / 2.5)
    assert aux_kw(cooled, 28.0) == pytest.approx(aux_kw(desert, 48.0))


def test_auxiliaries_change_from_step_to_step_with_the_ambient() -> None:
    desert = site("desert-offgrid")
    cooled = replace(desert, batteries=tuple(replace(pool, cooling_power_frac=0.4) for pool in desert.batteries))
    believed = outlook(cooled)
    series = believed.ambient_degc.values
    # 20 degC in the first 24 h, 45 degC afterwards
    hot = replace(series, values=tuple(20.0 if hour < 25 else 45.0 for hour in range(len(series.values))))
    believed = replace(believed, ambient_degc=replace(believed.ambient_degc, values=hot))

    problem = formulate(cooled, condition(cooled), believed, previous=None, problem_id="p")

    assert problem.load.aux_constant_kw[-1] > problem.load.aux_constant_kw[0] + 1.0
    assert problem.demand_kw(0) < problem.demand_kw(problem.grid.n_steps - 1)
