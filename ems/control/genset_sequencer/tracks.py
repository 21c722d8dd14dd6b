"""What became of each set, by the feedback of its engine: adopted, followed, failed to start."""

from collections.abc import Mapping
from dataclasses import replace

from ems.control.genset_sequencer.situation import Situation
from ems.control.state import GensetTrack
from ems.model.genset import GensetClass
from ems.model.readings import GensetPhase
from ems.model.setpoints import Cause, Reason
from ems.model.site import Site
from ems.model.snapshot import GensetState, SiteSnapshot

# a set that failed to start is left alone this long; its own controller has latched the fault
_FAILED_S = 4.0 * 3600.0
_STARTS_WINDOW_S = 3600.0


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


def followed(situation: Situation, before: Mapping[str, GensetTrack]) -> tuple[dict[str, GensetTrack], list[Reason]]:
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
        since_s = now_s if track.unheard_since_s is None else track.unheard_since_s
        return replace(track, starts_s=starts_s, unheard_since_s=since_s)
    carries = genset.carries
    rests = genset.phase is GensetPhase.STOPPED
    return replace(
        track,
        carries_since_s=(now_s if track.carries_since_s is None else track.carries_since_s) if carries else None,
        rests_since_s=(now_s if track.rests_since_s is None else track.rests_since_s) if rests else None,
        starts_s=starts_s,
        unheard_since_s=None,
    )


def counted(situation: Situation, tracks: Mapping[str, GensetTrack], kind: GensetClass) -> list[str]:
    """Return the wanted units of a class that can be counted on: those that are heard, or were a moment ago."""
    now_s = situation.now_s
    return [
        unit
        for unit in kind.unit_ids
        if tracks[unit].wanted and not _is_lost(tracks[unit], now_s=now_s, after_s=kind.unheard_s)
    ]


def _is_lost(track: GensetTrack, *, now_s: float, after_s: float) -> bool:
    return track.unheard_since_s is not None and now_s - track.unheard_since_s > after_s


def _unheard(genset: GensetState) -> bool:
    """Return whether it is not known if a set carries load."""
    return genset.phase is None or (genset.phase is GensetPhase.RUNNING and genset.breaker_closed is None)


def _has_failed(kind: GensetClass, track: GensetTrack, genset: GensetState, now_s: float) -> bool:
    if not track.wanted or track.carries_since_s is not None or track.wanted_since_s is None:
        return False
    waited_s = now_s - track.wanted_since_s
    return genset.phase is GensetPhase.FAULT or waited_s > kind.start_timeout_s
