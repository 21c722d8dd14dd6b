"""The planning problem: everything the dispatcher may use, as one serialisable value.

Nothing is hidden: what is not in here does not enter the plan. Sequences named per step have shape
(n_steps,). Symbols and equations are those of docs/formulation.md.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ems.model.fuel import FuelSegment
from ems.model.timegrid import TimeGrid

SCHEMA = "planning-problem/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadProblem:
    """Demand per step: firm IT power, the cooling line c0 + c1 * it, and auxiliaries."""

    it_kw: tuple[float, ...]
    cooling_c0_kw: tuple[float, ...]
    cooling_c1_frac: tuple[float, ...]
    aux_constant_kw: tuple[float, ...]
    aux_frac_of_it: float
    site_loss_frac: float
    # demand of the whole site at its 0.9 quantile, losses included
    load_q90_kw: tuple[float, ...]
    # 0.9 quantile of load minus available PV, both errors together
    net_q90_kw: tuple[float, ...]
    # the largest block that may vanish at once (down reserve)
    largest_block_kw: float

    def cooling_kw(self, t: int, it_kw: float) -> float:
        """Return the cooling power of a served IT power in step t (E17)."""
        return self.cooling_c0_kw[t] + self.cooling_c1_frac[t] * it_kw

    def aux_kw(self, t: int, it_kw: float) -> float:
        """Return the auxiliaries of a served IT power in step t."""
        return self.aux_frac_of_it * it_kw + self.aux_constant_kw[t]

    def demand_kw(self, t: int) -> float:
        """Return the whole site's median demand at the bus in step t, losses included."""
        it_kw = self.it_kw[t]
        return (1.0 + self.site_loss_frac) * (it_kw + self.cooling_kw(t, it_kw) + self.aux_kw(t, it_kw))


@dataclass(frozen=True, slots=True, kw_only=True)
class PvProblem:
    """One PV plant: available power at the bus per step, its 0.1 quantile, and its equal blocks."""

    id: str
    n_blocks: int
    available_kw: tuple[float, ...]
    available_q10_kw: tuple[float, ...]
    frequency_watt_credit_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuePiece:
    """A stretch of stored energy with one value; pieces are listed from the most valued."""

    width_kwh: float
    value_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolProblem:
    """One battery pool of `n_blocks` available equal blocks; powers and energies are the pool's totals."""

    id: str
    n_blocks: int
    max_charge_kw: tuple[float, ...]
    max_discharge_kw: tuple[float, ...]
    full_kwh: float
    stored_kwh: float
    min_stored_kwh: float
    max_stored_kwh: float
    charge_eff_frac: float
    discharge_eff_frac: float
    self_discharge_frac_per_h: float
    # drawn from the cells while the pool is in operation
    no_load_kw: float
    wear_cost_per_kwh: float
    terminal_value: tuple[ValuePiece, ...]
    # what a kWh above the floor is worth per hour of being there (expected cost of an outage); may be empty
    hold_value_per_h: tuple[ValuePiece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitHistory:
    """One unit at the start: running or not, for how long, and whether it may be used."""

    id: str
    on: bool
    since_h: float
    available: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GensetProblem:
    """One class of identical units."""

    id: str
    units: tuple[UnitHistory, ...]
    min_kw: float
    max_kw: float
    min_fuel_l_per_h: float
    segments: tuple[FuelSegment, ...]
    min_up_h: float
    min_down_h: float
    start_cost: float
    run_wear_cost_per_h: float
    step_kw: float
    band_low_kw: float
    carry_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FuelProblem:
    """Diesel: its price and its carbon."""

    price_per_l: float
    kgco2e_per_l: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandProblem:
    """One billing month inside the horizon: its steps, the peak that is paid anyway, the running interval.

    `running_kwh` was imported in the first `running_h` of the billing interval that holds the grid's start.
    """

    first_step: int
    end_step: int
    price_per_kw: float
    floor_kw: float
    running_kwh: float
    running_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GridProblem:
    """The connection per step; `connected` is 0 or 1."""

    import_limit_kw: tuple[float, ...]
    export_limit_kw: tuple[float, ...]
    connected: tuple[int, ...]
    price_per_kwh: tuple[float, ...]
    export_price_per_kwh: tuple[float, ...]
    kgco2e_per_kwh: tuple[float, ...]
    demand: tuple[DemandProblem, ...]


class ContingencyKind(StrEnum):
    """What is lost."""

    NOTHING = "nothing"
    GRID = "grid"
    GENSET = "genset"
    BLOCK = "block"
    PV_BLOCK = "pv_block"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contingency:
    """A loss that the site must survive; `member` is the class, pool or plant that loses one unit or block."""

    id: str
    kind: ContingencyKind
    member: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveClassProblem:
    """One response class: variation to be covered beside each loss, without the PV drop."""

    id: str
    gensets_count: bool
    variation_kw: tuple[float, ...]
    pv_drop_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveProblem:
    """All reserve requirements; an empty `classes` switches the rows off."""

    classes: tuple[ReserveClassProblem, ...]
    contingencies: tuple[Contingency, ...]
    # E_res without and with the lead energy that is held while no set runs (E24)
    floor_kwh: tuple[float, ...]
    lead_kwh: tuple[float, ...]
    # how long storage must sustain its headroom, up and down
    sustain_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceProblem:
    """Prices of the objective that belong to no device."""

    co2_per_kg: float
    unserved_per_kwh: float
    reserve_per_kwh: float
    floor_per_kwh: float
    limit_per_kwh: float
    low_load_per_kwh: float
    commitment_change: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviousCommitment:
    """How many units of a class the previous plan had on, per step of this grid."""

    id: str
    n_on: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveOptions:
    """How hard to try. Commitment is decided in whole units for `integer_h`; beyond, fractions tell the direction."""

    gap_frac: float
    time_limit_s: float
    integer_h: float


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
    pv: tuple[PvProblem, ...]
    pools: tuple[PoolProblem, ...]
    gensets: tuple[GensetProblem, ...]
    fuel: FuelProblem | None
    connection: GridProblem | None
    reserve: ReserveProblem
    prices: PriceProblem
    previous: tuple[PreviousCommitment, ...]
    options: SolveOptions

    def available_pv_kw(self, t: int) -> float:
        """Return the median available power of all plants in step t."""
        return sum(plant.available_kw[t] for plant in self.pv)
