"""The cooling plant in the process image: its controller, its units, and what follows from the units.

Where no controller of the plant is read, ambient, supply temperature and capacity are those of the units. What is
not known of them stays unknown.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from ems.model.cooling_units import CduState, ChillerState, DryCoolerState, Unit, n_available
from ems.model.load import CoolingKind, CoolingPlant, CoolingUnits
from ems.model.readings import CduReading, ChillerReading, CoolingReading, DryCoolerReading, Reading
from ems.model.snapshot import CoolingState

_R = TypeVar("_R", bound=Reading)


class FreshReadings(Protocol):
    """Readings that are young enough, by the asset that they belong to."""

    def of(self, asset: str, kind: type[_R]) -> _R | None:
        """Return the reading of an asset, None if there is no fresh one of that kind."""


def cooling_state(plant: CoolingPlant, fresh: FreshReadings, *, controller: str) -> CoolingState:
    """Return what is known of the plant; `controller` is the asset that its controller serves."""
    reading = fresh.of(controller, CoolingReading)
    cdus = tuple(_cdu(unit, fresh.of(unit, CduReading)) for unit in _ids(plant.cdus))
    chillers = tuple(_chiller(unit, fresh.of(unit, ChillerReading)) for unit in _ids(plant.chillers))
    dry_coolers = tuple(_dry_cooler(unit, fresh.of(unit, DryCoolerReading)) for unit in _ids(plant.dry_coolers))
    ambient_degc = None if reading is None else reading.ambient_degc
    supply_degc = None if reading is None else reading.supply_degc
    capacity_kw_th = None if reading is None else reading.capacity_kw_th
    if ambient_degc is None:
        ambient_degc = _mean(unit.ambient_degc for unit in dry_coolers)
    if supply_degc is None:
        # the racks behind the warmest unit are those in danger
        supply_degc = max((unit.supply_degc for unit in cdus if unit.supply_degc is not None), default=None)
    if capacity_kw_th is None:
        capacity_kw_th = _capacity_kw_th(plant, cdus, chillers, dry_coolers)
    return CoolingState(
        ambient_degc=ambient_degc,
        supply_degc=supply_degc,
        capacity_kw_th=capacity_kw_th,
        cdus=cdus,
        chillers=chillers,
        dry_coolers=dry_coolers,
    )


def _capacity_kw_th(
    plant: CoolingPlant,
    cdus: Sequence[CduState],
    chillers: Sequence[ChillerState],
    dry_coolers: Sequence[DryCoolerState],
) -> float | None:
    """Return the heat of IT that units known to work can take at their nameplates, None where too few are told."""
    taken = _sum_kw_th((plant.cdus, cdus))
    if taken is not None and plant.kind is CoolingKind.LIQUID and plant.liquid_share_frac > 0.0:
        taken /= plant.liquid_share_frac
    given_off = _sum_kw_th((plant.chillers, chillers), (plant.dry_coolers, dry_coolers))
    known = [capacity for capacity in (taken, given_off) if capacity is not None]
    needed = sum(kinds is not None for kinds in (plant.cdus, plant.dry_coolers or plant.chillers))
    return min(known) if known and len(known) == needed else None


def _sum_kw_th(*kinds: tuple[CoolingUnits | None, Sequence[Unit]]) -> float | None:
    """Return what the available units of some kinds can take together, None where none of a kind says anything."""
    total: float | None = None
    for kind, units in kinds:
        if kind is None:
            continue
        count = n_available(units)
        if count is None:
            return None
        total = (total or 0.0) + count * kind.capacity_kw_th
    return total


def _ids(units: CoolingUnits | None) -> tuple[str, ...]:
    return () if units is None else units.unit_ids


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _cdu(unit: str, reading: CduReading | None) -> CduState:
    if reading is None:
        return CduState(id=unit)
    return CduState(
        id=unit,
        supply_degc=reading.supply_degc,
        return_degc=reading.return_degc,
        flow_m3_per_h=reading.flow_m3_per_h,
        heat_kw_th=reading.heat_kw_th,
        setpoint_degc=reading.setpoint_degc,
        running=reading.running,
        leak=reading.leak,
        low_flow=reading.low_flow,
        alarm=reading.alarm,
    )


def _chiller(unit: str, reading: ChillerReading | None) -> ChillerState:
    if reading is None:
        return ChillerState(id=unit)
    return ChillerState(
        id=unit,
        running=reading.running,
        enabled=reading.enabled,
        capacity_pct=reading.capacity_pct,
        supply_degc=reading.supply_degc,
        return_degc=reading.return_degc,
        setpoint_degc=reading.setpoint_degc,
        load_kw=reading.load_kw,
        low_flow=reading.low_flow,
        alarm=reading.alarm,
    )


def _dry_cooler(unit: str, reading: DryCoolerReading | None) -> DryCoolerState:
    if reading is None:
        return DryCoolerState(id=unit)
    return DryCoolerState(
        id=unit,
        fan_pct=reading.fan_pct,
        ambient_degc=reading.ambient_degc,
        supply_degc=reading.supply_degc,
        return_degc=reading.return_degc,
        load_kw=reading.load_kw,
        running=reading.running,
        alarm=reading.alarm,
    )
