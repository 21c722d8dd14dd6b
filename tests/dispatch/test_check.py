"""The independent check: a good plan passes, a plan with any one value changed is refused by name."""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import timedelta
from functools import cache
from math import inf, nan
from typing import Any

import pytest

from ems.dispatch.check import evaluate
from ems.dispatch.explain import explained
from ems.model.plan import ChillerStep, GensetStep, ObjectiveTerms, OfferStep, Plan, PlanStep, PoolStep
from ems.model.problem import PlanningProblem
from tests.dispatch.problems import PRICES, connection, gensets, load, plant, pool, problem, reserve, unit
from tests.dispatch.rich import N_STEPS, rich_problem
from tests.dispatch.solving import engine, n_on, refusals, solved

STEPS = range(N_STEPS)
CARRIED = ("loss_kw", "pv_available_kw", "pv_q10_kw", "load_q90_kw", "net_q90_kw")
# the terms that hold the prices of broken wishes
PRICED_IN = {
    "unserved": "unserved_cost",
    "surplus": "surplus_cost",
    "stored energy": "missing_cost",
    "floor": "floor_cost",
    "reserve: r0 after none": "reserve_cost",
    "reserve: r1 after grid": "reserve_cost",
    "reserve: r2": "reserve_cost",
    "down reserve: down after load_block": "reserve_cost",
    "minimum up time": "limit_cost",
    "minimum down time": "limit_cost",
    "ramp at the PCC": "limit_cost",
}
TERMS = [field.name for field in fields(ObjectiveTerms)]


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


def running(plan: Plan, t: int) -> int:
    """Return the last step up to t in which sets run, the first one of all where none runs before."""
    steps = [number for number, step in enumerate(plan.steps) if step.gensets[0].n_on]
    return max([number for number in steps if number <= t], default=steps[0])


def named_in_any_step(sentences: list[str], *, what: str) -> bool:
    return any(sentence.startswith("step ") and what in sentence for sentence in sentences)


def named(sentences: list[str], *, step: int | None, what: str) -> bool:
    where = "plan" if step is None else f"step {step}"
    return any(sentence.startswith(f"{where}: ") and what in sentence for sentence in sentences)


def test_plan_of_a_problem_with_everything_passes() -> None:
    stated, plan = rich()

    evaluation = evaluate(stated, plan)

    assert evaluation.passed
    assert [len(items) for items in evaluation.reserve] == [5] * N_STEPS
    assert len(evaluation.held_on) == N_STEPS


@pytest.mark.parametrize("t", STEPS)
@pytest.mark.parametrize(
    ("field", "delta_kw", "what"),
    [
        ("it_kw", 5.0, "it_kw"),
        ("it_kw", -5.0, "IT load neither served nor reported unserved"),
        ("cooling_kw", 5.0, "cooling_kw"),
        ("cooling_kw", -5.0, "cooling_kw"),
        ("aux_kw", 5.0, "aux_kw"),
        ("aux_kw", -5.0, "aux_kw"),
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
        ("n_left", 5, "diesel units that left"),
    ],
)
def test_a_changed_genset_value_is_refused(t: int, field: str, delta: float, what: str) -> None:
    stated, plan = rich()
    t = running(plan, t)

    changed = with_class(plan, t, **{field: getattr(plan.steps[t].gensets[0], field) + delta})

    assert named(refusals(stated, changed), step=t, what=what)


@pytest.mark.parametrize("delta", [10.0, -10.0])
@pytest.mark.parametrize("term", TERMS)
def test_a_changed_term_of_the_objective_is_refused(term: str, delta: float) -> None:
    stated, plan = rich()

    changed = replace(plan, objective=replace(plan.objective, **{term: getattr(plan.objective, term) + delta}))

    assert named(refusals(stated, changed), step=None, what=term)


@pytest.mark.parametrize("field", CARRIED)
@pytest.mark.parametrize("delta_kw", [50.0, -50.0])
def test_a_changed_value_that_is_carried_along_is_refused(field: str, delta_kw: float) -> None:
    stated, plan = rich()

    changed = with_step(plan, 2, **{field: getattr(plan.steps[2], field) + delta_kw})

    assert named(refusals(stated, changed), step=2, what=field)


