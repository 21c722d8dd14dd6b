from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from ems.control.following import Evidence, Track, judged, probe_kw, probing
from ems.model.setpoints import Outcome, WriteOutcome

TOLERANCE_KW = 100.0


def evidence(**changes: Any) -> Evidence:  # values of any field
    """Return what is known of a free unit of 2 MW that was asked for 500 kW and delivers them."""
    usual = Evidence(
        asked_kw=500.0,
        power_kw=500.0,
        outcome=None,
        withheld=False,
        heard=True,
        free=True,
        one_sided=False,
        tolerance_kw=TOLERANCE_KW,
        ramp_kw_per_s=None,
        longest_ramp_s=7.0,
    )
    return replace(usual, **changes)


def outcome(kind: Outcome, at_s: float) -> WriteOutcome:
    return WriteOutcome(device_id="pcs1", outcome=kind, at_s=at_s, detail=f"power_kw: {kind.value}")


class Unit:
    """A unit over the seconds of a run."""

    def __init__(self) -> None:
        self.track = Track()
        self.now_s = 0.0

    def run(self, seconds: int, seen: Callable[[float], Evidence] | Evidence) -> float | None:
        """Judge once a second; return after how many the unit was found to miss its setpoint."""
        for second in range(1, seconds + 1):
            self.now_s += 1.0
            now = seen if isinstance(seen, Evidence) else seen(self.now_s)
            self.track = judged(self.track, now, now_s=self.now_s, period_s=1.0)
            if self.track.missed is not None:
                return float(second)
        return None


def test_a_unit_that_delivers_what_is_asked_of_it_is_never_missed() -> None:
    unit = Unit()

    # one second behind a setpoint that moves all the time
    found = unit.run(120, lambda s: evidence(asked_kw=10.0 * s, power_kw=10.0 * (s - 1.0)))

    assert found is None


def test_a_unit_that_stays_where_it_was_is_missed_three_seconds_after_the_step() -> None:
    unit = Unit()
    unit.run(10, evidence())

    found = unit.run(10, evidence(asked_kw=1000.0))

    assert found is not None
    assert 3.0 <= found <= 4.0
    assert unit.track.missed == "500 kW measured, 1000 kW asked for 3 s or longer"


def test_setpoints_that_change_every_second_do_not_hide_a_unit_that_stands_still() -> None:
    unit = Unit()
    unit.run(10, evidence())

    found = unit.run(20, lambda s: evidence(asked_kw=500.0 + 60.0 * (s - 10.0)))

    # at 160 kW a step of three seconds has left the tolerance behind
    assert found is not None
    assert found <= 7.0


def test_a_unit_with_a_ramp_has_its_time_and_no_more() -> None:
    slow, stuck = Unit(), Unit()
    ramp = {"ramp_kw_per_s": 100.0, "asked_kw": 1000.0}
    for unit in (slow, stuck):
        unit.run(10, evidence(ramp_kw_per_s=100.0))

    never = slow.run(30, lambda s: evidence(power_kw=min(1000.0, 500.0 + 100.0 * (s - 11.0)), **ramp))
    found = stuck.run(30, evidence(**ramp))

    assert never is None
    # 5 s of ramp and 3 s
    assert found is not None
    assert 8.0 <= found <= 9.0


def test_the_time_of_a_ramp_is_bounded_for_storage() -> None:
    unit = Unit()
    unit.run(10, evidence(ramp_kw_per_s=10.0))

    found = unit.run(30, evidence(asked_kw=1500.0, ramp_kw_per_s=10.0))

    assert found is not None
    assert found <= 11.0


def test_a_unit_that_comes_on_load_is_given_the_time_of_its_ramp() -> None:
    unit = Unit()
    unit.run(10, evidence(free=False, power_kw=0.0, asked_kw=1600.0))

    found = unit.run(
        40,
        lambda s: evidence(
            asked_kw=1600.0, power_kw=min(1600.0, 160.0 * (s - 11.0)), ramp_kw_per_s=160.0, longest_ramp_s=57.0
        ),
    )

    assert found is None


