"""What the mode forbids (G10), the start of a PCS, and the opening of the PCC breaker (G0)."""

from dataclasses import replace

from ems.control.guard.rules import Clip, GuardContext, Rule, dropped
from ems.control.modes.permissions import permitted
from ems.model.setpoints import EnergiseSetpoint, Setpoints, TieSetpoint
from ems.model.snapshot import SiteSnapshot


def within_mode(requested: Setpoints, snapshot: SiteSnapshot, context: GuardContext, clips: list[Clip]) -> Setpoints:
    """Return what the mode lets pass; people who have stopped the site stop sets in every mode."""
    allowed, forbidden = permitted(requested, snapshot, context.mode, stop_all=context.stop_all)
    clips += [
        dropped(Rule.INTERLOCK, each.asset_id, each.requested_kw, f"{context.mode}: no {each.write}")
        for each in forbidden
    ]
    return allowed


def guarded_energise(
    requested: tuple[EnergiseSetpoint, ...], snapshot: SiteSnapshot, clips: list[Clip]
) -> tuple[EnergiseSetpoint, ...]:
    """Start only what answers and has no alarm of its batteries."""
    states = {state.id: state for state in snapshot.blocks}
    allowed = []
    for setpoint in requested:
        state = states[setpoint.id]
        if not state.controllable or state.alarm:
            clips.append(dropped(Rule.DATA_AGE, setpoint.id, 0.0, "no fresh reading, local control, or an alarm"))
            continue
        allowed.append(setpoint)
    return tuple(allowed)


def guarded_tie(requested: TieSetpoint | None, snapshot: SiteSnapshot, clips: list[Clip]) -> TieSetpoint | None:
    """The breaker is not opened on purpose before another source is known to be ready to form the bus."""
    if requested is None or not requested.request_open:
        return requested
    if any(block.forming and block.ready for block in snapshot.blocks):
        return requested
    clips.append(dropped(Rule.LAST_FORMING, "pcc", 0.0, "the grid is the only source that forms the bus"))
    return replace(requested, request_open=False)
