"""How many sets of a class are needed: by the plan, the energy in the store, and the reserve (rules 1 to 4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from ems.control.genset_sequencer.energy import grid_lost_now
from ems.control.genset_sequencer.situation import Situation
from ems.control.genset_sequencer.tracks import counted
from ems.control.outlook import net_outlook
from ems.control.state import ControlState, GensetTrack, Mode
from ems.model.genset import GensetClass
from ems.model.setpoints import Cause
from ems.model.units import seconds
from ems.reserve import ReserveId

# running sets are joined by another one when they are this close to their rating
_NEAR_RATING_FRAC = 0.97


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """How many units of a class are needed; an emergency overrides rest times and starts per hour."""

    count: int
    cause: Cause
    text: str
    emergency: bool


def short_since(situation: Situation, state: ControlState) -> float | None:
    """Rule 4: since when an upward requirement has been short."""
    short = any(item.margin_kw < 0.0 for item in situation.assessments if item.id is not ReserveId.DOWN)
    if not short:
        return None
    return situation.now_s if state.short_since_s is None else state.short_since_s


def need_of(
    situation: Situation,
    state: ControlState,
    tracks: Mapping[str, GensetTrack],
    kind: GensetClass,
    *,
    energy_run: bool,
    short_since_s: float | None,
) -> Need:
    """Return the greatest count that any rule asks for."""
    if state.mode is Mode.DEAD_BUS:
        return Need(count=kind.n_units, cause=Cause.DEAD_BUS, text="the bus is dead", emergency=True)
    wanted = counted(situation, tracks, kind)
    starting = [unit for unit in wanted if tracks[unit].carries_since_s is None]
    need = _planned(situation, kind)
    if energy_run:
        count = _count_for(situation, kind, n_now=len(wanted))
        if situation.storage.near_floor:
            # a set that runs is not given up for a passing lull
            count = max(count, len(wanted))
        if grid_lost_now(state, situation):
            count = min(count + _n_spare(situation, tracks, kind, count), kind.n_units)
        elif len(wanted) - len(starting) < count:
            # a start that was commanded is not taken back before enough of them have succeeded
            count = max(count, len(wanted))
        if count > need.count:
            need = Need(count=count, cause=Cause.ENERGY_LOW, text="the store must not fall further", emergency=True)
    waited = (
        short_since_s is not None and situation.now_s - short_since_s >= situation.site.control.reserve_start_delay_s
    )
    if waited:
        count = len(wanted) + (0 if starting else 1)
        if count > need.count:
            worst = min(situation.assessments, key=lambda item: item.margin_kw)
            text = (
                f"reserve {worst.id.value} after the loss of {worst.contingency}: "
                f"{worst.held_kw:.0f} kW held, {worst.required_kw:.0f} kW required"
            )
            need = Need(count=count, cause=Cause.HEADROOM_LOW, text=text, emergency=True)
    return need


def _n_spare(situation: Situation, tracks: Mapping[str, GensetTrack], kind: GensetClass, count: int) -> int:
    """Return how many more starts than needed are commanded at once: one more where a unit has long not started."""
    rested_s = sorted(
        situation.now_s - since_s
        for unit in kind.unit_ids
        if not tracks[unit].wanted and (since_s := tracks[unit].rests_since_s) is not None
    )
    # whichever of them start: the longest rested go first in most rotations
    is_stale = any(rest_s > seconds(kind.stale_rest_h) for rest_s in rested_s[-max(1, count) :])
    return kind.n_spare_starts + is_stale


def _planned(situation: Situation, kind: GensetClass) -> Need:
    """Rule 1: what the plan has on now, or within the time that a set needs to carry load."""
    plan = situation.plan
    if plan is None:
        return Need(count=0, cause=Cause.SOC_RECOVERED, text="no rule asks for a set", emergency=False)
    overlaps = [step for step, _ in plan.steps_between(situation.utc, situation.utc + timedelta(seconds=kind.carry_s))]
    place = [genset.id for genset in overlaps[0].gensets].index(kind.id) if overlaps else 0
    counts = [step.gensets[place].n_on for step in overlaps]
    reason = next((item.text for step in overlaps for item in step.reasons if item.asset == kind.id), "plan")
    return Need(count=max(counts, default=0), cause=Cause.PLAN, text=reason, emergency=False)


def _count_for(situation: Situation, kind: GensetClass, *, n_now: int) -> int:
    """Return the sets for the net deficit: one more only near their rating, one fewer only for a lasting fall."""
    deficit_kw = situation.net_load_kw
    if n_now == 0 or deficit_kw > _NEAR_RATING_FRAC * n_now * kind.most_kw:
        return max(n_now, kind.sets_to_carry(deficit_kw))
    rest_s = seconds(kind.min_down_h)
    ahead = net_outlook(situation.forecast, situation.utc, rest_s, load_kw=situation.load_kw)
    return min(n_now, kind.sets_to_carry(max(deficit_kw, ahead.deficit_q90_kw)))
