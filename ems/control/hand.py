"""What devices in hands change of a cycle: the picture for the rules, the setpoints of people, and what is written.

OFF writes nothing, and of the device counts only what it delivers now. MANUAL takes a device from the rules and asks
for the person's setpoint instead, before the guard. SEMI lets powers pass and holds starts, stops and switching.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from ems.control.genset_sequencer import adopted
from ems.control.state import ControlState, GensetTrack
from ems.model.hand import HandMode, Hands, HandSetting
from ems.model.readings import GensetPhase
from ems.model.setpoints import (
    BlockSetpoint,
    Cause,
    GensetSetpoint,
    PvSetpoint,
    Reason,
    Setpoints,
    SupplySetpoint,
    TieSetpoint,
)
from ems.model.site import Site
from ems.model.snapshot import BlockState, GensetState, PvState, SiteSnapshot

PCC: Final = "pcc"
_TAKEN: Final = frozenset({HandMode.MANUAL, HandMode.OFF})
_RUNS: Final = frozenset({GensetPhase.STARTING, GensetPhase.WARMING_UP, GensetPhase.SYNCHRONISING, GensetPhase.RUNNING})


def without_off(snapshot: SiteSnapshot, hands: Hands) -> SiteSnapshot:
    """Return the picture in which devices that are OFF take nothing and count with what they deliver now."""
    if not hands.settings:
        return snapshot
    off = {asset for asset in _assets(snapshot) if hands.mode(asset, snapshot.at_s) is HandMode.OFF}
    pcc = snapshot.pcc
    return replace(
        snapshot,
        blocks=tuple(replace(b, controllable=False, suspect=True) if b.id in off else b for b in snapshot.blocks),
        gensets=tuple(replace(g, controllable=False, suspect=True) if g.id in off else g for g in snapshot.gensets),
        pv=tuple(replace(p, controllable=False, suspect=True) if p.id in off else p for p in snapshot.pv),
        pcc=replace(pcc, controllable=False) if pcc is not None and PCC in off else pcc,
    )


def left_to_rules(snapshot: SiteSnapshot, hands: Hands) -> SiteSnapshot:
    """Return the picture in which nothing that is in people's hands takes setpoints of the rules."""
    if not hands.settings:
        return snapshot
    snapshot = without_off(snapshot, hands)
    taken = {asset for asset in _assets(snapshot) if hands.mode(asset, snapshot.at_s) in _TAKEN}
    return replace(
        snapshot,
        blocks=tuple(replace(b, controllable=False) if b.id in taken else b for b in snapshot.blocks),
        gensets=tuple(replace(g, controllable=False) if g.id in taken else g for g in snapshot.gensets),
        pv=tuple(replace(p, controllable=False) if p.id in taken else p for p in snapshot.pv),
    )


def taken_storage_kw(snapshot: SiteSnapshot, hands: Hands) -> float:
    """Return the measured power of the AC blocks that people have taken: the rules see it like a load's."""
    taken = taken_blocks(snapshot, hands)
    return sum(block.power_kw or 0.0 for block in snapshot.blocks if block.id in taken)


def taken_blocks(snapshot: SiteSnapshot, hands: Hands) -> frozenset[str]:
    """Return the AC blocks that people have taken."""
    if not hands.settings:
        return frozenset()
    return frozenset(block.id for block in snapshot.blocks if hands.mode(block.id, snapshot.at_s) in _TAKEN)


def held_units(site: Site, hands: Hands, now_s: float, *, waits: bool = True) -> frozenset[str]:
    """Return the sets that the rules neither start nor stop; without `waits` those that wait for nobody only."""
    if not hands.settings:
        return frozenset()
    return frozenset(
        unit
        for kind in site.gensets
        for unit in kind.unit_ids
        if hands.mode(unit, now_s) in _TAKEN or (waits and hands.waits(unit, now_s))
    )


def settled_tracks(site: Site, snapshot: SiteSnapshot, state: ControlState, hands: Hands) -> ControlState:
    """Return the state in which sets that people have taken are wanted as people want or leave them."""
    if not hands.settings:
        return state
    now_s, found = snapshot.at_s, adopted(site, snapshot, state.gensets)
    tracks = dict(state.gensets)
    for unit, seen in found.items():
        setting = hands.setting(unit, now_s)
        if setting is None or setting.mode not in _TAKEN:
            continue
        if setting.mode is HandMode.OFF or setting.run is None:
            tracks[unit] = seen
        else:
            tracks[unit] = _wanted(tracks.get(unit, GensetTrack()), now_s, run=setting.run)
    return replace(state, gensets=tracks)


