"""A small campus on the port twin whose PCC breaker is closed by a sync-check device with our permit."""

from collections.abc import Callable
from dataclasses import replace

from drivers.sim.devices import simulated_devices
from drivers.sim.plant import Plant
from drivers.sim.port_twin import PortDevice, port_device
from drivers.sim.tie import TwinTie
from ems.control.state import ControlState, Mode
from ems.model.modes import TieRules
from ems.model.requests import NO_REQUESTS, OperatorRequests
from ems.runtime.clock import ManualClock
from ems.runtime.cycle import ControlCycle, CycleRecord
from tests.control.scene import small
from tests.twin.settings import START, device_specs, exact, files_of, spec_of

SITE = "weak-grid-campus"
RULES = TieRules(
    window_hz=0.1,
    window_voltage_frac=0.03,
    window_deg=10.0,
    healthy_s=60.0,
    confirm_s=5.0,
    timeout_s=300.0,
    max_per_h=3,
    slip_hz=0.03,
    droop_hz=0.6,
    island_group=1,
)


class TiedSite:
    """Plant, devices and control, moved together by seconds; `requests` are those of every cycle."""

    def __init__(self, *, rules: TieRules = RULES, reclose_s: float = 30.0, seed: int = 7) -> None:
        native = small(SITE)
        site = replace(native, control=replace(native.control, tie=rules))
        spec = exact(spec_of(SITE))
        assert spec.outages is not None
        quiet = replace(spec.outages, share_of_year_frac=0.0, reclose_s=reclose_s)
        self.plant = Plant(site, replace(spec, outages=quiet), start=START, search=files_of(SITE).search, seed=seed)
        self.site = site
        self.clock = ManualClock(START)
        simulated = simulated_devices(self.plant)
        specs = [
            replace(each, driver="meter.tie", watchdog_s=10.0) if each.asset == "pcc" else each
            for each in device_specs(SITE)
        ]
        self.devices: dict[str, PortDevice] = {
            each.asset: port_device(each, simulated[each.asset], self.clock)
            for each in specs
            if each.asset in simulated
        }
        self.cycle = ControlCycle(site, self.devices, self.clock, state=ControlState())
        self.requests = NO_REQUESTS
        self.modes: list[Mode] = []
        self.unserved_kwh = 0.0

    @property
    def tie(self) -> TwinTie:
        """Return the sync-check device."""
        assert self.plant.grid is not None
        assert self.plant.grid.tie is not None
        return self.plant.grid.tie

    def lose_grid(self, *, lost: bool = True) -> None:
        """Take the grid away, or give it back."""
        assert self.plant.grid is not None
        self.plant.grid.forced = lost

    def trip_everything(self) -> None:
        """Open every PCS, as a fault on the bus does."""
        for block in self.plant.blocks.values():
            block.trip()

    def ask(self, requests: OperatorRequests) -> None:
        """Change what people ask for."""
        self.requests = requests

    def run(self, seconds: int, until: Callable[[CycleRecord], bool] | None = None) -> CycleRecord:
        """Run cycles once a second, at most until one of them shows something."""
        for _ in range(seconds):
            record = self.cycle.run(None, self.requests)
            if not self.modes or self.modes[-1] is not record.decision.state.mode:
                self.modes.append(record.decision.state.mode)
            before = self.plant.totals.unserved
            self.plant.advance(1.0)
            self.clock.advance(1.0)
            self.unserved_kwh += self.plant.totals.unserved - before
            if until is not None and until(record):
                return record
        assert until is None, f"it did not come about: {self.modes}, {record.decision.state.mode_reason}"
        return record

    def until_mode(self, mode: Mode, seconds: int) -> CycleRecord:
        """Run until control is in a mode."""
        return self.run(seconds, lambda record: record.decision.state.mode is mode)


def on_grid(*, rules: TieRules = RULES, reclose_s: float = 30.0, seed: int = 7) -> TiedSite:
    """Return a site that runs parallel to the grid."""
    site = TiedSite(rules=rules, reclose_s=reclose_s, seed=seed)
    site.until_mode(Mode.GRID, 30)
    site.modes.clear()
    return site
