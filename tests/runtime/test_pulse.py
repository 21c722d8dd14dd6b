"""The watchdog is fed by work that was completed: never by a timer, and never refused for a lost device."""

import asyncio
from dataclasses import replace

import pytest

from ems.model.link_status import AttemptStatus
from ems.runtime.pulse import LoopLag, Pulse, PulseCheck, overdue_links

WELL = Pulse(tick_age_s=1.0, period_s=1.0, guard_ran=True, loop_lag_s=0.01, overdue_links=())


def _link(name: str, *, overdue_s: float) -> AttemptStatus:
    return AttemptStatus(link_id=name, n_ended=5, overdue_s=overdue_s)


def test_a_cycle_in_time_feeds_it() -> None:
    assert WELL.trouble() is None


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (replace(WELL, tick_age_s=3.0), "cycle before ended 3.0 s ago"),
        (replace(WELL, guard_ran=False), "without the guard"),
        (replace(WELL, loop_lag_s=1.0), "event loop was 1.0 s late"),
        (replace(WELL, overdue_links=("plant", "roof")), "hangs: plant, roof"),
    ],
)
def test_each_condition_withholds_it_and_says_why(changed: Pulse, words: str) -> None:
    assert words in (changed.trouble() or "")


@pytest.mark.parametrize("changed", [replace(WELL, tick_age_s=2.99), replace(WELL, loop_lag_s=0.99)])
def test_up_to_the_limit_it_is_fed(changed: Pulse) -> None:
    assert changed.trouble() is None


def test_a_slow_control_period_has_three_of_its_cycles() -> None:
    slow = replace(WELL, period_s=5.0)

    assert replace(slow, tick_age_s=14.0).trouble() is None
    assert replace(slow, tick_age_s=15.0).trouble() is not None


def test_a_lost_device_is_no_reason_a_task_that_hangs_is() -> None:
    links = (_link("lost", overdue_s=0.0), _link("late", overdue_s=2.0), _link("hangs", overdue_s=2.1))

    assert overdue_links(links, speed=1.0) == ("hangs",)
    # deadlines are the clock's, the time to notice is real
    assert overdue_links((_link("fast", overdue_s=15.0),), speed=10.0) == ()
    assert overdue_links((_link("fast", overdue_s=21.0),), speed=10.0) == ("fast",)


def test_health_shows_the_newest_judgement_and_how_often_it_was_bad() -> None:
    async def run() -> PulseCheck:
        check = PulseCheck(period_s=1.0)
        check.judge((_link("a", overdue_s=9.0),), guard_ran=True, loop_lag_s=0.0, speed=1.0)
        check.judge((_link("a", overdue_s=0.0), _link("b", overdue_s=0.0)), guard_ran=True, loop_lag_s=0.2, speed=1.0)
        return check

    status = asyncio.run(run()).status()

    assert status.withheld is None
    assert status.n_withheld == 1
    assert status.n_attempts == 10
    assert status.loop_lag_s == 0.2
    assert status.overdue_links == ()


def test_a_loop_that_was_held_up_shows_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> tuple[float, float]:
        loop, lag = asyncio.get_running_loop(), LoopLag()
        task = asyncio.create_task(lag.run())
        await asyncio.sleep(0)
        now_s = loop.time()
        # what a blocking call of 1.5 s looks like to the loop's own clock: the sample of 0.25 s is 1.25 s late
        monkeypatch.setattr(loop, "time", lambda: now_s + 1.5)
        first = lag.take()
        monkeypatch.setattr(loop, "time", lambda: now_s)
        second = lag.take()
        task.cancel()
        await asyncio.wait({task})
        return first, second

    first, second = asyncio.run(run())

    assert first == pytest.approx(1.25, abs=0.05)
    assert second == 0.0
