"""What a signal does to a hand command: it ends once, and a second signal does not disturb what it puts back."""

import asyncio
import os
import signal

import pytest

from ems.app.commissioning.interruption import InterruptedWorkError, interruptible


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_second_signal_does_not_disturb_what_is_put_back(number: signal.Signals) -> None:
    done: list[str] = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            # the loop takes signals between two rounds
            for _ in range(5):
                await asyncio.sleep(0.0)
            done.append("put back")

    with pytest.raises(InterruptedWorkError) as raised:
        await interruptible(work())

    assert raised.value.number is number
    assert done == ["put back"]


async def test_work_that_nobody_breaks_off_ends_as_it_is() -> None:
    async def work() -> int:
        return 7

    before = signal.getsignal(signal.SIGTERM)

    assert await interruptible(work()) == 7
    assert signal.getsignal(signal.SIGTERM) is before


async def test_a_signal_that_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def work() -> int:
        os.kill(os.getpid(), signal.SIGHUP)
        for _ in range(5):
            await asyncio.sleep(0.0)
        return 7

    try:
        assert await interruptible(work()) == 7
    finally:
        signal.signal(signal.SIGHUP, before)
