"""Storage parallel to the grid: it is led by the plan, the exchange at the PCC stays in its interval.

The grid takes the forecast error as long as the exchange stays between its limits and changes no faster than the
connection contract allows; beyond, storage takes it. The limits are nested: contract, ramp, emergency, people, plan.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from math import inf
from typing import Final

from ems.control.authority import AskedExchange, Authority, Bound, Interval, unbounded
from ems.control.balance import tolerance_kw
from ems.control.handover import handover_kw
from ems.control.import_limit import allowed_import_kw
from ems.control.measurement import Storage
from ems.control.state import ControlState, Mode
from ems.control.totals import Course, Flows, Targets, charge_room_kw, discharge_room_kw
from ems.control.trim import decayed, loop_delay_s, trimmed
from ems.model.grid import GridConnection
from ems.model.setpoints import Cause, Reason
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from ems.model.units import SECONDS_PER_MINUTE

# import that is kept as a margin where nothing may be exported, share of the load
_NO_EXPORT_MARGIN_FRAC: Final = 0.02
# a change of the feed-forward that is larger than this is a step, share of the rating of storage
_STEP_FRAC: Final = 0.02
# a trim that no limit needs any more goes in this time
_DECAY_S: Final = 60.0
# misses of the ramp below this are rounding
_SHORT_KW: Final = 1.0
# PV is cut for the ramp only where the exchange would change by more than the ramp of this time at once
_PV_RAMP_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What the functions below share."""

    site: Site
    grid: GridConnection
    snapshot: SiteSnapshot
    course: Course
    storage: Storage
    flows: Flows
    state: ControlState
    room_kw: float
    asked: AskedExchange

    @property
    def without_kw(self) -> float:
        """Return what the grid would have to carry without storage."""
        return self.flows.net_load_kw - self.flows.gensets_kw

    @property
    def export_kw(self) -> float:
        """Return what may leave the site."""
        limit_kw, asked = self.grid.export_limit_kw, self.asked.lowest
        return limit_kw if asked is None else min(limit_kw, -asked.limit_kw)

    @property
    def margin_kw(self) -> float:
        """Return the import that keeps a site without export from exporting."""
        return _NO_EXPORT_MARGIN_FRAC * self.flows.load_kw if self.export_kw <= 0.0 else 0.0

    @property
    def before_kw(self) -> float:
        """Return the exchange from which the contract's ramp counts: what was aimed at, else what is measured."""
        return self.flows.grid_kw if self.state.exchange_kw is None else self.state.exchange_kw

    @property
    def ramp_kw(self) -> float | None:
        """Return by how much the exchange may change in this cycle; None: by any. An opening PCC is no ramp."""
        if self.grid.ramp_kw_per_min is None or self.state.mode is Mode.PLANNED_ISLANDING:
            return None
        return self.grid.ramp_kw_per_min * self.flows.dt_s / SECONDS_PER_MINUTE


