"""A PCS of the grid-connected site on the wire that does not do what it is told: found out, then taken back."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from drivers.battery.pcs import PcsDevice
from drivers.modbus.link import ModbusLink
from drivers.modbus.mapfile import load_map
from drivers.sim.devices import simulated_devices
from drivers.sim.plant import Plant
from drivers.sim.port_twin import port_device
from drivers.sim.wire.faults import Faults
from drivers.sim.wire.panels import unit_registers
from drivers.sim.wire.server import WireServer
from ems.control.state import ControlState, Mode
from ems.model.device import Framing
from ems.model.plan import Plan
from ems.ports import Device
from ems.runtime.cycle import ControlCycle, CycleRecord
from ems.studies.wire_twin import WireDevice
from tests.control.scene import flat_plan
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import LINK, background, build, link_spec
from tests.twin.settings import device_specs, exact, plant_of, spec_of

pytestmark = pytest.mark.wire
SITE = "weak-grid-campus"
BLOCK = "bess01"
# storage, after the next setpoint step
NOTICED_S = 10.0
RECOVERY_S = 10.0
# an excluded unit is probed at the latest so often; a probe is judged like every setpoint
PROBED_S = 30.0
FRAMINGS = (Framing.TCP, Framing.RTU_OVER_TCP)


@dataclass
class Campus:
    """The campus on the grid; one PCS of it is reached over the wire."""

    clock: SteppedClock
    plant: Plant
    server: WireServer
    pcs: PcsDevice
    cycle: ControlCycle
    plan: Plan | None = None

    def wants(self, storage_kw: float) -> None:
        """Plan another power for the storage."""
        kwh = 0.5 * sum(pool.block_kwh * len(pool.blocks) for pool in self.plant.site.batteries)
        self.plan = flat_plan(
            self.plant.site, load_kw=20_000.0, storage_kw=storage_kw, stored_kwh=kwh, start=self.clock.utc()
        )

    async def until(self, shows: Callable[[CycleRecord], bool], *, within_s: float) -> CycleRecord:
        """Run cycles once a second until one of them shows something."""
        for _ in range(round(within_s)):
            await self.clock.run(1.0)
            self.plant.advance(1.0)
            record = self.cycle.run(self.plan)
            if shows(record):
                return record
        raise AssertionError(f"it did not come about within {within_s:g} s")

    async def run(self, seconds: float) -> CycleRecord:
        """Run cycles for a while and return the last."""
        end_s = self.clock.monotonic_s() + seconds - 0.5
        return await self.until(lambda _: self.clock.monotonic_s() > end_s, within_s=seconds)


@asynccontextmanager
async def campus(framing: Framing) -> AsyncIterator[Campus]:
    # the devices in process tell the plant's own seconds
    clock = SteppedClock(0.0)
    plant = plant_of(SITE, spec=exact(spec_of(SITE)), start=clock.utc())
    simulated = simulated_devices(plant)
    (spec,) = (each for each in device_specs(SITE) if each.asset == BLOCK)
    spec = replace(spec, link=LINK)
    assert spec.map is not None
    registers = unit_registers(load_map(spec.map, ()), WireDevice(spec.id, simulated[BLOCK]), clock=clock)
    async with WireServer("127.0.0.1", 0, units={spec.unit: registers}, clock=clock, framing=framing) as server:
        link = ModbusLink(link_spec(server.port, framing=framing), clock=clock)
        pcs = build(replace(spec, rated_kw=plant.site.batteries[0].pcs_kw), clock=clock, links={LINK: link})
        assert isinstance(pcs, PcsDevice)
        devices: dict[str, Device] = {
            each.asset: port_device(each, simulated[each.asset], clock) for each in device_specs(SITE)
        }
        cycle = ControlCycle(plant.site, {**devices, BLOCK: pcs}, clock, state=ControlState())
        async with background(link.run()):
            at = Campus(clock, plant, server, pcs, cycle)
            at.wants(0.0)
            await at.run(30.0)
            assert cycle.state.mode is Mode.GRID
            yield at


def misses(record: CycleRecord) -> bool:
    return BLOCK in record.missed


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        pytest.param(Faults(deaf=True), "kW measured", id="deaf"),
        pytest.param(Faults(ignore_writes=True), "read back", id="ignore_writes"),
    ],
)
async def test_a_pcs_that_does_not_follow_its_next_setpoint_is_planned_without_and_taken_back(
    framing: Framing, faults: Faults, reason: str
) -> None:
    async with campus(framing) as at:
        healthy = await at.run(20.0)
        await at.server.set_faults(faults)
        at.wants(6000.0)
        found = await at.until(misses, within_s=NOTICED_S)
        outcome = at.pcs.outcome()
        during = await at.run(30.0)
        await at.server.set_faults(Faults())
        back = await at.until(lambda record: not misses(record), within_s=PROBED_S + RECOVERY_S)

    assert healthy.missed == {}
    assert reason in found.missed[BLOCK]
    # a device that confirms what it does not do is found by its power alone
    assert outcome is not None
    assert (outcome.outcome == "accepted") is faults.deaf
    assert BLOCK not in {block.id for block in during.decision.setpoints.blocks}
    assert [other for other in during.missed if other != BLOCK] == []
    assert back.missed == {}


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_a_pcs_that_says_it_is_under_local_control_is_left_alone_at_once(framing: Framing) -> None:
    async with campus(framing) as at:
        await at.server.set_faults(Faults(local=True))
        withheld = await at.until(lambda _: at.pcs.withheld() is not None, within_s=3.0)
        record = await at.run(2.0)
        await at.server.set_faults(Faults())
        await at.until(lambda _: at.pcs.withheld() is None, within_s=3.0)
        back = await at.run(3.0)

    assert withheld.missed == {}
    assert BLOCK not in {block.id for block in record.decision.setpoints.blocks}
    assert BLOCK in {block.id for block in back.decision.setpoints.blocks}
    assert back.missed == {}
