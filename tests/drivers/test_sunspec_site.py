"""The shipped site whose PV block describes itself: the site's drivers against the wire twin of its plant."""

from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from drivers.sim.devices import rated_kw, simulated_devices
from drivers.sim.plant import Plant
from drivers.sim.wire.endpoints import WireTwin
from drivers.sim.wire.server import WireServer
from ems.app.devices import Fleet, build_fleet
from ems.config.build import Wiring, build_simulation, build_site, build_wiring
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from ems.model.device import LinkSpec, TcpEndpoint
from ems.model.readings import PvReading
from ems.ports import Curtails
from ems.studies.wire_twin import WireDevice
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import background

NOON = datetime(2025, 6, 21, 19, tzinfo=UTC)
LIMIT_KW = 120.0


def at_port(link: LinkSpec, port: int) -> LinkSpec:
    return replace(link, endpoint=TcpEndpoint(host="127.0.0.1", port=port))


def at_ports_of(twin: WireTwin, wiring: Wiring) -> Wiring:
    ports = {}
    for link in wiring.links:
        server = twin.server(link.id)
        assert isinstance(server, WireServer)
        ports[link.id] = server.port
    return replace(wiring, links=tuple(at_port(link, ports[link.id]) for link in wiring.links))


class SiteOnTheWire:
    """The site's plant, its devices on the wire and their drivers."""

    def __init__(self) -> None:
        self.files = load_files(site_directory("edge-node"))
        self.clock = SteppedClock()
        self.wiring = build_wiring(self.files)
        self.site = build_site(self.files)
        self.plant = Plant(self.site, build_simulation(self.files), start=NOON, search=self.files.search, seed=1)
        self.plant.advance(1.0)
        simulated = simulated_devices(self.plant)
        devices = {device.id: WireDevice(device.id, simulated[device.asset]) for device in self.wiring.devices}
        links = [at_port(link, 0) for link in self.wiring.links]
        self.twin = WireTwin(links, self.wiring.devices, devices, clock=self.clock, rated_kw=rated_kw(self.plant))

    def fleet(self) -> Fleet:
        return build_fleet(self.site, at_ports_of(self.twin, self.wiring), self.clock, directories=self.files.search)

    async def second(self) -> None:
        await self.clock.run(1.0)
        self.twin.elapse()
        self.plant.advance(1.0)


@pytest.mark.wire
async def test_the_block_is_read_and_curtailed_and_ends_its_limit_itself_when_nobody_asks_any_more() -> None:
    there = SiteOnTheWire()
    block = there.plant.pv["pv01"]
    async with there.twin, AsyncExitStack() as connections:
        fleet = there.fleet()
        for link in fleet.links:
            await connections.enter_async_context(background(link.run()))
        driver = fleet.devices["pv01"]
        assert isinstance(driver, Curtails)
        for _ in range(8):
            driver.set_limit(LIMIT_KW, valid_until_s=there.clock.monotonic_s() + 3.0)
            await there.second()
        reading, limited_kw = driver.reading(), block.power_kw
        troubles = {name: device.trouble() for name, device in fleet.devices.items() if device.trouble() is not None}
        # the controller dies with all its connections
        await connections.aclose()
        for _ in range(35):
            await there.second()

    assert troubles == {}
    assert isinstance(reading, PvReading)
    assert reading.limit_kw == LIMIT_KW
    assert reading.power_kw == pytest.approx(LIMIT_KW, rel=0.02)
    assert reading.available_kw == pytest.approx(block.available_kw, rel=0.05)
    assert reading.fallback_armed is True
    assert limited_kw == LIMIT_KW
    assert block.limit_kw == block.rated_kw
    assert block.power_kw > LIMIT_KW
