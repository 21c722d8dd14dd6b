"""Runs, pauses and restarts of deferrable work: where each rule changes the plan and where not, and what is refused."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ems.dispatch.check import evaluate
from ems.dispatch.explain import explained
from ems.dispatch.merit_order import merit_order_plan
from ems.dispatch.milp.assemble import build_model
from ems.dispatch.milp.compiled import compile_model
from ems.dispatch.milp.objective import TERMS
from ems.dispatch.milp.shape import shape_of
from ems.dispatch.refusal import refusals as refused_fields
from ems.model.plan import Plan
from ems.model.problem import OfferKind, OfferProblem, OfferRuns, PlanningProblem
from ems.model.reason import ReasonCode
from tests.dispatch.problems import connection, problem
from tests.dispatch.sites import site
from tests.dispatch.solving import refusals, solved

DEAR, CHEAP = 0.9, 0.1


def working(
    prices_per_kwh: Sequence[float],
    runs: OfferRuns | None,
    *,
    energy_kwh: float,
    import_limit_kw: float = 1000.0,
    value_per_kwh: float = 5.0,
) -> PlanningProblem:
    """Return hourly steps with 10 kW of firm load, and work of up to 100 kW that is due at the end."""
    n_steps = len(prices_per_kwh)
    work = OfferProblem(
        id="work",
        kind=OfferKind.DEFERRABLE,
        min_kw=(0.0,) * n_steps,
        max_kw=(100.0,) * n_steps,
        value_per_kwh=value_per_kwh,
        energy_kwh=energy_kwh,
        deadline_step=n_steps,
        runs=runs,
    )
    stated = problem([10.0] * n_steps, grid=connection(prices_per_kwh, import_limit_kw=import_limit_kw))
    return replace(stated, offers=(work,))


def powers(plan: Plan) -> list[float]:
    return [step.offers[0].power_kw for step in plan.steps]


def served_kwh(plan: Plan) -> float:
    return sum(step.duration_h * step.offers[0].power_kw for step in plan.steps)


# 200 kWh in six hours of which the second and the fifth are dear
PRICES = [CHEAP, DEAR, CHEAP, 0.2, DEAR, 0.3]


def test_work_without_rules_is_moved_freely_and_has_no_runs_in_the_model() -> None:
    stated = working(PRICES, None, energy_kwh=200.0)
    compiled = compile_model(build_model(shape_of(stated)), terms=TERMS)

    assert powers(solved(stated)) == pytest.approx([100.0, 0.0, 100.0, 0.0, 0.0, 0.0], abs=1e-6)
    for places in (compiled.variables, compiled.rows):
        ruled = [name for name in places if name.startswith(("offer_run", "offer_start", "offer_pause", "offer_min"))]
        assert all(places[name].start == places[name].stop for name in ruled)


def test_work_that_starts_runs_for_its_time_where_that_costs_more() -> None:
    plan = solved(working(PRICES, OfferRuns(min_run_h=2.0), energy_kwh=200.0))

    # two hours at a stretch: the cheapest two that follow each other cost 0.1 + 0.2
    assert powers(plan) == pytest.approx([0.0, 0.0, 100.0, 100.0, 0.0, 0.0], abs=1e-6)
    assert [step.offers[0].running_frac for step in plan.steps] == pytest.approx([0, 0, 1, 1, 0, 0], abs=1e-6)
    assert [step.offers[0].started_frac for step in plan.steps] == pytest.approx([0, 0, 1, 0, 0, 0], abs=1e-6)


def test_shares_of_a_class_run_one_after_the_other() -> None:
    # half of the work runs in the first two hours, and another half in the next two
    plan = solved(working([CHEAP, CHEAP, CHEAP, CHEAP], OfferRuns(min_run_h=2.0), energy_kwh=200.0))

    assert served_kwh(plan) == pytest.approx(200.0)
    assert plan.objective.job_cost == pytest.approx(0.0, abs=1e-6)


def test_paused_work_rests_for_its_time() -> None:
    # 300 kWh: the first, the third and the fourth hour; where rest takes three hours, a third of the work rests at once
    # and the others run through the dear hour
    running = OfferRuns(running_frac=1.0)

    free = solved(working(PRICES[:4], running, energy_kwh=300.0))
    rested = solved(working(PRICES[:4], replace(running, min_pause_h=3.0), energy_kwh=300.0))

    assert powers(free) == pytest.approx([100.0, 0.0, 100.0, 100.0], abs=1e-6)
    assert powers(rested) == pytest.approx([100.0, 200.0 / 3.0, 200.0 / 3.0, 200.0 / 3.0], abs=1e-6)


@pytest.mark.parametrize(
    ("max_pauses", "running_frac", "expected"),
    [
        pytest.param(1, 1.0, [100.0, 0.0, 100.0], id="one pause"),
        # one half ends after an hour, the other one runs through
        pytest.param(0, 1.0, [100.0, 50.0, 50.0], id="none, and it runs"),
        # what rests has been paused before: its start is no further pause
        pytest.param(0, 0.0, [100.0, 50.0, 50.0], id="none, and it rests"),
        pytest.param(1, 0.0, [100.0, 0.0, 100.0], id="one, and it rests"),
    ],
)
def test_work_is_paused_no_more_often_than_it_allows(
    max_pauses: int, running_frac: float, expected: list[float]
) -> None:
    runs = OfferRuns(max_pauses=max_pauses, running_frac=running_frac)

    plan = solved(working([CHEAP, DEAR, 0.95], runs, energy_kwh=200.0))
    cheap = solved(working([CHEAP, DEAR, 0.2], runs, energy_kwh=200.0))

    assert powers(plan) == pytest.approx([100.0, 100.0, 0.0], abs=1e-6)
    assert powers(cheap) == pytest.approx(expected, abs=1e-6)


def test_a_start_takes_its_energy_on_top_of_what_is_due() -> None:
    # a pause saves 0.8 per kWh of the dear hour's 100 kWh, and a restart of 40 kWh costs 0.3 each in the last one
    runs = OfferRuns(running_frac=1.0, restart_kwh=40.0)
    stated = working([CHEAP, DEAR, CHEAP, 0.3], runs, energy_kwh=200.0)

    plan = solved(stated)
    dear = solved(replace(stated, offers=(replace(stated.offers[0], runs=replace(runs, restart_kwh=300.0)),)))

    assert powers(plan) == pytest.approx([100.0, 0.0, 100.0, 40.0], abs=1e-6)
    assert plan.steps[2].offers[0].started_frac == pytest.approx(1.0)
    # a third of the work runs through
    assert powers(dear) == pytest.approx([100.0, 100.0 / 3.0, 100.0 / 3.0, 100.0 / 3.0], abs=1e-6)


@pytest.mark.parametrize(
    ("since_h", "expected"),
    [
        pytest.param(None, [0.0, 0.0, 100.0], id="not known: long enough"),
        pytest.param(2.5, [0.0, 0.0, 100.0], id="over"),
        pytest.param(0.5, [100.0, 0.0, 0.0], id="an hour and a half to go"),
    ],
)
def test_history_holds_work_on(since_h: float | None, expected: list[float]) -> None:
    runs = OfferRuns(min_run_h=2.0, running_frac=1.0, since_h=since_h)

    plan = solved(working([DEAR, DEAR, CHEAP], runs, energy_kwh=100.0))

    # the energy lasts for an hour, so that nothing holds it on for longer
    assert powers(plan) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("since_h", "first_kw"), [(None, 100.0), (0.5, 0.0)])
def test_history_holds_work_off(since_h: float | None, first_kw: float) -> None:
    runs = OfferRuns(min_pause_h=1.0, since_h=since_h)

    plan = solved(working([CHEAP, DEAR], runs, energy_kwh=100.0))

    assert powers(plan)[0] == pytest.approx(first_kw, abs=1e-6)


def test_whole_class_runs_all_or_not_at_all_but_for_its_last_step() -> None:
    runs = OfferRuns(whole=True, min_run_h=1.0)
    stated = working([0.3, CHEAP, 0.2], runs, energy_kwh=140.0)
    shares = replace(stated, offers=(replace(stated.offers[0], runs=replace(runs, whole=False)),))

    # as shares 40 kWh of it run in the last hour and 100 kWh in the cheap one, and so does the whole
    assert powers(solved(shares)) == pytest.approx([0.0, 100.0, 40.0], abs=1e-6)
    assert powers(solved(stated)) == pytest.approx([0.0, 100.0, 40.0], abs=1e-6)


def test_whole_class_does_not_run_at_part_load_in_the_midst_of_a_run() -> None:
    # 240 kWh in three hours: the last of them is the cheapest, and yet it is the one that ends early
    whole = OfferRuns(whole=True, max_pauses=0)

    plan = solved(working([0.3, 0.2, CHEAP], whole, energy_kwh=240.0))
    shares = solved(working([0.3, 0.2, CHEAP], replace(whole, whole=False), energy_kwh=240.0))

    assert powers(plan) == pytest.approx([100.0, 100.0, 40.0], abs=1e-6)
    assert powers(shares) == pytest.approx([40.0, 100.0, 100.0], abs=1e-6)


def test_last_bit_of_a_whole_class_is_done_although_it_is_shorter_than_a_run() -> None:
    plan = solved(working([DEAR, CHEAP, DEAR], OfferRuns(whole=True, min_run_h=2.0), energy_kwh=30.0))

    assert powers(plan) == pytest.approx([0.0, 30.0, 0.0], abs=1e-6)


def test_work_that_must_run_goes_unserved_before_firm_load_does() -> None:
    # 60 kW of import for 10 kW of firm load and work of 100 kW that started a moment ago
    runs = OfferRuns(min_run_h=2.0, running_frac=1.0, since_h=0.0)

    plan = solved(working([CHEAP, CHEAP], runs, energy_kwh=200.0, import_limit_kw=60.0, value_per_kwh=0.5))

    assert plan.relaxed == ("unserved",)
    assert [step.offers[0].unserved_kw for step in plan.steps] == pytest.approx([50.0, 50.0])
    assert [step.it_kw for step in plan.steps] == pytest.approx([60.0, 60.0])


def test_rules_end_with_the_deadline() -> None:
    stated = working([DEAR, CHEAP, DEAR, DEAR], OfferRuns(min_run_h=3.0), energy_kwh=100.0)
    stated = replace(stated, offers=(replace(stated.offers[0], deadline_step=2),))

    assert powers(solved(stated)) == pytest.approx([0.0, 100.0, 0.0, 0.0], abs=1e-6)


def test_work_binds_no_unit_to_a_plan_of_fractions_beyond_the_whole_hours() -> None:
    stated = working([CHEAP, DEAR, CHEAP], OfferRuns(whole=True), energy_kwh=150.0)

    plan = solved(replace(stated, options=replace(stated.options, integer_h=1.0)))

    assert served_kwh(plan) == pytest.approx(150.0)


def test_rules_are_told_as_the_reason() -> None:
    # two dear hours in which it must run on, another in which two thirds of it pause, and rest into the cheap one
    runs = OfferRuns(min_run_h=2.0, min_pause_h=1.5, running_frac=0.6, since_h=0.5)
    stated = working([DEAR, DEAR, DEAR, CHEAP, CHEAP], runs, energy_kwh=300.0)

    plan = solved(stated)
    told = explained(stated, plan, evaluate(stated, plan))

    assert powers(plan) == pytest.approx([60.0, 60.0, 20.0, 60.0, 100.0], abs=1e-6)
    reasons = [next(each for each in step.reasons if each.asset == "work") for step in told.steps]
    assert [reason.code for reason in reasons] == [
        ReasonCode.OFFER_MIN_RUN,
        ReasonCode.OFFER_MIN_RUN,
        ReasonCode.OFFER_REDUCED,
        ReasonCode.OFFER_MIN_PAUSE,
        ReasonCode.OFFER_SERVED,
    ]
    held = [dict(reason.figures) for reason in reasons]
    assert [held[t]["left_h"] for t in (0, 1, 3)] == pytest.approx([1.5, 0.5, 0.5])


@pytest.mark.parametrize(
    ("runs", "running", "started", "power_kw", "what"),
    [
        # the plan under test runs in the second and third hour; what is given replaces its parts
        pytest.param(OfferRuns(min_run_h=3.0), None, None, None, "within its minimum run", id="run too short"),
        pytest.param(
            OfferRuns(min_pause_h=5.0, since_h=0.0), None, None, None, "within its minimum pause", id="no rest"
        ),
        pytest.param(OfferRuns(running_frac=1.0, max_pauses=0), None, None, None, "work starts", id="paused too often"),
        pytest.param(OfferRuns(), [0, 0.5, 1, 0], None, None, "cut_kw beside its runs", id="share and power differ"),
        pytest.param(OfferRuns(), [0, 1, 1, 1.5], None, None, "running share", id="more than all"),
        pytest.param(OfferRuns(), None, [0, 0, 0, 0], None, "share pausing", id="start not told"),
        pytest.param(OfferRuns(), None, [0, 1.5, 0, 0], None, "within its minimum", id="more starts than rests"),
        pytest.param(OfferRuns(whole=True), None, None, [0, 60, 100, 0], "cut_kw beside", id="part load in a run"),
        pytest.param(OfferRuns(whole=True), [0, 0.6, 1, 0], None, None, "share of a whole", id="part of a whole"),
        pytest.param(OfferRuns(restart_kwh=50.0), None, None, None, "job_cost", id="restart not counted"),
        pytest.param(None, None, None, None, "runs by no rule", id="no rule"),
    ],
)
def test_runs_that_break_a_rule_are_refused(
    runs: OfferRuns | None,
    running: list[float] | None,
    started: list[float] | None,
    power_kw: list[float] | None,
    what: str,
) -> None:
    stated = working([DEAR, CHEAP, CHEAP, DEAR], OfferRuns(), energy_kwh=200.0)
    plan = solved(stated)
    assert powers(plan) == pytest.approx([0.0, 100.0, 100.0, 0.0], abs=1e-6)

    steps = []
    for t, step in enumerate(plan.steps):
        (part,) = step.offers
        part = replace(part, running_frac=part.running_frac if running is None else running[t])
        part = replace(part, started_frac=part.started_frac if started is None else started[t])
        if power_kw is not None:
            part = replace(part, power_kw=power_kw[t], cut_kw=100.0 - power_kw[t])
        steps.append(replace(step, offers=(part,)))
    changed = replace(stated, offers=(replace(stated.offers[0], runs=runs),))

    found = refusals(changed, replace(plan, steps=tuple(steps)))

    assert any(what in sentence for sentence in found), found


def test_a_plan_that_does_not_tell_its_runs_is_refused() -> None:
    stated = working([DEAR, CHEAP], OfferRuns(), energy_kwh=100.0)
    plan = solved(stated)
    silent = replace(plan.steps[0], offers=(replace(plan.steps[0].offers[0], running_frac=None),))

    found = refusals(stated, replace(plan, steps=(silent, *plan.steps[1:])))

    assert any("steps with a running share" in sentence for sentence in found)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"kind": OfferKind.CURTAILABLE}, "offers.0.runs"),
        ({"runs": OfferRuns(whole=True, running_frac=0.5)}, "offers.0.runs.running_frac"),
        ({"runs": OfferRuns(running_frac=1.2)}, "offers.0.runs.running_frac"),
        ({"runs": OfferRuns(min_run_h=-1.0)}, "offers.0.runs.min_run_h"),
        ({"runs": OfferRuns(max_pauses=-1)}, "offers.0.runs.max_pauses"),
    ],
)
def test_rules_that_cannot_be_are_refused(change: dict[str, object], path: str) -> None:
    stated = working([DEAR, CHEAP], OfferRuns(), energy_kwh=100.0)
    wrong = replace(stated, offers=(replace(stated.offers[0], **change),))  # type: ignore[arg-type]

    assert [refusal.path for refusal in refused_fields(wrong)] == [path]


def test_threshold_rules_start_work_at_once_with_what_its_start_takes() -> None:
    stated = working([0.5, 0.1, 0.2], OfferRuns(restart_kwh=40.0), energy_kwh=150.0)

    plan = merit_order_plan(site("weak-grid-campus"), stated)

    assert powers(plan) == pytest.approx([100.0, 90.0, 0.0])
    assert [step.offers[0].running_frac for step in plan.steps] == pytest.approx([1.0, 0.9, 0.0])
    assert [step.offers[0].started_frac for step in plan.steps] == pytest.approx([1.0, 0.0, 0.0])
