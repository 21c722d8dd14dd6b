"""The independent check: a good plan passes, a plan with any one value changed is refused by name."""

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta
from functools import cache
from math import inf, nan
from typing import Any

import pytest

from ems.dispatch.check import evaluate
from ems.dispatch.explain import explained
from ems.model.plan import GensetStep, ObjectiveTerms, Plan, PlanStep, PoolStep
from ems.model.problem import PlanningProblem
from tests.dispatch.problems import gensets, plant, pool, problem, reserve, unit
from tests.dispatch.rich import N_STEPS, rich_problem
from tests.dispatch.solving import engine, refusals, solved

STEPS = range(N_STEPS)
# what the check takes over without recomputing it
UNCHECKED_TERMS = (
    "energy_export_cost",
    "demand_cost",
    "genset_wear_cost",
    "co2_cost",
    "low_load_cost",
    "change_cost",
    "unserved_cost",
    "surplus_cost",
    "reserve_cost",
    "floor_cost",
    "limit_cost",
    "missing_cost",
    "terminal_value_cost",
    "hold_value_cost",
)
UNCHECKED_FORECASTS = ("loss_kw", "pv_available_kw", "pv_q10_kw", "load_q90_kw", "net_q90_kw")
not_recomputed = pytest.mark.xfail(strict=True, reason="the check does not recompute this value")


@cache
def rich() -> tuple[PlanningProblem, Plan]:
    stated = rich_problem()
    return stated, solved(stated)


def with_step(plan: Plan, t: int, **values: Any) -> Plan:  # any field of a step
    return replace(plan, steps=(*plan.steps[:t], replace(plan.steps[t], **values), *plan.steps[t + 1 :]))


def with_pool(plan: Plan, t: int, **values: Any) -> Plan:  # any field of a pool's step
    return with_step(plan, t, pools=(replace(plan.steps[t].pools[0], **values),))


def with_class(plan: Plan, t: int, **values: Any) -> Plan:  # any field of a genset class's step
    return with_step(plan, t, gensets=(replace(plan.steps[t].gensets[0], **values),))


def named(sentences: list[str], *, step: int | None, what: str) -> bool:
    where = "plan" if step is None else f"step {step}"
    return any(sentence.startswith(f"{where}: ") and what in sentence for sentence in sentences)


def test_plan_of_a_problem_with_everything_passes() -> None:
    stated, plan = rich()

    evaluation = evaluate(stated, plan)

    assert evaluation.passed
    assert [len(items) for items in evaluation.reserve] == [3] * N_STEPS
    assert len(evaluation.held_on) == N_STEPS


@pytest.mark.parametrize("t", STEPS)
@pytest.mark.parametrize(
    ("field", "delta_kw", "what"),
    [
        ("it_kw", 5.0, "it_kw"),
        ("it_kw", -5.0, "IT load neither served nor reported unserved"),
        ("cooling_kw", 5.0, "cooling_kw"),
        ("cooling_kw", -5.0, "cooling_kw"),
        ("aux_kw", 5.0, "balance error"),
        ("aux_kw", -5.0, "balance error"),
        ("pv_kw", 5.0, "balance error"),
        ("import_kw", 5.0, "balance error"),
        ("export_kw", 5.0, "balance error"),
        ("unserved_kw", 5.0, "balance error"),
        ("surplus_kw", 5.0, "balance error"),
    ],
)
def test_a_changed_flow_is_refused(t: int, field: str, delta_kw: float, what: str) -> None:
    stated, plan = rich()

    changed = with_step(plan, t, **{field: getattr(plan.steps[t], field) + delta_kw})

    assert named(refusals(stated, changed), step=t, what=what)


@pytest.mark.parametrize("t", STEPS)
@pytest.mark.parametrize(
    ("field", "delta", "what"),
    [
        ("charge_kw", 5.0, "balance error"),
        ("discharge_kw", 5.0, "balance error"),
        ("charge_kw", 5.0, "bess stored_end_kwh"),
        ("discharge_kw", 5.0, "bess stored_end_kwh"),
        ("stored_end_kwh", 3.0, "bess stored_end_kwh"),
        ("stored_end_kwh", -3.0, "bess stored_end_kwh"),
    ],
)
def test_a_changed_storage_value_is_refused(t: int, field: str, delta: float, what: str) -> None:
    stated, plan = rich()

    changed = with_pool(plan, t, **{field: getattr(plan.steps[t].pools[0], field) + delta})

    assert named(refusals(stated, changed), step=t, what=what)


