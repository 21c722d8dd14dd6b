from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ems.model.fuel import FuelCurve, FuelPoint

CURVES = settings(derandomize=True, deadline=None, max_examples=100)


def curve(*points: tuple[float, float]) -> FuelCurve:
    return FuelCurve(points=tuple(FuelPoint(power_kw=kw, fuel_l_per_h=litres) for kw, litres in points))


# a 2 MW diesel set at 25, 50, 75 and 100 % of load
SET = curve((500.0, 150.0), (1000.0, 260.0), (1500.0, 380.0), (2000.0, 520.0))


@st.composite
def convex_curves(draw: st.DrawFn) -> FuelCurve:
    widths = draw(st.lists(st.integers(10, 1000), min_size=1, max_size=6))
    slopes = sorted(draw(st.lists(st.integers(1, 50), min_size=len(widths), max_size=len(widths))))
    points = [(draw(st.integers(1, 500)) * 1.0, draw(st.integers(1, 200)) * 1.0)]
    for width, slope in zip(widths, slopes, strict=True):
        power_kw, litres = points[-1]
        points.append((power_kw + width, litres + width * slope / 100.0))
    return curve(*points)


@pytest.mark.parametrize(
    ("power_kw", "litres"), [(500.0, 150.0), (1000.0, 260.0), (1250.0, 320.0), (2000.0, 520.0), (2200.0, 576.0)]
)
def test_curve_goes_through_its_points_and_straight_between_them(power_kw: float, litres: float) -> None:
    assert SET.fuel_l_per_h(power_kw) == pytest.approx(litres)


def test_below_the_table_the_first_slope_goes_on() -> None:
    assert SET.fuel_l_per_h(250.0) == pytest.approx(150.0 - 250.0 * 0.22)


def test_best_point_has_the_fewest_litres_per_kwh() -> None:
    # 0.300, 0.260, 0.2533, 0.260
    assert SET.best_point().power_kw == 1500.0
    assert SET.best_fuel_l_per_kwh() == pytest.approx(380.0 / 1500.0)


def test_segments_are_cut_at_the_points_between_the_bounds() -> None:
    segments = SET.segments(min_kw=600.0, max_kw=2000.0)

    assert [segment.width_kw for segment in segments] == [400.0, 500.0, 500.0]
    assert [segment.fuel_l_per_kwh for segment in segments] == pytest.approx([0.22, 0.24, 0.28])


def test_straight_table_is_accepted_although_its_slopes_differ_by_rounding() -> None:
    straight = curve((100.0, 30.1), (200.0, 50.2), (300.0, 70.3))

    assert straight.fuel_l_per_h(250.0) == pytest.approx(60.25)


@CURVES
@given(any_curve=convex_curves())
def test_fuel_is_convex_and_rises(any_curve: FuelCurve) -> None:
    low, high = any_curve.points[0].power_kw, any_curve.points[-1].power_kw
    powers = [low + (high - low) * n / 40.0 for n in range(41)]

    rates = [any_curve.fuel_l_per_h(kw) for kw in powers]

    steps = [later - earlier for earlier, later in pairwise(rates)]
    assert min(steps) > 0.0
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(steps))


@CURVES
@given(any_curve=convex_curves(), low_frac=st.floats(0.0, 0.4), load_frac=st.floats(0.0, 1.0))
def test_filling_segments_in_order_gives_the_curve(any_curve: FuelCurve, low_frac: float, load_frac: float) -> None:
    first, last = any_curve.points[0].power_kw, any_curve.points[-1].power_kw
    min_kw = first + low_frac * (last - first)
    power_kw = min_kw + load_frac * (last - min_kw)

    left_kw, rate = power_kw - min_kw, any_curve.fuel_l_per_h(min_kw)
    for segment in any_curve.segments(min_kw=min_kw, max_kw=last):
        taken_kw = min(left_kw, segment.width_kw)
        rate += taken_kw * segment.fuel_l_per_kwh
        left_kw -= taken_kw

    assert rate == pytest.approx(any_curve.fuel_l_per_h(power_kw))


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([(500.0, 150.0)], "at least two points"),
        ([(500.0, 150.0), (500.0, 160.0)], "ascend in power"),
        ([(1000.0, 260.0), (500.0, 150.0)], "ascend in power"),
        ([(500.0, 150.0), (1000.0, 300.0), (1500.0, 400.0)], "rise with power"),
        ([(500.0, 150.0), (1000.0, 140.0)], "must be positive"),
    ],
)
def test_table_that_a_linear_model_would_misread_is_refused(points: list[tuple[float, float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        curve(*points)