def proposals(
    hands: Hands, now_s: float, *, decided: Mapping[str, GensetTrack], free: Mapping[str, GensetTrack]
) -> dict[str, str]:
    """Return by set what waits for a confirmation: `decided` without it, `free` as the rules would have it."""
    found = {}
    for unit, track in free.items():
        if hands.waits(unit, now_s) and track.wanted is not decided[unit].wanted:
            verb = "start" if track.wanted else "stop"
            why = "" if track.cause is None else f" ({track.cause.value})"
            found[unit] = f"{verb} {unit} is proposed{why} and waits for a confirmation"
    return found


def waiting(requested: Setpoints, hands: Hands, now_s: float) -> dict[str, str]:
    """Return by asset what of a request is not done before somebody confirms it."""
    found = {
        one.id: f"start of {one.id} on the bus is proposed and waits for a confirmation"
        for one in requested.energise
        if hands.waits(one.id, now_s)
    }
    tie = requested.tie
    if tie is not None and hands.waits(PCC, now_s) and (tie.permit_close or tie.request_open):
        verb = "closing" if tie.permit_close else "opening"
        found[PCC] = f"{verb} the PCC breaker is proposed and waits for a confirmation"
    return found


def with_hands(
    requested: Setpoints, site: Site, snapshot: SiteSnapshot, state: ControlState, hands: Hands
) -> Setpoints:
    """Return the request with people's setpoints in the place of those of the rules; the guard comes after."""
    if not hands.settings:
        return requested
    now_s = snapshot.at_s
    manual = {
        asset: setting
        for asset in _assets(snapshot)
        if (setting := hands.setting(asset, now_s)) is not None and setting.mode is HandMode.MANUAL
    }
    requested = without_taken(requested, hands, now_s)
    takes_power = {unit: kind.takes_power for kind in site.gensets for unit in kind.unit_ids}
    blocks = (_block(b, manual[b.id], state) for b in snapshot.blocks if b.id in manual and b.controllable)
    sets = (
        _genset(g, manual[g.id], state, takes_power=takes_power[g.id])
        for g in snapshot.gensets
        if g.id in manual and g.controllable
    )
    pv = (_pv(p, manual[p.id], state) for p in snapshot.pv if p.id in manual and p.controllable)
    return replace(
        requested,
        blocks=(*requested.blocks, *(one for one in blocks if one is not None)),
        gensets=(*requested.gensets, *sets),
        pv=(*requested.pv, *(one for one in pv if one is not None)),
    )


def with_supplies(supplies: tuple[SupplySetpoint, ...], hands: Hands, now_s: float) -> tuple[SupplySetpoint, ...]:
    """Return the supply temperatures with people's in the place of configured ones; without one the unit is left."""
    if not hands.settings:
        return supplies
    asked = []
    for supply in supplies:
        setting = hands.setting(supply.id, now_s)
        if setting is None or setting.mode is HandMode.SEMI:
            asked.append(supply)
        elif setting.mode is HandMode.MANUAL and setting.supply_degc is not None:
            asked.append(replace(supply, supply_degc=setting.supply_degc, reasons=(_reason(setting),)))
    return tuple(asked)


def without_taken(requested: Setpoints, hands: Hands, now_s: float) -> Setpoints:
    """Return a request of the rules without the devices that people have taken, and without what waits for them."""
    modes = {asset: hands.mode(asset, now_s) for asset in _named(requested)}
    return replace(
        requested,
        blocks=tuple(one for one in requested.blocks if modes[one.id] not in _TAKEN),
        gensets=tuple(one for one in requested.gensets if modes[one.id] not in _TAKEN),
        pv=tuple(one for one in requested.pv if modes[one.id] not in _TAKEN),
        energise=tuple(
            one for one in requested.energise if modes[one.id] not in _TAKEN and not hands.waits(one.id, now_s)
        ),
        tie=_tie(requested.tie, hands, now_s),
    )


