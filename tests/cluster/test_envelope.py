from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ems.cluster.envelope import Situation, envelope
from ems.contract.cluster import EnvelopeMessage
from ems.model.plan import OfferStep, Plan, PlanSource, PlanStep, ReserveStep
from tests.gateway.operation import Operation, operation


@pytest.fixture(scope="module")
def desert() -> Operation:
    return operation("desert-offgrid").with_milp_plan()


@pytest.fixture(scope="module")
def campus() -> Operation:
    return operation("weak-grid-campus").with_milp_plan()


def made(site: Operation, **changes: Any) -> EnvelopeMessage:  # any field of the situation
    situation = Situation(
        site=site.site,
        decision=site.record.decision,
        plan=site.plan,
        carbon_kgco2e_per_kwh=site.outlook.carbon_kgco2e_per_kwh,
        utc=site.record.snapshot.utc,
    )
    outgoing = envelope(replace(situation, **changes), seq=7)
    assert outgoing is not None
    assert outgoing.topic == f"cluster/{site.site.it.id}/envelope"
    assert outgoing.retain
    assert isinstance(outgoing.message, EnvelopeMessage)
    return outgoing.message


def with_first_step(plan: Plan, **changes: Any) -> Plan:  # any field of a step
    return replace(plan, steps=(replace(plan.steps[0], **changes), *plan.steps[1:]))


def reserve(reserve_id: str, margin_kw: float) -> ReserveStep:
    return ReserveStep(
        id=reserve_id, contingency="none", required_kw=1000.0, held_kw=1000.0 + margin_kw, shortfall_kw=0.0
    )


def ratio(step: PlanStep) -> float:
    return step.load_kw / step.it_kw


def test_intervals_cover_the_next_day_without_gaps(desert: Operation) -> None:
    message = made(desert)

    ends = [item.start + timedelta(minutes=item.duration_min) for item in message.intervals]

    assert message.intervals[0].start == desert.record.snapshot.utc.replace(microsecond=0)
    for end, later in zip(ends, message.intervals[1:], strict=False):
        assert abs(end - later.start) < timedelta(milliseconds=100)
    assert ends[-1] - message.intervals[0].start >= timedelta(hours=23.9)
    assert message.seq == 7


def test_planned_power_is_expected_and_the_limit_is_never_below_it(desert: Operation) -> None:
    message = made(desert)

    for interval, step in zip(message.intervals, desert.plan.steps, strict=False):
        assert interval.expected_kw == pytest.approx(step.it_kw, abs=0.001)
        assert interval.expected_kw <= interval.limit_kw <= desert.site.it.design_kw


def test_the_scarcest_upward_margin_is_shared_with_the_load_that_comes_with_it(desert: Operation) -> None:
    step = desert.plan.steps[0]
    rows = (reserve("r0", 1300.0), reserve("r1", 1200.0), reserve("down", 10.0))
    plan = with_first_step(desert.plan, reserve=rows, load_q90_kw=step.load_kw)

    message = made(desert, plan=plan)

    assert message.intervals[0].limit_kw == pytest.approx(step.it_kw + 1200.0 / ratio(step), abs=0.01)


def test_without_any_margin_the_limit_stays_at_the_high_quantile_of_demand(desert: Operation) -> None:
    step = desert.plan.steps[0]
    plan = with_first_step(
        desert.plan, reserve=(reserve("r0", -50.0), reserve("r1", 0.0)), load_q90_kw=step.load_kw + 500.0
    )

    message = made(desert, plan=plan)

    assert message.intervals[0].limit_kw == pytest.approx(step.it_kw + 500.0 / ratio(step), abs=0.01)


def test_what_the_plan_takes_back_of_an_offer_is_not_given_again_by_the_limit(desert: Operation) -> None:
    step = desert.plan.steps[0]
    # 500 kW of the demand that the quantile stands on are cut, and 200 kW are the forecast's error
    quantile_kw = step.load_kw + 500.0 * ratio(step) + 200.0
    batch = OfferStep(id="batch", power_kw=0.0, cut_kw=500.0)
    plan = with_first_step(
        desert.plan, reserve=(reserve("r0", 5000.0), reserve("r1", 5000.0)), load_q90_kw=quantile_kw, offers=(batch,)
    )

    message = made(desert, plan=plan)

    assert message.intervals[0].limit_kw == pytest.approx(step.it_kw + 200.0 / ratio(step), abs=0.01)


def test_the_limit_is_never_above_design_nor_below_the_idle_cluster(desert: Operation) -> None:
    roomy = with_first_step(desert.plan, reserve=(reserve("r0", 1e6), reserve("r1", 1e6)))
    starved = with_first_step(desert.plan, it_kw=0.0, unserved_kw=9000.0)

    assert made(desert, plan=roomy).intervals[0].limit_kw == desert.site.it.design_kw
    assert made(desert, plan=starved).intervals[0].limit_kw == desert.site.it.idle_kw


