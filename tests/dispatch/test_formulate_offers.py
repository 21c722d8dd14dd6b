"""From a cluster's offer to the classes of a planning problem."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ems.dispatch.formulate import formulate
from ems.model.offer import FlexOffer, OfferClass, OfferForecast, ProgressPoint
from ems.model.problem import OfferKind, OfferProblem, OfferRuns, PlanningProblem
from tests.dispatch.sites import NOON, condition, outlook, site
from tests.dispatch.solving import solved

TRAINING = OfferClass(
    id="train-critical",
    kind=OfferKind.SHAPEABLE,
    now_kw=1000.0,
    min_kw=400.0,
    max_kw=1000.0,
    value_per_kwh=2.0,
    ramp_kw_per_min=250.0,
    progress=(
        ProgressPoint(power_frac=0.2, progress_frac=0.1),
        ProgressPoint(power_frac=0.5, progress_frac=0.6),
        ProgressPoint(power_frac=1.0, progress_frac=1.0),
    ),
)
BATCH = OfferClass(
    id="batch",
    kind=OfferKind.DEFERRABLE,
    now_kw=500.0,
    min_kw=0.0,
    max_kw=800.0,
    value_per_kwh=0.45,
    energy_kwh=3000.0,
    deadline_utc=NOON + timedelta(hours=6, minutes=20),
)
SPOT = OfferClass(
    id="spot",
    kind=OfferKind.CURTAILABLE,
    now_kw=300.0,
    min_kw=0.0,
    max_kw=400.0,
    value_per_kwh=0.2,
    notice_s=1800.0,
    max_hours_per_day_h=6.0,
)
INFERENCE = OfferClass(id="inference", kind=OfferKind.FIRM, now_kw=900.0, min_kw=900.0, max_kw=1000.0)


def offer_of(*classes: OfferClass, forecast_kw: float | None = None) -> FlexOffer:
    forecast = (
        ()
        if forecast_kw is None
        else (OfferForecast(start_utc=NOON - timedelta(hours=1), duration_h=3.0, load_kw=forecast_kw),)
    )
    return FlexOffer(
        cluster_id="hall-a",
        seq=1,
        issued_utc=NOON,
        valid_until_utc=NOON + timedelta(minutes=20),
        forecast=forecast,
        classes=classes,
    )


def stated(offer: FlexOffer | None, *, takes_offers: bool = True) -> PlanningProblem:
    """Return the desert's problem for 4000 kW at the median and 4400 kW at the 0.9 quantile, without optimism."""
    desert = site("desert-offgrid")
    desert = replace(
        desert,
        it=replace(desert.it, takes_offers=takes_offers),
        planning=replace(desert.planning, optimism_frac=0.0),
    )
    return formulate(desert, replace(condition(desert), offer=offer), outlook(desert), previous=None, problem_id="p")


def only(problem: PlanningProblem) -> OfferProblem:
    (offer,) = problem.offers
    return offer


def test_site_that_takes_no_offers_plans_its_median_whatever_arrives() -> None:
    problem = stated(offer_of(SPOT), takes_offers=False)

    assert problem.offers == ()
    assert problem.load.it_kw[0] == pytest.approx(4000.0)


def test_without_a_valid_offer_all_load_is_firm_at_its_upper_quantile() -> None:
    problem = stated(None)

    assert problem.offers == ()
    assert set(problem.load.it_kw) == {4400.0}


def test_classes_are_taken_out_of_the_forecast_and_the_rest_is_firm() -> None:
    problem = stated(offer_of(INFERENCE, TRAINING, BATCH, SPOT))

    # 4000 kW less 1000, 500 and 300 kW that run now
    assert [offer.id for offer in problem.offers] == ["train-critical", "batch", "spot"]
    assert problem.load.it_kw[0] == pytest.approx(2200.0)
    assert problem.load_q90_at(0) > problem.demand_kw(0)


def test_firm_classes_stay_whatever_the_forecast_says() -> None:
    assert stated(offer_of(INFERENCE, forecast_kw=500.0)).load.it_kw[0] == pytest.approx(900.0)


