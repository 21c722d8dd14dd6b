"""What a class of gensets can have beyond its counts: derating, warm-up, absence, rules of the site, exhaust."""

from dataclasses import replace

import pytest

from ems.dispatch.milp.shape import shape_of
from ems.model.plan import Plan
from ems.model.problem import (
    ContingencyKind,
    ExerciseProblem,
    GensetProblem,
    OutWindow,
    PlanningProblem,
    PollutantProblem,
    UnitHistory,
)
from tests.dispatch.problems import PRICES, common_loss, gensets, load, loss, plant, pool, problem, reserve, unit
from tests.dispatch.solving import gensets_kw, n_on, refusals, solved


def with_class(plan: Plan, t: int, **values: object) -> Plan:
    """Return a plan with some values of its class changed in one step."""
    genset = replace(plan.steps[t].gensets[0], **values)  # type: ignore[arg-type]  # any field of the class's step
    return replace(plan, steps=(*plan.steps[:t], replace(plan.steps[t], gensets=(genset,)), *plan.steps[t + 1 :]))


def from_zero(units: list[UnitHistory]) -> GensetProblem:
    """Return a class without least output, cost of starts and economic band."""
    segments = ((40.0, 0.2), (60.0, 0.25))
    return gensets(units, start_cost=0.0, min_kw=0.0, segments=segments, min_fuel_l_per_h=0.0, band_low_kw=0.0)


def out(number: int, *windows: tuple[float, float], on: bool = False, since_h: float = 100.0) -> UnitHistory:
    """Return a unit that is out between some hours."""
    spans = tuple(OutWindow(start_h=start, end_h=end) for start, end in windows)
    return replace(unit(number, on=on, since_h=since_h), out=spans)


def test_a_problem_without_the_features_has_none_of_their_rows() -> None:
    (shape,) = shape_of(problem([100.0], sets=gensets([unit(1)]))).gensets

    lags = (shape.n_warm_lags, shape.n_exercise_lags)
    rules = (shape.leaves, shape.quiet, shape.permit, shape.pollutes, shape.exercise_load)
    assert lags == (0, 0)
    assert rules == (False,) * 5


def test_a_set_cannot_start_and_stop_at_once_to_deliver_less() -> None:
    units = [unit(1, on=True), unit(2), unit(3)]
    cold = replace(gensets(units, start_cost=0.0), warm_up_h=0.5)

    plan = solved(problem([100.0, 0.0, 100.0], sets=cold))

    # with two false starts in the second hour a single set would do, and nothing would be left over
    assert all(step.gensets[0].n_started <= step.gensets[0].n_on for step in plan.steps)
    assert n_on(plan) == [2, 0, 3]


def test_fractions_of_sets_that_warm_up_are_held_to_the_fuel_that_they_can_burn() -> None:
    # beyond the integer hours 0.679 of a set delivers at its rating: fewer could not, a whole one would burn 16.58 l/h
    units = [unit(1, on=True), unit(2)]
    cold = replace(gensets(units, run_wear_cost_per_h=50.0), warm_up_h=0.1)
    stated = problem([67.9], sets=cold, duration_h=(0.25,), integer_h=0.0)

    plan = solved(stated)

    assert plan.steps[0].gensets[0].fuel_l_per_h == pytest.approx(0.679 * 24.5)
    thirsty = with_class(plan, 0, fuel_l_per_h=17.5)
    assert any("step 0: diesel fuel_l_per_h is 17.5" in sentence for sentence in refusals(stated, thirsty))


def test_hot_hours_leave_a_set_less_power() -> None:
    hot = replace(gensets([unit(1), unit(2)]), usable_kw=(100.0, 80.0))

    plan = solved(problem([100.0, 100.0], sets=hot))

    assert n_on(plan) == [1, 2]
    assert plan.objective.fuel_cost == pytest.approx(24.5 + 2 * 13.0)


def test_a_plan_above_the_usable_power_is_refused() -> None:
    plan = solved(problem([100.0], sets=gensets([unit(1)])))

    hot = problem([100.0], sets=replace(gensets([unit(1)]), usable_kw=(90.0,)))

    assert any("diesel power_kw is 100, allowed 90" in sentence for sentence in refusals(hot, plan))


def test_sets_that_cannot_reach_their_least_output_do_not_run_and_break_no_minimum_time() -> None:
    faint = replace(gensets([unit(1, on=True)], min_down_h=3.0), usable_kw=(100.0, 20.0, 100.0))

    plan = solved(problem([100.0, 0.0, 0.0], sets=faint))

    assert n_on(plan) == [1, 0, 0]
    assert plan.relaxed == ()


