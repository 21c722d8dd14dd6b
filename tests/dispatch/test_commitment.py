"""Genset commitment: starts, minimum times with history, the economic band and the late relaxation."""

from dataclasses import replace
from itertools import product

import pytest

from ems.model.problem import GensetProblem, PlanningProblem, PreviousCommitment
from tests.dispatch.problems import PRICES, gensets, load, plant, pool, problem, unit
from tests.dispatch.solving import gensets_kw, n_on, refusals, solved, storage_kw


def test_as_few_sets_as_carry_the_load_run() -> None:
    plan = solved(problem([100.0, 200.0, 200.0, 100.0], sets=gensets([unit(1), unit(2), unit(3)])))

    assert n_on(plan) == [1, 2, 2, 1]
    # 24.5 + 49 + 49 + 24.5 litres and two starts
    assert [plan.objective.fuel_cost, plan.objective.starts_cost] == pytest.approx([147.0, 10.0])


def test_minimum_up_time_keeps_the_first_set_on_for_an_hour_more() -> None:
    sets = gensets([unit(1), unit(2), unit(3)], min_up_h=3.0)

    plan = solved(problem([100.0, 200.0, 100.0, 100.0], sets=sets))

    # the third hour has two sets at 50 kW (26 l) instead of one at 100 kW (24.5 l)
    assert n_on(plan) == [1, 2, 2, 1]
    assert plan.objective.total_cost() == pytest.approx(24.5 + 49.0 + 26.0 + 24.5 + 10.0)


def test_minimum_up_time_is_hours_not_steps() -> None:
    sets = gensets([unit(1)], min_up_h=1.0, start_cost=0.0)
    sunny = plant([0.0, 100.0, 100.0, 100.0])

    plan = solved(problem([100.0] * 4, pv=sunny, sets=sets, duration_h=[0.5, 0.25, 0.25, 1.0]))

    assert n_on(plan) == [1, 1, 1, 0]


def test_history_holds_a_young_set_until_its_minimum_up_time() -> None:
    sets = gensets([unit(1, on=True, since_h=1.0)], min_up_h=3.0)

    plan = solved(problem([100.0] * 3, pv=plant([200.0] * 3), sets=sets))

    assert n_on(plan) == [1, 1, 0]
    assert plan.objective.fuel_cost == pytest.approx(18.0)


def test_history_holds_a_stopped_set_until_its_minimum_down_time() -> None:
    sets = gensets([unit(1, since_h=1.0)], min_down_h=3.0)

    plan = solved(problem([100.0] * 3, store=pool(3, stored_kwh=300.0, wear_cost_per_kwh=1.0), sets=sets))

    # a stored kWh costs 1, the set's 0.245: it runs as soon as it may
    assert n_on(plan) == [0, 0, 1]


def test_minimum_down_time_gives_way_at_its_price_before_load_is_lost() -> None:
    sets = gensets([unit(1, since_h=1.0)], min_down_h=3.0)

    plan = solved(problem([100.0] * 3, sets=sets))

    assert n_on(plan) == [1, 1, 1]
    assert plan.relaxed == ("minimum down time",)
    # two unit-hours at 2 per kWh of the largest unit
    assert plan.objective.limit_cost == pytest.approx(2 * 2.0 * 100.0)


@pytest.mark.parametrize(("demand_kw", "relaxed"), [(20.0, "surplus"), (10.0, "minimum up time")])
def test_set_that_may_not_stop_yet_pushes_a_surplus_only_while_that_is_cheaper(demand_kw: float, relaxed: str) -> None:
    plan = solved(
        problem(
            [demand_kw],
            sets=gensets([unit(1, on=True, since_h=0.0)], min_up_h=1.0),
            store=pool(1, stored_kwh=1000.0),
        )
    )

    # surplus costs 11 per kWh, stopping early 200: 10 kWh against 20 kWh
    assert plan.relaxed == (relaxed,)


@pytest.mark.parametrize(("start_cost", "expected"), [(12.0, [1, 1, 1]), (5.0, [1, 0, 1])])
def test_set_runs_through_a_short_gap_when_a_start_costs_more(start_cost: float, expected: list[int]) -> None:
    sets = gensets([unit(1, on=True)], start_cost=start_cost)

    # the gap costs 9 l at minimum load
    plan = solved(problem([100.0, 30.0, 100.0], pv=plant([0.0, 30.0, 0.0]), sets=sets))

    assert n_on(plan) == expected


def test_unavailable_set_is_not_used() -> None:
    plan = solved(problem([150.0], sets=gensets([unit(1), unit(2, available=False)])))

    assert n_on(plan) == [1]
    assert plan.steps[0].unserved_kw == pytest.approx(50.0)


def test_running_set_that_becomes_unavailable_leaves_the_count_without_a_stop() -> None:
    sets = gensets([unit(1, on=True), unit(2, on=True, available=False)])

    plan = solved(problem([80.0], sets=sets))

    assert (plan.steps[0].gensets[0].n_on, plan.steps[0].gensets[0].n_stopped) == (1, 0)


def test_output_below_the_band_is_priced() -> None:
    plan = solved(problem([40.0], sets=gensets([unit(1)]), prices=replace(PRICES, low_load_per_kwh=0.1)))

    assert plan.objective.low_load_cost == pytest.approx(0.1 * (70.0 - 40.0))


def test_run_hours_wear_the_set() -> None:
    plan = solved(problem([40.0, 40.0], sets=gensets([unit(1)], run_wear_cost_per_h=3.0)))

    assert plan.objective.genset_wear_cost == pytest.approx(6.0)


