"""Limits on sums after the write: storage goes first, then PV is cut and sets are lowered to their minimum (G6, G7)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from ems.control.balance import tolerance_kw
from ems.control.guard.predicted import PCC, Limit, Scene, charge_room_kw, lift_kw, limits_of, scene_of
from ems.control.guard.rules import CLIP_KW, Clip, GuardContext, Rule, dropped
from ems.control.guard.storage_sums import Blocks, narrow
from ems.model.setpoints import GensetSetpoint, PvSetpoint, Setpoints
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot

# PV that is cut leaves more for the others to bring: both are looked at again so often; in the end PV goes to zero
_PASSES: Final = 6


def within_sums(
    requested: Setpoints, site: Site, snapshot: SiteSnapshot, context: GuardContext, clips: list[Clip]
) -> Setpoints:
    """Return the setpoints whose sums keep every limit as far as narrowing them can."""
    scene = scene_of(requested, site, snapshot, context)
    limits = limits_of(scene)
    blocks, pv, sets = Blocks(powers_kw=dict(scene.movable_kw)), requested.pv, requested.gensets
    notes: dict[str, Clip] = {}
    for number in range(_PASSES):
        narrow(blocks, scene, limits, context)
        cut = _cut_pv(pv, scene, limits, blocks.powers_kw, context, notes, is_late=number == _PASSES - 1)
        lowered = _lowered_sets(sets, scene, limits, blocks.powers_kw, notes)
        if cut == pv and lowered == sets:
            break
        pv, sets = cut, lowered
        scene = scene_of(replace(requested, pv=pv, gensets=sets), site, snapshot, context)
        limits = limits_of(scene)
    else:
        narrow(blocks, scene, limits, context)
    pv = _lifts(pv, scene, limits, blocks.powers_kw, notes)
    asked_kw = {one.id: one.limit_kw for one in requested.pv}
    asked_kw |= {one.id: one.power_kw for one in requested.gensets if one.power_kw is not None}
    clips += blocks.clips()
    clips += [replace(clip, requested_kw=asked_kw[name]) for name, clip in notes.items()]
    return Setpoints(
        blocks=tuple(replace(one, power_kw=blocks.powers_kw.get(one.id, one.power_kw)) for one in requested.blocks),
        gensets=sets,
        pv=pv,
    )


def _cut_pv(
    requested: tuple[PvSetpoint, ...],
    scene: Scene,
    limits: tuple[Limit, ...],
    powers: Mapping[str, float],
    context: GuardContext,
    notes: dict[str, Clip],
    *,
    is_late: bool,
) -> tuple[PvSetpoint, ...]:
    """Cut PV where storage alone does not bring a flow back within its limit.

    In an island PV that is cut for nothing else takes reserve from the storage that then carries its part (G7).
    """
    asked = {setpoint.id: setpoint.limit_kw for setpoint in requested}
    now = {move.id: move for move in scene.moves if move.id in asked}
    cut: dict[str, tuple[float, Limit]] = {}
    demanded: set[str] = set()
    for limit in limits:
        if limit.name == PCC:
            excess_kw = limit.lowest_kw - limit.least_kw - limit.blocks_kw(powers)
            part = dict.fromkeys(now)
        else:
            excess_kw = limit.most_kw + limit.blocks_kw(powers) - limit.highest_kw
            part = dict.fromkeys(name for name, move in now.items() if move.member in limit.members)
        flowing = {name: min(now[name].asked_kw, cut[name][0]) if name in cut else now[name].asked_kw for name in part}
        total_kw = sum(flowing.values())
        if excess_kw > CLIP_KW:
            demanded |= part.keys()
        # what is cut already, by the request or for an inner limit, will flow no more
        excess_kw -= sum(now[name].now_kw - flowing[name] for name in part)
        if excess_kw <= CLIP_KW or total_kw <= CLIP_KW:
            continue
        factor = 0.0 if is_late else max(0.0, 1.0 - excess_kw / total_kw)
        cut |= {name: (factor * kw, limit) for name, kw in flowing.items()}
    allowed = []
    spared = _spared_pv(scene, context)
    for setpoint in requested:
        highest = cut.get(setpoint.id)
        if spared and setpoint.id not in demanded and setpoint.limit_kw < now[setpoint.id].now_kw:
            notes[setpoint.id] = dropped(Rule.HEADROOM, setpoint.id, setpoint.limit_kw, spared)
            continue
        if highest is not None and setpoint.limit_kw > highest[0] + CLIP_KW:
            reason = f"the flow of {highest[1].name} is beyond its limit"
            notes[setpoint.id] = _clip(Rule.SITE_LIMIT, setpoint.id, setpoint.limit_kw, highest[0], reason)
            allowed.append(replace(setpoint, limit_kw=highest[0]))
        else:
            allowed.append(setpoint)
    return tuple(allowed)


def _spared_pv(scene: Scene, context: GuardContext) -> str:
    """Return why PV is not cut without need in this cycle, empty where it may be."""
    discharging = sum(state.power_kw or 0.0 for state in scene.snapshot.blocks) > 0.0
    if context.r0_margin_kw >= 0.0 or scene.on_grid or not discharging:
        return ""
    return f"R0 is short by {-context.r0_margin_kw:.0f} kW: no PV is cut while storage discharges"


def _lifts(
    requested: tuple[PvSetpoint, ...],
    scene: Scene,
    limits: tuple[Limit, ...],
    powers: Mapping[str, float],
    notes: dict[str, Clip],
) -> tuple[PvSetpoint, ...]:
    """Lift PV limits only as far as storage, the connection and the groups take what comes."""
    states = {state.id: state for state in scene.snapshot.pv}
    plants = {block: plant for plant in scene.site.pv for block in plant.block_ids}
    factors: dict[str, float] = {}
    lifts = {
        one.id: lift
        for one in requested
        if (lift := lift_kw(states[one.id], one.limit_kw, rated_kw=plants[one.id].ac_kw)) > CLIP_KW
    }
    if not lifts:
        return requested
    for limit in limits:
        if limit.name == PCC:
            members, room_kw = tuple(lifts), limit.least_kw + limit.blocks_kw(powers) - limit.lowest_kw
            doubtful = scene.pcc_kw is not None and len(scene.pcc_kw) > 1
            room_kw += -tolerance_kw(scene.site) if doubtful else charge_room_kw(scene, powers)
        else:
            members = tuple(name for name in lifts if plants[name].id in limit.members)
            room_kw = limit.highest_kw - limit.most_kw - limit.blocks_kw(powers)
        total_kw = sum(lifts[name] for name in members)
        if members and total_kw > room_kw + CLIP_KW:
            factor = max(0.0, room_kw / total_kw)
            factors |= {name: min(factors.get(name, 1.0), factor) for name in members}
    allowed = []
    for setpoint in requested:
        if setpoint.id not in factors:
            allowed.append(setpoint)
            continue
        state = states[setpoint.id]
        base_kw = max(state.power_kw or 0.0, state.limit_kw or 0.0)
        limit_kw = min(setpoint.limit_kw, base_kw + factors[setpoint.id] * lifts[setpoint.id])
        reason = "neither storage nor connection takes what a higher limit would bring"
        notes[setpoint.id] = _clip(Rule.SITE_LIMIT, setpoint.id, setpoint.limit_kw, limit_kw, reason)
        allowed.append(replace(setpoint, limit_kw=limit_kw))
    return tuple(allowed)


def _lowered_sets(
    requested: tuple[GensetSetpoint, ...],
    scene: Scene,
    limits: tuple[Limit, ...],
    powers: Mapping[str, float],
    notes: dict[str, Clip],
) -> tuple[GensetSetpoint, ...]:
    """Lower the setpoints of running sets, down to their minimum, where a group would still carry too much."""
    kinds = {unit: kind for kind in scene.site.gensets for unit in kind.unit_ids}
    carrying = {state.id for state in scene.snapshot.gensets if state.carries}
    asked = {one.id: one.power_kw for one in requested if one.run and one.power_kw is not None and one.id in carrying}
    lowered = dict(asked)
    names: dict[str, str] = {}
    for limit in limits:
        part = [unit for unit in asked if kinds[unit].id in limit.members]
        excess_kw = limit.asked_kw + limit.blocks_kw(powers) - limit.highest_kw
        excess_kw -= sum(asked[unit] - lowered[unit] for unit in part)
        room = {unit: max(0.0, lowered[unit] - kinds[unit].min_stable_kw) for unit in part}
        room_kw = sum(room.values())
        if limit.name == PCC or excess_kw <= CLIP_KW or room_kw <= CLIP_KW:
            continue
        share = min(1.0, excess_kw / room_kw)
        for unit in part:
            lowered[unit] -= share * room[unit]
            names[unit] = limit.name
    allowed = []
    for setpoint in requested:
        if setpoint.id in names and setpoint.power_kw is not None:
            kw = lowered[setpoint.id]
            reason = f"{names[setpoint.id]} would carry more than its limit"
            notes[setpoint.id] = _clip(Rule.SITE_LIMIT, setpoint.id, setpoint.power_kw, kw, reason)
            allowed.append(replace(setpoint, power_kw=kw))
        else:
            allowed.append(setpoint)
    return tuple(allowed)


def _clip(rule: Rule, asset_id: str, requested_kw: float, allowed_kw: float, reason: str) -> Clip:
    return Clip(rule=rule, asset_id=asset_id, requested_kw=requested_kw, allowed_kw=allowed_kw, reason=reason)
