"""300 endpoints on loopback, the client's side only: load, jitter, dead endpoints, setpoints, heartbeats, memory."""

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final

from drivers.device.traffic import Latency
from ems.errors import DispatchError
from ems.model.problem import PlanningProblem
from ems.runtime.worker_client import WorkerClient
from tests.benchmark.instances import BenchmarkSite, instance
from tests.campaigns.endpoints.figures import HEARTBEAT, deviations_s, gaps_s, quantile, setpoints
from tests.campaigns.endpoints.fleet import Fleet, running_fleet
from tests.campaigns.rows import Row

_PERIOD_S: Final = 1.0
_N_BLOCKS: Final = 5
_DEAD_FRAC: Final = 0.1
# targets of the part
_CORE_SHARE: Final = 0.35
_JITTER_S: Final = 0.15
_SETPOINT_S: Final = 0.05
_LOSS_POLLS: Final = 3.0
_RETURN_S: Final = 5.0
_HEARTBEAT_S: Final = 2.0
# the longest that a fault of any kind may be felt after its end
_RECOVERY_S: Final = 10.0
_LOOK_S: Final = 0.02
_VALID_S: Final = 5.0
_SMALL_PROBLEM: Final = "S-96-grid-1"
_PATIENCE_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is measured."""

    n_endpoints: int = 300
    steady_s: float = 20.0
    dead_s: float = 20.0
    n_setpoints: int = 20
    solver_s: float = 30.0
    # keeps HiGHS busy for longer than it is given
    problem: str = "L-192-island-1"
    memory: tuple[int, int] | None = (50, 300)


FULL: Final = Extent()


def measure_endpoints(extent: Extent = FULL) -> Iterator[Row]:
    """Yield every figure; what a busy machine adds to them is seen from its load."""
    yield _load_row("before")
    yield from asyncio.run(_measured(extent))
    if extent.memory is not None:
        yield from _memory_rows(*extent.memory)
    yield _load_row("after")


def _load_row(when: str) -> Row:
    what = f"load of the machine {when}, on {os.cpu_count()} cores"
    return Row(id=f"drivers.load_{when}", what=what, value=os.getloadavg()[0], unit="")


async def _measured(extent: Extent) -> list[Row]:
    n_pcs = extent.n_endpoints // 2
    async with running_fleet(n_pcs, extent.n_endpoints - n_pcs) as fleet:
        rows = await _steady_rows(fleet, extent)
        rows += await _setpoint_rows(fleet, extent)
        rows += await _dead_rows(fleet, extent)
        rows += await _heartbeat_rows(fleet, extent)
    return rows


def _most(name: str, what: str, value: float, unit: str, *, limit: float) -> Row:
    """Return the row of a figure that must not be above a limit."""
    return Row(id=f"drivers.{name}", what=what, value=value, unit=unit, target=f"<= {limit:g}", met=value <= limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    reads_per_s: float
    core_share: float
    jitter_s: float


async def _stretch(fleet: Fleet, duration_s: float, *, n_first: int = 0) -> _Stretch:
    """Poll for a while; jitter is that of the endpoints from number `n_first` on."""
    await fleet.events()
    n_before, used_s, begin_s = fleet.n_requests(), time.process_time(), fleet.clock.monotonic_s()
    await fleet.clock.sleep(duration_s)
    n_reads, used_s = fleet.n_requests() - n_before, time.process_time() - used_s
    took_s = fleet.clock.monotonic_s() - begin_s
    events = await fleet.events()
    deviations = deviations_s(events[n_first:], period_s=_PERIOD_S)
    return _Stretch(reads_per_s=n_reads / took_s, core_share=used_s / took_s, jitter_s=quantile(deviations, 0.99))


async def _steady_rows(fleet: Fleet, extent: Extent) -> list[Row]:
    found = await _stretch(fleet, extent.steady_s)
    wanted = 0.99 * _N_BLOCKS * extent.n_endpoints / _PERIOD_S
    what = f"{extent.n_endpoints} endpoints, five blocks a second each"
    return [
        Row(
            id="drivers.reads",
            what=f"block reads, {what}",
            value=found.reads_per_s,
            unit="1/s",
            target=f">= {wanted:g}",
            met=found.reads_per_s >= wanted,
        ),
        _most("core_share", f"share of one core, {what}", found.core_share, "", limit=_CORE_SHARE),
        Row(
            id="drivers.read_us",
            what="processor time of a block read, from poll to reading",
            value=1e6 * found.core_share / found.reads_per_s,
            unit="us",
        ),
        _most("jitter", "p99 of the jitter of the 1 s poll", 1e3 * found.jitter_s, "ms", limit=1e3 * _JITTER_S),
    ]


async def _setpoint_rows(fleet: Fleet, extent: Extent) -> list[Row]:
    """Give all converters a new setpoint at once, at moments that have nothing to do with their polls."""
    moments = random.Random(1)
    decided_s: list[float] = []
    await fleet.events()
    before = fleet.command_waits()
    for number in range(extent.n_setpoints):
        await fleet.clock.sleep(moments.uniform(0.3, 1.1))
        decided_s.append(fleet.clock.monotonic_s())
        for converter in fleet.converters:
            converter.set_power(100.0 + number, valid_until_s=decided_s[-1] + _VALID_S)
    await fleet.clock.sleep(_PERIOD_S)
    waits = Latency(tuple(later - earlier for later, earlier in zip(fleet.command_waits(), before, strict=True)))
    events = (await fleet.events())[: fleet.n_pcs]
    found = [each for endpoint in events for each in setpoints(endpoint, decided_s)]
    wanted = len(decided_s) * fleet.n_pcs
    what = f"{fleet.n_pcs} setpoints at once, {extent.n_setpoints} times"
    wire_s = waits.quantile_s(0.99) or 0.0
    served_s, n_reads = quantile((s for s, _ in found), 0.99), max((n for _, n in found), default=wanted)
    return [
        Row(
            id="drivers.setpoints",
            what=f"setpoints that came in, {what}",
            value=len(found),
            unit="",
            target=f"{wanted}",
            met=len(found) == wanted,
        ),
        _most("setpoint", "p99 from decision to wire, heartbeats too", 1e3 * wire_s, "ms", limit=1e3 * _SETPOINT_S),
        Row(
            id="drivers.setpoint_served",
            what="p99 from decision until the one process with all devices serves it",
            value=1e3 * served_s,
            unit="ms",
        ),
        _most("setpoint_behind", "most reads that came before a setpoint", n_reads, "", limit=1),
    ]


async def _dead_rows(fleet: Fleet, extent: Extent) -> list[Row]:
    n_dead = round(_DEAD_FRAC * extent.n_endpoints)
    # the first ones, converters that refuse and converters that are mute
    refusing, mute = range(n_dead // 2), range(n_dead // 2, n_dead)
    died_s = await fleet.break_off(refuse=refusing, mute=mute)
    lost_s = await _until(fleet, range(n_dead), lambda number: fleet.devices[number].trouble() is not None)
    n_before = [fleet.n_attempts(number) for number in range(n_dead)]
    found = await _stretch(fleet, extent.dead_s, n_first=n_dead)
    attempts = [fleet.n_attempts(number) - n for number, n in enumerate(n_before)]
    returned_s = await fleet.break_off()
    back_s = await _until(fleet, range(n_dead), lambda number: _is_read_since(fleet, number, returned_s))
    what = f"{len(refusing)} endpoints refuse, {len(mute)} are mute"
    return [
        _most("dead_core_share", f"share of one core, {what}", found.core_share, "", limit=_CORE_SHARE),
        _most(
            "dead_jitter",
            f"p99 of the jitter of the 1 s poll of the others, {what}",
            1e3 * found.jitter_s,
            "ms",
            limit=1e3 * _JITTER_S,
        ),
        _most("loss", "loss noticed, the last of them", (max(lost_s) - died_s) / _PERIOD_S, "polls", limit=_LOSS_POLLS),
        _most(
            "attempts",
            f"most attempts to connect to a dead endpoint in {extent.dead_s:g} s",
            max(attempts),
            "",
            limit=extent.dead_s / _PERIOD_S + 1,
        ),
        _most(
            "reconnect",
            "read again after a refusal ended, the last of them",
            max(back_s[: len(refusing)]) - returned_s,
            "s",
            limit=_RETURN_S,
        ),
        _most(
            "speaks_again",
            "read again after silence ended, the last of them",
            max(back_s[len(refusing) :]) - returned_s,
            "s",
            limit=_RECOVERY_S,
        ),
    ]


def _is_read_since(fleet: Fleet, number: int, since_s: float) -> bool:
    reading = fleet.devices[number].reading()
    return reading is not None and reading.at_s > since_s and fleet.devices[number].trouble() is None


async def _until(fleet: Fleet, numbers: Sequence[int], holds: Callable[[int], bool]) -> list[float]:
    """Return when something came true at each endpoint; infinity where it did not in time."""
    came_s = dict.fromkeys(numbers, float("inf"))
    end_s = fleet.clock.monotonic_s() + _PATIENCE_S
    waiting = set(numbers)
    while waiting and fleet.clock.monotonic_s() < end_s:
        for number in [number for number in waiting if holds(number)]:
            came_s[number] = fleet.clock.monotonic_s()
            waiting.discard(number)
        await fleet.clock.sleep(_LOOK_S)
    return [came_s[number] for number in numbers]


async def _heartbeat_rows(fleet: Fleet, extent: Extent) -> list[Row]:
    """Command all converters while the worker process of the daemon solves a problem that it cannot finish."""
    site = BenchmarkSite(instance(extent.problem))
    problem = site.problem(gap_frac=0.0)
    problem = replace(problem, options=replace(problem.options, time_limit_s=extent.solver_s))
    async with _renewed(fleet), _worker() as worker:
        # the worker imports its libraries with the first request
        await worker.relax(BenchmarkSite(instance(_SMALL_PROBLEM)).problem())
        await fleet.events()
        begin_s = fleet.clock.monotonic_s()
        while (left_s := begin_s + extent.solver_s - fleet.clock.monotonic_s()) > 0.0:
            await _solve(worker, replace(problem, options=replace(problem.options, time_limit_s=left_s)))
        solved_s = fleet.clock.monotonic_s() - begin_s
        events = (await fleet.events())[: fleet.n_pcs]
    gaps = list(gaps_s(events, HEARTBEAT))
    n_expected = int(0.9 * fleet.n_pcs * (extent.solver_s - 1.0) / _PERIOD_S)
    return [
        Row(id="drivers.solver", what=f"HiGHS on {extent.problem} in the worker process", value=solved_s, unit="s"),
        Row(
            id="drivers.heartbeats",
            what=f"heartbeats of {fleet.n_pcs} devices meanwhile",
            value=len(gaps),
            unit="",
            target=f">= {n_expected}",
            met=len(gaps) >= n_expected,
        ),
        _most("heartbeat_gap", "longest gap between two heartbeats", max(gaps, default=0.0), "s", limit=_HEARTBEAT_S),
    ]


async def _solve(worker: WorkerClient, problem: PlanningProblem) -> None:
    # a limit that leaves no time for a first plan is as good as a plan here
    with suppress(DispatchError):
        await worker.solve(problem)


@asynccontextmanager
async def _worker() -> AsyncIterator[WorkerClient]:
    worker = WorkerClient()
    try:
        yield worker
    finally:
        await worker.close()


@asynccontextmanager
async def _renewed(fleet: Fleet) -> AsyncIterator[None]:
    """Renew the commands once a second, as control does."""

    async def renew() -> None:
        while True:
            until_s = fleet.clock.monotonic_s() + _VALID_S
            for converter in fleet.converters:
                converter.set_power(500.0, valid_until_s=until_s)
            await fleet.clock.sleep(_PERIOD_S)

    task = asyncio.create_task(renew(), name="renewing")
    try:
        yield
        # an error of its own must not pass for quiet
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _memory_rows(few: int, many: int) -> Iterator[Row]:
    found = {number: _resident_kib(number) for number in (few, many)}
    for number, kib in found.items():
        what = f"resident memory with {number} endpoints"
        yield Row(id=f"drivers.memory_{number}", what=what, value=kib / 1024.0, unit="MiB")
    each_kib = (found[many] - found[few]) / (many - few)
    yield Row(id="drivers.memory", what="memory of an endpoint: link, driver, maps", value=each_kib, unit="KiB")


def _resident_kib(n_endpoints: int) -> int:
    command = [sys.executable, "-m", "tests.campaigns.endpoints.memory", str(n_endpoints)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