@pytest.mark.parametrize("t", STEPS)
@pytest.mark.parametrize(
    ("field", "delta", "what"),
    [
        ("power_kw", 5.0, "balance error"),
        ("power_kw", -5.0, "balance error"),
        ("power_kw", -20.0, "diesel fuel_l_per_h"),
        ("fuel_l_per_h", 1.5, "diesel fuel_l_per_h"),
        ("fuel_l_per_h", -1.5, "diesel fuel_l_per_h"),
        ("n_on", 1, "diesel starts less stops"),
        ("n_started", 1, "diesel starts less stops"),
        ("n_stopped", 1, "diesel starts less stops"),
    ],
)
def test_a_changed_genset_value_is_refused(t: int, field: str, delta: float, what: str) -> None:
    stated, plan = rich()

    changed = with_class(plan, t, **{field: getattr(plan.steps[t].gensets[0], field) + delta})

    assert named(refusals(stated, changed), step=t, what=what)


@pytest.mark.parametrize(
    ("term", "what"),
    [
        ("fuel_cost", "fuel cost"),
        ("battery_wear_cost", "battery wear cost"),
        ("energy_import_cost", "import cost"),
        ("starts_cost", "starts cost"),
        *(pytest.param(term, term.removesuffix("_cost"), marks=not_recomputed) for term in UNCHECKED_TERMS),
    ],
)
def test_a_changed_term_of_the_objective_is_refused(term: str, what: str) -> None:
    stated, plan = rich()

    changed = replace(plan, objective=replace(plan.objective, **{term: getattr(plan.objective, term) + 10.0}))

    assert named(refusals(stated, changed), step=None, what=what)


def test_every_term_of_the_objective_is_among_the_cases() -> None:
    checked = {"fuel_cost", "battery_wear_cost", "energy_import_cost", "starts_cost"}

    assert {field.name for field in fields(ObjectiveTerms)} == checked | set(UNCHECKED_TERMS)


@not_recomputed
@pytest.mark.parametrize("field", UNCHECKED_FORECASTS)
def test_a_changed_forecast_value_is_refused(field: str) -> None:
    stated, plan = rich()

    changed = with_step(plan, 2, **{field: getattr(plan.steps[2], field) + 50.0})

    assert refusals(stated, changed)


@not_recomputed
@pytest.mark.parametrize("field", ["required_kw", "held_kw", "shortfall_kw"])
def test_a_changed_reserve_value_is_refused(field: str) -> None:
    stated, plan = rich()
    complete = explained(stated, plan, evaluate(stated, plan))
    first, *others = complete.steps[2].reserve

    changed = with_step(complete, 2, reserve=(replace(first, **{field: getattr(first, field) + 50.0}), *others))

    assert refusals(stated, changed)


@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize("field", [field.name for field in fields(ObjectiveTerms)])
def test_a_term_that_is_no_number_is_refused(field: str, value: float) -> None:
    stated, plan = rich()

    changed = replace(plan, objective=replace(plan.objective, **{field: value}))

    assert named(refusals(stated, changed), step=None, what=f"{field} is not finite")


@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize(
    ("change", "field"),
    [
        *((with_step, name) for name in ("it_kw", "cooling_kw", "aux_kw", "pv_kw", "import_kw", "export_kw")),
        *((with_step, name) for name in ("unserved_kw", "surplus_kw")),
        *((with_pool, name) for name in ("charge_kw", "discharge_kw", "stored_end_kwh")),
        *((with_class, name) for name in ("power_kw", "fuel_l_per_h")),
    ],
)
def test_a_value_that_is_no_number_is_refused(change: Callable[..., Plan], field: str, value: float) -> None:
    stated, plan = rich()

    assert named(refusals(stated, change(plan, 1, **{field: value})), step=1, what=f"{field} is not finite")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        *((with_step, name) for name in ("pv_kw", "import_kw", "export_kw", "unserved_kw", "surplus_kw")),
        *((with_pool, name) for name in ("charge_kw", "discharge_kw")),
        *((with_class, name) for name in ("power_kw", "fuel_l_per_h")),
    ],
)
def test_a_negative_direction_is_refused(change: Callable[..., Plan], field: str) -> None:
    stated, plan = rich()

    assert named(refusals(stated, change(plan, 1, **{field: -5.0})), step=1, what=field)


