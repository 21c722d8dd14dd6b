"""Random problems whose sets have every feature of a class: each plan passes the check."""

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from ems.dispatch.check import evaluate
from ems.dispatch.refusal import refusals
from ems.model.problem import ExerciseProblem, FuelStock, GensetProblem, OutWindow, PlanningProblem, PollutantProblem
from tests.dispatch.solving import engine
from tests.dispatch.test_random_problems import PLANNING, problems

NOX = PollutantProblem(id="nox", min_g_per_h=200.0, segment_g_per_kwh=(6.0, 9.0))


@st.composite
def featured(draw: st.DrawFn) -> PlanningProblem:
    stated = draw(problems().filter(lambda each: bool(each.gensets)))
    n_steps = stated.grid.n_steps
    sets = stated.gensets[0]
    sets = draw(st.sampled_from([sets, replace(sets, usable_kw=_series(draw, [20.0, 60.0, 90.0, 100.0], n_steps))]))
    sets = draw(st.sampled_from([sets, _warming(draw, sets)]))
    sets = draw(st.sampled_from([sets, _leaving(draw, sets)]))
    if draw(st.booleans()):
        sets = replace(sets, n_permitted=tuple(draw(st.integers(0, len(sets.units))) for _ in range(n_steps)))
    if draw(st.booleans()):
        sets = replace(sets, permitted_run_h=draw(st.sampled_from([0.0, 0.5, 2.0])))
    if draw(st.booleans()):
        sets = replace(sets, pollutants=(replace(NOX, price_per_kg=draw(st.sampled_from([0.0, 2.0]))),))
    sets = replace(sets, start_fuel_l=draw(st.sampled_from([0.0, 2.0, 15.0])))
    if draw(st.booleans()):
        sets = replace(sets, exercise=_exercise(draw, n_steps))
    fuel = stated.fuel
    if fuel is not None and draw(st.booleans()):
        fuel = replace(fuel, stock=_stock(draw, n_steps))
    return replace(stated, gensets=(sets,), fuel=fuel)


def _series(draw: st.DrawFn, values: list[float], n_steps: int) -> tuple[float, ...]:
    return tuple(draw(st.sampled_from(values)) for _ in range(n_steps))


def _warming(draw: st.DrawFn, sets: GensetProblem) -> GensetProblem:
    left_h = draw(st.sampled_from([0.0, 0.1, 0.7]))
    units = tuple(replace(each, warm_up_left_h=left_h if each.on else 0.0) for each in sets.units)
    return replace(sets, warm_up_h=draw(st.sampled_from([0.1, 0.5, 1.2])), units=units)


def _leaving(draw: st.DrawFn, sets: GensetProblem) -> GensetProblem:
    window = OutWindow(start_h=draw(st.sampled_from([0.0, 0.5, 1.0])), end_h=draw(st.sampled_from([1.25, 2.0])))
    first, *others = sets.units
    return replace(sets, units=(replace(first, out=(window,)), *others))


def _exercise(draw: st.DrawFn, n_steps: int) -> ExerciseProblem:
    first = draw(st.integers(0, n_steps - 1))
    return ExerciseProblem(
        first_step=first,
        end_step=draw(st.integers(first + 1, n_steps)),
        missed_cost=draw(st.sampled_from([10.0, 200.0])),
        run_h=draw(st.sampled_from([0.0, 0.75, 2.0])),
        min_load_frac=draw(st.sampled_from([0.0, 0.6])),
    )


def _stock(draw: st.DrawFn, n_steps: int) -> FuelStock:
    return FuelStock(
        stock_l=draw(st.sampled_from([0.0, 20.0, 80.0])),
        reserve_l=draw(st.sampled_from([0.0, 40.0])),
        capacity_l=500.0,
        delivered_l=_series(draw, [0.0, 0.0, 30.0], n_steps),
    )


@PLANNING
@given(stated=featured(), integer_h=st.sampled_from([0.0, 0.5, 1000.0]))
def test_every_plan_with_featured_sets_passes_the_check(stated: PlanningProblem, integer_h: float) -> None:
    partly = replace(stated, options=replace(stated.options, integer_h=integer_h))
    assume(not refusals(partly))

    plan = engine().solve(partly)

    assert [violation.sentence() for violation in evaluate(partly, plan).violations] == []
