"""What a cycle's totals are decided on, and what they are: known powers, the plan's step, room of the store."""

from dataclasses import dataclass

from ems.control.allocation import sustained_kw
from ems.control.authority import Interval
from ems.control.measurement import Storage
from ems.control.state import Lead
from ems.model.plan import PlanStep
from ems.model.setpoints import Reason
from ems.model.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Totals into the bus; `pv_limit_kw` None leaves PV unlimited.

    `exchange_kw` is the power at the PCC that these totals lead to, import positive, `exchange` what was left to the
    plan there; None off the grid. `led_kw` is what storage is led to, before limits, `handover_kw` of it the way that
    is left of a hand-over; `fed_kw` what is fed forward to it, which made its last step at `stepped_s`. `smoothing_kw`
    is how much more storage gives (less than zero: takes) than it would without the ramp of the connection contract,
    `ramp_short_kw` by how much the exchange misses that ramp.
    """

    battery_kw: float
    gensets_kw: dict[str, float]
    pv_limit_kw: float | None
    import_kw: float | None
    trim_kw: float
    reasons: tuple[Reason, ...]
    exchange_kw: float | None = None
    exchange: Interval | None = None
    led_kw: float | None = None
    handover_kw: float = 0.0
    fed_kw: float | None = None
    stepped_s: float | None = None
    smoothing_kw: float = 0.0
    ramp_short_kw: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """The known powers of a cycle, and its length. `trims` is false where no trim may be drawn from them.

    `taken_kw` is what storage delivers that people have in hand; load and storage are without it.
    """

    load_kw: float
    pv_kw: float
    gensets_kw: float
    storage_kw: float
    grid_kw: float
    dt_s: float
    trims: bool = True
    taken_kw: float = 0.0
    taken: frozenset[str] = frozenset()

    @property
    def net_load_kw(self) -> float:
        """Return load minus PV."""
        return self.load_kw - self.pv_kw


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The plan's step of this cycle; `followed` says whether its commitment is a plan's or the rules' own."""

    step: PlanStep | None
    followed: bool

    @property
    def battery_kw(self) -> float:
        """Return the planned power of all pools, zero without a plan."""
        return 0.0 if self.step is None else sum(pool.power_kw for pool in self.step.pools)

    @property
    def lead(self) -> Lead:
        """Return who leads."""
        if self.step is None:
            return Lead.NONE
        return Lead.PLAN if self.followed else Lead.RULES


def charge_room_kw(site: Site, storage: Storage, *, dt_s: float) -> float:
    """Return what the store can take now: live limits, and the energy up to the top of its window."""
    hold_s = max(site.control.headroom_hold_s, dt_s)
    eff = min((pool.charge_eff_frac for pool in site.batteries), default=1.0)
    return min(storage.max_charge_kw, sustained_kw(storage.max_kwh - storage.stored_kwh, hold_s=hold_s) / eff)


def discharge_room_kw(site: Site, storage: Storage, *, down_to_kwh: float, dt_s: float) -> float:
    """Return what the store can give now without falling below an energy."""
    hold_s = max(site.control.headroom_hold_s, dt_s)
    eff = min((pool.discharge_eff_frac for pool in site.batteries), default=1.0)
    return min(storage.max_discharge_kw, sustained_kw(storage.stored_kwh - down_to_kwh, hold_s=hold_s) * eff)
