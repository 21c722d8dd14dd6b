"""Reserve requirements on the plan's steps: contingencies, variation, floor and lead energy (E19 to E24)."""

from dataclasses import replace
from math import hypot

from ems.dispatch.formulate.promises import promised_rises_kw
from ems.model.condition import Outlook, SiteCondition
from ems.model.problem import (
    Contingency,
    ContingencyKind,
    LoadProblem,
    Loss,
    PvProblem,
    ReserveClassProblem,
    ReserveProblem,
)
from ems.model.site import Site, SlowReserve
from ems.model.timegrid import TimeGrid
from ems.model.units import frac, hours
from ems.reserve import (
    UP_CLASSES,
    ReserveId,
    lead_kwh,
    lead_time_s,
    pv_drop_frac,
    reserve_kwh,
    variation_kw,
)

# what falls short of the forecast is at most this share of it, before a record exists (as in the forecast's cold start)
_MAX_COLD_ERROR_FRAC = 0.5


def reserve_problem(
    site: Site,
    condition: SiteCondition,
    outlook: Outlook,
    *,
    load: LoadProblem,
    pv: tuple[PvProblem, ...],
    grid: TimeGrid,
) -> ReserveProblem:
    """Return what must be held in every step."""
    policy = site.reserve
    eff = site.batteries[0].discharge_eff_frac
    tech_kwh = sum(
        frac(pool.soc_tech_min_pct + pool.soc_error_pct + site.planning.floor_margin_pct) * state.full_kwh
        + state.spread_below_kwh
        for pool, state in zip(site.batteries, condition.pools, strict=True)
    )
    floor = [
        tech_kwh + reserve_kwh(policy, load_kw=kw, gensets=site.gensets, discharge_eff_frac=eff)
        for kw in load.load_q90_kw
    ]
    lead_s = lead_time_s(policy, site.gensets)
    classes = [_fast_class(site, reserve, grid) for reserve in UP_CLASSES]
    if policy.r2 is not None:
        errors_kw = forecast_errors_kw(site, outlook, load=load, pv=pv)
        slow = _slow_class(
            site, policy.r2, errors_kw, risen_kw=promised_rises_kw(site.it, condition.cluster, load, grid)
        )
        shed_kw = condition.cluster.credited_shed_kw
        classes.append(replace(slow, credited_shed_kw=(shed_kw,) * grid.n_steps) if shed_kw > 0.0 else slow)
    return ReserveProblem(
        classes=tuple(classes),
        contingencies=(*_single_losses(site), *policy.contingencies),
        down=True,
        down_slow=policy.down_slow,
        floor_kwh=tuple(floor),
        lead_kwh=tuple(lead_kwh(kw, lead_s=lead_s, discharge_eff_frac=eff) for kw in load.net_q90_kw),
        sustain_h=hours(policy.sustain_s),
    )


def _fast_class(site: Site, reserve: ReserveId, grid: TimeGrid) -> ReserveClassProblem:
    variation = variation_kw(site.reserve, reserve, job_step_kw=site.it.rise_kw)
    return ReserveClassProblem(
        id=reserve.value,
        gensets_count=reserve is not ReserveId.R0,
        variation_kw=(variation,) * grid.n_steps,
        pv_drop_frac=pv_drop_frac(site.reserve, reserve),
        curtailed_counts=site.reserve.curtailed_counts and reserve is ReserveId.R1,
    )


def _slow_class(
    site: Site, slow: SlowReserve, errors_kw: list[float], *, risen_kw: tuple[float, ...]
) -> ReserveClassProblem:
    return ReserveClassProblem(
        id=ReserveId.R2.value,
        gensets_count=True,
        starts_count=True,
        variation_kw=tuple(
            variation_kw(site.reserve, ReserveId.R2, job_step_kw=max(site.it.rise_kw, rise), forecast_error_kw=kw)
            for kw, rise in zip(errors_kw, risen_kw, strict=True)
        ),
        pv_drop_frac=slow.pv_drop_frac,
        sustain_h=hours(slow.sustain_s),
    )


def forecast_errors_kw(site: Site, outlook: Outlook, *, load: LoadProblem, pv: tuple[PvProblem, ...]) -> list[float]:
    """Return FE per step: what supply may be short of the forecast when a set is asked to start.

    From the site's own record at the lead of a start; before it exists from the configured shares of load and of PV
    rating, the latter up to half of what is forecast. Errors of load and of each plant are independent.
    """
    load_frac = outlook.load_error_frac
    load_frac = site.reserve.forecast_error_load_frac if load_frac is None else load_frac
    recorded = outlook.pv_error_frac or (None,) * len(pv)
    errors = []
    for t in range(len(load.it_kw)):
        short = [load_frac * load.demand_kw(t)]
        for plant, data, error_frac in zip(site.pv, pv, recorded, strict=True):
            available_kw = data.available_kw[t]
            cold_kw = min(site.reserve.forecast_error_pv_frac * plant.total_ac_kw, _MAX_COLD_ERROR_FRAC * available_kw)
            short.append(cold_kw if error_frac is None else error_frac * available_kw)
        errors.append(hypot(*short))
    return errors


def _single_losses(site: Site) -> tuple[Contingency, ...]:
    """Return the single losses that the site is configured to survive, one per class, pool or plant."""
    members = {
        ContingencyKind.GRID: [""] if site.grid is not None else [],
        ContingencyKind.GENSET: [genset.id for genset in site.gensets],
        ContingencyKind.BLOCK: [pool.id for pool in site.batteries],
        ContingencyKind.PV_BLOCK: [plant.id for plant in site.pv],
    }
    losses = (
        Contingency(id=f"{kind.value} {member}".strip(), losses=(Loss(kind=kind, member=member),))
        for kind in site.reserve.survive
        for member in members[kind]
    )
    return tuple(losses)
