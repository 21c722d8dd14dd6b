"""A link with devices against a wire server on loopback, on a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

from drivers.modbus.link import ModbusLink
from drivers.modbus.mapfile import device_map
from drivers.sim.wire.bank import RegisterBank
from drivers.sim.wire.faults import Faults
from drivers.sim.wire.panels import unit_registers
from drivers.sim.wire.server import WireServer
from drivers.sim.wire.sunspec.bank import SunSpecBank
from ems.model.device import DeviceSpec, Framing, LinkSpec, TcpEndpoint
from ems.ports import Clock, Device, DeviceLink, DriverEnvironment, DriverFactory
from tests.drivers.clock import SteppedClock

LINK = "line"
RATED_KW = 2000.0
Value = float | int | bool | str | tuple[str, ...] | None
IDENTITY: Mapping[str, Value] = {"manufacturer": "Maker", "model": "M1", "serial": "S-0001", "firmware": "1.2.0"}
DRIVERS = {
    "generic-pcs": "battery.pcs",
    "generic-bms": "battery.bms",
    "generic-pv": "pv.block",
    "generic-genset": "genset.controller",
    "generic-tank": "genset.tank",
    "generic-meter": "meter.load",
    "generic-pcc": "meter.pcc",
    "generic-tie": "meter.tie",
    "generic-cooling": "cooling.plant",
    "generic-dry-cooler": "cooling.dry_cooler",
}
# maps of controllers that are commanded by keys, with the plant's own set behind them: test_gensets.py
GENSETS = {
    "gencomm-genset": "genset.start_stop",
    "comap-intelilite-style": "genset.start_stop",
    "comap-igsnt-style": "genset.start_stop",
}
# maps of makers' meters, which give less than the generic one: test_meters.py
METERS = {
    "schneider-pm5000": "meter.load",
    "janitza-umg604": "meter.load",
    "janitza-umg96": "meter.load",
    "abb-b23": "meter.load",
}
# maps of containers that are shown as racks: test_racks.py
RACKED = {"soltaro-cluster-c": "battery.bms", "discover-sbau": "battery.bms"}
# converters that are driven like the generic one: test_pcs_reference.py
CONVERTERS = {"pcs-reference": "battery.pcs"}
# maps of makers' cooling units: test_cooling_units.py
COOLING_UNITS = {
    "cdu-coolchip": "cooling.cdu",
    "chiller-accuchiller": "cooling.chiller",
    "dry-cooler-luve": "cooling.dry_cooler",
}
D = TypeVar("D")


class PlantDevice:
    """A device of the plant: shows the values it was given, takes commands and remembers them."""

    def __init__(self, values: Mapping[str, Value], *, follows: Mapping[str, str] | None = None) -> None:
        self.shown: dict[str, Value] = {**IDENTITY, **values}
        self.commands: list[tuple[str, float]] = []
        self.refused: set[str] = set()
        self.follows = dict(follows or {})

    def values(self) -> Mapping[str, Value]:
        return self.shown

    def command(self, name: str, value: float) -> bool:
        if name in self.refused:
            return False
        self.commands.append((name, value))
        if name in self.follows:
            self.shown[self.follows[name]] = value
        return True

    def commanded(self, name: str) -> list[float]:
        return [value for command, value in self.commands if command == name]


def pcs(**values: Value) -> PlantDevice:
    """Return a PCS that follows its setpoint."""
    shown: dict[str, Value] = {
        "power_kw": 500.0,
        "setpoint_kw": 500.0,
        "forming": True,
        "ready": True,
        "remote": True,
        "fallback_armed": True,
        "frequency_hz": 50.0,
        "discharge_wh": 9_876_543_210_123,
        "charge_wh": 42,
    }
    return PlantDevice({**shown, **values}, follows={"power_kw": "setpoint_kw"})


def meter(load_kw: float = 850.0) -> PlantDevice:
    """Return the meter of a load."""
    return PlantDevice({"load_kw": load_kw, "load_max_kw": load_kw, "energy_wh": 123_456_789})


def device_spec(map_: str, *, unit: int = 1, **changes: Any) -> DeviceSpec:  # values of any field
    """Return the specification of a device on the line."""
    fields: dict[str, Any] = {
        "id": f"dev{unit}",
        "driver": {**DRIVERS, **METERS, **RACKED, **CONVERTERS, **COOLING_UNITS}.get(map_, "battery.pcs"),
        "asset": f"asset{unit}",
        "link": LINK,
        "unit": unit,
        "map": map_,
        "fast_s": 1.0,
        "slow_s": 5.0,
        "watchdog_s": 12.0,
        "rated_kw": None,
    }
    return DeviceSpec(**{**fields, **changes})


def build(
    spec: DeviceSpec,
    *,
    clock: Clock,
    links: Mapping[str, DeviceLink],
    maps: Sequence[Path] = (),
    known: Mapping[str, str] | None = None,
    earlier: Callable[[Clock], Mapping[str, Sequence[datetime]]] = lambda _: {},
) -> Device:
    """Return the device that the entry point of the specification's driver makes."""
    environment = DriverEnvironment(
        clock=clock,
        links=links,
        map_directories=tuple(maps),
        rated_kw=RATED_KW,
        confirmed_identity=known,
        earlier_writes=earlier(clock),
    )
    (entry,) = entry_points(group="ems.drivers", name=spec.driver)
    factory: DriverFactory = entry.load()
    return factory(spec, environment)


