"""What the twin's instruments and controllers show: typed readings, register values and commands per device."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Protocol

from drivers.sim.bms import SimulatedBms
from drivers.sim.cooling_devices import cooling_devices
from drivers.sim.genset_devices import SimulatedGenset
from drivers.sim.meter_devices import SimulatedCooling, SimulatedMeter, SimulatedTank
from drivers.sim.plant import Plant
from drivers.sim.source_devices import SimulatedPcs, SimulatedPvBlock
from drivers.sim.tie_device import SimulatedPcc
from ems.model.readings import Reading

Shown = float | int | bool | str | tuple[str, ...] | None
_NOT_SHOWN = frozenset({"device_id", "at_s", "bad"})


class SimulatedDevice(Protocol):
    """A device of the twin, seen through its own instruments."""

    def reading(self, device_id: str) -> Reading:
        """Return what the device shows now."""

    def command(self, name: str, value: float) -> bool:
        """Take a command; False where the device refuses it."""


def shown_values(reading: Reading, *, serial: str) -> Mapping[str, Shown]:
    """Return a reading as the points of a register map, with the identity of the device."""
    values: dict[str, Shown] = {
        field.name: getattr(reading, field.name) for field in fields(reading) if field.name not in _NOT_SHOWN
    }
    model = type(reading).__name__.removesuffix("Reading")
    # a firmware that also fits registers which hold it as one number
    return {**values, "manufacturer": "Twin", "model": model, "serial": serial, "firmware": "100"}


def simulated_devices(plant: Plant) -> dict[str, SimulatedDevice]:
    """Return every device of the twin by the asset that it serves."""
    devices: dict[str, SimulatedDevice] = {
        "it": SimulatedMeter(plant, "it"),
        "cooling": SimulatedMeter(plant, "cooling"),
        "aux": SimulatedMeter(plant, "aux"),
        "cooling_plant": SimulatedCooling(plant),
    }
    devices |= cooling_devices(plant)
    if plant.grid is not None:
        devices["pcc"] = SimulatedPcc(plant)
    if plant.tank is not None:
        devices["tank"] = SimulatedTank(plant)
    for block in plant.blocks.values():
        devices[block.id] = SimulatedPcs(plant, block)
        devices |= {container.id: SimulatedBms(plant, container, block.pool) for container in block.containers}
    devices |= {genset.id: SimulatedGenset(plant, genset) for genset in plant.gensets.values()}
    devices |= {pv.id: SimulatedPvBlock(plant, pv) for pv in plant.pv.values()}
    return devices


def rated_kw(plant: Plant) -> dict[str, float]:
    """Return the nameplates of the assets whose devices tell theirs."""
    ratings = {pv.id: pv.rated_kw for pv in plant.pv.values()}
    for block in plant.blocks.values():
        ratings |= dict.fromkeys((block.id, *(container.id for container in block.containers)), block.pool.pcs_kw)
    return ratings
