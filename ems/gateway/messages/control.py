"""The message about the fast loop."""

from dataclasses import asdict

from ems.contract.control import ControlMessage, EdgePart, SmoothingPart
from ems.control.authority import Bound
from ems.control.step import Decision
from ems.control.trim import loop_delay_s, trim_gain
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from ems.model.status import RunCounts


def control_message(site: Site, snapshot: SiteSnapshot, decision: Decision, counts: RunCounts) -> ControlMessage:
    """Return how the fast loop did in this cycle, and the run's counts of it."""
    state = decision.state
    return ControlMessage(
        ts=snapshot.utc,
        quality={},
        trim_kw=state.trim_kw,
        trim_gain_frac=trim_gain(site, state, dt_s=site.control.period_s),
        loop_delay_s=loop_delay_s(site, state),
        loop_delay_measured=site.control.loop_delay_s is None and state.loop_delay_s is not None,
        exchange_lowest=None if decision.exchange is None else _edge(decision.exchange.lowest),
        exchange_highest=None if decision.exchange is None else _edge(decision.exchange.highest),
        smoothing_kw=decision.smoothing_kw,
        ramp_short_kw=decision.ramp_short_kw,
        handover_kw=state.handover_kw,
        working_blocks=state.working.ids,
        starts_by_cause=dict(counts.starts_by_cause),
        stops_by_cause=dict(counts.stops_by_cause),
        smoothing=SmoothingPart(**asdict(counts.smoothing)),
        lead=None if decision.lead is None else decision.lead.value,
        led_kw=decision.led_kw,
        exchange_kw=state.exchange_kw,
    )


def _edge(bound: Bound) -> EdgePart:
    return EdgePart(limit_kw=bound.limit_kw, by=bound.by.value, reason=bound.reason.text)
