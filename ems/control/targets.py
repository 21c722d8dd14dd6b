"""Total powers of the cycle: gensets, PV limit, grid, storage; feed-forward first, trim second.

On the grid, storage follows the plan and the grid takes the forecast error as long as import stays between zero
and what the billing interval allows; beyond, storage takes it. Islanded, the forming units carry what is left
anyway; their setpoints are the droop offsets that keep frequency at nominal, and gensets are steered only when
the store has left the plan's band.
"""

from dataclasses import dataclass
from datetime import timedelta
from math import exp

from ems.control.allocation import share_equally, sustained_kw
from ems.control.balance import tolerance_kw
from ems.control.import_limit import allowed_import_kw
from ems.control.measurement import Storage
from ems.control.state import ControlState, Mode
from ems.model.genset import GensetClass
from ems.model.grid import GridConnection
from ems.model.plan import PlanStep
from ems.model.setpoints import Cause, Reason
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from ems.model.units import SECONDS_PER_HOUR, frac

# import that is kept as a margin where nothing may be exported, share of the load
_NO_EXPORT_MARGIN_FRAC = 0.02
# the gain that a step longer than the trim's period may reach: the loop is then one step of delay long
_MAX_TRIM_GAIN = 0.3
_TRIM_DECAY_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Totals into the bus; `pv_limit_kw` None leaves PV unlimited."""

    battery_kw: float
    gensets_kw: dict[str, float]
    pv_limit_kw: float | None
    import_kw: float | None
    trim_kw: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """The known powers of a cycle, and its length."""

    load_kw: float
    pv_kw: float
    gensets_kw: float
    storage_kw: float
    grid_kw: float
    dt_s: float

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


def decide_targets(
    site: Site,
    snapshot: SiteSnapshot,
    course: Course,
    storage: Storage,
    flows: Flows,
    state: ControlState,
) -> Targets:
    """Return the totals of this cycle."""
    room_kw = charge_room_kw(site, storage, dt_s=flows.dt_s)
    if state.mode.is_parallel and site.grid is not None:
        return _on_grid(site, site.grid, snapshot, course, storage, flows, state, room_kw=room_kw)
    trim_kw = _island_trim(site, snapshot, course, storage, flows, state)
    gensets = _gensets(site, snapshot, course, storage, flows, state, trim_kw=trim_kw)
    limit_kw = _pv_limit_kw(site, flows, taken_kw=room_kw, gensets_kw=_least_kw(site, snapshot))
    reasons = [Reason(cause=Cause.BALANCE, text=f"forming units carry {flows.net_load_kw - flows.gensets_kw:.0f} kW")]
    if limit_kw is not None:
        reasons.append(
            Reason(cause=Cause.SURPLUS, text=f"the store takes {room_kw:.0f} kW: PV up to {limit_kw:.0f} kW")
        )
    return Targets(
        # in RESYNC the droop's offset leads the frequency, not the power
        battery_kw=flows.net_load_kw - flows.gensets_kw + state.resync.match_kw,
        gensets_kw=gensets,
        pv_limit_kw=limit_kw,
        import_kw=None,
        trim_kw=trim_kw,
        reasons=tuple(reasons),
    )


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


def _on_grid(
    site: Site,
    grid: GridConnection,
    snapshot: SiteSnapshot,
    course: Course,
    storage: Storage,
    flows: Flows,
    state: ControlState,
    *,
    room_kw: float,
) -> Targets:
    """Let the grid take the forecast error while import stays in its interval; storage takes the rest."""
    gensets = _gensets(site, snapshot, course, storage, flows, state, trim_kw=0.0)
    margin_kw = _NO_EXPORT_MARGIN_FRAC * flows.load_kw if grid.export_limit_kw <= 0.0 else 0.0
    lowest_kw = margin_kw - grid.export_limit_kw
    highest_kw, reason = _highest_import(site, grid, snapshot, course, state)
    if state.mode is Mode.PLANNED_ISLANDING:
        # nothing flows where the breaker is about to open
        lowest_kw, highest_kw = 0.0, 0.0
        reason = Reason(cause=Cause.TIE, text="the exchange is brought to zero before the PCC opens")
    without_kw = flows.net_load_kw - flows.gensets_kw
    target_kw = min(max(without_kw - course.battery_kw, lowest_kw), highest_kw)
    bound = target_kw in (lowest_kw, highest_kw)
    trim_kw = _grid_trim(site, flows, state) if bound else 0.0
    lowest_battery_kw = -room_kw
    # the floor is kept for contingencies: while one is in force it is what storage is there for
    lowest_kwh = storage.floor_kwh if state.contingency is None else storage.tech_kwh
    highest_battery_kw = discharge_room_kw(site, storage, down_to_kwh=lowest_kwh, dt_s=flows.dt_s)
    battery_kw = min(max(without_kw - target_kw + trim_kw, lowest_battery_kw), highest_battery_kw)
    if battery_kw in (lowest_battery_kw, highest_battery_kw):
        # anti-windup: a clipped store cannot be trimmed any further
        trim_kw = state.trim_kw
    limit_kw = _pv_limit_kw(site, flows, taken_kw=room_kw + grid.export_limit_kw - margin_kw, gensets_kw=0.0)
    reasons = [Reason(cause=Cause.PLAN, text=f"plan: store {course.battery_kw:.0f} kW")]
    if target_kw == highest_kw:
        reasons.append(reason)
    if limit_kw is not None:
        reasons.append(
            Reason(cause=Cause.SURPLUS, text=f"the store takes {room_kw:.0f} kW: PV up to {limit_kw:.0f} kW")
        )
    return Targets(
        battery_kw=battery_kw,
        gensets_kw=gensets,
        pv_limit_kw=limit_kw,
        import_kw=target_kw,
        trim_kw=trim_kw,
        reasons=tuple(reasons),
    )


def _highest_import(
    site: Site, grid: GridConnection, snapshot: SiteSnapshot, course: Course, state: ControlState
) -> tuple[float, Reason]:
    """Return the tighter of contract limit and billing interval.

    A setpoint acts a cycle later: what is imported until then belongs to the interval as well.
    """
    planned_kw = 0.0 if course.step is None else course.step.import_kw
    acts = snapshot.utc + timedelta(seconds=site.control.period_s)
    billed_kw = allowed_import_kw(grid.tariff, state.billed, now=acts, planned_peak_kw=planned_kw)
    if billed_kw is not None and billed_kw < grid.import_limit_kw:
        return billed_kw, Reason(
            cause=Cause.PEAK_LIMIT, text=f"the billing interval leaves {billed_kw:.0f} kW of import"
        )
    if snapshot.pcc is not None and snapshot.pcc.metered_kw is not None:
        highest_kw = max(0.0, grid.import_limit_kw - tolerance_kw(site))
        return highest_kw, Reason(
            cause=Cause.IMPORT_LIMIT, text=f"the power at the PCC is not certain: import up to {highest_kw:.0f} kW"
        )
    return grid.import_limit_kw, Reason(cause=Cause.IMPORT_LIMIT, text=f"import limit {grid.import_limit_kw:.0f} kW")


def _grid_trim(site: Site, flows: Flows, state: ControlState) -> float:
    """Integrate what import misses its target by; above target asks for more discharge."""
    if state.import_target_kw is None:
        return state.trim_kw
    return state.trim_kw + _gain(site, flows.dt_s) * (flows.grid_kw - state.import_target_kw)


def _gain(site: Site, dt_s: float) -> float:
    """Return the trim's gain for a step of any length, from the gain per trim period."""
    periods = dt_s / site.control.trim_period_s
    gain: float = 1.0 - (1.0 - site.control.trim_gain_frac) ** periods
    return min(_MAX_TRIM_GAIN, gain)


