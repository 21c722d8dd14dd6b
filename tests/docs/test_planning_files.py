"""The files of `ems plan`: schemas that fit what is read and written, and the plain instance followed by hand."""

import json
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import ems.model.problem as problem_module
from ems.app.planning import planned
from ems.cli import execute
from ems.dispatch.check import evaluate
from ems.dispatch.document import plan_document
from ems.dispatch.explain import explained
from ems.model.fuel import FuelSegment
from ems.model.plan import Plan
from ems.model.problem import OfferKind, OfferProblem, PlanningProblem
from ems.model.timegrid import TimeGrid
from ems.runtime.codec import to_json
from ems.runtime.planning_fields import FIELDS
from ems.runtime.planning_schema import plan_schema, problem_schema
from ems.runtime.problem_file import problem_of, read_problem
from ems.runtime.worker_client import WorkerClient
from tests.conventions.sources import ROOT
from tests.dispatch.problems import pool, problem
from tests.dispatch.rich import rich_problem
from tests.dispatch.solving import solved
from tests.docs.json_schema import faults

EXAMPLE = ROOT / "docs/examples/plain-problem.json"
# JSON of any shape
Json = Any


@pytest.fixture(scope="module")
def document() -> Json:
    """Return the plan of the plain instance."""
    return json.loads(json.dumps(planned(EXAMPLE).document))


def test_every_field_of_a_problem_is_described_and_nothing_else() -> None:
    kinds = [kind for kind in vars(problem_module).values() if isinstance(kind, type) and is_dataclass(kind)]
    known = {kind.__name__: {field.name for field in fields(kind)} for kind in (*kinds, FuelSegment, TimeGrid)}

    assert {name: set(lines) for name, lines in FIELDS.items()} == known


def test_schema_accepts_the_example_and_a_problem_that_has_everything() -> None:
    example = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    rich = json.loads(to_json(rich_problem()))

    assert list(faults(problem_schema(), example)) == []
    assert list(faults(problem_schema(), rich)) == []


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (("pols",), [], "/pols is unknown"),
        (("pools", 0, "capcity"), 1.0, "/pools/0/capcity is unknown"),
        (("load", "it_kw"), "100", "/load/it_kw fits nothing that it may be"),
        (("schema",), "planning-problem/1", "/schema is not planning-problem/2"),
        (("gensets", 0, "units", 0, "on"), 1, "/gensets/0/units/0/on is no boolean"),
    ],
)
def test_schema_and_reader_refuse_alike(path: tuple[str | int, ...], value: Json, fault: str) -> None:
    stated = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    inside = stated
    for part in path[:-1]:
        inside = inside[part]
    inside[path[-1]] = value

    assert fault in list(faults(problem_schema(), stated))
    with pytest.raises(Exception, match=r"p\.json"):
        problem_of(json.dumps(stated).encode(), source="p.json")


def test_plain_instance_has_every_other_feature_off() -> None:
    stated = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    names = {"offers", "chillers", "groups", "carbon_budget", "previous"}

    assert not names & set(stated)
    plain = read_problem(EXAMPLE)
    assert (plain.offers, plain.chillers, plain.groups, plain.carbon_budget) == ((), None, (), None)


def test_objective_of_the_plain_instance_is_the_sum_of_terms_computed_by_hand(document: Json) -> None:
    # first hour: 80 kW imported, 36.7 kW from the set that must run; 16.7 kW charge 15 kWh, the PV's 50 kW the other 45
    litres = (9.0 + 0.2 * (100.0 + 15.0 / 0.9 - 80.0 - 30.0)) + 15.0 + 15.0
    by_hand = {
        "energy_import_cost": 80.0 * 0.1 + 8.0 * 0.4,
        "fuel_cost": litres * 1.0,
        "starts_cost": 5.0,
        "battery_wear_cost": 0.01 * (90.0 - 10.0) * 0.9,
        "co2_cost": 0.05 * (2.5 * litres + 0.4 * 88.0),
    }

    terms = document["objective"]["terms"]

    assert {name: value for name, value in terms.items() if value} == pytest.approx(by_hand)
    assert document["objective"]["total"] == sum(terms.values())
    assert document["objective"]["total"] == pytest.approx(sum(by_hand.values()))


def test_document_of_the_plain_instance_fits_its_schema(document: Json) -> None:
    assert list(faults(plan_schema(), document)) == []
    assert document["check"] == {"passed": True, "violations": []}
    assert document["status"] == "optimal"
    assert set(document["timings_s"]["solve"]) == {"cpu", "wall"}
    assert {"bess", "diesel"} <= set(document["steps"][0])


def test_document_of_a_plan_that_has_everything_fits_its_schema() -> None:
    stated = rich_problem()
    plan = solved(stated)
    evaluation = evaluate(stated, plan)

    whole = json.loads(json.dumps(plan_document(stated, explained(stated, plan, evaluation), evaluation)))

    assert list(faults(plan_schema(), whole)) == []


def test_asset_that_is_called_like_a_field_of_the_step_stands_under_its_kind() -> None:
    store = replace(pool(1, stored_kwh=100.0), id="load")
    offer = OfferProblem(id="reserve", kind=OfferKind.FIRM, min_kw=(0.0,), max_kw=(5.0,), value_per_kwh=1.0)
    stated = replace(problem([50.0], store=store), offers=(offer,))
    plan = solved(stated)

    (step,) = json.loads(json.dumps(plan_document(stated, plan, evaluate(stated, plan))))["steps"]

    assert step["load"]["load_kw"] == pytest.approx(55.0)
    assert step["pool.load"]["power_kw"] == pytest.approx(55.0)
    assert step["reserve"] == {}
    assert step["offer.reserve"]["power_kw"] == pytest.approx(5.0)


@pytest.mark.parametrize("name", ["problem", "plan"])
def test_schema_is_printed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["plan", "--schema", name]) == 0

    schema = json.loads(capsys.readouterr().out)
    assert schema == (problem_schema() if name == "problem" else plan_schema())


@pytest.mark.parametrize("arguments", [["--schema", "plans"], [], ["--schema", "plan", "x.json"]])
def test_wrong_usage_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["plan", *arguments]) == 2
    assert capsys.readouterr().err


def test_refused_plan_ends_with_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    solve = WorkerClient.solve

    async def spoilt(worker: WorkerClient, stated: PlanningProblem) -> Plan:
        plan = await solve(worker, stated)
        first = replace(plan.steps[0], import_kw=plan.steps[0].import_kw + 50.0)
        return replace(plan, steps=(first, *plan.steps[1:]))

    monkeypatch.setattr(WorkerClient, "solve", spoilt)

    assert execute(["plan", str(EXAMPLE), "--out", str(tmp_path / "plan.json")]) == 1
    written = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    assert written["check"]["passed"] is False
    assert written["check"]["violations"]