def exchange_targets(
    site: Site,
    grid: GridConnection,
    snapshot: SiteSnapshot,
    course: Course,
    storage: Storage,
    flows: Flows,
    state: ControlState,
    *,
    gensets_kw: dict[str, float],
    asked: AskedExchange,
) -> Targets:
    """Return the totals of a cycle parallel to the grid; `grid` is the connection without what people `asked` for."""
    room_kw = charge_room_kw(site, storage, dt_s=flows.dt_s)
    case = _Case(
        site=site,
        grid=grid,
        snapshot=snapshot,
        course=course,
        storage=storage,
        flows=flows,
        state=state,
        room_kw=room_kw,
        asked=asked,
    )
    left_kw = handover_kw(site, snapshot, course, flows, state)
    led_kw = course.battery_kw + left_kw
    wished_kw = case.without_kw - led_kw
    interval = _interval(case, ramp_kw=case.ramp_kw)
    target_kw, edge = interval.placed(wished_kw)
    fed_kw = case.without_kw - target_kw
    stepped_s = _stepped_s(case, fed_kw)
    trim_kw = decayed(state, flows, time_s=_DECAY_S) if edge is None else _trim_kw(case, stepped_s)
    reach = _reach(case)
    battery_kw, stop = reach.placed(fed_kw + trim_kw)
    if stop is not None:
        # anti-windup: a clipped store cannot be trimmed any further
        trim_kw = state.trim_kw
    free_kw, _ = reach.placed(case.without_kw - _interval(case, ramp_kw=None).placed(wished_kw)[0] + trim_kw)
    exchange_kw = target_kw if stop is None else case.without_kw - battery_kw + trim_kw
    limit_kw, cut = _pv_limit_kw(case)
    reasons = [Reason(cause=Cause.PLAN, text=f"plan: store {course.battery_kw:.0f} kW")]
    if left_kw:
        reasons.append(
            Reason(cause=Cause.BALANCE, text=f"another lead took over: {left_kw:.0f} kW of the way are left")
        )
    reasons += [] if edge is None else [_told(edge)]
    reasons += [] if limit_kw is None else [Reason(cause=Cause.SURPLUS, text=f"{cut}: PV up to {limit_kw:.0f} kW")]
    return Targets(
        battery_kw=battery_kw,
        gensets_kw=gensets_kw,
        pv_limit_kw=limit_kw,
        import_kw=target_kw,
        trim_kw=trim_kw,
        reasons=tuple(reasons),
        exchange_kw=exchange_kw,
        exchange=interval,
        led_kw=led_kw,
        handover_kw=left_kw,
        fed_kw=fed_kw,
        stepped_s=stepped_s,
        smoothing_kw=0.0 if case.ramp_kw is None else battery_kw - free_kw,
        ramp_short_kw=_ramp_short_kw(case, exchange_kw),
    )


def _told(edge: Bound) -> Reason:
    """Return the reason of an edge with the layer that set it."""
    return replace(edge.reason, text=f"{edge.reason.text} ({edge.by.value})")


def _interval(case: _Case, *, ramp_kw: float | None) -> Interval:
    """Return the exchange that is left to the plan, layer by layer."""
    left = _contract(case)
    if ramp_kw is not None:
        reason = Reason(
            cause=Cause.PCC_RAMP,
            text=f"the contract lets the exchange change by {case.grid.ramp_kw_per_min:.0f} kW in a minute",
        )
        left = left.narrowed(
            Authority.GUARD, reason, lowest_kw=case.before_kw - ramp_kw, highest_kw=case.before_kw + ramp_kw
        )
    if case.state.mode is Mode.PLANNED_ISLANDING:
        # nothing flows where the breaker is about to open
        reason = Reason(cause=Cause.TIE, text="the exchange is brought to zero before the PCC opens")
        return left.narrowed(Authority.EMERGENCY, reason, lowest_kw=0.0, highest_kw=0.0)
    left = _asked(case, left)
    margin = Reason(cause=Cause.IMPORT_LIMIT, text=f"{case.margin_kw:.0f} kW of import keep the site from exporting")
    left = left.narrowed(Authority.PLAN, margin, lowest_kw=case.margin_kw - case.export_kw)
    billed_kw = _billed_kw(case)
    if billed_kw is None:
        return left
    reason = Reason(cause=Cause.PEAK_LIMIT, text=f"the billing interval leaves {billed_kw:.0f} kW of import")
    return left.narrowed(Authority.PLAN, reason, highest_kw=billed_kw)


def _asked(case: _Case, left: Interval) -> Interval:
    """Return what people leave: they narrow, and the contract's ramp stands above them."""
    for edge in (case.asked.highest, case.asked.lowest):
        if edge is not None:
            low, high = (edge.limit_kw, inf) if edge is case.asked.lowest else (-inf, edge.limit_kw)
            left = left.narrowed(edge.by, edge.reason, lowest_kw=low, highest_kw=high)
    return left


def _contract(case: _Case) -> Interval:
    """Return what the connection may carry; less where its power is not certain."""
    grid, pcc = case.grid, case.snapshot.pcc
    highest_kw = grid.import_limit_kw
    text = f"import limit {highest_kw:.0f} kW"
    if pcc is not None and pcc.metered_kw is not None:
        highest_kw = max(0.0, grid.import_limit_kw - tolerance_kw(case.site))
        text = f"the power at the PCC is not certain: import up to {highest_kw:.0f} kW"
    limits = Reason(cause=Cause.IMPORT_LIMIT, text=text)
    return unbounded(Authority.DEVICE).narrowed(
        Authority.GUARD, limits, lowest_kw=-grid.export_limit_kw, highest_kw=highest_kw
    )


