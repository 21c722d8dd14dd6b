"""Whether sets must run because of the energy in the store (rules 2, 3 and 5)."""

from ems.control.genset_sequencer.situation import Situation
from ems.control.outlook import net_outlook
from ems.control.state import ControlState
from ems.model.units import seconds
from ems.reserve import ReserveId, lead_kwh, lead_time_s

# after rule 2 the plan takes over again when the store has this much above the threshold, share of full
_RELEASE_FRAC = 0.01


def energy_run_now(situation: Situation, state: ControlState) -> tuple[bool, str]:
    """Rules 2, 3 and 5: whether sets must run because of the energy in the store."""
    site, storage = situation.site, situation.storage
    if state.mode.is_parallel or not site.gensets:
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
    if grid_lost_now(state, situation) and not _rides(situation, available_kwh - reserve_kwh, eff):
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


def grid_lost_now(state: ControlState, situation: Situation) -> bool:
    """Return whether this is the cycle in which the grid went away."""
    return situation.site.grid is not None and state.grid_lost_since_s == situation.now_s


def _rides(situation: Situation, spare_kwh: float, eff: float) -> bool:
    """Rule 5: whether the store covers the q90 deficit of the expected outage and the reserve holds without sets."""
    grid = situation.site.grid
    ride_s = 0.0 if grid is None else seconds(grid.ride_h)
    ahead = net_outlook(situation.forecast, situation.utc, ride_s, load_kw=situation.load_kw)
    covered = spare_kwh >= lead_kwh(ahead.deficit_q90_kw, lead_s=ride_s, discharge_eff_frac=eff)
    return covered and all(item.margin_kw >= 0.0 for item in situation.assessments if item.id is not ReserveId.DOWN)
