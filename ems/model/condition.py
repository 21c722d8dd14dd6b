"""The measured state from which a plan starts, and the beliefs about the time after it."""

from dataclasses import dataclass, field
from datetime import datetime

from ems.model.bounds import Bound
from ems.model.carbon_budget import CarbonSpent
from ems.model.cluster import ClusterCondition
from ems.model.forecast import LoadForecast, PriceForecast, PvForecast, SignalForecast
from ems.model.offer import FlexOffer
from ems.model.problem import UnitHistory


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolCondition:
    """A battery pool as measured: its usable blocks, their energy and limits together."""

    id: str
    n_blocks: int
    stored_kwh: float
    full_kwh: float
    max_charge_kw: float
    max_discharge_kw: float
    # of the hottest cell; None: not known
    cell_max_degc: float | None = None
    # how long ago the pool was last full; None: not known, so a full charge is due
    full_since_h: float | None = None
    # energy that the emptiest racks keep from being discharged, and room that the fullest keep from being charged
    spread_below_kwh: float = 0.0
    spread_above_kwh: float = 0.0
    # how far racks of one container are apart in SoC; None: no device tells
    rack_spread_pct: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GensetCondition:
    """A genset class as measured: each unit with its history."""

    id: str
    units: tuple[UnitHistory, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GridCondition:
    """The connection as measured; `lost_h` is how long it has been open, None while it is closed.

    `running_kwh` was imported in the first `running_h` of the running billing interval.
    """

    lost_h: float | None
    peak_so_far_kw: float
    running_kwh: float
    running_h: float
    # exchange at the PCC now, import positive; None: not known
    exchange_kw: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChillerCondition:
    """The chillers as measured: how many of them work, and how many run."""

    n_available: int
    n_on: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCondition:
    """The whole site at one instant."""

    utc: datetime
    pools: tuple[PoolCondition, ...]
    gensets: tuple[GensetCondition, ...]
    grid: GridCondition | None
    # the cluster's newest offer that is valid at `utc`
    offer: FlexOffer | None = None
    # what was promised to the cluster, and the shed that it has proven
    cluster: ClusterCondition = field(default_factory=ClusterCondition)
    # diesel in the tank; None: not known, or no tank
    tank_l: float | None = None
    # emitted in the running period of the carbon budget; None: no budget, or nothing counted yet
    carbon: CarbonSpent | None = None
    # None: none is read, or none tells whether it runs
    chillers: ChillerCondition | None = None
    # what people have narrowed for a time
    bounds: tuple[Bound, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Forecasts for one plan; the ratios correct the cooling and auxiliary models by what was measured."""

    it: LoadForecast
    pv: tuple[PvForecast, ...]
    ambient_degc: SignalForecast
    carbon_kgco2e_per_kwh: SignalForecast | None
    cooling_ratio_frac: float
    aux_ratio_frac: float
    # how far load exceeds its forecast and each plant falls short of it at the lead of a set's start, at the quantile
    # of class R2, as shares of the forecast; None, or left out: no record yet
    load_error_frac: float | None = None
    pv_error_frac: tuple[float | None, ...] = ()
    # of a real-time tariff; None, and beyond its end: the contract's time-of-use prices
    prices: PriceForecast | None = None
