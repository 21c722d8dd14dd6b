"""Gensets: forming role, numbers, data age, interlocks, reserve, minimum and rating, load steps (G0, G1, G6 to G10)."""

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from ems.control.guard.rules import CLIP_KW, Clip, GuardContext, Rule, dropped, is_number
from ems.control.state import GensetTrack
from ems.model.genset import GensetClass
from ems.model.readings import GensetPhase
from ems.model.setpoints import Cause, GensetSetpoint
from ems.model.site import Site
from ems.model.snapshot import GensetState, SiteSnapshot
from ems.model.units import seconds
from ems.reserve import ReserveId, assess, without_set

# starts for these reasons wait neither for a set's rest nor for its starts per hour
_EMERGENCIES: Final = frozenset({Cause.ENERGY_LOW, Cause.HEADROOM_LOW, Cause.GRID_LOST, Cause.DERATED, Cause.DEAD_BUS})


def guarded_gensets(
    requested: tuple[GensetSetpoint, ...], site: Site, snapshot: SiteSnapshot, context: GuardContext, clips: list[Clip]
) -> tuple[GensetSetpoint, ...]:
    """Return the commands that the sets may have; one that is dropped leaves its set as it is."""
    states = {state.id: state for state in snapshot.gensets}
    kinds = {unit: kind for kind in site.gensets for unit in kind.unit_ids}
    allowed: list[GensetSetpoint] = []
    stopped: set[str] = set()
    for setpoint in requested:
        state, kind = states[setpoint.id], kinds[setpoint.id]
        requested_kw = 0.0 if setpoint.power_kw is None else setpoint.power_kw
        if not is_number(setpoint.id, requested_kw, clips):
            continue
        if not state.controllable or state.phase is None:
            clips.append(dropped(Rule.DATA_AGE, setpoint.id, requested_kw, "no fresh reading or local control"))
            continue
        hindrance = _hindrance(setpoint, state, kind, snapshot, context, stopped)
        if hindrance is not None:
            clips.append(dropped(hindrance[0], setpoint.id, requested_kw, hindrance[1]))
            continue
        if not setpoint.run:
            stopped.add(setpoint.id)
        allowed.append(_within(setpoint, state, kind, context, clips))
    return tuple(allowed)


def _hindrance(
    setpoint: GensetSetpoint,
    state: GensetState,
    kind: GensetClass,
    snapshot: SiteSnapshot,
    context: GuardContext,
    stopped: Collection[str],
) -> tuple[Rule, str] | None:
    """Return the rule against a start or a stop, and why; None where there is none."""
    track = context.tracks.get(setpoint.id)
    if setpoint.run:
        why = _start_interlock(setpoint, state, kind, snapshot, track)
        return None if why is None else (Rule.INTERLOCK, why)
    if not state.carries or context.stop_all:
        return None
    if _is_last_former(snapshot, setpoint.id, stopped):
        return Rule.LAST_FORMING, "the set is the only source that forms the grid"
    if track is not None and track.carries_since_s is not None:
        left_s = seconds(kind.min_up_h) - (snapshot.at_s - track.carries_since_s)
        if left_s > 0.0:
            return Rule.INTERLOCK, f"{left_s:.0f} s of its minimum run are left"
    if context.r0_margin_kw < 0.0 and _lowers_r0(setpoint.id, context, stopped):
        return Rule.HEADROOM, f"R0 is short by {-context.r0_margin_kw:.0f} kW, and shorter without the set"
    return None


def _start_interlock(
    setpoint: GensetSetpoint,
    state: GensetState,
    kind: GensetClass,
    snapshot: SiteSnapshot,
    track: GensetTrack | None,
) -> str | None:
    """Return what forbids a start: a fault, planned work, its rest, its starts in the last hour."""
    if state.phase is GensetPhase.FAULT:
        return "the set reports a fault: no start until it is reset at the set"
    if state.phase is not GensetPhase.STOPPED:
        return None
    if kind.in_maintenance(setpoint.id, snapshot.utc):
        return "planned work holds the set out"
    if track is None or _is_urgent(setpoint):
        return None
    # the start that this command repeats is among them
    if len(track.starts_s) > kind.max_starts_per_h:
        return f"{len(track.starts_s) - 1} starts in the last hour are as many as it may have"
    rested_s = None if track.rests_since_s is None else snapshot.at_s - track.rests_since_s
    if rested_s is not None and len(track.starts_s) > 1 and rested_s < seconds(kind.min_down_h):
        return f"it has rested {rested_s:.0f} s of {seconds(kind.min_down_h):.0f} s"
    return None


def _is_urgent(setpoint: GensetSetpoint) -> bool:
    return any(reason.cause in _EMERGENCIES for reason in setpoint.reasons)


def _lowers_r0(unit_id: str, context: GuardContext, stopped: Collection[str]) -> bool:
    """Return whether R0 is shorter after a stop, those before it in this cycle included."""
    operation, required = context.operation, context.required
    if operation is None or required is None:
        return True
    running = {unit.id for unit in operation.gensets}
    for gone in (*sorted(stopped), unit_id):
        if gone in running:
            operation = without_set(operation, gone)
    after_kw = min((a.margin_kw for a in assess(operation, required) if a.id is ReserveId.R0), default=0.0)
    return after_kw < context.r0_margin_kw - CLIP_KW


def _within(
    setpoint: GensetSetpoint, state: GensetState, kind: GensetClass, context: GuardContext, clips: list[Clip]
) -> GensetSetpoint:
    """Keep a running set between minimum and rating (G6) and within its permitted load step (G8)."""
    if setpoint.power_kw is None:
        return setpoint
    # a set's own nameplate may be smaller than the one in the configuration
    highest_kw = kind.rated_kw if state.rated_kw is None else min(kind.rated_kw, state.rated_kw)
    power = min(max(setpoint.power_kw, kind.min_stable_kw), highest_kw)
    rule, reason = Rule.SITE_LIMIT, f"{kind.min_stable_kw:.0f} to {highest_kw:.0f} kW allowed"
    if state.carries and state.power_kw is not None:
        step_kw = kind.rated_kw * max(kind.step_frac, kind.ramp_frac_per_s * context.dt_s)
        highest = max(kind.min_stable_kw, state.power_kw + step_kw)
        if power > highest:
            power, rule, reason = highest, Rule.RATE, f"load steps up to {step_kw:.0f} kW"
    if setpoint.run and abs(power - setpoint.power_kw) > CLIP_KW:
        clips.append(
            Clip(rule=rule, asset_id=setpoint.id, requested_kw=setpoint.power_kw, allowed_kw=power, reason=reason)
        )
    return replace(setpoint, power_kw=power)


def _is_last_former(snapshot: SiteSnapshot, genset_id: str, stopped: Collection[str]) -> bool:
    """Return whether a set is the only known source that forms the grid, beside those that stop in this cycle."""
    if snapshot.pcc is not None and snapshot.pcc.breaker_closed:
        return False
    if any(block.forming and block.ready for block in snapshot.blocks):
        return False
    return not any(genset.carries for genset in snapshot.gensets if genset.id != genset_id and genset.id not in stopped)
