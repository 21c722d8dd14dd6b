"""Whose turn it is on a link: the most urgent job that is due, and silent units held back.

A unit that does not answer costs a time-out and, on Modbus TCP, the connection. It is asked again at once after the
first time; from then on its probes leave most of the line's time to the units beside it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from drivers.device.jobs import Urgency
from drivers.device.traffic import Tally
from drivers.modbus.requests import Job, Station

# a silent unit is probed every five time-outs, 5 s with the usual time-out of 1 s (OpenEMS waits 2 s and more)
PROBE_TIMEOUTS: Final = 5
_FORGIVEN: Final = 1
# a wait is never longer, so that a wake-up that was missed costs little
_LONGEST_WAIT_S: Final = 60.0


@dataclass(slots=True)
class Member:
    """A unit of the link and how it has answered lately."""

    station: Station
    n_unanswered: int = 0
    silent_until_s: float = float("-inf")
    tally: Tally = field(default_factory=Tally)

    def answered(self) -> None:
        """Count the unit as alive."""
        self.n_unanswered = 0
        self.silent_until_s = float("-inf")

    def stayed_silent(self, *, now_s: float, timeout_s: float) -> None:
        """Hold the unit back if it is silent again."""
        self.n_unanswered += 1
        if self.n_unanswered > _FORGIVEN:
            self.silent_until_s = now_s + PROBE_TIMEOUTS * timeout_s


@dataclass(frozen=True, slots=True)
class Turn:
    """A job that is due now."""

    member: Member
    job: Job


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is due before `until_s`."""

    until_s: float


def next_turn(members: Iterable[Member], now_s: float) -> Turn | Pause:
    """Return the job to serve, or how long there is none."""
    best: Turn | None = None
    best_rank = (0, 0.0)
    until_s = now_s + _LONGEST_WAIT_S
    for member in members:
        held_s = member.silent_until_s
        for job in member.station.jobs:
            # this loop is gone through twice for every request: no calls in it
            due_s = job.due_s
            due_s = max(due_s, held_s)
            if due_s > now_s:
                until_s = min(until_s, due_s)
                continue
            latest_s = job.due_s + job.patience_s
            is_late = job.urgency is Urgency.SLOW and latest_s <= now_s
            rank = (Urgency.FAST if is_late else job.urgency, latest_s)
            if best is None or rank < best_rank:
                best, best_rank = Turn(member, job), rank
    return best or Pause(until_s)
