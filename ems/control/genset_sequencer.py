"""Which gensets run: start rules 1 to 7, stop conditions, failed starts, rotation.

The threshold rules are the law; a plan can only start a set earlier and stop it when every condition allows.
States come from the engine controllers' feedback, never from "command sent".
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import inf

from ems.control.measurement import Storage
from ems.control.outlook import net_outlook
from ems.control.state import ControlState, GensetTrack, Mode
from ems.model.genset import GensetClass
from ems.model.plan import Plan
from ems.model.readings import GensetPhase
from ems.model.rotation import UnitClock
from ems.model.setpoints import Cause, Reason
from ems.model.site import Site
from ems.model.snapshot import GensetState, SiteSnapshot
from ems.model.units import hours, seconds
from ems.reserve import Assessment, Operation, Requirement, ReserveId, lead_kwh, lead_time_s, set_is_needed

# a set that failed to start is left alone this long; its own controller has latched the fault
_FAILED_S = 4.0 * 3600.0
_STARTS_WINDOW_S = 3600.0
# running sets are joined by another one when they are this close to their rating
_NEAR_RATING_FRAC = 0.97
# after rule 2 the plan takes over again when the store has this much above the threshold, share of full
_RELEASE_FRAC = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the sequencer decides on; `plan` is None unless it is fresh and followed."""

    site: Site
    snapshot: SiteSnapshot
    plan: Plan | None
    # the same plan, or the rules' own: a source of forecasts
    forecast: Plan | None
    storage: Storage
    load_kw: float
    net_load_kw: float
    operation: Operation
    required: Requirement
    assessments: tuple[Assessment, ...]
    # DEGRADED stops no set
    may_stop: bool = True

    @property
    def now_s(self) -> float:
        """Return the monotonic time of the cycle."""
        return self.snapshot.at_s

    @property
    def utc(self) -> datetime:
        """Return the wall time of the cycle."""
        return self.snapshot.utc


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """Which sets are wanted, and why."""

    tracks: Mapping[str, GensetTrack]
    energy_run: bool
    short_since_s: float | None
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Need:
    """How many units of a class are needed; an emergency overrides rest times and starts per hour."""

    count: int
    cause: Cause
    text: str
    emergency: bool


def sequence(situation: Situation, state: ControlState) -> Commitment:
    """Return the commitment of this cycle."""
    tracks, reasons = _followed(situation, state.gensets)
    energy_run, energy_reason = _energy_run(situation, state)
    short_since_s = _short_since(situation, state)
    for kind in situation.site.gensets:
        need = _need(situation, state, tracks, kind, energy_run=energy_run, short_since_s=short_since_s)
        if need.emergency and energy_reason and not state.energy_run:
            need = replace(need, text=energy_reason)
        tracks, changes = _commit(situation, tracks, kind, need)
        reasons += changes
    return Commitment(tracks=tracks, energy_run=energy_run, short_since_s=short_since_s, reasons=tuple(reasons))


def adopted(site: Site, snapshot: SiteSnapshot, before: Mapping[str, GensetTrack]) -> dict[str, GensetTrack]:
    """Return tracks that want exactly what is measured to run: the first thing after a start."""
    states = {genset.id: genset for genset in snapshot.gensets}
    return {
        unit: _adopted(before.get(unit, GensetTrack()), states[unit], snapshot.at_s)
        for kind in site.gensets
        for unit in kind.unit_ids
    }


def _adopted(track: GensetTrack, genset: GensetState, now_s: float) -> GensetTrack:
    """Return a track that wants what is measured; a set that is not heard is adopted when it is."""
    if _unheard(genset):
        return track
    runs = genset.phase in (
        GensetPhase.RUNNING,
        GensetPhase.STARTING,
        GensetPhase.WARMING_UP,
        GensetPhase.SYNCHRONISING,
    )
    return replace(
        _with_feedback(track, genset, now_s),
        wanted=runs,
        wanted_since_s=now_s if runs else None,
        cause=Cause.ADOPTED,
        power_kw=genset.power_kw or 0.0,
    )


