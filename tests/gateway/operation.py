"""A shipped site in operation on the port twin: what the daemon hands to the gateway, without sockets."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Self

from drivers.sim.devices import simulated_devices
from drivers.sim.plant import Plant
from drivers.sim.port_twin import port_device
from ems.config.build import build_site, build_twin, build_wiring
from ems.config.loader import load_files
from ems.control.state import ControlState
from ems.dispatch.formulate import formulate
from ems.dispatch.merit_order import merit_order_plan
from ems.forecast.outlook import PvBasis
from ems.forecast.pv import available_kw
from ems.model.condition import Outlook
from ems.model.plan import Plan, PlanSource
from ems.model.readings import Reading
from ems.model.setpoints import WriteOutcome
from ems.model.site import Site
from ems.model.status import RunCounts
from ems.ports import Device
from ems.runtime.clock import ManualClock
from ems.runtime.condition import condition_of
from ems.runtime.cycle import ControlCycle, CycleRecord
from ems.runtime.forecasts import ForecastMemory, choose_weather
from ems.runtime.inputs import load_climate
from ems.runtime.statistics import RunStatistics

SITES = Path(__file__).resolve().parents[2] / "config"
NOON = datetime(2026, 6, 11, 19, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A site after some cycles; `plan` is the rules' view, labelled as the optimiser's where a test needs one."""

    site: Site
    devices: Mapping[str, Device]
    records: tuple[CycleRecord, ...]
    counts: RunCounts
    plan: Plan
    outlook: Outlook

    @property
    def record(self) -> CycleRecord:
        """Return the newest cycle."""
        return self.records[-1]

    @property
    def device_ids(self) -> dict[str, str]:
        """Return the device of each asset."""
        return {asset: device.device_id for asset, device in self.devices.items()}

    def with_milp_plan(self) -> Self:
        """Return the same with its plan labelled as the optimiser's."""
        return replace(self, plan=replace(self.plan, source=PlanSource.MILP))


@cache
def operation(site_name: str, *, start: datetime = NOON, n_cycles: int = 30) -> Operation:
    """Run a site for some cycles of one second and make one plan; the result is shared, so nothing may change it."""
    files = load_files(SITES / site_name)
    site = build_site(files)
    assert files.twin is not None
    spec = build_twin(files.twin)
    clock = ManualClock(start)
    plant = Plant(site, spec, start=start, search=files.search, seed=spec.seed)
    simulated = simulated_devices(plant)
    devices = {
        device.asset: port_device(device, simulated[device.asset], clock) for device in build_wiring(files).devices
    }
    cycle = ControlCycle(site, devices, clock, state=ControlState())
    statistics = RunStatistics(site)
    memory = ForecastMemory(site, load_climate(files))
    records = []
    for _ in range(n_cycles):
        record = cycle.run(None)
        memory.observe(record.snapshot)
        statistics.add(record)
        records.append(record)
        plant.advance(1.0)
        clock.advance(1.0)
    weather, _ = choose_weather(site, load_climate(files), lambda _: None, clock.utc())
    basis = PvBasis(
        weather=weather, available_kw={plant.id: available_kw(plant, site.place, weather) for plant in site.pv}
    )
    outlook = memory.outlook(basis, records[-1].snapshot.utc)
    condition = condition_of(site, records[-1].snapshot, cycle.state)
    problem = formulate(site, condition, outlook, previous=None, problem_id=f"{site.id}-test")
    return Operation(
        site=site,
        devices=devices,
        records=tuple(records),
        counts=statistics.counts(),
        plan=merit_order_plan(site, problem),
        outlook=outlook,
    )


class FixedDevice:
    """A device that shows what a test gives it, and takes commands."""

    def __init__(
        self,
        device_id: str,
        asset_id: str,
        reading: Reading | None,
        *,
        trouble: str | None = None,
        outcome: WriteOutcome | None = None,
    ) -> None:
        self._device_id = device_id
        self._asset_id = asset_id
        self._reading = reading
        self._trouble = trouble
        self.newest = outcome

    @property
    def device_id(self) -> str:
        """Return its name."""
        return self._device_id

    @property
    def asset_id(self) -> str:
        """Return its asset."""
        return self._asset_id

    def reading(self) -> Reading | None:
        """Return what it shows."""
        return self._reading

    def trouble(self) -> str | None:
        """Return what is wrong."""
        return self._trouble

    def outcome(self) -> WriteOutcome | None:
        """Return the end of the newest command."""
        return self.newest
