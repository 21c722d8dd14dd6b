"""Which units a plan names: by their clocks or counters, each inside its own minimum times."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ems.dispatch.unit_history import is_out
from ems.model.plan import Plan
from ems.model.problem import GensetProblem, OutWindow, PlanningProblem, UnitHistory
from ems.model.rotation import Rotation, RotationRule, UnitClock
from tests.dispatch.problems import gensets, problem, unit
from tests.dispatch.solving import refusals, solved

MINUTES_PER_HOUR = 60
PLANNING = settings(derandomize=True, deadline=None, max_examples=60)


def names(plan: Plan) -> list[tuple[str, ...]]:
    return [step.gensets[0].units_on for step in plan.steps]


def with_hours(*run_h: float, on: bool = False) -> list[UnitHistory]:
    return [replace(unit(number, on=on), run_h=hours) for number, hours in enumerate(run_h, start=1)]


def test_longest_stopped_set_starts_and_longest_running_set_stops() -> None:
    units = [unit(1, on=True, since_h=2.0), unit(2, on=True, since_h=5.0), unit(3, since_h=1.0), unit(4, since_h=9.0)]

    plan = solved(problem([300.0, 100.0], sets=gensets(units)))

    assert names(plan) == [("g1", "g2", "g4"), ("g4",)]


def test_run_hours_decide_where_that_is_configured() -> None:
    sets = replace(gensets(with_hours(300.0, 100.0, 200.0)), rotation=Rotation.RUN_HOURS)

    plan = solved(problem([100.0, 200.0, 100.0], sets=sets))

    assert names(plan) == [("g2",), ("g2", "g3"), ("g2",)]


def test_a_set_that_is_due_for_service_rests() -> None:
    # 10 h, 240 h and 100 h since the last service
    sets = replace(gensets(with_hours(510.0, 490.0, 350.0)), rotation=Rotation.SERVICE, service_interval_h=250.0)

    plan = solved(problem([200.0, 100.0], sets=sets))

    assert names(plan) == [("g1", "g3"), ("g1",)]


def test_run_hours_never_break_a_minimum_time() -> None:
    units = [replace(unit(1, on=True, since_h=0.5), run_h=900.0), replace(unit(2, on=True, since_h=9.0), run_h=10.0)]
    sets = replace(gensets(units, min_up_h=3.0), rotation=Rotation.RUN_HOURS)

    plan = solved(problem([200.0, 100.0], sets=sets))

    # the set with the most hours is still bound
    assert names(plan) == [("g1", "g2"), ("g1",)]


def test_a_set_that_is_out_soon_starts_last() -> None:
    soon = replace(unit(1, since_h=500.0), out=(OutWindow(start_h=1.0, end_h=2.0),))

    plan = solved(problem([100.0, 100.0], sets=gensets([soon, unit(2)], min_up_h=2.0)))

    assert names(plan) == [("g2",), ("g2",)]


def test_fractions_of_sets_have_no_names() -> None:
    plan = solved(problem([100.0, 50.0], sets=gensets([unit(1)]), integer_h=1.0))

    assert names(plan) == [("g1",), ()]


@pytest.mark.parametrize(
    ("named", "what"),
    [
        (("g2",), "units named"),
        (("g2", "g2"), "units named"),
        (("g2", "g9"), "units named that may not run"),
        (("g2", "g3"), "g3 minimum down time"),
    ],
)
def test_wrong_names_are_refused(named: tuple[str, ...], what: str) -> None:
    units = [unit(1), unit(2), unit(3, since_h=0.5)]
    stated = problem([200.0], sets=gensets(units, min_down_h=1.0))
    plan = solved(stated)

    genset = replace(plan.steps[0].gensets[0], units_on=named)
    changed = replace(plan, steps=(replace(plan.steps[0], gensets=(genset,)),))

    assert names(plan) == [("g1", "g2")]
    assert any(what in sentence for sentence in refusals(stated, changed))


def test_a_unit_that_is_due_for_its_exercise_starts_first_whatever_the_rotation() -> None:
    rule = RotationRule(rotation=Rotation.RUN_HOURS, exercise_due_h=100.0)
    clocks = [UnitClock(id="a", since_h=5.0, run_h=1.0), UnitClock(id="b", since_h=150.0, run_h=9.0)]

    assert rule.start_order(clocks) == ["b", "a"]


@st.composite
def crews(draw: st.DrawFn) -> PlanningProblem:
    duration_h = draw(st.lists(st.sampled_from([0.25, 0.5, 1.0]), min_size=3, max_size=7))
    age_h = st.sampled_from([0.25, 0.5, 1.0, 2.0, 50.0])
    window = st.tuples(st.sampled_from([0.0, 0.5, 1.0, 2.0]), st.sampled_from([0.25, 1.0])).map(
        lambda span: (OutWindow(start_h=span[0], end_h=span[0] + span[1]),)
    )
    units = draw(
        st.lists(
            st.builds(
                UnitHistory,
                id=st.just("?"),
                on=st.booleans(),
                since_h=age_h,
                available=st.just(True) | st.booleans(),
                run_h=st.sampled_from([0.0, 100.0, 240.0, 500.0]),
                out=st.just(()) | st.just(()) | window,
            ),
            min_size=1,
            max_size=4,
        )
    )
    sets = replace(
        gensets(
            [replace(each, id=f"g{number}") for number, each in enumerate(units, start=1)],
            min_up_h=draw(st.sampled_from([0.0, 0.75, 1.5])),
            min_down_h=draw(st.sampled_from([0.0, 0.5, 1.25])),
            start_cost=draw(st.sampled_from([0.0, 5.0])),
        ),
        rotation=draw(st.sampled_from(Rotation)),
        service_interval_h=250.0,
        warm_up_h=draw(st.sampled_from([0.0, 0.0, 0.1, 0.6])),
    )
    it_kw = draw(
        st.lists(st.sampled_from([0.0, 60.0, 150.0, 260.0]), min_size=len(duration_h), max_size=len(duration_h))
    )
    return problem(it_kw, sets=sets, duration_h=duration_h)


@PLANNING
@given(stated=crews())
def test_minimum_times_hold_in_a_replay_by_the_minute_for_every_unit(stated: PlanningProblem) -> None:
    plan = solved(stated)
    (sets,) = stated.gensets
    broken = set(plan.relaxed)

    for each in sets.units:
        for on, hours, excused in _runs(stated, plan, sets, each):
            if excused:
                continue
            minimum_h, wish = (sets.min_up_h, "minimum up time") if on else (sets.min_down_h, "minimum down time")
            assert hours >= minimum_h - 1e-6 or wish in broken, (each.id, on, hours)


def _runs(
    stated: PlanningProblem, plan: Plan, sets: GensetProblem, each: UnitHistory
) -> list[tuple[bool, float, bool]]:
    """Return the unit's finished runs and rests as (on, hours, ended or begun by a window), minute by minute."""
    state, minutes, excused = each.on, round(each.since_h * MINUTES_PER_HOUR), False
    finished = []
    for t, step in enumerate(plan.steps):
        if step.gensets[0].n_on and not step.gensets[0].units_on:
            break
        now = each.id in step.gensets[0].units_on
        away = not each.available or is_out(stated, sets, each, t)
        for _ in range(round(step.duration_h * MINUTES_PER_HOUR)):
            excused = excused or away
            if now is not state:
                finished.append((state, minutes / MINUTES_PER_HOUR, excused))
                state, minutes, excused = now, 0, away
            minutes += 1
    return finished
