"""Whether units do what they are told: a unit that refuses or misses a setpoint is planned without, and probed.

Pure: a track per unit, the cycle's evidence in, the next track out. Evidence is what the driver says became of a
write, and the measured power. A unit that shows its setpoint and delivers something else is the fault that no
read-back finds. Times are counted in control periods, which an accelerated run stretches.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from ems.model.setpoints import Outcome, WriteOutcome
from ems.model.snapshot import Problem, SiteSnapshot

# what a unit has for following beside its ramp: a write, its latency, a poll and a cycle
_FOLLOW_PERIODS: Final = 3.0
# the last of them is a second look: one sample, or the moment of a transfer, proves nothing
_SECOND_LOOK_PERIODS: Final = 1.0
# cycles come a little early or late
_SECOND_LOOK_FRAC: Final = 0.5
# the first probe of a unit that missed a setpoint; later ones at a quarter of the time since, up to the longest pause
_FIRST_PROBE_PERIODS: Final = 2.0
_LONGEST_PROBE_PERIODS: Final = 30.0
_PROBE_PAUSE_FRAC: Final = 0.25
# a probe has to be written and read back before it can be followed
_PROBE_WRITE_PERIODS: Final = 3.0
# a step that is large enough to show its direction, share of rating, and what of it has to be seen
_STEP_TOLERANCES: Final = 1.0
_SEEN_FRAC: Final = 0.5
# so many steps the wrong way are no coincidence (rule G12)
_WRONG_WAYS: Final = 2
# powers asked for are kept this long: the longest ramp that is waited for
_KEPT_PERIODS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one cycle knows of a unit.

    `asked_kw` is what the unit was asked for last, narrowed to what its driver allows; None: nothing, or nothing
    that its power would show. `free` is false while the measured power need not be the one asked for: a unit that
    forms an island, a set that does not carry load. `one_sided`: only a power above the one asked for is a miss (a
    limit). `withheld`: the driver itself says that it takes no commands. `heard`: it answers.
    """

    asked_kw: float | None
    power_kw: float | None
    outcome: WriteOutcome | None
    withheld: bool
    heard: bool
    free: bool
    one_sided: bool
    tolerance_kw: float
    ramp_kw_per_s: float | None
    longest_ramp_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A power that was asked for at a time, and the one that was measured then."""

    at_s: float
    power_kw: float
    measured_kw: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A small setpoint that a missed unit was given, to see whether it follows again."""

    since_s: float
    power_kw: float
    measured_kw: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """How a unit has followed. `missed` is why it is planned without; `by_power`: its measured power said so.

    `lost`: the newest write was lost with the line; `heard_since`: the unit was heard again after that.
    """

    asks: tuple[Ask, ...] = ()
    free_since_s: float | None = None
    off_since_s: float | None = None
    heard_s: float = float("-inf")
    missed: str | None = None
    missed_since_s: float = 0.0
    by_power: bool = False
    lost: bool = False
    heard_since: bool = False
    probe_at_s: float = 0.0
    probe: Probe | None = None
    # what was in force when the unit missed or got its last probe, and how often it went the wrong way since
    asked_kw: float | None = None
    n_wrong_ways: int = 0

    @property
    def wrong_way(self) -> bool:
        """Return whether the unit, or its meter, goes the wrong way: it is left alone until people have looked."""
        return self.n_wrong_ways >= _WRONG_WAYS

    def wants_probe(self, now_s: float) -> bool:
        """Return whether a probe is due."""
        return self.missed is not None and not self.wrong_way and self.probe is None and now_s >= self.probe_at_s


def judged(track: Track, evidence: Evidence, *, now_s: float, period_s: float) -> Track:
    """Return the track after one more cycle."""
    if evidence.withheld:
        # the unit says itself that it takes nothing: that is no miss, and its end is said as well
        return Track(heard_s=now_s)
    track = _remembered(track, evidence, now_s=now_s, period_s=period_s)
    track = _heard(track, evidence, now_s=now_s, period_s=period_s)
    if track.missed is None:
        return _compared(track, evidence, now_s=now_s, period_s=period_s)
    return _probed(track, evidence, now_s=now_s, period_s=period_s)


def probing(track: Track, power_kw: float, *, now_s: float, measured_kw: float | None = None) -> Track:
    """Return the track of a unit that was just given a probe; `measured_kw` is its power before it."""
    return replace(track, probe=Probe(since_s=now_s, power_kw=power_kw, measured_kw=measured_kw))


