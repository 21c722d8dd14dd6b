"""Ctrl-C, a closed terminal or `kill` during a hand command: the work is broken off once and may put things back."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Final, TypeVar

_T = TypeVar("_T")
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class InterruptedWorkError(Exception):
    """The work was broken off by a signal, and has done what it does at its end."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(f"broken off by {number.name}")
        self.number = number


async def interruptible(work: Coroutine[object, object, _T]) -> _T:
    """Run work that SIGINT, SIGTERM and SIGHUP cancel; further ones do not disturb what it does at its end.

    A signal that this process was started to ignore (nohup) stays ignored.

    Raises:
        InterruptedWorkError: A signal came, and the work is over.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    received: list[signal.Signals] = []

    def break_off(number: signal.Signals) -> None:
        received.append(number)
        if len(received) == 1:
            task.cancel()

    caught = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in caught:
        loop.add_signal_handler(number, break_off, number)
    try:
        return await task
    except asyncio.CancelledError as error:
        if not received:
            raise
        raise InterruptedWorkError(received[0]) from error
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
