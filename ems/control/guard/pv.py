"""PV blocks: numbers, data age, rating, ramps when a limit is lifted (G1, G2, G8, G9)."""

from dataclasses import replace

from ems.control.guard.rules import CLIP_KW, Clip, GuardContext, Rule, dropped, is_number
from ems.model.pv import PvPlant
from ems.model.setpoints import PvSetpoint
from ems.model.site import Site
from ems.model.snapshot import PvState, SiteSnapshot


def guarded_pv(
    requested: tuple[PvSetpoint, ...], site: Site, snapshot: SiteSnapshot, context: GuardContext, clips: list[Clip]
) -> tuple[PvSetpoint, ...]:
    """Return the limits that PV blocks may have; a block that is not heard keeps its own fall-back."""
    states = {state.id: state for state in snapshot.pv}
    plants = {block: plant for plant in site.pv for block in plant.block_ids}
    allowed = []
    for setpoint in requested:
        state = states[setpoint.id]
        if not is_number(setpoint.id, setpoint.limit_kw, clips):
            continue
        if not state.controllable:
            clips.append(dropped(Rule.DATA_AGE, setpoint.id, setpoint.limit_kw, "no fresh reading or local control"))
            continue
        allowed.append(_within(setpoint, state, plants[setpoint.id], context, clips))
    return tuple(allowed)


def _within(
    setpoint: PvSetpoint, state: PvState, plant: PvPlant, context: GuardContext, clips: list[Clip]
) -> PvSetpoint:
    limit = min(max(setpoint.limit_kw, 0.0), plant.ac_kw)
    rule, reason = Rule.LIVE_LIMIT, f"0 to {plant.ac_kw:.0f} kW allowed"
    if plant.ramp_frac_per_s is not None and state.power_kw is not None:
        step_kw = plant.ramp_frac_per_s * plant.ac_kw * context.dt_s
        highest = max(0.0, state.power_kw, state.limit_kw or 0.0) + step_kw
        if limit > highest:
            limit, rule, reason = highest, Rule.RATE, f"its limit is lifted by up to {step_kw:.0f} kW in this cycle"
    if abs(limit - setpoint.limit_kw) > CLIP_KW:
        clips.append(
            Clip(rule=rule, asset_id=setpoint.id, requested_kw=setpoint.limit_kw, allowed_kw=limit, reason=reason)
        )
    return replace(setpoint, limit_kw=limit)
