"""What stands in the configuration of storage, connection and carbon, on the plan's steps."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ems.dispatch.formulate import formulate
from ems.dispatch.refusal import accept
from ems.model.battery import (
    BatteryPool,
    DepthWear,
    DeratingPoint,
    DwellWear,
    FullCharges,
    TaperPoint,
    Warranty,
)
from ems.model.carbon_budget import BudgetPeriod, CarbonAllowance, CarbonSpent
from ems.model.condition import SiteCondition
from ems.model.forecast import EvenSeries, PriceForecast
from ems.model.grid import FlowGroup
from ems.model.plan import Plan
from ems.model.problem import PlanningProblem, PoolProblem
from ems.model.site import Site
from tests.dispatch.sites import NOON, condition, outlook, site
from tests.dispatch.solving import solved

DESERT = site("desert-offgrid")
CAMPUS = site("weak-grid-campus")
POOL = DESERT.batteries[0]
HALF_FROM_25 = (
    DeratingPoint(cell_degc=20.0, charge_frac=1.0, discharge_frac=1.0),
    DeratingPoint(cell_degc=25.0, charge_frac=1.0, discharge_frac=1.0),
    DeratingPoint(cell_degc=25.0, charge_frac=0.5, discharge_frac=0.75),
)


def with_pool(**changes: object) -> Site:
    return replace(DESERT, batteries=(replace(POOL, **changes),))  # type: ignore[arg-type]  # any field of a pool


def stated(
    of: Site, *, warm_degc: float | None = None, previous: Plan | None = None, **pool: object
) -> PlanningProblem:
    measured = condition(of)
    (state,) = measured.pools
    changed = replace(state, cell_max_degc=warm_degc, **pool)  # type: ignore[arg-type]  # any field of a condition
    measured = replace(measured, pools=(changed,))
    return formulate(of, measured, outlook(of, ambient_degc=30.0), previous=previous, problem_id="p")


def pool_of(of: Site, *, warm_degc: float | None = None, previous: Plan | None = None, **pool: object) -> PoolProblem:
    return stated(of, warm_degc=warm_degc, previous=previous, **pool).pools[0]


def test_shipped_pool_has_constant_limits_and_no_wear_beyond_its_price() -> None:
    pool = pool_of(DESERT, warm_degc=25.0)

    assert set(pool.max_charge_kw) == {POOL.rated_charge_kw}
    assert set(pool.max_discharge_kw) == {POOL.rated_discharge_kw}
    assert pool == replace(
        pool, charge_by_soc=(), discharge_by_soc=(), depth_wear=(), dwell_cost_per_kwh=0.0, throughput_budget=None,
        recalibration=None, aux_frac_of_power=0.0,
    )  # fmt: skip


def test_limits_follow_the_forecast_temperature_of_the_cells() -> None:
    # 24.9 degC warm up towards 30 degC of air and pass 25 degC within the horizon
    pool = pool_of(with_pool(derating=HALF_FROM_25), warm_degc=24.9)

    assert pool.max_charge_kw[0] == pytest.approx(POOL.rated_charge_kw)
    assert pool.max_charge_kw[-1] == pytest.approx(0.5 * POOL.rated_charge_kw)
    assert pool.max_discharge_kw[-1] == pytest.approx(0.75 * POOL.rated_discharge_kw)


def test_limit_that_is_measured_derated_rises_again_as_the_cells_cool() -> None:
    # at 40 degC the guard leaves (50 - 40) / (50 - 35) of 2/3; the chiller brings the cells to 28 degC
    pool = pool_of(DESERT, warm_degc=40.0, max_charge_kw=POOL.rated_charge_kw * 2.0 / 3.0)

    assert pool.max_charge_kw[0] == pytest.approx(POOL.rated_charge_kw * 2.0 / 3.0)
    assert pool.max_charge_kw[-1] == pytest.approx(POOL.rated_charge_kw)


def test_power_of_the_previous_plan_warms_the_cells() -> None:
    warm = with_pool(derating=HALF_FROM_25)
    quiet = solved(stated(warm, warm_degc=20.0))
    # 1250 kW through each of 40 containers give 18 kW of heat: 2 K in an hour
    steps = (
        replace(step, pools=(replace(step.pools[0], charge_kw=0.0, discharge_kw=50_000.0),)) for step in quiet.steps
    )
    busy = replace(quiet, steps=tuple(steps))

    rested, worked = pool_of(warm, warm_degc=20.0), pool_of(warm, warm_degc=20.0, previous=busy)

    assert sum(worked.max_charge_kw) < sum(rested.max_charge_kw)


def test_unknown_temperature_leaves_the_measured_limits() -> None:
    pool = pool_of(with_pool(derating=HALF_FROM_25), max_charge_kw=1234.0)

    assert set(pool.max_charge_kw) == {1234.0}


def test_reactive_power_takes_from_the_pcs_what_the_circle_leaves() -> None:
    # 6000 kVA and 3600 kvar leave 4800 kW
    pool = pool_of(with_pool(reactive_kvar=3600.0))

    assert pool.max_discharge_kw[0] == pytest.approx(4800.0 * POOL.n_blocks)
    assert with_pool(pcs_kva=7500.0, reactive_kvar=4500.0).batteries[0].usable_pcs_kw == pytest.approx(6000.0)


def test_taper_becomes_lines_of_power_by_stored_energy() -> None:
    taper = (TaperPoint(soc_pct=80.0, power_frac=1.0), TaperPoint(soc_pct=100.0, power_frac=0.2))
    pool = pool_of(with_pool(charge_taper=taper))

    (line,) = pool.charge_by_soc
    full_kwh, rated_kw = POOL.rated_kwh, POOL.rated_charge_kw
    assert line.c0_kw + line.c1_per_h * 0.8 * full_kwh == pytest.approx(rated_kw)
    assert line.c0_kw + line.c1_per_h * full_kwh == pytest.approx(0.2 * rated_kw)


def test_wear_of_the_configuration_stands_in_the_problem() -> None:
    pool = pool_of(
        with_pool(
            depth_wear=(DepthWear(width_frac=0.4, cost_per_kwh=0.0), DepthWear(width_frac=0.6, cost_per_kwh=0.03)),
            dwell=DwellWear(above_pct=80.0, cost_per_kwh=0.0001),
            warranty=Warranty(throughput_kwh=8760.0 * 1000.0, price_per_kwh=0.02),
            aux_frac_of_power=0.016,
        )
    )

    assert [piece.width_kwh for piece in pool.depth_wear] == pytest.approx([0.4 * POOL.rated_kwh, 0.6 * POOL.rated_kwh])
    assert (pool.dwell_above_kwh, pool.dwell_cost_per_kwh) == pytest.approx((0.8 * POOL.rated_kwh, 0.0001))
    # 1000 kWh in each hour of the 48 h
    assert pool.throughput_budget is not None
    assert pool.throughput_budget.energy_kwh == pytest.approx(48_000.0)
    assert pool.aux_frac_of_power == 0.016


@pytest.mark.parametrize(
    ("full_since_h", "first_h", "end_h"),
    [(None, 0.0, 12.0), (1000.0, 0.0, 12.0), (700.0, 20.0, 32.0), (715.0, 5.0, 17.0)],
)
def test_full_charge_is_due_some_hours_after_the_last_one(
    full_since_h: float | None, first_h: float, end_h: float
) -> None:
    rule = FullCharges(every_h=720.0, window_h=12.0, missed_cost=100.0)
    problem = stated(with_pool(full_charges=rule), full_since_h=full_since_h)

    due = problem.pools[0].recalibration
    assert due is not None
    ends_h = problem.grid.offset_h[1:]
    assert first_h <= ends_h[due.first_step] <= first_h + 1.0
    assert end_h - 1.0 <= ends_h[due.end_step - 1] <= end_h + 1e-6


def test_full_charge_beyond_the_horizon_is_not_asked_for() -> None:
    rule = FullCharges(every_h=720.0, window_h=12.0, missed_cost=100.0)

    assert pool_of(with_pool(full_charges=rule), full_since_h=600.0).recalibration is None


@pytest.mark.parametrize(
    ("spread_pct", "full_since_h", "first_h"),
    [
        pytest.param(9.0, 100.0, 0.0, id="too far apart"),
        pytest.param(9.0, 40.0, 8.0, id="soon after the last one it waits"),
        pytest.param(7.0, 100.0, None, id="within the limit"),
        pytest.param(None, 100.0, None, id="no device tells"),
    ],
)
def test_full_charge_is_due_where_racks_are_too_far_apart(
    spread_pct: float | None, full_since_h: float, first_h: float | None
) -> None:
    rule = FullCharges(every_h=720.0, window_h=12.0, missed_cost=100.0)
    pool = with_pool(full_charges=rule, rack_spread_max_pct=8.0)

    problem = stated(pool, full_since_h=full_since_h, rack_spread_pct=spread_pct)

    due = problem.pools[0].recalibration
    if first_h is None:
        assert due is None
    else:
        assert due is not None
        assert first_h <= problem.grid.offset_h[1:][due.first_step] <= first_h + 1.0
        assert due.rack_spread_pct == spread_pct


def test_energy_that_racks_keep_apart_narrows_the_window_from_both_sides_and_lifts_the_floor() -> None:
    even = stated(with_pool())
    apart = stated(with_pool(), spread_below_kwh=300.0, spread_above_kwh=200.0)

    assert apart.pools[0].min_stored_kwh - even.pools[0].min_stored_kwh == pytest.approx(300.0)
    assert even.pools[0].max_stored_kwh - apart.pools[0].max_stored_kwh == pytest.approx(200.0)
    assert [high - low for low, high in zip(even.reserve.floor_kwh, apart.reserve.floor_kwh, strict=True)] == (
        pytest.approx([300.0] * len(even.reserve.floor_kwh))
    )


def on_campus(of: Site, measured: SiteCondition) -> PlanningProblem:
    return formulate(of, measured, outlook(of, carbon_kgco2e_per_kwh=0.4), previous=None, problem_id="p")


def spot(first: float, *, hours: int, export: bool) -> PriceForecast:
    """Return hourly prices from noon: the first once, then rising by one each hour."""
    values = tuple(first + hour for hour in range(hours))
    series = EvenSeries(start_utc=NOON, step_s=3600.0, values=values)
    return PriceForecast(import_price_per_kwh=series, export_price_per_kwh=series if export else None)


def with_prices(prices: PriceForecast | None) -> PlanningProblem:
    known = replace(outlook(CAMPUS, carbon_kgco2e_per_kwh=0.4), prices=prices)
    return formulate(CAMPUS, condition(CAMPUS), known, previous=None, problem_id="p")


def test_real_time_prices_hold_as_far_as_they_are_known() -> None:
    contract = with_prices(None).connection
    some = with_prices(spot(-2.0, hours=12, export=True)).connection
    assert contract is not None
    assert some is not None

    # quarters of twelve hours, then the contract
    assert some.price_per_kwh[:8] == (-2.0,) * 4 + (-1.0,) * 4
    assert some.export_price_per_kwh[4:8] == (-1.0,) * 4
    assert some.price_per_kwh[48:] == contract.price_per_kwh[48:]
    assert with_prices(spot(-2.0, hours=12, export=False)).connection == replace(
        some, export_price_per_kwh=contract.export_price_per_kwh
    )


def test_energy_at_the_end_is_worth_the_cheap_hours_of_real_time_prices() -> None:
    share = CAMPUS.planning.terminal_value_frac

    # the last day's prices are those of the hours 24 to 47; the six cheapest are 124 to 129
    assert with_prices(spot(100.0, hours=60, export=False)).pools[0].terminal_value[0].value_per_kwh == pytest.approx(
        share * 126.5
    )
    assert with_prices(spot(-100.0, hours=60, export=False)).pools[0].terminal_value[0].value_per_kwh == 0.0


def test_energy_at_the_end_is_worth_nothing_where_the_contract_pays_for_import() -> None:
    assert CAMPUS.grid is not None
    tariff = CAMPUS.grid.tariff
    seasons = tuple(
        replace(season, prices_per_kwh=tuple((name, -0.1) for name, _ in season.prices_per_kwh))
        for season in tariff.seasons
    )
    paid = replace(CAMPUS, grid=replace(CAMPUS.grid, tariff=replace(tariff, seasons=seasons)))

    stated = on_campus(paid, condition(paid))

    assert stated.connection is not None
    assert max(stated.connection.price_per_kwh) < 0.0
    assert [piece.value_per_kwh for piece in stated.pools[0].terminal_value] == [0.0]
    accept(stated)


def test_ramp_of_the_contract_starts_from_the_measured_exchange() -> None:
    assert CAMPUS.grid is not None
    ramped = replace(CAMPUS, grid=replace(CAMPUS.grid, ramp_kw_per_min=500.0))
    measured = condition(CAMPUS)
    assert measured.grid is not None
    known = replace(measured, grid=replace(measured.grid, exchange_kw=-250.0))

    connection, unknown = on_campus(ramped, known).connection, on_campus(ramped, measured).connection

    assert connection is not None
    assert unknown is not None
    assert (connection.ramp_kw_per_min, connection.now_kw) == (500.0, -250.0)
    assert unknown.ramp_kw_per_min is None


def test_groups_curtailment_price_and_carbon_budget_come_from_the_configuration() -> None:
    economics = replace(
        CAMPUS.economics,
        curtailment_price_per_kwh=7.0,
        carbon_budget=CarbonAllowance(
            kgco2e=1000.0, period=BudgetPeriod.DAY, excess_price_per_t=50_000.0, timezone=CAMPUS.place.timezone
        ),
    )
    group = FlowGroup(id="feeder", members=("grid", "bess"), limit_kw=9000.0)

    problem = on_campus(replace(CAMPUS, economics=economics, groups=(group,)), condition(CAMPUS))

    assert {plant.curtailment_price_per_kwh for plant in problem.pv} == {7.0}
    assert [(each.id, each.members, each.limit_kw) for each in problem.groups] == [("feeder", ("grid", "bess"), 9000.0)]
    assert problem.carbon_budget is not None
    assert problem.carbon_budget.kgco2e == pytest.approx(2000.0)
    assert problem.carbon_budget.price_per_kg == pytest.approx(50.0)
    assert on_campus(CAMPUS, condition(CAMPUS)).carbon_budget is None


def test_carbon_that_the_running_period_has_emitted_is_taken_from_the_budget() -> None:
    allowance = CarbonAllowance(
        kgco2e=365_000.0, period=BudgetPeriod.YEAR, excess_price_per_t=1.0, timezone=CAMPUS.place.timezone
    )
    site = replace(CAMPUS, economics=replace(CAMPUS.economics, carbon_budget=allowance))
    measured = condition(site)
    begin = allowance.begin_of(measured.utc)
    since = measured.utc - timedelta(days=30)

    def budget_kg(kgco2e: float) -> float:
        spent = CarbonSpent(period_begin_utc=begin, since_utc=since, kgco2e=kgco2e)
        budget = on_campus(site, replace(measured, carbon=spent)).carbon_budget
        assert budget is not None
        return budget.kgco2e

    # 1,000 kg a day, for the 30 days that were counted and the two of the horizon
    assert budget_kg(0.0) == pytest.approx(32_000.0)
    assert budget_kg(29_500.0) == pytest.approx(2500.0)
    assert budget_kg(40_000.0) == 0.0


@pytest.mark.parametrize(("degc", "charge", "discharge"), [(10.0, 1.0, 1.0), (25.0, 0.5, 0.75), (30.0, 0.5, 0.75)])
def test_lower_share_holds_at_a_jump_and_the_last_one_beyond_the_table(
    degc: float, charge: float, discharge: float
) -> None:
    pool: BatteryPool = replace(POOL, derating=HALF_FROM_25)

    assert pool.derating_fracs(degc) == (charge, discharge)
