"""Which gensets run: start rules 1 to 7, stop conditions, failed starts, rotation.

The threshold rules are the law; a plan can only start a set earlier and stop it when every condition allows.
States come from the engine controllers' feedback, never from "command sent".
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ems.control.genset_sequencer.changes import changed, tested
from ems.control.genset_sequencer.energy import energy_run_now
from ems.control.genset_sequencer.needs import need_of, short_since
from ems.control.genset_sequencer.situation import Situation
from ems.control.genset_sequencer.tracks import adopted, followed
from ems.control.state import ControlState, GensetTrack
from ems.model.setpoints import Reason

__all__ = ["Commitment", "Situation", "adopted", "sequence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """Which sets are wanted, and why."""

    tracks: Mapping[str, GensetTrack]
    energy_run: bool
    short_since_s: float | None
    reasons: tuple[Reason, ...]


def sequence(situation: Situation, state: ControlState) -> Commitment:
    """Return the commitment of this cycle."""
    tracks, reasons = followed(situation, state.gensets)
    energy_run, energy_reason = energy_run_now(situation, state)
    short_since_s = short_since(situation, state)
    for kind in situation.site.gensets:
        need = need_of(situation, state, tracks, kind, energy_run=energy_run, short_since_s=short_since_s)
        if need.emergency and energy_reason and not state.energy_run:
            need = replace(need, text=energy_reason)
        tracks, changes = changed(situation, tracks, kind, need)
        reasons += changes
        tracks, tests = tested(situation, tracks, kind)
        reasons += tests
    return Commitment(tracks=tracks, energy_run=energy_run, short_since_s=short_since_s, reasons=tuple(reasons))
