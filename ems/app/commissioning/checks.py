"""What is checked of a device and what a figure means: steps and their judgement. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ems.model.capability import PowerLimits

# large enough to stand out of a meter's noise, small enough for any site
STEP_FRAC: Final = 0.02
_LARGEST_STEP_FRAC: Final = 0.05
# the share of a step that the measured power has to follow; the rest is ramp, losses and metering
_FOLLOWED_FRAC: Final = 0.5
# this much the wrong way is a sign, not noise
_AGAINST_FRAC: Final = -0.3
# a change of frequency that meters with a resolution of 1 mHz show
_SEEN_HZ: Final = 0.003
_NO_SIGN: Final = (
    "the setpoint is taken; the unit forms the grid, its power follows the load and the frequency does not show the "
    "step, which says nothing of the sign: repeat this with a larger step, or while it follows a grid"
)
# a curtailment is seen only if there is something to curtail
_LEAST_PRODUCTION_FRAC: Final = 0.05
# a limit is obeyed if the power is at most this share of the rating above it
_LIMIT_TOLERANCE_FRAC: Final = 0.01


class Verdict(StrEnum):
    """What came of a check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check with a sentence of what was seen and its figures, each a text with its unit."""

    name: str
    verdict: Verdict
    detail: str
    figures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A setpoint to give, from the one before it."""

    setpoint_kw: float
    delta_kw: float


def storage_steps(present_kw: float, limits: PowerLimits, *, rated_kw: float, step_frac: float) -> tuple[Step, ...]:
    """Return a step up and a step down around the present setpoint, within the limits; none where there is no room.

    Both begin at the present setpoint: it is returned to in between.
    """
    size_kw = min(step_frac, _LARGEST_STEP_FRAC) * rated_kw
    steps = []
    for delta_kw in (size_kw, -size_kw):
        setpoint_kw = min(max(present_kw + delta_kw, limits.lowest_kw), limits.highest_kw)
        moved_kw = setpoint_kw - present_kw
        if moved_kw * delta_kw > 0.0 and abs(moved_kw) >= _FOLLOWED_FRAC * size_kw:
            steps.append(Step(setpoint_kw=setpoint_kw, delta_kw=moved_kw))
    return tuple(steps)


def curtailment_step(power_kw: float, limits: PowerLimits, *, rated_kw: float, step_frac: float) -> Step | None:
    """Return a limit somewhat below the present production; None where there is too little sun to see it."""
    if power_kw < _LEAST_PRODUCTION_FRAC * rated_kw:
        return None
    limit_kw = power_kw - min(step_frac, _LARGEST_STEP_FRAC) * rated_kw
    if not limits.lowest_kw <= limit_kw <= limits.highest_kw:
        return None
    return Step(setpoint_kw=limit_kw, delta_kw=limit_kw - power_kw)


def step_name(command: str, step: Step) -> str:
    """Return what a step is called in the report."""
    if command == "limit_kw":
        return "limit obeyed"
    return "step up" if step.delta_kw > 0.0 else "step down"


def has_followed(before_kw: float, after_kw: float | None, step: Step) -> bool:
    """Return whether the measured power has moved with the setpoint."""
    return after_kw is not None and (after_kw - before_kw) / step.delta_kw >= _FOLLOWED_FRAC


def judged_step(before_kw: float, after_kw: float | None, step: Step, *, forming: bool, took_s: float) -> Check:
    """Return what a step of the setpoint says about the sign and scale of setpoint and measurement.

    Nothing if the unit is `forming` the grid: what it gives is what the load takes.
    """
    figures = {
        "setpoint": f"{step.setpoint_kw:.1f} kW ({step.delta_kw:+.1f} kW)",
        "power before": f"{before_kw:.1f} kW",
        "power after": "unknown" if after_kw is None else f"{after_kw:.1f} kW",
        "took": f"{took_s:.1f} s",
    }
    name = step_name("power_kw", step)
    if after_kw is None:
        return Check(name=name, verdict=Verdict.FAILED, detail="the power became unknown", figures=figures)
    # before the share: a load that happens to move with the setpoint shows no sign
    if forming:
        return Check(name=name, verdict=Verdict.NOT_RUN, detail=_NO_SIGN, figures=figures)
    share = (after_kw - before_kw) / step.delta_kw
    if share >= _FOLLOWED_FRAC:
        detail = "the measured power follows the setpoint, with the same sign"
        return Check(name=name, verdict=Verdict.PASSED, detail=detail, figures=figures)
    if share <= _AGAINST_FRAC:
        detail = "the measured power moves against the setpoint: one of the two has the wrong sign"
    else:
        detail = f"the measured power moved by {share:.0%} of the step"
    return Check(name=name, verdict=Verdict.FAILED, detail=detail, figures=figures)


