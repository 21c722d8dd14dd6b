"""How far two plans differ over the hours that both cover."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ems.model.plan import GensetStep, ObjectiveTerms, Plan, PlanSource, PlanStatus, PlanStep, PoolStep, SolveTimings
from ems.model.plan_change import plan_change

START = datetime(2026, 1, 8, tzinfo=UTC)


def step(
    hour: float, *, n_on: int = 0, storage_kw: float = 0.0, import_kw: float = 0.0, hours: float = 1.0
) -> PlanStep:
    return PlanStep(
        start_utc=START + timedelta(hours=hour),
        duration_h=hours,
        it_kw=0.0,
        cooling_kw=0.0,
        aux_kw=0.0,
        loss_kw=0.0,
        pv_kw=0.0,
        pv_available_kw=0.0,
        pv_q10_kw=0.0,
        load_q90_kw=0.0,
        net_q90_kw=0.0,
        import_kw=import_kw,
        export_kw=0.0,
        unserved_kw=0.0,
        surplus_kw=0.0,
        pools=(PoolStep(id="bess", charge_kw=0.0, discharge_kw=storage_kw, stored_end_kwh=0.0),),
        gensets=(
            GensetStep(id="diesel", n_on=n_on, n_started=0, n_stopped=0, power_kw=100.0 * n_on, fuel_l_per_h=0.0),
        ),
    )


def plan(*steps: PlanStep, source: PlanSource = PlanSource.MILP) -> Plan:
    return Plan(
        schema="plan/1",
        problem_id="p",
        site_id="s",
        created_utc=START,
        source=source,
        status=PlanStatus.OPTIMAL,
        gap_frac=0.0,
        objective=ObjectiveTerms(),
        timings=SolveTimings(),
        steps=steps,
    )


def test_equal_plans_do_not_differ() -> None:
    one = plan(*(step(hour, n_on=1, storage_kw=50.0) for hour in range(6)))

    change = plan_change(one, one)

    assert change is not None
    assert (change.compared_h, change.n_units_changed, change.unit_change_h, change.mean_change_kw) == (
        4.0,
        0,
        0.0,
        0.0,
    )


def test_changes_are_weighed_by_the_hours_that_both_plans_cover() -> None:
    before = plan(*(step(hour, n_on=0, storage_kw=100.0) for hour in range(4)))
    # half an hour later, on another grid: two sets from the second hour on
    now = plan(step(0.5, storage_kw=80.0, hours=0.5), step(1.0, n_on=2, storage_kw=-100.0, hours=1.0))

    change = plan_change(before, now)

    assert change is not None
    assert change.compared_h == pytest.approx(1.5)
    assert change.n_units_changed == 2
    assert change.unit_change_h == pytest.approx(2.0)
    # 0.5 h with 20 kW less; 1 h with 200 kW less from the store and 200 kW more from sets
    assert change.mean_change_kw == pytest.approx((0.5 * 20.0 + 1.0 * 400.0) / 1.5)


def test_what_lies_beyond_the_first_hours_does_not_count() -> None:
    before = plan(*(step(hour, import_kw=100.0) for hour in range(8)))
    now = plan(*(step(hour, import_kw=100.0 if hour < 4 else 900.0) for hour in range(8)))

    change = plan_change(before, now)

    assert change is not None
    assert change.mean_change_kw == 0.0


def test_plans_without_a_common_hour_and_plans_of_rules_are_not_compared() -> None:
    one = plan(step(0.0))

    assert plan_change(None, one) is None
    assert plan_change(one, plan(step(5.0))) is None
    assert plan_change(one, replace(one, source=PlanSource.MERIT_ORDER)) is None
    assert plan_change(replace(one, source=PlanSource.MERIT_ORDER), one) is None