def narrowed_probe(track: Track, power_kw: float) -> Track:
    """Return the track with the probe as the guard has let it pass."""
    return track if track.probe is None else replace(track, probe=replace(track.probe, power_kw=power_kw))


def probe_kw(power_kw: float, *, lowest_kw: float, highest_kw: float, step_kw: float) -> float:
    """Return a power one step from the present one, within limits: toward zero, or away where there is no room.

    Limits that leave no step give the nearest power that they allow.
    """
    toward = -step_kw if power_kw > 0.0 else step_kw
    for moved_kw in (power_kw + toward, power_kw - toward):
        if lowest_kw <= moved_kw <= highest_kw:
            return moved_kw
    return min(max(power_kw, lowest_kw), highest_kw)


def without(snapshot: SiteSnapshot, missed: Mapping[str, str], *, device_ids: Mapping[str, str]) -> SiteSnapshot:
    """Return the snapshot in which units that miss their setpoints take none; `device_ids` by asset."""
    if not missed:
        return snapshot
    problems = tuple(
        Problem(device_id=device_ids[asset], value="setpoint", reason=reason) for asset, reason in missed.items()
    )
    return replace(
        snapshot,
        blocks=tuple(replace(b, controllable=False) if b.id in missed else b for b in snapshot.blocks),
        gensets=tuple(replace(g, controllable=False) if g.id in missed else g for g in snapshot.gensets),
        pv=tuple(replace(p, controllable=False) if p.id in missed else p for p in snapshot.pv),
        problems=(*snapshot.problems, *problems),
    )


def _remembered(track: Track, evidence: Evidence, *, now_s: float, period_s: float) -> Track:
    """Keep what was asked for, as far back as it may still be under way, and since when the power must show it."""
    if evidence.asked_kw is None or not evidence.free:
        return replace(track, asks=(), free_since_s=None, off_since_s=None)
    if track.free_since_s is None:
        if evidence.power_kw is None:
            return track
        # from here on it has to follow; until then it delivered what it did
        track = replace(track, asks=(Ask(at_s=now_s, power_kw=evidence.power_kw),), free_since_s=now_s)
    kept = [ask for ask in track.asks if now_s - ask.at_s <= _KEPT_PERIODS * period_s]
    # the newest of those that are left out was in force when the first one that is kept came
    older = track.asks[len(track.asks) - len(kept) - 1 : len(track.asks) - len(kept)]
    newest = Ask(at_s=now_s, power_kw=evidence.asked_kw, measured_kw=evidence.power_kw)
    return replace(track, asks=(*older, *kept, newest))


def _heard(track: Track, evidence: Evidence, *, now_s: float, period_s: float) -> Track:
    """Take what the driver says became of the newest write."""
    outcome = evidence.outcome
    if outcome is None or outcome.at_s <= track.heard_s:
        return replace(track, heard_since=True) if track.lost and evidence.heard else track
    track = replace(track, heard_s=outcome.at_s)
    if outcome.outcome is Outcome.ACCEPTED:
        track = replace(track, lost=False, heard_since=False)
    elif outcome.outcome is Outcome.LOST and outcome.written_kw is None and not track.heard_since:
        # the line went, which says nothing about the unit: it is commanded again as soon as it is heard
        return replace(track, lost=True)
    if outcome.outcome is not Outcome.ACCEPTED:
        return _missing(track, outcome.detail, by_power=track.by_power, now_s=now_s, period_s=period_s)
    if track.missed is not None and not track.by_power:
        return _following_again(track)
    return track


def _compared(track: Track, evidence: Evidence, *, now_s: float, period_s: float) -> Track:
    """Compare the power with everything that was in force while a unit that follows might still be on its way."""
    if evidence.power_kw is None or track.free_since_s is None or not track.asks:
        return track
    window_s = _window_s(track, evidence, period_s=period_s)
    began_s = now_s - window_s
    if track.free_since_s > began_s or track.asks[0].at_s > began_s:
        return track
    first = max(index for index, ask in enumerate(track.asks) if ask.at_s <= began_s)
    in_force = [ask.power_kw for ask in track.asks[first:]]
    low, high = min(in_force) - evidence.tolerance_kw, max(in_force) + evidence.tolerance_kw
    if low <= evidence.power_kw <= high or (evidence.one_sided and evidence.power_kw < low):
        return replace(track, off_since_s=None)
    if track.off_since_s is None:
        return replace(track, off_since_s=now_s)
    if now_s - track.off_since_s < _SECOND_LOOK_FRAC * period_s:
        return track
    asked_s = window_s + now_s - track.off_since_s
    reason = f"{evidence.power_kw:.0f} kW measured, {in_force[-1]:.0f} kW asked for {asked_s:.0f} s or longer"
    before = _before_step(track, asked_kw=in_force[-1], tolerance_kw=evidence.tolerance_kw)
    track = _directed(replace(track, off_since_s=None), evidence, before.power_kw, before.measured_kw, in_force[-1])
    return _missing(track, reason, by_power=True, now_s=now_s, period_s=period_s)


