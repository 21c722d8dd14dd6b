"""Accelerated time stretches periods and every limit compared with them by one factor, and never the physics."""

from dataclasses import fields, replace
from datetime import timedelta

import pytest

from ems.config.build import build_wiring
from ems.model.modes import ModeSettings
from ems.model.site import ControlSettings
from ems.runtime.clock import ManualClock, ScaledClock, wall_origin
from ems.runtime.timescale import plan_period_s, stretch_factor, stretched_device, stretched_link, stretched_site
from tests.control.scene import shipped
from tests.twin.settings import START, files_of

DESERT = shipped("desert-offgrid")
# filters belong to the site's physics, horizons of energy to its store; fractions have no time
_NOT_STRETCHED = {"load_filter_s", "headroom_hold_s", "contingency_s", "soc_blend_s", "fewest_units_s"}


@pytest.mark.parametrize(("speed", "factor"), [(1.0, 1.0), (10.0, 1.0), (20.0, 2.0), (144.0, 14.4), (300.0, 30.0)])
def test_up_to_ten_times_everything_keeps_its_period(speed: float, factor: float) -> None:
    assert stretch_factor(speed) == pytest.approx(factor)


@pytest.mark.parametrize(("speed", "period_s"), [(1.0, 300.0), (50.0, 300.0), (144.0, 864.0), (300.0, 1800.0)])
def test_plans_keep_their_period_but_have_six_real_seconds(speed: float, period_s: float) -> None:
    assert DESERT.planning.period_s == 300.0
    assert plan_period_s(DESERT, speed) == pytest.approx(period_s)


def test_every_period_and_limit_of_the_loop_stretches_and_nothing_else() -> None:
    site = replace(DESERT, control=replace(DESERT.control, loop_delay_s=4.0))
    stretched = stretched_site(site, factor=14.4, plan_period_s=864.0)

    for field in fields(ControlSettings):
        if field.name in {"modes", "tie"}:
            continue
        before, after = getattr(site.control, field.name), getattr(stretched.control, field.name)
        if before is None:
            assert after is None, field.name
            continue
        stretches = field.name.endswith("_s") and field.name not in _NOT_STRETCHED
        assert after == pytest.approx(14.4 * before if stretches else before), field.name
    time_outs = {name for name in fields_of(ModeSettings) if name.endswith("timeout_s")} | {"black_start_step_s"}
    for name in fields_of(ModeSettings):
        before, after = getattr(DESERT.control.modes, name), getattr(stretched.control.modes, name)
        assert after == pytest.approx(14.4 * before if name in time_outs else before), name
    assert stretched.planning == replace(DESERT.planning, period_s=864.0)
    # what the cluster last said grows old like a device's reading
    assert stretched.it == replace(DESERT.it, link_timeout_s=14.4 * DESERT.it.link_timeout_s)
    unchanged = {
        "control": DESERT.control,
        "planning": DESERT.planning,
        "gensets": DESERT.gensets,
        "it": DESERT.it,
    }
    assert replace(stretched, **unchanged) == DESERT  # type: ignore[arg-type] # fields by name


def fields_of(kind: type[ModeSettings]) -> list[str]:
    """Return the names of the fields."""
    return [field.name for field in fields(kind)]


def test_a_start_is_given_the_time_in_which_a_slower_loop_can_see_it() -> None:
    # speed 300: command, reading and cycle each come up to 30 s apart, where they are 1 s apart at a site
    stretched = stretched_site(DESERT, factor=30.0, plan_period_s=1800.0)

    before, after = DESERT.gensets[0], stretched.gensets[0]
    assert after == replace(before, start_timeout_s=before.start_timeout_s + 3.0 * 29.0)
    assert stretched_site(DESERT, factor=1.0, plan_period_s=300.0) == DESERT


def test_device_and_link_limits_stretch_with_the_loop() -> None:
    wiring = build_wiring(files_of("desert-offgrid"))
    device = next(spec for spec in wiring.devices if spec.watchdog_s is not None)
    meter = next(spec for spec in wiring.devices if spec.watchdog_s is None)
    link = wiring.links[0]

    slow, slow_link = stretched_device(device, 3.0), stretched_link(link, 3.0)

    assert (slow.fast_s, slow.slow_s, slow.watchdog_s) == pytest.approx(
        (3.0 * device.fast_s, 3.0 * device.slow_s, 3.0 * (device.watchdog_s or 0.0))
    )
    assert stretched_device(meter, 3.0).watchdog_s is None
    assert slow_link.timeout_s == pytest.approx(3.0 * link.timeout_s)
    assert slow_link.reconnect_max_s == pytest.approx(3.0 * link.reconnect_max_s)
    assert slow_link.endpoint == link.endpoint


def test_two_clocks_of_one_origin_agree() -> None:
    origin = wall_origin()
    first = ScaledClock(speed=100.0, start=START, origin=origin)
    second = ScaledClock(speed=100.0, start=START, origin=origin)

    low, middle, high = first.utc(), second.utc(), first.utc()

    # a hundredth of a second of reading the wall clock is a second here
    assert low - timedelta(seconds=60.0) <= middle <= high + timedelta(seconds=60.0)
    assert low >= START


def test_a_manual_clock_moves_only_when_told() -> None:
    clock = ManualClock(START)

    before = clock.utc(), clock.monotonic_s()
    clock.advance(90.0)

    assert before == (START, 0.0)
    assert clock.utc() == START + timedelta(seconds=90.0)
    assert clock.monotonic_s() == 90.0