def test_cluster_s_own_forecast_is_used_as_far_as_it_reaches() -> None:
    it_kw = stated(offer_of(SPOT, forecast_kw=5300.0)).load.it_kw

    # two hours, in quarters
    assert it_kw[:8] == pytest.approx((5000.0,) * 8)
    assert it_kw[8] == pytest.approx(3700.0)


def test_shapeable_class_is_worth_the_slope_of_its_progress() -> None:
    offer = only(stated(offer_of(TRAINING)))

    # from 400 kW, on the first stretch: 0.5 / 0.3 and then 0.4 / 0.5 of the value at full power
    assert [piece.width_kw for piece in reversed(offer.progress)] == pytest.approx([500.0, 100.0])
    assert [piece.value_per_kwh for piece in offer.progress] == pytest.approx([2.0 * 0.5 / 0.3, 2.0 * 0.8])
    assert set(offer.min_kw) == {400.0}


def test_shapeable_class_is_slowed_by_no_more_than_it_tolerates() -> None:
    offer = only(stated(offer_of(replace(TRAINING, max_slowdown_frac=0.2))))

    # progress 0.8 at three quarters of the power
    assert set(offer.min_kw) == {750.0}
    assert [piece.width_kw for piece in offer.progress] == pytest.approx([250.0])


def test_deferrable_class_has_its_energy_by_the_last_whole_step_before_its_deadline() -> None:
    problem = stated(offer_of(BATCH))

    offer = only(problem)
    assert (offer.energy_kwh, problem.grid.offset_h[offer.deadline_step]) == (3000.0, 6.25)


def test_deadline_beyond_the_horizon_leaves_its_share_of_the_energy() -> None:
    problem = stated(offer_of(replace(BATCH, deadline_utc=NOON + timedelta(hours=96))))

    offer = only(problem)
    assert offer.deadline_step == problem.grid.n_steps
    assert offer.energy_kwh == pytest.approx(3000.0 * problem.grid.offset_h[-1] / 96.0)


def test_curtailable_class_stays_until_its_notice_has_passed() -> None:
    problem = stated(offer_of(SPOT))

    offer = only(problem)
    assert offer.min_kw[:3] == (300.0, 300.0, 0.0)
    assert set(offer.max_kw) == {300.0}
    assert offer.max_curtailed_h == pytest.approx(6.0 * problem.grid.offset_h[-1] / 24.0)


def test_plan_of_a_site_with_an_offer_passes_its_check() -> None:
    problem = stated(offer_of(INFERENCE, TRAINING, BATCH, SPOT))

    plan = solved(problem)

    batch_kwh = sum(step.duration_h * step.offers[1].power_kw for step in plan.steps[: problem.offers[1].deadline_step])
    assert batch_kwh <= 3000.0 + 1.0
    assert all(step.it_kw >= problem.load.it_kw[t] - 1.0 for t, step in enumerate(plan.steps))


RULED = replace(BATCH, min_run_h=0.5, min_pause_h=0.25, max_pauses=4, restart_kwh=140.0)


def test_runs_of_an_offer_are_its_rules_with_what_runs_now_and_since_when() -> None:
    (free,) = stated(offer_of(BATCH)).offers
    (ruled,) = stated(offer_of(replace(RULED, turned_utc=NOON - timedelta(minutes=10)))).offers

    assert free.runs is None
    assert ruled.runs is not None
    assert ruled.runs.since_h == pytest.approx(1.0 / 6.0)
    # 500 of 800 kW
    assert replace(ruled.runs, since_h=None) == OfferRuns(
        min_run_h=0.5, min_pause_h=0.25, max_pauses=4, restart_kwh=140.0, running_frac=0.625
    )


@pytest.mark.parametrize(("now_kw", "running_frac"), [(500.0, 1.0), (300.0, 0.0)])
def test_class_that_moves_as_a_whole_runs_from_half_of_its_range_upwards(now_kw: float, running_frac: float) -> None:
    (offer,) = stated(offer_of(replace(BATCH, whole=True, now_kw=now_kw))).offers

    assert offer.runs == OfferRuns(whole=True, running_frac=running_frac)


def test_rules_of_runs_are_those_of_deferrable_work_alone() -> None:
    offers = stated(offer_of(replace(SPOT, min_run_h=1.0), replace(BATCH, max_pauses=0))).offers

    assert [offer.runs is None for offer in offers] == [True, False]
