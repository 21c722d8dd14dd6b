"""The PCC breaker: matching the island to the grid, the permit to close, the request to open.

A sync-check device alone closes the breaker; it has our permit only in RESYNC, and the permit expires by itself.
"""

from typing import Final

from ems.control.modes.conditions import Scene, exchange_is_small
from ems.control.modes.islanding import plant_refusal
from ems.control.state import ControlState, Mode
from ems.model.setpoints import Cause, Reason, TieSetpoint
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot

# share of the frequency error that is corrected per trim period; the gain of a loop with three periods of delay
_GAIN_FRAC: Final = 0.1
_MAX_GAIN_FRAC: Final = 0.3
# setpoints are shifted by at most this share of the forming units' rating
_MOST_SHIFT_FRAC: Final = 0.25


def tie_setpoint(scene: Scene, state: ControlState) -> TieSetpoint | None:
    """Return what the sync-check device is told in this cycle; None at a site without one."""
    tie, pcc = scene.site.control.tie, scene.snapshot.pcc
    if tie is None or pcc is None or not pcc.controllable:
        return None
    if state.mode is Mode.RESYNC and not pcc.breaker_closed:
        return TieSetpoint(permit_close=True, request_open=False, reasons=(_reason(state),))
    is_ready = _exchange_held_s(scene, state) >= scene.site.control.modes.exchange_s and any(
        block.forming and block.ready for block in scene.snapshot.blocks
    )
    # judged in this cycle, where the way to here was judged in an earlier one
    is_allowed = state.islanding_refusal is None
    wants_open = state.mode is Mode.PLANNED_ISLANDING and is_ready and is_allowed
    return TieSetpoint(permit_close=False, request_open=wants_open, reasons=(_reason(state),) if wants_open else ())


def exchange_small_since(scene: Scene, state: ControlState) -> float | None:
    """Return since when the exchange at the PCC has been small in PLANNED_ISLANDING."""
    if state.mode is not Mode.PLANNED_ISLANDING or not exchange_is_small(scene):
        return None
    return scene.snapshot.at_s if state.exchange_small_since_s is None else state.exchange_small_since_s


def match_kw(site: Site, snapshot: SiteSnapshot, state: ControlState, *, dt_s: float) -> float:
    """Return the shift of the forming units' setpoints that brings the island to the grid's frequency, a slip ahead.

    With a frequency missing the shift stays; outside RESYNC, and once the breaker is closed, there is none.
    """
    tie, pcc = site.control.tie, snapshot.pcc
    if state.mode is not Mode.RESYNC or tie is None or pcc is None or pcc.breaker_closed:
        return 0.0
    before_kw = state.resync.match_kw
    if pcc.grid_frequency_hz is None or snapshot.frequency_hz is None:
        return before_kw
    states = {block.id: block for block in snapshot.blocks}
    rating_kw = sum(
        pool.pcs_kw
        for pool in site.batteries
        for block in pool.blocks
        if states[block.id].forming and states[block.id].ready
    )
    error_hz = pcc.grid_frequency_hz + tie.slip_hz - snapshot.frequency_hz
    gain: float = min(_MAX_GAIN_FRAC, 1.0 - (1.0 - _GAIN_FRAC) ** (dt_s / site.control.trim_period_s))
    most_kw = _MOST_SHIFT_FRAC * rating_kw
    return min(max(before_kw + gain * error_hz / tie.droop_hz * rating_kw, -most_kw), most_kw)


def islanding_refusal(
    site: Site, snapshot: SiteSnapshot, *, margin_kw: float | None, soc_above_pct: float
) -> str | None:
    """Return why the PCC must not be opened on purpose; `margin_kw` is R0 after the opening, held minus required.

    `soc_above_pct` is the SoC above its floor.
    """
    modes, refusal = site.control.modes, plant_refusal(site, snapshot)
    if refusal is not None:
        return refusal
    if margin_kw is None or margin_kw < 0.0:
        return "reserve R0 would be short after the opening"
    if soc_above_pct < modes.planned_soc_margin_pct:
        return f"SoC is {soc_above_pct:.1f} % above its floor, {modes.planned_soc_margin_pct:.1f} % are needed"
    return None


def _exchange_held_s(scene: Scene, state: ControlState) -> float:
    since_s = state.exchange_small_since_s
    return -1.0 if since_s is None else scene.snapshot.at_s - since_s


def _reason(state: ControlState) -> Reason:
    return Reason(cause=Cause.TIE, text=state.mode_reason)
