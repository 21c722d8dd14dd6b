"""The measured conditions between which the mode table chooses: each holds with a sentence, or does not hold.

Nothing here looks at what was commanded. A value that is not known fulfils no condition.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Final

from ems.control.measurement import Powers
from ems.control.modes.forming import forming_role, grid_is_low
from ems.control.modes.islanding import plant_refusal
from ems.control.modes.picture import blind_spots, missing_values
from ems.control.state import BlackStartStep, ControlState, Forming, Mode
from ems.model.requests import OperatorRequests
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from ems.model.units import SECONDS_PER_HOUR, frac

# a load below this share of IT design is none: meters show as much at rest
_NO_LOAD_FRAC = 0.005


class Condition(StrEnum):
    """Names of the conditions, as the table and its drawing have them."""

    IN_MODE = "in the mode"
    E_STOP = "emergency stop"
    E_STOP_LEFT = "stop released and reset by an operator"
    COMPLETE = "picture complete"
    BLIND = "too little known"
    NOT_BLIND = "enough known"
    PCC_CLOSED = "PCC closed on a live grid"
    PCC_OPEN = "PCC open, or no grid"
    GRID_LOW = "grid voltage lost, PCC closed"
    GRID_HEALTHY = "grid healthy"
    GRID_GONE = "grid not healthy"
    BUS_DEAD = "bus dead"
    BUS_REVIVED = "bus live, no operator hold"
    ISLAND_FORMED = "voltage and frequency in band, a source forms"
    NOTHING_FORMS = "nothing forms the bus"
    ISLAND_WANTED = "island wanted, precheck passed"
    ISLAND_NOT_WANTED = "island no longer wanted"
    MAY_RETURN = "return allowed"
    MAY_NOT_RETURN = "return not allowed"
    MAY_BLACK_START = "black start allowed"
    BLACK_STARTED = "every step confirmed"
    BLACK_START_FAILED = "a step failed twice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a cycle knows of the plant; `role` is what forms the bus."""

    site: Site
    snapshot: SiteSnapshot
    powers: Powers
    state: ControlState
    requests: OperatorRequests
    role: Forming | None
    missing: tuple[str, ...]
    blind: tuple[str, ...]


def scene_of(
    site: Site, snapshot: SiteSnapshot, powers: Powers, state: ControlState, requests: OperatorRequests
) -> Scene:
    """Return the scene of a cycle."""
    return Scene(
        site=site,
        snapshot=snapshot,
        powers=powers,
        state=state,
        requests=requests,
        role=forming_role(site, snapshot),
        missing=missing_values(site, snapshot),
        blind=blind_spots(site, snapshot, powers),
    )


def held_now(scene: Scene) -> dict[Condition, str]:
    """Return the sentences of the conditions that hold."""
    return {name: text for name, measure in _MEASURES.items() if (text := measure(scene)) is not None}


def since(held: Mapping[Condition, str], before: Mapping[str, float], *, now_s: float) -> dict[str, float]:
    """Return since when each condition holds without a break."""
    return {name: before.get(name, now_s) for name in held}


def exchange_is_small(scene: Scene) -> bool:
    """Return whether the power at the PCC is known to be near zero, so that opening it moves nothing."""
    grid, pcc = scene.site.grid, scene.snapshot.pcc
    if grid is None or pcc is None or pcc.power_kw is None:
        return False
    return abs(pcc.power_kw) <= scene.site.control.modes.exchange_frac * grid.import_limit_kw


def return_pause_s(site: Site, state: ControlState) -> float:
    """Return how long the grid must have been healthy: twice as long after every attempt that failed in a row."""
    tie = site.control.tie
    return inf if tie is None else tie.healthy_s * 2.0 ** min(state.resync.n_failed, 10)


def _e_stop(scene: Scene) -> str | None:
    safety = scene.snapshot.safety
    if safety is not None and safety.e_stop:
        return "the emergency stop is pressed"
    if scene.requests.e_stop:
        return "an operator asks for an emergency stop"
    if scene.state.e_stop_latched and not scene.requests.leave_e_stop:
        return "the emergency stop has not been reset"
    return None


def _e_stop_left(scene: Scene) -> str | None:
    safety = scene.snapshot.safety
    pressed = safety is not None and safety.e_stop is not False
    if pressed or scene.requests.e_stop or not scene.requests.leave_e_stop:
        return None
    return "an operator has reset the released emergency stop"


