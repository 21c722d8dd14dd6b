"""Storage, PV, grid and tariff: small problems whose optimum is worked out by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ems.dispatch.milp import shape as model_shape
from ems.dispatch.milp.engine import DispatchEngine
from ems.errors import DispatchError
from ems.model.plan import Plan, PlanStatus
from ems.model.problem import CarbonBudget, CoolingLineProblem, DemandProblem, LoadProblem, PlanningProblem
from ems.runtime.problem_file import read_problem
from tests.dispatch.problems import PRICES, connection, gensets, load, plant, pool, problem, reserve, unit
from tests.dispatch.solving import gensets_kw, refusals, solved, storage_kw, stored_kwh


def test_store_moves_energy_from_cheap_to_dear_hours_when_the_spread_pays() -> None:
    cheap_then_dear = connection([0.1, 0.1, 0.3, 0.3])

    plan = solved(problem([100.0] * 4, store=pool(4, stored_kwh=0.0, eff_frac=0.9), grid=cheap_then_dear))

    # 200 kWh delivered later need 200/0.81 kWh bought early
    assert plan.objective.energy_import_cost == pytest.approx(0.1 * (200.0 + 200.0 / 0.81))
    assert plan.objective.battery_wear_cost == pytest.approx(0.001 * 200.0)
    assert [step.import_kw for step in plan.steps[2:]] == pytest.approx([0.0, 0.0])


def test_store_rests_when_the_spread_does_not_pay_for_the_losses() -> None:
    plan = solved(
        problem([100.0] * 4, store=pool(4, stored_kwh=0.0, eff_frac=0.9), grid=connection([0.25, 0.25, 0.3, 0.3]))
    )

    # 0.25 / 0.81 = 0.309 > 0.3
    assert storage_kw(plan) == pytest.approx([0.0] * 4)
    assert plan.objective.total_cost() == pytest.approx(0.25 * 200.0 + 0.3 * 200.0)


def test_wear_above_the_spread_keeps_the_store_at_rest() -> None:
    store = pool(2, stored_kwh=0.0, wear_cost_per_kwh=0.25)

    plan = solved(problem([100.0] * 2, store=store, grid=connection([0.1, 0.3])))

    assert plan.objective.total_cost() == pytest.approx(40.0)


def test_self_discharge_and_no_load_are_taken_from_the_cells() -> None:
    store = pool(2, stored_kwh=500.0, eff_frac=0.9, self_discharge_frac_per_h=0.01, no_load_kw=9.0)

    plan = solved(problem([90.0, 0.0], store=store))

    # (90 + 9) / 0.9 = 110 out of 495 kept, then 9 / 0.9 = 10 out of 385 * 0.99
    assert stored_kwh(plan) == pytest.approx([385.0, 371.15])


def test_pv_above_load_and_charge_room_is_curtailed_free_of_charge() -> None:
    plan = solved(problem([100.0], pv=plant([250.0]), store=pool(1, stored_kwh=1000.0)))

    assert plan.steps[0].pv_kw == pytest.approx(100.0)
    assert plan.steps[0].surplus_kw == 0.0
    assert plan.objective.total_cost() == pytest.approx(0.0)


def test_pv_surplus_of_the_day_carries_the_night() -> None:
    plan = solved(problem([100.0] * 2, pv=plant([250.0, 0.0]), store=pool(2, stored_kwh=0.0, eff_frac=0.9)))

    assert plan.steps[0].unserved_kw == plan.steps[1].unserved_kw == 0.0
    assert storage_kw(plan)[1] == pytest.approx(100.0)


def test_charging_stops_at_the_power_limit() -> None:
    store = pool(2, stored_kwh=0.0, power_kw=60.0, terminal=[(1000.0, 0.05)])

    plan = solved(problem([0.0, 0.0], pv=plant([250.0, 250.0]), store=store))

    assert storage_kw(plan) == pytest.approx([-60.0, -60.0])


def test_an_hour_without_grid_is_served_from_the_store() -> None:
    grid = connection([0.1, 0.1, 0.1], connected=[1, 0, 1])

    plan = solved(problem([100.0] * 3, store=pool(3, stored_kwh=100.0), grid=grid))

    assert plan.steps[1].import_kw == 0.0
    assert storage_kw(plan)[1] == pytest.approx(100.0)


def test_export_earns_up_to_the_contract() -> None:
    grid = connection([0.1], export_limit_kw=200.0, export_price_per_kwh=0.05)

    plan = solved(problem([100.0], pv=plant([400.0]), grid=grid))

    assert plan.steps[0].export_kw == pytest.approx(200.0)
    assert plan.objective.energy_export_cost == pytest.approx(-10.0)


def test_import_above_the_limit_is_unserved_with_its_cooling_and_auxiliaries() -> None:
    demand = LoadProblem(
        it_kw=(100.0,),
        cooling=(CoolingLineProblem(c0_kw=(10.0,), c1_frac=(0.1,)),),
        aux_constant_kw=(5.0,),
        aux_frac_of_it=0.05,
        site_loss_frac=0.02,
        load_q90_kw=(132.6,),
        net_q90_kw=(132.6,),
        largest_block_kw=0.0,
    )

    # 1.02 * (100 + 10 + 10 + 5 + 5) = 132.6 kW; 10 kW of racks carry 1.02 * 1.15 * 10 = 11.73 kW
    plan = solved(problem(demand, grid=connection([0.1], import_limit_kw=132.6 - 11.73)))

    step = plan.steps[0]
    assert [step.it_kw, step.unserved_kw] == pytest.approx([90.0, 10.0])
    assert [step.cooling_kw, step.aux_kw] == pytest.approx([19.0, 9.5])
    assert plan.objective.unserved_cost == pytest.approx(10.0 * 11.73)
    assert plan.relaxed == ("unserved",)


def test_load_beyond_every_source_is_priced_not_infeasible() -> None:
    plan = solved(problem([100.0, 100.0], store=pool(2, stored_kwh=50.0)))

    assert sum(step.unserved_kw for step in plan.steps) == pytest.approx(150.0)
    assert plan.objective.unserved_cost == pytest.approx(1500.0)


def test_auxiliaries_go_unserved_only_after_every_rack() -> None:
    demand = replace(load([100.0]), aux_constant_kw=(20.0,))

    plan = solved(problem(demand, grid=connection([0.1], import_limit_kw=15.0)))

    assert plan.steps[0].it_kw == pytest.approx(0.0)
    assert plan.steps[0].unserved_kw == pytest.approx(105.0)
    assert plan.objective.unserved_cost == pytest.approx(10.0 * 100.0 + 11.0 * 5.0)


def test_store_that_stands_empty_and_draws_no_load_power_is_reported_as_missing_energy() -> None:
    plan = solved(problem([0.0], store=pool(1, stored_kwh=0.0, no_load_kw=10.0)))

    assert plan.relaxed == ("stored energy",)
    assert plan.objective.missing_cost == pytest.approx(1.2 * 10.0 * 10.0)


def _held_on_with_a_full_store(n_steps: int) -> PlanningProblem:
    sets = gensets([unit(1, on=True, since_h=0.0)], min_up_h=float(n_steps))
    return problem([20.0] * n_steps, sets=sets, store=pool(n_steps, stored_kwh=1000.0, eff_frac=0.9))


@pytest.mark.parametrize("n_steps", [1, 3])
def test_full_store_does_not_burn_the_surplus_of_a_set_that_must_stay_on(n_steps: int) -> None:
    plan = solved(_held_on_with_a_full_store(n_steps))

    # 30 kW at least against 20 kW of load; what the set makes too much in one hour it cannot save for the next
    assert plan.relaxed == ("surplus",)
    assert gensets_kw(plan) == pytest.approx([30.0] * n_steps)


@pytest.mark.parametrize("n_steps", [5, 24])
def test_full_store_does_not_burn_a_surplus_that_is_only_found_after_the_solve(
    monkeypatch: pytest.MonkeyPatch, n_steps: int
) -> None:
    monkeypatch.setattr(model_shape, "storage_needs_binary", lambda *_: False)

    plan = solved(_held_on_with_a_full_store(n_steps))

    # emptied in some hours the store could take the surplus of others: nothing is gained, each needs its set at least
    assert plan.relaxed == ("surplus",)
    assert plan.status is PlanStatus.OPTIMAL
    assert gensets_kw(plan) == pytest.approx([30.0] * n_steps)


def test_two_stores_of_which_one_would_burn_what_the_other_needs_are_solved_to_the_optimum() -> None:
    found = read_problem(Path(__file__).parent / "data/two_directions.json")

    plan = solved(replace(found, options=replace(found.options, gap_frac=0.0)))

    # the optimum of the same problem with every direction as a binary, by scipy.optimize.milp
    assert plan.status is PlanStatus.OPTIMAL
    assert plan.objective.total_cost() == pytest.approx(24.905, abs=1e-3)


def test_plan_whose_directions_are_fixed_for_want_of_time_states_its_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_shape, "storage_needs_binary", lambda *_: False)
    whole = DispatchEngine._planned

    def no_second(self: DispatchEngine, *args: Any, **given: Any) -> Plan:  # the engine's own arguments
        if args[1].one_way_throughout:
            raise DispatchError("no time")
        return whole(self, *args, **given)

    monkeypatch.setattr(DispatchEngine, "_planned", no_second)

    plan = solved(_held_on_with_a_full_store(5))

    assert plan.status is PlanStatus.FEASIBLE
    assert plan.gap_frac is not None
    assert plan.gap_frac > 0.0


def test_store_measured_above_its_window_is_feasible() -> None:
    store = replace(pool(1, stored_kwh=980.0), max_stored_kwh=950.0)

    plan = solved(problem([10.0], store=store))

    assert stored_kwh(plan) == pytest.approx([970.0])


@pytest.mark.parametrize(
    ("stored_kwh_at_start", "peak_kw", "cost"),
    [
        # the peak of 150 kW is paid anyway; both rows below it cost only energy and wear
        pytest.param(200.0, 150.0, 0.1 * 200.0 + 0.001 * 200.0, id="store shaves the peak"),
        pytest.param(100.0, 150.0, 0.1 * 300.0 + 0.001 * 150.0, id="store charges in the quiet hour"),
        pytest.param(0.0, 200.0, 0.1 * 400.0 + 0.001 * 100.0 + 5.0 * 50.0, id="peak is raised and paid"),
    ],
)
def test_demand_charge_counts_the_import_above_the_paid_peak(
    stored_kwh_at_start: float, peak_kw: float, cost: float
) -> None:
    month = DemandProblem(first_step=0, end_step=2, price_per_kw=5.0, floor_kw=150.0, running_kwh=0.0, running_h=0.0)

    plan = solved(
        problem(
            [100.0, 300.0],
            store=pool(2, stored_kwh=stored_kwh_at_start),
            grid=connection([0.1, 0.1], demand=[month]),
        )
    )

    assert max(step.import_kw for step in plan.steps) <= peak_kw + 1e-6
    assert plan.objective.total_cost() == pytest.approx(cost)


def test_first_step_shares_its_billing_interval_with_what_was_imported_before() -> None:
    month = DemandProblem(first_step=0, end_step=2, price_per_kw=5.0, floor_kw=150.0, running_kwh=100.0, running_h=0.5)

    plan = solved(problem([200.0, 100.0], grid=connection([0.0, 0.0], demand=[month]), duration_h=[0.5, 1.0]))

    # (100 kWh + 200 kW * 0.5 h) / 1 h = 200 kW
    assert plan.objective.demand_cost == pytest.approx(5.0 * (200.0 - 150.0))


def replace_demand(stated: PlanningProblem, month: DemandProblem) -> PlanningProblem:
    assert stated.connection is not None
    return replace(stated, connection=replace(stated.connection, demand=(month,)))


def test_steps_of_one_billing_interval_are_billed_by_their_mean() -> None:
    month = DemandProblem(
        first_step=0, end_step=3, price_per_kw=0.5, floor_kw=0.0, running_kwh=30.0, running_h=0.25, interval_ends=(1, 3)
    )
    stated = problem([100.0, 300.0, 100.0], grid=connection([0.0] * 3, demand=[month]), duration_h=[0.25] * 3)

    plan = solved(stated)
    alone = solved(replace_demand(stated, replace(month, interval_ends=())))

    # (30 + 25) kWh in the first half hour, (75 + 25) kWh in the second
    assert plan.objective.demand_cost == pytest.approx(0.5 * 200.0)
    assert alone.objective.demand_cost == pytest.approx(0.5 * 300.0)
    assert any("demand_cost" in sentence for sentence in refusals(replace_demand(stated, month), alone))


def test_each_billing_month_has_its_own_peak() -> None:
    months = [
        DemandProblem(first_step=t, end_step=t + 1, price_per_kw=5.0, floor_kw=floor, running_kwh=0.0, running_h=0.0)
        for t, floor in enumerate((90.0, 100.0))
    ]

    plan = solved(problem([100.0, 100.0], grid=connection([0.0, 0.0], demand=months)))

    assert plan.objective.demand_cost == pytest.approx(5.0 * 10.0)


@pytest.mark.parametrize(("hold_value", "kept_kwh"), [(0.35, 100.0), (0.2, 0.0)])
def test_energy_is_held_against_an_outage_while_that_is_worth_more_than_serving_the_load(
    hold_value: float, kept_kwh: float
) -> None:
    store = pool(1, stored_kwh=100.0, hold=[(100.0, hold_value)])

    plan = solved(problem([100.0], store=store, grid=connection([0.3])))

    assert stored_kwh(plan) == pytest.approx([kept_kwh])
    assert plan.objective.hold_value_cost == pytest.approx(-hold_value * kept_kwh)


@pytest.mark.parametrize(("value_per_kwh", "output_kw"), [(0.21, 50.0), (0.24, 70.0)])
def test_running_set_charges_only_for_more_than_its_fuel_costs(value_per_kwh: float, output_kw: float) -> None:
    running = gensets([unit(1, on=True)])
    store = pool(1, stored_kwh=0.0, eff_frac=0.9, terminal=[(1000.0, value_per_kwh)])

    plan = solved(problem([50.0], store=store, sets=running))

    # up to 70 kW a kWh in the cells costs 0.2 / 0.9 = 0.222, above it 0.25 / 0.9 = 0.278
    assert gensets_kw(plan) == pytest.approx([output_kw])


def test_terminal_value_counts_only_what_lies_above_the_minimum() -> None:
    store = pool(1, stored_kwh=300.0, min_stored_kwh=200.0, terminal=[(400.0, 0.1)])

    plan = solved(problem([0.0], store=store))

    assert plan.objective.terminal_value_cost == pytest.approx(-0.1 * 100.0)


def test_co2_price_weighs_litres_and_imported_energy() -> None:
    priced = replace(PRICES, co2_per_kg=0.1)
    grid = connection([0.1, 0.1], connected=[1, 0], kgco2e_per_kwh=0.5)

    plan = solved(problem([100.0, 70.0], sets=gensets([unit(1)]), grid=grid, prices=priced))

    # 100 kWh at 0.5 kg, then 17 l at 2.5 kg
    assert plan.objective.co2_cost == pytest.approx(0.1 * (100.0 * 0.5 + 17.0 * 2.5))


def test_fuel_of_a_start_emits_like_any_other_and_has_its_price_in_that_of_the_start() -> None:
    priced = replace(PRICES, co2_per_kg=0.1)
    stated = problem([70.0, 70.0], sets=gensets([unit(1)], start_fuel_l=4.0), prices=priced)
    stated = replace(stated, carbon_budget=CarbonBudget(kgco2e=90.0, price_per_kg=0.2))

    plan = solved(stated)

    # 17 l in each hour and 4 l for the start, 2.5 kg each
    assert plan.objective.co2_cost == pytest.approx(0.1 * 95.0)
    assert plan.objective.carbon_budget_cost == pytest.approx(0.2 * 5.0)
    assert plan.objective.fuel_cost == pytest.approx(34.0)
    assert plan.objective.starts_cost == pytest.approx(5.0)
    clean = replace(plan.objective, co2_cost=0.1 * 85.0, carbon_budget_cost=0.0)
    refused = refusals(stated, replace(plan, objective=clean))
    assert refused == ["plan: co2_cost is 8.5, allowed 9.5", "plan: carbon_budget_cost is 0, allowed 1"]


@pytest.mark.parametrize(("floor_kwh", "runs"), [(300.0, 1), (200.0, 0)])
def test_floor_brings_a_set_on_before_it_is_broken(floor_kwh: float, runs: int) -> None:
    plan = solved(
        problem(
            [100.0],
            store=pool(1, stored_kwh=310.0),
            sets=gensets([unit(1)]),
            requirements=reserve(1, floor_kwh=floor_kwh),
        )
    )

    assert plan.steps[0].gensets[0].n_on == runs


@pytest.mark.parametrize(("lead_kwh", "runs"), [(100.0, 1), (50.0, 0)])
def test_lead_energy_is_held_while_no_set_runs(lead_kwh: float, runs: int) -> None:
    # 390 - 100 = 290 kWh: above the floor of 200, with the lead energy above it only in the second case
    plan = solved(
        problem(
            [100.0],
            store=pool(1, stored_kwh=390.0),
            sets=gensets([unit(1)]),
            requirements=reserve(1, floor_kwh=200.0, lead_kwh=lead_kwh),
        )
    )

    assert plan.steps[0].gensets[0].n_on == runs


def test_floor_that_cannot_be_kept_is_priced_and_named() -> None:
    plan = solved(problem([100.0], store=pool(1, stored_kwh=310.0), requirements=reserve(1, floor_kwh=300.0)))

    assert plan.relaxed == ("floor",)
    assert plan.objective.floor_cost == pytest.approx(3.0 * 90.0)


@pytest.mark.parametrize("n_steps", [3, 12])
def test_load_is_not_shed_to_fill_the_store_up_to_its_floor(n_steps: int) -> None:
    # PV carries the load; the store stays 100 kWh below its floor in every hour
    plan = solved(
        problem(
            [100.0] * n_steps,
            pv=plant([100.0] * n_steps),
            store=pool(n_steps, stored_kwh=100.0),
            requirements=reserve(n_steps, floor_kwh=200.0),
            prices=replace(PRICES, floor_per_kwh=PRICES.unserved_per_kwh / (1.2 * n_steps)),
        )
    )

    assert plan.relaxed == ("floor",)


@pytest.mark.parametrize("n_steps", [3, 12])
def test_energy_is_not_invented_to_fill_the_store_up_to_its_floor(n_steps: int) -> None:
    plan = solved(
        problem(
            [0.0] * n_steps,
            store=pool(n_steps, stored_kwh=100.0),
            requirements=reserve(n_steps, floor_kwh=200.0),
            prices=replace(PRICES, floor_per_kwh=PRICES.unserved_per_kwh / (1.2 * n_steps)),
        )
    )

    assert plan.relaxed == ("floor",)
    assert stored_kwh(plan) == pytest.approx([100.0] * n_steps)
