"""A clock that stands still until a test moves it; sockets get their turns in between."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

_ORIGIN_UTC = datetime(2026, 6, 21, tzinfo=UTC)
# An exchange over loopback takes a handful of turns of the event loop whatever else the machine does, and every
# step gives some turns: so a time-out of many steps cannot come from a busy machine.
_STEP_S = 0.01
_TURNS_PER_STEP = 2


@dataclass(order=True)
class _Alarm:
    at_s: float
    number: int
    ring: Callable[[], None] = field(compare=False)
    is_off: bool = field(default=False, compare=False)


class SteppedClock:
    """Implements `ems.ports.Clock`."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self._now_s = now_s
        self._alarms: list[_Alarm] = []
        self._numbers = count()

    def monotonic_s(self) -> float:
        return self._now_s

    def utc(self) -> datetime:
        return _ORIGIN_UTC + timedelta(seconds=self._now_s)

    async def sleep(self, duration_s: float) -> None:
        if duration_s <= 0.0:
            await asyncio.sleep(0)
            return
        over = asyncio.Event()
        self._set_alarm(duration_s, over.set)
        await over.wait()

    @asynccontextmanager
    async def timeout(self, duration_s: float) -> AsyncIterator[None]:
        async with asyncio.timeout(None) as scope:
            alarm = self._set_alarm(duration_s, lambda: scope.reschedule(0.0))
            try:
                yield
            finally:
                alarm.is_off = True

    async def run(self, duration_s: float) -> None:
        """Let time pass."""
        for _ in range(round(duration_s / _STEP_S)):
            await self._step(_STEP_S)

    async def until(self, condition: Callable[[], bool], *, limit_s: float = 60.0) -> float:
        """Let time pass until something holds, and return how long that took; fail if it takes too long."""
        start_s = self._now_s
        while not condition():
            if self._now_s - start_s > limit_s:
                raise AssertionError(f"did not come true within {limit_s} s")
            await self._step(_STEP_S)
        return self._now_s - start_s

    def _set_alarm(self, duration_s: float, ring: Callable[[], None]) -> _Alarm:
        alarm = _Alarm(self._now_s + max(0.0, duration_s), next(self._numbers), ring)
        heapq.heappush(self._alarms, alarm)
        return alarm

    async def _step(self, duration_s: float) -> None:
        self._now_s += duration_s
        while self._alarms and self._alarms[0].at_s <= self._now_s:
            alarm = heapq.heappop(self._alarms)
            if not alarm.is_off:
                alarm.ring()
        for _ in range(_TURNS_PER_STEP):
            await asyncio.sleep(0)
