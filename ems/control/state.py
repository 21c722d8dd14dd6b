"""What control remembers from one cycle to the next; replaced as a whole, persisted by the runtime."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ems.control.fewest import Working
from ems.model.cluster import ShedOrder
from ems.model.setpoints import Cause


class Mode(StrEnum):
    """Operating modes after IEEE 2030.7; `ems.control.modes.table` says what each may do and how it ends."""

    INIT = "init"
    GRID = "grid"
    PLANNED_ISLANDING = "planned_islanding"
    UNPLANNED_ISLANDING = "unplanned_islanding"
    ISLAND = "island"
    RESYNC = "resync"
    DEAD_BUS = "dead_bus"
    BLACK_START = "black_start"
    DEGRADED = "degraded"
    E_STOP = "e_stop"

    @property
    def is_parallel(self) -> bool:
        """Return whether the site is measured to run parallel to the grid, which carries what the units leave."""
        return self in (Mode.GRID, Mode.PLANNED_ISLANDING)

    @property
    def may_plan(self) -> bool:
        """Return whether the measured state is one that a plan can begin with."""
        return self not in (Mode.INIT, Mode.DEGRADED, Mode.E_STOP)


class Forming(StrEnum):
    """What holds voltage and frequency of the bus, as measured."""

    GRID = "grid"
    PCS = "pcs"
    GENSET = "genset"
    NONE = "none"


class Lead(StrEnum):
    """Who says what storage does: a plan that is followed, the rules' own plan, or nobody."""

    PLAN = "plan"
    RULES = "rules"
    NONE = "none"


class BlackStartStep(StrEnum):
    """The steps of a black start in their order; each is confirmed by measurement before the next begins."""

    ENERGISE = "energise"
    CONTROLS = "controls"
    COOLING = "cooling"
    RACKS = "racks"
    PV = "pv"
    GENSETS = "gensets"
    DONE = "done"


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
    # it is not known whether the set carries load
    unheard_since_s: float | None = None


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
class ResyncTrack:
    """Attempts to return to the grid: those of the last hour, how many failed in a row, when the last one ended.

    `match_kw` is how far the forming units' setpoints are shifted to match the grid's frequency.
    """

    tries_s: tuple[float, ...] = ()
    n_failed: int = 0
    ended_s: float | None = None
    match_kw: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackStartTrack:
    """Where a black start is: its step, since when, which try, and whether an operator has to release another."""

    step: BlackStartStep = BlackStartStep.ENERGISE
    since_s: float | None = None
    n_tries: int = 0
    hold: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShedTrack:
    """The shed that the cluster is asked for, None: none; since when its cause is away, and when power was given back.

    Times are the monotonic clock's.
    """

    order: ShedOrder | None = None
    calm_since_s: float | None = None
    stepped_s: float | None = None
    n_orders: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlState:
    """Everything that must survive a cycle.

    `held_since_s` has the conditions of the mode table that hold now, each with the time since when.
    `islanding_refusal` is why a planned islanding is not begun; None: nothing speaks against it, or it is not known.
    """

    mode: Mode = Mode.INIT
    mode_since_s: float = 0.0
    mode_reason: str = "start"
    last_s: float | None = None
    held_since_s: Mapping[str, float] = field(default_factory=dict)
    load_kw: float | None = None
    swing_kw: float = 0.0
    trim_kw: float = 0.0
    import_target_kw: float | None = None
    # the exchange from which the contract's ramp goes on; None: from the measured one
    exchange_kw: float | None = None
    # what was fed forward to storage, and when that last stepped
    fed_kw: float | None = None
    stepped_s: float | None = None
    # who led storage to what, and the way that is left of the last hand-over
    lead: Lead | None = None
    led_kw: float | None = None
    handover_kw: float = 0.0
    # the blocks that people had in hand in the cycle before, and what they delivered
    taken: frozenset[str] = frozenset()
    taken_kw: float = 0.0
    # the blocks that share the storage power
    working: Working = field(default_factory=Working)
    # from setpoint to power, as measured; None: too few steps seen
    loop_delay_s: float | None = None
    grid_lost_since_s: float | None = None
    short_since_s: float | None = None
    energy_run: bool = False
    gensets: Mapping[str, GensetTrack] = field(default_factory=dict)
    # cells' energy per block: measured, or integrated since the SoC was last known
    stored_kwh: Mapping[str, float] = field(default_factory=dict)
    block_setpoints_kw: Mapping[str, float] = field(default_factory=dict)
    pv_limits_kw: Mapping[str, float] = field(default_factory=dict)
    billed: BilledImport = field(default_factory=BilledImport)
    e_stop_latched: bool = False
    islanding_refusal: str | None = None
    # a planned islanding that has timed out is not tried again before
    planned_until_s: float | None = None
    exchange_small_since_s: float | None = None
    resync: ResyncTrack = field(default_factory=ResyncTrack)
    black_start: BlackStartTrack = field(default_factory=BlackStartTrack)
    # when each block was last full
    full_utc: Mapping[str, datetime] = field(default_factory=dict)
    contingency: DeclaredContingency | None = None
    # assets that a contingency took away and that are not back
    lost: frozenset[str] = frozenset()
    shed: ShedTrack = field(default_factory=ShedTrack)
