"""The power envelope: how much IT power the site can supply in the next hours, and at what price and intensity.

Made of the newest plan. What the plan takes back of the classes that a cluster offers lowers the limit; without an
offer nothing shapes load, and the envelope says what is planned and how much more the planned reserve would bear.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ems.cluster.permits import Permission, permitted
from ems.contract.cluster import EnvelopeInterval, EnvelopeMessage, EnvelopeState, RampPart
from ems.contract.outgoing import Outgoing
from ems.contract.topics import envelope_topic
from ems.control.measurement import Storage
from ems.control.step import Decision
from ems.model.forecast import SignalForecast
from ems.model.plan import Plan, PlanSource, PlanStep
from ems.model.site import Site
from ems.model.units import G_PER_KG, MINUTES_PER_HOUR, hours
from ems.reserve import UP_CLASSES, ReserveId

# limits of the next hour are kept, later ones are forecasts (cluster contract, section 2.1)
_FIRM_H: Final = 1.0
_HORIZON_H: Final = 24.0
# curtailed PV below this share of IT design is no surplus worth telling
_SURPLUS_FRAC: Final = 0.02
# SoC below the floor by less than this is the resolution of the measurement
_FLOOR_TOLERANCE_PCT: Final = 0.25
_UNSERVED_KW: Final = 1.0
# a margin counts as short beyond the noise of the meters
_SHORT_KW: Final = 1.0
_UP_NAMES: Final = frozenset(item.value for item in UP_CLASSES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What an envelope is made of; `carbon_kgco2e_per_kwh` is the grid's, None without a forecast."""

    site: Site
    decision: Decision
    plan: Plan | None
    carbon_kgco2e_per_kwh: SignalForecast | None
    utc: datetime
    # what the published limits respect beside the plan; None: nothing
    permission: Permission | None = None


def envelope(situation: Situation, *, seq: int) -> Outgoing | None:
    """Return the envelope for the site's cluster, None before there is a plan that covers the present.

    Rising sequence numbers are the caller's. The limit of an interval is the planned IT power and what the scarcest
    upward reserve leaves over, shared by IT and the cooling, auxiliaries and losses that come with it. It is never
    above design, never below the idle cluster, and not below the 0.9 quantile of demand unless the plan cannot supply
    it: the reserve is made for that, and a limit must not chase noise. A limit says what power can be carried at once,
    not that energy for it is there for hours: `expected_kw` says what the plan has energy for.
    """
    site, plan, utc = situation.site, situation.plan, situation.utc
    if plan is None or plan.step_at(utc) is None:
        return None
    steps = [step for step in plan.steps if step.end_utc > utc and step.start_utc < utc + timedelta(hours=_HORIZON_H)]
    is_fresh = plan.age_s(utc) <= site.planning.max_age_periods * site.planning.period_s
    is_kept = is_fresh and plan.source is PlanSource.MILP
    intervals = tuple(_interval(situation, step, is_kept=is_kept) for step in steps)
    if situation.permission is not None:
        intervals = permitted(intervals, situation.permission, design_kw=site.it.design_kw)
    state, reason = _state(situation, steps[0], is_kept=is_kept)
    valid_s = site.planning.max_age_periods * site.planning.period_s
    message = EnvelopeMessage(
        ts=utc,
        seq=seq,
        cluster=site.it.id,
        issued=utc,
        valid_until=utc + timedelta(seconds=valid_s),
        after_expiry_limit_kw=min(interval.limit_kw for interval in intervals),
        state=state,
        reason=reason,
        ramp_kw_per_min=_ramp(site),
        intervals=intervals,
    )
    return Outgoing(topic=envelope_topic(site.it.id), message=message)


def is_survival(decision: Decision) -> bool:
    """Return whether the site is an island whose store is below its floor."""
    storage = decision.storage
    return not decision.state.mode.is_parallel and storage is not None and _is_below_floor(storage)


def _is_below_floor(storage: Storage) -> bool:
    return storage.soc_pct < storage.floor_pct - _FLOOR_TOLERANCE_PCT


def _interval(situation: Situation, step: PlanStep, *, is_kept: bool) -> EnvelopeInterval:
    site, utc = situation.site, situation.utc
    start = max(step.start_utc, utc)
    lead_h = hours((start - utc).total_seconds())
    limit_kw = _limit_kw(site, step)
    is_firm = is_kept and lead_h < _FIRM_H
    return EnvelopeInterval(
        start=start,
        duration_min=MINUTES_PER_HOUR * hours((step.end_utc - start).total_seconds()),
        limit_kw=limit_kw,
        firm=is_firm,
        expected_kw=step.it_kw,
        floor_kw=_floor_kw(site, step, limit_kw=limit_kw),
        limit_p10_kw=None if is_firm else _limit_p10_kw(site, step, limit_kw=limit_kw),
        price_per_kwh=None if site.grid is None else site.grid.tariff.price_per_kwh(start),
        gco2e_per_kwh=_intensity(situation, step),
    )