def _billed_kw(case: _Case) -> float | None:
    """Return what the running billing interval leaves.

    A setpoint acts a cycle later: what is imported until then belongs to the interval as well.
    """
    planned_kw = 0.0 if case.course.step is None else case.course.step.import_kw
    acts = case.snapshot.utc + timedelta(seconds=case.site.control.period_s)
    return allowed_import_kw(case.grid.tariff, case.state.billed, now=acts, planned_peak_kw=planned_kw)


def _stepped_s(case: _Case, fed_kw: float) -> float | None:
    """Return when the feed-forward stepped last: what the meter shows until it has acted is no error of it."""
    before_kw, rated_kw = case.state.fed_kw, sum(pool.pcs_kw * pool.n_blocks for pool in case.site.batteries)
    if before_kw is not None and abs(fed_kw - before_kw) > _STEP_FRAC * rated_kw:
        return case.snapshot.at_s
    return case.state.stepped_s


def _trim_kw(case: _Case, stepped_s: float | None) -> float:
    """Integrate what import misses its target by; above target asks for more discharge."""
    if case.state.import_target_kw is None:
        return case.state.trim_kw
    if stepped_s is not None and case.snapshot.at_s - stepped_s < loop_delay_s(case.site, case.state):
        return case.state.trim_kw
    return trimmed(case.site, case.state, case.flows, case.flows.grid_kw - case.state.import_target_kw)


def _reach(case: _Case) -> Interval:
    """Return what storage can do: its live limits, and the floor, which is kept for contingencies."""
    devices = Reason(cause=Cause.DERATED, text="what storage can take and give")
    tech_kw = discharge_room_kw(case.site, case.storage, down_to_kwh=case.storage.tech_kwh, dt_s=case.flows.dt_s)
    reach = unbounded(Authority.DEVICE).narrowed(Authority.DEVICE, devices, lowest_kw=-case.room_kw, highest_kw=tech_kw)
    if case.state.contingency is not None:
        return reach
    floor = Reason(cause=Cause.SOC_LOW, text="the floor is kept for contingencies")
    floor_kw = discharge_room_kw(case.site, case.storage, down_to_kwh=case.storage.floor_kwh, dt_s=case.flows.dt_s)
    return reach.narrowed(Authority.GUARD, floor, highest_kw=floor_kw)


def _ramp_short_kw(case: _Case, exchange_kw: float) -> float:
    """Return by how much the exchange changes faster than the contract allows; limits go before the ramp."""
    if case.ramp_kw is None:
        return 0.0
    short_kw = abs(exchange_kw - case.before_kw) - case.ramp_kw
    return short_kw if short_kw > _SHORT_KW else 0.0


def _pv_limit_kw(case: _Case) -> tuple[float | None, str]:
    """Return the PV power that load, store and connection can take, None where that is all the field can make."""
    flows = case.flows
    limit_kw = flows.load_kw + case.room_kw + case.export_kw - case.margin_kw
    text = f"the store takes {case.room_kw:.0f} kW"
    if case.ramp_kw is not None and case.grid.ramp_kw_per_min is not None:
        # beyond what the store takes, PV comes up no faster than the exchange may go down
        minute_kw = case.grid.ramp_kw_per_min * max(_PV_RAMP_S, flows.dt_s) / SECONDS_PER_MINUTE
        ramped_kw = flows.load_kw - flows.gensets_kw + case.room_kw - (case.before_kw - minute_kw)
        if ramped_kw < limit_kw:
            limit_kw = ramped_kw
            text = f"the store takes {case.room_kw:.0f} kW and the exchange goes down slowly"
    limit_kw = max(0.0, limit_kw)
    total_kw = sum(plant.total_ac_kw for plant in case.site.pv)
    return (None if limit_kw >= total_kw else limit_kw), text