@pytest.mark.parametrize("field", ["required_kw", "held_kw", "shortfall_kw"])
def test_a_changed_reserve_value_is_refused(field: str) -> None:
    stated, plan = rich()
    complete = explained(stated, plan, evaluate(stated, plan))
    first, *others = complete.steps[2].reserve

    changed = with_step(complete, 2, reserve=(replace(first, **{field: getattr(first, field) + 50.0}), *others))

    assert refusals(stated, complete) == []
    assert named(refusals(stated, changed), step=2, what=f"reserve {first.id} {field}")


def test_a_plan_that_leaves_out_a_class_of_its_reserve_is_refused() -> None:
    stated, plan = rich()
    complete = explained(stated, plan, evaluate(stated, plan))

    changed = with_step(complete, 2, reserve=complete.steps[2].reserve[1:])

    assert named(refusals(stated, changed), step=2, what="reserve classes differ")


@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize("field", TERMS)
def test_a_term_that_is_no_number_is_refused(field: str, value: float) -> None:
    stated, plan = rich()

    changed = replace(plan, objective=replace(plan.objective, **{field: value}))

    assert named(refusals(stated, changed), step=None, what=f"{field} is not finite")


@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize(
    ("change", "field"),
    [
        *((with_step, name) for name in ("it_kw", "cooling_kw", "aux_kw", "pv_kw", "import_kw", "export_kw")),
        *((with_step, name) for name in ("unserved_kw", "surplus_kw", *CARRIED)),
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


@pytest.mark.parametrize("without", ["reserve", "nothing"])
@pytest.mark.parametrize("surplus_kw", [0.0, 5.0])
@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("delta", [10.0, -10.0])
def test_every_term_is_held_with_and_without_reserve_and_physics(
    without: str, surplus_kw: float, term: str, delta: float
) -> None:
    stated, plan = rich() if without == "nothing" else without_reserve()
    wrong = getattr(plan.objective, term) + delta
    changed = replace(plan, objective=replace(plan.objective, **{term: wrong}))

    # more surplus than there is unbalances the bus
    changed = with_step(changed, 1, surplus_kw=changed.steps[1].surplus_kw + surplus_kw)

    assert named(refusals(stated, changed), step=None, what=term)


@pytest.mark.parametrize("cost", [-1e6, -2.0, 2.0, 1e6])
@pytest.mark.parametrize("wish", [(), ("reserve: r0",), ("down reserve: down",)])
def test_without_reserve_classes_reserve_costs_nothing(cost: float, wish: tuple[str, ...]) -> None:
    stated, plan = without_reserve()
    only_down = replace(stated, reserve=replace(stated.reserve, down=True))

    changed = replace(plan, objective=replace(plan.objective, reserve_cost=cost), relaxed=wish)

    for each in (stated, only_down):
        assert named(refusals(each, changed), step=None, what="reserve_cost is")


@cache
def without_reserve() -> tuple[PlanningProblem, Plan]:
    stated = problem([50.0, 60.0], sets=gensets([unit(1, on=True)]), store=pool(2, stored_kwh=300.0))
    return stated, solved(stated)


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_what_is_no_number_is_refused_wherever_it_stands(value: float) -> None:
    stated, plan = with_every_figure()
    places = list(numbers_in(plan))

    for path in places:
        found = refusals(stated, with_number(plan, path, value))
        assert any("is not finite" in each or "duration differs" in each for each in found), path

    assert {str(path[-1]) for path in places} >= {
        *("duration_h", "gap_frac", "carbon_shadow_price_per_kg", "marginal_price_per_kwh", "marginal_gco2e_per_kwh"),
        *("fuel_stock_end_l", "cut_kw", "tank_end_kwh_th", "heat_kw_th", "n_left", "required_kw", "solve_s"),
    }


@pytest.mark.parametrize("field", ["n_on", "n_started", "n_stopped", "n_left"])
def test_a_negative_count_is_refused(field: str) -> None:
    stated, plan = rich()
    sets = plan.steps[1].gensets[0]
    # starts and stops that still add up
    other = {"n_started": "n_stopped", "n_stopped": "n_started"}.get(field)
    values = {field: -1} | ({other: getattr(sets, other) - 1 - getattr(sets, field)} if other else {})

    assert named(refusals(stated, with_class(plan, 1, **values)), step=1, what=f"diesel {field} is -1")


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_marginal_price_beyond_every_price_of_the_problem_is_refused(sign: float) -> None:
    stated, plan = without_reserve()
    # two hours of the floor at 3, 1.2 times unserved load at 10: the dearest kWh is 12
    within, beyond = (with_step(plan, 1, marginal_price_per_kwh=sign * price) for price in (17.9, 18.1))

    assert refusals(stated, within) == []
    assert refusals(stated, with_step(plan, 1, marginal_price_per_kwh=None)) == []
    assert named(refusals(stated, beyond), step=1, what="marginal_price_per_kwh")


@cache
def with_every_figure() -> tuple[PlanningProblem, Plan]:
    """Return an explained plan in which every part that a plan may have holds figures."""
    stated, plan = rich()
    plan = explained(stated, plan, evaluate(stated, plan))
    step = replace(
        plan.steps[1],
        offers=plan.steps[1].offers or (OfferStep(id="jobs", power_kw=0.0),),
        chillers=plan.steps[1].chillers or ChillerStep(n_on=0, n_started=0, heat_kw_th=0.0, power_kw=0.0),
        fuel_stock_end_l=plan.steps[1].fuel_stock_end_l or 0.0,
        gensets=tuple(replace(each, pollutants_g_per_h=(("nox", 0.0),)) for each in plan.steps[1].gensets),
        marginal_price_per_kwh=0.0,
        marginal_gco2e_per_kwh=0.0,
    )
    plan = replace(plan, steps=(plan.steps[0], step, *plan.steps[2:]), carbon_shadow_price_per_kg=0.0, gap_frac=0.0)
    return stated, plan


def numbers_in(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:  # any part of a plan
    """Yield the way to every number: names of fields, places in tuples."""
    if is_dataclass(value):
        for field in fields(value):
            yield from numbers_in(getattr(value, field.name), (*path, field.name))
    elif isinstance(value, tuple):
        for place, each in enumerate(value):
            yield from numbers_in(each, (*path, place))
    elif isinstance(value, float | int) and not isinstance(value, bool):
        yield path


def with_number(value: Any, path: tuple[str | int, ...], number: float) -> Any:  # any part of a plan
    if not path:
        return number
    first, *rest = path
    if isinstance(first, str):
        return replace(value, **{first: with_number(getattr(value, first), tuple(rest), number)})
    return (*value[:first], with_number(value[first], tuple(rest), number), *value[first + 1 :])


def test_every_number_of_a_step_is_among_the_cases() -> None:
    flows = {"it_kw", "cooling_kw", "aux_kw", "pv_kw", "import_kw", "export_kw", "unserved_kw", "surplus_kw"}
    storage, sets = {"charge_kw", "discharge_kw", "stored_end_kwh"}, {"n_on", "n_started", "n_stopped", "n_left"}

    assert _numbers(PlanStep) == flows | set(CARRIED) | {"duration_h"}
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
    ("tighter", "what"),
    [
        pytest.param({"max_charge_kw": (300.0,) * N_STEPS}, "bess charge_kw", id="charging power"),
        pytest.param({"max_discharge_kw": (20.0,) * N_STEPS}, "bess discharge_kw", id="discharging power"),
        pytest.param({"max_stored_kwh": 600.0}, "bess stored_kwh", id="greatest energy"),
        pytest.param({"min_stored_kwh": 200.0}, "bess stored_kwh", id="least energy"),
    ],
)
def test_a_plan_beyond_the_pool_is_refused(
    tighter: dict[str, Any],  # fields of a pool
    what: str,
) -> None:
    stated, plan = rich()

    weaker = replace(stated, pools=(replace(stated.pools[0], **tighter),))

    assert named_in_any_step(refusals(weaker, plan), what=what)


@pytest.mark.parametrize(
    ("tighter", "what"),
    [
        pytest.param({"max_kw": 70.0}, "diesel power_kw", id="rating"),
        pytest.param({"min_kw": 90.0}, "diesel power_kw", id="least power"),
        pytest.param({"min_up_h": 5.0}, "diesel minimum up time", id="minimum up time"),
    ],
)
def test_a_plan_beyond_the_sets_is_refused(
    tighter: dict[str, Any],  # fields of a genset class
    what: str,
) -> None:
    stated, plan = rich()

    weaker = replace(stated, gensets=(replace(stated.gensets[0], **tighter),))

    assert named_in_any_step(refusals(weaker, plan), what=what)


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


BROKEN_WISHES = [
    pytest.param(
        problem([100.0], store=pool(1, stored_kwh=50.0)),
        "unserved",
        "unserved_cost of a wish that is not declared",
        id="unserved",
    ),
    pytest.param(
        problem(
            [20.0],
            sets=gensets([unit(1, on=True, since_h=0.0)], min_up_h=1.0),
            store=pool(1, stored_kwh=1000.0),
        ),
        "surplus",
        "surplus_cost of a wish that is not declared",
        id="surplus",
    ),
    pytest.param(
        problem(
            load([110.0], largest_block_kw=100.0),
            sets=gensets([unit(1)]),
            store=pool(1, stored_kwh=1000.0, power_kw=10.0),
            requirements=reserve(1, r0_kw=0.0),
        ),
        "down reserve: down after load_block",
        "reserve down",
        id="down reserve",
    ),
    pytest.param(
        problem([50.0], store=pool(1, stored_kwh=500.0, power_kw=100.0), requirements=reserve(1, r0_kw=80.0)),
        "reserve: r0 after none",
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
    pytest.param(
        problem([100.0, 300.0], grid=replace(connection([0.1, 0.1]), ramp_kw_per_min=1.0, now_kw=100.0)),
        "ramp at the PCC",
        "exchange beyond the ramp",
        id="ramp",
    ),
]


@pytest.mark.parametrize(("stated", "relaxed", "what"), BROKEN_WISHES)
def test_a_broken_wish_passes_only_where_the_plan_declares_it(stated: PlanningProblem, relaxed: str, what: str) -> None:
    plan = solved(stated)

    silent = replace(plan, relaxed=())

    assert plan.relaxed == (relaxed,)
    assert any(what in sentence for sentence in refusals(stated, silent))


@pytest.mark.parametrize(("stated", "relaxed", "what"), BROKEN_WISHES)
def test_a_broken_wish_passes_only_at_its_price(stated: PlanningProblem, relaxed: str, what: str) -> None:
    plan = solved(stated)
    term = PRICED_IN[relaxed]
    paid = getattr(plan.objective, term)

    for wrong in (0.0, 0.9 * paid, 1.1 * paid):
        changed = replace(plan, objective=replace(plan.objective, **{term: wrong}))

        assert named(refusals(stated, changed), step=None, what=term), what


@pytest.mark.parametrize("wish", PRICED_IN)
def test_a_wish_that_is_declared_broken_without_a_price_is_refused(wish: str) -> None:
    stated, plan = rich()

    declared = refusals(stated, replace(plan, relaxed=(wish,)))

    assert named(declared, step=None, what=f"price of the declared '{wish}'")


def test_a_wish_that_nobody_knows_is_refused() -> None:
    stated, plan = rich()

    assert named(refusals(stated, replace(plan, relaxed=("patience",))), step=None, what="declared 'patience'")


def test_energy_that_vanishes_is_refused_whatever_is_declared() -> None:
    stated = problem([0.0], store=pool(1, stored_kwh=0.0, no_load_kw=10.0))
    plan = solved(stated)
    fuller = replace(stated, pools=(replace(stated.pools[0], stored_kwh=50.0),))

    assert plan.relaxed == ("stored energy",)
    assert named(refusals(fuller, plan), step=0, what="bess stored_end_kwh")


def test_a_plan_without_its_lead_energy_is_refused() -> None:
    # 290 kWh are left: enough for the floor alone
    stated = problem([100.0], store=pool(1, stored_kwh=390.0), sets=gensets([unit(1)]))
    plan = solved(replace(stated, reserve=reserve(1, floor_kwh=200.0)))

    asked_more = replace(stated, reserve=reserve(1, floor_kwh=200.0, lead_kwh=100.0))

    assert n_on(plan) == [0]
    assert named(refusals(asked_more, plan), step=0, what="stored energy, kWh")


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


@pytest.mark.parametrize(
    ("term", "delta"),
    # 10 kW come from a tenth of a set at its rating, a third of one at its least power, or anything between
    [("genset_wear_cost", 8.0), ("genset_wear_cost", -8.0), ("low_load_cost", 80.0), ("starts_cost", 20.0)],
)
def test_terms_of_fractions_of_sets_are_held_to_what_the_power_leaves_open(term: str, delta: float) -> None:
    stated, plan = fractional()

    changed = replace(plan, objective=replace(plan.objective, **{term: getattr(plan.objective, term) + delta}))

    assert refusals(stated, plan) == []
    assert named(refusals(stated, changed), step=None, what=term)


def test_beyond_the_integer_hours_a_class_may_count_as_running_for_a_part() -> None:
    # half of a set at its rating: a running one is dearer than the lead energy; half of that energy is held
    stated = problem(
        [50.0],
        sets=gensets([unit(1)], run_wear_cost_per_h=1000.0, start_cost=0.0),
        store=pool(1, stored_kwh=0.0),
        requirements=reserve(1, floor_kwh=100.0, lead_kwh=30.0),
        prices=replace(PRICES, unserved_per_kwh=10000.0),
        integer_h=0.0,
    )

    plan = solved(stated)
    firm = replace(stated, options=replace(stated.options, integer_h=1.0))

    assert plan.objective.floor_cost == pytest.approx(3.0 * (100.0 + 0.5 * 30.0))
    assert named(refusals(firm, plan), step=None, what="floor_cost")


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_fuel_of_a_fraction_of_a_set_is_that_of_some_point_of_its_curve(factor: float) -> None:
    stated, plan = fractional()
    rate = plan.steps[0].gensets[0].fuel_l_per_h

    changed = with_class(plan, 0, fuel_l_per_h=factor * rate)

    assert named(refusals(stated, changed), step=0, what="diesel fuel_l_per_h")


def fractional() -> tuple[PlanningProblem, Plan]:
    """Return a problem whose load is carried by a part of a set, and its plan."""
    sets = gensets([unit(1)], start_cost=1.0, run_wear_cost_per_h=6.0)
    prices = replace(PRICES, low_load_per_kwh=0.5)
    stated = problem([10.0], sets=sets, prices=prices, integer_h=0.0)
    return stated, engine().solve(stated)


def test_a_marginal_price_where_a_kwh_is_reserve_for_many_hours_is_none_too_many() -> None:
    # 20 kWh sustain 80 of 81 kW: a kWh more is 4 kW of reserve in each of five quarters of an hour
    stated = problem(
        [0.0] * 5,
        store=pool(5, stored_kwh=20.0, power_kw=100.0),
        requirements=replace(reserve(5, r2_kw=81.0, r2_sustain_h=0.25), down=False),
        duration_h=[0.25] * 5,
    )

    plan = solved(stated)

    assert plan.relaxed == ("reserve: r2 after none",)
    price = plan.steps[0].marginal_price_per_kwh
    assert price is not None
    assert price > 18.0
    assert named(
        refusals(stated, with_step(plan, 0, marginal_price_per_kwh=90.0)), step=0, what="marginal_price_per_kwh"
    )


def kiosk() -> PlanningProblem:
    """Return a site of a few kW: grid, one set, both with prices, and nothing else."""
    return problem(
        [2.0, 2.0, 1.5],
        sets=gensets([unit(0)], min_kw=0.5, max_kw=2.0, segments=((1.5, 0.3),), min_fuel_l_per_h=0.3, band_low_kw=1.0),
        grid=connection([0.2, 0.2, 0.9], import_limit_kw=1.6),
    )


@pytest.mark.parametrize("share", [0.5, 0.9, 0.97])
def test_a_wrong_figure_of_a_small_site_is_refused_as_on_a_large_one(share: float) -> None:
    stated = kiosk()
    plan = solved(stated)
    cheaper = replace(plan.objective, **{name: share * value for name, value in plan.objective.terms().items()})
    less_import = tuple(replace(step, import_kw=share * step.import_kw) for step in plan.steps)
    less_fuel = tuple(
        replace(step, gensets=tuple(replace(each, fuel_l_per_h=share * each.fuel_l_per_h) for each in step.gensets))
        for step in plan.steps
    )

    assert refusals(stated, plan) == []
    assert refusals(stated, replace(plan, objective=cheaper))
    assert refusals(stated, replace(plan, steps=less_import))
    assert refusals(stated, replace(plan, steps=less_fuel))
