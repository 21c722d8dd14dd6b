"""SoC that jumps (F32): what a BMS reports all at once is taken over gradually, with a wider floor meanwhile.

A BMS that sets its SoC right after weeks on the flat part of the cells' curve may move by several percent in a second.
Control counts on with the energy that flowed, and blends over to the reported value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from ems.control.measurement import cells_kw
from ems.model.battery import BatteryPool
from ems.model.site import Site
from ems.model.snapshot import BlockState, SiteSnapshot
from ems.model.units import hours

# reported and counted SoC are compared over this long, so that the steps of a coarse display are no jumps
_WINDOW_S: Final = 60.0
# a jump moves faster than this many times the energy that flowed
_FASTER: Final = 3.0
# another capacity is another set of containers that answer, no jump
_SAME_FULL_FRAC: Final = 0.01
_WHOLE_PCT: Final = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SocTrack:
    """One block: reported SoC at the last anchor, what has flowed since, and the offset that is being blended out."""

    at_s: float
    anchor_s: float
    anchor_pct: float
    full_kwh: float
    # net, and without sign, as % of full
    moved_pct: float = 0.0
    turnover_pct: float = 0.0
    offset_pct: float = 0.0
    offset_since_s: float = 0.0
    jump: str | None = None

    def remaining_pct(self, now_s: float, *, blend_s: float) -> float:
        """Return what is left of the offset."""
        left = 1.0 - (now_s - self.offset_since_s) / blend_s
        return self.offset_pct * left if left > 0.0 else 0.0


def followed_soc(
    site: Site, snapshot: SiteSnapshot, tracks: Mapping[str, SocTrack]
) -> tuple[dict[str, SocTrack], SiteSnapshot]:
    """Return the tracks after this cycle, and the snapshot with the SoC to count with."""
    states = {block.id: block for block in snapshot.blocks}
    after: dict[str, SocTrack] = {}
    changed: dict[str, BlockState] = {}
    for pool in site.batteries:
        for block in pool.blocks:
            state = states[block.id]
            track = _followed(site, pool, state, tracks.get(block.id), now_s=snapshot.at_s)
            if track is None:
                continue
            after[block.id] = track
            offset_pct = track.remaining_pct(snapshot.at_s, blend_s=site.control.soc_blend_s)
            if offset_pct and state.soc_pct is not None:
                changed[block.id] = _estimated(state, state.soc_pct, offset_pct)
    if not changed:
        return after, snapshot
    return after, replace(snapshot, blocks=tuple(changed.get(block.id, block) for block in snapshot.blocks))


def _estimated(state: BlockState, reported_pct: float, offset_pct: float) -> BlockState:
    """Return a block with the estimate, its floor wider by what is not certain."""
    spread = replace(state.spread, below_pct=state.spread.below_pct + abs(offset_pct))
    soc_pct = min(_WHOLE_PCT, max(0.0, reported_pct + offset_pct))
    return replace(state, soc_pct=soc_pct, reported_soc_pct=reported_pct, spread=spread)


def _followed(
    site: Site, pool: BatteryPool, state: BlockState, track: SocTrack | None, *, now_s: float
) -> SocTrack | None:
    """Return the track after one more report; a SoC that was away begins anew."""
    if state.soc_pct is None or state.full_kwh is None or state.full_kwh <= 0.0:
        return None
    fresh = SocTrack(at_s=now_s, anchor_s=now_s, anchor_pct=state.soc_pct, full_kwh=state.full_kwh)
    if track is None or abs(state.full_kwh - track.full_kwh) > _SAME_FULL_FRAC * track.full_kwh:
        return fresh
    blend_s = site.control.soc_blend_s
    offset_pct = track.remaining_pct(now_s, blend_s=blend_s)
    kept = replace(
        fresh,
        offset_pct=track.offset_pct if offset_pct else 0.0,
        offset_since_s=track.offset_since_s,
        jump=track.jump if offset_pct else None,
    )
    dt_s = now_s - track.at_s
    if state.power_kw is None:
        return kept
    moved_pct = -_WHOLE_PCT * cells_kw(pool, state.power_kw) * hours(dt_s) / state.full_kwh
    track = replace(
        track,
        at_s=now_s,
        moved_pct=track.moved_pct + moved_pct,
        turnover_pct=track.turnover_pct + abs(moved_pct),
        offset_pct=kept.offset_pct,
        jump=kept.jump,
    )
    error_pct = state.soc_pct - track.anchor_pct - track.moved_pct
    # in a long cycle the power need not have been the one that is seen at its end
    unseen_pct = _WHOLE_PCT * pool.pcs_kw * hours(dt_s) / state.full_kwh
    faster = abs(state.soc_pct - track.anchor_pct) > _FASTER * track.turnover_pct
    if faster and abs(error_pct) > site.control.soc_jump_pct + unseen_pct:
        return replace(
            kept,
            offset_pct=offset_pct - error_pct,
            offset_since_s=now_s,
            jump=f"SoC {state.soc_pct:.1f} % reported, {state.soc_pct - error_pct:.1f} % by the energy that flowed: "
            f"it is taken over within {blend_s / 60.0:.0f} min",
        )
    return kept if now_s - track.anchor_s >= _WINDOW_S else track