@pytest.mark.parametrize(("warm_up_h", "unserved_kw"), [(0.0, 0.0), (0.25, 25.0), (1.0, 100.0)])
def test_a_starting_set_delivers_nothing_while_it_warms_up(warm_up_h: float, unserved_kw: float) -> None:
    cold = replace(gensets([unit(1)]), warm_up_h=warm_up_h)

    plan = solved(problem([100.0, 100.0], sets=cold))

    # a cold set is started for the second hour's load, and delivers what is left of the first
    assert n_on(plan)[1] == 1 or warm_up_h == 1.0
    assert plan.steps[0].unserved_kw == pytest.approx(unserved_kw)


def test_warm_up_is_hours_and_reaches_over_short_steps() -> None:
    cold = replace(
        from_zero([unit(1)]),
        warm_up_h=0.6,
    )

    plan = solved(problem([70.0] * 3, sets=cold, duration_h=[0.25, 0.5, 1.0]))

    # 0.25 h and 0.35 h of the second step are lost, 0.15 h deliver: 30 % of the step
    assert gensets_kw(plan) == pytest.approx([0.0, 0.3 * 100.0, 70.0])


def test_warm_up_that_runs_at_the_start_goes_on() -> None:
    warming = replace(unit(1, on=True, since_h=0.1), warm_up_left_h=0.5)

    plan = solved(problem([40.0, 40.0], sets=replace(gensets([warming]), warm_up_h=0.6)))

    assert gensets_kw(plan) == pytest.approx([40.0, 40.0])
    assert plan.steps[0].gensets[0].fuel_l_per_h == pytest.approx(0.5 * 17.0 + 0.5 * 10.0 * 0.25)


def test_a_set_that_warms_up_is_not_stopped() -> None:
    warming = replace(unit(1, on=True, since_h=0.1), warm_up_left_h=0.5)
    stated = problem([0.0, 0.0], store=pool(2, stored_kwh=500.0), sets=replace(gensets([warming]), warm_up_h=0.6))

    plan = solved(stated)

    assert n_on(plan) == [1, 0]


def test_output_during_the_warm_up_is_refused() -> None:
    sets = gensets([unit(1)])
    plan = solved(problem([100.0], sets=sets))

    cold = problem([100.0], sets=replace(sets, warm_up_h=0.5))

    assert any("diesel power_kw" in sentence for sentence in refusals(cold, plan))


def test_a_starting_set_gives_no_headroom() -> None:
    # 250 kW of storage carry 150 kW and the loss of nothing with 100 kW to spare; 60 kW more have to come from sets
    def stated(warm_up_h: float) -> PlanningProblem:
        return problem(
            [200.0, 200.0],
            store=pool(2, stored_kwh=900.0, power_kw=250.0),
            sets=replace(
                from_zero([unit(1)]),
                warm_up_h=warm_up_h,
            ),
            requirements=reserve(2, r1_kw=100.0),
        )

    ready, cold = solved(stated(0.0)), solved(stated(0.5))

    assert ready.relaxed == ()
    # 50 kW of storage are left in the first hour, however much the set delivers in its second half
    assert cold.objective.reserve_cost == pytest.approx(50.0 * 5.0)
    assert cold.relaxed == ("reserve: r1 after none",)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(("r0_kw", "r1_kw"), [(10.0, None), (None, 10.0)])
def test_loss_of_a_set_that_warms_up_takes_nothing(count: int, r0_kw: float | None, r1_kw: float | None) -> None:
    warming = replace(unit(1, on=True, since_h=0.1), warm_up_left_h=1.0)
    resting = [unit(2, since_h=0.1), unit(3, since_h=0.1)]
    stated = problem(
        [100.0],
        sets=replace(gensets([warming, *resting], min_down_h=3.0), warm_up_h=1.1),
        requirements=reserve(
            1, r0_kw=r0_kw, r1_kw=r1_kw, losses=[common_loss((ContingencyKind.GENSET, count))], down=False
        ),
    )

    assert solved(stated).objective.reserve_cost == pytest.approx(10.0 * PRICES.reserve_per_kwh)


def test_loss_of_a_warm_set_beside_one_that_warms_up_takes_its_rating() -> None:
    warming = replace(unit(1, on=True, since_h=0.1), warm_up_left_h=1.0)
    stated = problem(
        [100.0],
        sets=replace(gensets([warming, unit(2, on=True)]), warm_up_h=1.1),
        requirements=reserve(1, r1_kw=10.0, losses=[loss(ContingencyKind.GENSET)], down=False),
    )

    assert solved(stated).objective.reserve_cost == pytest.approx((10.0 + 100.0) * PRICES.reserve_per_kwh)


