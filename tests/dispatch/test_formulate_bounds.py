"""Bounds that people set, on the steps of the problem: while they hold, and not beyond."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ems.dispatch.check import evaluate
from ems.dispatch.formulate import formulate
from ems.model.bounds import Bound
from ems.model.problem import PlanningProblem
from ems.model.units import frac
from tests.dispatch.sites import NOON, condition, outlook, site
from tests.dispatch.solving import solved

CAMPUS = site("weak-grid-campus")
DESERT = site("desert-offgrid")
UNTIL = NOON + timedelta(hours=1)


def stated(*bounds: Bound) -> PlanningProblem:
    return formulate(CAMPUS, replace(condition(CAMPUS), bounds=bounds), outlook(CAMPUS), previous=None, problem_id="p")


def held(problem: PlanningProblem) -> list[bool]:
    """Return for each step whether it lies within the hour."""
    return [NOON <= start < UNTIL for start in problem.grid.starts_utc]


def bound(**limits: float | frozenset[str] | bool) -> Bound:
    return replace(Bound(id="test-0001", issuer="control room", until_utc=UNTIL), **limits)  # type: ignore[arg-type] # any field


def test_exchange_is_limited_in_the_steps_of_the_bound_alone_which_end_with_it() -> None:
    free, problem = stated(), stated(bound(import_kw=9000.0, export_kw=0.0))
    assert problem.connection is not None
    assert free.connection is not None

    assert UNTIL in problem.grid.starts_utc
    expected = [9000.0 if inside else free.connection.import_limit_kw[0] for inside in held(problem)]
    assert list(problem.connection.import_limit_kw) == expected
    assert problem.connection.export_limit_kw[0] == 0.0


def test_the_plan_of_a_bounded_problem_keeps_to_it_and_passes_the_check() -> None:
    problem = stated(bound(import_kw=9000.0))

    plan = solved(problem)

    assert evaluate(problem, plan).passed
    assert all(step.import_kw <= 9000.0 + 1.0 for step, inside in zip(plan.steps, held(problem), strict=True) if inside)


def test_a_raised_floor_is_kept_as_long_as_the_bound_holds() -> None:
    free, problem = stated(), stated(bound(soc_floor_pct=50.0))
    full_kwh = sum(pool.full_kwh for pool in problem.pools)

    expected = [
        max(frac(50.0) * full_kwh, kwh) if inside else kwh
        for inside, kwh in zip(held(problem), free.reserve.floor_kwh, strict=True)
    ]
    assert list(problem.reserve.floor_kwh) == pytest.approx(expected)


def test_a_bounded_block_takes_its_part_from_the_pool() -> None:
    pool = CAMPUS.batteries[0]
    free, problem = stated(), stated(bound(assets=frozenset((pool.blocks[0].id,)), charge_kw=0.0))
    share_kw = free.pools[0].max_charge_kw[0] / pool.n_blocks

    assert problem.pools[0].max_charge_kw[0] == pytest.approx(free.pools[0].max_charge_kw[0] - share_kw)
    assert problem.pools[0].max_charge_kw[-1] == pytest.approx(free.pools[0].max_charge_kw[-1])
    assert problem.pools[0].max_discharge_kw == free.pools[0].max_discharge_kw


@pytest.mark.parametrize("kind", ["bans_starts", "out_of_service"])
def test_a_set_that_may_not_start_is_out_until_the_bound_ends(kind: str) -> None:
    problem = stated(bound(assets=frozenset(("gen02",)), **{kind: True}))

    units = {unit.id: unit.out for unit in problem.gensets[0].units}

    assert [(window.start_h, window.end_h) for window in units["gen02"]] == [(0.0, 1.0)]
    assert units["gen01"] == ()


def test_without_bounds_nothing_changes() -> None:
    assert stated() == formulate(CAMPUS, condition(CAMPUS), outlook(CAMPUS), previous=None, problem_id="p")
    assert stated(bound(import_kw=1.0, until_utc=NOON)) == stated()  # type: ignore[arg-type] # an instant