def _before_step(track: Track, *, asked_kw: float, tolerance_kw: float) -> Ask:
    """Return the last ask that was another one, the oldest known where all were alike."""
    steps = (ask for ask in reversed(track.asks) if abs(ask.power_kw - asked_kw) > tolerance_kw)
    return next(steps, track.asks[0])


def _directed(
    track: Track, evidence: Evidence, before_kw: float | None, measured_kw: float | None, asked_kw: float
) -> Track:
    """Return the track with one more step the wrong way, if the last one was (rule G12).

    What counts is the change against the change: a meter with the wrong sign is off by much more than its step.
    """
    track = replace(track, asked_kw=asked_kw)
    if evidence.one_sided or not evidence.free or None in (before_kw, measured_kw, evidence.power_kw):
        return track
    step_kw = asked_kw - (before_kw or 0.0)
    seen_kw = (evidence.power_kw or 0.0) - (measured_kw or 0.0)
    tolerance_kw = evidence.tolerance_kw
    if abs(step_kw) <= _STEP_TOLERANCES * tolerance_kw or abs(seen_kw) <= _SEEN_FRAC * tolerance_kw:
        return track
    if step_kw * seen_kw > 0.0:
        return track
    return replace(track, n_wrong_ways=track.n_wrong_ways + 1)


def _window_s(track: Track, evidence: Evidence, *, period_s: float) -> float:
    """Return the time before the first look: that of the ramp over what was asked, and some periods."""
    asked = [ask.power_kw for ask in track.asks]
    ramp_s = 0.0 if evidence.ramp_kw_per_s is None else (max(asked) - min(asked)) / evidence.ramp_kw_per_s
    return (_FOLLOW_PERIODS - _SECOND_LOOK_PERIODS) * period_s + min(ramp_s, evidence.longest_ramp_s)


def _probed(track: Track, evidence: Evidence, *, now_s: float, period_s: float) -> Track:
    """See whether a unit follows its probe."""
    probe = track.probe
    if probe is None:
        return track
    accepted = (
        evidence.outcome is not None
        and evidence.outcome.outcome is Outcome.ACCEPTED
        and evidence.outcome.at_s >= probe.since_s
    )
    if accepted and _shows(evidence, probe.power_kw):
        return _following_again(track)
    ramp_s = 0.0 if evidence.ramp_kw_per_s is None else evidence.longest_ramp_s
    if now_s - probe.since_s < _PROBE_WRITE_PERIODS * period_s + _FOLLOW_PERIODS * period_s + ramp_s:
        return track
    track = _directed(track, evidence, track.asked_kw, probe.measured_kw, probe.power_kw)
    return _scheduled(track, now_s=now_s, period_s=period_s)


def _shows(evidence: Evidence, asked_kw: float) -> bool:
    """Return whether the power is the one asked for, as far as that can be seen."""
    if not evidence.free or evidence.power_kw is None:
        return True
    off_kw = evidence.power_kw - asked_kw
    return off_kw <= evidence.tolerance_kw and (evidence.one_sided or off_kw >= -evidence.tolerance_kw)


def _missing(track: Track, reason: str, *, by_power: bool, now_s: float, period_s: float) -> Track:
    """Return the track of a unit that has just missed a setpoint, or its probe."""
    waits = track.missed is not None and track.probe is None
    since_s = now_s if track.missed is None else track.missed_since_s
    track = replace(track, missed=reason, missed_since_s=since_s, by_power=by_power)
    # what is said between two probes does not put the next one off
    return track if waits else _scheduled(track, now_s=now_s, period_s=period_s)


def _scheduled(track: Track, *, now_s: float, period_s: float) -> Track:
    pause_s = max(_FIRST_PROBE_PERIODS * period_s, _PROBE_PAUSE_FRAC * (now_s - track.missed_since_s))
    return replace(track, probe=None, probe_at_s=now_s + min(pause_s, _LONGEST_PROBE_PERIODS * period_s))


def _following_again(track: Track) -> Track:
    return Track(heard_s=track.heard_s)
