"""The same plain problem in four stacks has the same objective, and one evaluator passes all of their plans."""

import pytest

from ems.dispatch.check import evaluate
from tests.benchmark.instances import SIZES, BenchmarkSite, instance
from tests.benchmark.stacks import Timed, stack

GAP_FRAC = 0.001
LIMIT_S = 60.0
SMALL = ("S-96-island-1", "S-96-grid-1", "S-84-island-2", "S-84-grid-3")


def _checked(name: str, problem_name: str) -> float:
    """Return the objective of a stack whose plan passes the check."""
    problem = BenchmarkSite(instance(problem_name)).problem(gap_frac=GAP_FRAC)
    timed: Timed = stack(name, time_limit_s=LIMIT_S)(problem)
    assert timed.plan is not None
    refused = [violation.sentence() for violation in evaluate(problem, timed.plan).violations]
    assert refused == []
    return timed.plan.objective.total_cost()


@pytest.mark.parametrize("name", SMALL)
def test_dispatcher_and_matrix_by_hand_agree_within_the_gap(name: str) -> None:
    assert _checked("dispatcher", name) == pytest.approx(_checked("matrix", name), rel=2.0 * GAP_FRAC)


@pytest.mark.parametrize("name", ["S-96-grid-1", "S-84-island-2"])
@pytest.mark.filterwarnings("ignore")
def test_pypsa_has_the_dispatchers_objective(name: str) -> None:
    pytest.importorskip("pypsa", reason="extra bench is not installed (make bench ONLY=commitment)")

    assert _checked("pypsa", name) == pytest.approx(_checked("dispatcher", name), rel=2.0 * GAP_FRAC)


@pytest.mark.parametrize("name", ["S-96-grid-1", "S-84-island-2"])
@pytest.mark.filterwarnings("ignore")
def test_oemof_has_the_dispatchers_objective(name: str) -> None:
    pytest.importorskip("oemof.solph", reason="extra bench is not installed (make bench ONLY=commitment)")

    assert _checked("oemof", name) == pytest.approx(_checked("dispatcher", name), rel=2.0 * GAP_FRAC)


def test_instances_follow_from_their_names() -> None:
    first, again = (BenchmarkSite(instance("M-84-grid-2")).problem() for _ in range(2))

    assert first == again
    assert first != BenchmarkSite(instance("M-84-grid-3")).problem()
    assert first.grid.n_steps == 84
    assert first.grid.offset_h[-1] == 48.0


@pytest.mark.parametrize(("size", "n_pools", "n_sets", "n_classes"), [("S", 1, 2, 1), ("M", 4, 8, 2), ("L", 16, 24, 3)])
def test_sizes_are_those_of_the_table(size: str, n_pools: int, n_sets: int, n_classes: int) -> None:
    spec = SIZES[size]

    assert (spec.n_pools, sum(each.n_units for each in spec.classes), len(spec.classes)) == (n_pools, n_sets, n_classes)


def test_revised_forecast_keeps_the_step_that_comes_true() -> None:
    site = BenchmarkSite(instance("M-84-island-1"))
    now, next_one = site.problem(0), site.problem(1)

    assert now.load.it_kw[0] == pytest.approx(site.problem(0).load.it_kw[0])
    # the second step of one cycle is the first of the next, seen better
    assert next_one.load.it_kw[0] != now.load.it_kw[1]
    assert next_one.load.it_kw[0] == pytest.approx(now.load.it_kw[1], rel=0.05)
