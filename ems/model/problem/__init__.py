"""The planning problem: everything the dispatcher may use, as one serialisable value.

Nothing is hidden: what is not in here does not enter the plan. Sequences named per step have shape
(n_steps,). A field with a default may be left out, which switches its feature off. Symbols and equations are those
of docs/formulation.md.
"""

from dataclasses import dataclass, field
from datetime import datetime

from ems.model.problem.genset import (
    ExerciseProblem,
    FuelProblem,
    FuelStock,
    GensetProblem,
    OutWindow,
    PollutantProblem,
    UnitHistory,
)
from ems.model.problem.grid import GRID_MEMBER, DemandProblem, GridProblem, GroupProblem
from ems.model.problem.load import (
    ChillerProblem,
    ColdTankProblem,
    CoolingLineProblem,
    LoadProblem,
    OfferKind,
    OfferProblem,
    OfferRuns,
    ProgressPiece,
)
from ems.model.problem.pv import PvProblem
from ems.model.problem.reserve import Contingency, ContingencyKind, Loss, ReserveClassProblem, ReserveProblem
from ems.model.problem.storage import (
    PoolProblem,
    PowerBySoc,
    Recalibration,
    ThroughputBudget,
    ValuePiece,
    WearPiece,
)
from ems.model.timegrid import TimeGrid

__all__ = [
    "GRID_MEMBER",
    "LEAST_TIME_LIMIT_S",
    "MOST_GAP_FRAC",
    "MOST_THREADS",
    "MOST_TIME_LIMIT_S",
    "SCHEMA",
    "CarbonBudget",
    "ChillerProblem",
    "ColdTankProblem",
    "Contingency",
    "ContingencyKind",
    "CoolingLineProblem",
    "DemandProblem",
    "ExerciseProblem",
    "FuelProblem",
    "FuelStock",
    "GensetProblem",
    "GridProblem",
    "GroupProblem",
    "LoadProblem",
    "Loss",
    "OfferKind",
    "OfferProblem",
    "OfferRuns",
    "OutWindow",
    "PlanningProblem",
    "PollutantProblem",
    "PoolProblem",
    "PowerBySoc",
    "PreviousCommitment",
    "PriceProblem",
    "ProgressPiece",
    "PvProblem",
    "Recalibration",
    "ReserveClassProblem",
    "ReserveProblem",
    "SolveOptions",
    "ThroughputBudget",
    "UnitHistory",
    "ValuePiece",
    "WearPiece",
]

SCHEMA = "planning-problem/2"
# what SolveOptions may hold, in a file and on the command line
MOST_GAP_FRAC = 0.5
LEAST_TIME_LIMIT_S = 0.1
MOST_TIME_LIMIT_S = 86400.0
MOST_THREADS = 64
# the linear relaxation may take this share of the solve's time, and at least this long
_RELAXED_FRAC = 0.25
_LEAST_RELAXED_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceProblem:
    """Prices of the objective that belong to no device."""

    unserved_per_kwh: float
    reserve_per_kwh: float
    floor_per_kwh: float
    limit_per_kwh: float
    co2_per_kg: float = 0.0
    low_load_per_kwh: float = 0.0
    commitment_change: float = 0.0
    # the commitment of this many hours is compared with the previous plan's
    commitment_change_h: float = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonBudget:
    """What the horizon may emit, fuel and import together, and the price of each kilogram beyond it."""

    kgco2e: float
    price_per_kg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviousCommitment:
    """How many units of a class the previous plan had on, per step of this grid; the first steps or all."""

    id: str
    n_on: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveOptions:
    """How hard to try. Commitment is decided in whole units for `integer_h`; beyond, fractions tell the direction."""

    gap_frac: float = 0.005
    time_limit_s: float = 60.0
    integer_h: float = 24.0
    threads: int = 1
    # begin with the previous plan's commitment, repaired
    warm_start: bool = False

    @property
    def relaxed_time_limit_s(self) -> float:
        """Return the time that each of the two solves of a rounded linear relaxation may take."""
        return max(_LEAST_RELAXED_S, _RELAXED_FRAC * self.time_limit_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningProblem:
    """One cycle's problem."""

    schema: str
    id: str
    site_id: str
    currency: str
    created_utc: datetime
    grid: TimeGrid
    load: LoadProblem
    prices: PriceProblem
    pv: tuple[PvProblem, ...] = ()
    pools: tuple[PoolProblem, ...] = ()
    gensets: tuple[GensetProblem, ...] = ()
    fuel: FuelProblem | None = None
    connection: GridProblem | None = None
    groups: tuple[GroupProblem, ...] = ()
    offers: tuple[OfferProblem, ...] = ()
    chillers: ChillerProblem | None = None
    reserve: ReserveProblem = field(default_factory=ReserveProblem)
    carbon_budget: CarbonBudget | None = None
    previous: tuple[PreviousCommitment, ...] = ()
    options: SolveOptions = field(default_factory=SolveOptions)

    @property
    def n_change_steps(self) -> int:
        """Return how many steps are compared with the previous plan's commitment."""
        if not self.previous:
            return 0
        near = sum(offset_h < self.prices.commitment_change_h for offset_h in self.grid.offset_h[:-1])
        return min(near, *(len(commitment.n_on) for commitment in self.previous))

    def available_pv_kw(self, t: int) -> float:
        """Return the median available power of all plants in step t."""
        return sum(plant.available_kw[t] for plant in self.pv)

    def full_it_kw(self, t: int) -> float:
        """Return the IT power of step t with every class of the cluster at what it asks for."""
        return self.load.it_kw[t] + sum(offer.asked_kw(t) for offer in self.offers)

    def demand_kw(self, t: int) -> float:
        """Return the whole site's median demand at the bus in step t, losses included and nothing cut."""
        return self.load.served_kw(t, self.full_it_kw(t))

    def chillers_most_kw(self, t: int) -> float:
        """Return the most that chillers and a charging tank take from the bus in step t beside the cooling lines."""
        chillers = self.chillers
        if chillers is None:
            return 0.0
        charge_kw_th = 0.0 if chillers.tank is None else chillers.tank.max_charge_kw_th
        extra_kw = chillers.base_kw * chillers.n_available + chillers.power_frac[t] * charge_kw_th
        return (1.0 + self.load.site_loss_frac) * extra_kw

    def it_weight_frac(self, t: int) -> float:
        """Return what a kW of IT takes from the bus: itself, auxiliaries, losses, cooling on the chord to full load."""
        slope_frac = self.load.cooling_slope_frac(t, self.full_it_kw(t))
        return (1.0 + self.load.site_loss_frac) * (1.0 + self.load.aux_frac_of_it + slope_frac)

    def load_q90_at(self, t: int) -> float:
        """Return the 0.9 quantile of demand in step t; the median where quantiles are left out."""
        return self.load.load_q90_kw[t] if self.load.load_q90_kw else self.demand_kw(t)

    def reserve_price_of(self, reserve: ReserveClassProblem) -> float:
        """Return the price of a kW that a class lacks for an hour."""
        return self.prices.reserve_per_kwh if reserve.price_per_kwh is None else reserve.price_per_kwh

    def net_q90_at(self, t: int) -> float:
        """Return the 0.9 quantile of load minus PV in step t; the median where quantiles are left out."""
        return self.load.net_q90_kw[t] if self.load.net_q90_kw else self.demand_kw(t) - self.available_pv_kw(t)
