"""The trim's gain by the delay of its loop, and when it must not move."""

from dataclasses import replace

import pytest

from ems.control.state import ControlState
from ems.control.totals import Flows
from ems.control.trim import gain_of, loop_delay_s, may_trim, trim_gain, trimmed
from tests.control.scene import healthy, small

CAMPUS = small("weak-grid-campus")


def _followed(gain: float, delay: int, *, n_cycles: int) -> list[float]:
    """Return the output of a loop that integrates towards 1 through a delay of whole cycles."""
    asked, shown = [0.0] * (delay + 1), []
    for _ in range(n_cycles):
        shown.append(asked[-1 - delay])
        asked.append(asked[-1] + gain * (1.0 - shown[-1]))
    return shown


@pytest.mark.parametrize("delay", [0, 1, 2, 3, 4, 5])
def test_the_gain_settles_without_overshoot(delay: int) -> None:
    course = _followed(gain_of(delay), delay, n_cycles=200)

    assert max(course) <= 1.0 + 1e-9
    assert course[-1] == pytest.approx(1.0)
    # twice the gain overshoots: the bound is not far away
    assert delay == 0 or max(_followed(2.0 * gain_of(delay), delay, n_cycles=200)) > 1.0


@pytest.mark.parametrize(("delay", "gain"), [(0, 0.95), (1, 0.24), (2, 0.14), (3, 0.10), (4, 0.078), (5, 0.064)])
def test_the_gain_of_the_table(delay: int, gain: float) -> None:
    assert gain_of(delay) == pytest.approx(gain, abs=0.003)


def test_a_configured_delay_goes_before_a_measured_one() -> None:
    measured = ControlState(loop_delay_s=5.0)
    configured = replace(CAMPUS, control=replace(CAMPUS.control, loop_delay_s=2.0))

    assert loop_delay_s(CAMPUS, ControlState()) == 3.0
    assert loop_delay_s(CAMPUS, measured) == 5.0
    assert loop_delay_s(configured, measured) == 2.0
    assert trim_gain(CAMPUS, measured, dt_s=1.0) == pytest.approx(gain_of(5))


def test_a_configured_gain_is_cut_to_what_the_delay_allows() -> None:
    brisk = replace(CAMPUS, control=replace(CAMPUS.control, trim_gain_frac=0.5))
    gentle = replace(CAMPUS, control=replace(CAMPUS.control, trim_gain_frac=0.02))

    assert trim_gain(brisk, ControlState(), dt_s=1.0) == pytest.approx(gain_of(3))
    assert trim_gain(gentle, ControlState(), dt_s=1.0) == pytest.approx(0.02)


def test_a_long_step_is_one_cycle_of_delay() -> None:
    assert trim_gain(CAMPUS, ControlState(), dt_s=60.0) == pytest.approx(gain_of(1))


def test_noise_of_the_meter_moves_nothing() -> None:
    noisy = replace(CAMPUS, control=replace(CAMPUS.control, meter_sigma_kw=20.0))
    flows = Flows(load_kw=0.0, pv_kw=0.0, gensets_kw=0.0, storage_kw=0.0, grid_kw=0.0, dt_s=1.0)
    state = ControlState(trim_kw=7.0)

    assert trimmed(noisy, state, flows, 60.0) == 7.0
    assert trimmed(noisy, state, flows, 61.0) == pytest.approx(7.0 + gain_of(3) * 61.0)
    assert trimmed(CAMPUS, state, replace(flows, trims=False), 500.0) == 7.0


def test_samples_that_are_far_apart_draw_no_trim() -> None:
    picture = healthy(CAMPUS)

    assert may_trim(CAMPUS, picture)
    assert may_trim(CAMPUS, replace(picture, spread_s=1.5))
    assert not may_trim(CAMPUS, replace(picture, spread_s=1.6))


def test_no_trim_against_the_droop() -> None:
    picture = healthy(CAMPUS)
    assert picture.pcc is not None
    assert CAMPUS.grid is not None

    low = replace(picture, frequency_hz=CAMPUS.grid.nominal_hz - 1.5)
    dip = replace(picture, pcc=replace(picture.pcc, bus_voltage_frac=0.85))

    assert not may_trim(CAMPUS, low)
    assert not may_trim(CAMPUS, dip)
