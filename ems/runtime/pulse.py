"""Whether the daemon is alive enough to feed systemd's watchdog: judged from completed work, never from a timer.

A lost device is an alarm and no reason to restart: it ends its attempts like any other, by their time-out. What is not
fed for the watchdog's time is killed and started again, so each condition is one that only a restart can mend.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ems.model.link_status import AttemptStatus
from ems.model.status import PulseStatus

# the watchdog's conditions, real seconds; three cycles of the fast loop
_TICK_AGE_S: Final = 3.0
_TICK_AGE_CYCLES: Final = 3.0
_LAG_S: Final = 1.0
# an attempt to reach a device has its deadline and this much to be noticed
_OVERDUE_S: Final = 2.0
_SAMPLE_S: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What is known at the end of a control cycle; all times are real seconds.

    `tick_age_s` is the time since the end of the cycle before, `guard_ran` whether the guard had the last word on what
    was written, `overdue_links` the connections whose task has not ended its attempt in time.
    """

    tick_age_s: float
    period_s: float
    guard_ran: bool
    loop_lag_s: float
    overdue_links: tuple[str, ...]

    def trouble(self) -> str | None:
        """Return why the watchdog must not be fed, None where it may be."""
        if self.tick_age_s >= max(_TICK_AGE_S, _TICK_AGE_CYCLES * self.period_s):
            return f"the control cycle before ended {self.tick_age_s:.1f} s ago"
        if not self.guard_ran:
            return "setpoints went out without the guard"
        if self.loop_lag_s >= _LAG_S:
            return f"the event loop was {self.loop_lag_s:.1f} s late"
        if self.overdue_links:
            return f"the task of a connection hangs: {', '.join(self.overdue_links)}"
        return None


def overdue_links(links: Iterable[AttemptStatus], *, speed: float) -> tuple[str, ...]:
    """Return the links whose present attempt is over its deadline and the time to notice; `speed` of the clock."""
    return tuple(link.link_id for link in links if link.overdue_s / speed > _OVERDUE_S)


class LoopLag:
    """Measures how late the event loop comes to what is due; real seconds."""

    def __init__(self) -> None:
        self._worst_s = 0.0
        self._due_s: float | None = None

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._due_s = loop.time() + _SAMPLE_S
                await asyncio.sleep(_SAMPLE_S)
                self._worst_s = max(self._worst_s, loop.time() - self._due_s)
        finally:
            self._due_s = None

    def take(self) -> float:
        """Return the worst lateness since the last call, that of a sample under way included."""
        now_s = asyncio.get_running_loop().time()
        late_s = 0.0 if self._due_s is None else now_s - self._due_s
        worst_s, self._worst_s = max(self._worst_s, late_s, 0.0), 0.0
        return worst_s


class PulseCheck:
    """Judges every cycle, and remembers for health what it saw."""

    def __init__(self, *, period_s: float) -> None:
        """Take the control period in real seconds."""
        self._period_s = period_s
        self._ended_s: float | None = None
        self._n_withheld = 0
        self._pulse: Pulse | None = None
        self._n_attempts = 0

    def judge(self, links: Iterable[AttemptStatus], *, guard_ran: bool, loop_lag_s: float, speed: float) -> str | None:
        """Return why the watchdog must not be fed at the end of this cycle, None where it may be."""
        now_s, states = asyncio.get_running_loop().time(), tuple(links)
        self._pulse = Pulse(
            tick_age_s=0.0 if self._ended_s is None else now_s - self._ended_s,
            period_s=self._period_s,
            guard_ran=guard_ran,
            loop_lag_s=loop_lag_s,
            overdue_links=overdue_links(states, speed=speed),
        )
        self._ended_s = now_s
        self._n_attempts = sum(link.n_ended for link in states)
        trouble = self._pulse.trouble()
        self._n_withheld += trouble is not None
        return trouble

    def status(self) -> PulseStatus:
        """Return the newest judgement."""
        pulse = self._pulse
        return PulseStatus(
            withheld=None if pulse is None else pulse.trouble(),
            n_withheld=self._n_withheld,
            tick_age_s=0.0 if pulse is None else pulse.tick_age_s,
            loop_lag_s=0.0 if pulse is None else pulse.loop_lag_s,
            n_attempts=self._n_attempts,
            overdue_links=() if pulse is None else pulse.overdue_links,
        )
