"""Gensets and their fuel (E1 to E7)."""

from dataclasses import dataclass

from ems.model.fuel import FuelSegment
from ems.model.problem.values import at
from ems.model.rotation import Rotation


@dataclass(frozen=True, slots=True, kw_only=True)
class OutWindow:
    """Hours from the start of the plan in which a unit may not run: maintenance, rest after a failed start.

    A unit is out in every step that the window touches, and comes back rested: not before its minimum down time has
    passed since the window's beginning.
    """

    start_h: float
    end_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitHistory:
    """One unit at the start: running or not, for how long, whether it may be used, and its run hours so far."""

    id: str
    on: bool
    since_h: float
    available: bool = True
    run_h: float = 0.0
    # of a unit that is on but does not carry load yet
    warm_up_left_h: float = 0.0
    out: tuple[OutWindow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PollutantProblem:
    """A local pollutant of one running unit, on the segments of its fuel curve; `price_per_kg` 0: reported only."""

    id: str
    min_g_per_h: float
    segment_g_per_kwh: tuple[float, ...]
    price_per_kg: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExerciseProblem:
    """A start that is due in [first_step, end_step): a test run, or a run that burns off deposits.

    Units of the class run for `run_h` from that start on, loaded to `min_load_frac` of what they can deliver; 0: any.
    A unit that has rested for `rested_h` starts before the others.
    """

    first_step: int
    end_step: int
    missed_cost: float
    run_h: float = 0.0
    min_load_frac: float = 0.0
    rested_h: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GensetProblem:
    """One class of identical units.

    Series per step that are left out: the rating in every step, no quiet hours.
    """

    id: str
    units: tuple[UnitHistory, ...]
    min_kw: float
    max_kw: float
    min_fuel_l_per_h: float
    segments: tuple[FuelSegment, ...]
    min_up_h: float = 0.0
    min_down_h: float = 0.0
    start_cost: float = 0.0
    # burnt by a start; its price is part of `start_cost`, its CO2 is counted like that of any litre
    start_fuel_l: float = 0.0
    run_wear_cost_per_h: float = 0.0
    # load that one unit accepts within R1; None: all of its headroom
    step_kw: float | None = None
    # lower edge of the economic band of one unit
    band_low_kw: float = 0.0
    carry_h: float = 0.0
    # a starting unit delivers nothing for this long
    warm_up_h: float = 0.0
    # usable power of one unit per step (ambient, altitude, reactive demand)
    usable_kw: tuple[float, ...] = ()
    # units that may run per step in quiet hours
    n_permitted: tuple[int, ...] = ()
    # unit hours that may still be run within the horizon
    permitted_run_h: float | None = None
    exercise: ExerciseProblem | None = None
    # which unit starts and stops first; the interval counts run hours from one service to the next
    rotation: Rotation = Rotation.REST
    service_interval_h: float | None = None
    pollutants: tuple[PollutantProblem, ...] = ()
    # units that may fail to start at the 0.999 quantile (R2)
    n_start_failures: int = 0

    @property
    def step_limit_kw(self) -> float:
        """Return the load that one unit accepts within R1."""
        return self.max_kw if self.step_kw is None else self.step_kw

    @property
    def full_load_l_per_h(self) -> float:
        """Return the fuel rate of one unit at the end of its curve (L/h)."""
        return self.min_fuel_l_per_h + sum(segment.width_kw * segment.fuel_l_per_kwh for segment in self.segments)

    def usable_at(self, t: int) -> float:
        """Return the greatest output of one unit in step t (kW)."""
        return min(self.max_kw, at(self.usable_kw, t, self.max_kw))


@dataclass(frozen=True, slots=True, kw_only=True)
class FuelStock:
    """Diesel in the tank: what is there, what must stay, what fits, and what is delivered at the end of each step.

    Every delivery fits even where nothing is burnt before it.
    """

    stock_l: float
    reserve_l: float
    capacity_l: float
    delivered_l: tuple[float, ...] = ()

    def delivered_at(self, t: int) -> float:
        """Return what is delivered at the end of step t (litres)."""
        return at(self.delivered_l, t, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FuelProblem:
    """Diesel: its price, its carbon, and the stock where it is limited."""

    price_per_l: float
    kgco2e_per_l: float = 0.0
    stock: FuelStock | None = None
