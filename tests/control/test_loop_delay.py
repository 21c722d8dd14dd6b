"""How long a unit takes to follow: timed from clean steps only."""

from collections.abc import Sequence

import pytest

from ems.control.loop_delay import DelayTrack, LoopDelay, timed_step


def _timed(asked: Sequence[float | None], shown: Sequence[float | None]) -> list[float]:
    """Return the delays of a course; `asked` is what was asked in the cycle before."""
    track, delays = DelayTrack(), []
    for second, (asked_kw, power_kw) in enumerate(zip(asked, shown, strict=True)):
        track, delay_s = timed_step(
            track, asked_kw=asked_kw, power_kw=power_kw, rated_kw=1000.0, now_s=float(second), period_s=1.0
        )
        delays += [] if delay_s is None else [delay_s]
    return delays


def test_a_step_is_timed_until_half_of_it_is_seen() -> None:
    asked = [0.0] * 10 + [400.0] * 10
    shown = [0.0] * 12 + [100.0, 300.0] + [400.0] * 6

    # asked at the end of the ninth second, half of it seen in the thirteenth
    assert _timed(asked, shown) == [4.0]


def test_a_charging_step_counts_like_a_discharging_one() -> None:
    assert _timed([0.0] * 10 + [-400.0] * 5, [0.0] * 11 + [-400.0] * 4) == [2.0]


def test_small_steps_tell_nothing() -> None:
    assert _timed([0.0] * 10 + [40.0] * 5, [0.0] * 11 + [40.0] * 4) == []


def test_a_second_step_ends_the_first_attempt() -> None:
    asked = [0.0] * 10 + [400.0] * 2 + [-400.0] * 10

    assert _timed(asked, [0.0] * 14 + [-400.0] * 8) == []


def test_a_unit_that_need_not_follow_is_not_timed() -> None:
    assert _timed([0.0] * 10 + [None] * 3 + [400.0] * 5, [0.0] * 14 + [400.0] * 4) == []


def test_a_unit_that_does_not_move_is_given_up() -> None:
    assert _timed([0.0] * 10 + [400.0] * 40, [0.0] * 35 + [400.0] * 15) == []


def test_the_typical_delay_needs_some_steps_and_forgets_old_ones() -> None:
    few = LoopDelay(delays_s=(2.0, 2.0, 3.0, 9.0))

    assert few.typical_s is None
    assert few.with_delay(3.0).typical_s == 3.0
    many = few
    for _ in range(60):
        many = many.with_delay(1.0)
    assert many.typical_s == pytest.approx(1.0)
    assert len(many.delays_s) == 31
