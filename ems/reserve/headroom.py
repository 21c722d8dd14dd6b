"""How much more, or less, a block of storage can deliver for the sustain time."""

from math import inf

from ems.model.units import SECONDS_PER_HOUR
from ems.reserve.operation import StorageUnit


def up_headroom_kw(unit: StorageUnit, *, sustain_s: float) -> float:
    """Return what a block could deliver beyond its present power, sustained by the energy in its cells."""
    by_power = unit.max_discharge_kw - unit.power_kw
    by_energy = unit.usable_kwh * unit.discharge_eff_frac * SECONDS_PER_HOUR / sustain_s if sustain_s else inf
    return max(0.0, min(by_power, by_energy))


def down_headroom_kw(unit: StorageUnit, *, sustain_s: float) -> float:
    """Return how much further towards charging a block could go; what it discharges now needs no room."""
    by_power = unit.max_charge_kw + unit.power_kw
    room_kw = unit.room_kwh / unit.charge_eff_frac * SECONDS_PER_HOUR / sustain_s if sustain_s else inf
    by_energy = max(0.0, unit.power_kw) + room_kw
    return max(0.0, min(by_power, by_energy))
