"""Cycles that follow each other: state, history and cost of what is carried out."""

import pytest

from tests.benchmark.instances import BenchmarkSite, instance
from tests.benchmark.rolling import after, shifted, step_cost
from tests.dispatch.solving import solved


def test_next_cycle_begins_where_the_first_step_of_the_plan_ends() -> None:
    site = BenchmarkSite(instance("S-96-grid-1"))
    problem = site.problem(gap_frac=0.01)
    plan = solved(problem)

    state = after(problem, plan)
    then = site.problem(1, state)

    assert then.pools[0].stored_kwh == plan.steps[0].pools[0].stored_end_kwh
    assert sum(unit.on for unit in then.gensets[0].units) == plan.steps[0].gensets[0].n_on
    assert {unit.id for unit in then.gensets[0].units} == {unit.id for unit in problem.gensets[0].units}
    stayed = {unit.id: unit for unit in problem.gensets[0].units}
    for unit in then.gensets[0].units:
        before = stayed[unit.id]
        assert unit.since_h == (before.since_h + 0.25 if unit.on is before.on else 0.25)


def test_commitment_of_the_last_plan_is_that_of_the_same_instants() -> None:
    site = BenchmarkSite(instance("S-84-island-2"))
    problem = site.problem(gap_frac=0.01)
    plan = solved(problem)
    counts = [step.gensets[0].n_on for step in plan.steps]

    moved = shifted(plan, site.problem(1, after(problem, plan)))

    # quarters move on by one; the first new hours begin a quarter into the old ones
    assert list(moved[0].n_on[:47]) == counts[1:48]
    assert list(moved[0].n_on[48:]) == counts[48:]


def test_costs_of_all_steps_are_the_objective_without_the_worth_of_the_end() -> None:
    problem = BenchmarkSite(instance("S-96-island-1")).problem(gap_frac=0.01)
    plan = solved(problem)

    # prices of an islanded site are the same in every step
    cost = sum(step_cost(problem, step) for step in plan.steps)

    terms = plan.objective
    rest = terms.terminal_value_cost + terms.reserve_cost + terms.limit_cost
    assert cost == pytest.approx(terms.total_cost() - rest, rel=1e-6)
