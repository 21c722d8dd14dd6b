"""Shares of a power: the sum is kept within limits, weight decides, nothing goes where nothing may go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ems.control.allocation import BlockShare, share_equally, sustained_kw, water_fill
from tests.control.draws import cases

KW = st.floats(0.0, 5000.0, allow_subnormal=False)
SHARES = st.lists(
    st.tuples(KW | st.just(0.0), KW | st.just(0.0)),
    max_size=12,
).map(
    lambda pairs: tuple(
        BlockShare(id=f"b{number}", weight_kwh=weight, cap_kw=cap) for number, (weight, cap) in enumerate(pairs)
    )
)
LIMITS = st.lists(st.tuples(KW, KW), min_size=1, max_size=8).map(
    lambda pairs: {f"g{number}": (min(pair), max(pair)) for number, pair in enumerate(pairs)}
)
TOTAL = st.floats(0.0, 40_000.0, allow_subnormal=False)


@cases(400)
@given(total_kw=TOTAL, shares=SHARES, exponent=st.sampled_from([0.0, 1.0, 2.0]))
def test_the_sum_is_what_was_asked_or_all_that_eligible_blocks_can(
    total_kw: float, shares: tuple[BlockShare, ...], exponent: float
) -> None:
    given_kw = water_fill(total_kw, shares, exponent=exponent)

    eligible_kw = sum(share.cap_kw for share in shares if share.weight_kwh > 0.0)
    assert sum(given_kw.values()) == pytest.approx(min(total_kw, eligible_kw), rel=1e-9, abs=1e-6)


@cases(400)
@given(total_kw=TOTAL, shares=SHARES, exponent=st.sampled_from([0.0, 1.0, 2.0]))
def test_no_block_gets_more_than_its_cap_or_anything_without_weight(
    total_kw: float, shares: tuple[BlockShare, ...], exponent: float
) -> None:
    given_kw = water_fill(total_kw, shares, exponent=exponent)

    assert given_kw.keys() == {share.id for share in shares}
    for share in shares:
        assert 0.0 <= given_kw[share.id] <= share.cap_kw
        if share.weight_kwh == 0.0:
            assert given_kw[share.id] == 0.0


@pytest.mark.parametrize(
    ("exponent", "expected_kw"), [(0.0, (150.0, 150.0)), (1.0, (100.0, 200.0)), (2.0, (60.0, 240.0))]
)
def test_fuller_blocks_give_more(exponent: float, expected_kw: tuple[float, float]) -> None:
    shares = (
        BlockShare(id="low", weight_kwh=1000.0, cap_kw=900.0),
        BlockShare(id="high", weight_kwh=2000.0, cap_kw=900.0),
    )

    given_kw = water_fill(300.0, shares, exponent=exponent)

    assert (given_kw["low"], given_kw["high"]) == pytest.approx(expected_kw)


def test_what_a_full_block_cannot_give_goes_to_the_others_by_weight() -> None:
    shares = (
        BlockShare(id="a", weight_kwh=3000.0, cap_kw=100.0),
        BlockShare(id="b", weight_kwh=2000.0, cap_kw=900.0),
        BlockShare(id="c", weight_kwh=1000.0, cap_kw=900.0),
    )

    given_kw = water_fill(700.0, shares, exponent=1.0)

    assert given_kw == pytest.approx({"a": 100.0, "b": 400.0, "c": 200.0})


@cases(400)
@given(total_kw=TOTAL, limits_kw=LIMITS)
def test_sets_share_the_total_inside_their_limits(total_kw: float, limits_kw: dict[str, tuple[float, float]]) -> None:
    given_kw = share_equally(total_kw, limits_kw)

    lowest, highest = (sum(pair[place] for pair in limits_kw.values()) for place in (0, 1))
    assert given_kw.keys() == limits_kw.keys()
    assert sum(given_kw.values()) == pytest.approx(min(max(total_kw, lowest), highest), rel=1e-9, abs=1e-6)
    for name, (low, high) in limits_kw.items():
        assert low - 1e-6 <= given_kw[name] <= high + 1e-6


def test_equal_sets_get_equal_shares() -> None:
    given_kw = share_equally(3000.0, dict.fromkeys(("a", "b", "c"), (600.0, 2000.0)))

    assert given_kw == pytest.approx({"a": 1000.0, "b": 1000.0, "c": 1000.0})


def test_limits_of_sets_win_over_the_total() -> None:
    given_kw = share_equally(500.0, dict.fromkeys(("a", "b"), (600.0, 2000.0)))

    assert given_kw == {"a": 600.0, "b": 600.0}


def test_energy_sustains_its_power_for_the_stated_time() -> None:
    # 10 kWh for a minute are 600 kW
    assert sustained_kw(10.0, hold_s=60.0) == pytest.approx(600.0)
    assert sustained_kw(-1.0, hold_s=60.0) == 0.0
