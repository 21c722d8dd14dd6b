"""Devices that show what a test gives them, and a site of the port twin around them."""

from dataclasses import dataclass, field
from datetime import datetime

from drivers.sim.devices import simulated_devices
from drivers.sim.plant import Plant
from drivers.sim.port_twin import PortDevice, port_device
from ems.model.readings import Reading
from ems.model.setpoints import WriteOutcome
from ems.runtime.clock import ManualClock
from tests.twin.settings import START, device_specs, exact, plant_of, spec_of


@dataclass
class ShownDevice:
    """A device with a reading that the test sets; remembers commands."""

    asset_id: str
    shown: Reading | None = None
    silence: str | None = None
    commands: list[tuple[str, float]] = field(default_factory=list)

    @property
    def device_id(self) -> str:
        return f"{self.asset_id}-device"

    def reading(self) -> Reading | None:
        return self.shown

    def trouble(self) -> str | None:
        return self.silence

    def outcome(self) -> WriteOutcome | None:
        return None


class PortSite:
    """The edge node in process: plant, devices and clock, moved together."""

    def __init__(self, site: str = "edge-node", *, start: datetime = START) -> None:
        self.plant: Plant = plant_of(site, spec=exact(spec_of(site)), start=start)
        self.site = self.plant.site
        self.clock = ManualClock(start)
        simulated = simulated_devices(self.plant)
        self.devices: dict[str, PortDevice] = {
            spec.asset: port_device(spec, simulated[spec.asset], self.clock) for spec in device_specs(site)
        }

    def advance(self, duration_s: float) -> None:
        """Let plant and clock move on."""
        self.plant.advance(duration_s)
        self.clock.advance(duration_s)