def _followed(situation: Situation, before: Mapping[str, GensetTrack]) -> tuple[dict[str, GensetTrack], list[Reason]]:
    """Bring the tracks up to the engines' feedback; give up on starts that took too long."""
    states = {genset.id: genset for genset in situation.snapshot.gensets}
    tracks: dict[str, GensetTrack] = {}
    reasons: list[Reason] = []
    for kind in situation.site.gensets:
        for unit in kind.unit_ids:
            track = before.get(unit, GensetTrack())
            # a set that nobody has decided on yet goes on as it is found
            follow = _adopted if track.cause is None else _with_feedback
            track = follow(track, states[unit], situation.now_s)
            if _has_failed(kind, track, states[unit], situation.now_s):
                reasons.append(
                    Reason(cause=Cause.FAILED_START, text=f"{unit} did not carry load in {kind.start_timeout_s:.0f} s")
                )
                track = replace(track, wanted=False, wanted_since_s=None, failed_until_s=situation.now_s + _FAILED_S)
            tracks[unit] = track
    return tracks, reasons


def _with_feedback(track: GensetTrack, genset: GensetState, now_s: float) -> GensetTrack:
    starts_s = tuple(start for start in track.starts_s if now_s - start < _STARTS_WINDOW_S)
    if _unheard(genset):
        # its own controller keeps it as it was: a running set has not failed because its link has
        return replace(track, starts_s=starts_s)
    carries = genset.carries
    rests = genset.phase is GensetPhase.STOPPED
    return replace(
        track,
        carries_since_s=(now_s if track.carries_since_s is None else track.carries_since_s) if carries else None,
        rests_since_s=(now_s if track.rests_since_s is None else track.rests_since_s) if rests else None,
        starts_s=starts_s,
    )


def _unheard(genset: GensetState) -> bool:
    """Return whether it is not known if a set carries load."""
    return genset.phase is None or (genset.phase is GensetPhase.RUNNING and genset.breaker_closed is None)


def _has_failed(kind: GensetClass, track: GensetTrack, genset: GensetState, now_s: float) -> bool:
    if not track.wanted or track.carries_since_s is not None or track.wanted_since_s is None:
        return False
    waited_s = now_s - track.wanted_since_s
    return genset.phase is GensetPhase.FAULT or waited_s > kind.start_timeout_s


def _energy_run(situation: Situation, state: ControlState) -> tuple[bool, str]:
    """Rules 2, 3 and 5: whether sets must run because of the energy in the store."""
    site, storage = situation.site, situation.storage
    if state.mode is Mode.GRID or not site.gensets:
        return False, ""
    available_kwh = storage.stored_kwh - storage.tech_kwh
    reserve_kwh = storage.floor_kwh - storage.tech_kwh
    lead_s = lead_time_s(site.reserve, site.gensets)
    ahead = net_outlook(situation.forecast, situation.utc, lead_s, load_kw=situation.load_kw)
    eff = site.batteries[0].discharge_eff_frac if site.batteries else 1.0
    threshold_kwh = reserve_kwh + lead_kwh(ahead.deficit_q90_kw, lead_s=lead_s, discharge_eff_frac=eff)
    if available_kwh <= threshold_kwh and ahead.deficit_q90_kw > 0.0:
        return True, (
            f"{available_kwh:.0f} kWh above the technical minimum do not cover the reserve and "
            f"{lead_s / 60.0:.0f} min of the deficit ({threshold_kwh:.0f} kWh)"
        )
    if _grid_lost_now(state, situation) and not _rides(situation, available_kwh - reserve_kwh, eff):
        return True, "the store does not cover the outage that must be expected"
    start_pct = storage.floor_pct + site.control.soc_start_above_floor_pct
    if situation.plan is None and storage.soc_pct <= start_pct and ahead.deficit_q90_kw > 0.0:
        return True, f"SoC {storage.soc_pct:.1f} % is at the start threshold {start_pct:.1f} %"
    if not state.energy_run:
        return False, ""
    if situation.plan is not None:
        return available_kwh < threshold_kwh + _RELEASE_FRAC * storage.full_kwh, ""
    stop_pct = start_pct + site.control.soc_stop_above_start_pct
    return storage.soc_pct < stop_pct and not _pv_carries(situation), ""


def _pv_carries(situation: Situation) -> bool:
    """Return whether the q10 of PV carries the q90 of load through a set's minimum rest."""
    rest_s = max(seconds(kind.min_down_h) for kind in situation.site.gensets)
    ahead = net_outlook(situation.forecast, situation.utc, rest_s, load_kw=situation.load_kw)
    return ahead.pv_q10_kw >= ahead.load_q90_kw


def _grid_lost_now(state: ControlState, situation: Situation) -> bool:
    return situation.site.grid is not None and state.grid_lost_since_s == situation.now_s


