"""The slow trim beside the feed-forward: how fast it may integrate, and when it must not.

A loop with d whole cycles of delay does not overshoot up to a gain of d^d / (d+1)^(d+1); the trim stays a little
below. The delay is configured, or measured from setpoint to power by the units that follow.
"""

from math import ceil, exp
from typing import Final

from ems.control.measurement import MAX_SPREAD_S
from ems.control.state import ControlState
from ems.control.totals import Flows
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot

# share of the gain without overshoot that is used: 0.95, 0.24, 0.14, 0.10 for delays of 0, 1, 2, 3 cycles
_OF_BOUND_FRAC: Final = 0.95
# delay that is taken to be there until one has been measured
_PRIOR_DELAY_PERIODS: Final = 3.0
_NOISE_SIGMAS: Final = 3.0


def gain_of(delay_cycles: int) -> float:
    """Return the gain per cycle of a trim through so many whole cycles of delay."""
    # d^d / (d + 1)^(d + 1), in a form that takes any number of cycles
    bound: float = (delay_cycles / (delay_cycles + 1.0)) ** delay_cycles / (delay_cycles + 1.0)
    return _OF_BOUND_FRAC * bound


def loop_delay_s(site: Site, state: ControlState) -> float:
    """Return the time from a setpoint to its power: configured, else measured, else assumed."""
    if site.control.loop_delay_s is not None:
        return site.control.loop_delay_s
    if state.loop_delay_s is not None:
        return state.loop_delay_s
    return _PRIOR_DELAY_PERIODS * site.control.period_s


def trim_gain(site: Site, state: ControlState, *, dt_s: float) -> float:
    """Return the gain for a cycle of any length; a configured one is never above what the delay allows."""
    # what is written in one cycle is seen in the next one at the earliest
    allowed = gain_of(max(1, ceil(loop_delay_s(site, state) / dt_s - 1e-6)))
    if site.control.trim_gain_frac is None:
        return allowed
    asked: float = 1.0 - (1.0 - site.control.trim_gain_frac) ** (dt_s / site.control.trim_period_s)
    return min(allowed, asked)


def trimmed(site: Site, state: ControlState, flows: Flows, error_kw: float) -> float:
    """Return the trim after one more cycle with an error; noise of the meter and doubtful samples move nothing."""
    if not flows.trims or abs(error_kw) <= _NOISE_SIGMAS * site.control.meter_sigma_kw:
        return state.trim_kw
    return state.trim_kw + trim_gain(site, state, dt_s=flows.dt_s) * error_kw


def decayed(state: ControlState, flows: Flows, *, time_s: float) -> float:
    """Return a trim that is not needed any more: it goes slowly, so that nothing steps."""
    return state.trim_kw * exp(-flows.dt_s / time_s)


def may_trim(site: Site, snapshot: SiteSnapshot) -> bool:
    """Return whether a trim may be drawn from this picture.

    Not where its samples are further apart than a balance allows, and not while voltage or frequency are outside their
    normal bands: there every unit's droop acts, and nothing is moved against it.
    """
    if snapshot.spread_s > MAX_SPREAD_S * max(1.0, site.control.period_s):
        return False
    modes, pcc = site.control.modes, snapshot.pcc
    hz = snapshot.frequency_hz
    if site.grid is not None and hz is not None and abs(hz - site.grid.nominal_hz) > modes.frequency_band_hz:
        return False
    volt = None if pcc is None else pcc.bus_voltage_frac
    return volt is None or abs(volt - 1.0) <= modes.voltage_band_frac