def test_loss_of_the_only_set_leaves_it_to_start_where_it_rests() -> None:
    stated = problem(
        [0.0],
        sets=gensets([unit(1)], start_cost=1e4),
        requirements=reserve(1, r2_kw=120.0, losses=[loss(ContingencyKind.GENSET)], down=False),
    )

    plan = solved(stated)

    # at rest it gives its 100 kW within the class time, and there is no running set to lose
    assert n_on(plan) == [0]
    assert plan.objective.reserve_cost == pytest.approx(20.0 * PRICES.reserve_per_kwh)


def test_set_that_warms_up_stops_where_it_may_not_run_and_starts_anew() -> None:
    warming = replace(unit(1, on=True, since_h=2.0), warm_up_left_h=2.5)
    sets = replace(gensets([warming]), warm_up_h=1.0, usable_kw=(100.0, 20.0, 100.0, 100.0))

    plan = solved(problem([50.0] * 4, sets=sets))

    assert n_on(plan) == [1, 0, 1, 1]
    assert gensets_kw(plan) == pytest.approx([0.0, 0.0, 0.0, 50.0])


def test_maintenance_takes_a_set_out_of_every_step_that_it_touches() -> None:
    away = gensets([unit(1), out(2, (1.5, 2.5))])

    plan = solved(problem([200.0] * 4, sets=away))

    assert n_on(plan) == [2, 1, 1, 2]
    assert [step.gensets[0].units_on for step in plan.steps] == [("g1", "g2"), ("g1",), ("g1",), ("g1", "g2")]


def test_a_set_that_leaves_for_maintenance_breaks_no_minimum_time_of_the_others() -> None:
    away = gensets([unit(1, on=True), out(2, (1.0, 2.0), on=True, since_h=0.5)], min_up_h=3.0, min_down_h=1.5)

    plan = solved(problem([200.0] * 4, sets=away))

    # the window is stretched by the rest after the stop
    assert n_on(plan) == [2, 1, 1, 2]
    assert [step.gensets[0].n_left for step in plan.steps] == [0, 1, 0, 0]
    assert plan.relaxed == ("unserved",)


def test_a_set_that_its_minimum_run_holds_on_leaves_running_and_another_starts_in_its_place() -> None:
    away = gensets([out(1, (1.0, 9.0), on=True, since_h=0.5), unit(2)], min_up_h=2.0)
    stated = problem([100.0] * 3, sets=away)

    plan = solved(stated)

    change = plan.steps[1].gensets[0]
    assert n_on(plan) == [1, 1, 1]
    assert (change.n_started, change.n_left, change.n_stopped) == (1, 1, 1)
    assert plan.objective.starts_cost == pytest.approx(5.0)
    assert plan.relaxed == ()
    unseen = with_class(plan, 1, n_started=0, n_left=0, n_stopped=0)
    assert "step 1: diesel units that left is 0, allowed 1" in refusals(stated, unseen)


def test_a_set_that_its_minimum_rest_holds_off_does_not_leave_running() -> None:
    away = gensets([unit(1, on=True), out(2, (1.0, 2.0), since_h=0.5)], min_down_h=3.0)
    stated = problem([100.0, 0.0, 100.0], sets=away, prices=replace(PRICES, limit_per_kwh=50.0))

    plan = solved(stated)

    # the set that runs would have to rest: it runs on at 30 kW that nothing takes
    assert n_on(plan) == [1, 1, 1]
    assert plan.relaxed == ("surplus",)
    gone = with_class(plan, 1, n_on=0, n_left=1, n_stopped=1, power_kw=0.0, units_on=())
    assert "step 1: diesel units that left is 1, allowed 0" in refusals(stated, gone)


def test_a_set_comes_back_from_a_short_window_rested() -> None:
    away = gensets([out(1, (1.0, 1.5), on=True)], min_down_h=2.0)

    plan = solved(problem([100.0] * 4, sets=away))

    assert n_on(plan) == [1, 0, 0, 1]


def test_more_units_than_maintenance_leaves_are_refused() -> None:
    sets = gensets([unit(1), unit(2)])
    plan = solved(problem([200.0] * 2, sets=sets))

    away = problem([200.0] * 2, sets=gensets([unit(1), out(2, (1.0, 2.0))]))

    assert any("step 1: diesel units on is 2, allowed 1" in sentence for sentence in refusals(away, plan))


