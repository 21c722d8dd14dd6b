"""Classes of load that the cluster offers: what the plan does with each kind, and what the check refuses."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from ems.dispatch.merit_order import merit_order_plan
from ems.dispatch.milp.assemble import build_model
from ems.dispatch.milp.shape import shape_of
from ems.model.plan import OfferStep, Plan
from ems.model.problem import (
    CoolingLineProblem,
    LoadProblem,
    OfferKind,
    OfferProblem,
    PlanningProblem,
    ProgressPiece,
)
from tests.dispatch.problems import connection, load, plant, problem
from tests.dispatch.sites import site
from tests.dispatch.solving import refusals, solved


def offer(kind: OfferKind, max_kw: Sequence[float], *, min_kw: float = 0.0, value_per_kwh: float = 0.0) -> OfferProblem:
    return OfferProblem(
        id="jobs", kind=kind, min_kw=(min_kw,) * len(max_kw), max_kw=tuple(max_kw), value_per_kwh=value_per_kwh
    )


def with_offers(stated: PlanningProblem, *offers: OfferProblem) -> PlanningProblem:
    return replace(stated, offers=offers)


def jobs(plan: Plan) -> list[float]:
    return [step.offers[0].power_kw for step in plan.steps]


def with_offer_step(plan: Plan, t: int, part: OfferStep) -> Plan:
    return replace(plan, steps=(*plan.steps[:t], replace(plan.steps[t], offers=(part,)), *plan.steps[t + 1 :]))


# two hours, the second dear
DEAR = connection([0.1, 0.5])


def test_without_offers_the_model_has_nothing_of_them() -> None:
    model = build_model(shape_of(problem([100.0, 100.0], grid=DEAR)))

    names = ("offer_cut_kw", "offer_unserved_kw", "offer_energy", "offer_ramp_up", "cooling_kw", "cooling_line")
    assert [len(model.component(name)) for name in names] == [0] * len(names)


def test_firm_class_is_served_at_any_price() -> None:
    plan = solved(with_offers(problem([100.0, 100.0], grid=DEAR), offer(OfferKind.FIRM, [50.0, 50.0])))

    assert jobs(plan) == pytest.approx([50.0, 50.0])
    assert [step.it_kw for step in plan.steps] == pytest.approx([150.0, 150.0])
    assert plan.objective.job_cost == 0.0


def test_firm_class_goes_unserved_before_the_firm_load_and_that_before_auxiliaries() -> None:
    demand = replace(load([100.0, 100.0]), aux_constant_kw=(20.0, 20.0))
    grid = replace(connection([0.1, 0.1]), import_limit_kw=(130.0, 70.0))

    plan = solved(with_offers(problem(demand, grid=grid), offer(OfferKind.FIRM, [50.0, 50.0])))

    # 170 kW asked for: 40 kW of the class are missing, then all of it and half of the firm load
    assert [step.offers[0].unserved_kw for step in plan.steps] == pytest.approx([40.0, 50.0])
    assert [step.unserved_kw for step in plan.steps] == pytest.approx([40.0, 100.0])
    assert [step.it_kw for step in plan.steps] == pytest.approx([110.0, 50.0])
    assert plan.objective.unserved_cost == pytest.approx(9.0 * 90.0 + 10.0 * 50.0)
    assert plan.relaxed == ("unserved",)


def test_shapeable_class_gives_up_the_power_that_is_worth_less_than_it_costs() -> None:
    shapeable = replace(
        offer(OfferKind.SHAPEABLE, [100.0, 100.0], min_kw=40.0),
        progress=(ProgressPiece(width_kw=30.0, value_per_kwh=1.0), ProgressPiece(width_kw=30.0, value_per_kwh=0.3)),
    )

    plan = solved(with_offers(problem([0.0, 0.0], grid=DEAR), shapeable))

    # at 0.5 per kWh the last 30 kW earn only 0.3
    assert jobs(plan) == pytest.approx([100.0, 70.0])
    assert plan.steps[1].offers[0].cut_kw == pytest.approx(30.0)
    assert plan.objective.job_cost == pytest.approx(0.3 * 30.0)
    assert plan.relaxed == ()


def test_value_of_a_class_is_weighed_against_its_cooling_auxiliaries_and_losses_too() -> None:
    demand = LoadProblem(
        it_kw=(0.0,),
        cooling=(CoolingLineProblem(c0_kw=(0.0,), c1_frac=(0.3,)),),
        aux_frac_of_it=0.1,
        site_loss_frac=0.02,
    )
    curtailable = offer(OfferKind.CURTAILABLE, [100.0], value_per_kwh=0.5)

    # a kW of jobs takes 1.02 * 1.4 = 1.428 kW of the bus
    cheap = solved(with_offers(problem(demand, grid=connection([0.34])), curtailable))
    dear = solved(with_offers(problem(demand, grid=connection([0.36])), curtailable))

    assert [jobs(cheap), jobs(dear)] == [pytest.approx([100.0]), pytest.approx([0.0], abs=1e-6)]
    assert cheap.steps[0].import_kw == pytest.approx(142.8)


def test_deferrable_class_gets_its_energy_in_the_cheapest_hours_before_its_deadline() -> None:
    deferrable = replace(offer(OfferKind.DEFERRABLE, [100.0] * 4, value_per_kwh=5.0), energy_kwh=150.0, deadline_step=3)

    plan = solved(with_offers(problem([10.0] * 4, grid=connection([0.5, 0.1, 0.2, 0.01])), deferrable))

    assert jobs(plan) == pytest.approx([0.0, 100.0, 50.0, 0.0], abs=1e-6)
    assert plan.objective.job_cost == 0.0


def test_deferrable_class_that_is_not_worth_its_energy_falls_short() -> None:
    deferrable = replace(offer(OfferKind.DEFERRABLE, [100.0] * 2, value_per_kwh=0.3), energy_kwh=150.0, deadline_step=2)

    plan = solved(with_offers(problem([10.0] * 2, grid=DEAR), deferrable))

    assert jobs(plan) == pytest.approx([100.0, 0.0], abs=1e-6)
    assert plan.objective.job_cost == pytest.approx(0.3 * 50.0)


def test_deferrable_class_is_no_dump_load() -> None:
    deferrable = replace(offer(OfferKind.DEFERRABLE, [100.0] * 2, value_per_kwh=1.0), energy_kwh=60.0, deadline_step=2)

    plan = solved(with_offers(problem([0.0] * 2, pv=plant([300.0, 300.0])), deferrable))

    assert sum(jobs(plan)) == pytest.approx(60.0)


def test_curtailable_class_is_cut_for_no_longer_than_it_allows() -> None:
    curtailable = offer(OfferKind.CURTAILABLE, [100.0] * 3, value_per_kwh=0.2)
    stated = problem([10.0] * 3, grid=connection([0.4, 0.6, 0.5]))

    free = solved(with_offers(stated, curtailable))
    limited = solved(with_offers(stated, replace(curtailable, max_curtailed_h=1.5)))

    assert jobs(free) == pytest.approx([0.0, 0.0, 0.0], abs=1e-6)
    # one hour and a half in the dearest hours
    assert jobs(limited) == pytest.approx([100.0, 0.0, 50.0], abs=1e-6)
    assert limited.objective.job_cost == pytest.approx(0.2 * 150.0)


def test_curtailable_class_is_cut_beyond_its_hours_before_load_goes_unserved() -> None:
    curtailable = replace(offer(OfferKind.CURTAILABLE, [100.0] * 2, value_per_kwh=0.2), max_curtailed_h=1.0)

    plan = solved(with_offers(problem([10.0] * 2, grid=connection([0.1, 0.1], import_limit_kw=10.0)), curtailable))

    assert jobs(plan) == pytest.approx([0.0, 0.0], abs=1e-6)
    assert plan.relaxed == ("curtailed hours",)
    # an hour of 100 kW at the price of limits, 2 per kWh
    assert plan.objective.limit_cost == pytest.approx(200.0)


def test_ramp_spreads_a_change_of_load_over_steps() -> None:
    shapeable = replace(offer(OfferKind.SHAPEABLE, [100.0] * 4, value_per_kwh=0.3), ramp_kw_per_min=1.0, now_kw=100.0)

    plan = solved(with_offers(problem([10.0] * 4, grid=connection([0.1, 0.5, 0.9, 0.1])), shapeable))

    # 60 kW per hour: down to nothing in the dearest hour, and only 60 kW in the cheap one after it
    powers = [100.0, *jobs(plan)]
    assert all(abs(later - earlier) <= 60.0 + 1e-6 for earlier, later in pairwise(powers))
    assert jobs(plan) == pytest.approx([100.0, 40.0, 0.0, 60.0], abs=1e-6)


def test_ramp_holds_between_the_centres_of_steps_of_different_length() -> None:
    shapeable = replace(offer(OfferKind.SHAPEABLE, [100.0] * 3, value_per_kwh=0.3), ramp_kw_per_min=1.0, now_kw=100.0)
    stated = problem([10.0] * 3, grid=connection([0.1, 0.9, 0.9]), duration_h=(0.5, 1.0, 0.25))

    plan = solved(with_offers(stated, shapeable))

    # 60 kW per hour over 15, 45 and 37.5 minutes
    assert jobs(plan) == pytest.approx([85.0, 40.0, 2.5])
    slower = with_offers(stated, replace(shapeable, ramp_kw_per_min=0.9))
    assert any("step 2: jobs change, kW is 37.5, allowed 33.75" in sentence for sentence in refusals(slower, plan))


def test_class_that_runs_above_what_it_asks_for_next_comes_down_without_a_broken_ramp() -> None:
    shapeable = replace(offer(OfferKind.SHAPEABLE, [20.0, 20.0], value_per_kwh=9.0), ramp_kw_per_min=0.5, now_kw=200.0)

    plan = solved(with_offers(problem([10.0] * 2, grid=DEAR), shapeable))

    assert jobs(plan) == pytest.approx([20.0, 20.0])


def several_lines(it_kw: Sequence[float]) -> LoadProblem:
    """Return a load whose cooling is the higher of 20 kW and 0.5 kW per kW of IT, less 10 kW."""
    n = len(it_kw)
    return LoadProblem(
        it_kw=tuple(it_kw),
        cooling=(
            CoolingLineProblem(c0_kw=(20.0,) * n, c1_frac=(0.0,) * n),
            CoolingLineProblem(c0_kw=(-10.0,) * n, c1_frac=(0.5,) * n),
        ),
    )


def test_cooling_follows_the_highest_line_where_a_class_is_cut() -> None:
    curtailable = offer(OfferKind.CURTAILABLE, [60.0, 60.0], value_per_kwh=0.2)

    plan = solved(with_offers(problem(several_lines([40.0, 40.0]), grid=DEAR), curtailable))

    # 100 kW: 0.5 * 100 - 10; 40 kW: the flat line
    assert [step.cooling_kw for step in plan.steps] == pytest.approx([40.0, 20.0])
    assert [step.import_kw for step in plan.steps] == pytest.approx([140.0, 60.0])


def test_cooling_is_exact_at_full_load_and_on_the_chord_where_load_is_unserved_without_offers() -> None:
    plan = solved(problem(several_lines([100.0, 100.0]), grid=replace(DEAR, import_limit_kw=(1000.0, 80.0))))

    # chord from (0, 20) to (100, 40): 50 kW of racks take 30 kW of cooling
    assert [step.it_kw for step in plan.steps] == pytest.approx([100.0, 50.0])
    assert [step.cooling_kw for step in plan.steps] == pytest.approx([40.0, 30.0])


def test_cooling_takes_a_surplus_only_up_to_the_chord() -> None:
    curtailable = offer(OfferKind.CURTAILABLE, [100.0], value_per_kwh=0.1)
    # paid to import: everything that can take power does
    paid = connection([-1.0], import_limit_kw=1000.0)

    plan = solved(with_offers(problem(several_lines([0.0]), grid=paid), curtailable))

    assert [plan.steps[0].it_kw, plan.steps[0].cooling_kw] == pytest.approx([100.0, 40.0])


@pytest.mark.parametrize("cooling_kw", [18.0, 32.0])
def test_cooling_outside_curve_and_chord_is_refused(cooling_kw: float) -> None:
    stated = with_offers(
        problem(several_lines([40.0, 40.0]), grid=DEAR), offer(OfferKind.CURTAILABLE, [60.0, 60.0], value_per_kwh=0.2)
    )
    plan = solved(stated)

    # at 40 kW the curve is at 20 kW, the chord at 28 kW; the balance is kept
    changed = replace(plan.steps[1], cooling_kw=cooling_kw, import_kw=40.0 + cooling_kw)

    found = refusals(stated, replace(plan, steps=(plan.steps[0], changed)))
    assert any(sentence.startswith("step 1: cooling_kw") for sentence in found)


@pytest.mark.parametrize(
    ("part", "what"),
    [
        # the plan has 70 kW, 30 kW cut
        (OfferStep(id="jobs", power_kw=80.0, cut_kw=30.0), "jobs power_kw"),
        (OfferStep(id="jobs", power_kw=30.0, cut_kw=70.0), "jobs cut_kw"),
        (OfferStep(id="jobs", power_kw=55.0, unserved_kw=45.0), "jobs unserved_kw"),
        (OfferStep(id="jobs", power_kw=70.0, cut_kw=30.0, unserved_kw=-2.0), "jobs unserved_kw"),
        (OfferStep(id="other", power_kw=70.0, cut_kw=30.0), "classes of the cluster differ"),
        (OfferStep(id="jobs", power_kw=60.0, cut_kw=40.0), "job_cost"),
        (OfferStep(id="jobs", power_kw=70.0, unserved_kw=30.0), "unserved_cost"),
    ],
)
def test_a_changed_class_is_refused(part: OfferStep, what: str) -> None:
    shapeable = replace(
        offer(OfferKind.SHAPEABLE, [100.0, 100.0], min_kw=40.0),
        progress=(ProgressPiece(width_kw=30.0, value_per_kwh=1.0), ProgressPiece(width_kw=30.0, value_per_kwh=0.3)),
    )
    stated = with_offers(problem([0.0, 0.0], grid=DEAR), shapeable)

    changed = with_offer_step(solved(stated), 1, part)

    assert any(what in sentence for sentence in refusals(stated, changed))


def test_broken_ramp_hours_and_energy_are_refused() -> None:
    stated = problem([0.0] * 2, grid=DEAR)
    free = offer(OfferKind.CURTAILABLE, [100.0, 100.0], value_per_kwh=0.2)
    plan = solved(with_offers(stated, free))
    deferred = replace(free, kind=OfferKind.DEFERRABLE, energy_kwh=50.0, deadline_step=2)

    # 100 kW, then nothing
    for bound, what in (
        (replace(free, ramp_kw_per_min=1.0, now_kw=100.0), "jobs change, kW"),
        (replace(free, max_curtailed_h=0.5), "jobs curtailed, h"),
        (deferred, "jobs energy, kWh"),
    ):
        assert any(what in sentence for sentence in refusals(with_offers(stated, bound), plan)), what


def test_rules_leave_the_cluster_alone_and_run_deferrable_work_at_once() -> None:
    deferrable = replace(offer(OfferKind.DEFERRABLE, [100.0] * 3, value_per_kwh=5.0), energy_kwh=150.0, deadline_step=3)
    curtailable = replace(offer(OfferKind.CURTAILABLE, [30.0] * 3, value_per_kwh=0.01), id="spot")
    stated = with_offers(problem([10.0] * 3, grid=connection([0.5, 0.1, 0.2])), deferrable, curtailable)

    plan = merit_order_plan(site("weak-grid-campus"), stated)

    assert [[part.power_kw for part in step.offers] for step in plan.steps] == [
        [100.0, 30.0],
        [50.0, 30.0],
        [0.0, 30.0],
    ]
    assert [step.it_kw for step in plan.steps] == pytest.approx([140.0, 90.0, 40.0])
    assert [step.import_kw for step in plan.steps] == pytest.approx([140.0, 90.0, 40.0])
