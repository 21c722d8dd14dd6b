"""Modes INIT, GRID, ISLAND and DEGRADED: transitions on measured feedback only.

The relays open and close the PCC breaker and the PCS carry the transfer; the EMS recognises what happened.
DEGRADED is left through INIT, never straight back.
"""

from dataclasses import dataclass, replace

from ems.control.measurement import Powers
from ems.control.state import ControlState, Mode
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot

# below this share of nominal voltage the grid counts as lost (trip band of the interconnection relay)
_GRID_VOLTAGE_FRAC = 0.8
# INIT gives up waiting for a complete picture after this long
_INIT_TIMEOUT_S = 20.0
# the same as a multiple of the adoption wait, which an accelerated run stretches
_INIT_TIMEOUT_WAITS = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeChange:
    """A transition and the measured condition behind it."""

    before: Mode
    after: Mode
    reason: str


def missing_values(site: Site, snapshot: SiteSnapshot) -> tuple[str, ...]:
    """Return what a complete picture lacks, one entry per asset."""
    missing = [block.id for block in snapshot.blocks if block.power_kw is None or block.soc_pct is None]
    missing += [genset.id for genset in snapshot.gensets if genset.phase is None or genset.breaker_closed is None]
    missing += [pv.id for pv in snapshot.pv if pv.power_kw is None]
    if snapshot.it.load_kw is None:
        missing.append("it meter")
    if site.grid is not None and (snapshot.pcc is None or snapshot.pcc.breaker_closed is None):
        missing.append("pcc")
    return tuple(missing)


def blind_spots(site: Site, snapshot: SiteSnapshot, powers: Powers) -> tuple[str, ...]:
    """Return what the EMS must know or reach to go on, and does not: the causes of DEGRADED."""
    causes = []
    if powers.load_kw is None:
        causes.append("the load is unknown: neither its meters nor a complete set of sources is fresh")
    known = [block for block in snapshot.blocks if block.power_kw is not None]
    if snapshot.blocks and 2 * len(known) < len(snapshot.blocks):
        causes.append(f"only {len(known)} of {len(snapshot.blocks)} AC blocks answer")
    if snapshot.blocks and not any(block.controllable for block in snapshot.blocks):
        causes.append("no AC block takes setpoints")
    if site.grid is not None and (snapshot.pcc is None or snapshot.pcc.breaker_closed is None):
        causes.append("the position of the PCC breaker is unknown")
    return tuple(causes)


def next_mode(
    site: Site, snapshot: SiteSnapshot, powers: Powers, state: ControlState
) -> tuple[ControlState, ModeChange | None]:
    """Return the state after this cycle's transition, if any."""
    now_s = snapshot.at_s
    complete = not missing_values(site, snapshot)
    causes = blind_spots(site, snapshot, powers)
    state = replace(
        state,
        complete_since_s=(state.complete_since_s if state.complete_since_s is not None else now_s)
        if complete
        else None,
        cause_free_since_s=None
        if causes
        else (state.cause_free_since_s if state.cause_free_since_s is not None else now_s),
    )
    wanted, reason = _wanted(site, snapshot, state, causes)
    if wanted is state.mode:
        return state, None
    change = ModeChange(before=state.mode, after=wanted, reason=reason)
    return replace(state, mode=wanted, mode_since_s=now_s, mode_reason=reason), change


def _wanted(site: Site, snapshot: SiteSnapshot, state: ControlState, causes: tuple[str, ...]) -> tuple[Mode, str]:
    now_s = snapshot.at_s
    in_mode_s = now_s - state.mode_since_s
    match state.mode:
        case Mode.INIT:
            settled = in_mode_s >= site.control.adopt_wait_s
            if state.complete_since_s is not None and settled:
                return _steady(site, snapshot)
            if in_mode_s >= max(_INIT_TIMEOUT_S, _INIT_TIMEOUT_WAITS * site.control.adopt_wait_s):
                if not causes:
                    return _steady(site, snapshot)
                return Mode.DEGRADED, causes[0]
        case Mode.GRID | Mode.ISLAND:
            if causes:
                return Mode.DEGRADED, causes[0]
            return _steady(site, snapshot)
        case Mode.DEGRADED:
            free_since_s = state.cause_free_since_s
            if free_since_s is not None and now_s - free_since_s >= site.control.degraded_clear_s:
                return Mode.INIT, "the causes of DEGRADED are gone"
    return state.mode, state.mode_reason


def _steady(site: Site, snapshot: SiteSnapshot) -> tuple[Mode, str]:
    """Return GRID or ISLAND as measured at the PCC."""
    pcc = snapshot.pcc
    if site.grid is None or pcc is None:
        return Mode.ISLAND, "the site has no grid"
    if not pcc.breaker_closed:
        return Mode.ISLAND, "the PCC breaker is open"
    if pcc.grid_voltage_frac is not None and pcc.grid_voltage_frac < _GRID_VOLTAGE_FRAC:
        return Mode.ISLAND, f"grid voltage is {100.0 * pcc.grid_voltage_frac:.0f} % of nominal"
    return Mode.GRID, "the PCC breaker is closed"
