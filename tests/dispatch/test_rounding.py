"""Large problems: a rounding of the relaxation within the gap is the plan, any other is where the search begins."""

from dataclasses import replace

import pytest

from ems.dispatch.milp import rounding
from ems.dispatch.milp.objective import greatest_value
from ems.model.plan import Plan, PlanStatus
from ems.model.problem import PlanningProblem
from tests.dispatch.problems import connection, gensets, pool, problem, unit
from tests.dispatch.solving import n_on, solved

FOUR = [unit(n) for n in range(4)]
LOADS_KW = [120.0, 260.0, 330.0, 210.0, 90.0, 150.0, 280.0, 60.0]


@pytest.fixture
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every problem count as large."""
    monkeypatch.setattr(rounding, "_LARGE_ROWS", 0)


def stated(*, gap_frac: float, **parts: object) -> PlanningProblem:
    whole = problem(LOADS_KW, sets=gensets(FOUR), store=pool(8, stored_kwh=100.0, power_kw=100.0), **parts)  # type: ignore[arg-type]
    return replace(whole, options=replace(whole.options, gap_frac=gap_frac))


def cost(plan: Plan) -> float:
    return plan.objective.total_cost()


@pytest.mark.usefixtures("all_are_large")
def test_a_rounding_within_the_gap_is_the_plan() -> None:
    wide = stated(gap_frac=0.5)

    plan = solved(wide)

    assert "rounding" in plan.note
    assert plan.status is PlanStatus.OPTIMAL
    assert plan.gap_frac is not None
    assert plan.gap_frac <= 0.5


@pytest.mark.usefixtures("all_are_large")
def test_its_gap_holds_against_the_optimum() -> None:
    wide, exact = solved(stated(gap_frac=0.5)), solved(stated(gap_frac=0.0))

    assert wide.gap_frac is not None
    assert cost(exact) <= cost(wide) + 1e-6
    # the gap is relative to the objective with the worth of the stored energy
    scale = abs(cost(wide) + greatest_value(stated(gap_frac=0.5)))
    assert cost(wide) - cost(exact) <= wide.gap_frac * scale + 1e-6


@pytest.mark.usefixtures("all_are_large")
def test_a_gap_that_no_rounding_reaches_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = solved(stated(gap_frac=0.0))
    monkeypatch.setattr(rounding, "_LEAST_GAP_FRAC", 0.0)

    begun = solved(stated(gap_frac=0.0))

    # the search begins at the rounding and ends at the same optimum
    assert "rounding" not in begun.note
    assert cost(begun) == pytest.approx(cost(plain), rel=1e-6)


def test_a_small_problem_is_searched() -> None:
    assert "rounding" not in solved(stated(gap_frac=0.5)).note


@pytest.mark.usefixtures("all_are_large")
def test_counts_keep_minimum_times() -> None:
    long = problem(LOADS_KW, sets=gensets(FOUR, min_up_h=3.0, min_down_h=2.0), store=pool(8, stored_kwh=100.0))
    long = replace(long, options=replace(long.options, gap_frac=0.5))

    plan = solved(long)

    assert "minimum up time" not in plan.relaxed
    assert "minimum down time" not in plan.relaxed
    assert max(n_on(plan)) >= 3


@pytest.mark.usefixtures("all_are_large")
def test_other_whole_numbers_are_left_to_the_search() -> None:
    # a negative price of import and one of export above it: a direction per step
    both = stated(gap_frac=0.5, grid=connection([-0.1] * 8, export_limit_kw=500.0, export_price_per_kwh=0.05))

    assert "rounding" not in solved(both).note
