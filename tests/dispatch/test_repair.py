"""Repair of a commitment: units are added until the step holds, and every minimum time is kept."""

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ems.dispatch.check import evaluate
from ems.dispatch.milp.engine import DispatchEngine
from ems.dispatch.refusal import refusals as refused_fields
from ems.dispatch.repair import repaired
from ems.model.plan import PlanSource, PlanStatus
from ems.model.problem import (
    ContingencyKind,
    FuelStock,
    GensetProblem,
    GroupProblem,
    OutWindow,
    PlanningProblem,
    PreviousCommitment,
)
from tests.dispatch.problems import connection, gensets, loss, plant, pool, problem, reserve, unit
from tests.dispatch.rich import rich_problem
from tests.dispatch.solving import engine, n_on, refusals, solved
from tests.dispatch.test_random_gensets import featured
from tests.dispatch.test_random_problems import PLANNING, problems

FOUR = [unit(n) for n in range(4)]


def test_commitment_that_holds_is_left_as_it_is() -> None:
    stated = problem([150.0, 150.0, 80.0], sets=gensets(FOUR))

    assert repaired(stated, [[2, 2, 1]]) == ((2, 2, 1),)


def test_units_are_added_until_they_carry_the_load() -> None:
    # 250 kW need three sets of 100 kW, 80 kW one
    stated = problem([250.0, 80.0], sets=gensets(FOUR))

    assert repaired(stated, [[1, 0]]) == ((3, 1),)


def test_pv_storage_and_import_take_their_part_first() -> None:
    stated = problem(
        [250.0] * 3,
        pv=plant([100.0, 0.0, 0.0]),
        store=pool(3, stored_kwh=100.0, power_kw=100.0),
        sets=gensets(FOUR),
        grid=connection([0.1] * 3, import_limit_kw=150.0, connected=[1, 1, 0]),
    )

    # PV and import; 100 kW of storage in its only hour; after it three sets
    assert repaired(stated, [[0, 0, 0]]) == ((0, 0, 3),)


def test_sets_run_beforehand_where_the_last_step_has_none_to_add() -> None:
    # 600 kW ask for 400 of the sets and 200 of the store, which holds 50 and takes what runs before
    stated = problem(
        [50.0, 50.0, 600.0], store=pool(3, stored_kwh=50.0), sets=gensets(FOUR, min_kw=10.0, segments=((90.0, 0.2),))
    )

    counts = repaired(stated, [[0, 0, 0]])

    charged_kwh = sum(100.0 * n - 50.0 for n in counts[0][:2])
    assert counts[0][2] == 4
    assert 50.0 + charged_kwh >= 200.0
    assert 50.0 + charged_kwh - 100.0 < 200.0


@pytest.mark.parametrize(("variation_kw", "n_on"), [(40.0, 1), (60.0, 2)])
def test_units_are_added_until_the_reserve_holds(variation_kw: float, n_on: int) -> None:
    # one set and 50 kW of storage less 100 kW of load leave 50 kW
    stated = problem(
        [100.0],
        store=pool(1, stored_kwh=500.0, power_kw=50.0),
        sets=gensets(FOUR),
        requirements=reserve(1, r1_kw=variation_kw),
    )

    assert repaired(stated, [[1]]) == ((n_on,),)


def test_loss_of_a_set_asks_for_another() -> None:
    stated = problem(
        [100.0], sets=gensets(FOUR), requirements=reserve(1, r1_kw=0.0, losses=[loss(ContingencyKind.GENSET)])
    )

    assert repaired(stated, [[1]]) == ((2,),)


def test_store_is_kept_above_its_floor() -> None:
    stated = problem(
        [100.0, 100.0], store=pool(2, stored_kwh=250.0), sets=gensets(FOUR), requirements=reserve(2, floor_kwh=120.0)
    )

    # 250 - 100 = 150; another hour without a set would leave 50
    assert repaired(stated, [[0, 0]]) == ((0, 1),)


def test_unit_that_started_stays_on_for_its_minimum_time() -> None:
    stated = problem([80.0, 0.0, 0.0, 0.0], sets=gensets(FOUR, min_up_h=3.0))

    assert repaired(stated, [[1, 0, 0, 0]]) == ((1, 1, 1, 0),)


def test_history_holds_units_on_and_off() -> None:
    sets = gensets([unit(1, on=True, since_h=0.5), unit(2, since_h=0.5)], min_up_h=2.0, min_down_h=2.0)
    stated = problem([0.0, 0.0, 150.0], sets=sets)

    # the first runs 1.5 h more; the second may start after 1.5 h
    assert repaired(stated, [[0, 0, 0]]) == ((1, 1, 2),)


