"""What control remembers from one cycle to the next; replaced as a whole, persisted by the runtime."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ems.model.setpoints import Cause


class Mode(StrEnum):
    """Operating modes after IEEE 2030.7: what the EMS knows and may do."""

    INIT = "init"
    GRID = "grid"
    ISLAND = "island"
    DEGRADED = "degraded"


@dataclass(frozen=True, slots=True, kw_only=True)
class GensetTrack:
    """One set as the sequencer sees it. Times are the monotonic clock's; None: not in that condition."""

    wanted: bool = False
    wanted_since_s: float | None = None
    carries_since_s: float | None = None
    rests_since_s: float | None = None
    failed_until_s: float | None = None
    starts_s: tuple[float, ...] = ()
    cause: Cause | None = None
    power_kw: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledImport:
    """The running billing interval and the highest mean so far in the running billing month.

    Import is counted up to `until_utc`, when it was last known: `last_kw` then, the PCC's counter at `counter_wh`.
    """

    interval_start_utc: datetime | None = None
    interval_kwh: float = 0.0
    month_start_utc: datetime | None = None
    peak_kw: float = 0.0
    until_utc: datetime | None = None
    last_kw: float | None = None
    counter_wh: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredContingency:
    """A loss for whose sake storage may go below its floor, until it ends."""

    reason: str
    since_s: float
    until_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlState:
    """Everything that must survive a cycle."""

    mode: Mode = Mode.INIT
    mode_since_s: float = 0.0
    mode_reason: str = "start"
    last_s: float | None = None
    complete_since_s: float | None = None
    cause_free_since_s: float | None = None
    load_kw: float | None = None
    swing_kw: float = 0.0
    trim_kw: float = 0.0
    import_target_kw: float | None = None
    grid_lost_since_s: float | None = None
    short_since_s: float | None = None
    energy_run: bool = False
    gensets: Mapping[str, GensetTrack] = field(default_factory=dict)
    # cells' energy per block: measured, or integrated since the SoC was last known
    stored_kwh: Mapping[str, float] = field(default_factory=dict)
    block_setpoints_kw: Mapping[str, float] = field(default_factory=dict)
    pv_limits_kw: Mapping[str, float] = field(default_factory=dict)
    billed: BilledImport = field(default_factory=BilledImport)
    # when each block was last full
    full_utc: Mapping[str, datetime] = field(default_factory=dict)
    contingency: DeclaredContingency | None = None
    # assets that a contingency took away and that are not back
    lost: frozenset[str] = frozenset()
