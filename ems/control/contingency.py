"""Declared contingencies (G3): for how long, and why, storage may go below its energy floor.

The floor is kept for exactly this: the loss of the grid, of a set, an AC block or a PV block. A declaration has a
reason and an end; what is still lost when it ends is no contingency any more but the state of the site.
"""

from dataclasses import dataclass, replace
from typing import Final

from ems.control.state import ControlState, DeclaredContingency
from ems.model.readings import GensetPhase
from ems.model.site import Site
from ems.model.snapshot import GensetState, PvState, SiteSnapshot

# a PV block with this share of its rating available, and not held back, is lost when it delivers next to nothing
_PV_AVAILABLE_FRAC: Final = 0.2
_PV_NOTHING_FRAC: Final = 0.01
_GRID: Final = "grid"
_LEAVES: Final = frozenset({GensetPhase.FAULT, GensetPhase.STOPPED})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Losses:
    """What was there before and is gone."""

    now: frozenset[str]
    new: tuple[str, ...]


def declared(site: Site, snapshot: SiteSnapshot, state: ControlState) -> ControlState:
    """Return the state with the contingency that is in force in this cycle, None where there is none.

    `state` has the sets and setpoints of the cycle before, and since when the grid is lost.
    """
    losses = _losses(site, snapshot, state)
    now_s, running = snapshot.at_s, state.contingency
    if losses.new:
        running = DeclaredContingency(
            reason=f"loss of {', '.join(losses.new)}", since_s=now_s, until_s=now_s + site.control.contingency_s
        )
    elif running is not None and (now_s >= running.until_s or not losses.now):
        running = None
    return replace(state, contingency=running, lost=losses.now)


def _losses(site: Site, snapshot: SiteSnapshot, state: ControlState) -> _Losses:
    seen = {
        *_lost_sets(snapshot, state),
        *_lost_blocks(snapshot, state),
        *_lost_pv(site, snapshot, state),
        *((_GRID,) if state.grid_lost_since_s is not None else ()),
    }
    began = {_GRID} if state.grid_lost_since_s == snapshot.at_s else set()
    new = tuple(sorted(name for name in seen - state.lost if name != _GRID or name in began))
    return _Losses(now=frozenset(seen), new=new)


def _lost_sets(snapshot: SiteSnapshot, state: ControlState) -> set[str]:
    """Return the sets that carried load, were wanted, and have left the bus; those lost before stay lost for now."""
    lost = set()
    for genset in snapshot.gensets:
        track = state.gensets.get(genset.id)
        carried = track is not None and track.wanted and track.carries_since_s is not None
        if _is_off(genset) and (carried or genset.id in state.lost):
            lost.add(genset.id)
    return lost


def _is_off(genset: GensetState) -> bool:
    return genset.phase in _LEAVES or (genset.phase is GensetPhase.RUNNING and genset.breaker_closed is False)


def _lost_blocks(snapshot: SiteSnapshot, state: ControlState) -> set[str]:
    """Return the blocks that took setpoints and now say that they are not ready; silence is no loss of power."""
    return {
        block.id
        for block in snapshot.blocks
        if block.power_kw is not None
        and not block.ready
        and (block.id in state.block_setpoints_kw or block.id in state.lost)
    }


def _lost_pv(site: Site, snapshot: SiteSnapshot, state: ControlState) -> set[str]:
    ratings = {block: plant.ac_kw for plant in site.pv for block in plant.block_ids}
    return {
        pv.id
        for pv in snapshot.pv
        if _delivers_nothing(pv, ratings[pv.id]) and (pv.id in state.pv_limits_kw or pv.id in state.lost)
    }


def _delivers_nothing(pv: PvState, rated_kw: float) -> bool:
    if pv.power_kw is None or pv.available_kw is None:
        return False
    limit_kw = rated_kw if pv.limit_kw is None else pv.limit_kw
    could_kw = min(pv.available_kw, limit_kw)
    return could_kw > _PV_AVAILABLE_FRAC * rated_kw and pv.power_kw < _PV_NOTHING_FRAC * rated_kw
