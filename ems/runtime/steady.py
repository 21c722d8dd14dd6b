"""The wall clock as the daemon goes by: a step of the machine's clock reaches control only together with a new plan.

Tariffs, schedules and plans are looked up by wall time. If it stepped under a plan that is followed, control would
jump to another hour of it. So the daemon's own time goes on evenly, the step is told, and the next plan, which is made
for the new time, brings it in.
"""

from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Final

from ems.ports import Clock

# what differs by less is followed at once: NTP slews, and no tariff minds
_STEP_S: Final = 1.0


class SteadyClock:
    """A clock whose wall time differs from the machine's after a step, until the step is adopted."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._origin = self._machine_origin()
        self._step_s = 0.0

    def monotonic_s(self) -> float:
        """Return seconds from an arbitrary origin; never steps."""
        return self._clock.monotonic_s()

    def utc(self) -> datetime:
        """Return the time that control goes by."""
        return self._origin + timedelta(seconds=self._clock.monotonic_s())

    def machine_utc(self) -> datetime:
        """Return what the machine's wall clock says."""
        return self._clock.utc()

    async def sleep(self, duration_s: float) -> None:
        """Wait."""
        await self._clock.sleep(duration_s)

    def timeout(self, duration_s: float) -> AbstractAsyncContextManager[object]:
        """Return a context that raises `TimeoutError` when its body takes longer."""
        return self._clock.timeout(duration_s)

    @property
    def step_s(self) -> float:
        """Return by how much the machine's clock is ahead since a step that is not adopted yet; 0: there is none."""
        return self._step_s

    def look(self) -> float | None:
        """Compare both clocks; return the difference when a step is noticed or has grown, None otherwise."""
        ahead_s = (self._machine_origin() - self._origin).total_seconds()
        if abs(ahead_s) <= _STEP_S:
            self.adopt()
            return None
        known_s, self._step_s = self._step_s, ahead_s
        return ahead_s if abs(ahead_s - known_s) > _STEP_S else None

    def adopt(self) -> None:
        """Go by the machine's clock from now on."""
        self._origin = self._machine_origin()
        self._step_s = 0.0

    def _machine_origin(self) -> datetime:
        return self._clock.utc() - timedelta(seconds=self._clock.monotonic_s())