def test_every_number_of_a_step_is_among_the_cases() -> None:
    flows = {"it_kw", "cooling_kw", "aux_kw", "pv_kw", "import_kw", "export_kw", "unserved_kw", "surplus_kw"}
    storage, sets = {"charge_kw", "discharge_kw", "stored_end_kwh"}, {"n_on", "n_started", "n_stopped"}

    assert _numbers(PlanStep) == flows | set(UNCHECKED_FORECASTS) | {"duration_h"}
    assert _numbers(PoolStep) == storage
    assert _numbers(GensetStep) == sets | {"power_kw", "fuel_l_per_h"}


def _numbers(kind: type[PlanStep | PoolStep | GensetStep]) -> set[str]:
    return {field.name for field in fields(kind) if field.type in {float, int}}


@pytest.mark.parametrize("t", STEPS)
def test_a_shifted_or_stretched_step_is_refused(t: int) -> None:
    stated, plan = rich()
    late = plan.steps[t].start_utc + timedelta(minutes=5)

    for changed in (with_step(plan, t, start_utc=late), with_step(plan, t, duration_h=1.5)):
        assert named(refusals(stated, changed), step=t, what="start or duration differs from the grid")


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"problem_id": "another"}, "problem or site id differs"),
        ({"site_id": "another"}, "problem or site id differs"),
    ],
)
def test_a_plan_for_something_else_is_refused(values: dict[str, Any], what: str) -> None:  # fields of a plan
    stated, plan = rich()

    assert named(refusals(stated, replace(plan, **values)), step=None, what=what)


def test_a_plan_with_a_step_missing_is_refused() -> None:
    stated, plan = rich()

    assert named(refusals(stated, replace(plan, steps=plan.steps[:-1])), step=None, what="number of steps")


def test_a_plan_for_other_assets_is_refused() -> None:
    stated, plan = rich()

    assert named(refusals(stated, with_pool(plan, 2, id="x")), step=2, what="pools or genset classes differ")
    assert named(refusals(stated, with_class(plan, 2, id="x")), step=2, what="pools or genset classes differ")


@pytest.mark.parametrize(
    ("tighter", "what"),
    [
        pytest.param({"import_limit_kw": (150.0,) * N_STEPS}, "import_kw", id="import limit"),
        pytest.param({"connected": (0,) * N_STEPS}, "import_kw", id="outage"),
    ],
)
def test_a_plan_beyond_the_connection_is_refused(tighter: dict[str, Any], what: str) -> None:  # fields of a connection
    stated, plan = rich()
    assert stated.connection is not None

    weaker = replace(stated, connection=replace(stated.connection, **tighter))

    assert named(refusals(weaker, plan), step=0, what=what)


@pytest.mark.parametrize(
    ("tighter", "step", "what"),
    [
        pytest.param({"max_charge_kw": (300.0,) * N_STEPS}, 1, "bess charge_kw", id="charging power"),
        pytest.param({"max_discharge_kw": (200.0,) * N_STEPS}, 2, "bess discharge_kw", id="discharging power"),
        pytest.param({"max_stored_kwh": 600.0}, 1, "bess stored_kwh", id="greatest energy"),
        pytest.param({"min_stored_kwh": 200.0}, 5, "bess stored_kwh", id="least energy"),
    ],
)
def test_a_plan_beyond_the_pool_is_refused(
    tighter: dict[str, Any],  # fields of a pool
    step: int,
    what: str,
) -> None:
    stated, plan = rich()

    weaker = replace(stated, pools=(replace(stated.pools[0], **tighter),))

    assert named(refusals(weaker, plan), step=step, what=what)


@pytest.mark.parametrize(
    ("tighter", "step", "what"),
    [
        pytest.param({"max_kw": 80.0}, 3, "diesel power_kw", id="rating"),
        pytest.param({"min_kw": 90.0}, 0, "diesel power_kw", id="least power"),
        pytest.param({"min_up_h": 5.0}, 4, "diesel minimum up time", id="minimum up time"),
    ],
)
def test_a_plan_beyond_the_sets_is_refused(
    tighter: dict[str, Any],  # fields of a genset class
    step: int,
    what: str,
) -> None:
    stated, plan = rich()

    weaker = replace(stated, gensets=(replace(stated.gensets[0], **tighter),))

    assert named(refusals(weaker, plan), step=step, what=what)


def test_more_sets_than_are_available_are_refused() -> None:
    stated, plan = rich()
    units = tuple(replace(each, available=each.on) for each in stated.gensets[0].units)

    weaker = replace(stated, gensets=(replace(stated.gensets[0], units=units),))

    assert named(refusals(weaker, plan), step=3, what="diesel units on")


