"""A dispatch plan: per-step values on a time grid, with the reasons and proofs that travel with it."""

from bisect import bisect_right
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum

from ems.model.reason import Reason
from ems.model.units import SECONDS_PER_HOUR


class PlanSource(StrEnum):
    """Which link of the fallback chain made the plan."""

    MILP = "milp"
    SHIFTED = "shifted"
    RELAXED = "relaxed"
    MERIT_ORDER = "merit_order"


class PlanStatus(StrEnum):
    """How good the plan is: optimal within the gap, a checked incumbent, or a fallback."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStep:
    """One battery pool in one step, at the terminals of its transformers."""

    id: str
    charge_kw: float
    discharge_kw: float
    stored_end_kwh: float

    @property
    def power_kw(self) -> float:
        """Return the power into the bus."""
        return self.discharge_kw - self.charge_kw


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantStep:
    """One PV plant in one step: what is used of it."""

    id: str
    power_kw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GensetStep:
    """One genset class in one step; power and fuel are the class's totals."""

    id: str
    n_on: int
    n_started: int
    n_stopped: int
    power_kw: float
    fuel_l_per_h: float
    # the units of the class that run, chosen by their history; empty where counts are fractions
    units_on: tuple[str, ...] = ()
    # of the units that stopped, those that had to leave for maintenance
    n_left: int = 0
    # local pollutants of the class, by name
    pollutants_g_per_h: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferStep:
    """One class of the cluster's offer in one step: its IT power, and what of it was cut or is not served.

    `cut_kw` is taken back within what the class lets the site do; together the three are what it asks for.
    """

    id: str
    power_kw: float
    cut_kw: float = 0.0
    unserved_kw: float = 0.0
    # of a class with minimum runs: the share of its work that runs, and that starts with the step
    running_frac: float | None = None
    started_frac: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChillerStep:
    """Chillers and cold tank in one step; thermal powers of the tank, never both at once."""

    n_on: int
    n_started: int
    heat_kw_th: float
    power_kw: float
    tank_charge_kw_th: float = 0.0
    tank_discharge_kw_th: float = 0.0
    tank_end_kwh_th: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveStep:
    """One reserve requirement in one step: the contingency that leaves the least, and what it leaves."""

    id: str
    contingency: str
    required_kw: float
    held_kw: float
    shortfall_kw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """One step; loads are served power, `net_q90_kw` is the 0.9 quantile of load minus PV.

    `it_kw` is all of the IT power, the cluster's classes in `offers` included.
    """

    start_utc: datetime
    duration_h: float
    it_kw: float
    cooling_kw: float
    aux_kw: float
    loss_kw: float
    pv_kw: float
    pv_available_kw: float
    pv_q10_kw: float
    load_q90_kw: float
    net_q90_kw: float
    import_kw: float
    export_kw: float
    unserved_kw: float
    surplus_kw: float
    pools: tuple[PoolStep, ...]
    gensets: tuple[GensetStep, ...]
    reserve: tuple[ReserveStep, ...] = ()
    # `pv_kw` by plant; empty where a plan does not divide it
    plants: tuple[PlantStep, ...] = ()
    offers: tuple[OfferStep, ...] = ()
    chillers: ChillerStep | None = None
    # stock in the fuel tank at the end of the step, None where it is not limited
    fuel_stock_end_l: float | None = None
    # what one more kWh in this step costs and emits with the commitment as it is; None where it is not known
    marginal_price_per_kwh: float | None = None
    marginal_gco2e_per_kwh: float | None = None
    # limits that the step touches, and why each asset does what it does
    binding: tuple[Reason, ...] = ()
    reasons: tuple[Reason, ...] = ()

    @property
    def end_utc(self) -> datetime:
        """Return the end of the step."""
        return self.start_utc + timedelta(hours=self.duration_h)

    @property
    def load_kw(self) -> float:
        """Return the served load at the bus, site losses included."""
        return self.it_kw + self.cooling_kw + self.aux_kw + self.loss_kw


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveTerms:
    """The objective term by term, in site currency; see docs/formulation.md."""

    energy_import_cost: float = 0.0
    energy_export_cost: float = 0.0
    demand_cost: float = 0.0
    fuel_cost: float = 0.0
    starts_cost: float = 0.0
    genset_wear_cost: float = 0.0
    pollutant_cost: float = 0.0
    battery_wear_cost: float = 0.0
    throughput_budget_cost: float = 0.0
    co2_cost: float = 0.0
    carbon_budget_cost: float = 0.0
    curtailment_cost: float = 0.0
    low_load_cost: float = 0.0
    exercise_cost: float = 0.0
    recalibration_cost: float = 0.0
    chiller_cost: float = 0.0
    job_cost: float = 0.0
    change_cost: float = 0.0
    unserved_cost: float = 0.0
    surplus_cost: float = 0.0
    reserve_cost: float = 0.0
    floor_cost: float = 0.0
    limit_cost: float = 0.0
    missing_cost: float = 0.0
    terminal_value_cost: float = 0.0
    hold_value_cost: float = 0.0

    def terms(self) -> dict[str, float]:
        """Return every term by its name."""
        return {field.name: float(getattr(self, field.name)) for field in fields(self)}

    def total_cost(self) -> float:
        """Return the sum of the terms."""
        return sum(self.terms().values())


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveTimings:
    """Wall and processor seconds of one solve, by phase."""

    build_s: float = 0.0
    handover_s: float = 0.0
    solve_s: float = 0.0
    extract_s: float = 0.0
    build_cpu_s: float = 0.0
    handover_cpu_s: float = 0.0
    solve_cpu_s: float = 0.0
    extract_cpu_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChange:
    """How a plan differs from the one before over the first hours that both cover.

    `n_units_changed` is the most in any step, `unit_change_h` units times hours, `mean_change_kw` the mean of the
    absolute changes of pools, genset classes and grid exchange together.
    """

    compared_h: float
    n_units_changed: int
    unit_change_h: float
    mean_change_kw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan that control may follow once it has passed the independent check."""

    schema: str
    problem_id: str
    site_id: str
    created_utc: datetime
    source: PlanSource
    status: PlanStatus
    gap_frac: float | None
    objective: ObjectiveTerms
    timings: SolveTimings
    steps: tuple[PlanStep, ...]
    relaxed: tuple[str, ...] = ()
    # price of the last kilogram under the carbon budget, None without one
    carbon_shadow_price_per_kg: float | None = None
    # None for a first plan, and where either plan follows no optimum
    change: PlanChange | None = None
    note: str = ""

    @property
    def followed(self) -> bool:
        """Return whether its commitment is a plan's, not the threshold rules' own view of the future."""
        return self.source is not PlanSource.MERIT_ORDER

    def step_at(self, instant: datetime) -> PlanStep | None:
        """Return the step that covers an instant, None outside the plan."""
        index = bisect_right(self.steps, instant, key=lambda step: step.start_utc) - 1
        if index < 0:
            return None
        step = self.steps[index]
        return step if instant < step.end_utc else None

    def age_s(self, now_utc: datetime) -> float:
        """Return seconds since the state from which the plan was made."""
        return (now_utc - self.created_utc).total_seconds()

    def steps_between(self, start: datetime, end: datetime) -> tuple[tuple[PlanStep, float], ...]:
        """Return the steps that overlap [start, end), each with the hours of overlap."""
        overlaps = []
        for step in self.steps:
            if step.start_utc >= end:
                break
            overlap_s = (min(end, step.end_utc) - max(start, step.start_utc)).total_seconds()
            if overlap_s > 0.0:
                overlaps.append((step, overlap_s / SECONDS_PER_HOUR))
        return tuple(overlaps)
