"""Keeps a task running: one that fails is logged, counted and started again after a growing pause.

Restarts are bounded in their rate: the pause doubles up to half a minute. A task that keeps failing is an alarm and
stays one until it has run for a minute; it never ends the daemon, whose control does without what the task did.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

import structlog

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
# a task that ran this long before it failed starts again without a long pause
_SETTLED_S = 60.0
# so many failures in a row are more than bad luck
_KEEPS_FAILING = 3


class Supervisor:
    """Runs named tasks for as long as the daemon runs; a failing one never ends the group."""

    def __init__(self) -> None:
        self.failures: Counter[str] = Counter()
        self._in_a_row: Counter[str] = Counter()
        self._began_s: dict[str, float] = {}
        self._log = structlog.get_logger("supervisor")
        self._random = random.Random()  # noqa: S311 - jitter, not a secret

    def failing(self) -> Mapping[str, int]:
        """Return the tasks that fail again and again, with their failures since they last ran for long."""
        now_s = asyncio.get_running_loop().time()
        return {
            name: n
            for name, n in sorted(self._in_a_row.items())
            if n >= _KEEPS_FAILING and now_s - self._began_s.get(name, now_s) <= _SETTLED_S
        }

    async def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` again and again until cancelled."""
        loop = asyncio.get_running_loop()
        pause_s = _FIRST_PAUSE_S
        while True:
            began_s = self._began_s[name] = loop.time()
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - the one place that outlives any failure of a task
                if loop.time() - began_s > _SETTLED_S:
                    pause_s = _FIRST_PAUSE_S
                    self._in_a_row[name] = 0
                self.failures[name] += 1
                self._in_a_row[name] += 1
                self._log.exception("task_failed", task=name, failures=self.failures[name], error=str(error))
            else:
                self._in_a_row[name] = 0
                return
            del self._began_s[name]
            await asyncio.sleep(pause_s * self._random.uniform(0.8, 1.2))
            pause_s = min(_LONGEST_PAUSE_S, 2.0 * pause_s)
