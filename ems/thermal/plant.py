"""The whole cooling plant: electric power for an IT load at an ambient temperature, and its support lines."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from ems.model.load import CoolingKind, CoolingPlant
from ems.thermal.chiller import chiller_cop
from ems.thermal.dry_cooler import free_cooling, free_cooling_edges_frac

# pumps and fans follow the load down to this share of speed
_MIN_SPEED_FRAC = 0.5
# loads at which the curve is sampled, as shares of design; the first stands for the idle plant
_SAMPLES_FRAC = (1e-3, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)
# below this share of design the support lines may lie lower: no cluster runs there for long
_LEAST_FRAC = 0.25
_MAX_LINES = 4
# a jump of the curve is sampled on both sides, this far from it
_BESIDE_FRAC = 1e-4
# a line that would be higher by less than this share of design adds nothing
_SAME_LINE_FRAC = 5e-4


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
    """A support line of the plant's curve: cooling power is at least c0 + c1 * IT power (formulation E17)."""

    c0_kw: float
    c1_frac: float

    def load_kw(self, it_kw: float) -> float:
        """Return the cooling power that the line gives for an IT power."""
        return self.c0_kw + self.c1_frac * it_kw


@dataclass(frozen=True, slots=True, kw_only=True)
class ChilledHeat:
    """The part of the heat that chillers remove, and the electricity that a kW of it takes (1 / COP)."""

    heat_kw_th: float
    power_frac: float


class _Branch(NamedTuple):
    """One water loop: its power, and the heat that its chiller removes."""

    power: CoolingPower
    chilled_kw_th: float


class _Point(NamedTuple):
    it_kw: float
    load_kw: float


def cooling_power(plant: CoolingPlant, *, it_kw: float, ambient_degc: float) -> CoolingPower:
    """Return the electric power that removes the heat of an IT load."""
    liquid, air = _branches(plant, it_kw=it_kw, ambient_degc=ambient_degc)
    return CoolingPower(
        pumps_kw=liquid.power.pumps_kw + air.power.pumps_kw,
        fans_kw=liquid.power.fans_kw + air.power.fans_kw,
        compressors_kw=liquid.power.compressors_kw + air.power.compressors_kw,
    )


def chilled_heat(plant: CoolingPlant, *, it_kw: float, ambient_degc: float) -> ChilledHeat:
    """Return what of the heat of an IT load the chillers remove at an ambient temperature.

    Where they remove none, the electricity of a kW is that of chilled water for the room air.
    """
    branches = _branches(plant, it_kw=it_kw, ambient_degc=ambient_degc)
    heat_kw_th = sum(branch.chilled_kw_th for branch in branches)
    if heat_kw_th <= 0.0:
        cop = chiller_cop(plant, leaving_water_degc=plant.chilled_supply_degc, ambient_degc=ambient_degc)
        return ChilledHeat(heat_kw_th=0.0, power_frac=1.0 / cop)
    return ChilledHeat(
        heat_kw_th=heat_kw_th, power_frac=sum(branch.power.compressors_kw for branch in branches) / heat_kw_th
    )


def _branches(plant: CoolingPlant, *, it_kw: float, ambient_degc: float) -> tuple[_Branch, _Branch]:
    """Return both loops at an IT load: that of the cold plates, and that of the room air."""
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
    return liquid, air


def cooling_lines(plant: CoolingPlant, *, ambient_degc: float) -> tuple[CoolingLine, ...]:
    """Return lines whose highest follows the plant's curve from the idle plant to design load.

    They are secants of the curve's lower convex hull, at most four of them. Where the fans of a dry cooler start all
    at once the curve is not convex: there the lines are raised until they lie no more than `support_margin_frac` of
    the IT power below it.
    """
    points = _sampled(plant, ambient_degc)
    lines = _best_lines(_hull(points), points)
    miss_kw = max(
        point.load_kw - _highest(lines, point.it_kw) - plant.support_margin_frac * point.it_kw
        for point in points
        if point.it_kw >= _LEAST_FRAC * plant.design_heat_kw_th
    )
    raise_kw = max(0.0, miss_kw)
    return tuple(CoolingLine(c0_kw=line.c0_kw + raise_kw, c1_frac=line.c1_frac) for line in lines)


def _sampled(plant: CoolingPlant, ambient_degc: float) -> list[_Point]:
    """Return points of the curve, those included at which a dry cooler starts or reaches its limit."""
    loops = (plant.facility_supply_degc, plant.chilled_supply_degc)
    kinks = [
        frac
        for supply_degc in loops
        for edge_frac in free_cooling_edges_frac(plant, supply_degc=supply_degc, ambient_degc=ambient_degc)
        for frac in (edge_frac - _BESIDE_FRAC, edge_frac + _BESIDE_FRAC)
        if _LEAST_FRAC <= frac <= 1.0
    ]
    loads_kw = [frac * plant.design_heat_kw_th for frac in sorted({*_SAMPLES_FRAC, *kinks})]
    return [_Point(kw, cooling_power(plant, it_kw=kw, ambient_degc=ambient_degc).load_kw) for kw in loads_kw]


def _hull(points: list[_Point]) -> list[_Point]:
    """Return the corners of the lower convex hull (Andrew's monotone chain)."""
    hull: list[_Point] = []
    for point in points:
        while len(hull) > 1 and _slope(hull[-2], point) <= _slope(hull[-2], hull[-1]):
            hull.pop()
        hull.append(point)
    return hull


def _best_lines(hull: list[_Point], points: list[_Point]) -> list[CoolingLine]:
    """Return the outer sides of the hull and those that follow it best between them, by rising slope."""
    sides = [_side(*pair) for pair in pairwise(hull)]
    chosen = list(dict.fromkeys((sides[0], sides[-1])))
    while len(chosen) < _MAX_LINES:
        gain_kw, best = max(
            (max(side.load_kw(point.it_kw) - _highest(chosen, point.it_kw) for point in points), number)
            for number, side in enumerate(sides)
        )
        if gain_kw <= _SAME_LINE_FRAC * points[-1].it_kw:
            break
        chosen.append(sides[best])
    return sorted(chosen, key=lambda line: line.c1_frac)


def _side(start: _Point, end: _Point) -> CoolingLine:
    slope = _slope(start, end)
    return CoolingLine(c0_kw=start.load_kw - slope * start.it_kw, c1_frac=slope)


def _slope(start: _Point, end: _Point) -> float:
    return (end.load_kw - start.load_kw) / (end.it_kw - start.it_kw)


def _highest(lines: Iterable[CoolingLine], it_kw: float) -> float:
    return max(line.load_kw(it_kw) for line in lines)


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
) -> _Branch:
    """Return one water loop: dry cooler first, chiller for the rest."""
    free = free_cooling(plant, supply_degc=supply_degc, load_frac=load_frac, ambient_degc=ambient_degc)
    speed_cubed = max(load_frac, _MIN_SPEED_FRAC) ** 3
    chilled_kw_th = design_kw_th * load_frac * (1.0 - free.share_frac)
    cop = chiller_cop(plant, leaving_water_degc=chilled_degc, ambient_degc=ambient_degc)
    power = CoolingPower(
        pumps_kw=pump_frac * design_kw_th * speed_cubed,
        fans_kw=design_kw_th * (plant.dry_cooler_fan_frac * free.airflow_frac**3 + fan_frac * speed_cubed),
        compressors_kw=chilled_kw_th / cop,
    )
    return _Branch(power, chilled_kw_th)
