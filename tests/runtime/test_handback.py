"""An orderly stop: who is given its own setpoint back, what is told, and that nothing waits for ever."""

import asyncio
from dataclasses import dataclass, field

from ems.model.readings import Reading
from ems.model.setpoints import Outcome, WriteOutcome
from ems.runtime.handback import PATIENCE_S, hand_back
from tests.drivers.clock import SteppedClock


@dataclass
class Unit:
    """A unit that shows its own setpoint some time after it was asked to, or refuses."""

    device_id: str
    clock: SteppedClock
    shows_after_s: float = 1.0
    commanded: bool = True
    refuses: str = ""
    asset_id: str = "unit"
    asked_s: list[float] = field(default_factory=list)

    def reading(self) -> Reading | None:
        return None

    def trouble(self) -> str | None:
        return None

    def outcome(self) -> WriteOutcome | None:
        # the end of an earlier command, which says nothing of this one
        before = WriteOutcome(device_id=self.device_id, outcome=Outcome.LOST, at_s=0.0)
        if not (self.asked_s and self.refuses):
            return before
        return WriteOutcome(
            device_id=self.device_id, outcome=Outcome.REFUSED, at_s=self.asked_s[-1], detail=self.refuses
        )

    def give_back(self, *, valid_until_s: float) -> bool:
        assert valid_until_s == self.clock.monotonic_s() + PATIENCE_S
        if self.commanded:
            self.asked_s.append(self.clock.monotonic_s())
        return self.commanded

    @property
    def is_given_back(self) -> bool:
        return bool(self.asked_s) and self.clock.monotonic_s() >= self.asked_s[-1] + self.shows_after_s


def ended(clock: SteppedClock, *units: Unit) -> tuple[tuple[str, ...], float]:
    """Return what is told, and how long it took, s."""

    async def run() -> tuple[tuple[str, ...], float]:
        began_s = clock.monotonic_s()
        work = asyncio.create_task(hand_back(units, clock, stretch=1.0))
        await clock.until(work.done)
        return work.result(), clock.monotonic_s() - began_s

    return asyncio.run(run())


def test_the_stop_goes_on_when_all_have_shown_their_own_setpoints() -> None:
    clock = SteppedClock()
    told, took_s = ended(clock, Unit("cdu1", clock), Unit("cdu2", clock, shows_after_s=4.0))

    assert told == ("cdu1 has its own setpoint again", "cdu2 has its own setpoint again")
    assert 4.0 <= took_s <= 4.5


def test_a_unit_that_refuses_is_told_and_not_waited_for() -> None:
    clock = SteppedClock()
    told, took_s = ended(clock, Unit("cdu1", clock, shows_after_s=1e9, refuses="it is under local control"))

    assert told == ("cdu1 may keep our last setpoint, its own one: refused, it is under local control",)
    assert took_s <= 0.5


def test_a_silent_unit_is_not_waited_for_longer_than_the_patience() -> None:
    clock = SteppedClock()
    told, took_s = ended(clock, Unit("cdu1", clock, shows_after_s=1e9))

    assert told == ("cdu1 may keep our last setpoint, its own one: not shown in time",)
    assert PATIENCE_S <= took_s <= PATIENCE_S + 0.5


def test_whoever_was_not_commanded_is_left_alone() -> None:
    clock = SteppedClock()
    told, took_s = ended(clock, Unit("cdu1", clock, commanded=False))

    assert told == ()
    assert took_s <= 0.1
