"""Classes whose running sets keep to a base load of their own: plans count them with that power and no other."""

from dataclasses import replace

import pytest

from ems.dispatch.formulate import formulate
from ems.dispatch.refusal import accept
from ems.model.genset import GensetClass
from ems.model.genset_rules import DailyHours, Derating, Exercise
from ems.model.problem import PlanningProblem
from tests.dispatch.sites import condition, outlook, site
from tests.dispatch.solving import solved

DESERT = site("desert-offgrid")
KIND = replace(DESERT.gensets[0], takes_power=False, base_load_frac=0.8)
BASE_KW = 0.8 * KIND.rated_kw


def stated(kind: GensetClass, *, ambient_degc: float = 30.0, stored_frac: float = 0.6) -> PlanningProblem:
    of = replace(DESERT, gensets=(kind,))
    measured = condition(of)
    (pool,) = measured.pools
    measured = replace(measured, pools=(replace(pool, stored_kwh=stored_frac * pool.full_kwh),))
    return formulate(of, measured, outlook(of, ambient_degc=ambient_degc), previous=None, problem_id="p")


def test_a_class_with_a_base_load_has_no_other_power() -> None:
    (genset,) = stated(KIND).gensets

    assert (genset.min_kw, genset.max_kw, genset.segments) == (BASE_KW, BASE_KW, ())
    assert genset.min_fuel_l_per_h == KIND.fuel.fuel_l_per_h(BASE_KW)
    assert genset.step_limit_kw <= BASE_KW


def test_heat_takes_its_power_from_a_base_load_too_and_the_sets_may_still_run() -> None:
    hot = replace(KIND, derating=Derating(above_degc=40.0, frac_per_k=0.03))

    (genset,) = stated(hot, ambient_degc=50.0).gensets

    # 10 K above: 70 % of the rating are left
    assert genset.min_kw == pytest.approx(0.7 * KIND.rated_kw)
    assert genset.usable_kw == pytest.approx([0.7 * KIND.rated_kw] * len(genset.usable_kw))


def test_an_exercise_asks_for_no_more_than_the_base_load() -> None:
    hours = DailyHours(start_h=0.0, end_h=24.0)
    exercised = Exercise(every_h=1.0, hours=hours, run_h=1.0, min_load_frac=0.95, missed_cost=1.0)

    (genset,) = stated(replace(KIND, exercise=exercised)).gensets

    assert genset.exercise is not None
    assert genset.exercise.min_load_frac == 0.8


def test_the_plan_runs_them_at_their_base_load_and_storage_takes_the_rest() -> None:
    problem = stated(KIND, stored_frac=0.3)
    accept(problem)

    plan = solved(problem)

    # beyond `integer_h` counts need not be whole
    whole = [step.gensets[0] for step, at_h in zip(plan.steps, problem.grid.offset_h, strict=False) if at_h < 24.0]
    assert sum(genset.n_on for genset in whole) > 0
    assert [genset.power_kw for genset in whole] == pytest.approx([genset.n_on * BASE_KW for genset in whole])
