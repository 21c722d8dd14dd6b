"""The public grid at the point of common coupling (PCC)."""

from dataclasses import dataclass
from datetime import datetime

from ems.model.tariff import Tariff


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedOutage:
    """A planned interruption; [start, end) in UTC."""

    start_utc: datetime
    end_utc: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageStatistics:
    """What is known about unplanned interruptions: share of the year without grid, and their length."""

    share_of_year_frac: float
    mean_h: float
    longest_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GridConnection:
    """The connection contract. `export_limit_kw` 0 means that nothing may leave the site."""

    import_limit_kw: float
    export_limit_kw: float
    tariff: Tariff
    outages: OutageStatistics
    announced: tuple[AnnouncedOutage, ...]
    nominal_hz: float
    # without an end announced, ride an outage this long on the store before starting sets (rule 5)
    ride_h: float
    # change of the exchange at the PCC that the contract allows, both ways; None: no limit
    ramp_kw_per_min: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowGroup:
    """A transformer, collector or feeder: its members' power together stays within its limit, either way.

    Members are names of battery pools, genset classes and PV plants, or `grid`.
    """

    id: str
    members: tuple[str, ...]
    limit_kw: float
