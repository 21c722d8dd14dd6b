"""Cancellations that a foreign library swallows.

It waits with `asyncio.wait_for`, which before Python 3.12 returns the answer instead when both come at the same
moment: a link that is told to stop would go on for ever.
"""

import asyncio
from typing import Final

_ASK_AGAIN_S: Final = 1.0


def honour_cancellation() -> None:
    """Raise a cancellation of the present task that a library has swallowed."""
    task = asyncio.current_task()
    if task is not None and task.cancelling() > 0:
        raise asyncio.CancelledError


async def ended(task: asyncio.Task[None]) -> None:
    """End a task, and ask again until it has ended: it may have lost the first cancellation."""
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=_ASK_AGAIN_S)
