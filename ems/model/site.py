"""The site: everything that is fixed between two edits of the configuration."""

from dataclasses import dataclass, field

from ems.model.battery import BatteryPool
from ems.model.carbon_budget import CarbonAllowance
from ems.model.genset import FuelTank, GensetClass
from ems.model.grid import FlowGroup, GridConnection
from ems.model.hand import HandRules
from ems.model.load import Auxiliaries, CoolingPlant, ItCluster
from ems.model.modes import ModeSettings, TieRules
from ems.model.problem import Contingency, ContingencyKind
from ems.model.pv import PvPlant
from ems.model.timegrid import GridShape
from ems.model.units import KG_PER_T


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the site lies."""

    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    timezone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowReserve:
    """Parameters of response class R2, within 120 s."""

    sustain_s: float
    pv_drop_frac: float
    # quantile of the net forecast error that is covered, and of the starts that are counted on
    error_quantile_frac: float
    start_quantile_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservePolicy:
    """Parameters of the reserve requirement; see control-and-safety sections 5 and 6 in docs/formulation.md."""

    # which single losses must not interrupt the load
    survive: tuple[ContingencyKind, ...]
    swing_kw: float
    pv_drop_r0_frac: float
    pv_drop_r1_frac: float
    sustain_s: float
    gap_margin_frac: float
    checkpoint_s: float
    checkpoint_load_frac: float
    black_start_kwh: float
    lead_s: float
    # cold start of the net forecast error, until the site's own record exists
    forecast_error_pv_frac: float
    forecast_error_load_frac: float
    # whether curtailed PV counts in R1, and whether E23 is planned within ten seconds too
    curtailed_counts: bool = False
    down_slow: bool = False
    # None: no reserve is planned within 120 s
    r2: SlowReserve | None = None
    # common losses beside the single ones
    contingencies: tuple[Contingency, ...] = ()
    # steady operation keeps this SoC even where the reserve needs less; only people set it, for a time
    least_soc_pct: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Economics:
    """Prices and factors in the site's currency; each has its source in the configuration."""

    currency: str
    diesel_price_per_l: float
    co2_price_per_t: float
    diesel_kgco2e_per_l: float
    site_loss_frac: float
    # price of a PV kWh that is not used
    curtailment_price_per_kwh: float = 0.0
    carbon_budget: CarbonAllowance | None = None

    @property
    def co2_price_per_kg(self) -> float:
        """Return the CO2 price per kilogram."""
        return self.co2_price_per_t / KG_PER_T

    @property
    def fuel_cost_per_l(self) -> float:
        """Return what a burnt litre costs, its CO2 price included."""
        return self.diesel_price_per_l + self.diesel_kgco2e_per_l * self.co2_price_per_kg


@dataclass(frozen=True, slots=True, kw_only=True)
class Penalties:
    """Prices of broken wishes, per kWh or per kW and hour; see docs/formulation.md, slack prices."""

    unserved_price_per_kwh: float
    reserve_price_per_kwh: float
    floor_price_per_kwh: float
    limit_price_per_kwh: float
    low_load_price_per_kwh: float
    commitment_change_cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningSettings:
    """How plans are made."""

    period_s: float
    time_limit_s: float
    gap_frac: float
    shape: GridShape
    integer_h: float
    optimism_frac: float
    max_age_periods: float
    floor_margin_pct: float
    terminal_value_frac: float
    # of the solver, and whether it begins with the previous plan's commitment
    threads: int
    warm_start: bool
    # address space that the worker process may take
    worker_memory_mb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSettings:
    """Constants of the fast loop, all in seconds so that any step length works."""

    period_s: float
    load_filter_s: float
    # None: by the delay of the loop
    trim_gain_frac: float | None
    trim_period_s: float
    deadband_frac: float
    stale_fast_s: float
    stale_slow_s: float
    setpoint_valid_s: float
    heartbeat_s: float
    adopt_wait_s: float
    degraded_clear_s: float
    soc_band_pct: float
    balance_exponent: float
    headroom_hold_s: float
    soc_start_above_floor_pct: float
    soc_stop_above_start_pct: float
    reserve_start_delay_s: float
    contingency_s: float = 900.0
    balance_frac: float = 0.03
    balance_min_kw: float = 100.0
    balance_s: float = 10.0
    soc_jump_pct: float = 2.0
    soc_blend_s: float = 1800.0
    resilience_h: float = 24.0
    # from a setpoint to its power; None: as measured
    loop_delay_s: float | None = None
    # a change of who leads storage moves its whole rating in this time; 0: at once
    handover_s: float = 60.0
    # load up to which one more block is not needed, share of rating (0: all blocks share), and how long a choice stands
    fewest_units_frac: float = 0.05
    fewest_units_s: float = 900.0
    # standard deviation of the PCC's meter
    meter_sigma_kw: float = 0.0
    modes: ModeSettings = field(default_factory=ModeSettings)
    # None: the relays of the PCC breaker close it by themselves
    tie: TieRules | None = None
    hand: HandRules = field(default_factory=HandRules)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The whole site as the product knows it."""

    id: str
    name: str
    place: Place
    it: ItCluster
    cooling: CoolingPlant
    auxiliaries: Auxiliaries
    batteries: tuple[BatteryPool, ...]
    gensets: tuple[GensetClass, ...]
    pv: tuple[PvPlant, ...]
    grid: GridConnection | None
    tank: FuelTank | None
    reserve: ReservePolicy
    economics: Economics
    penalties: Penalties
    planning: PlanningSettings
    control: ControlSettings
    groups: tuple[FlowGroup, ...] = ()

    @property
    def full_kwh(self) -> float:
        """Return the rated energy of all pools."""
        return sum(pool.rated_kwh for pool in self.batteries)

    @property
    def design_load_kw(self) -> float:
        """Return IT design load with auxiliaries, without cooling (which depends on the weather)."""
        return self.it.design_kw * (1.0 + self.auxiliaries.frac_of_it) + self.auxiliaries.constant_kw