def test_gap_shorter_than_the_minimum_down_time_is_run_through() -> None:
    sets = gensets([unit(1, on=True)], min_down_h=3.0)
    stated = problem([80.0, 0.0, 0.0, 80.0], sets=sets)

    assert repaired(stated, [[1, 0, 0, 1]]) == ((1, 1, 1, 1),)


def test_units_that_are_out_are_not_counted_on() -> None:
    away = replace(unit(3), out=(OutWindow(start_h=0.0, end_h=1.0),))
    stated = problem([250.0], sets=gensets([unit(1), unit(2, available=False), away]))

    assert repaired(stated, [[3]]) == ((1,),)


def test_cheaper_class_is_added_first() -> None:
    thrifty = replace(gensets([unit(1)]), id="thrifty", min_fuel_l_per_h=1.0)
    stated = replace(problem([90.0]), gensets=(gensets([unit(1)]), thrifty))

    assert repaired(stated, [[0], [0]]) == ((0,), (1,))


def test_units_that_the_tank_cannot_feed_are_taken_off() -> None:
    # two sets at minimum burn 18 l/h and 5 l each to start: 28 l in the first hour, 9 l for one in the second
    stated = with_stock(problem([150.0] * 3, sets=gensets(FOUR, start_fuel_l=5.0)), stock_l=40.0)

    assert repaired(stated, [[2, 2, 2]]) == ((2, 1, 0),)


def test_delivery_feeds_the_steps_after_its_own() -> None:
    stated = with_stock(problem([80.0] * 3, sets=gensets(FOUR)), stock_l=10.0, delivered_l=(0.0, 20.0, 0.0))

    assert repaired(stated, [[1, 1, 1]]) == ((1, 0, 1),)


def test_units_that_a_group_cannot_pass_are_taken_off() -> None:
    behind = GroupProblem(id="transformer", members=("diesel",), limit_kw=70.0)
    stated = replace(problem([300.0] * 2, sets=gensets(FOUR)), groups=(behind,))

    assert repaired(stated, [[4, 1]]) == ((2, 2),)


def test_start_whose_warm_up_is_cut_off_is_left_out() -> None:
    cold = replace(gensets([unit(1)]), warm_up_h=1.5, usable_kw=(100.0, 20.0, 100.0, 100.0))

    assert repaired(problem([80.0] * 4, sets=cold), [[1, 1, 1, 1]]) == ((0, 0, 1, 1),)


def test_set_that_warms_up_runs_on_in_quiet_hours() -> None:
    warming = replace(unit(1, on=True, since_h=0.1), warm_up_left_h=1.5)
    sets = replace(gensets([warming]), warm_up_h=1.6, n_permitted=(0, 0, 0))

    assert repaired(problem([0.0] * 3, sets=sets), [[0, 0, 0]]) == ((1, 1, 0),)


def test_start_that_the_tank_cannot_feed_when_it_is_warm_is_left_out() -> None:
    # warm after a quarter of the second hour: 3/4 of 9 l are burnt whatever is decided then
    sets = replace(gensets([unit(1)], start_fuel_l=2.0), warm_up_h=1.25)
    short, enough = (with_stock(problem([80.0] * 2, sets=sets), stock_l=litres) for litres in (8.7, 8.8))

    # a start in the second hour burns its 2 l only
    assert repaired(short, [[1, 1]]) == ((0, 1),)
    assert repaired(enough, [[1, 1]]) == ((1, 1),)


@settings(PLANNING, max_examples=200)
@given(stated=problems(), data=st.data())
def test_repaired_commitment_keeps_every_limit_of_its_units(stated: PlanningProblem, data: st.DataObject) -> None:
    wanted = [
        data.draw(st.lists(st.integers(0, 4), min_size=stated.grid.n_steps, max_size=stated.grid.n_steps))
        for _ in stated.gensets
    ]

    counts = repaired(stated, wanted)

    for genset, row in zip(stated.gensets, counts, strict=True):
        assert _broken_times(stated, genset, list(row)) == []
        assert all(0 <= n <= sum(each.available for each in genset.units) for n in row)


@PLANNING
@given(stated=problems())
def test_plan_of_the_rounded_relaxation_passes_the_check(stated: PlanningProblem) -> None:
    plan = engine().relax(stated)

    assert [violation.sentence() for violation in evaluate(stated, plan).violations] == []
    assert (plan.source, plan.status, plan.gap_frac) == (PlanSource.RELAXED, PlanStatus.FALLBACK, None)


