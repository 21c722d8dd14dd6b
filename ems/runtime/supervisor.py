"""Keeps a task running: one that fails is logged, counted and started again after a growing pause."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable

import structlog

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
# a task that ran this long before it failed starts again without a long pause
_SETTLED_S = 60.0


class Supervisor:
    """Runs named tasks for as long as the daemon runs; a failing one never ends the group."""

    def __init__(self) -> None:
        self.failures: Counter[str] = Counter()
        self._log = structlog.get_logger("supervisor")
        self._random = random.Random()  # noqa: S311 - jitter, not a secret

    async def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` again and again until cancelled."""
        loop = asyncio.get_running_loop()
        pause_s = _FIRST_PAUSE_S
        while True:
            began = loop.time()
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - the one place that outlives any failure of a task
                self.failures[name] += 1
                self._log.exception("task_failed", task=name, failures=self.failures[name], error=str(error))
            else:
                return
            if loop.time() - began > _SETTLED_S:
                pause_s = _FIRST_PAUSE_S
            await asyncio.sleep(pause_s * self._random.uniform(0.8, 1.2))
            pause_s = min(_LONGEST_PAUSE_S, 2.0 * pause_s)