@dataclass(frozen=True, slots=True)
class Rig:
    """What a test on the wire holds in its hands."""

    clock: SteppedClock
    server: WireServer
    link: ModbusLink
    devices: Mapping[int, Device]
    units: Mapping[int, RegisterBank | SunSpecBank]

    def restart(self, unit: int = 1) -> None:
        """Let a device lose what was written to it."""
        self.units[unit].restart()

    def models(self, unit: int = 1) -> SunSpecBank:
        """Return the registers of a device that describes itself."""
        bank = self.units[unit]
        assert isinstance(bank, SunSpecBank)
        return bank

    def device(self, kind: type[D], unit: int = 1) -> D:
        """Return a device, which must be of that kind."""
        device = self.devices[unit]
        assert isinstance(device, kind)
        return device

    async def first_reading(self, unit: int = 1) -> None:
        """Let time pass until a device has been read."""
        await self.clock.until(lambda: self.devices[unit].reading() is not None)

    async def fail(self, **faults: Any) -> None:  # values of any field
        """Set faults of the endpoint."""
        await self.server.set_faults(Faults(**faults))

    async def heal(self) -> None:
        """Take all faults away."""
        await self.server.set_faults(Faults())


@asynccontextmanager
async def running(
    *placed: tuple[DeviceSpec, PlantDevice],
    maps: Sequence[Path] = (),
    known: Mapping[str, str] | None = None,
    earlier: Callable[[Clock], Mapping[str, Sequence[datetime]]] = lambda _: {},
    framing: Framing = Framing.TCP,
    **link_changes: Any,
) -> AsyncIterator[Rig]:
    """Serve the plant's devices on a free port and run a link with their drivers."""
    clock = SteppedClock()
    units = registers(placed, maps, clock)
    async with WireServer("127.0.0.1", 0, units=units, clock=clock, framing=framing) as server:
        link = ModbusLink(link_spec(server.port, framing=framing, **link_changes), clock=clock)
        devices = {
            spec.unit: build(spec, clock=clock, links={LINK: link}, maps=maps, known=known, earlier=earlier)
            for spec, _ in placed
        }
        async with background(link.run()):
            yield Rig(clock=clock, server=server, link=link, devices=devices, units=units)


def registers(
    placed: Sequence[tuple[DeviceSpec, PlantDevice]], maps: Sequence[Path], clock: Clock
) -> dict[int, RegisterBank | SunSpecBank]:
    """Return the registers of each unit; a device without a map describes itself."""
    units: dict[int, RegisterBank | SunSpecBank] = {}
    for spec, plant in placed:
        register_map = device_map(spec, tuple(maps))
        if register_map is not None:
            units[spec.unit] = unit_registers(register_map, plant, clock=clock)
            continue
        bank = units.setdefault(spec.unit, SunSpecBank(clock=clock))
        assert isinstance(bank, SunSpecBank)
        bank.add(spec, plant, rated_kw=RATED_KW)
    return units


@asynccontextmanager
async def background(work: Coroutine[None, None, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Run something beside the body, which must still be running when the body ends."""
    task = asyncio.create_task(work)
    try:
        yield task
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=5.0)
        assert task.done(), f"{task} does not stop"


def link_spec(port: int, *, framing: Framing = Framing.TCP, **changes: Any) -> LinkSpec:  # values of any field
    """Return the specification of the line."""
    fields: dict[str, Any] = {
        "id": LINK,
        "endpoint": TcpEndpoint(host="127.0.0.1", port=port, framing=framing),
        "timeout_s": 1.0,
        "connect_delay_s": 0.0,
        "gap_s": 0.0,
        "reconnect_min_s": 1.0,
        "reconnect_max_s": 4.0,
    }
    return LinkSpec(**{**fields, **changes})