@PLANNING
@given(stated=featured(), limit_kw=st.sampled_from([20.0, 50.0, 110.0, 1000.0]))
def test_rounded_relaxation_of_featured_sets_passes_the_check(stated: PlanningProblem, limit_kw: float) -> None:
    behind = GroupProblem(id="transformer", members=(stated.gensets[0].id,), limit_kw=limit_kw)
    narrow = replace(stated, groups=(behind,))
    assume(not refused_fields(narrow))

    plan = engine().relax(narrow)

    assert [violation.sentence() for violation in evaluate(narrow, plan).violations] == []


def test_unit_that_history_holds_on_runs_on_in_quiet_hours_at_a_price() -> None:
    sets = replace(gensets([unit(1, on=True, since_h=0.1)], min_up_h=1.0), n_permitted=(0,))
    stated = problem([150.0], sets=sets)

    plan = engine().relax(stated)

    assert refusals(stated, plan) == []
    assert n_on(plan) == [1]
    assert "quiet hours" in plan.relaxed
    assert "minimum up time" not in plan.relaxed


def test_unit_that_minimum_up_holds_on_until_its_window_leaves_and_another_starts() -> None:
    leaving = replace(unit(1, on=True, since_h=0.5), out=(OutWindow(start_h=1.0, end_h=9.0),))
    stated = problem([80.0, 80.0, 0.0, 0.0], sets=gensets([leaving, unit(2)], min_up_h=2.0))

    # the second one starts with the second hour and is bound for another
    assert repaired(stated, [[1, 1, 0, 0]]) == ((1, 1, 1, 0),)


def test_rounded_relaxation_costs_no_less_than_the_optimum() -> None:
    stated = rich_problem()

    relaxed, best = engine().relax(stated), solved(stated)

    assert relaxed.objective.total_cost() >= best.objective.total_cost() - 1e-3


@PLANNING
@given(stated=problems(), n_on=st.integers(0, 3))
def test_start_changes_nothing_but_the_way_to_the_optimum(stated: PlanningProblem, n_on: int) -> None:
    previous = tuple(
        PreviousCommitment(id=genset.id, n_on=(min(n_on, len(genset.units)),) * stated.grid.n_steps)
        for genset in stated.gensets
    )
    cold = replace(stated, previous=previous)
    warm = replace(cold, options=replace(cold.options, warm_start=True))

    assert solved(warm).objective.total_cost() == pytest.approx(solved(cold).objective.total_cost(), rel=1e-4, abs=0.01)


def with_stock(stated: PlanningProblem, *, stock_l: float, delivered_l: tuple[float, ...] = ()) -> PlanningProblem:
    """Return a problem whose tank holds some litres."""
    assert stated.fuel is not None
    stock = FuelStock(
        stock_l=stock_l,
        reserve_l=0.0,
        capacity_l=1000.0,
        delivered_l=delivered_l or (0.0,) * stated.grid.n_steps,
    )
    return replace(stated, fuel=replace(stated.fuel, stock=stock))


def _broken_times(stated: PlanningProblem, genset: GensetProblem, row: list[int]) -> list[str]:
    """Replay starts and stops, longest first, and return every one that comes too early."""
    running = sorted(-each.since_h for each in genset.units if each.available and each.on)
    resting = sorted(-each.since_h for each in genset.units if each.available and not each.on)
    broken = []
    for t, n in enumerate(row):
        now = stated.grid.offset_h[t]
        while len(running) > n:
            since = running.pop(0)
            if now - since < genset.min_up_h - 1e-6:
                broken.append(f"stop at {now} after {now - since}")
            resting.append(now)
        while len(running) < n:
            since = resting.pop(0)
            if now - since < genset.min_down_h - 1e-6:
                broken.append(f"start at {now} after {now - since}")
            running.append(now)
    return broken


@pytest.mark.parametrize(
    ("gap_frac", "factor", "source"), [(0.4, 2.0, "relaxed"), (0.01, 2.0, "milp"), (0.4, 0.5, "milp")]
)
def test_poor_incumbent_gives_way_to_a_cheaper_rounded_relaxation(
    monkeypatch: pytest.MonkeyPatch, gap_frac: float, factor: float, source: str
) -> None:
    stated = problem([80.0, 60.0], sets=gensets([unit(1), unit(2)]))
    rounded = DispatchEngine().relax(stated)
    terms = replace(rounded.objective, fuel_cost=factor * rounded.objective.fuel_cost)
    poor = replace(rounded, source=PlanSource.MILP, status=PlanStatus.FEASIBLE, gap_frac=gap_frac, objective=terms)
    monkeypatch.setattr(DispatchEngine, "_planned", lambda *_, **__: poor)
    monkeypatch.setattr(DispatchEngine, "relax", lambda *_: rounded)

    plan = DispatchEngine().solve(stated)

    assert plan.source.value == source
    assert plan.status is PlanStatus.FEASIBLE
