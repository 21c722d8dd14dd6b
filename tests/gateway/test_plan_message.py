"""The plan on MQTT: reasons, limits and broken requirements as programs can read them."""

import json
from dataclasses import replace

import pytest

from ems.contract.planning import PlanMessage
from ems.dispatch.check import evaluate
from ems.dispatch.explain import explained
from ems.gateway.messages.planning import plan_message
from ems.model.plan import Plan, PlanChange
from tests.dispatch.problems import START, gensets, problem, unit
from tests.dispatch.solving import solved


def explained_plan(load_kw: float) -> Plan:
    stated = problem([load_kw], sets=gensets([unit(1)]))
    plan = solved(stated)
    return explained(stated, plan, evaluate(stated, plan))


def test_reasons_and_limits_are_codes_with_figures() -> None:
    message = json.loads(plan_message(START, explained_plan(100.0), currency="EUR").payload())

    (step,) = message["steps"]
    (limit,) = step["binding"]
    assert limit["code"] == "genset_maximum"
    assert limit["asset"] == "diesel"
    assert limit["figures"] == {"power_kw": 100.0}
    assert {"marginal_source", "cost", "cheapest"} & {reason["code"] for reason in step["reasons"]}
    assert step["marginal_price_per_kwh"] is not None


def test_requirement_that_is_not_kept_says_what_it_means_and_what_to_do() -> None:
    plan = explained_plan(150.0)

    (item,) = plan_message(START, plan, currency="EUR").relaxed

    assert item.name == "unserved"
    assert item.meaning
    assert item.action
    assert item.cost == pytest.approx(plan.objective.unserved_cost)
    assert item.figures == {"most_kw": pytest.approx(50.0), "lasts_h": pytest.approx(1.0)}


def test_difference_from_the_plan_before_and_processor_times_are_told() -> None:
    change = PlanChange(compared_h=4.0, n_units_changed=1, unit_change_h=0.5, mean_change_kw=12.5)
    plan = replace(explained_plan(100.0), change=change, carbon_shadow_price_per_kg=0.3)

    message = PlanMessage.model_validate_json(plan_message(START, plan, currency="EUR").payload())

    assert message.change is not None
    assert (message.change.n_units_changed, message.change.mean_change_kw) == (1, 12.5)
    assert message.carbon_shadow_price_per_kg == 0.3
    assert message.solve_cpu_s is not None


def test_without_a_plan_every_null_is_named_or_a_value() -> None:
    message = plan_message(START, None, currency="EUR")

    assert message.change is None
    assert message.steps == ()
    assert "solve_cpu_s" in message.quality
    assert "change" not in message.quality
