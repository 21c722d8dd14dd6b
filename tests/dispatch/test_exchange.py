"""The connection beyond its limits: negative prices, one direction at a time, ramps, groups, curtailment, carbon."""

from dataclasses import replace

import pytest

from ems.dispatch.milp import shape as model_shape
from ems.dispatch.milp.assemble import build_model
from ems.model.plan import PlanStatus, PlanStep, PlantStep
from ems.model.problem import CarbonBudget, GridProblem, GroupProblem, PlanningProblem
from tests.dispatch.problems import connection, gensets, plant, pool, problem, unit
from tests.dispatch.solving import refusals, solved, stored_kwh


def exchange(step: PlanStep) -> float:
    return step.import_kw - step.export_kw


def component_names(stated: PlanningProblem) -> set[str]:
    model = build_model(model_shape.shape_of(stated))
    return {component.name for component in model.component_objects()}


def test_plain_problem_has_none_of_these_rows() -> None:
    names = component_names(problem([100.0], pv=plant([10.0]), store=pool(1, stored_kwh=50.0), grid=connection([0.1])))

    assert not names & {
        "charging", "importing", "curtailed_kw", "ramp_slack_kw", "group_limit", "carbon_budget", "exchange_in",
    }  # fmt: skip


def test_store_does_not_burn_energy_for_which_the_site_is_paid() -> None:
    store = pool(2, stored_kwh=0.0, power_kw=400.0, eff_frac=0.9)

    plan = solved(problem([100.0, 100.0], store=store, grid=connection([-0.1, 0.2])))

    # charged at full power while it is paid for: 0.9 x 400 = 360 kWh, which serve the dear hour
    assert plan.status is PlanStatus.OPTIMAL
    assert [step.import_kw for step in plan.steps] == pytest.approx([500.0, 0.0])
    assert stored_kwh(plan)[0] == pytest.approx(360.0)
    assert plan.objective.energy_import_cost == pytest.approx(-50.0)


def test_full_store_rests_while_the_price_is_negative() -> None:
    store = pool(1, stored_kwh=1000.0, eff_frac=0.9)

    plan = solved(problem([100.0], store=store, grid=connection([-0.5])))

    assert plan.status is PlanStatus.OPTIMAL
    assert plan.steps[0].pools[0].power_kw == pytest.approx(0.0)
    assert plan.steps[0].import_kw == pytest.approx(100.0)


def test_pv_is_curtailed_while_import_is_paid_for() -> None:
    plan = solved(problem([100.0], pv=plant([80.0]), grid=connection([-0.1])))

    assert (plan.steps[0].pv_kw, plan.steps[0].import_kw) == pytest.approx((0.0, 100.0))


@pytest.mark.parametrize(("sell", "import_kw", "export_kw"), [(0.3, 0.0, 50.0), (0.05, 0.0, 50.0)])
def test_what_is_bought_is_never_sold_in_the_same_step(sell: float, import_kw: float, export_kw: float) -> None:
    grid = connection([0.1], export_limit_kw=200.0, export_price_per_kwh=sell)

    plan = solved(problem([100.0], pv=plant([150.0]), grid=grid))

    assert (plan.steps[0].import_kw, plan.steps[0].export_kw) == pytest.approx((import_kw, export_kw))


def test_dear_export_is_served_from_the_store_that_was_charged_before() -> None:
    grid = replace(connection([0.1, 0.1], export_limit_kw=200.0), export_price_per_kwh=(0.0, 0.3))

    plan = solved(problem([100.0, 100.0], store=pool(2, stored_kwh=0.0), grid=grid))

    # 300 kWh bought for load and export of the second hour; import and export never meet
    assert [step.import_kw for step in plan.steps] == pytest.approx([400.0, 0.0])
    assert plan.steps[1].export_kw == pytest.approx(200.0)


def test_import_and_export_at_once_is_refused() -> None:
    stated = problem([100.0], grid=connection([0.1], export_limit_kw=200.0, export_price_per_kwh=0.05))
    plan = solved(stated)

    both = replace(plan, steps=(replace(plan.steps[0], import_kw=150.0, export_kw=50.0),))

    assert any("imports and exports at once" in sentence for sentence in refusals(stated, both))


