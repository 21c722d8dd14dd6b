"""What becomes of a power that is asked for before it is written: narrowed to limits, moved no faster than allowed.

Pure. A driver only ever narrows: the limits here are those that nobody but the driver knows (nameplate, register
map, what the device itself allows now). What the site allows is decided before, by control and its guard.
"""

import math
from dataclasses import dataclass

from ems.model.capability import PowerLimits

# share of a setpoint that is taken off to see whether a device follows: beyond the noise of any read-back, and nothing
# that a site would feel
_PROBE_FRAC = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerCommand:
    """A command that is a power: its name in the map, and what the nameplate allows as shares of the rating.

    `lowest_field` and `highest_field` name fields of the reading with what the device allows now; both are amounts
    that are never negative, `lowest_field` counting downwards from zero (charging). `released_frac` is the power, as a
    share of the rating, that a device is left with which would keep the last one; None: it keeps it.
    """

    name: str
    lowest_frac: float
    highest_frac: float
    lowest_field: str | None = None
    highest_field: str | None = None
    released_frac: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """A power that may be written, and why it is not the one that was asked for; None: no power is allowed at all."""

    power_kw: float | None
    note: str = ""


class LimitFinder:
    """Finds the tightest limits on both ends, with the reason behind each."""

    def __init__(self) -> None:
        self._lowest = (-math.inf, "")
        self._highest = (math.inf, "")

    def narrow(self, lowest_kw: float, highest_kw: float, reason: str) -> None:
        """Take one more pair of limits into account."""
        if lowest_kw > self._lowest[0]:
            self._lowest = (lowest_kw, reason)
        if highest_kw < self._highest[0]:
            self._highest = (highest_kw, reason)

    def limits(self, *, ramp_kw_per_s: float | None) -> PowerLimits:
        """Return what is left between all limits."""
        return PowerLimits(
            lowest_kw=self._lowest[0],
            highest_kw=self._highest[0],
            lowest_reason=self._lowest[1],
            highest_reason=self._highest[1],
            ramp_kw_per_s=ramp_kw_per_s,
        )


def narrowed(power_kw: float, limits: PowerLimits) -> Narrowed:
    """Return the power within the limits that is nearest to the one asked for; what is no number stays as it is."""
    if not math.isfinite(power_kw):
        return Narrowed(power_kw=power_kw)
    if limits.lowest_kw > limits.highest_kw:
        note = (
            f"no power is allowed: at least {limits.lowest_kw:g} kW ({limits.lowest_reason}), "
            f"at most {limits.highest_kw:g} kW ({limits.highest_reason})"
        )
        return Narrowed(power_kw=None, note=note)
    if power_kw > limits.highest_kw:
        return Narrowed(power_kw=limits.highest_kw, note=f"{power_kw:g} asked, {limits.highest_reason} allows less")
    if power_kw < limits.lowest_kw:
        return Narrowed(power_kw=limits.lowest_kw, note=f"{power_kw:g} asked, {limits.lowest_reason} allows less")
    return Narrowed(power_kw=power_kw)


def probing_step(power_kw: float) -> float:
    """Return a setpoint a little nearer to zero: what shows it is not frozen."""
    return (1.0 - _PROBE_FRAC) * power_kw


def next_step(goal_kw: float, *, present_kw: float, most_kw: float) -> float:
    """Return the next setpoint on the way from the present one to a goal, at most `most_kw` away."""
    return present_kw + min(max(goal_kw - present_kw, -most_kw), most_kw)