def _complete(scene: Scene) -> str | None:
    return None if scene.missing else "the picture is complete"


def _blind(scene: Scene) -> str | None:
    return scene.blind[0] if scene.blind else None


def _not_blind(scene: Scene) -> str | None:
    return None if scene.blind else "the causes of DEGRADED are gone"


def _pcc_closed(scene: Scene) -> str | None:
    pcc = scene.snapshot.pcc
    if pcc is None or not pcc.breaker_closed or grid_is_low(scene.site, scene.snapshot):
        return None
    return "the PCC breaker is closed"


def _pcc_open(scene: Scene) -> str | None:
    if scene.site.grid is None:
        return "the site has no grid"
    pcc = scene.snapshot.pcc
    return "the PCC breaker is open" if pcc is not None and pcc.breaker_closed is False else None


def _grid_low(scene: Scene) -> str | None:
    pcc = scene.snapshot.pcc
    if pcc is None or not pcc.breaker_closed or not grid_is_low(scene.site, scene.snapshot):
        return None
    return f"grid voltage is {100.0 * (pcc.grid_voltage_frac or 0.0):.0f} % of nominal"


def _grid_healthy(scene: Scene) -> str | None:
    """A frequency that no device tells is judged by the sync-check device alone."""
    grid, pcc, modes = scene.site.grid, scene.snapshot.pcc, scene.site.control.modes
    if grid is None or pcc is None or pcc.grid_voltage_frac is None:
        return None
    if abs(pcc.grid_voltage_frac - 1.0) > modes.voltage_band_frac:
        return None
    hz = pcc.grid_frequency_hz
    if hz is not None and abs(hz - grid.nominal_hz) > modes.frequency_band_hz:
        return None
    return "the grid is healthy"


def _grid_gone(scene: Scene) -> str | None:
    return None if _grid_healthy(scene) is not None else "the grid is not healthy any more"


def _bus_dead(scene: Scene) -> str | None:
    pcc = scene.snapshot.pcc
    if scene.role is not Forming.NONE:
        return None
    if pcc is not None and pcc.bus_voltage_frac is not None:
        dead = pcc.bus_voltage_frac < scene.site.control.modes.dead_bus_frac
        return f"bus voltage is {100.0 * pcc.bus_voltage_frac:.0f} % of nominal" if dead else None
    loads = (scene.snapshot.it, scene.snapshot.cooling_load, scene.snapshot.aux)
    drawn = [load.load_kw for load in loads if load.load_kw is not None]
    if len(drawn) < len(loads) or sum(drawn) > _NO_LOAD_FRAC * scene.site.it.design_kw:
        return None
    return "nothing forms the bus and no load draws power"


def _bus_revived(scene: Scene) -> str | None:
    if scene.role in (None, Forming.NONE) or scene.state.black_start.hold is not None:
        return None
    return f"the bus is live, formed by {scene.role}"


def _island_formed(scene: Scene) -> str | None:
    """Where no device says whether it forms the bus, voltage and frequency must do."""
    if scene.role in (Forming.GRID, Forming.NONE):
        return None
    modes, pcc = scene.site.control.modes, scene.snapshot.pcc
    volt = None if pcc is None else pcc.bus_voltage_frac
    if volt is not None and abs(volt - 1.0) > modes.voltage_band_frac:
        return None
    grid, hz = scene.site.grid, scene.snapshot.frequency_hz
    if grid is not None and hz is not None and abs(hz - grid.nominal_hz) > modes.frequency_band_hz:
        return None
    return "voltage and frequency are in band" + ("" if scene.role is None else f", formed by {scene.role}")


def _nothing_forms(scene: Scene) -> str | None:
    return "no source forms the bus" if scene.role is Forming.NONE else None


def _wish(scene: Scene) -> str | None:
    if scene.requests.island:
        return "an operator asks for an island"
    grid, lead_s = scene.site.grid, scene.site.control.modes.planned_lead_s
    if grid is None or lead_s <= 0.0:
        return None
    for outage in grid.announced:
        left_s = (outage.start_utc - scene.snapshot.utc).total_seconds()
        if left_s <= lead_s and scene.snapshot.utc < outage.end_utc:
            return f"an outage is announced for {outage.start_utc:%Y-%m-%d %H:%M} UTC"
    return None


