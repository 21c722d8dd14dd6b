import math

import pytest

from drivers.device.narrowing import LimitFinder, Narrowed, narrowed, next_step
from ems.model.capability import PowerLimits


def limits(*pairs: tuple[float, float, str]) -> PowerLimits:
    finder = LimitFinder()
    for pair in pairs:
        finder.narrow(*pair)
    return finder.limits(ramp_kw_per_s=None)


NAMEPLATE = (-2000.0, 2000.0, "the nameplate")


def test_the_tightest_limit_on_each_end_counts_with_its_own_reason() -> None:
    found = limits(NAMEPLATE, (-1500.0, 9000.0, "the register map"), (-9000.0, 300.0, "the device"))

    assert (found.lowest_kw, found.lowest_reason) == (-1500.0, "the register map")
    assert (found.highest_kw, found.highest_reason) == (300.0, "the device")


@pytest.mark.parametrize(
    ("asked_kw", "expected"),
    [
        (250.0, Narrowed(power_kw=250.0)),
        (2500.0, Narrowed(power_kw=2000.0, note="2500 asked, the nameplate allows less")),
        (-2500.0, Narrowed(power_kw=-2000.0, note="-2500 asked, the nameplate allows less")),
    ],
)
def test_a_power_is_narrowed_to_the_nearest_that_is_allowed(asked_kw: float, expected: Narrowed) -> None:
    assert narrowed(asked_kw, limits(NAMEPLATE)) == expected


def test_limits_that_exclude_each_other_allow_no_power_rather_than_a_wider_one() -> None:
    result = narrowed(100.0, limits((500.0, 600.0, "the register map"), (0.0, 300.0, "the device")))

    assert result.power_kw is None
    assert result.note == "no power is allowed: at least 500 kW (the register map), at most 300 kW (the device)"


def test_what_is_no_number_is_left_for_the_codec_to_refuse() -> None:
    result = narrowed(math.nan, limits(NAMEPLATE))

    assert result.power_kw is not None
    assert math.isnan(result.power_kw)


@pytest.mark.parametrize(
    ("goal_kw", "present_kw", "step_kw"), [(900.0, 0.0, 200.0), (-900.0, 0.0, -200.0), (900.0, 850.0, 900.0)]
)
def test_a_ramp_moves_by_one_step_and_ends_at_its_goal(goal_kw: float, present_kw: float, step_kw: float) -> None:
    assert next_step(goal_kw, present_kw=present_kw, most_kw=200.0) == step_kw