def test_more_pv_than_is_available_is_refused() -> None:
    stated, plan = rich()

    darker = replace(stated, pv=(replace(stated.pv[0], available_kw=(100.0,) * N_STEPS),))

    assert named(refusals(darker, plan), step=0, what="pv_kw")


def test_a_store_that_charges_and_discharges_at_once_is_refused() -> None:
    stated, plan = rich()
    flows = plan.steps[0].pools[0]

    both = with_pool(plan, 0, charge_kw=flows.charge_kw + 20.0, discharge_kw=flows.discharge_kw + 20.0)

    assert named(refusals(stated, both), step=0, what="bess charges and discharges at once")


@pytest.mark.parametrize("place", [0, 1])
def test_an_undeclared_shortfall_of_reserve_is_refused_with_the_loss(place: int) -> None:
    stated, plan = rich()
    classes = list(stated.reserve.classes)
    classes[place] = replace(classes[place], variation_kw=(600.0,) * N_STEPS)

    asked_more = replace(stated, reserve=replace(stated.reserve, classes=tuple(classes)))

    assert named(refusals(asked_more, plan), step=2, what=f"reserve {classes[place].id} after the loss of")


def test_an_undeclared_shortfall_of_room_is_refused() -> None:
    stated, plan = rich()

    asked_more = replace(stated, load=replace(stated.load, largest_block_kw=2000.0))

    assert named(refusals(asked_more, plan), step=1, what="reserve down after the loss of load_block")


def test_a_plan_below_an_undeclared_floor_is_refused() -> None:
    stated, plan = rich()

    asked_more = replace(stated, reserve=replace(stated.reserve, floor_kwh=(160.0,) * N_STEPS))

    assert named(refusals(asked_more, plan), step=5, what="stored energy")


@pytest.mark.parametrize(
    ("stated", "relaxed", "what"),
    [
        pytest.param(
            problem([50.0], store=pool(1, stored_kwh=500.0, power_kw=100.0), requirements=reserve(1, r0_kw=80.0)),
            "reserve",
            "reserve r0",
            id="reserve",
        ),
        pytest.param(
            problem([100.0], store=pool(1, stored_kwh=310.0), requirements=reserve(1, floor_kwh=300.0)),
            "floor",
            "stored energy",
            id="floor",
        ),
        pytest.param(
            problem([0.0], store=pool(1, stored_kwh=0.0, no_load_kw=10.0)),
            "stored energy",
            "bess stored_end_kwh",
            id="missing energy",
        ),
        pytest.param(
            problem([100.0] * 3, sets=gensets([unit(1, since_h=1.0)], min_down_h=3.0)),
            "minimum down time",
            "diesel minimum down time",
            id="minimum down time",
        ),
        pytest.param(
            problem(
                [10.0],
                sets=gensets([unit(1, on=True, since_h=0.0)], min_up_h=1.0),
                store=pool(1, stored_kwh=1000.0),
            ),
            "minimum up time",
            "diesel minimum up time",
            id="minimum up time",
        ),
    ],
)
def test_a_broken_wish_passes_only_where_the_plan_declares_it(stated: PlanningProblem, relaxed: str, what: str) -> None:
    plan = solved(stated)

    silent = replace(plan, relaxed=())

    assert plan.relaxed == (relaxed,)
    assert any(what in sentence for sentence in refusals(stated, silent))


@pytest.mark.xfail(strict=True, reason="the check takes a declared wish for granted without its price in the objective")
def test_a_declared_wish_without_its_price_does_not_excuse_a_wrong_store() -> None:
    stated, plan = rich()

    excused = replace(with_pool(plan, 2, stored_end_kwh=900.0), relaxed=("stored energy",))

    assert refusals(stated, excused)


def test_steps_beyond_the_integer_hours_may_hold_fractions_of_sets() -> None:
    stated = problem(
        [10.0] * 4,
        pv=plant([0.0] * 4),
        store=pool(4, stored_kwh=0.0, wear_cost_per_kwh=0.5),
        sets=gensets([unit(1)], start_cost=0.0),
        integer_h=0.0,
    )

    plan = engine().solve(stated)

    assert refusals(stated, plan) == []
    assert plan.steps[3].gensets[0].n_on == 1
    assert plan.steps[3].gensets[0].power_kw == pytest.approx(10.0)
