"""What the daemon reports about itself and about the energy it has accounted for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseStatus:
    """What the watchdog is fed by; times are real seconds. `withheld` says why it is not fed now, None while it is."""

    withheld: str | None
    n_withheld: int
    tick_age_s: float
    loop_lag_s: float
    n_attempts: int
    overdue_links: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """A queue with a bound: how much waits in it, how much may, and what was lost since the start."""

    name: str
    n_waiting: int
    length: int
    n_dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkStatus:
    """The forwarding of the history: how much of it has not arrived, None where that is not known, and why not."""

    behind_s: float | None
    trouble: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorianStatistics:
    """What the historian has done since it was made; `trouble` is the present one, None while it works.

    `n_sealed` counts hours (of each part of the points) that were sealed, `set_aside` names files that were put aside.
    """

    n_rows: int
    n_dropped: int
    n_errors: int
    n_waiting: int
    n_sealed: int
    trouble: str | None
    set_aside: tuple[str, ...]
    sink: SinkStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskStatus:
    """The disk of the state directory; `low`: the history pauses. `trouble` is why nothing is known of it.

    `set_aside` are the damaged files that lie there since they could not be read.
    """

    free_frac: float | None = None
    low: bool = False
    ballast: bool = False
    trouble: str | None = None
    set_aside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FootprintStatus:
    """What the process takes; None where the machine does not tell. `over` names what is above its limit."""

    resident_mib: int | None = None
    n_files: int | None = None
    n_threads: int = 0
    n_tasks: int = 0
    disk: DiskStatus = DiskStatus()
    queues: tuple[QueueStatus, ...] = ()
    over: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthStatus:
    """The daemon's own state; process ids let an operator find what to look at."""

    version: str
    started_utc: datetime
    pid: int
    solver_pid: int | None
    n_solver_restarts: int
    speed_frac: float
    stretch_frac: float
    n_ticks: int
    tick_late_s: float
    n_devices: int
    lost_devices: tuple[str, ...]
    troubles: tuple[str, ...]
    pulse: PulseStatus
    footprint: FootprintStatus
    # tasks that fail again and again, with their failures
    failing_tasks: Mapping[str, int]
    # of the lease under which this controller commands; None on a site without one
    epoch: int | None = None
    # nothing is written to any device
    shadow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyTotals:
    """Metered energy since the ledger began, kWh, and diesel in litres."""

    since_utc: datetime
    until_utc: datetime
    pv_kwh: float
    genset_kwh: float
    import_kwh: float
    export_kwh: float
    charge_kwh: float
    discharge_kwh: float
    it_kwh: float
    cooling_kwh: float
    aux_kwh: float
    fuel_l: float
    # fuel and imported energy so far, in site currency; starts, wear and demand are in the reports
    cost: float

    @property
    def delivered_kwh(self) -> float:
        """Return what the loads received."""
        return self.it_kwh + self.cooling_kwh + self.aux_kwh


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonTotals:
    """Emissions since the ledger began, and the source shares of the last closed interval."""

    since_utc: datetime
    until_utc: datetime
    scope1_kgco2e: float
    scope2_kgco2e: float
    ci_operational_gco2e_per_kwh: float | None
    interval_gco2e_per_kwh: float | None
    # share of each source in what the loads received in the last interval, storage traced through
    interval_shares_frac: Mapping[str, float]
    budget: "CarbonBudgetState | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonBudgetState:
    """The running period of the carbon budget: what was emitted since an instant, and what had accrued meanwhile."""

    since_utc: datetime
    kgco2e: float
    accrued_kgco2e: float
    period_kgco2e: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SmoothingCounts:
    """What storage has done for the ramp of the connection contract; see `ems.runtime.smoothing`."""

    given_kwh: float = 0.0
    taken_kwh: float = 0.0
    loss_kwh: float = 0.0
    cost: float = 0.0
    active_h: float = 0.0
    short_h: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCounts:
    """Counts of a run that the topics `reserve`, `guard` and `control` and the demo's summary show."""

    n_ticks: int
    n_clipped_ticks: int
    clips: Mapping[str, int]
    floor_violation_h: float
    reserve_shortfall_h: float
    reserve_binding_h: float
    # cycles in which a class was short, by class and contingency
    shortfalls: Mapping[str, int]
    margin_min_kw: Mapping[str, float]
    soc_start_pct: float | None
    soc_min_pct: float | None
    soc_end_pct: float | None
    n_starts_above_threshold: int
    genset_band_share_frac: float | None
    mode_h: Mapping[str, float]
    # by rule and asset, and the share of the cycles of the last ten minutes by rule
    clips_by_asset: Mapping[str, int] = field(default_factory=dict)
    recent_clips_frac: Mapping[str, float] = field(default_factory=dict)
    smoothing: SmoothingCounts = SmoothingCounts()
    # starts and stops of gensets that control commanded, by cause
    starts_by_cause: Mapping[str, int] = field(default_factory=dict)
    stops_by_cause: Mapping[str, int] = field(default_factory=dict)

    @property
    def clip_tick_frac(self) -> float:
        """Return the share of cycles in which the guard changed something."""
        return self.n_clipped_ticks / self.n_ticks if self.n_ticks else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCounts:
    """How planning went; solve times are real seconds.

    Of the plans that could be compared with the one before: means of the unit hours that differ in the first hours,
    and of the absolute change of powers (see `PlanChange`).
    """

    made: int
    fallback: int
    rejected_by_check: int
    solve_p50_s: float
    solve_p95_s: float
    n_compared: int = 0
    unit_change_h: float = 0.0
    change_kw: float = 0.0