def test_priced_curtailment_moves_the_surplus_into_the_store() -> None:
    priced = replace(plant([200.0]), curtailment_price_per_kwh=0.05)
    store = pool(1, stored_kwh=0.0, wear_cost_per_kwh=0.001)

    free = solved(problem([100.0], pv=plant([200.0]), store=store))
    paid = solved(problem([100.0], pv=priced, store=store))
    full = solved(problem([100.0], pv=priced, store=replace(store, stored_kwh=1000.0)))

    assert free.objective.curtailment_cost == 0.0
    assert paid.steps[0].pv_kw == pytest.approx(200.0)
    assert full.steps[0].pv_kw == pytest.approx(100.0)
    assert full.objective.curtailment_cost == pytest.approx(0.05 * 100.0)


def test_full_store_does_not_burn_pv_whose_curtailment_costs() -> None:
    priced = replace(plant([200.0]), curtailment_price_per_kwh=0.05)

    plan = solved(problem([100.0], pv=priced, store=pool(1, stored_kwh=1000.0, eff_frac=0.9)))

    assert plan.status is PlanStatus.OPTIMAL
    assert plan.steps[0].pools[0].power_kw == pytest.approx(0.0)


def test_the_cheaper_plant_is_curtailed_first_and_the_plan_says_which() -> None:
    dear = replace(plant([100.0]), id="roof", curtailment_price_per_kwh=0.2)
    cheap = replace(plant([100.0]), id="field", curtailment_price_per_kwh=0.05)
    stated = replace(problem([120.0]), pv=(dear, cheap))

    plan = solved(stated)
    swapped = (PlantStep(id="roof", power_kw=20.0), PlantStep(id="field", power_kw=100.0))
    wrong = replace(plan, steps=(replace(plan.steps[0], plants=swapped),))

    assert [plant.power_kw for plant in plan.steps[0].plants] == pytest.approx([100.0, 20.0])
    assert plan.objective.curtailment_cost == pytest.approx(0.05 * 80.0)
    assert any("curtailment_cost" in sentence for sentence in refusals(stated, wrong))


def test_plants_that_do_not_make_up_the_pv_in_use_are_refused() -> None:
    stated = problem([50.0], pv=plant([100.0]))
    plan = solved(stated)

    less = replace(plan, steps=(replace(plan.steps[0], plants=(PlantStep(id="pv", power_kw=10.0),)),))
    other = replace(plan, steps=(replace(plan.steps[0], plants=(PlantStep(id="x", power_kw=50.0),)),))

    assert any("pv_kw by plant" in sentence for sentence in refusals(stated, less))
    assert any("PV plants differ" in sentence for sentence in refusals(stated, other))


def ramped(
    *prices: float, ramp_kw_per_min: float | None, now_kw: float, connected: tuple[int, ...] = ()
) -> GridProblem:
    grid = connection(prices, connected=connected or None)
    return replace(grid, ramp_kw_per_min=ramp_kw_per_min, now_kw=now_kw)


def test_store_smooths_the_loss_of_pv_within_the_ramp_of_the_contract() -> None:
    # 30 min steps; between centres 0.5 kW/min x 30 min = 15 kW, from the measured exchange 7.5 kW
    grid = ramped(0.1, 0.1, 0.1, ramp_kw_per_min=0.5, now_kw=20.0)
    sun = plant([80.0, 0.0, 0.0])
    store = pool(3, stored_kwh=500.0, wear_cost_per_kwh=0.2)
    hours = [0.5, 0.5, 0.5]

    free = solved(problem([100.0] * 3, pv=sun, store=store, grid=replace(grid, ramp_kw_per_min=None), duration_h=hours))
    held = solved(problem([100.0] * 3, pv=sun, store=store, grid=grid, duration_h=hours))

    assert [step.import_kw for step in free.steps] == pytest.approx([20.0, 100.0, 100.0])
    assert [step.import_kw for step in held.steps] == pytest.approx([27.5, 42.5, 57.5])
    assert held.relaxed == ()


def test_ramp_that_no_source_can_keep_is_broken_at_its_price_and_named() -> None:
    # 1 kW/min x 30 min from 100 kW leaves 130 kW in the first hour, 190 kW in the second
    plan = solved(problem([100.0, 300.0], grid=ramped(0.1, 0.1, ramp_kw_per_min=1.0, now_kw=100.0)))

    assert plan.relaxed == ("ramp at the PCC",)
    assert [step.import_kw for step in plan.steps] == pytest.approx([100.0, 300.0])
    assert plan.objective.limit_cost == pytest.approx(2.0 * 140.0)


