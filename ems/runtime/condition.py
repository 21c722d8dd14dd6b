"""The measured condition that a plan starts from, out of the last snapshot and control's memory."""

from datetime import datetime

from ems.control.import_limit import running_interval_h, running_kwh
from ems.control.measurement import live_charge_kw, live_discharge_kw
from ems.control.state import ControlState, GensetTrack
from ems.model.battery import BatteryPool
from ems.model.carbon_budget import CarbonSpent
from ems.model.condition import ChillerCondition, GensetCondition, GridCondition, PoolCondition, SiteCondition
from ems.model.cooling_units import n_available
from ems.model.genset import GensetClass
from ems.model.problem import OutWindow, UnitHistory
from ems.model.readings import GensetPhase
from ems.model.site import Site
from ems.model.snapshot import BlockState, GensetState, SiteSnapshot
from ems.model.units import frac, hours

# a unit without known history has rested long enough
_LONG_H = 1000.0


def condition_of(
    site: Site, snapshot: SiteSnapshot, state: ControlState, *, carbon: CarbonSpent | None = None
) -> SiteCondition:
    """Return the condition of the site; blocks that are not ready or take no setpoints count for nothing.

    `carbon` is what the accounts have of the running period of the carbon budget.
    """
    return SiteCondition(
        utc=snapshot.utc,
        pools=tuple(_pool(pool, snapshot, state) for pool in site.batteries),
        gensets=tuple(_gensets(kind, snapshot, state) for kind in site.gensets),
        grid=_grid(site, snapshot, state),
        tank_l=snapshot.tank_l,
        carbon=carbon,
        chillers=_chillers(snapshot),
    )


def _chillers(snapshot: SiteSnapshot) -> ChillerCondition | None:
    """Return the chillers as far as they are known; one that says nothing does not count as working."""
    units = snapshot.cooling.chillers
    available = n_available(units)
    if available is None or all(unit.running is None for unit in units):
        return None
    return ChillerCondition(n_available=available, n_on=sum(unit.running is True for unit in units))


def _pool(pool: BatteryPool, snapshot: SiteSnapshot, state: ControlState) -> PoolCondition:
    states = {block.id: block for block in snapshot.blocks}
    ready = [block for block in pool.blocks if _takes_part(states[block.id]) and block.id in state.stored_kwh]
    return PoolCondition(
        id=pool.id,
        n_blocks=len(ready),
        stored_kwh=sum(state.stored_kwh[block.id] for block in ready),
        full_kwh=sum(_full_kwh(pool, states[block.id]) for block in ready),
        max_charge_kw=sum(_steady_kw(pool.max_charge_kw, live_charge_kw(pool, states[b.id])) for b in ready),
        max_discharge_kw=sum(_steady_kw(pool.max_discharge_kw, live_discharge_kw(pool, states[b.id])) for b in ready),
        full_since_h=_full_since_h([state.full_utc.get(block.id) for block in ready], now=snapshot.utc),
        spread_below_kwh=sum(frac(states[b.id].spread.below_pct) * _full_kwh(pool, states[b.id]) for b in ready),
        spread_above_kwh=sum(frac(states[b.id].spread.above_pct) * _full_kwh(pool, states[b.id]) for b in ready),
        rack_spread_pct=max((s for b in ready if (s := states[b.id].spread.within_pct) is not None), default=None),
        cell_max_degc=max((t for b in ready if (t := states[b.id].cell_max_degc) is not None), default=None),
    )


def _full_kwh(pool: BatteryPool, block: BlockState) -> float:
    return block.full_kwh or pool.block_kwh


def _takes_part(block: BlockState) -> bool:
    return block.ready and block.controllable


def _full_since_h(full_utc: list[datetime | None], *, now: datetime) -> float | None:
    """Return how long ago every block had been full, None unless that is known of all."""
    known = [instant for instant in full_utc if instant is not None]
    if not known or len(known) < len(full_utc):
        return None
    return hours((now - min(known)).total_seconds())


def _steady_kw(configured_kw: float, live_kw: float) -> float:
    """Return a limit for the horizon: near both ends of the window the BMS tapers for a while only.

    A block that takes nothing at all now may do so again after some minutes in the other direction; the stored
    energy's own bounds hold the plan at the ends.
    """
    return configured_kw if live_kw <= 0.0 else max(live_kw, 0.5 * configured_kw)


def _gensets(kind: GensetClass, snapshot: SiteSnapshot, state: ControlState) -> GensetCondition:
    states = {genset.id: genset for genset in snapshot.gensets}
    return GensetCondition(
        id=kind.id,
        units=tuple(
            _history(kind, states[unit], state.gensets.get(unit, GensetTrack()), now_s=snapshot.at_s)
            for unit in kind.unit_ids
        ),
    )


def _history(kind: GensetClass, genset: GensetState, track: GensetTrack, *, now_s: float) -> UnitHistory:
    available = genset.controllable and genset.phase not in (None, GensetPhase.FAULT)
    run_h = genset.run_h or 0.0
    if track.wanted:
        since_s = track.carries_since_s if track.carries_since_s is not None else track.wanted_since_s
        on_h = 0.0 if since_s is None else hours(now_s - since_s)
        return UnitHistory(
            id=genset.id,
            on=True,
            since_h=on_h,
            available=available,
            run_h=run_h,
            warm_up_left_h=max(0.0, kind.warm_up_h - on_h) if track.carries_since_s is None else 0.0,
        )
    if track.rests_since_s is None:
        since_h = _LONG_H if genset.phase is GensetPhase.STOPPED else 0.0
    else:
        since_h = hours(now_s - track.rests_since_s)
        # a set that has rested since the EMS first saw it may have rested longer
        since_h = _LONG_H if not track.starts_s and since_h == 0.0 else since_h
    failed_h = 0.0 if track.failed_until_s is None else hours(track.failed_until_s - now_s)
    # a set that failed to start is left alone for a while
    rests = (OutWindow(start_h=0.0, end_h=failed_h),) if failed_h > 0.0 else ()
    return UnitHistory(id=genset.id, on=False, since_h=since_h, available=available, run_h=run_h, out=rests)


def _grid(site: Site, snapshot: SiteSnapshot, state: ControlState) -> GridCondition | None:
    if site.grid is None:
        return None
    lost_s = None
    if snapshot.pcc is not None and snapshot.pcc.breaker_closed is False:
        since_s = state.grid_lost_since_s
        lost_s = 0.0 if since_s is None else snapshot.at_s - since_s
    tariff = site.grid.tariff
    return GridCondition(
        lost_h=None if lost_s is None else hours(lost_s),
        peak_so_far_kw=state.billed.peak_kw,
        running_kwh=running_kwh(tariff, state.billed, now=snapshot.utc, unknown_kw=state.billed.peak_kw),
        running_h=running_interval_h(tariff, snapshot.utc),
        exchange_kw=None if snapshot.pcc is None else snapshot.pcc.power_kw,
    )
