"""A genset's fuel curve as its maker's table: piecewise linear between the points."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

# slopes of a straight table differ by rounding only (L/kWh)
_SLOPE_ROUNDING_L_PER_KWH: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class FuelPoint:
    """Fuel rate at one electrical output of one unit."""

    power_kw: float
    fuel_l_per_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FuelSegment:
    """A stretch of the curve with one marginal consumption."""

    width_kw: float
    fuel_l_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FuelCurve:
    """Fuel rate of one unit against its output; points ascend in power.

    Marginal consumption must rise with output, else the linear dispatch model would fill the segments in
    the wrong order; `__post_init__` refuses such a table.
    """

    points: tuple[FuelPoint, ...]

    def __post_init__(self) -> None:
        if len(self.points) < 2:
            raise ValueError("a fuel curve needs at least two points")
        slopes = [_slope(a, b) for a, b in pairwise(self.points)]
        if min(slopes) <= 0.0 or any(
            later < earlier - _SLOPE_ROUNDING_L_PER_KWH for earlier, later in pairwise(slopes)
        ):
            raise ValueError("the marginal consumption of a fuel curve must be positive and rise with power")

    def fuel_l_per_h(self, power_kw: float) -> float:
        """Return the fuel rate of one running unit; outside the table the end slopes go on."""
        below, above = self.points[0], self.points[1]
        for a, b in pairwise(self.points):
            below, above = a, b
            if power_kw <= b.power_kw:
                break
        return below.fuel_l_per_h + _slope(below, above) * (power_kw - below.power_kw)

    def segments(self, *, min_kw: float, max_kw: float) -> tuple[FuelSegment, ...]:
        """Return the stretches between two outputs, in order of power; none between equal ones."""
        if max_kw <= min_kw:
            return ()
        nodes = [min_kw, *(p.power_kw for p in self.points if min_kw < p.power_kw < max_kw), max_kw]
        return tuple(
            FuelSegment(
                width_kw=b - a,
                fuel_l_per_kwh=(self.fuel_l_per_h(b) - self.fuel_l_per_h(a)) / (b - a),
            )
            for a, b in pairwise(nodes)
        )

    def best_point(self) -> FuelPoint:
        """Return the table point with the fewest litres per kWh."""
        return min(self.points, key=lambda p: p.fuel_l_per_h / p.power_kw)

    def best_fuel_l_per_kwh(self) -> float:
        """Return the specific consumption at the best point."""
        best = self.best_point()
        return best.fuel_l_per_h / best.power_kw


def _slope(a: FuelPoint, b: FuelPoint) -> float:
    if b.power_kw <= a.power_kw:
        raise ValueError("the points of a fuel curve must ascend in power")
    return (b.fuel_l_per_h - a.fuel_l_per_h) / (b.power_kw - a.power_kw)
