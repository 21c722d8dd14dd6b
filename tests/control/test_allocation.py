"""Shares of a power: the sum is kept within limits, weight decides, nothing goes where nothing may go."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ems.control.allocation import BlockShare, share_accepted, share_by_rating, sustained_kw, water_fill
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
@given(total_kw=TOTAL, limits_kw=LIMITS, ratings=st.lists(st.floats(100.0, 3000.0), min_size=8, max_size=8))
def test_sets_share_the_total_inside_their_limits(
    total_kw: float, limits_kw: dict[str, tuple[float, float]], ratings: list[float]
) -> None:
    rated_kw = dict(zip(limits_kw, ratings, strict=False))

    given_kw = share_by_rating(total_kw, limits_kw, rated_kw=rated_kw)

    lowest, highest = (sum(pair[place] for pair in limits_kw.values()) for place in (0, 1))
    assert given_kw.keys() == limits_kw.keys()
    assert sum(given_kw.values()) == pytest.approx(min(max(total_kw, lowest), highest), rel=1e-9, abs=1e-6)
    for name, (low, high) in limits_kw.items():
        assert low - 1e-6 <= given_kw[name] <= high + 1e-6


def test_sets_run_at_the_same_share_of_their_ratings() -> None:
    limits = {"small": (150.0, 500.0), "large": (600.0, 2000.0)}

    given_kw = share_by_rating(1500.0, limits, rated_kw={"small": 500.0, "large": 2000.0})

    assert given_kw == pytest.approx({"small": 300.0, "large": 1200.0})


def test_limits_of_sets_win_over_the_total() -> None:
    given_kw = share_by_rating(500.0, dict.fromkeys(("a", "b"), (600.0, 2000.0)), rated_kw={"a": 2000.0, "b": 2000.0})

    assert given_kw == {"a": 600.0, "b": 600.0}


def test_twenty_thousand_shares_keep_sum_caps_and_bands() -> None:
    draw = Random(11)
    for _ in range(20_000):
        shares = tuple(
            BlockShare(
                id=f"b{number}",
                weight_kwh=draw.choice((0.0, draw.uniform(0.1, 5000.0))),
                cap_kw=draw.choice((0.0, draw.uniform(1.0, 2500.0))),
                least_kw=draw.choice((0.0, 0.0, draw.uniform(1.0, 200.0))),
            )
            for number in range(draw.randint(0, 6))
        )
        total_kw = draw.choice((draw.uniform(0.0, 300.0), draw.uniform(0.0, 15_000.0)))

        given_kw = share_accepted(total_kw, shares, exponent=draw.choice((0.0, 1.0, 2.0, 3.0)))

        eligible = [share for share in shares if share.weight_kwh > 0.0]
        able_kw = min(total_kw, sum(share.cap_kw for share in eligible))
        banded = any(share.least_kw > 0.0 for share in shares)
        # what no PCS accepts is left over: less than one of them would have needed, or caps below what is accepted
        most_left_kw = max((share.least_kw for share in eligible), default=0.0)
        unable_kw = sum(share.cap_kw for share in eligible if share.cap_kw < share.least_kw)
        least_needed_kw = len(shares) * most_left_kw + unable_kw if banded else 0.0
        assert -1e-6 <= able_kw - sum(given_kw.values()) <= least_needed_kw + 1e-6
        for share in shares:
            kw = given_kw[share.id]
            assert kw == 0.0 or max(share.least_kw, 0.0) - 1e-6 <= kw <= share.cap_kw + 1e-6
            assert kw == 0.0 or share.weight_kwh > 0.0


def test_a_power_too_small_for_two_goes_to_one() -> None:
    shares = tuple(BlockShare(id=name, weight_kwh=100.0, cap_kw=500.0, least_kw=50.0) for name in ("a", "b"))

    assert share_accepted(80.0, shares, exponent=1.0) == {"a": 80.0, "b": 0.0}
    assert share_accepted(120.0, shares, exponent=1.0) == {"a": 60.0, "b": 60.0}
    assert share_accepted(40.0, shares, exponent=1.0) == {"a": 0.0, "b": 0.0}


def test_energy_sustains_its_power_for_the_stated_time() -> None:
    # 10 kWh for a minute are 600 kW
    assert sustained_kw(10.0, hold_s=60.0) == pytest.approx(600.0)
    assert sustained_kw(-1.0, hold_s=60.0) == 0.0
