"""Walks the mode table: transitions on measured conditions only, never on what was commanded.

The relays open the PCC breaker, a sync-check device closes it, and the PCS carry the transfer; the EMS recognises what
happened. DEGRADED is left through INIT, never straight back.
"""

from dataclasses import dataclass, replace

from ems.control.measurement import Powers
from ems.control.modes.conditions import Condition, Scene, held_now, scene_of, since
from ems.control.modes.forming import IslandKind, forming_role, island_kind
from ems.control.modes.picture import blind_spots, missing_values
from ems.control.modes.table import BY_MODE, TABLE, Exit, Held, Span, Write, allows, span_s
from ems.control.modes.tracks import tracked
from ems.control.state import ControlState, Forming, Mode
from ems.model.requests import NO_REQUESTS, OperatorRequests
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot

__all__ = [
    "BY_MODE",
    "TABLE",
    "Condition",
    "Forming",
    "IslandKind",
    "ModeChange",
    "Write",
    "allows",
    "blind_spots",
    "forming_role",
    "island_kind",
    "missing_values",
    "next_mode",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeChange:
    """A transition and the measured condition behind it."""

    before: Mode
    after: Mode
    reason: str


def next_mode(
    site: Site,
    snapshot: SiteSnapshot,
    powers: Powers,
    state: ControlState,
    requests: OperatorRequests = NO_REQUESTS,
) -> tuple[ControlState, ModeChange | None]:
    """Return the state after this cycle's transition, if any; at most one, the first of the row that is due."""
    scene = scene_of(site, snapshot, powers, state, requests)
    held = held_now(scene)
    state = replace(state, held_since_s=since(held, state.held_since_s, now_s=snapshot.at_s))
    for way in BY_MODE[state.mode].exits:
        if all(_is_due(scene, state, each) for each in way.when):
            change = ModeChange(before=state.mode, after=way.to, reason=_reason(site, state, way, held))
            return tracked(_entered(state, change, now_s=snapshot.at_s), change.before, way), change
    return state, None


def _is_due(scene: Scene, state: ControlState, held: Held) -> bool:
    """Return whether a condition has held long enough; how long the mode has lasted needs no memory of its own."""
    now_s = scene.snapshot.at_s
    if held.condition is Condition.IN_MODE:
        return now_s - state.mode_since_s >= span_s(scene.site, held.span)
    began_s = state.held_since_s.get(held.condition)
    return began_s is not None and now_s - began_s >= span_s(scene.site, held.span)


def _reason(site: Site, state: ControlState, way: Exit, held: dict[Condition, str]) -> str:
    if way.is_time_out:
        span = max((each.span for each in way.when), key=lambda each: span_s(site, each))
        return f"{state.mode.value} has lasted {span_s(site, span):.0f} s ({Span(span).value})"
    return held[way.when[0].condition]


def _entered(state: ControlState, change: ModeChange, *, now_s: float) -> ControlState:
    return replace(state, mode=change.after, mode_since_s=now_s, mode_reason=change.reason)
