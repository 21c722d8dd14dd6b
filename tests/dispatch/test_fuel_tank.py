"""The fuel tank (E7): what is burnt leaves it, deliveries fill it, its reserve has a price and its bottom has none."""

from dataclasses import replace

import pytest

from ems.dispatch.milp.shape import shape_of
from ems.model.problem import FuelProblem, FuelStock, GensetProblem, PlanningProblem
from tests.dispatch.problems import gensets, pool, problem, unit
from tests.dispatch.solving import n_on, refusals, solved

N_STEPS = 4


def tank(
    *, stock_l: float, reserve_l: float = 0.0, delivered_l: tuple[float, ...] = (), stored_kwh: float = 400.0
) -> PlanningProblem:
    """Return four hours of 100 kW, which a set makes of 24.5 l/h, and a store that is dearer than fuel."""
    stated = problem(
        [100.0] * N_STEPS,
        store=pool(N_STEPS, stored_kwh=stored_kwh, wear_cost_per_kwh=1.0),
        sets=gensets([unit(1)], start_cost=0.0),
    )
    stock = FuelStock(stock_l=stock_l, reserve_l=reserve_l, capacity_l=1000.0, delivered_l=delivered_l)
    return replace(stated, fuel=FuelProblem(price_per_l=1.0, kgco2e_per_l=2.5, stock=stock))


def test_tank_that_no_plan_can_empty_has_no_rows() -> None:
    assert shape_of(tank(stock_l=100.0)).fuel_stock is False
    assert shape_of(tank(stock_l=97.0)).fuel_stock is True
    assert shape_of(tank(stock_l=100.0, reserve_l=10.0)).fuel_stock is True


def test_stock_is_reported_whether_or_not_it_is_short() -> None:
    plan = solved(tank(stock_l=500.0))

    assert [step.fuel_stock_end_l for step in plan.steps] == pytest.approx([475.5, 451.0, 426.5, 402.0])


def test_sets_stop_where_the_tank_is_empty() -> None:
    plan = solved(tank(stock_l=50.0))

    # 50 l make 205.9 kWh on the first stretch of the curve, at 70 kW of 17 l/h
    assert plan.objective.fuel_cost == pytest.approx(50.0)
    assert plan.steps[-1].fuel_stock_end_l == pytest.approx(0.0, abs=1e-6)
    assert plan.relaxed == ()


def test_a_delivery_can_be_burnt_from_the_next_step_on() -> None:
    plan = solved(tank(stock_l=0.0, delivered_l=(0.0, 49.0, 0.0, 0.0)))

    assert n_on(plan) == [0, 0, 1, 1]
    assert [step.fuel_stock_end_l for step in plan.steps] == pytest.approx([0.0, 49.0, 24.5, 0.0])


def test_reserve_is_kept_while_storage_can_do_it() -> None:
    plan = solved(tank(stock_l=149.0, reserve_l=100.0))

    assert sum(n_on(plan)) == 2
    assert plan.relaxed == ()


def test_reserve_is_used_at_its_price_before_load_is_lost() -> None:
    stated = tank(stock_l=149.0, reserve_l=100.0, stored_kwh=0.0)

    plan = solved(stated)

    assert n_on(plan) == [1, 1, 1, 1]
    assert plan.relaxed == ("fuel reserve",)
    # 49 l are missing; at best 17 l make 70 kWh, each at 2
    assert plan.objective.limit_cost == pytest.approx(49.0 * 70.0 / 17.0 * 2.0)


def test_a_tank_below_its_reserve_at_the_start_has_a_plan() -> None:
    plan = solved(tank(stock_l=30.0, reserve_l=100.0))

    assert sum(n_on(plan)) == 0
    assert plan.relaxed == ("fuel reserve",)


@pytest.mark.parametrize("wrong_l", [None, 600.0, 10.0])
def test_a_wrong_stock_is_refused(wrong_l: float | None) -> None:
    stated = tank(stock_l=500.0)
    plan = solved(stated)

    changed = replace(plan, steps=(replace(plan.steps[0], fuel_stock_end_l=wrong_l), *plan.steps[1:]))

    assert any("step 0: fuel_stock_end_l" in sentence for sentence in refusals(stated, changed))


