"""Nested bounds: whoever stands higher narrows, whoever stands lower wins inside what is left."""

import random
from itertools import pairwise
from math import inf

import pytest

from ems.control.authority import Authority, Interval, unbounded
from ems.model.setpoints import Cause, Reason

WHY = Reason(cause=Cause.IMPORT_LIMIT, text="a limit")
LAYERS = tuple(Authority)


def _guarded() -> Interval:
    return unbounded(Authority.DEVICE).narrowed(Authority.GUARD, WHY, lowest_kw=-100.0, highest_kw=500.0)


def test_a_lower_layer_wins_inside_what_is_left_to_it() -> None:
    left = _guarded().narrowed(Authority.OPERATOR, WHY, highest_kw=200.0)

    assert left.placed(300.0) == (200.0, left.highest)
    assert (left.lowest.by, left.highest.by) == (Authority.GUARD, Authority.OPERATOR)


def test_a_lower_layer_never_widens() -> None:
    left = _guarded().narrowed(Authority.SCADA, WHY, lowest_kw=-900.0, highest_kw=900.0)

    assert left == _guarded()


@pytest.mark.parametrize(("low", "high", "edge"), [(600.0, inf, 500.0), (-inf, -300.0, -100.0), (700.0, 800.0, 500.0)])
def test_a_range_outside_leaves_the_nearest_edge_of_the_layer_above(low: float, high: float, edge: float) -> None:
    left = _guarded().narrowed(Authority.PLAN, WHY, lowest_kw=low, highest_kw=high)

    assert (left.lowest.limit_kw, left.highest.limit_kw) == (edge, edge)
    assert left.placed(0.0)[1] is left.placed(1e6)[1]
    assert left.lowest.by is Authority.GUARD


def test_a_power_inside_is_moved_by_nobody() -> None:
    assert _guarded().placed(0.0) == (0.0, None)


def test_intervals_only_shrink_whatever_the_layers_ask_for() -> None:
    draw = random.Random(5)
    for _ in range(2000):
        intervals = [_guarded()]
        for layer in LAYERS[2:]:
            low, high = draw.uniform(-900.0, 900.0), draw.uniform(-900.0, 900.0)
            intervals.append(intervals[-1].narrowed(layer, WHY, lowest_kw=low, highest_kw=high))
        for wider, tighter in pairwise(intervals):
            assert wider.lowest.limit_kw <= tighter.lowest.limit_kw <= tighter.highest.limit_kw
            assert tighter.highest.limit_kw <= wider.highest.limit_kw
