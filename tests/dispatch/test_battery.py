"""Battery pools beyond energy and constant limits: power by SoC, wear, full charges, auxiliaries (E9 to E11)."""

from dataclasses import replace

import pytest

from ems.dispatch.milp import shape as model_shape
from ems.dispatch.milp.assemble import build_model
from ems.model.plan import Plan
from ems.model.problem import (
    PlanningProblem,
    PoolProblem,
    PowerBySoc,
    Recalibration,
    ThroughputBudget,
    WearPiece,
)
from tests.dispatch.problems import connection, pool, problem, reserve
from tests.dispatch.solving import refusals, solved, storage_kw, stored_kwh

DEPTH = (WearPiece(width_kwh=300.0, cost_per_kwh=0.01), WearPiece(width_kwh=700.0, cost_per_kwh=0.2))


def paid(plan: Plan, term: str, cost: float) -> Plan:
    return replace(plan, objective=replace(plan.objective, **{term: cost}))


def refused(stated: PlanningProblem, plan: Plan, what: str) -> bool:
    return any(what in sentence for sentence in refusals(stated, plan))


def test_plain_pool_has_none_of_these_rows() -> None:
    model = build_model(model_shape.shape_of(problem([100.0], store=pool(1, stored_kwh=50.0))))
    names = {component.name for component in model.component_objects()}

    assert not names & {
        "charge_by_soc", "discharge_by_soc", "charge_held_kw", "depth_kwh", "dwell_kwh", "throughput_excess_kwh",
        "recalibrated", "recalibration_room",
    }  # fmt: skip


def test_charging_follows_the_limit_by_soc_at_the_end_of_the_step() -> None:
    store = replace(pool(2, stored_kwh=0.0), charge_by_soc=(PowerBySoc(c0_kw=300.0, c1_per_h=-0.2),))
    stated = problem([0.0, 400.0], store=store, grid=connection([0.01, 0.5]))

    plan = solved(stated)
    free = solved(replace(stated, pools=(replace(store, charge_by_soc=()),)))

    # P <= 300 - 0.2 P
    assert storage_kw(plan) == pytest.approx([-250.0, 250.0])
    assert storage_kw(free) == pytest.approx([-400.0, 400.0])
    assert refused(stated, free, "charge_kw by stored energy")


def test_discharging_follows_the_lowest_of_its_lines() -> None:
    lines = (PowerBySoc(c0_kw=0.0, c1_per_h=0.5), PowerBySoc(c0_kw=400.0, c1_per_h=0.0))
    store = replace(pool(1, stored_kwh=400.0), discharge_by_soc=lines)

    plan = solved(problem([300.0], store=store, grid=connection([0.5])))

    # half of what is left at the end: 400 / 3 of 800 / 3
    assert storage_kw(plan) == pytest.approx([400.0 / 3.0])


def test_line_below_zero_at_a_measured_energy_is_lifted_to_zero_there() -> None:
    store = replace(pool(1, stored_kwh=50.0), discharge_by_soc=(PowerBySoc(c0_kw=-100.0, c1_per_h=1.0),))

    plan = solved(problem([300.0], store=store, grid=connection([0.5])))

    # the line stands for E instead of E - 100: P <= 50 - P
    assert storage_kw(plan) == pytest.approx([25.0])


def test_reserve_counts_only_what_the_limit_by_soc_leaves() -> None:
    store = replace(pool(1, stored_kwh=500.0), discharge_by_soc=(PowerBySoc(c0_kw=50.0, c1_per_h=0.0),))
    stated = problem([20.0], store=store, requirements=reserve(1, r0_kw=80.0))

    plan = solved(stated)

    # 30 kW are held of 80
    assert plan.relaxed == ("reserve: r0 after none",)
    assert plan.objective.reserve_cost == pytest.approx(5.0 * 50.0)


def worn(stored: float, *, n_steps: int = 1) -> PoolProblem:
    return replace(pool(n_steps, stored_kwh=stored, wear_cost_per_kwh=0.001), depth_wear=DEPTH)


@pytest.mark.parametrize(("price", "discharged_kwh"), [(0.1, 300.0), (0.3, 500.0)])
def test_store_is_drawn_as_deep_as_the_price_pays_for(price: float, discharged_kwh: float) -> None:
    plan = solved(problem([500.0], store=worn(1000.0), grid=connection([price])))

    deep_kwh = discharged_kwh - 300.0
    assert storage_kw(plan) == pytest.approx([discharged_kwh])
    assert plan.objective.battery_wear_cost == pytest.approx(0.001 * discharged_kwh + 3.0 + 0.2 * deep_kwh)


def test_what_is_charged_last_is_drawn_first_as_a_shallow_cycle() -> None:
    stated = problem([0.0, 300.0], store=worn(500.0, n_steps=2), grid=connection([0.01, 0.15]))

    plan = solved(stated)

    # the 300 kWh of the cycle come at the shallow price, not at the 0.2 of the 500 kWh that were there
    assert storage_kw(plan) == pytest.approx([-300.0, 300.0])
    assert plan.objective.battery_wear_cost == pytest.approx(0.011 * 300.0)
    assert refused(stated, paid(plan, "battery_wear_cost", 0.2 * 300.0), "battery_wear_cost")