def test_quiet_hours_hold_sets_back_while_storage_can_do_it() -> None:
    sets = gensets([unit(1)], start_cost=0.0)
    store = pool(3, stored_kwh=100.0, wear_cost_per_kwh=0.5)

    loud = solved(problem([100.0] * 3, store=store, sets=sets))
    quiet = solved(problem([100.0] * 3, store=store, sets=replace(sets, n_permitted=(1, 0, 1))))

    assert n_on(loud) == [1, 1, 1]
    assert n_on(quiet) == [1, 0, 1]
    assert quiet.relaxed == ()


def test_quiet_hours_are_broken_at_their_price_before_load_is_lost() -> None:
    quiet = problem([100.0], sets=replace(gensets([unit(1)]), n_permitted=(0,)))

    plan = solved(quiet)

    assert plan.relaxed == ("quiet hours",)
    assert plan.objective.limit_cost == pytest.approx(2.0 * 100.0)
    assert any("units in quiet hours" in sentence for sentence in refusals(quiet, replace(plan, relaxed=())))


def test_permitted_run_hours_are_kept_while_storage_can_do_it() -> None:
    sets = gensets([unit(1)], start_cost=0.0)
    store = pool(3, stored_kwh=200.0, wear_cost_per_kwh=0.5)

    plan = solved(problem([100.0] * 3, store=store, sets=replace(sets, permitted_run_h=1.0)))

    assert sum(n_on(plan)) == 1


def test_permitted_run_hours_are_broken_at_their_price() -> None:
    stated = problem([100.0] * 3, sets=replace(gensets([unit(1)]), permitted_run_h=1.5))

    plan = solved(stated)

    assert plan.relaxed == ("permitted run hours",)
    assert plan.objective.limit_cost == pytest.approx(1.5 * 2.0 * 100.0)
    assert any("permitted run hours" in sentence for sentence in refusals(stated, replace(plan, relaxed=())))


def exercised(*, missed_cost: float = 100.0, run_h: float = 0.0, min_load_frac: float = 0.0) -> GensetProblem:
    """Return a class that is due for a start in the second or third hour."""
    due = ExerciseProblem(first_step=1, end_step=3, missed_cost=missed_cost, run_h=run_h, min_load_frac=min_load_frac)
    return replace(gensets([unit(1)]), exercise=due)


def idle(sets: GensetProblem) -> PlanningProblem:
    """Return four hours that need no set."""
    return problem([100.0] * 4, pv=plant([200.0] * 4), store=pool(4, stored_kwh=500.0), sets=sets)


def test_an_exercise_that_is_due_starts_a_set_in_its_window() -> None:
    plan = solved(idle(exercised()))

    assert sum(n_on(plan)) == 1
    assert sum(n_on(plan)[1:3]) == 1
    assert plan.objective.exercise_cost == 0.0


def test_an_exercise_lasts_and_burns_off_under_load() -> None:
    plan = solved(idle(exercised(run_h=2.0, min_load_frac=0.8)))

    ran = [kw for kw in gensets_kw(plan) if kw > 0.0]
    assert len(ran) == 2
    assert min(ran) == pytest.approx(80.0)


def test_an_exercise_is_left_out_where_it_costs_less_and_the_plan_says_so() -> None:
    stated = idle(exercised(missed_cost=3.0))

    plan = solved(stated)

    assert sum(n_on(plan)) == 0
    assert plan.relaxed == ("exercise run",)
    assert plan.objective.exercise_cost == pytest.approx(3.0)
    assert any("exercise" in sentence for sentence in refusals(stated, replace(plan, relaxed=())))


def test_an_exercise_that_costs_nothing_to_miss_is_left_out_beside_one_that_has_a_price() -> None:
    free = replace(exercised(missed_cost=0.0), id="free")
    stated = idle(exercised(missed_cost=100.0))
    stated = replace(stated, gensets=(*stated.gensets, free))

    plan = solved(stated)

    assert [sum(step.gensets[c].n_on for step in plan.steps) for c in (0, 1)] == [1, 0]
    assert plan.relaxed == ("exercise run",)
    assert plan.objective.exercise_cost == 0.0
    # what is declared has been missed
    priced = replace(stated, gensets=stated.gensets[:1])
    alone = replace(solved(priced), relaxed=("exercise run",))
    assert "plan: price of the declared 'exercise run' is 0, allowed 0" in refusals(priced, alone)


