"""Seeded arrays of pictures and requests: no limit, no sum, no interlock is ever broken."""

import numpy as np
import pytest

from tests.control.draws import FULL
from tests.control.guard_cases import Cases, cases, violations

# `make fuzz`: a million in all
_CHUNKS, _CHUNK = (20, 50_000) if FULL else (1, 4_000)


@pytest.mark.parametrize("chunk", range(_CHUNKS))
def test_no_case_breaks_a_rule(chunk: int) -> None:
    found = cases(_CHUNK, seed=chunk)

    assert {name: count for name, count in violations(found).items() if count} == {}


def test_the_cases_reach_every_part_of_the_guard() -> None:
    found = cases(2_000, seed=77)
    drawn, allowed = found.drawn, found.allowed

    assert len(found) == 2_000
    assert 0.5 < np.mean(allowed["n_clips"] > 0) < 0.99
    # every kind of command passes unchanged in some cases, and is dropped in others
    for name in ("block_kw", "set_kw", "pv_kw"):
        assert 0.1 < np.mean(np.isnan(allowed[name])) < 0.9
    unchanged = np.isclose(np.nan_to_num(allowed["block_kw"]), drawn["block_ask_kw"])
    assert np.mean(unchanged) > 0.02
    assert np.any(allowed["isolate"])


@pytest.mark.parametrize(
    ("name", "value", "requirement"),
    [
        ("block_kw", 1e6, "live limits"),
        ("block_kw", -1e6, "import limit"),
        ("set_kw", 0.0, "minimum and rating"),
        ("pv_kw", 1e6, "PV between zero and rating"),
        ("run", 0, "the last forming set runs on"),
        ("run", 1, "no start in a fault"),
    ],
)
def test_the_checks_see_what_is_wrong(name: str, value: float, requirement: str) -> None:
    found = cases(2_000, seed=78)
    spoilt = Cases(drawn=found.drawn, allowed={**found.allowed, name: np.full_like(found.allowed[name], value)})

    assert violations(spoilt)[requirement] > 0
