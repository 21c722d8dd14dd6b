"""Starts of the sets that are missing and stops of those that are spare: order, rest, and what forbids a stop."""

from collections.abc import Mapping
from dataclasses import replace
from math import inf

from ems.control.genset_sequencer.needs import Need
from ems.control.genset_sequencer.situation import Situation
from ems.control.genset_sequencer.tracks import counted
from ems.control.outlook import net_outlook
from ems.control.state import GensetTrack
from ems.model.genset import GensetClass
from ems.model.readings import GensetPhase
from ems.model.rotation import UnitClock
from ems.model.setpoints import Cause, Reason
from ems.model.units import hours, seconds
from ems.reserve import lead_kwh, lead_time_s, set_is_needed


def changed(
    situation: Situation, tracks: dict[str, GensetTrack], kind: GensetClass, need: Need
) -> tuple[dict[str, GensetTrack], list[Reason]]:
    """Start the sets that are missing, or stop one that is spare."""
    wanted = counted(situation, tracks, kind)
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
    elif need.count < len(wanted) and situation.may_stop and (ours := _spare(situation, wanted)):
        unit = kind.rotation_rule.stop_order(_running_clocks(situation, tracks, ours))[0]
        if (hindrance := _hindrance(situation, tracks[unit], kind, unit)) is None:
            tracks[unit] = replace(tracks[unit], wanted=False, wanted_since_s=None, cause=need.cause)
            reasons.append(Reason(cause=need.cause, text=f"stop {unit}: {need.text}"))
        else:
            tracks[unit] = replace(tracks[unit], cause=hindrance)
    return tracks, reasons


def tested(
    situation: Situation, tracks: dict[str, GensetTrack], kind: GensetClass
) -> tuple[dict[str, GensetTrack], list[Reason]]:
    """Start the sets that are to be tested, where nothing but an emergency would have to overrule what forbids it."""
    reasons = []
    for unit in _startable(situation, tracks, kind, emergency=False):
        if unit in situation.tested:
            tracks[unit] = replace(
                tracks[unit],
                wanted=True,
                wanted_since_s=situation.now_s,
                starts_s=(*tracks[unit].starts_s, situation.now_s),
                cause=Cause.TEST,
                power_kw=0.0,
            )
            reasons.append(Reason(cause=Cause.TEST, text=f"start {unit}: a command asks for a test"))
    return tracks, reasons


def _spare(situation: Situation, units: list[str]) -> list[str]:
    """Return the sets that neither people nor a test keep as they are."""
    return [unit for unit in units if unit not in situation.held | situation.tested]


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
        if unit in situation.held:
            continue
        if kind.in_maintenance(unit, situation.utc) or (unit in situation.banned and not emergency):
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