@pytest.mark.parametrize(("change_cost", "expected"), [(0.0, [1]), (20.0, [0])])
def test_commitment_stays_with_the_previous_plan_unless_a_change_pays(change_cost: float, expected: list[int]) -> None:
    # 70 kWh from a set 17 + 5, from the store 35
    store = pool(1, stored_kwh=70.0, wear_cost_per_kwh=0.5)
    previous = (PreviousCommitment(id="diesel", n_on=(0,)),)
    priced = replace(PRICES, commitment_change=change_cost)

    plan = solved(problem([70.0], store=store, sets=gensets([unit(1)]), previous=previous, prices=priced))

    assert n_on(plan) == expected


def test_a_change_that_is_made_is_paid_per_set_and_hour() -> None:
    previous = (PreviousCommitment(id="diesel", n_on=(0, 0)),)

    plan = solved(
        problem(
            [150.0, 50.0],
            sets=gensets([unit(1), unit(2)]),
            previous=previous,
            prices=replace(PRICES, commitment_change=4.0),
        )
    )

    assert n_on(plan) == [2, 1]
    assert plan.objective.change_cost == pytest.approx(4.0 * 3)


@pytest.mark.parametrize("change_cost", [0.0, 4.0])
def test_previous_plan_may_have_had_more_sets_on_than_are_available(change_cost: float) -> None:
    previous = (PreviousCommitment(id="diesel", n_on=(3,)),)

    plan = solved(
        problem(
            [100.0],
            sets=gensets([unit(1), unit(2), unit(3, available=False)], start_cost=100.0),
            previous=previous,
            prices=replace(PRICES, commitment_change=change_cost),
        )
    )

    assert n_on(plan) == [1]
    assert plan.objective.change_cost == pytest.approx(change_cost * (3 - 1))


def test_storage_lets_sets_run_in_their_band_instead_of_following_the_load() -> None:
    sets = gensets([unit(1)], start_cost=0.0, run_wear_cost_per_h=10.0)

    plan = solved(problem([50.0, 50.0], store=pool(2, stored_kwh=0.0), sets=sets))

    # one hour at 100 kW (24.5 + 10) against two at 50 kW (13 + 10 each)
    assert n_on(plan) == [1, 0]
    assert storage_kw(plan) == pytest.approx([-50.0, 50.0])


def test_commitment_is_whole_inside_the_integer_hours_and_fractional_beyond() -> None:
    sets = gensets([unit(1)], start_cost=0.0)
    store = pool(4, stored_kwh=0.0, wear_cost_per_kwh=0.5)
    demand = load([10.0] * 4)

    whole = solved(problem(demand, store=store, sets=sets, integer_h=4.0))
    relaxed = solved(problem(demand, store=store, sets=sets, integer_h=2.0))

    # 30 kW is the least of a whole set; a third of a set carries 10 kW
    assert all(kw == pytest.approx(0.0) or kw >= 30.0 - 1e-6 for kw in gensets_kw(whole))
    assert all(kw == pytest.approx(0.0) or kw >= 30.0 - 1e-6 for kw in gensets_kw(relaxed)[:2])
    assert gensets_kw(relaxed)[3] == pytest.approx(10.0)
    assert relaxed.objective.total_cost() < whole.objective.total_cost()


def test_a_step_belongs_to_the_integer_hours_by_its_start() -> None:
    sets = gensets([unit(1)], start_cost=0.0)
    store = pool(2, stored_kwh=0.0, wear_cost_per_kwh=5.0)

    # 10 kW in the second step, which begins 30 min before the end of the integer hours
    plan = solved(problem([30.0, 10.0], store=store, sets=sets, duration_h=[1.0, 1.0], integer_h=1.5))

    assert gensets_kw(plan)[1] == pytest.approx(30.0) or gensets_kw(plan)[1] == pytest.approx(0.0)


def test_fractional_commitment_inside_the_integer_hours_is_refused() -> None:
    sets = gensets([unit(1)], start_cost=0.0)
    store = pool(4, stored_kwh=0.0, wear_cost_per_kwh=0.5)
    late = problem([10.0] * 4, store=store, sets=sets, integer_h=0.0)

    plan = solved(late)
    firm = replace(late, options=replace(late.options, integer_h=4.0))

    assert any("diesel power_kw" in sentence for sentence in refusals(firm, plan))


@pytest.mark.parametrize(
    "it_kw",
    [
        (100.0, 200.0, 60.0),
        (0.0, 35.0, 190.0),
        (210.0, 20.0, 105.0),
        (95.0, 101.0, 99.0),
        (70.0, 0.0, 70.0),
        (29.0, 31.0, 61.0),
    ],
)
def test_optimum_is_that_of_trying_every_commitment(it_kw: tuple[float, ...]) -> None:
    sets = gensets([unit(1, on=True), unit(2)], start_cost=7.0, run_wear_cost_per_h=2.0)
    stated = problem(it_kw, sets=sets)

    plan = solved(stated)

    best = min(_cost(stated, sets, counts) for counts in product(range(3), repeat=3))
    assert plan.objective.total_cost() == pytest.approx(best)


def _cost(stated: PlanningProblem, sets: GensetProblem, counts: tuple[int, ...]) -> float:
    """Return fuel, wear, starts and penalties of a commitment whose sets follow the load as far as they can."""
    before = 1
    cost = 0.0
    for count, demand_kw in zip(counts, stated.load.it_kw, strict=True):
        output_kw = max(30.0 * count, min(demand_kw, 100.0 * count))
        above_kw = output_kw - 30.0 * count
        litres = 9.0 * count + 0.2 * min(above_kw, 40.0 * count) + 0.25 * max(0.0, above_kw - 40.0 * count)
        cost += litres + 2.0 * count + sets.start_cost * max(0, count - before)
        cost += 10.0 * max(0.0, demand_kw - output_kw) + 11.0 * max(0.0, output_kw - demand_kw)
        before = count
    return cost