def test_store_that_was_drawn_before_pays_the_deep_price_at_once() -> None:
    plan = solved(problem([100.0], store=worn(700.0), grid=connection([0.1])))

    assert storage_kw(plan) == pytest.approx([0.0])


@pytest.mark.parametrize(("dwell_cost", "discharged_kw"), [(0.0, 0.0), (0.2, 100.0)])
def test_standing_nearly_full_costs_until_it_pays_to_discharge(dwell_cost: float, discharged_kw: float) -> None:
    store = replace(
        pool(2, stored_kwh=1000.0, wear_cost_per_kwh=0.1), dwell_above_kwh=900.0, dwell_cost_per_kwh=dwell_cost
    )
    stated = problem([100.0, 100.0], store=store, grid=connection([0.02, 0.02]))

    plan = solved(stated)

    assert storage_kw(plan) == pytest.approx([discharged_kw, 0.0])
    assert plan.objective.battery_wear_cost == pytest.approx(0.1 * discharged_kw)


def test_dwell_that_is_not_paid_is_refused() -> None:
    store = replace(pool(1, stored_kwh=1000.0, wear_cost_per_kwh=5.0), dwell_above_kwh=800.0, dwell_cost_per_kwh=0.1)
    stated = problem([10.0], store=store, grid=connection([0.02]))
    plan = solved(stated)

    assert plan.objective.battery_wear_cost == pytest.approx(20.0)
    assert refused(stated, paid(plan, "battery_wear_cost", 0.0), "battery_wear_cost")


@pytest.mark.parametrize(("excess_price", "discharged_kwh", "cost"), [(1.0, 100.0, 0.0), (0.1, 300.0, 20.0)])
def test_warranted_throughput_is_left_only_for_more_than_its_price(
    excess_price: float, discharged_kwh: float, cost: float
) -> None:
    budget = ThroughputBudget(energy_kwh=100.0, price_per_kwh=excess_price)
    store = replace(pool(1, stored_kwh=1000.0), throughput_budget=budget)
    stated = problem([300.0], store=store, grid=connection([0.5]))

    plan = solved(stated)

    assert storage_kw(plan) == pytest.approx([discharged_kwh])
    assert plan.objective.throughput_budget_cost == pytest.approx(cost, abs=1e-6)
    assert refused(stated, paid(plan, "throughput_budget_cost", cost + 5.0), "throughput_budget_cost")


def due(missed_cost: float) -> PlanningProblem:
    store = replace(
        pool(4, stored_kwh=500.0, power_kw=600.0),
        max_stored_kwh=900.0,
        recalibration=Recalibration(first_step=1, end_step=3, missed_cost=missed_cost),
    )
    return problem([200.0] * 4, store=store, grid=connection([0.1, 0.4, 0.4, 0.4]))


def test_full_charge_that_is_due_is_made_in_its_window_and_only_there() -> None:
    plan = solved(due(1000.0))

    # 600 kWh at 0.1 and 300 kWh at 0.4 instead of 300 kWh at 0.1: 150 dearer
    assert stored_kwh(plan) == pytest.approx([900.0, 1000.0, 800.0, 600.0])
    assert plan.objective.recalibration_cost == pytest.approx(0.0, abs=1e-6)


def test_full_charge_is_left_out_where_it_costs_more_than_its_price() -> None:
    plan = solved(due(140.0))

    assert stored_kwh(plan) == pytest.approx([600.0, 400.0, 200.0, 0.0])
    assert plan.objective.recalibration_cost == pytest.approx(140.0)


def test_energy_above_the_window_without_a_full_charge_is_refused() -> None:
    stated = due(1000.0)
    plan = solved(stated)
    unpaid = paid(solved(due(140.0)), "recalibration_cost", 0.0)

    undue = replace(stated, pools=(replace(stated.pools[0], recalibration=None),))

    assert refused(undue, plan, "bess stored_kwh")
    assert refused(stated, unpaid, "recalibration_cost")


def test_auxiliaries_of_the_store_are_drawn_from_the_bus() -> None:
    store = replace(pool(1, stored_kwh=1000.0), aux_frac_of_power=0.02)
    stated = problem([98.0], store=store)

    plan = solved(stated)

    # 100 kW of discharge take 2 kW of cooling
    assert storage_kw(plan) == pytest.approx([100.0])
    assert plan.steps[0].aux_kw == pytest.approx(2.0)
    silent = replace(plan, steps=(replace(plan.steps[0], aux_kw=0.0),))
    assert refused(stated, silent, "aux_kw")


def test_auxiliaries_make_a_cycle_dearer() -> None:
    # 100 kWh bought at 0.10 save 0.12: the spread of 0.02 carries 5 % of auxiliaries both ways, not 20 %
    def planned(frac_of_power: float) -> Plan:
        store = replace(pool(2, stored_kwh=0.0), aux_frac_of_power=frac_of_power)
        return solved(problem([0.0, 95.0], store=store, grid=connection([0.10, 0.12])))

    assert storage_kw(planned(0.05)) == pytest.approx([-100.0, 100.0])
    assert storage_kw(planned(0.2)) == pytest.approx([0.0, 0.0])