def test_a_plan_that_burns_what_is_not_there_is_refused() -> None:
    plan = solved(tank(stock_l=500.0))

    sentences = refusals(tank(stock_l=60.0), plan)

    assert any("step 2: fuel in the tank, l" in sentence for sentence in sentences)


def test_a_reserve_that_is_used_in_silence_or_for_nothing_is_refused() -> None:
    stated = tank(stock_l=149.0, reserve_l=100.0, stored_kwh=0.0)
    plan = solved(stated)
    free = replace(plan, objective=replace(plan.objective, limit_cost=0.0))

    assert any("fuel reserve" in sentence for sentence in refusals(stated, replace(plan, relaxed=())))
    assert any("limit_cost" in sentence for sentence in refusals(stated, free))


@pytest.mark.parametrize(
    ("sets", "stock_l", "burnt_l"),
    [
        # free at least output
        (gensets([unit(1, on=True)], min_fuel_l_per_h=0.0, segments=((70.0, 0.2),)), 500.0, None),
        # free throughout: nothing is burnt and nothing can be missing but what is missing at the start
        (gensets([unit(1, on=True)], min_fuel_l_per_h=0.0, segments=((70.0, 0.0),)), 500.0, 0.0),
        (gensets([unit(1, on=True)], min_fuel_l_per_h=0.0, segments=((70.0, 0.0),)), 50.0, 0.0),
        # no least output, and a stretch of no width
        (
            gensets([unit(1, on=True)], min_kw=0.0, min_fuel_l_per_h=0.0, segments=((0.0, 0.1), (100.0, 0.2))),
            80.0,
            None,
        ),
    ],
)
def test_a_curve_with_points_that_burn_nothing_is_planned_and_passes_the_check(
    sets: GensetProblem, stock_l: float, burnt_l: float | None
) -> None:
    stated = replace(tank(stock_l=stock_l, reserve_l=100.0), gensets=(sets,))

    plan = solved(stated)

    assert not refusals(stated, plan)
    assert [step.fuel_stock_end_l for step in plan.steps] == pytest.approx(
        [stock_l - sum(s.gensets[0].fuel_l_per_h for s in plan.steps[: t + 1]) for t in range(N_STEPS)], abs=1e-3
    )
    if burnt_l is not None:
        assert plan.objective.fuel_cost == pytest.approx(burnt_l)
    assert ("fuel reserve" in plan.relaxed) is (stock_l < 100.0)


def test_without_a_tank_a_free_curve_is_planned() -> None:
    stated = tank(stock_l=500.0)
    assert stated.fuel is not None
    free = replace(gensets([unit(1, on=True)]), min_fuel_l_per_h=0.0)
    stated = replace(stated, gensets=(free,), fuel=replace(stated.fuel, stock=None))

    assert not refusals(stated, solved(stated))


def starting(stated: PlanningProblem, start_fuel_l: float) -> PlanningProblem:
    return replace(stated, gensets=(replace(stated.gensets[0], start_fuel_l=start_fuel_l),))


def test_a_start_draws_its_fuel_from_the_tank_and_costs_nothing_beyond_its_price() -> None:
    stated = tank(stock_l=500.0)

    plan = solved(starting(stated, 10.0))

    assert [step.fuel_stock_end_l for step in plan.steps] == pytest.approx([465.5, 441.0, 416.5, 392.0])
    assert plan.objective.total_cost() == pytest.approx(solved(stated).objective.total_cost())


def test_a_set_starts_once_where_the_tank_has_no_fuel_for_more_starts() -> None:
    # two hours of full load and one start are there; two hours apart would take two starts
    stated = starting(tank(stock_l=59.0), 10.0)
    stated = replace(stated, load=replace(stated.load, it_kw=(100.0, 20.0, 100.0, 20.0)))
    stated = replace(stated, pools=(pool(N_STEPS, stored_kwh=160.0, wear_cost_per_kwh=0.001),))

    plan = solved(stated)

    started = sum(step.gensets[0].n_started for step in plan.steps)
    assert started == 1
    assert plan.relaxed == ()