def test_a_limit_is_missed_only_from_above() -> None:
    below, above = Unit(), Unit()

    cloudy = below.run(30, evidence(one_sided=True, power_kw=20.0))
    over = above.run(30, evidence(one_sided=True, power_kw=900.0))

    assert cloudy is None
    assert over is not None


@pytest.mark.parametrize("changes", [{"free": False}, {"asked_kw": None}, {"power_kw": None}])
def test_a_power_that_need_not_show_the_setpoint_proves_nothing(changes: dict[str, Any]) -> None:
    unit = Unit()

    found = unit.run(30, evidence(**{"power_kw": -900.0, **changes}))

    assert found is None


@pytest.mark.parametrize("kind", [Outcome.REFUSED, Outcome.FAILED])
def test_a_write_that_is_not_accepted_counts_at_once_until_one_is(kind: Outcome) -> None:
    unit = Unit()

    unit.run(1, evidence(outcome=outcome(kind, 0.5)))
    missed = unit.track.missed
    unit.run(1, evidence(outcome=outcome(Outcome.ACCEPTED, 1.5)))

    assert missed == f"power_kw: {kind.value}"
    assert unit.track.missed is None


def test_a_write_whose_read_back_is_unknown_counts_at_once() -> None:
    unit = Unit()

    unit.run(1, evidence(outcome=replace(outcome(Outcome.LOST, 0.5), written_kw=500.0)))

    assert unit.track.missed == "power_kw: lost"


def test_a_write_that_was_lost_with_the_line_says_nothing_about_the_unit() -> None:
    unit = Unit()

    # the connection breaks, the command expires, the device answers again and takes the next one
    unit.run(3, evidence(heard=False, outcome=outcome(Outcome.LOST, 0.5)))
    unit.run(20, evidence(heard=False, outcome=outcome(Outcome.LOST, 15.0)))
    unit.run(2, evidence(outcome=outcome(Outcome.LOST, 15.0)))
    found = unit.run(5, evidence(outcome=outcome(Outcome.ACCEPTED, 25.5)))

    assert found is None
    assert not unit.track.lost


def test_a_unit_that_answers_and_loses_write_after_write_is_missed() -> None:
    unit = Unit()

    unit.run(1, evidence(outcome=outcome(Outcome.LOST, 0.5)))
    unit.run(2, evidence(outcome=outcome(Outcome.LOST, 0.5)))
    first = unit.track.missed
    unit.run(1, evidence(outcome=outcome(Outcome.LOST, 3.5)))

    assert first is None
    assert unit.track.missed == "power_kw: lost"


def test_a_unit_that_says_itself_that_it_takes_nothing_has_not_missed_anything() -> None:
    unit = Unit()

    unit.run(5, evidence(withheld=True, outcome=outcome(Outcome.REFUSED, 0.5), power_kw=0.0))
    found = unit.run(3, evidence(outcome=outcome(Outcome.REFUSED, 0.5)))

    assert found is None


def missed_by_power() -> Unit:
    unit = Unit()
    unit.run(10, evidence())
    assert unit.run(10, evidence(asked_kw=1000.0)) is not None
    return unit


def test_an_accepted_write_alone_does_not_bring_back_a_unit_whose_power_was_wrong() -> None:
    unit = missed_by_power()

    unit.run(1, evidence(asked_kw=None, outcome=outcome(Outcome.ACCEPTED, unit.now_s)))

    assert unit.track.missed is not None


def test_a_probe_that_is_followed_brings_the_unit_back() -> None:
    unit = missed_by_power()
    waits = unit.track.wants_probe(unit.now_s + 1.9)
    due = unit.track.wants_probe(unit.now_s + 2.0)

    unit.track = probing(unit.track, 300.0, now_s=unit.now_s)
    unit.run(1, evidence(asked_kw=None, outcome=outcome(Outcome.ACCEPTED, unit.now_s + 0.5)))
    under_way = unit.track.missed
    unit.run(1, evidence(asked_kw=None, power_kw=310.0, outcome=outcome(Outcome.ACCEPTED, unit.now_s + 0.5)))

    assert (waits, due) == (False, True)
    assert under_way is not None
    assert unit.track.missed is None