def _island_trim(
    site: Site, snapshot: SiteSnapshot, course: Course, storage: Storage, flows: Flows, state: ControlState
) -> float:
    """Integrate the forming units' deviation from the plan while the store is outside the plan's band."""
    step = course.step
    if step is None or not course.followed:
        return 0.0
    left_h = (step.end_utc - snapshot.utc).total_seconds() / SECONDS_PER_HOUR
    planned_kwh = sum(pool.stored_end_kwh for pool in step.pools) + course.battery_kw * left_h
    deviation_kwh = storage.stored_kwh - planned_kwh
    band_kwh = frac(site.control.soc_band_pct) * storage.full_kwh
    error_kw = flows.storage_kw - course.battery_kw
    # below the band and discharging more than planned: gensets take more; above it the other way round
    if (deviation_kwh < -band_kwh and error_kw > 0.0) or (deviation_kwh > band_kwh and error_kw < 0.0):
        return state.trim_kw + _gain(site, flows.dt_s) * error_kw
    return state.trim_kw * exp(-flows.dt_s / _TRIM_DECAY_S)


def _gensets(
    site: Site,
    snapshot: SiteSnapshot,
    course: Course,
    storage: Storage,
    flows: Flows,
    state: ControlState,
    *,
    trim_kw: float,
) -> dict[str, float]:
    """Return the power of each set that carries load: the plan's, else the net load inside the economic band.

    Sets that take no setpoint have none here; what they carry is measured and left to them.
    """
    powers: dict[str, float] = {}
    left_kw = flows.net_load_kw - sum(_own_kw(kind, snapshot) for kind in site.gensets)
    for place, kind in enumerate(site.gensets):
        carrying = _carrying(kind, snapshot)
        if not carrying or not kind.takes_power:
            continue
        n = len(carrying)
        lowest, highest = n * kind.min_stable_kw, n * kind.band_high_frac * kind.rated_kw
        planned = course.step.gensets[place] if course.followed and course.step is not None else None
        if storage.near_floor:
            # bring the store back above its floor at the upper edge of the band
            total = highest
        elif planned is not None and not state.energy_run:
            # sets that the plan does not count run on for reserve or minimum time, as low as they may
            share = min(1.0, n / planned.n_on) if planned.n_on else 0.0
            total = max(lowest, planned.power_kw * share + trim_kw)
        else:
            total = max(left_kw, lowest)
        # what storage cannot carry goes to the sets, up to their rating
        total = max(total, left_kw - storage.max_discharge_kw)
        powers |= share_equally(total, dict.fromkeys(carrying, (kind.min_stable_kw, kind.rated_kw)))
        left_kw -= sum(powers[unit] for unit in carrying)
    return powers


def _carrying(kind: GensetClass, snapshot: SiteSnapshot) -> list[str]:
    states = {genset.id: genset for genset in snapshot.gensets}
    return [unit for unit in kind.unit_ids if states[unit].carries]


def _least_kw(site: Site, snapshot: SiteSnapshot) -> float:
    """Return the lowest total that the running sets can go down to; those without setpoint stay where they are."""
    return sum(
        len(_carrying(kind, snapshot)) * kind.min_stable_kw if kind.takes_power else _own_kw(kind, snapshot)
        for kind in site.gensets
    )


def _own_kw(kind: GensetClass, snapshot: SiteSnapshot) -> float:
    """Return what the sets of a class carry whose power is a matter of their governors."""
    if kind.takes_power:
        return 0.0
    return sum(genset.power_kw or 0.0 for genset in snapshot.gensets if genset.id in kind.unit_ids and genset.carries)


def _pv_limit_kw(site: Site, flows: Flows, *, taken_kw: float, gensets_kw: float) -> float | None:
    """Return the PV power that load and store can take, None where that is all the field can make."""
    limit_kw = max(0.0, flows.load_kw + taken_kw - gensets_kw)
    return None if limit_kw >= sum(plant.total_ac_kw for plant in site.pv) else limit_kw