def _island_wanted(scene: Scene) -> str | None:
    if scene.site.control.tie is None or scene.state.islanding_refusal is not None:
        return None
    # energy and reserve were judged a cycle ago, what the plant shows counts at once
    return _wish(scene) if plant_refusal(scene.site, scene.snapshot) is None else None


def _island_not_wanted(scene: Scene) -> str | None:
    if _wish(scene) is None:
        return "nobody asks for an island any more"
    return plant_refusal(scene.site, scene.snapshot)


def _may_not_return(scene: Scene) -> str | None:
    """The pause after failed attempts is a matter of how long the grid has been healthy."""
    tie, pcc = scene.site.control.tie, scene.snapshot.pcc
    if tie is None or pcc is None:
        return "the PCC breaker is not ours to permit"
    if not pcc.controllable:
        return "the sync-check device takes no permit"
    if scene.requests.stay_island:
        return "an operator asks to stay an island"
    if (wish := _wish(scene)) is not None:
        return wish
    recent = [at_s for at_s in scene.state.resync.tries_s if scene.snapshot.at_s - at_s < SECONDS_PER_HOUR]
    if len(recent) >= tie.max_per_h and scene.state.mode is not Mode.RESYNC:
        return f"{len(recent)} attempts in an hour are enough"
    return None


def _may_return(scene: Scene) -> str | None:
    if _may_not_return(scene) is not None or _grid_healthy(scene) is None:
        return None
    healthy_since_s = scene.state.held_since_s.get(Condition.GRID_HEALTHY)
    if healthy_since_s is None:
        return None
    ended_s = scene.state.resync.ended_s
    began_s = healthy_since_s if ended_s is None else max(healthy_since_s, ended_s)
    healthy_s = scene.snapshot.at_s - began_s
    if healthy_s < return_pause_s(scene.site, scene.state):
        return None
    return f"the grid has been healthy for {healthy_s:.0f} s"


def _may_black_start(scene: Scene) -> str | None:
    safety, hold = scene.snapshot.safety, scene.state.black_start.hold
    if safety is not None and (safety.earth_fault is not False or safety.fire is not False):
        # a latched fault, or one that cannot be excluded, is for people to look at
        return None
    if scene.requests.black_start:
        return "an operator asks for a black start"
    if hold is not None:
        return None
    stored_kwh = sum(scene.state.stored_kwh.values())
    needed_kwh = black_start_kwh(scene.site)
    if stored_kwh < needed_kwh:
        return None
    return f"{stored_kwh:.0f} kWh are stored, a black start needs {needed_kwh:.0f} kWh"


def black_start_kwh(site: Site) -> float:
    """Return the energy in the cells from which a black start begins by itself: technical minimum, error, E_bs."""
    lowest_kwh = sum(frac(pool.soc_tech_min_pct + pool.soc_error_pct) * pool.rated_kwh for pool in site.batteries)
    return lowest_kwh + site.reserve.black_start_kwh


def _black_started(scene: Scene) -> str | None:
    done = scene.state.black_start.step is BlackStartStep.DONE
    return "every step of the black start is confirmed" if done else None


def _black_start_failed(scene: Scene) -> str | None:
    return scene.state.black_start.hold


_MEASURES: Final[Mapping[Condition, Callable[[Scene], str | None]]] = {
    Condition.IN_MODE: lambda scene: scene.state.mode_reason,
    Condition.E_STOP: _e_stop,
    Condition.E_STOP_LEFT: _e_stop_left,
    Condition.COMPLETE: _complete,
    Condition.BLIND: _blind,
    Condition.NOT_BLIND: _not_blind,
    Condition.PCC_CLOSED: _pcc_closed,
    Condition.PCC_OPEN: _pcc_open,
    Condition.GRID_LOW: _grid_low,
    Condition.GRID_HEALTHY: _grid_healthy,
    Condition.GRID_GONE: _grid_gone,
    Condition.BUS_DEAD: _bus_dead,
    Condition.BUS_REVIVED: _bus_revived,
    Condition.ISLAND_FORMED: _island_formed,
    Condition.NOTHING_FORMS: _nothing_forms,
    Condition.ISLAND_WANTED: _island_wanted,
    Condition.ISLAND_NOT_WANTED: _island_not_wanted,
    Condition.MAY_RETURN: _may_return,
    Condition.MAY_NOT_RETURN: _may_not_return,
    Condition.MAY_BLACK_START: _may_black_start,
    Condition.BLACK_STARTED: _black_started,
    Condition.BLACK_START_FAILED: _black_start_failed,
}
