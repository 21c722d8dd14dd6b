"""The whole cooling plant: electric power for an IT load at an ambient temperature, and its planning line."""

from dataclasses import dataclass

from ems.model.load import CoolingKind, CoolingPlant
from ems.thermal.chiller import chiller_cop
from ems.thermal.dry_cooler import free_cooling

# pumps and fans follow the load down to this share of speed
_MIN_SPEED_FRAC = 0.5
_SECANT_FRAC = (0.5, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoolingPower:
    """Electric power of the plant by use."""

    pumps_kw: float
    fans_kw: float
    compressors_kw: float

    @property
    def load_kw(self) -> float:
        """Return the total."""
        return self.pumps_kw + self.fans_kw + self.compressors_kw


@dataclass(frozen=True, slots=True, kw_only=True)
class CoolingLine:
    """Cooling power as c0 + c1 * IT power (formulation E17)."""

    c0_kw: float
    c1_frac: float

    def load_kw(self, it_kw: float) -> float:
        """Return the cooling power that the line gives for an IT power, never below zero."""
        return max(0.0, self.c0_kw + self.c1_frac * it_kw)


def cooling_power(plant: CoolingPlant, *, it_kw: float, ambient_degc: float) -> CoolingPower:
    """Return the electric power that removes the heat of an IT load."""
    load_frac = it_kw / plant.design_heat_kw_th
    liquid_frac = plant.liquid_share_frac if plant.kind is CoolingKind.LIQUID else 0.0
    liquid = _branch(
        plant,
        design_kw_th=plant.design_heat_kw_th * liquid_frac,
        load_frac=load_frac,
        ambient_degc=ambient_degc,
        supply_degc=plant.facility_supply_degc,
        chilled_degc=min(plant.trim_supply_max_degc, plant.facility_supply_degc),
        pump_frac=plant.cdu_pump_frac + plant.facility_pump_frac,
        fan_frac=0.0,
    )
    air = _branch(
        plant,
        design_kw_th=plant.design_heat_kw_th * (1.0 - liquid_frac),
        load_frac=load_frac,
        ambient_degc=ambient_degc,
        supply_degc=plant.chilled_supply_degc,
        chilled_degc=plant.chilled_supply_degc,
        pump_frac=plant.chilled_pump_frac,
        fan_frac=plant.room_fan_frac,
    )
    return CoolingPower(
        pumps_kw=liquid.pumps_kw + air.pumps_kw,
        fans_kw=liquid.fans_kw + air.fans_kw,
        compressors_kw=liquid.compressors_kw + air.compressors_kw,
    )


def cooling_line(plant: CoolingPlant, *, ambient_degc: float) -> CoolingLine:
    """Return the secant of the plant's curve between half and full load, with its margin.

    The curve is convex over most of its range, so the secant lies above it there; the margin covers the rest.
    """
    low_kw, high_kw = (frac * plant.design_heat_kw_th for frac in _SECANT_FRAC)
    low = cooling_power(plant, it_kw=low_kw, ambient_degc=ambient_degc).load_kw
    high = cooling_power(plant, it_kw=high_kw, ambient_degc=ambient_degc).load_kw
    slope = (high - low) / (high_kw - low_kw)
    return CoolingLine(c0_kw=low - slope * low_kw, c1_frac=slope + plant.support_margin_frac)


def _branch(
    plant: CoolingPlant,
    *,
    design_kw_th: float,
    load_frac: float,
    ambient_degc: float,
    supply_degc: float,
    chilled_degc: float,
    pump_frac: float,
    fan_frac: float,
) -> CoolingPower:
    """Return the power of one water loop: dry cooler first, chiller for the rest."""
    free = free_cooling(plant, supply_degc=supply_degc, load_frac=load_frac, ambient_degc=ambient_degc)
    speed_cubed = max(load_frac, _MIN_SPEED_FRAC) ** 3
    chilled_kw_th = design_kw_th * load_frac * (1.0 - free.share_frac)
    cop = chiller_cop(plant, leaving_water_degc=chilled_degc, ambient_degc=ambient_degc)
    return CoolingPower(
        pumps_kw=pump_frac * design_kw_th * speed_cubed,
        fans_kw=design_kw_th * (plant.dry_cooler_fan_frac * free.airflow_frac**3 + fan_frac * speed_cubed),
        compressors_kw=chilled_kw_th / cop,
    )
