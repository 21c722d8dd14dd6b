"""What the daemon keeps of its planning can be solved again anywhere, with the same result."""

import asyncio
from pathlib import Path

import pytest

from ems.app.planning import planned
from ems.model.plan import Plan, PlanSource
from ems.model.problem import PlanningProblem
from ems.runtime.archive import ProblemArchive
from tests.runtime.problems import PlannedSite


@pytest.fixture(scope="module")
def made() -> tuple[tuple[PlanningProblem, Plan], ...]:
    """Return two consecutive problems of the edge node with the plans of its worker process."""

    async def run() -> tuple[tuple[PlanningProblem, Plan], ...]:
        site = PlannedSite()
        try:
            for _ in range(2):
                await site.planner.make(site.condition())
        finally:
            await site.worker.close()
        return tuple(site.archived)

    return asyncio.run(run())


def test_replayed_problems_of_the_archive_give_the_same_objective_within_the_gap(
    made: tuple[tuple[PlanningProblem, Plan], ...], tmp_path: Path
) -> None:
    archive = ProblemArchive(tmp_path, keep=200)
    for problem, plan in made:
        archive(problem, plan)
    archive.close()

    for problem, plan in made:
        replayed = planned(tmp_path / f"{problem.id}.problem.json")
        objective = replayed.document["objective"]
        assert isinstance(objective, dict)
        assert plan.source is PlanSource.MILP
        assert replayed.passed
        scale = sum(abs(term) for term in plan.objective.terms().values())
        assert abs(objective["total"] - plan.objective.total_cost()) <= problem.options.gap_frac * scale


def test_second_plan_says_how_far_it_differs_from_the_first(made: tuple[tuple[PlanningProblem, Plan], ...]) -> None:
    (_, first), (_, second) = made

    assert first.change is None
    assert second.change is not None
    assert second.change.compared_h == pytest.approx(4.0, abs=0.01)
    assert second.change.mean_change_kw >= 0.0