def _limit_kw(site: Site, step: PlanStep) -> float:
    """Return planned IT power and its share of the scarcest upward margin, at least the 0.9 quantile of demand.

    Where the cluster makes offers the plan shapes its load, and the limit leaves room for the forecast's error only.
    """
    limit_kw = step.it_kw
    if step.unserved_kw <= _UNSERVED_KW:
        margins = [item.held_kw - item.required_kw for item in step.reserve if item.id in _UP_NAMES]
        bus_per_it = _bus_per_it(step)
        # what the plan takes back of the cluster's classes is not given again as the forecast's error
        asked_kw = step.load_kw + bus_per_it * sum(offer.cut_kw for offer in step.offers)
        error_kw = step.load_q90_kw - asked_kw
        is_shaped = bool(step.offers) or site.it.takes_offers
        spare_kw = error_kw if is_shaped else max(min(margins, default=0.0), error_kw)
        limit_kw += max(0.0, spare_kw) / bus_per_it
    return min(site.it.design_kw, max(site.it.idle_kw, limit_kw))


def _floor_kw(site: Site, step: PlanStep, *, limit_kw: float) -> float | None:
    """Return the power that would take the PV which is left, None where there is none worth telling: a wish only."""
    spare_kw = step.pv_available_kw - step.pv_kw
    if spare_kw <= _SURPLUS_FRAC * site.it.design_kw:
        return None
    return min(limit_kw, step.it_kw + spare_kw / _bus_per_it(step))


def _limit_p10_kw(site: Site, step: PlanStep, *, limit_kw: float) -> float:
    """Return the limit if net load comes out as high as its 0.9 quantile: what is forecast is not all there."""
    error_kw = max(0.0, step.net_q90_kw - (step.load_kw - step.pv_available_kw))
    return max(min(site.it.idle_kw, limit_kw), limit_kw - error_kw / _bus_per_it(step))


def _bus_per_it(step: PlanStep) -> float:
    """Return the load at the bus that goes with a kW of IT.

    The mean ratio stands for the marginal one: cooling and auxiliaries have constant parts, so it errs low.
    """
    return max(1.0, step.load_kw / step.it_kw) if step.it_kw > 0.0 else 1.0


def _ramp(site: Site) -> RampPart:
    """Return the agreed ramps, else a job step and the largest block in a minute."""
    up, down = site.it.ramp_up_kw_per_min, site.it.ramp_down_kw_per_min
    return RampPart(
        up=site.it.job_step_kw if up is None else up, down=site.it.largest_block_kw if down is None else down
    )


def _intensity(situation: Situation, step: PlanStep) -> float | None:
    """Return the intensity of what PV, gensets and grid deliver; None where nothing does or the grid's is unknown."""
    generated_kw = step.pv_kw + sum(genset.power_kw for genset in step.gensets) + step.import_kw
    if generated_kw <= 0.0:
        return None
    factor = situation.site.economics.diesel_kgco2e_per_l
    emitted_kg_per_h = factor * sum(genset.fuel_l_per_h for genset in step.gensets)
    if step.import_kw > 0.0:
        signal = situation.carbon_kgco2e_per_kwh
        grid = None if signal is None else signal.values.mean(step.start_utc, step.end_utc)
        if grid is None:
            return None
        emitted_kg_per_h += grid * step.import_kw
    return G_PER_KG * emitted_kg_per_h / generated_kw


def _state(situation: Situation, step: PlanStep, *, is_kept: bool) -> tuple[EnvelopeState, str]:
    """Return the site in one word, the gravest that applies, and why."""
    site, decision = situation.site, situation.decision
    storage = decision.storage
    if storage is not None and is_survival(decision):
        return "islanded-survival", f"the site is an island and SoC {storage.soc_pct:.1f} % is below its floor"
    short = [item for item in decision.assessments if item.id is not ReserveId.DOWN and item.margin_kw < -_SHORT_KW]
    if short:
        return "emergency", f"reserve {short[0].id.value} is short by {-short[0].margin_kw:.0f} kW"
    if step.unserved_kw > _UNSERVED_KW:
        return "constrained", f"the plan cannot supply {step.unserved_kw:.0f} kW"
    if not is_kept:
        return "constrained", "there is no fresh plan of the optimiser, so no limit is firm"
    spare_kw = step.pv_available_kw - step.pv_kw
    if spare_kw > _SURPLUS_FRAC * site.it.design_kw:
        return "surplus", f"{spare_kw:.0f} kW of PV are not taken"
    return "normal", "the plan supplies all load and holds its reserve"
