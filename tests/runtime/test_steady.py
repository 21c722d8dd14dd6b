"""A step of the wall clock is told, and reaches control only with a plan that was made for the new time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ems.control.state import ControlState
from ems.runtime.clock import ManualClock
from ems.runtime.cycle import ControlCycle
from ems.runtime.steady import SteadyClock
from tests.runtime.fakes import PortSite
from tests.twin.settings import START


class SteppingClock(ManualClock):
    """A machine whose wall clock steps."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self.ahead_s = 0.0

    def utc(self) -> datetime:
        return super().utc() + timedelta(seconds=self.ahead_s)


def test_without_a_step_both_clocks_say_the_same() -> None:
    machine = SteppingClock(START)
    steady = SteadyClock(machine)

    machine.advance(3600.0)

    assert steady.look() is None
    assert steady.utc() == machine.utc() == START + timedelta(hours=1)


@pytest.mark.parametrize("step_s", [3600.0, -3600.0, 1.5, -1.5])
def test_a_step_is_told_once_and_not_followed_until_it_is_adopted(step_s: float) -> None:
    machine = SteppingClock(START)
    steady = SteadyClock(machine)
    machine.advance(10.0)

    machine.ahead_s = step_s
    seen = [steady.look()]
    machine.advance(10.0)
    seen.append(steady.look())

    assert seen == [pytest.approx(step_s), None]
    assert steady.utc() == START + timedelta(seconds=20)
    assert steady.step_s == pytest.approx(step_s)
    assert steady.machine_utc() == machine.utc()

    steady.adopt()

    assert steady.utc() == machine.utc()
    assert steady.step_s == 0.0
    assert steady.look() is None


def test_a_second_step_before_the_first_is_adopted_is_told_too() -> None:
    machine = SteppingClock(START)
    steady = SteadyClock(machine)

    machine.ahead_s = 3600.0
    first = steady.look()
    machine.ahead_s = 7200.0
    second = steady.look()

    assert (first, second) == (3600.0, 7200.0)


def test_a_step_that_is_taken_back_leaves_nothing() -> None:
    machine = SteppingClock(START)
    steady = SteadyClock(machine)

    machine.ahead_s = 3600.0
    steady.look()
    machine.ahead_s = 0.0

    assert steady.look() is None
    assert steady.step_s == 0.0
    assert steady.utc() == START


def test_a_clock_that_drifts_is_followed() -> None:
    machine = SteppingClock(START)
    steady = SteadyClock(machine)

    for _ in range(100):
        machine.advance(1.0)
        machine.ahead_s += 0.02
        assert steady.look() is None

    assert steady.utc() == machine.utc()


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
def test_control_does_the_same_whether_the_wall_clock_steps_or_not(step_s: float) -> None:
    assert _run(step_s=step_s, start=START) == _run(step_s=0.0, start=START)


@pytest.mark.parametrize("day", [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)])
def test_control_does_not_notice_the_hour_that_summer_time_takes_or_gives(day: datetime) -> None:
    # 01:00 UTC is when Europe changes
    change = day + timedelta(minutes=50)

    assert _run(start=change, n_cycles=300, every_s=4.0, zone="Europe/Berlin") == _run(
        start=change, n_cycles=300, every_s=4.0, zone="UTC"
    )


def _run(
    *, step_s: float = 0.0, start: datetime, n_cycles: int = 240, every_s: float = 1.0, zone: str | None = None
) -> list[tuple[float, ...]]:
    """Return the setpoints of every cycle of the edge node, whose wall clock steps in the middle."""
    site = PortSite(start=start)
    if zone is not None:
        site.site = replace(site.site, place=replace(site.site.place, timezone=zone))
    machine = SteppingClock(start)
    steady = SteadyClock(machine)
    cycle = ControlCycle(site.site, site.devices, steady, state=ControlState(mode_since_s=0.0))
    written = []
    for number in range(n_cycles):
        if number == n_cycles // 2:
            machine.ahead_s = step_s
        steady.look()
        setpoints = cycle.run(None).decision.setpoints
        written.append(
            (
                *(block.power_kw for block in setpoints.blocks),
                *(float(genset.run) for genset in setpoints.gensets),
                *(limit.limit_kw for limit in setpoints.pv),
            )
        )
        site.advance(every_s)
        machine.advance(every_s)
    assert any(written)
    return written
