"""Registers in non-volatile memory: written within their budget, never renewed, never with a moving setpoint."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from drivers.device.budget import WriteBudget, on_clock
from drivers.genset.controller import GensetController
from drivers.modbus.link import ModbusLink
from ems.errors import ConfigError
from ems.model.setpoints import Outcome
from ems.ports import Clock
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import LINK, PlantDevice, Value, build, device_spec, link_spec, running
from tests.drivers.test_polling import site_map

H_S = 3600.0
WORN_RUN = ("limits = [0, 1]\nvolatile = true", "limits = [0, 1]\nvolatile = false\nwrites_per_day = 3")
WORN = ("volatile = true\nreadback", "volatile = false\nwrites_per_day = 3\nreadback")


def standing_set() -> PlantDevice:
    shown: dict[str, Value] = {
        "phase": "stopped",
        "remote": True,
        "breaker_closed": False,
        "power_kw": 0.0,
        "setpoint_kw": 0.0,
    }
    return PlantDevice({**shown, "run_request": 0}, follows={"run": "run_request"})


def test_a_budget_counts_the_writes_of_the_last_day() -> None:
    budget = WriteBudget(2)

    first, second = budget.spend(0.0), budget.spend(10 * H_S)
    refused = budget.spend(20 * H_S)
    next_day = budget.spend(24 * H_S)

    assert (first, second, next_day) == (None, None, None)
    assert refused is not None
    assert "the 2 writes of a day are used up; the next one is free in 4.0 h" in refused
    assert budget.spend(25 * H_S) is not None


def test_a_budget_goes_on_with_the_writes_of_an_earlier_run() -> None:
    clock = SteppedClock()
    earlier = [clock.utc() - timedelta(hours=10), clock.utc() - timedelta(hours=20), clock.utc() + timedelta(hours=3)]
    budget = WriteBudget(3, on_clock(earlier, clock))
    now_s = clock.monotonic_s()

    refused = budget.spend(now_s)

    assert refused is not None
    assert "the next one is free in 4.0 h" in refused
    # an instant in the future, from a wall clock that was set back, counts as now
    assert budget.written_s == (now_s - 20 * H_S, now_s - 10 * H_S, now_s)


def test_a_setpoint_that_may_move_with_every_poll_is_not_put_into_non_volatile_memory(tmp_path: Path) -> None:
    clock = SteppedClock()
    links = {LINK: ModbusLink(link_spec(1), clock=clock)}
    maps = site_map(tmp_path, "generic-pcs", "flash-pcs", WORN)

    with pytest.raises(ConfigError) as refused:
        build(device_spec("flash-pcs", driver="battery.pcs"), clock=clock, links=links, maps=maps)
    slow = device_spec("flash-pcs", driver="battery.pcs", fast_s=28_800.0, slow_s=28_800.0)
    build(slow, clock=clock, links=links, maps=maps)
    paced = device_spec("flash-pcs", driver="battery.pcs", setpoint_every_s=28_800.0)
    build(paced, clock=clock, links=links, maps=maps)

    (problem,) = refused.value.problems
    assert problem.key == "device 'dev1'.setpoint_every_s"
    assert "bears 3 writes a day, and may change every 1 s" in problem.message
    assert problem.allowed == "at least 28800 s, or a map with a volatile register"


def test_a_least_time_between_changes_needs_a_setpoint_and_no_ramp() -> None:
    clock = SteppedClock()
    links = {LINK: ModbusLink(link_spec(1), clock=clock)}
    ramped = device_spec("generic-pcs", setpoint_every_s=60.0, ramp_frac_per_s=0.1)
    chiller = device_spec("chiller-accuchiller", setpoint_every_s=60.0)

    refusals = []
    for spec in (ramped, chiller):
        with pytest.raises(ConfigError) as refused:
            build(spec, clock=clock, links=links)
        refusals += [(problem.key, problem.allowed) for problem in refused.value.problems]

    assert refusals == [
        ("device 'dev1'.ramp_frac_per_s", "one of the two"),
        ("device 'dev1'.setpoint_every_s", "no such key"),
    ]


@pytest.mark.wire
async def test_a_start_is_refused_when_an_earlier_run_has_used_up_the_day(tmp_path: Path) -> None:
    maps = site_map(tmp_path, "generic-genset", "flash-genset", WORN_RUN)
    plant = standing_set()
    spec = device_spec("flash-genset", driver="genset.controller")

    def earlier(clock: Clock) -> Mapping[str, Sequence[datetime]]:
        return {"run": [clock.utc() - timedelta(hours=hours) for hours in (3, 2)]}

    async with running((spec, plant), maps=maps, earlier=earlier) as rig:
        await rig.first_reading()
        device = rig.device(GensetController)
        device.set_run(run=True, valid_until_s=rig.clock.monotonic_s() + 15.0)
        await rig.clock.run(3.0)
        third = len(device.written_s()["run"])
        device.set_run(run=False, valid_until_s=rig.clock.monotonic_s() + 15.0)
        await rig.clock.run(3.0)
        outcome = device.outcome()

    assert plant.commanded("run") == [1.0]
    assert third == 3
    assert outcome is not None
    assert outcome.outcome is Outcome.REFUSED
    assert "the 3 writes of a day are used up; the next one is free in 21.0 h" in outcome.detail


@pytest.mark.wire
async def test_a_start_in_non_volatile_memory_is_not_renewed_and_refused_when_the_day_is_used_up(
    tmp_path: Path,
) -> None:
    maps = site_map(tmp_path, "generic-genset", "flash-genset", WORN_RUN)
    plant = standing_set()
    spec = device_spec("flash-genset", driver="genset.controller")
    async with running((spec, plant), maps=maps) as rig:
        await rig.first_reading()
        device = rig.device(GensetController)

        async def command(*, run: bool, for_s: int) -> None:
            for _ in range(for_s):
                device.set_run(run=run, valid_until_s=rig.clock.monotonic_s() + 15.0)
                await rig.clock.run(1.0)

        # far beyond a quarter of the watchdog time
        await command(run=True, for_s=30)
        once = plant.commanded("run")
        await command(run=False, for_s=3)
        # the count goes on over a reconnect
        await rig.fail(refuse=True)
        await rig.clock.run(3.0)
        await rig.heal()
        await rig.clock.run(10.0)
        await command(run=True, for_s=3)
        await command(run=False, for_s=3)
        outcome = device.outcome()

    assert once == [1.0]
    assert plant.commanded("run") == [1.0, 0.0, 1.0]
    assert outcome is not None
    assert outcome.outcome is Outcome.REFUSED
    assert "the 3 writes of a day are used up" in outcome.detail
