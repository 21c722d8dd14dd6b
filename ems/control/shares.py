"""Turns the cycle's totals into one setpoint per unit; holds the last ones when little is known."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from ems.control.allocation import BlockShare, share_accepted, sustained_kw
from ems.control.fewest import Working, fewest
from ems.control.measurement import live_charge_kw, live_discharge_kw
from ems.control.state import ControlState
from ems.control.totals import Targets
from ems.model.battery import BatteryPool
from ems.model.setpoints import BlockSetpoint, Cause, GensetSetpoint, PvSetpoint, Reason, Setpoints
from ems.model.site import Site
from ems.model.snapshot import BlockState, SiteSnapshot
from ems.model.units import frac

# whether reserve is held when blocks have these powers
KeepsReserve = Callable[[Mapping[str, float]], bool]


def held_setpoints(site: Site, snapshot: SiteSnapshot, state: ControlState) -> Setpoints:
    """Return the last valid setpoints again; sets run or rest as the sequencer has them, at their last power."""
    powers = {genset.id: genset.setpoint_kw for genset in snapshot.gensets}
    reason = (Reason(cause=Cause.DERATED, text="too little is known: the last setpoints are held"),)
    return Setpoints(
        blocks=tuple(
            BlockSetpoint(id=name, power_kw=kw, reasons=reason) for name, kw in state.block_setpoints_kw.items()
        ),
        gensets=tuple(
            GensetSetpoint(
                id=unit,
                run=state.gensets[unit].wanted,
                power_kw=(powers.get(unit) or kind.band_low_frac * kind.rated_kw) if kind.takes_power else None,
                reasons=reason,
            )
            for kind in site.gensets
            for unit in kind.unit_ids
        ),
        pv=tuple(PvSetpoint(id=name, limit_kw=kw, reasons=reason) for name, kw in state.pv_limits_kw.items()),
    )


def shared_setpoints(
    site: Site,
    snapshot: SiteSnapshot,
    targets: Targets,
    state: ControlState,
    *,
    dt_s: float,
    keeps_reserve: KeepsReserve,
) -> tuple[Setpoints, Working]:
    """Share the cycle's totals among the units that take setpoints; return the blocks that work, too.

    `keeps_reserve` says whether reserve is still held when blocks have these powers.
    """
    blocks, working = _block_setpoints(site, snapshot, targets, state, dt_s, keeps_reserve)
    shared = Setpoints(
        blocks=blocks,
        gensets=tuple(
            GensetSetpoint(
                id=unit,
                run=track.wanted,
                power_kw=targets.gensets_kw.get(unit, kind.min_stable_kw) if kind.takes_power else None,
                reasons=() if track.cause is None else (Reason(cause=track.cause, text=track.cause.value),),
            )
            for kind in site.gensets
            for unit in kind.unit_ids
            for track in (state.gensets[unit],)
        ),
        pv=_pv_setpoints(site, snapshot, targets),
    )
    return shared, working


def _block_setpoints(
    site: Site,
    snapshot: SiteSnapshot,
    targets: Targets,
    state: ControlState,
    dt_s: float,
    keeps_reserve: KeepsReserve,
) -> tuple[tuple[BlockSetpoint, ...], Working]:
    """Split the storage power by the energy above the technical minimum, or below the top when charging.

    At low power as few blocks as needed have it, unless reserve would be short with so much behind one of them.
    """
    states = {block.id: block for block in snapshot.blocks}
    discharging, islanded = targets.battery_kw >= 0.0, not state.mode.is_parallel
    hold_s = max(site.control.headroom_hold_s, dt_s)
    shares = tuple(
        _share(pool, states[block.id], state.stored_kwh, discharging=discharging, islanded=islanded, hold_s=hold_s)
        for pool in site.batteries
        for block in pool.blocks
        if states[block.id].controllable
    )
    total_kw, exponent = abs(targets.battery_kw), site.control.balance_exponent
    working = fewest(
        shares,
        total_kw,
        state.working,
        load_frac=site.control.fewest_units_frac,
        hold_s=site.control.fewest_units_s,
        now_s=snapshot.at_s,
    )
    sign = 1.0 if discharging else -1.0
    few = tuple(replace(share, cap_kw=share.cap_kw if share.id in working.ids else 0.0) for share in shares)
    powers = _split(sign, total_kw, few, exponent=exponent)
    if 0 < len(working.ids) < len(shares) and not keeps_reserve(powers):
        working = Working(ids=tuple(share.id for share in shares), since_s=snapshot.at_s)
        powers = _split(sign, total_kw, shares, exponent=exponent)
    # the first one, and what people have asked for
    reason = (*targets.reasons[:1], *(item for item in targets.reasons[1:] if item.cause is Cause.COMMAND))
    return tuple(BlockSetpoint(id=name, power_kw=kw, reasons=reason) for name, kw in powers.items()), working


def _split(sign: float, total_kw: float, shares: tuple[BlockShare, ...], *, exponent: float) -> dict[str, float]:
    powers = share_accepted(total_kw, shares, exponent=exponent)
    return {name: sign * kw if kw > 0.0 else 0.0 for name, kw in powers.items()}


def _share(
    pool: BatteryPool,
    block: BlockState,
    stored_kwh: Mapping[str, float],
    *,
    discharging: bool,
    islanded: bool,
    hold_s: float,
) -> BlockShare:
    full = pool.block_kwh if block.full_kwh is None else block.full_kwh
    stored = stored_kwh.get(block.id, 0.0)
    if discharging:
        weight = stored - frac(pool.soc_tech_min_pct) * full
        by_energy = sustained_kw(weight, hold_s=hold_s) * pool.discharge_eff_frac
        cap = min(live_discharge_kw(pool, block), by_energy)
    else:
        weight = frac(pool.soc_max_pct) * full - stored
        by_energy = sustained_kw(weight, hold_s=hold_s) / pool.charge_eff_frac
        cap = min(live_charge_kw(pool, block), by_energy)
    # a forming unit in an island goes where the load is: every power is accepted there
    least_kw = 0.0 if islanded and block.forming else pool.min_power_kw
    return BlockShare(
        id=block.id,
        weight_kwh=max(0.0, weight),
        cap_kw=cap,
        least_kw=least_kw,
        rated_kw=pool.pcs_kw,
        full_kwh=full,
    )


def _pv_setpoints(site: Site, snapshot: SiteSnapshot, targets: Targets) -> tuple[PvSetpoint, ...]:
    """Give every block the same share of its rating; without a limit, its rating."""
    total_kw = sum(plant.total_ac_kw for plant in site.pv)
    states = {block.id: block for block in snapshot.pv}
    if total_kw <= 0.0:
        return ()
    share = 1.0 if targets.pv_limit_kw is None else min(1.0, targets.pv_limit_kw / total_kw)
    if share < 1.0:
        share = _share_by_available(site, snapshot, targets.pv_limit_kw or 0.0)
    reason = tuple(item for item in targets.reasons if item.cause is Cause.SURPLUS)
    return tuple(
        PvSetpoint(id=block, limit_kw=share * plant.ac_kw, reasons=reason)
        for plant in site.pv
        for block in plant.block_ids
        if states[block].controllable
    )


def _share_by_available(site: Site, snapshot: SiteSnapshot, limit_kw: float) -> float:
    """Return the common share of rating at which the blocks together deliver a limit."""
    ratings = {block: plant.ac_kw for plant in site.pv for block in plant.block_ids}
    available = sorted(
        (state.available_kw if state.available_kw is not None else ratings[state.id]) / ratings[state.id]
        for state in snapshot.pv
    )
    total_kw = sum(ratings.values())
    mean_kw = total_kw / len(available)
    left_kw = limit_kw
    for number, frac_available in enumerate(available):
        rest = len(available) - number
        if frac_available * mean_kw * rest >= left_kw:
            return max(0.0, left_kw / (rest * mean_kw))
        left_kw -= frac_available * mean_kw
    return 1.0
