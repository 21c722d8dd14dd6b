"""The last planning problems on disk, each with its plan, and no more of them."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from ems.errors import ConfigError
from ems.model.plan import Plan
from ems.model.problem import PlanningProblem
from ems.runtime.archive import ProblemArchive
from ems.runtime.codec import from_json
from ems.runtime.problem_file import read_problem
from tests.runtime.problems import PlannedSite


@pytest.fixture(scope="module")
def made() -> tuple[PlanningProblem, Plan]:
    """Return a problem with the rules' plan."""

    async def run() -> tuple[PlanningProblem, Plan]:
        planned = PlannedSite(use_milp=False)
        try:
            await planned.planner.make(planned.condition())
        finally:
            await planned.worker.close()
        return planned.archived[0]

    return asyncio.run(run())


def test_only_the_last_ones_are_kept(made: tuple[PlanningProblem, Plan], tmp_path: Path) -> None:
    problem, plan = made
    archive = ProblemArchive(tmp_path, keep=200)

    for number in range(205):
        archive._write(replace(problem, id=f"p{number:04}"), plan)
    archive.close()

    kept = sorted(file.name for file in tmp_path.iterdir())
    assert len(kept) == 400
    assert kept[0] == "p0005.plan.json"
    assert kept[-1] == "p0204.problem.json"


def test_a_problem_and_its_plan_are_read_back_as_they_were(made: tuple[PlanningProblem, Plan], tmp_path: Path) -> None:
    problem, plan = made
    archive = ProblemArchive(tmp_path / "new", keep=2)

    archive(problem, plan)
    archive.close()

    assert read_problem(tmp_path / "new" / f"{problem.id}.problem.json") == problem
    assert from_json(Plan, (tmp_path / "new" / f"{problem.id}.plan.json").read_bytes()) == plan


def test_keeping_none_writes_nothing(made: tuple[PlanningProblem, Plan], tmp_path: Path) -> None:
    archive = ProblemArchive(tmp_path, keep=0)

    archive(*made)
    archive.close()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "json"),
        ('{"schema": 1}', "planning-problem/2"),
        ('{"id": "x"}', "field required"),
        ("[]", "object"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_problem_is_refused_with_a_reason(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "x.problem.json"
    if text is not None:
        file.write_text(text)

    with pytest.raises(ConfigError) as refusal:
        read_problem(file)

    assert refusal.value.problems[0].file == str(file)
    assert said in str(refusal.value)
