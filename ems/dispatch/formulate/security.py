"""Reserve requirements on the plan's steps: contingencies, variation, floor and lead energy (E19 to E24)."""

from ems.model.condition import SiteCondition
from ems.model.problem import (
    Contingency,
    ContingencyKind,
    LoadProblem,
    Loss,
    ReserveClassProblem,
    ReserveProblem,
)
from ems.model.site import Site
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


def reserve_problem(site: Site, condition: SiteCondition, *, load: LoadProblem, grid: TimeGrid) -> ReserveProblem:
    """Return what must be held in every step."""
    policy = site.reserve
    eff = site.batteries[0].discharge_eff_frac
    tech_kwh = sum(
        frac(pool.soc_tech_min_pct + pool.soc_error_pct + site.planning.floor_margin_pct) * state.full_kwh
        for pool, state in zip(site.batteries, condition.pools, strict=True)
    )
    floor = [
        tech_kwh + reserve_kwh(policy, load_kw=kw, gensets=site.gensets, discharge_eff_frac=eff)
        for kw in load.load_q90_kw
    ]
    lead_s = lead_time_s(policy, site.gensets)
    return ReserveProblem(
        classes=tuple(_reserve_class(site, reserve, grid) for reserve in UP_CLASSES),
        contingencies=_contingencies(site),
        down=True,
        floor_kwh=tuple(floor),
        lead_kwh=tuple(lead_kwh(kw, lead_s=lead_s, discharge_eff_frac=eff) for kw in load.net_q90_kw),
        sustain_h=hours(policy.sustain_s),
    )


def _reserve_class(site: Site, reserve: ReserveId, grid: TimeGrid) -> ReserveClassProblem:
    variation = variation_kw(site.reserve, reserve, job_step_kw=site.it.job_step_kw)
    return ReserveClassProblem(
        id=reserve.value,
        gensets_count=reserve is not ReserveId.R0,
        variation_kw=(variation,) * grid.n_steps,
        pv_drop_frac=pv_drop_frac(site.reserve, reserve),
    )


def _contingencies(site: Site) -> tuple[Contingency, ...]:
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
