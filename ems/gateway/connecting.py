"""How a connection to a broker ends, whatever the client library makes of it."""

import asyncio
from typing import Final

_ASK_AGAIN_S: Final = 1.0


async def ended(session: asyncio.Task[None]) -> None:
    """End a session, and ask again until it has ended; see `end_if_cancelled`."""
    while not session.done():
        session.cancel()
        await asyncio.wait((session,), timeout=_ASK_AGAIN_S)


def end_if_cancelled() -> None:
    """Raise a cancellation that the MQTT client may have lost.

    It waits with `asyncio.wait_for`, which up to Python 3.11 forgets a cancellation that comes in the same moment as
    the answer; the task would then go on for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def innermost(error: BaseException) -> BaseException:
    """Return the first cause in a group of failures."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