def test_a_tank_without_the_fuel_of_a_start_leaves_the_set_off() -> None:
    assert sum(n_on(solved(starting(tank(stock_l=9.0), 10.0)))) == 0
    assert sum(n_on(solved(starting(tank(stock_l=19.0), 10.0)))) == 1


def test_starts_count_in_what_could_empty_the_tank() -> None:
    # 98 l of full load, and four starts of 10 l, or two where run and rest take two hours together
    assert shape_of(starting(tank(stock_l=138.0), 10.0)).fuel_stock is False
    assert shape_of(starting(tank(stock_l=137.0), 10.0)).fuel_stock is True
    apart = starting(tank(stock_l=128.0), 10.0)
    apart = replace(apart, gensets=(replace(apart.gensets[0], min_up_h=1.0, min_down_h=1.0),))
    assert shape_of(apart).fuel_stock is False


def test_a_plan_that_forgets_the_fuel_of_a_start_is_refused() -> None:
    stated = tank(stock_l=500.0)
    plan = solved(stated)

    found = refusals(starting(stated, 10.0), plan)

    assert found[0] == "step 0: fuel_stock_end_l is 475.5, allowed 465.5"


def test_a_set_that_warms_up_beside_an_empty_tank_has_a_plan_that_says_so() -> None:
    # it runs on for a quarter of an hour, and delivers its 30 kW for the rest of the hour: 9 l/h
    warming = replace(unit(1, on=True, since_h=0.1), warm_up_left_h=0.25)
    stated = tank(stock_l=0.0)
    stated = replace(stated, gensets=(replace(stated.gensets[0], units=(warming,), warm_up_h=0.35),))

    plan = solved(stated)

    assert plan.relaxed == ("fuel",)
    assert n_on(plan) == [1, 0, 0, 0]
    # at best 17 l make 70 kWh, each at 1.2 x 10
    assert plan.objective.missing_cost == pytest.approx(0.75 * 9.0 * 70.0 / 17.0 * 12.0)
    assert [step.fuel_stock_end_l for step in plan.steps] == pytest.approx([0.0] * N_STEPS)


def test_fuel_that_is_not_there_is_declared_and_paid() -> None:
    warming = replace(unit(1, on=True, since_h=0.1), warm_up_left_h=0.25)
    stated = tank(stock_l=0.0)
    stated = replace(stated, gensets=(replace(stated.gensets[0], units=(warming,), warm_up_h=0.35),))
    plan = solved(stated)
    free = replace(plan, objective=replace(plan.objective, missing_cost=0.0))

    assert any("fuel in the tank" in sentence for sentence in refusals(stated, replace(plan, relaxed=())))
    assert any("missing_cost" in sentence for sentence in refusals(stated, free))


def test_fuel_that_is_not_there_is_not_bought_to_keep_the_reserve() -> None:
    warming = replace(unit(1, on=True, since_h=0.1), warm_up_left_h=0.25)
    stated = tank(stock_l=30.0, reserve_l=100.0)
    stated = replace(
        stated,
        gensets=(replace(stated.gensets[0], units=(warming,), warm_up_h=0.35),),
        prices=replace(stated.prices, limit_per_kwh=50.0),
    )

    plan = solved(stated)

    assert plan.objective.missing_cost == 0.0
    assert "fuel reserve" in plan.relaxed


def test_starts_of_fractions_of_sets_draw_their_share() -> None:
    stated = starting(tank(stock_l=120.0), 20.0)
    stated = replace(stated, load=replace(stated.load, it_kw=(100.0, 20.0, 100.0, 100.0)))

    plan = solved(replace(stated, options=replace(stated.options, integer_h=1.0)))

    assert plan.steps[-1].fuel_stock_end_l is not None
    assert plan.relaxed == ()
