"""A container's battery management system in the twin: the container as a whole, and its racks where it has them."""

from collections.abc import Iterator
from typing import Final

from drivers.sim.battery import C_RATE, TwinContainer
from drivers.sim.plant import Plant
from drivers.sim.racks import CELL_EMPTY_V, CELL_FULL_V, N_CELLS, TwinRack, in_service
from drivers.sim.sensors import SocEstimate
from ems.model.battery import BatteryPool
from ems.model.readings import BmsReading, RackReading

# what the BMS calls its alarms
HOT_ALARM: Final = "cell too warm"
HOT_RACK_ALARM: Final = "too warm to discharge"
# highest and lowest cell of a container differ by this much from its mean
_CELL_SPREAD_V: Final = 0.01
_CELL_SPREAD_K: Final = 1.5
_INSULATION_KOHM: Final = 800.0
_W_PER_KW: Final = 1000.0


class SimulatedBms:
    """A container's battery management system."""

    def __init__(self, plant: Plant, container: TwinContainer, pool: BatteryPool) -> None:
        self._plant = plant
        self._container = container
        self._pool = pool
        self._soc = SocEstimate(plant.spec.errors, seed=plant.seed, name=container.id)

    def reading(self, device_id: str) -> BmsReading:
        """Return SoC, limits, temperatures and cell voltages."""
        container = self._container
        soc_pct = self._soc.soc_pct(container.soc_pct)
        cell_v = CELL_EMPTY_V + (CELL_FULL_V - CELL_EMPTY_V) * soc_pct / 100.0
        racks = tuple(self._racks()) or None
        socs_pct = [rack.soc_pct for rack in racks or () if rack.in_service and rack.soc_pct is not None]
        is_hot = container.cell_degc > self._pool.max_degc
        return BmsReading(
            device_id=device_id,
            at_s=self._plant.elapsed_s,
            soc_pct=soc_pct,
            soh_pct=container.soh_pct,
            max_charge_kw=container.max_charge_kw,
            max_discharge_kw=container.max_discharge_kw,
            cell_max_degc=container.cell_degc + _CELL_SPREAD_K,
            cell_min_degc=container.cell_degc - _CELL_SPREAD_K,
            cell_max_v=cell_v + _CELL_SPREAD_V,
            cell_min_v=cell_v - _CELL_SPREAD_V,
            alarm=is_hot,
            rack_soc_min_pct=min(socs_pct, default=None),
            rack_soc_max_pct=max(socs_pct, default=None),
            racks=racks,
            warnings=(),
            faults=(HOT_ALARM,) if is_hot else (),
        )

    def command(self, name: str, value: float) -> bool:
        """Open or close the contactor of a rack (`rack 2`); a BMS takes no other command."""
        kind, _, number = name.partition(" ")
        if kind != "rack" or not number.isdecimal():
            return False
        return self._container.switch_rack(int(number), closed=value > 0.0)

    def _racks(self) -> Iterator[RackReading]:
        container = self._container
        closed = in_service(container.racks)
        currents = [rack.open_circuit_v - rack.resistance_ohm * rack.current_a for rack in closed]
        shared_v = sum(currents) / len(currents) if currents else None
        for number, rack in enumerate(container.racks, start=1):
            yield self._rack(number, rack, shared_v)

    def _rack(self, number: int, rack: TwinRack, shared_v: float | None) -> RackReading:
        container = self._container
        voltage_v = shared_v if rack.closed and shared_v is not None else rack.open_circuit_v
        cell_v, cell_degc = voltage_v / N_CELLS, container.cell_degc + rack.warmer_k
        rated_a = C_RATE * rack.full_kwh * _W_PER_KW / voltage_v if rack.closed else 0.0
        return RackReading(
            number=number,
            in_service=rack.closed,
            soc_pct=self._soc.soc_pct(rack.soc_pct),
            soh_pct=container.soh_pct,
            voltage_v=voltage_v,
            current_a=rack.current_a if rack.closed else 0.0,
            cell_max_v=cell_v + _CELL_SPREAD_V,
            cell_min_v=cell_v - _CELL_SPREAD_V,
            cell_max_degc=cell_degc + _CELL_SPREAD_K,
            cell_min_degc=cell_degc - _CELL_SPREAD_K,
            max_charge_a=rated_a * container.max_charge_frac(rack.soc_pct),
            max_discharge_a=rated_a * container.max_discharge_frac(rack.soc_pct),
            insulation_kohm=_INSULATION_KOHM,
            alarms=(HOT_RACK_ALARM,) if cell_degc > self._pool.max_degc else (),
        )
