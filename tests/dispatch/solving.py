"""One engine for all tests, so that each model structure is compiled once, and the sums that tests look at."""

from dataclasses import replace
from functools import cache

from ems.dispatch.check import evaluate
from ems.dispatch.milp.engine import DispatchEngine
from ems.model.plan import Plan
from ems.model.problem import PlanningProblem


@cache
def engine() -> DispatchEngine:
    """Return the shared engine."""
    return DispatchEngine()


def solved(problem: PlanningProblem) -> Plan:
    """Return the plan of a problem, which has passed the independent check."""
    plan = engine().solve(problem)
    refused = refusals(problem, plan)
    assert not refused, refused
    return plan


def refusals(problem: PlanningProblem, plan: Plan) -> list[str]:
    """Return the sentences with which the check refuses a plan."""
    return [violation.sentence() for violation in evaluate(problem, plan).violations]


def without(problem: PlanningProblem, *kinds: str) -> PlanningProblem:
    """Return the problem without the contingencies of some kinds."""
    kept = tuple(
        contingency
        for contingency in problem.reserve.contingencies
        if not any(loss.kind.value in kinds for loss in contingency.losses)
    )
    return replace(problem, reserve=replace(problem.reserve, contingencies=kept))


def n_on(plan: Plan) -> list[int]:
    """Return how many sets run in each step."""
    return [sum(genset.n_on for genset in step.gensets) for step in plan.steps]


def gensets_kw(plan: Plan) -> list[float]:
    """Return the sets' output in each step."""
    return [sum(genset.power_kw for genset in step.gensets) for step in plan.steps]


def storage_kw(plan: Plan) -> list[float]:
    """Return the storage power into the bus in each step."""
    return [sum(pool.power_kw for pool in step.pools) for step in plan.steps]


def stored_kwh(plan: Plan) -> list[float]:
    """Return the stored energy at the end of each step."""
    return [sum(pool.stored_end_kwh for pool in step.pools) for step in plan.steps]