def test_a_set_that_runs_through_the_window_is_no_exercise() -> None:
    due = ExerciseProblem(first_step=1, end_step=3, missed_cost=4.0)
    stated = problem([100.0] * 4, sets=replace(gensets([unit(1, on=True)]), exercise=due))

    plan = solved(stated)

    assert n_on(plan) == [1, 1, 1, 1]
    assert plan.objective.exercise_cost == pytest.approx(4.0)


def test_a_start_that_ends_too_early_is_no_exercise() -> None:
    stated = idle(exercised())
    plan = solved(stated)

    longer = idle(exercised(run_h=2.0))

    assert any("exercise_cost is 0, allowed 100" in sentence for sentence in refusals(longer, plan))


NOX = PollutantProblem(id="nox", min_g_per_h=300.0, segment_g_per_kwh=(5.0, 10.0))


def test_pollutants_are_reported_by_the_load_of_the_units() -> None:
    plan = solved(problem([85.0, 0.0], sets=replace(gensets([unit(1)]), pollutants=(NOX,))))

    # 300 g/h at 30 kW, 40 kW at 5 g/kWh and 15 kW at 10 g/kWh
    assert [dict(step.gensets[0].pollutants_g_per_h)["nox"] for step in plan.steps] == pytest.approx([650.0, 0.0])
    assert plan.objective.pollutant_cost == 0.0


def test_a_priced_pollutant_moves_output_from_the_dirtier_stretch() -> None:
    sets = from_zero([unit(1), unit(2)])
    priced = replace(NOX, price_per_kg=20.0, min_g_per_h=0.0)

    cheap = solved(problem([70.0], sets=replace(sets, run_wear_cost_per_h=4.0)))
    clean = solved(problem([70.0], sets=replace(sets, run_wear_cost_per_h=4.0, pollutants=(priced,))))

    assert (n_on(cheap), n_on(clean)) == ([1], [2])
    # 70 kW on the first stretches of two units: 350 g at 20 per kg
    assert clean.objective.pollutant_cost == pytest.approx(7.0)


@pytest.mark.parametrize("reported", [(), (("nox", 500.0),), (("soot", 650.0),)])
def test_wrong_pollutants_are_refused(reported: tuple[tuple[str, float], ...]) -> None:
    stated = problem([85.0], sets=replace(gensets([unit(1)]), pollutants=(NOX,)))
    plan = solved(stated)

    changed = with_class(plan, 0, pollutants_g_per_h=reported)

    assert any("nox" in sentence or "pollutants" in sentence for sentence in refusals(stated, changed))


def test_loss_of_a_set_takes_its_usable_power() -> None:
    sets = replace(from_zero([unit(1), unit(2)]), usable_kw=(60.0,))
    stated = problem(
        load([80.0]),
        store=pool(1, stored_kwh=900.0, power_kw=90.0),
        sets=sets,
        requirements=reserve(1, r1_kw=0.0, losses=[loss(ContingencyKind.GENSET)]),
        prices=PRICES,
    )

    assert solved(stated).relaxed == ()


def test_reserve_that_is_held_against_what_a_lost_block_leaves_while_sets_warm_up_passes_the_check() -> None:
    # the store is below its floor: a set starts, and what it does not deliver yet is counted as storage's
    sets = replace(gensets([unit(1)], start_cost=0.0, step_kw=30.0), warm_up_h=0.1)
    stated = problem(
        [0.0] * 3,
        store=pool(3, stored_kwh=20.0, power_kw=100.0, n_blocks=2),
        sets=sets,
        requirements=reserve(
            3, r2_kw=0.0, r2_sustain_h=0.25, losses=[loss(ContingencyKind.BLOCK)], floor_kwh=400.0, sustain_h=0.02
        ),
        duration_h=[0.25] * 3,
    )

    assert "floor" in solved(stated).relaxed


def test_fast_reserve_counts_what_storage_delivers_until_the_sets_are_warm() -> None:
    # 80 kW of load: a set that is warm after a quarter of an hour, and before that the store with all its 100 kW
    sets = replace(gensets([unit(1)], start_cost=0.0), warm_up_h=0.25)
    stated = problem(
        [0.0, 80.0],
        store=pool(2, stored_kwh=500.0, power_kw=100.0, wear_cost_per_kwh=1.0),
        sets=sets,
        requirements=replace(reserve(2, r0_kw=30.0), down=False),
    )

    plan = solved(stated)

    # with 30 kW beside the load 10 kW are missing until the set is warm, so that it starts an hour ahead
    assert n_on(plan) == [1, 1]
    assert plan.relaxed == ()