def _rides(situation: Situation, spare_kwh: float, eff: float) -> bool:
    """Rule 5: whether the store covers the q90 deficit of the expected outage and the reserve holds without sets."""
    grid = situation.site.grid
    ride_s = 0.0 if grid is None else seconds(grid.ride_h)
    ahead = net_outlook(situation.forecast, situation.utc, ride_s, load_kw=situation.load_kw)
    covered = spare_kwh >= lead_kwh(ahead.deficit_q90_kw, lead_s=ride_s, discharge_eff_frac=eff)
    return covered and all(item.margin_kw >= 0.0 for item in situation.assessments if item.id is not ReserveId.DOWN)


def _short_since(situation: Situation, state: ControlState) -> float | None:
    """Rule 4: since when an upward requirement has been short."""
    short = any(item.margin_kw < 0.0 for item in situation.assessments if item.id is not ReserveId.DOWN)
    if not short:
        return None
    return situation.now_s if state.short_since_s is None else state.short_since_s


def _need(
    situation: Situation,
    state: ControlState,
    tracks: Mapping[str, GensetTrack],
    kind: GensetClass,
    *,
    energy_run: bool,
    short_since_s: float | None,
) -> _Need:
    """Return the greatest count that any rule asks for."""
    wanted = [unit for unit in kind.unit_ids if tracks[unit].wanted]
    need = _planned(situation, kind)
    if energy_run:
        count = _count_for(situation, kind, n_now=len(wanted))
        if situation.storage.near_floor:
            # a set that runs is not given up for a passing lull
            count = max(count, len(wanted))
        if _grid_lost_now(state, situation):
            count = min(count + 1, kind.n_units)
        if count > need.count:
            need = _Need(count=count, cause=Cause.ENERGY_LOW, text="the store must not fall further", emergency=True)
    starting = any(tracks[unit].carries_since_s is None for unit in wanted)
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
            need = _Need(count=count, cause=Cause.HEADROOM_LOW, text=text, emergency=True)
    return need


def _planned(situation: Situation, kind: GensetClass) -> _Need:
    """Rule 1: what the plan has on now, or within the time that a set needs to carry load."""
    plan = situation.plan
    if plan is None:
        return _Need(count=0, cause=Cause.SOC_RECOVERED, text="no rule asks for a set", emergency=False)
    overlaps = [step for step, _ in plan.steps_between(situation.utc, situation.utc + timedelta(seconds=kind.carry_s))]
    place = [genset.id for genset in overlaps[0].gensets].index(kind.id) if overlaps else 0
    counts = [step.gensets[place].n_on for step in overlaps]
    reason = next((item.text for step in overlaps for item in step.reasons if item.asset == kind.id), "plan")
    return _Need(count=max(counts, default=0), cause=Cause.PLAN, text=reason, emergency=False)


def _count_for(situation: Situation, kind: GensetClass, *, n_now: int) -> int:
    """Return the sets for the net deficit: one more only near their rating, one fewer only for a lasting fall."""
    deficit_kw = situation.net_load_kw
    if n_now == 0 or deficit_kw > _NEAR_RATING_FRAC * n_now * kind.most_kw:
        return max(n_now, kind.sets_to_carry(deficit_kw))
    rest_s = seconds(kind.min_down_h)
    ahead = net_outlook(situation.forecast, situation.utc, rest_s, load_kw=situation.load_kw)
    return min(n_now, kind.sets_to_carry(max(deficit_kw, ahead.deficit_q90_kw)))


def _commit(
    situation: Situation, tracks: dict[str, GensetTrack], kind: GensetClass, need: _Need
) -> tuple[dict[str, GensetTrack], list[Reason]]:
    """Start the sets that are missing, or stop one that is spare."""
    wanted = [unit for unit in kind.unit_ids if tracks[unit].wanted]
    reasons = []
    if need.count > len(wanted):
        for unit in _startable(situation, tracks, kind, emergency=need.emergency)[: need.count - len(wanted)]:
            track = tracks[unit]
            tracks[unit] = replace(
                track,
                wanted=True,
                wanted_since_s=situation.now_s,
                starts_s=(*track.starts_s, situation.now_s),
                cause=need.cause,
                power_kw=0.0,
            )
            reasons.append(Reason(cause=need.cause, text=f"start {unit}: {need.text}"))
    elif need.count < len(wanted) and situation.may_stop:
        unit = kind.rotation_rule.stop_order(_running_clocks(situation, tracks, wanted))[0]
        if (hindrance := _hindrance(situation, tracks[unit], kind, unit)) is None:
            tracks[unit] = replace(tracks[unit], wanted=False, wanted_since_s=None, cause=need.cause)
            reasons.append(Reason(cause=need.cause, text=f"stop {unit}: {need.text}"))
        else:
            tracks[unit] = replace(tracks[unit], cause=hindrance)
    return tracks, reasons


