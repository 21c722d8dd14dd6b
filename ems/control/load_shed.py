"""Load reduction through the cluster: when power has to go at once, how far, and how it comes back.

The tier before any feeder is opened. A shed is asked for when cooling cannot take the heat, when the store of an island
falls below its floor, and when reserve is short and no set is left that could help; the last only of a cluster that has
proven that it obeys. It is renewed while its cause lasts, and released in steps that reserve can carry.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from ems.control.cooling_limit import cooling_shortage, has_recovered
from ems.control.state import GensetTrack, Mode, ShedTrack
from ems.control.step import Decision
from ems.model.cluster import ClusterView, ShedOrder, ShedReason
from ems.model.readings import GensetPhase
from ems.model.setpoints import Cause, Reason
from ems.model.site import Site
from ems.model.snapshot import GensetState, SiteSnapshot

# cluster-and-cooling.md 6: cooling lost within 10 s, degraded within 60 s; power within 30 s (contract 2.1)
_WITHIN_S = {ShedReason.COOLING_LOST: 10.0, ShedReason.COOLING_DEGRADED: 60.0}
_POWER_WITHIN_S = 30.0
# an order ends this long after its last renewal, and is renewed well before
_VALID_S = 300.0
_RENEW_S = 240.0
# its cause has been away for this long before power is given back: the coolant's ten minutes, a set's two
_CALM_COOLING_S = 600.0
_CALM_POWER_S = 120.0
_STEP_EVERY_S = 120.0
# of design: the largest step of a release, whatever reserve could carry
_STEP_FRAC = 0.1
# of design: a need is larger than the one before beyond the noise of the meters
_MORE_FRAC = 0.02
_SHORT_KW = 1.0
# modes in which the site's own sources carry its load
_ALONE = (Mode.UNPLANNED_ISLANDING, Mode.ISLAND, Mode.RESYNC)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Need:
    reason: ShedReason
    target_kw: float
    text: str


def with_load_shed(site: Site, snapshot: SiteSnapshot, decision: Decision, view: ClusterView) -> Decision:
    """Return the decision with the shed that is in force in its state; nothing is asked for before INIT has ended.

    Nothing else of the decision changes: what the cluster does is seen by the meters.
    """
    state = decision.state
    it_kw = snapshot.it.load_kw
    if state.mode is Mode.INIT or it_kw is None:
        return decision
    need = _need(site, snapshot, decision, view, it_kw)
    track = _followed(site, snapshot, decision, state.shed, need, it_kw=it_kw)
    order, before = track.order, state.shed.order
    reasons = decision.reasons
    if order is not None and (before is None or before.target_kw != order.target_kw):
        power = "all" if order.target_kw is None else f"{order.target_kw:.0f} kW"
        reasons = (*reasons, Reason(cause=Cause.LOAD_SHED, text=f"the cluster may take {power}: {order.text}"))
    return replace(decision, state=replace(state, shed=track), reasons=reasons)


def _followed(
    site: Site, snapshot: SiteSnapshot, decision: Decision, track: ShedTrack, need: _Need | None, *, it_kw: float
) -> ShedTrack:
    """Return the track after this cycle: ordered, renewed, released by a step, or over."""
    now_s, order = snapshot.at_s, track.order
    if order is not None and order.target_kw is None:
        # it was told that it is over
        order, track = None, replace(track, order=None, calm_since_s=None, stepped_s=None)
    if need is not None:
        return _asked(site, snapshot, track, order, need, it_kw=it_kw)
    if order is None or order.target_kw is None:
        return track
    calm_since_s = now_s if track.calm_since_s is None else track.calm_since_s
    is_cooling = order.reason in _WITHIN_S
    if is_cooling and not has_recovered(site, snapshot):
        calm_since_s = now_s
    track = replace(track, calm_since_s=calm_since_s)
    calm_s = _CALM_COOLING_S if is_cooling else _CALM_POWER_S
    stepped_s = track.stepped_s
    if now_s - calm_since_s >= calm_s and (stepped_s is None or now_s - stepped_s >= _STEP_EVERY_S):
        step_kw = _release_kw(site, decision, it_kw=it_kw)
        if step_kw > _SHORT_KW:
            target_kw: float | None = order.target_kw + step_kw
            if target_kw is not None and target_kw >= site.it.design_kw:
                target_kw = None
            return replace(track, order=_renewed(order, snapshot, target_kw=target_kw), stepped_s=now_s)
    return replace(track, order=_kept(order, snapshot))


def _asked(
    site: Site,
    snapshot: SiteSnapshot,
    track: ShedTrack,
    order: ShedOrder | None,
    need: _Need,
    *,
    it_kw: float,
) -> ShedTrack:
    track = replace(track, calm_since_s=None, stepped_s=None)
    more_kw = _MORE_FRAC * site.it.design_kw
    if order is not None and order.target_kw is not None and need.target_kw > order.target_kw - more_kw:
        return replace(track, order=_kept(order, snapshot))
    number = track.n_orders + (order is None)
    fresh = ShedOrder(
        id=f"s-{snapshot.utc:%Y%m%d}-{number}" if order is None else order.id,
        target_kw=need.target_kw,
        within_s=_WITHIN_S.get(need.reason, _POWER_WITHIN_S),
        until_utc=snapshot.utc + timedelta(seconds=_VALID_S),
        reason=need.reason,
        text=need.text,
        from_kw=it_kw,
        ordered_utc=snapshot.utc,
    )
    return replace(track, order=fresh, n_orders=number)


def _kept(order: ShedOrder, snapshot: SiteSnapshot) -> ShedOrder:
    """Return the order, renewed where its end has come near."""
    left_s = (order.until_utc - snapshot.utc).total_seconds()
    return order if left_s > _RENEW_S else _renewed(order, snapshot, target_kw=order.target_kw)


def _renewed(order: ShedOrder, snapshot: SiteSnapshot, *, target_kw: float | None) -> ShedOrder:
    return replace(order, target_kw=target_kw, until_utc=snapshot.utc + timedelta(seconds=_VALID_S))


def _release_kw(site: Site, decision: Decision, *, it_kw: float) -> float:
    """Return the next step: what the scarcest upward reserve carries at once, with the load that comes with IT."""
    margins = [each.margin_kw for each in decision.assessments if each.id.upward]
    carried_kw = max(0.0, min(margins, default=0.0)) / _bus_per_it(decision, it_kw)
    return min(_STEP_FRAC * site.it.design_kw, carried_kw)


def _need(site: Site, snapshot: SiteSnapshot, decision: Decision, view: ClusterView, it_kw: float) -> _Need | None:
    """Return the gravest need, None without any."""
    needs = []
    shortage = cooling_shortage(site, snapshot, it_kw=it_kw)
    if shortage is not None:
        needs.append(_Need(reason=shortage.reason, target_kw=shortage.it_kw, text=shortage.text))
    if decision.state.mode in _ALONE and _is_helpless(site, snapshot, decision):
        power = _power_need(site, snapshot, decision, view, it_kw)
        if power is not None:
            needs.append(power)
    return min(needs, key=lambda need: need.target_kw, default=None)


def _power_need(
    site: Site, snapshot: SiteSnapshot, decision: Decision, view: ClusterView, it_kw: float
) -> _Need | None:
    """Return the need of an island in which no set is left that could help."""
    ratio = _bus_per_it(decision, it_kw)
    least_kw = max(site.it.idle_kw, view.least_kw)
    storage = decision.storage
    storage_kw = decision.powers.storage_kw or 0.0
    if storage is not None and storage.stored_kwh < storage.floor_kwh and storage_kw > _SHORT_KW:
        # in survival even firm classes go: their energy is that of the orderly shutdown
        target_kw = max(site.it.idle_kw, it_kw - storage_kw / ratio)
        text = f"SoC {storage.soc_pct:.1f} % is below its floor of {storage.floor_pct:.1f} % and falls"
        return _Need(reason=ShedReason.BESS_LOW, target_kw=target_kw, text=text)
    short = min(
        (each for each in decision.assessments if each.id.upward), key=lambda each: each.margin_kw, default=None
    )
    since_s = decision.state.short_since_s
    if short is None or short.margin_kw > -_SHORT_KW or since_s is None:
        return None
    has_failed = _has_failed(site, snapshot, decision)
    if snapshot.at_s - since_s < site.control.reserve_start_delay_s or not (has_failed or view.is_proven):
        return None
    target_kw = max(least_kw, it_kw + short.margin_kw / ratio)
    text = f"reserve {short.id.value} is short by {-short.margin_kw:.0f} kW and no set is left to start"
    reason = ShedReason.GENSET_TRIP if has_failed else ShedReason.GRID_LOSS if site.grid else ShedReason.BESS_LOW
    return _Need(reason=reason, target_kw=target_kw, text=text) if target_kw < it_kw - _SHORT_KW else None


def _bus_per_it(decision: Decision, it_kw: float) -> float:
    """Return how much load at the bus goes with a kW of IT; constant parts make it err high, so that less is asked."""
    load_kw = decision.state.load_kw
    return 1.0 if load_kw is None or it_kw <= 0.0 else max(1.0, load_kw / it_kw)


def _is_helpless(site: Site, snapshot: SiteSnapshot, decision: Decision) -> bool:
    """Return whether every set carries, or has failed, or cannot be started."""
    states = {genset.id: genset for genset in snapshot.gensets}
    return all(
        states[unit].carries or _is_out(states[unit], decision, now_s=snapshot.at_s)
        for kind in site.gensets
        for unit in kind.unit_ids
    )


def _has_failed(site: Site, snapshot: SiteSnapshot, decision: Decision) -> bool:
    states = {genset.id: genset for genset in snapshot.gensets}
    return any(
        states[unit].phase is GensetPhase.FAULT or _start_failed(unit, decision, now_s=snapshot.at_s)
        for kind in site.gensets
        for unit in kind.unit_ids
    )


def _is_out(genset: GensetState, decision: Decision, *, now_s: float) -> bool:
    dead = not genset.controllable or genset.phase in (None, GensetPhase.FAULT)
    return dead or _start_failed(genset.id, decision, now_s=now_s)


def _start_failed(unit: str, decision: Decision, *, now_s: float) -> bool:
    until_s = decision.state.gensets.get(unit, GensetTrack()).failed_until_s
    return until_s is not None and now_s < until_s
