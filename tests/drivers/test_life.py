"""Values that stand still: a life counter proves it, measured values let it be suspected."""

import pytest

from drivers.device.life import LifeWatch, StillWatch
from drivers.device.plausibility import emptiness
from drivers.device.values import Value


def test_a_life_counter_that_stands_still_gives_frozen_values_away() -> None:
    watch = LifeWatch(stale_after_s=5.0)
    verdicts = []

    for count, at_s in [(7, 10.0), (7, 14.9), (7, 15.0), (8, 16.0), (8, 20.0)]:
        watch.take(count, at_s)
        verdicts.append(watch.frozen(at_s))

    assert verdicts == [None, None, "its values are frozen: life counter unchanged for 5.0 s", None, None]
    assert watch.moved_s == 16.0
    assert watch.frozen(21.0) is not None


def test_a_device_that_never_showed_its_counter_is_not_called_frozen() -> None:
    watch = LifeWatch(stale_after_s=5.0)

    watch.take(None, 10.0)

    assert watch.frozen(1000.0) is None


def still_after(values: dict[str, Value | None], *, changed_at_s: dict[float, dict[str, Value | None]]) -> list[float]:
    """Return the times at which values that are read each second are suspected, of three minutes."""
    watch = StillWatch(still_s=60.0)
    suspected = []
    for second in range(181):
        values = values | changed_at_s.get(float(second), {})
        if watch.take(values, float(second)) is not None:
            suspected.append(float(second))
    return suspected


def test_values_under_power_that_never_change_are_suspected_after_a_minute() -> None:
    suspected = still_after({"power_kw": 500.0, "frequency_hz": 50.0, "ready": True}, changed_at_s={})

    assert suspected[0] == 60.0
    assert len(suspected) == 121


@pytest.mark.parametrize("changed", [{"frequency_hz": 50.001}, {"power_kw": 0.0}, {"power_kw": None}])
def test_any_change_ends_the_suspicion(changed: dict[str, Value | None]) -> None:
    suspected = still_after({"power_kw": 500.0, "frequency_hz": 50.0}, changed_at_s={100.0: changed})

    assert max(second for second in suspected if second < 160.0) == 99.0


def test_a_flag_is_no_measurement_that_moves() -> None:
    suspected = still_after({"power_kw": 500.0, "ready": True}, changed_at_s={30.0: {"ready": False}})

    assert suspected[0] == 60.0


@pytest.mark.parametrize("power_kw", [0.0, None])
def test_a_device_without_power_may_stand_still(power_kw: float | None) -> None:
    assert still_after({"power_kw": power_kw, "frequency_hz": 50.0}, changed_at_s={}) == []


@pytest.mark.parametrize(
    ("values", "is_empty"),
    [
        ({"power_kw": None, "frequency_hz": None, "ready": False}, True),
        ({"power_kw": None, "frequency_hz": 50.0, "ready": False}, False),
        ({"ready": True, "life_counter": 7}, False),
    ],
)
def test_an_answer_without_any_number_tells_nothing(values: dict[str, Value | None], is_empty: bool) -> None:  # noqa: FBT001 - a case's value
    assert (emptiness(values, {"power_kw", "frequency_hz"}) is not None) is is_empty
