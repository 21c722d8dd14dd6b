"""Total powers of the cycle: gensets, PV limit, grid, storage; feed-forward first, trim second.

On the grid `ems.control.exchange` lets storage follow the plan inside the limits of the connection. Islanded, the
forming units carry what is left anyway; their setpoints are the droop offsets that keep frequency at nominal, and
gensets are steered only when the store has left the plan's band.
"""

from ems.control.authority import NOTHING_ASKED, AskedExchange
from ems.control.exchange import exchange_targets
from ems.control.genset_loads import genset_loads, least_kw
from ems.control.measurement import Storage
from ems.control.state import ControlState
from ems.control.totals import Course, Flows, Targets, charge_room_kw
from ems.control.trim import decayed, trimmed
from ems.model.grid import GridConnection
from ems.model.setpoints import Cause, Reason
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from ems.model.units import SECONDS_PER_HOUR, frac

# a trim of the sets that the store's band does not need any more goes in this time
_TRIM_DECAY_S = 300.0

__all__ = ["Course", "Flows", "Targets", "decide_targets"]


def decide_targets(
    site: Site,
    snapshot: SiteSnapshot,
    course: Course,
    storage: Storage,
    flows: Flows,
    state: ControlState,
    *,
    contract: GridConnection | None = None,
    asked: AskedExchange = NOTHING_ASKED,
) -> Targets:
    """Return the totals of this cycle.

    `contract` is the connection as it is without what people `asked` for; None: as the site has it.
    """
    if state.mode.is_parallel and site.grid is not None:
        gensets = genset_loads(site, snapshot, course, storage, flows, state, trim_kw=0.0)
        grid = site.grid if contract is None else contract
        return exchange_targets(site, grid, snapshot, course, storage, flows, state, gensets_kw=gensets, asked=asked)
    room_kw = charge_room_kw(site, storage, dt_s=flows.dt_s)
    trim_kw = _island_trim(site, snapshot, course, storage, flows, state)
    gensets = genset_loads(site, snapshot, course, storage, flows, state, trim_kw=trim_kw)
    limit_kw = _pv_limit_kw(site, flows, taken_kw=room_kw, gensets_kw=least_kw(site, snapshot))
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
        return trimmed(site, state, flows, error_kw)
    return decayed(state, flows, time_s=_TRIM_DECAY_S)


def _pv_limit_kw(site: Site, flows: Flows, *, taken_kw: float, gensets_kw: float) -> float | None:
    """Return the PV power that load and store can take, None where that is all the field can make."""
    limit_kw = max(0.0, flows.load_kw + taken_kw - gensets_kw)
    return None if limit_kw >= sum(plant.total_ac_kw for plant in site.pv) else limit_kw
