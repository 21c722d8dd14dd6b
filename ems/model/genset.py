"""Diesel gensets: classes of identical units, and the fuel tank that feeds them."""

from dataclasses import dataclass
from datetime import datetime
from math import ceil, inf, sqrt
from typing import Final

from ems.model.fuel import FuelCurve
from ems.model.genset_rules import Derating, Exercise, FuelDelivery, Maintenance, Pollutant, QuietHours
from ems.model.rotation import Rotation, RotationRule
from ems.model.units import SECONDS_PER_HOUR

# the meter's error must not push a set at the edge out of its band
_BAND_EDGE_FRAC: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class GensetClass:
    """Identical units; powers are electrical output of one unit at its bus breaker."""

    id: str
    unit_ids: tuple[str, ...]
    rated_kw: float
    min_stable_kw: float
    band_low_frac: float
    band_high_frac: float
    fuel: FuelCurve
    ramp_frac_per_s: float
    # share of rated power that a running unit accepts in one step (ISO 8528-5, maker's load acceptance)
    step_frac: float
    min_up_h: float
    min_down_h: float
    max_starts_per_h: float
    detect_s: float
    crank_s: float
    rest_s: float
    attempts: int
    start_s: float
    sync_s: float
    start_timeout_s: float
    cooldown_s: float
    start_fuel_l: float
    start_wear_cost: float
    run_wear_cost_per_h: float
    start_failure_frac: float
    # whether a running unit follows a power that is commanded; else its own governor and load sharing decide
    takes_power: bool = True
    # what a running unit that takes no power carries by its own setting; None: what load sharing leaves to it
    base_load_frac: float | None = None
    # run without load after a start, before it may carry any
    warm_up_s: float = 0.0
    derating: Derating | None = None
    # apparent power of alternator and transformer; None: as much as the rating needs
    apparent_kva: float | None = None
    reactive_kvar: float = 0.0
    pollutants: tuple[Pollutant, ...] = ()
    exercise: Exercise | None = None
    quiet: tuple[QuietHours, ...] = ()
    # unit hours of the whole class in 24 h; None: no limit
    daily_run_h: float | None = None
    rotation: Rotation = Rotation.REST
    service_interval_h: float | None = None
    # starts that are commanded beside those needed when the grid is lost; one more where a unit has rested this long
    n_spare_starts: int = 1
    stale_rest_h: float = 720.0
    # a running unit that is not heard for this long counts no more: another one starts in its place
    unheard_s: float = 30.0
    # a unit that has run for this long without a break is told; None: never
    max_run_h: float | None = None
    maintenance: tuple[Maintenance, ...] = ()

    @property
    def rotation_rule(self) -> RotationRule:
        """Return the rule by which units start and stop first."""
        return RotationRule(
            rotation=self.rotation,
            service_interval_h=self.service_interval_h,
            exercise_due_h=None if self.exercise is None else self.exercise.every_h,
        )

    @property
    def base_load_kw(self) -> float | None:
        """Return what a running unit carries by its own setting, None where that is not fixed."""
        return None if self.base_load_frac is None else self.base_load_frac * self.rated_kw

    @property
    def most_kw(self) -> float:
        """Return what a running unit can carry: the rating, or its own base load."""
        return self.rated_kw if self.base_load_kw is None else self.base_load_kw

    @property
    def economic_high_kw(self) -> float:
        """Return the load that a unit is counted with: the upper edge of the economic band, or its own base load."""
        return self.band_high_frac * self.rated_kw if self.base_load_kw is None else self.base_load_kw

    def in_band(self, measured_kw: float) -> bool:
        """Return whether a unit's measured power lies in the economic band, at whose edges the meter may err."""
        load = measured_kw / self.rated_kw
        return self.band_low_frac - _BAND_EDGE_FRAC <= load <= self.band_high_frac + _BAND_EDGE_FRAC

    @property
    def warm_up_h(self) -> float:
        """Return the warm-up in hours."""
        return self.warm_up_s / SECONDS_PER_HOUR

    def usable_kw(self, ambient_degc: float) -> float:
        """Return what one unit can deliver in hot air and beside its reactive power: sqrt(S^2 - Q^2)."""
        hot_k = 0.0 if self.derating is None else max(0.0, ambient_degc - self.derating.above_degc)
        lost_frac = 0.0 if self.derating is None else min(1.0, hot_k * self.derating.frac_per_k)
        apparent_kva = inf if self.apparent_kva is None else self.apparent_kva
        electrical_kw = inf if apparent_kva == inf else sqrt(max(0.0, apparent_kva**2 - self.reactive_kvar**2))
        return min((1.0 - lost_frac) * self.rated_kw, electrical_kw)

    def in_maintenance(self, unit_id: str, utc: datetime) -> bool:
        """Return whether planned work holds a unit out."""
        return any(work.unit_id == unit_id and work.start_utc <= utc < work.end_utc for work in self.maintenance)

    @property
    def n_units(self) -> int:
        """Return the number of units."""
        return len(self.unit_ids)

    @property
    def total_kw(self) -> float:
        """Return the rated power of all units."""
        return self.rated_kw * self.n_units

    @property
    def ramp_s(self) -> float:
        """Return the time from no load to rated power."""
        return 1.0 / self.ramp_frac_per_s

    @property
    def fix_s(self) -> float:
        """Return t_fix: detection to synchronised, with every attempt but the last one failed."""
        retries = (self.attempts - 1) * (self.crank_s + self.rest_s)
        return self.detect_s + retries + self.start_s + self.sync_s

    @property
    def carry_s(self) -> float:
        """Return t_carry: start command to carrying load."""
        return self.fix_s + self.ramp_s

    @property
    def first_attempt_s(self) -> float:
        """Return detection to rated load where the first attempt to start succeeds."""
        return self.detect_s + self.start_s + self.sync_s + self.ramp_s

    @property
    def carry_h(self) -> float:
        """Return t_carry in hours."""
        return self.carry_s / SECONDS_PER_HOUR

    def sets_to_carry(self, load_kw: float) -> int:
        """Return how many units carry a load inside the economic band; 0 for no load.

        The fewest units whose upper band edge (or base load) covers the load; one unit where the load is below it.
        """
        if load_kw <= 0.0:
            return 0
        n_units = ceil(load_kw / self.economic_high_kw - 1e-9)
        return min(n_units, self.n_units)

    def economic_kw(self, *, fuel_cost_per_l: float) -> float:
        """Return the output with the lowest running cost per kWh, wear of run hours included.

        The cost per kWh of a piecewise linear curve plus a constant is lowest at one of its points.
        """
        candidates = [p.power_kw for p in self.fuel.points if self.min_stable_kw <= p.power_kw <= self.rated_kw]
        return min(candidates, key=lambda kw: self.running_cost_per_h(kw, fuel_cost_per_l=fuel_cost_per_l) / kw)

    def running_cost_per_h(self, power_kw: float, *, fuel_cost_per_l: float) -> float:
        """Return fuel (with its CO2 price inside `fuel_cost_per_l`) and wear of one running unit."""
        return self.fuel.fuel_l_per_h(power_kw) * fuel_cost_per_l + self.run_wear_cost_per_h


@dataclass(frozen=True, slots=True, kw_only=True)
class FuelTank:
    """Diesel in stock and how it is refilled."""

    capacity_l: float
    reserve_l: float
    order_below_l: float
    delivery_l: float
    max_deliveries_per_day: int
    lead_time_h: float
    deliveries: tuple[FuelDelivery, ...] = ()
