"""A guard that steps in all the time is an alarm (G18)."""

from ems.control.guard import Clip, Rule
from ems.runtime.clip_watch import ClipWatch

CLIP = Clip(rule=Rule.SITE_LIMIT, asset_id="storage", requested_kw=2.0, allowed_kw=1.0, reason="import")


def _watched(n_clipped: int, *, n_ticks: int = 600) -> ClipWatch:
    watch = ClipWatch()
    every = n_ticks // n_clipped if n_clipped else n_ticks + 1
    for second in range(n_ticks):
        watch.add((CLIP, CLIP) if second % every == every - 1 else (), now_s=float(second))
    return watch


def test_one_percent_of_the_cycles_of_ten_minutes_is_allowed_and_more_is_not() -> None:
    assert _watched(6).alarms() == {}
    assert list(_watched(12).alarms()) == ["clips:G6"]


def test_a_cycle_counts_once_however_many_setpoints_a_rule_changed() -> None:
    assert _watched(12).shares_frac() == {"G6": 0.02}


def test_nothing_is_said_before_ten_minutes_have_passed() -> None:
    assert _watched(100, n_ticks=500).shares_frac() == {}


def test_the_alarm_ends_when_the_window_has_passed() -> None:
    watch = _watched(60)
    assert watch.alarms()

    for second in range(600, 1260):
        watch.add((), now_s=float(second))

    assert watch.alarms() == {}
    assert watch.shares_frac() == {}
