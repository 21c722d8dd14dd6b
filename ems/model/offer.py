"""What a cluster offers: its forecast, and what the site may do with each class of its load (flex-offer/1)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ems.model.problem import OfferKind


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferForecast:
    """Expected IT power of the whole cluster over a stretch of time."""

    start_utc: datetime
    duration_h: float
    load_kw: float

    @property
    def end_utc(self) -> datetime:
        """Return the end of the stretch."""
        return self.start_utc + timedelta(hours=self.duration_h)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressPoint:
    """A point of a shapeable class's curve: share of its full power, share of its full progress."""

    power_frac: float
    progress_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferClass:
    """One class of load. Its value is per kWh at full power, or the penalty of a kWh that is curtailed."""

    id: str
    kind: OfferKind
    now_kw: float
    min_kw: float
    max_kw: float
    value_per_kwh: float = 0.0
    notice_s: float = 0.0
    ramp_kw_per_min: float | None = None
    progress: tuple[ProgressPoint, ...] = ()
    max_slowdown_frac: float | None = None
    energy_kwh: float = 0.0
    deadline_utc: datetime | None = None
    # runs of deferrable work: least run and pause, pauses that are still allowed, energy of a start of all of it
    min_run_h: float = 0.0
    min_pause_h: float = 0.0
    max_pauses: int | None = None
    restart_kwh: float = 0.0
    whole: bool = False
    # since when more, or less, than half of it runs; None: not known
    turned_utc: datetime | None = None
    max_hours_per_day_h: float | None = None

    @property
    def runs(self) -> bool:
        """Return whether at least half of what the class may draw above its least power is drawn now."""
        return self.now_kw - self.min_kw >= 0.5 * (self.max_kw - self.min_kw)


@dataclass(frozen=True, slots=True, kw_only=True)
class FastShed:
    """Power that the cluster gives up within a time, slower steps included."""

    within_s: float
    load_kw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexOffer:
    """One offer, valid until its own limit; firm classes are part of the forecast like all others."""

    cluster_id: str
    seq: int
    issued_utc: datetime
    valid_until_utc: datetime
    forecast: tuple[OfferForecast, ...] = ()
    classes: tuple[OfferClass, ...] = ()
    fast_shed: tuple[FastShed, ...] = ()
    idle_kw: float = 0.0

    @property
    def least_kw(self) -> float:
        """Return the idle cluster and its firm classes, below which no limit goes (cluster contract, 2.4 rule 7)."""
        return self.idle_kw + sum(each.min_kw for each in self.classes if each.kind is OfferKind.FIRM)

    @property
    def notice_s(self) -> float:
        """Return the longest notice that a class needs."""
        return max((each.notice_s for each in self.classes), default=0.0)

    def is_valid_at(self, utc: datetime) -> bool:
        """Return whether the offer may be planned with at an instant."""
        return self.issued_utc <= utc < self.valid_until_utc