def test_probes_that_are_not_followed_come_more_seldom_but_every_half_minute() -> None:
    unit = missed_by_power()
    probes_s = []

    while unit.now_s < 900.0:
        if unit.track.wants_probe(unit.now_s):
            probes_s.append(unit.now_s)
            unit.track = probing(unit.track, 300.0, now_s=unit.now_s)
        unit.run(1, evidence(asked_kw=None))

    pauses_s = [later - one for one, later in pairwise(probes_s)]
    assert pauses_s == sorted(pauses_s)
    # the wait for the probe itself, 6 s, and the pause
    assert pauses_s[0] <= 10.0
    assert pauses_s[-1] == pytest.approx(36.0, abs=1.0)
    # a fault of half a minute is over within 10 s: the pause is a quarter of the time since
    assert min(at_s for at_s in probes_s if at_s > 43.0) <= 43.0 + 10.0


def test_what_is_heard_between_two_probes_does_not_put_the_next_one_off() -> None:
    unit = missed_by_power()
    due_s = unit.track.probe_at_s

    unit.run(1, evidence(asked_kw=None, outcome=outcome(Outcome.LOST, unit.now_s + 0.5)))

    assert unit.track.probe_at_s == due_s


@pytest.mark.parametrize(
    ("power_kw", "expected_kw"),
    [
        (500.0, 300.0),
        (-500.0, -300.0),
        (0.0, 200.0),
        # no room toward zero
        (-100.0, 100.0),
    ],
)
def test_a_probe_steps_toward_zero(power_kw: float, expected_kw: float) -> None:
    assert probe_kw(power_kw, lowest_kw=-2000.0, highest_kw=2000.0, step_kw=200.0) == expected_kw


def test_a_probe_keeps_to_the_limits() -> None:
    assert probe_kw(650.0, lowest_kw=600.0, highest_kw=2000.0, step_kw=200.0) == 850.0
    assert probe_kw(0.0, lowest_kw=-50.0, highest_kw=50.0, step_kw=200.0) == 0.0


def test_a_unit_that_goes_the_wrong_way_twice_is_left_alone() -> None:
    unit = Unit()
    unit.run(10, evidence(asked_kw=0.0, power_kw=0.0))

    # asked for 1000 kW it delivers -1000 kW, and goes on like that when it is probed
    unit.run(5, evidence(asked_kw=1000.0, power_kw=-1000.0))
    once = unit.track.n_wrong_ways
    unit.track = probing(unit.track, -800.0, now_s=unit.now_s, measured_kw=-1000.0)
    for _ in range(10):
        unit.run(1, evidence(asked_kw=None, power_kw=800.0))

    assert once == 1
    assert unit.track.wrong_way
    assert unit.track.missed is not None
    assert not unit.track.wants_probe(unit.now_s + 1e6)


def test_a_unit_that_stands_still_goes_no_wrong_way() -> None:
    unit = Unit()
    unit.run(10, evidence())

    unit.run(10, evidence(asked_kw=1500.0))

    assert unit.track.missed is not None
    assert unit.track.n_wrong_ways == 0


def test_a_unit_that_follows_its_probe_has_its_wrong_step_forgotten() -> None:
    unit = Unit()
    unit.run(10, evidence(asked_kw=0.0, power_kw=0.0))
    unit.run(5, evidence(asked_kw=1000.0, power_kw=-1000.0))
    unit.track = probing(unit.track, -800.0, now_s=unit.now_s, measured_kw=-1000.0)

    unit.run(
        3,
        lambda s: evidence(asked_kw=None, power_kw=-800.0, outcome=outcome(Outcome.ACCEPTED, s)),
    )

    assert unit.track.missed is None
    assert unit.track.n_wrong_ways == 0
