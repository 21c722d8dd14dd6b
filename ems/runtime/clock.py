"""The only file that reads the machine's clocks."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta


class SystemClock:
    """Real time: the monotonic clock for intervals, the wall clock for tariffs and records."""

    speed = 1.0

    def monotonic_s(self) -> float:
        """Return seconds from an arbitrary origin; never steps."""
        return time.monotonic()

    def utc(self) -> datetime:
        """Return the wall clock."""
        return datetime.now(UTC)

    async def sleep(self, duration_s: float) -> None:
        """Wait."""
        await asyncio.sleep(max(0.0, duration_s))

    def timeout(self, duration_s: float) -> AbstractAsyncContextManager[object]:
        """Return a context that raises `TimeoutError` when its body takes longer."""
        return asyncio.timeout(duration_s)


class ScaledClock:
    """Accelerated time for demos: `speed` seconds pass per real second, from a start that processes share.

    `origin` is the POSIX time at which simulated time was `start`; every process that is given the same three
    values agrees on the time.
    """

    def __init__(self, *, speed: float, start: datetime, origin: float) -> None:
        self.speed = speed
        self._start = start
        # the wall clock is read once; afterwards the monotonic clock counts
        self._offset = time.time() - origin
        self._begin = time.monotonic()

    def monotonic_s(self) -> float:
        """Return simulated seconds since the start."""
        return (self._offset + time.monotonic() - self._begin) * self.speed

    def utc(self) -> datetime:
        """Return the simulated wall clock."""
        return self._start + timedelta(seconds=self.monotonic_s())

    async def sleep(self, duration_s: float) -> None:
        """Wait for simulated seconds."""
        await asyncio.sleep(max(0.0, duration_s) / self.speed)

    def timeout(self, duration_s: float) -> AbstractAsyncContextManager[object]:
        """Return a context that raises `TimeoutError` after simulated seconds."""
        return asyncio.timeout(duration_s / self.speed)


class ManualClock:
    """Simulated time that moves only when told to: for closed-loop studies and tests."""

    speed = 1.0

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._elapsed_s = 0.0

    def advance(self, duration_s: float) -> None:
        """Let time pass."""
        self._elapsed_s += duration_s

    def monotonic_s(self) -> float:
        """Return seconds since the start."""
        return self._elapsed_s

    def utc(self) -> datetime:
        """Return the simulated wall clock."""
        return self._start + timedelta(seconds=self._elapsed_s)

    async def sleep(self, duration_s: float) -> None:
        """Let time pass and give other tasks a turn."""
        self.advance(duration_s)
        await asyncio.sleep(0)

    def timeout(self, duration_s: float) -> AbstractAsyncContextManager[object]:  # noqa: ARG002 - the protocol's
        """Return a context without a limit: nothing here waits for the world."""
        return asyncio.timeout(None)


def wall_origin() -> float:
    """Return the POSIX time now: the origin for clocks that other processes will share."""
    return time.time()


def process_seconds() -> float:
    """Return a timer for measuring how long computations take."""
    return time.perf_counter()
