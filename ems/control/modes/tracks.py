"""What a transition leaves behind: attempts to return, the emergency stop's latch, the hold of a black start."""

from dataclasses import replace
from typing import Final

from ems.control.modes.table import Exit
from ems.control.state import BlackStartTrack, ControlState, Mode, ResyncTrack
from ems.model.units import SECONDS_PER_HOUR

# the site was left this long to its own devices before a planned islanding that timed out is tried again
PLANNED_PAUSE_S: Final = 900.0


def tracked(state: ControlState, before: Mode, way: Exit) -> ControlState:
    """Return the state, just entered through an exit of another mode, with the memory of that."""
    now_s = state.mode_since_s
    match state.mode:
        case Mode.RESYNC:
            recent = tuple(at_s for at_s in state.resync.tries_s if now_s - at_s < SECONDS_PER_HOUR)
            state = replace(state, resync=replace(state.resync, tries_s=(*recent, now_s), match_kw=0.0))
        case Mode.E_STOP:
            state = replace(state, e_stop_latched=True)
        case Mode.BLACK_START:
            state = replace(state, black_start=BlackStartTrack(since_s=now_s))
        case Mode.DEAD_BUS if before is Mode.BLACK_START and state.black_start.hold is None:
            state = replace(state, black_start=replace(state.black_start, hold=state.mode_reason))
        case Mode.GRID if before is Mode.PLANNED_ISLANDING and way.is_time_out:
            state = replace(state, planned_until_s=now_s + PLANNED_PAUSE_S)
        case _:
            pass
    match before:
        case Mode.E_STOP:
            return replace(state, e_stop_latched=False)
        case Mode.RESYNC:
            return replace(state, resync=_ended(state.resync, returned=state.mode is Mode.GRID, now_s=now_s))
        case Mode.BLACK_START if state.mode is not Mode.DEAD_BUS:
            return replace(state, black_start=BlackStartTrack())
        case _:
            return state


def _ended(resync: ResyncTrack, *, returned: bool, now_s: float) -> ResyncTrack:
    return replace(resync, n_failed=0 if returned else resync.n_failed + 1, ended_s=now_s, match_kw=0.0)
