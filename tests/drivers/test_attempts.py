"""A connection's task ends its attempts whatever the device does; only one that hangs is overdue."""

import asyncio
from contextlib import suppress

import pytest

from drivers.device.attempts import Attempts
from drivers.modbus.link import ModbusLink
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import device_spec, link_spec, pcs, running


def test_an_attempt_is_overdue_from_its_deadline_on_until_it_ends() -> None:
    attempts = Attempts()
    assert attempts.overdue_s(5.0) == 0.0

    attempts.begin(10.0)
    assert attempts.overdue_s(10.0) == 0.0
    assert attempts.overdue_s(12.5) == 2.5

    attempts.ended()
    assert attempts.overdue_s(99.0) == 0.0
    assert attempts.n_ended == 1


def test_a_wait_is_no_attempt_and_rest_has_no_deadline() -> None:
    attempts = Attempts()

    attempts.begin(1.0)
    attempts.rest()

    assert attempts.n_ended == 0
    assert attempts.overdue_s(99.0) == 0.0


@pytest.mark.wire
def test_an_endpoint_that_refuses_ends_attempts_and_is_never_overdue() -> None:
    async def run() -> list[float]:
        clock = SteppedClock()
        # port 1 on loopback: nobody listens there
        link = ModbusLink(link_spec(1), clock=clock)
        task = asyncio.create_task(link.run())
        overdue = []
        for _ in range(30):
            await clock.run(1.0)
            overdue.append(link.status().overdue_s)
        assert link.status().n_attempts >= 3
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert link.status().overdue_s == 0.0
        return overdue

    assert max(asyncio.run(run())) <= 1.0


@pytest.mark.wire
def test_a_device_that_says_nothing_ends_attempts_too() -> None:
    async def run() -> tuple[float, int]:
        async with running((device_spec("generic-pcs"), pcs())) as rig:
            await rig.first_reading()
            ended = rig.link.attempts().n_ended
            await rig.fail(mute=True)
            overdue = []
            for _ in range(30):
                await rig.clock.run(1.0)
                overdue.append(rig.link.attempts().overdue_s)
            return max(overdue), rig.link.attempts().n_ended - ended

    overdue_s, n_ended = asyncio.run(run())

    assert overdue_s <= 1.0
    assert n_ended >= 5


@pytest.mark.wire
def test_a_task_whose_deadline_never_comes_is_overdue(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> float:
        async with running((device_spec("generic-pcs"), pcs())) as rig:
            await rig.first_reading()
            await rig.fail(mute=True)
            # what a defect in the waiting looks like
            monkeypatch.setattr(rig.clock, "timeout", lambda _: asyncio.timeout(None))
            await rig.clock.run(30.0)
            return rig.link.attempts().overdue_s

    assert asyncio.run(run()) > 10.0
