"""Marginal prices and emissions: what one more kWh in a step really costs and emits."""

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ems.dispatch.check import evaluate
from ems.dispatch.document import plan_document, plan_text
from ems.model.plan import Plan
from ems.model.problem import PlanningProblem, PreviousCommitment, SolveOptions
from tests.dispatch.problems import PRICES, connection, gensets, plant, pool, problem, unit
from tests.dispatch.rich import rich_problem
from tests.dispatch.solving import engine, solved
from tests.dispatch.test_random_problems import PLANNING, problems

CO2 = replace(PRICES, co2_per_kg=0.1)
DELTA_KW = 2.0
# per kWh; the solver's tolerances over the energy of the difference
CLOSE = 1e-3


def prices(plan: Plan) -> list[float]:
    return [step.marginal_price_per_kwh or 0.0 for step in plan.steps]


def emissions(plan: Plan) -> list[float]:
    return [step.marginal_gco2e_per_kwh or 0.0 for step in plan.steps]


def test_imported_load_costs_the_tariff_and_its_carbon() -> None:
    grid = connection([0.2, 0.3], kgco2e_per_kwh=0.4)

    plan = solved(problem([100.0, 100.0], grid=grid, prices=CO2, duration_h=[0.5, 1.0]))

    assert prices(plan) == pytest.approx([0.2 + 0.04, 0.3 + 0.04])
    assert emissions(plan) == pytest.approx([400.0, 400.0])


def test_a_set_that_runs_costs_its_present_stretch_of_the_curve() -> None:
    # 60 kW lie on the first stretch, 0.2 l/kWh; 90 kW on the second, 0.25 l/kWh; a litre costs 1 and emits 2.5 kg
    stated = problem([60.0, 90.0], sets=gensets([unit(1, on=True)]))

    plan = solved(stated)

    assert prices(plan) == pytest.approx([0.2, 0.25])
    assert emissions(plan) == pytest.approx([500.0, 625.0])


def test_curtailed_pv_costs_nothing_and_emits_nothing() -> None:
    plan = solved(problem([50.0], pv=plant([80.0]), grid=connection([0.3], kgco2e_per_kwh=0.4)))

    assert prices(plan) == pytest.approx([0.0])
    assert emissions(plan) == pytest.approx([0.0])


def test_storage_carries_the_cheap_hours_price_and_carbon_to_the_dear_ones() -> None:
    # the store is filled at 0.1 and 0.4 kg; of a kWh charged 0.9 x 0.9 come back, at a wear of 0.01
    store = pool(2, stored_kwh=0.0, eff_frac=0.9, wear_cost_per_kwh=0.01)
    grid = connection([0.1, 0.5], kgco2e_per_kwh=0.4)

    plan = solved(problem([50.0, 100.0], store=store, grid=grid))

    assert prices(plan) == pytest.approx([0.1, 0.1 / 0.81 + 0.01])
    assert emissions(plan) == pytest.approx([400.0, 400.0 / 0.81])


def test_load_that_cannot_be_served_costs_what_unserved_load_costs() -> None:
    plan = solved(problem([100.0], grid=connection([0.2], import_limit_kw=80.0)))

    assert prices(plan) == pytest.approx([PRICES.unserved_per_kwh])
    assert emissions(plan) == pytest.approx([0.0])


@settings(PLANNING, max_examples=40)
@given(stated=problems(), where=st.integers(0, 4))
def test_marginal_price_lies_between_the_finite_differences(stated: PlanningProblem, where: int) -> None:
    t = where % stated.grid.n_steps
    assume(stated.load.it_kw[t] >= DELTA_KW)
    plan = engine().solve(stated)
    price = plan.steps[t].marginal_price_per_kwh
    assume(not plan.relaxed and price is not None)

    kept = _counts_kept(stated, plan)
    present, more, less = (_cost(kept, t, change_kw) for change_kw in (0.0, DELTA_KW, -DELTA_KW))

    # with counts as they are the cost is convex in the load: whatever the step, the differences hold the price
    energy_kwh = DELTA_KW * stated.grid.duration_h[t]
    assert price is not None
    assert (present - less) / energy_kwh - CLOSE <= price <= (more - present) / energy_kwh + CLOSE


def test_marginals_and_timings_stand_in_the_document_and_the_table() -> None:
    stated = rich_problem()
    plan = solved(stated)

    document = plan_document(stated, plan, evaluate(stated, plan))

    steps = document["steps"]
    assert isinstance(steps, list)
    assert [step["marginal_price_per_kwh"] for step in steps] == prices(plan)
    assert [step["marginal_gco2e_per_kwh"] for step in steps] == emissions(plan)
    timings = document["timings_s"]
    assert isinstance(timings, dict)
    assert list(timings) == ["build", "handover", "solve", "extract"]
    assert all(phase["cpu"] >= 0.0 and phase["wall"] > 0.0 for phase in timings.values())
    assert f"{prices(plan)[0]:.3f}" in plan_text(plan, evaluate(stated, plan))


def test_another_number_of_threads_gives_the_same_cost() -> None:
    stated = rich_problem()
    threaded = replace(stated, options=replace(stated.options, threads=2))

    two, one = solved(threaded), solved(stated)

    assert two.objective.total_cost() == pytest.approx(one.objective.total_cost())
    assert SolveOptions().threads == 1


def _counts_kept(stated: PlanningProblem, plan: Plan) -> PlanningProblem:
    """Return the problem at a price of every other commitment that nothing else outweighs."""
    return replace(
        stated,
        prices=replace(stated.prices, commitment_change=1e4),
        previous=tuple(
            PreviousCommitment(id=data.id, n_on=tuple(step.gensets[c].n_on for step in plan.steps))
            for c, data in enumerate(stated.gensets)
        ),
    )


def _cost(stated: PlanningProblem, t: int, change_kw: float) -> float:
    it_kw = list(stated.load.it_kw)
    it_kw[t] += change_kw
    changed = replace(stated, load=replace(stated.load, it_kw=tuple(it_kw)))
    return engine().solve(changed).objective.total_cost()
