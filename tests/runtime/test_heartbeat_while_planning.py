"""The heartbeat of a commanded device depends neither on the planner nor on what the daemon shows of itself."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from drivers.modbus.link import ModbusLink
from drivers.modbus.mapfile import load_map
from drivers.sim.devices import simulated_devices
from drivers.sim.port_twin import PortDevice
from drivers.sim.wire.bank import RegisterBank
from drivers.sim.wire.server import WireServer
from ems.errors import DispatchError
from ems.model.forecast import EvenSeries, WeatherForecast
from ems.model.plan import Plan
from ems.model.problem import PlanningProblem
from ems.model.pv import PvPlant
from ems.model.readings import Reading
from ems.model.site import Place
from ems.ports import Device
from ems.runtime.accounts import Accounts
from ems.runtime.alarm_desk import AlarmDesk
from ems.runtime.alarm_requests import AlarmInbox
from ems.runtime.counters import CounterBook
from ems.runtime.daemon import Daemon, DaemonParts, Ending
from ems.runtime.forecasts import ForecastMemory
from ems.runtime.hands import HandBook
from ems.runtime.identities import IdentityBook
from ems.runtime.inputs import load_climate
from ems.runtime.notify import SystemdNotifier
from ems.runtime.observer import Event, Observer
from ems.runtime.persistence import StateStore
from ems.runtime.planner import Planner
from ems.runtime.prices import SitePrices
from ems.runtime.requests import RequestBook
from ems.runtime.steady import SteadyClock
from ems.runtime.wear import WriteBook
from ems.runtime.worker_client import WorkerClient
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import LINK, PlantDevice, Value, build, device_spec, link_spec, pcs
from tests.twin.settings import device_specs, exact, files_of, plant_of, spec_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SITE = "edge-node"
BLOCK = "bess01"
SOLVE_S = 30.0


class SlowWorker(WorkerClient):
    """A solver that takes half a minute and then finds nothing."""

    def __init__(self, clock: SteppedClock) -> None:
        super().__init__()
        self._clock = clock
        self.asked_s: list[float] = []

    async def solve(self, problem: PlanningProblem) -> Plan:  # noqa: ARG002 - whatever the problem is
        await self._work()
        raise DispatchError("no plan in time")

    async def convert_pv(
        self,
        plants: tuple[PvPlant, ...],  # noqa: ARG002 - whatever the plants are
        place: Place,  # noqa: ARG002
        weather: WeatherForecast,  # noqa: ARG002
    ) -> tuple[EvenSeries, ...]:
        await self._work()
        raise DispatchError("no PV in time")

    async def _work(self) -> None:
        self.asked_s.append(self._clock.monotonic_s())
        await self._clock.sleep(SOLVE_S)


class TimedPcs(PlantDevice):
    """A PCS that notes when it gets its heartbeats."""

    def __init__(self, values: Mapping[str, Value], clock: SteppedClock) -> None:
        super().__init__(values, follows={"power_kw": "setpoint_kw"})
        self._clock = clock
        self.beats_s: list[float] = []

    def command(self, name: str, value: float) -> bool:
        if name == "heartbeat":
            self.beats_s.append(self._clock.monotonic_s())
        return super().command(name, value)


class FreshDevice(PortDevice):
    """A device of the port twin whose readings are always of this moment."""

    def reading(self) -> Reading | None:
        reading = super().reading()
        return None if reading is None else replace(reading, at_s=self._clock.monotonic_s())


class BrokenPage:
    """An observer that fails at everything that it is shown."""

    def on_cycle(self, _record: object) -> None:
        raise RuntimeError("the page is broken")

    def on_plan(self, _result: object) -> None:
        raise RuntimeError("the page is broken")

    def on_event(self, _event: Event) -> None:
        raise RuntimeError("the page is broken")


@dataclass(frozen=True, slots=True)
class Running:
    clock: SteppedClock
    pcs: TimedPcs
    worker: SlowWorker


@asynccontextmanager
async def running(
    home: Path, *, observers: Sequence[Observer] = (BrokenPage(),), clock: SteppedClock | None = None
) -> "AsyncIterator[Running]":
    """Run the daemon of the edge node, whose PCS is a driver on a wire; all other devices are in process."""
    clock = SteppedClock() if clock is None else clock
    plant = plant_of(SITE, spec=exact(spec_of(SITE)))
    site, climate = plant.site, load_climate(files_of(SITE))
    plant.advance(1.0)
    simulated = simulated_devices(plant)
    devices: dict[str, Device] = {
        spec.asset: FreshDevice(spec, simulated[spec.asset], clock) for spec in device_specs(SITE)
    }
    unit = TimedPcs({**pcs().shown, "power_kw": 0.0, "setpoint_kw": 0.0}, clock)
    bank = RegisterBank(load_map("generic-pcs", ()), unit, clock=clock)
    async with WireServer("127.0.0.1", 0, units={1: bank}, clock=clock) as server:
        link = ModbusLink(link_spec(server.port), clock=clock)
        devices[BLOCK] = build(device_spec("generic-pcs", asset=BLOCK), clock=clock, links={LINK: link})
        memory, prices, worker = ForecastMemory(site, climate), SitePrices(site, None), SlowWorker(clock)
        planner = Planner(
            site,
            worker=worker,
            memory=memory,
            climate=climate,
            weather=lambda _: None,
            archive=lambda _problem, _plan: None,
            prices=prices,
        )
        store = StateStore(home / "state.db")
        parts = DaemonParts(
            cluster=None,
            site=site,
            clock=SteadyClock(clock),
            devices=devices,
            links=(link,),
            planner=planner,
            worker=worker,
            memory=memory,
            accounts=Accounts(site, interval_min=15, carbon=climate.carbon, prices=prices, sink=lambda _record: None),
            store=store,
            identities=IdentityBook(store, home),
            wear=WriteBook(store, clock),
            counters=CounterBook(store),
            requests=RequestBook(home),
            alarms=AlarmDesk(store, AlarmInbox(home)),
            hands=HandBook(home, ()),
            notifier=SystemdNotifier(),
            version="test",
            pid=1,
            speed=1.0,
            stretch=1.0,
        )
        daemon = Daemon(parts, observers)
        task = asyncio.create_task(daemon.run())
        try:
            yield Running(clock, unit, worker)
        finally:
            daemon.end(Ending.STOP)
            await asyncio.wait({task}, timeout=10.0)
            store.close()
        task.result()


@pytest.mark.wire
def test_no_heartbeat_is_more_than_two_seconds_late_while_the_solver_runs(tmp_path: Path) -> None:
    async def run() -> tuple[list[float], float]:
        async with running(tmp_path) as site:
            await site.clock.until(lambda: site.worker.asked_s != [], limit_s=120.0)
            await site.clock.run(SOLVE_S)
            return site.pcs.beats_s, site.worker.asked_s[0]

    beats_s, asked_s = asyncio.run(run())

    while_solving_s = [at_s for at_s in beats_s if asked_s - 2.0 <= at_s]
    assert len(while_solving_s) >= SOLVE_S / 2.0
    assert max(later - one for one, later in pairwise(while_solving_s)) <= 2.0