def test_closing_the_connection_is_no_ramp() -> None:
    grid = ramped(0.1, 0.1, 0.1, ramp_kw_per_min=0.1, now_kw=0.0, connected=(0, 1, 1))

    plan = solved(problem([0.0, 300.0, 300.0], grid=grid))

    assert plan.relaxed == ()
    assert [exchange(step) for step in plan.steps] == pytest.approx([0.0, 300.0, 300.0])


@pytest.mark.parametrize(("limit_kw", "import_kw", "unserved_kw"), [(400.0, 300.0, 0.0), (250.0, 250.0, 50.0)])
def test_feeder_limits_what_its_members_deliver_together(limit_kw: float, import_kw: float, unserved_kw: float) -> None:
    group = GroupProblem(id="feeder", members=("grid", "pv"), limit_kw=limit_kw)

    plan = solved(replace(problem([300.0], pv=plant([0.0]), grid=connection([0.1])), groups=(group,)))

    assert plan.steps[0].import_kw == pytest.approx(import_kw)
    assert plan.steps[0].unserved_kw == pytest.approx(unserved_kw)


def test_transformer_limits_charging_as_well() -> None:
    group = GroupProblem(id="transformer", members=("bess",), limit_kw=120.0)
    stated = problem([100.0, 100.0], store=pool(2, stored_kwh=0.0), grid=connection([0.01, 0.5], import_limit_kw=900.0))

    free, held = solved(stated), solved(replace(stated, groups=(group,)))

    assert free.steps[0].pools[0].charge_kw == pytest.approx(100.0)
    assert held.steps[0].pools[0].charge_kw == pytest.approx(100.0)
    tight = replace(stated, groups=(replace(group, limit_kw=60.0),))
    assert solved(tight).steps[0].pools[0].charge_kw == pytest.approx(60.0)
    assert any("group transformer" in sentence for sentence in refusals(tight, free))


def test_sets_behind_a_collector_share_its_limit_with_the_store() -> None:
    group = GroupProblem(id="collector", members=("bess", "diesel"), limit_kw=150.0)
    stated = problem([250.0], store=pool(1, stored_kwh=1000.0), sets=gensets([unit(1), unit(2)]))

    plan = solved(replace(stated, groups=(group,)))

    assert plan.steps[0].unserved_kw == pytest.approx(100.0)


def test_member_that_the_problem_does_not_have_is_named() -> None:
    group = GroupProblem(id="feeder", members=("grid",), limit_kw=100.0)

    with pytest.raises(ValueError, match="group feeder: grid is none of bess"):
        model_shape.shape_of(replace(problem([1.0], store=pool(1, stored_kwh=9.0)), groups=(group,)))


def test_carbon_budget_changes_the_source_where_its_excess_is_dear() -> None:
    # a kWh of import is 1 kg, a kWh of a set 2.5 kg/l x 0.2425 l/kWh
    stated = problem([100.0], sets=gensets([unit(1)]), grid=connection([0.01], kgco2e_per_kwh=1.0))

    unlimited = solved(stated)
    capped = solved(replace(stated, carbon_budget=CarbonBudget(kgco2e=70.0, price_per_kg=50.0)))
    cheap = solved(replace(stated, carbon_budget=CarbonBudget(kgco2e=70.0, price_per_kg=0.001)))

    assert unlimited.steps[0].import_kw == pytest.approx(100.0)
    # 2.5 * 24.5 l = 61.25 kg at 100 kW of output
    emitted = capped.steps[0].import_kw + 2.5 * capped.steps[0].gensets[0].fuel_l_per_h
    assert emitted == pytest.approx(70.0)
    assert capped.objective.carbon_budget_cost == pytest.approx(0.0, abs=1e-6)
    assert cheap.steps[0].import_kw == pytest.approx(100.0)
    assert cheap.objective.carbon_budget_cost == pytest.approx(0.001 * 30.0)


def test_excess_of_the_carbon_budget_that_is_not_paid_is_refused() -> None:
    budget = CarbonBudget(kgco2e=70.0, price_per_kg=1.0)
    stated = replace(problem([100.0], grid=connection([0.01], kgco2e_per_kwh=1.0)), carbon_budget=budget)
    plan = solved(stated)

    unpaid = replace(plan, objective=replace(plan.objective, carbon_budget_cost=0.0))

    assert plan.objective.carbon_budget_cost == pytest.approx(30.0)
    assert any("carbon_budget_cost" in sentence for sentence in refusals(stated, unpaid))