def written(setpoints: Setpoints, hands: Hands, now_s: float) -> Setpoints:
    """Return what may be written at all: nothing for a device that is OFF, whoever asks for it."""
    if not hands.settings:
        return setpoints
    on = {asset for asset in _named(setpoints) if hands.mode(asset, now_s) is not HandMode.OFF}
    return Setpoints(
        blocks=tuple(one for one in setpoints.blocks if one.id in on),
        gensets=tuple(one for one in setpoints.gensets if one.id in on),
        pv=tuple(one for one in setpoints.pv if one.id in on),
        supplies=tuple(one for one in setpoints.supplies if one.id in on),
        energise=tuple(one for one in setpoints.energise if one.id in on),
        tie=_tie(setpoints.tie, hands, now_s),
    )


def hand_alarms(site: Site, hands: Hands, now_s: float) -> dict[str, str]:
    """Return by name what has been in hands for so long that somebody may have forgotten it."""
    found = {}
    for asset in hands.settings:
        setting = hands.setting(asset, now_s)
        own = hands.settings[asset]
        if setting is None or now_s >= own.until_s or now_s - own.since_s < site.control.hand.long_s:
            continue
        found[f"hand:{asset}"] = (
            f"{asset} has been in {own.mode.value.upper()} for more than {site.control.hand.long_s / 3600.0:g} h; "
            f"it ends at {own.until_utc:%Y-%m-%d %H:%M} UTC"
        )
    return found


def _assets(snapshot: SiteSnapshot) -> Iterator[str]:
    yield from (block.id for block in snapshot.blocks)
    yield from (genset.id for genset in snapshot.gensets)
    yield from (pv.id for pv in snapshot.pv)
    yield PCC


def _named(requested: Setpoints) -> Iterator[str]:
    yield from (block.id for block in requested.blocks)
    yield from (genset.id for genset in requested.gensets)
    yield from (pv.id for pv in requested.pv)
    yield from (unit.id for unit in requested.supplies)
    yield from (start.id for start in requested.energise)
    yield PCC


def _tie(tie: TieSetpoint | None, hands: Hands, now_s: float) -> TieSetpoint | None:
    """A device that is OFF is told nothing, so that its permit ends; one in hands is neither opened nor closed."""
    mode = hands.mode(PCC, now_s)
    if tie is None or mode is HandMode.OFF:
        return None
    if mode is HandMode.MANUAL or hands.waits(PCC, now_s):
        return replace(tie, permit_close=False, request_open=False)
    return tie


def _wanted(track: GensetTrack, now_s: float, *, run: bool) -> GensetTrack:
    if track.wanted is run or (run and track.failed_until_s is not None and now_s < track.failed_until_s):
        return replace(track, cause=Cause.MANUAL)
    starts_s = (*track.starts_s, now_s) if run else track.starts_s
    return replace(track, wanted=run, wanted_since_s=now_s if run else None, starts_s=starts_s, cause=Cause.MANUAL)


def _reason(setting: HandSetting) -> Reason:
    return Reason(cause=Cause.MANUAL, text=f"set by hand until {setting.until_utc:%Y-%m-%d %H:%M} UTC")


def _block(block: BlockState, setting: HandSetting, state: ControlState) -> BlockSetpoint | None:
    """Return the person's power, else the setpoint as it is; a droop's offset that nobody knows is not written."""
    found_kw = state.block_setpoints_kw.get(block.id, block.setpoint_kw)
    if found_kw is None and block.forming is False:
        found_kw = block.power_kw
    power_kw = found_kw if setting.power_kw is None else setting.power_kw
    return None if power_kw is None else BlockSetpoint(id=block.id, power_kw=power_kw, reasons=(_reason(setting),))


def _genset(genset: GensetState, setting: HandSetting, state: ControlState, *, takes_power: bool) -> GensetSetpoint:
    track = state.gensets.get(genset.id)
    run = setting.run
    if run is None:
        run = genset.phase in _RUNS
    elif run and track is not None:
        # a set that has failed to start is not cranked again for as long as it is left alone
        run = track.wanted
    found_kw = genset.power_kw if genset.setpoint_kw is None else genset.setpoint_kw
    power_kw = (found_kw or 0.0) if setting.power_kw is None else setting.power_kw
    return GensetSetpoint(
        id=genset.id, run=run, power_kw=power_kw if takes_power else None, reasons=(_reason(setting),)
    )


def _pv(pv: PvState, setting: HandSetting, state: ControlState) -> PvSetpoint | None:
    found_kw = state.pv_limits_kw.get(pv.id, pv.limit_kw)
    limit_kw = found_kw if setting.limit_kw is None else setting.limit_kw
    return None if limit_kw is None else PvSetpoint(id=pv.id, limit_kw=limit_kw, reasons=(_reason(setting),))
