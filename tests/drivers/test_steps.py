"""Values that jump: one wrong sample is refused, a real jump is believed from the second sample on."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.device.sample import Sample
from drivers.device.steps import StepGate
from drivers.device.values import Value


def passed(samples: Sequence[Value | None], *, period_s: float = 1.0, limit: float = 1.0) -> list[Value | None]:
    """Return what is left of samples of one point that are read once per period."""
    gate = StepGate({"soc_pct": limit})
    return [
        gate.passed(Sample(values={"soc_pct": value}, bad={}, at_s=100.0 + number * period_s)).values["soc_pct"]
        for number, value in enumerate(samples)
    ]


@pytest.mark.parametrize(
    ("samples", "left"),
    [
        # bit 6 of the count turned once
        ([50.0, 50.1, 56.5, 50.2], [50.0, 50.1, None, 50.2]),
        # a battery management system that corrects itself
        ([50.0, 99.9, 100.0, 100.0], [50.0, None, 100.0, 100.0]),
        # garbage, each time another value
        ([50.0, 10.0, 90.0, 30.0, 50.0], [50.0, None, None, None, 50.0]),
        ([50.0, 51.0, 52.0], [50.0, 51.0, 52.0]),
        ([50.0, None, 50.5], [50.0, None, 50.5]),
        (["text", True, 3], ["text", True, 3]),
    ],
)
def test_a_single_jump_is_refused_and_a_new_level_is_believed(
    samples: Sequence[Value | None], left: Sequence[Value | None]
) -> None:
    assert passed(samples) == left


def test_a_long_pause_lets_a_value_go_far() -> None:
    assert passed([50.0, 79.0], period_s=30.0) == [50.0, 79.0]


def test_a_fast_poll_of_a_slow_device_sees_a_second_of_change_at_once() -> None:
    assert passed([50.0, 50.9], period_s=0.2) == [50.0, 50.9]


def test_a_refused_value_says_what_it_was() -> None:
    gate = StepGate({"soc_pct": 1.0})
    gate.passed(Sample(values={"soc_pct": 50.0}, bad={}, at_s=100.0))

    sample = gate.passed(Sample(values={"soc_pct": 80.0, "ready": True}, bad={"x": "y"}, at_s=101.0))

    assert sample.values == {"soc_pct": None, "ready": True}
    assert sample.bad == {
        "x": "y",
        "soc_pct": "jumped from 50 to 80 in 1.0 s, beyond 1 per second",
    }


@given(st.lists(st.floats(0.0, 100.0), min_size=1, max_size=30))
def test_no_value_is_invented_and_a_steady_one_is_believed_at_once_or_next(samples: list[float]) -> None:
    left = passed([*samples, samples[-1]])

    assert all(shown is None or shown == sample for shown, sample in zip(left, [*samples, samples[-1]], strict=True))
    assert left[-1] == samples[-1]
