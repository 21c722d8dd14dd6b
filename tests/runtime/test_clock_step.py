"""The whole daemon while the machine's clock steps: the PCS hears no difference, people are told, records flagged."""

import asyncio
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from ems.runtime.cycle import CycleRecord
from ems.runtime.observer import Event
from tests.drivers.clock import SteppedClock
from tests.runtime.test_heartbeat_while_planning import running

pytestmark = pytest.mark.wire


class _Machine(SteppedClock):
    """A machine whose wall clock is set while the daemon runs."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead_s = 0.0

    def utc(self) -> datetime:
        return super().utc() + timedelta(seconds=self.ahead_s)


class _Listener:
    """An observer that keeps what it sees."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.times: list[tuple[float, datetime]] = []

    def on_cycle(self, record: CycleRecord) -> None:
        self.times.append((record.snapshot.at_s, record.snapshot.utc))

    def on_plan(self, _result: object) -> None:
        """Look away."""

    def on_event(self, event: Event) -> None:
        self.events.append(event)


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
def test_a_step_changes_no_heartbeat_is_told_and_comes_in_with_the_next_planning(tmp_path: Path, step_s: float) -> None:
    machine, listener = _Machine(), _Listener()

    async def run() -> list[float]:
        async with running(tmp_path, observers=(listener,), clock=machine) as site:
            await machine.until(lambda: site.worker.asked_s != [], limit_s=120.0)
            site.pcs.beats_s.clear()
            machine.ahead_s = step_s
            await machine.run(90.0)
            return site.pcs.beats_s

    beats_s = asyncio.run(run())

    # heartbeats and cycles go on as before
    assert len(beats_s) >= 80
    assert max(later - one for one, later in pairwise(beats_s)) <= 2.0
    assert [round(later - one) for (one, _), (later, _) in pairwise(listener.times)].count(1) == len(listener.times) - 1
    # the time of the snapshots jumps once, by the step, when planning for the new time has ended
    jumps_s = [
        (later_utc - one_utc).total_seconds() - (later_s - one_s)
        for (one_s, one_utc), (later_s, later_utc) in pairwise(listener.times)
    ]
    assert [jump_s for jump_s in jumps_s if abs(jump_s) > 0.001] == [pytest.approx(step_s)]
    texts = [event.text for event in listener.events if event.kind == "daemon"]
    stepped = f"the machine's clock stepped by {step_s:+.1f} s; control is not affected"
    adopted = f"the clock's step of {step_s:+.1f} s is adopted with the new plan"
    assert texts.index(stepped) < texts.index(adopted)
    assert texts.count(stepped) == 1