def _startable(
    situation: Situation, tracks: Mapping[str, GensetTrack], kind: GensetClass, *, emergency: bool
) -> list[str]:
    """Return the units that may start, in the order of the class's rotation: by default the longest rested first."""
    states = {genset.id: genset for genset in situation.snapshot.gensets}
    now_s = situation.now_s
    names = []
    for unit in kind.unit_ids:
        track, genset = tracks[unit], states[unit]
        if track.wanted or not genset.controllable or genset.phase in (None, GensetPhase.FAULT):
            continue
        if kind.in_maintenance(unit, situation.utc):
            continue
        if track.failed_until_s is not None and now_s < track.failed_until_s:
            continue
        rested = track.rests_since_s is not None and now_s - track.rests_since_s >= seconds(kind.min_down_h)
        fresh = not track.starts_s and genset.phase is GensetPhase.STOPPED
        often = len(track.starts_s) >= kind.max_starts_per_h
        if emergency or ((rested or fresh) and not often):
            names.append(unit)
    clocks = [
        UnitClock(id=unit, since_h=_hours_since(now_s, tracks[unit].rests_since_s), run_h=states[unit].run_h or 0.0)
        for unit in names
    ]
    return kind.rotation_rule.start_order(clocks)


def _running_clocks(situation: Situation, tracks: Mapping[str, GensetTrack], wanted: list[str]) -> list[UnitClock]:
    """Return the sets that could be stopped: those in maintenance, else those that do not carry yet, else all."""
    states = {genset.id: genset for genset in situation.snapshot.gensets}
    kinds = {unit: kind for kind in situation.site.gensets for unit in kind.unit_ids}
    first = [unit for unit in wanted if kinds[unit].in_maintenance(unit, situation.utc)]
    first = first or [unit for unit in wanted if tracks[unit].carries_since_s is None]
    return [
        UnitClock(
            id=unit,
            since_h=_hours_since(situation.now_s, tracks[unit].carries_since_s),
            run_h=states[unit].run_h or 0.0,
        )
        for unit in first or wanted
    ]


def _hours_since(now_s: float, since_s: float | None) -> float:
    """Return how long a state has lasted; one whose beginning is not known has lasted longest."""
    return inf if since_s is None else hours(now_s - since_s)


def _hindrance(situation: Situation, track: GensetTrack, kind: GensetClass, unit: str) -> Cause | None:
    """Return what forbids stopping a set: minimum run, reserve, or energy through its minimum rest."""
    if track.carries_since_s is None:
        return None
    if situation.now_s - track.carries_since_s < seconds(kind.min_up_h):
        return Cause.MINIMUM_RUN
    in_operation = any(genset.id == unit for genset in situation.operation.gensets)
    if in_operation and set_is_needed(situation.operation, unit, situation.required):
        return Cause.RESERVE_HELD
    if situation.operation.grid is None and not _energy_lasts(situation, kind):
        return Cause.ENERGY_LOW
    return None


def _energy_lasts(situation: Situation, kind: GensetClass) -> bool:
    """Return whether the q90 deficit of the minimum rest leaves the store above rule 2."""
    storage, site = situation.storage, situation.site
    eff = site.batteries[0].discharge_eff_frac
    rest_s = seconds(kind.min_down_h)
    lead_s = lead_time_s(site.reserve, site.gensets)
    ahead = net_outlook(situation.forecast, situation.utc, rest_s + lead_s, load_kw=situation.load_kw)
    used_kwh = lead_kwh(ahead.deficit_q90_kw, lead_s=rest_s + lead_s, discharge_eff_frac=eff)
    running = [unit.power_kw for unit in situation.operation.gensets]
    if len(running) > 1:
        # the other sets go on carrying their part of the deficit
        others_kw = sum(running) - max(running)
        used_kwh = max(0.0, used_kwh - lead_kwh(others_kw, lead_s=rest_s + lead_s, discharge_eff_frac=eff))
    return storage.stored_kwh - used_kwh > storage.floor_kwh