def judged_droop_step(step: Step, *, before_hz: float | None, moved_hz: float | None, back_hz: float | None) -> Check:
    """Return whether the frequency of an island follows the setpoint of a unit that forms it, and comes back with it.

    A droop sends the frequency up with the setpoint, whatever the load takes. The sign of the measured power is not
    seen by this: it follows the load.
    """
    name = step_name("power_kw", step)
    figures = {"setpoint": f"{step.setpoint_kw:.1f} kW ({step.delta_kw:+.1f} kW)"}
    if before_hz is None or moved_hz is None or back_hz is None:
        return Check(name=name, verdict=Verdict.NOT_RUN, detail=_NO_SIGN, figures=figures)
    figures |= {"frequency": f"{before_hz:.3f} Hz, then {moved_hz:.3f} Hz, back {back_hz:.3f} Hz"}
    moved, returned = moved_hz - before_hz, moved_hz - back_hz
    # a load that moves meanwhile would have to go there and back with the setpoint
    if min(abs(moved), abs(returned)) < _SEEN_HZ or moved * returned < 0.0:
        return Check(name=name, verdict=Verdict.NOT_RUN, detail=_NO_SIGN, figures=figures)
    if moved * step.delta_kw > 0.0:
        detail = (
            "the frequency of the island follows the setpoint and comes back with it: the setpoint has the right sign; "
            "that of the measured power is seen while the unit follows a grid"
        )
        return Check(name=name, verdict=Verdict.PASSED, detail=detail, figures=figures)
    detail = "the frequency of the island moves against the setpoint: the setpoint has the wrong sign"
    return Check(name=name, verdict=Verdict.FAILED, detail=detail, figures=figures)


def judged_curtailment(
    before_kw: float, after_kw: float | None, step: Step, *, rated_kw: float, took_s: float
) -> Check:
    """Return whether a block keeps to a limit below its production."""
    figures = {
        "limit": f"{step.setpoint_kw:.1f} kW",
        "power before": f"{before_kw:.1f} kW",
        "power after": "unknown" if after_kw is None else f"{after_kw:.1f} kW",
        "took": f"{took_s:.1f} s",
    }
    obeys = keeps_limit(after_kw, step.setpoint_kw, rated_kw=rated_kw)
    detail = "the power comes down to the limit" if obeys else "the power does not come down to the limit"
    verdict = Verdict.PASSED if obeys else Verdict.FAILED
    return Check(name=step_name("limit_kw", step), verdict=verdict, detail=detail, figures=figures)


def keeps_limit(power_kw: float | None, limit_kw: float, *, rated_kw: float) -> bool:
    """Return whether a power is at or below its limit, within what meters see."""
    return power_kw is not None and power_kw <= limit_kw + _LIMIT_TOLERANCE_FRAC * rated_kw


def judged_limits(limits: PowerLimits, *, rated_kw: float) -> Check:
    """Return whether what the device takes is inside its nameplate."""
    figures = {
        "lowest": f"{limits.lowest_kw:.1f} kW ({limits.lowest_reason})",
        "highest": f"{limits.highest_kw:.1f} kW ({limits.highest_reason})",
        "rated": f"{rated_kw:.1f} kW",
    }
    inside = -rated_kw <= limits.lowest_kw <= limits.highest_kw <= rated_kw
    detail = "setpoints are kept inside the nameplate" if inside else "the limits reach beyond the nameplate"
    return Check(name="limits", verdict=Verdict.PASSED if inside else Verdict.FAILED, detail=detail, figures=figures)


def judged_heartbeat(period_s: float | None, age_s: float | None) -> Check:
    """Return whether the device takes the heartbeat as often as it is written."""
    name = "heartbeat"
    if period_s is None:
        return Check(name=name, verdict=Verdict.NOT_RUN, detail="the device has none: setpoints are its sign of life")
    figures = {"period": f"{period_s:g} s", "last taken": "never" if age_s is None else f"{age_s:.1f} s ago"}
    seen = age_s is not None and age_s <= 2.0 * period_s
    detail = "the device takes every heartbeat" if seen else "the device does not take the heartbeat"
    return Check(name=name, verdict=Verdict.PASSED if seen else Verdict.FAILED, detail=detail, figures=figures)


def judged_fallback(*, left_after_s: float | None, after_s: float, waited_s: float) -> Check:
    """Return whether the device gave up a setpoint by itself after the silence that is configured.

    One that forms the grid has to as well: its droop stays, the offset that a silent master gave it does not.
    `left_after_s` is the time from the last sign of life until the setpoint was seen to be another one.
    """
    figures = {
        "configured": f"{after_s:g} s of silence",
        "fell back after": "not seen" if left_after_s is None else f"{left_after_s:.1f} s",
        "waited": f"{waited_s:.1f} s",
    }
    name = "fall-back"
    if left_after_s is not None:
        detail = "the device gives the setpoint up by itself"
        return Check(name=name, verdict=Verdict.PASSED, detail=detail, figures=figures)
    detail = "the device keeps a silent master's setpoint"
    return Check(name=name, verdict=Verdict.FAILED, detail=detail, figures=figures)
