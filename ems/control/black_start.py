"""A black start, step by step: what confirms each step, and what becomes of one that is not confirmed.

The order keeps cooling ahead of the racks that need it. A site without switchable feeders brings its loads back by
itself; then a step only waits until the measurement shows them.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Final

from ems.control.modes import Condition
from ems.control.state import BlackStartStep, BlackStartTrack, ControlState, Forming
from ems.model.setpoints import Cause, EnergiseSetpoint, Reason
from ems.model.site import Site
from ems.model.snapshot import BlockState, SiteSnapshot

# a load below this share of IT design is none
_DRAWS_FRAC: Final = 0.0005
# racks count as back when they draw this share of what the cluster draws at idle
_IDLE_FRAC: Final = 0.5
# PV counts as back when it delivers this share of what it could, or could not deliver this share of its rating
_PV_FRAC: Final = 0.02


def advanced(site: Site, snapshot: SiteSnapshot, state: ControlState, role: Forming | None) -> ControlState:
    """Return the state with the black start one step further, its try repeated, or given up."""
    track, now_s = state.black_start, snapshot.at_s
    if track.step is BlackStartStep.DONE or track.hold is not None:
        return state
    if track.step is not BlackStartStep.ENERGISE and Condition.BUS_DEAD in state.held_since_s:
        return replace(state, black_start=_again(site, replace(track, step=BlackStartStep.ENERGISE), now_s))
    if _CONFIRMED[track.step](site, snapshot, state, role):
        done = replace(track, step=_NEXT[track.step], since_s=now_s, n_tries=0)
        return replace(state, black_start=done)
    began_s = now_s if track.since_s is None else track.since_s
    if now_s - began_s >= site.control.modes.black_start_step_s:
        return replace(state, black_start=_again(site, track, now_s))
    return state


def energised(site: Site, snapshot: SiteSnapshot) -> tuple[EnergiseSetpoint, ...]:
    """Return the start of the next grid-forming PCS: one at a time, the one with the most energy first."""
    states = {block.id: block for block in snapshot.blocks}
    waiting = [
        states[block.id]
        for pool in site.batteries
        if pool.can_form
        for block in pool.blocks
        if states[block.id].controllable and not (states[block.id].ready and states[block.id].forming)
    ]
    if not waiting:
        return ()
    first = max(waiting, key=_energy)
    reason = Reason(cause=Cause.BLACK_START, text=f"{first.id} energises the bus or joins it")
    return (EnergiseSetpoint(id=first.id, reasons=(reason,)),)


def pv_is_back(state: ControlState) -> bool:
    """Return whether PV may deliver by now: it comes after the racks."""
    return state.black_start.step in (BlackStartStep.PV, BlackStartStep.GENSETS, BlackStartStep.DONE)


def _again(site: Site, track: BlackStartTrack, now_s: float) -> BlackStartTrack:
    n_tries = track.n_tries + 1
    hold = None
    if n_tries >= site.control.modes.n_black_start_tries:
        hold = f"the step {track.step.value} was not confirmed in {n_tries} tries: an operator has to look"
    return replace(track, n_tries=n_tries, since_s=now_s, hold=hold)


def _energy(block: BlockState) -> float:
    return (block.soc_pct or 0.0) * (block.full_kwh or 0.0)


def _energise(site: Site, snapshot: SiteSnapshot, state: ControlState, role: Forming | None) -> bool:  # noqa: ARG001
    return role in (Forming.PCS, Forming.GENSET)


def _controls(site: Site, snapshot: SiteSnapshot, state: ControlState, role: Forming | None) -> bool:  # noqa: ARG001
    drawn = [load.load_kw for load in (snapshot.aux, snapshot.cooling_load) if load.load_kw is not None]
    return bool(drawn) and sum(drawn) > _DRAWS_FRAC * site.it.design_kw


def _cooling(site: Site, snapshot: SiteSnapshot, state: ControlState, role: Forming | None) -> bool:  # noqa: ARG001
    """Where coolant units tell, one of them must be known to take heat; else the plant must draw power."""
    cdus = snapshot.cooling.cdus
    if any(unit.available is not None for unit in cdus):
        return any(unit.available for unit in cdus)
    load_kw = snapshot.cooling_load.load_kw
    return load_kw is not None and load_kw > _DRAWS_FRAC * site.it.design_kw


def _racks(site: Site, snapshot: SiteSnapshot, state: ControlState, role: Forming | None) -> bool:  # noqa: ARG001
    return snapshot.it.load_kw is not None and snapshot.it.load_kw >= _IDLE_FRAC * site.it.idle_kw


def _pv(site: Site, snapshot: SiteSnapshot, state: ControlState, role: Forming | None) -> bool:  # noqa: ARG001
    rated_kw = sum(plant.total_ac_kw for plant in site.pv)
    delivered = [block.power_kw for block in snapshot.pv if block.power_kw is not None]
    available = [block.available_kw for block in snapshot.pv if block.available_kw is not None]
    if len(available) == len(snapshot.pv) and sum(available) <= _PV_FRAC * rated_kw:
        return True
    return sum(delivered) > _PV_FRAC * sum(available) > 0.0 or (not available and sum(delivered) > 0.0)


def _gensets(site: Site, snapshot: SiteSnapshot, state: ControlState, role: Forming | None) -> bool:  # noqa: ARG001
    carrying = {genset.id for genset in snapshot.gensets if genset.carries}
    return all(unit in carrying for unit, track in state.gensets.items() if track.wanted)


_Confirmed = Callable[[Site, SiteSnapshot, ControlState, Forming | None], bool]
_CONFIRMED: Final[Mapping[BlackStartStep, _Confirmed]] = {
    BlackStartStep.ENERGISE: _energise,
    BlackStartStep.CONTROLS: _controls,
    BlackStartStep.COOLING: _cooling,
    BlackStartStep.RACKS: _racks,
    BlackStartStep.PV: _pv,
    BlackStartStep.GENSETS: _gensets,
}
_NEXT: Final = dict(pairwise(BlackStartStep))
