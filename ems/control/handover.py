"""A change of who leads storage, without a step: from what was to what the new lead asks for, at a bounded pace.

Limits of connection and storage are applied after this, and go before it.
"""

from ems.control.state import ControlState
from ems.control.totals import Course, Flows
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot


def handover_kw(site: Site, snapshot: SiteSnapshot, course: Course, flows: Flows, state: ControlState) -> float:
    """Return what is added to the lead's power: the way that is left of the last hand-over, zero at its end.

    A hand-over begins where the site comes back to a mode parallel to the grid, or to control after a start, and where
    another lead takes over, and where people take blocks in hand or give them back.
    """
    pace_s = site.control.handover_s
    if pace_s <= 0.0:
        return 0.0
    if state.mode_since_s == snapshot.at_s:
        left_kw = flows.storage_kw - course.battery_kw
    elif state.led_kw is not None and (state.lead is not course.lead or state.taken != flows.taken):
        # blocks that people take or give back leave the site's storage as a whole where it is
        left_kw = state.led_kw + state.taken_kw - flows.taken_kw - course.battery_kw
    else:
        left_kw = state.handover_kw
    rated_kw = sum(pool.pcs_kw * pool.n_blocks for pool in site.batteries)
    step_kw = rated_kw * flows.dt_s / pace_s
    return max(0.0, left_kw - step_kw) if left_kw > 0.0 else min(0.0, left_kw + step_kw)
