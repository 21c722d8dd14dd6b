"""Problems and plans as files: nothing is lost on the way, and a replayed problem gives the same objective."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ems.app.planning import planned
from ems.dispatch.check import evaluate
from ems.dispatch.document import plan_document, plan_text
from ems.dispatch.explain import explained
from ems.dispatch.milp.engine import DispatchEngine
from ems.errors import ConfigError
from ems.model.plan import Plan
from ems.runtime.codec import from_json, to_json
from ems.runtime.problem_file import read_problem
from tests.dispatch.rich import rich_problem
from tests.dispatch.solving import solved


def test_problem_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    stated = rich_problem()
    file = tmp_path / "problem.json"

    file.write_bytes(to_json(stated))

    assert read_problem(file) == stated


def test_plan_comes_back_from_json_as_it_was() -> None:
    stated = rich_problem()
    plan = solved(stated)
    complete = explained(stated, plan, evaluate(stated, plan))

    assert from_json(Plan, to_json(complete)) == complete


def test_replayed_problem_gives_the_same_objective(tmp_path: Path) -> None:
    stated = rich_problem()
    file = tmp_path / "problem.json"
    file.write_bytes(to_json(stated, indent=2))

    replayed = planned(file, gap_frac=None, time_limit_s=None, out=tmp_path / "plan.json")

    assert replayed.passed
    document = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    assert document == json.loads(json.dumps(replayed.document))
    assert document["objective"]["total"] == pytest.approx(solved(stated).objective.total_cost())
    assert sum(document["objective"]["terms"].values()) == pytest.approx(document["objective"]["total"])


def test_engine_gives_the_same_plan_again_with_its_model_already_built() -> None:
    engine = DispatchEngine()
    stated, other = rich_problem(), replace(rich_problem(), id="p2", fuel=None)

    first = engine.solve(stated)
    between = engine.solve(other)
    again = engine.solve(stated)

    assert replace(again, timings=first.timings) == first
    assert between.objective.fuel_cost == 0.0


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("pools", [{"id": "x"}], "pools.0.full_kwh"),
        ("fuel", {"price_per_l": "dear", "kgco2e_per_l": 2.5}, "fuel.price_per_l"),
        ("grid", {"start_utc": "2026-01-08T00:00:00Z", "duration_h": []}, "positive duration"),
    ],
)
def test_file_that_is_no_problem_is_refused_with_the_place(
    tmp_path: Path, key: str, value: object, message: str
) -> None:
    document = json.loads(to_json(rich_problem()))
    file = tmp_path / "problem.json"
    file.write_text(json.dumps({**document, key: value}), encoding="utf-8")

    with pytest.raises(ConfigError, match=message):
        read_problem(file)


@pytest.mark.parametrize("text", ["", "no json", "[]", "{}"])
def test_file_without_a_problem_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "problem.json"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError):
        read_problem(file)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_problem(tmp_path / "none.json")


def test_document_of_a_refused_plan_says_why() -> None:
    stated = rich_problem()
    plan = replace(solved(stated), problem_id="another")
    evaluation = evaluate(stated, plan)

    document, text = plan_document(stated, plan, evaluation), plan_text(plan, evaluation)

    assert document["check"] == {
        "passed": False,
        "violations": ["plan: problem or site id differs is 1, allowed 0"],
    }
    assert "independent check REFUSED" in text