def test_a_plan_that_cannot_supply_the_load_limits_the_cluster_to_what_it_serves(desert: Operation) -> None:
    plan = with_first_step(desert.plan, it_kw=8000.0, unserved_kw=2500.0, reserve=(reserve("r0", 900.0),))

    message = made(desert, plan=plan)

    assert message.intervals[0].limit_kw == 8000.0
    assert message.state == "constrained"
    assert message.reason == "the plan cannot supply 2500 kW"


def test_limits_of_the_first_hour_are_firm_under_a_fresh_plan_of_the_optimiser(desert: Operation) -> None:
    message = made(desert)

    hour = message.issued + timedelta(hours=1)
    assert [item.firm for item in message.intervals] == [item.start < hour for item in message.intervals]
    assert message.intervals[0].firm


@pytest.mark.parametrize("source", [PlanSource.SHIFTED, PlanSource.RELAXED, PlanSource.MERIT_ORDER])
def test_no_limit_is_firm_under_a_fallback(desert: Operation, source: PlanSource) -> None:
    message = made(desert, plan=replace(desert.plan, source=source))

    assert not any(item.firm for item in message.intervals)
    assert message.state == "constrained"


def test_no_limit_is_firm_under_an_old_plan(desert: Operation) -> None:
    planning = desert.site.planning
    later = desert.plan.created_utc + timedelta(seconds=planning.max_age_periods * planning.period_s + 1.0)

    message = made(desert, utc=later)

    assert not any(item.firm for item in message.intervals)


def test_there_is_no_envelope_without_a_plan_that_covers_the_present(desert: Operation) -> None:
    situation = Situation(
        site=desert.site,
        decision=desert.record.decision,
        plan=None,
        carbon_kgco2e_per_kwh=None,
        utc=desert.record.snapshot.utc,
    )
    past = replace(situation, plan=desert.plan, utc=desert.plan.steps[-1].end_utc)

    assert envelope(situation, seq=1) is None
    assert envelope(past, seq=1) is None


def test_after_expiry_the_lowest_limit_counts(desert: Operation) -> None:
    message = made(desert)

    assert message.after_expiry_limit_kw == min(item.limit_kw for item in message.intervals)
    assert message.valid_until > message.issued


def test_a_short_reserve_is_an_emergency(desert: Operation) -> None:
    short = tuple(replace(item, held_kw=item.required_kw - 300.0) for item in desert.record.decision.assessments)

    message = made(desert, decision=replace(desert.record.decision, assessments=short))

    assert message.state == "emergency"
    assert message.reason == "reserve r0 is short by 300 kW"


def test_an_island_below_its_floor_survives(desert: Operation) -> None:
    storage = desert.record.decision.storage
    assert storage is not None
    low = replace(storage, stored_kwh=storage.floor_kwh - 0.01 * storage.full_kwh)

    assert made(desert, decision=replace(desert.record.decision, storage=low)).state == "islanded-survival"


def test_pv_that_is_not_taken_is_a_surplus(desert: Operation) -> None:
    step = desert.plan.steps[0]
    plan = with_first_step(desert.plan, pv_available_kw=step.pv_kw + 2000.0)

    assert made(desert).state == "normal"
    assert made(desert, plan=plan).state == "surplus"


def test_an_island_has_no_price_and_its_intensity_is_that_of_its_gensets(desert: Operation) -> None:
    step = desert.plan.steps[0]
    genset = replace(step.gensets[0], n_on=2, power_kw=3000.0, fuel_l_per_h=720.0)
    plan = with_first_step(desert.plan, gensets=(genset,), pv_kw=1000.0)

    first = made(desert, plan=plan).intervals[0]

    assert first.price_per_kwh is None
    expected = 1000.0 * desert.site.economics.diesel_kgco2e_per_l * 720.0 / 4000.0
    assert first.gco2e_per_kwh == pytest.approx(expected, rel=1e-6)


def test_where_nothing_is_generated_the_intensity_is_not_known(desert: Operation) -> None:
    plan = with_first_step(desert.plan, pv_kw=0.0, import_kw=0.0)

    assert made(desert, plan=plan).intervals[0].gco2e_per_kwh is None


def test_import_has_the_tariffs_price_and_the_grids_intensity(campus: Operation) -> None:
    first = made(campus).intervals[0]
    signal = campus.outlook.carbon_kgco2e_per_kwh
    assert signal is not None

    assert first.price_per_kwh == 116.0
    assert first.gco2e_per_kwh == pytest.approx(1000.0 * signal.values.values[0], rel=0.01)


def test_without_a_carbon_forecast_the_intensity_of_import_is_not_known(campus: Operation) -> None:
    assert made(campus, carbon_kgco2e_per_kwh=None).intervals[0].gco2e_per_kwh is None
