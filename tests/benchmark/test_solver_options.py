"""The comparison of solver options: every variant solves a small instance, and HiGHS knows what it sets."""

import pytest

from tests.benchmark.solver_options import VARIANTS, Case, Variant, spent

CASE = "S-84-island-1"


@pytest.mark.parametrize("variant", VARIANTS, ids=[variant.name for variant in VARIANTS])
def test_every_variant_solves_a_small_instance(variant: Variant) -> None:
    solve = spent(Case.of(CASE), variant)

    assert solve.finished
    assert solve.text() == f"{solve.cpu_s:.2f}"


@pytest.mark.parametrize("option", [("mip_heuristic", 0.1), ("mip_heuristic_effort", 7.0)])
def test_an_option_that_highs_does_not_take_is_named(option: tuple[str, float]) -> None:
    with pytest.raises(ValueError, match=f"HiGHS does not take {option[0]} = {option[1]}"):
        spent(Case.of(CASE), Variant(name="wrong", options=(option,)))
