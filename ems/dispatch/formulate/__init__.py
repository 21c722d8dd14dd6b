"""Writes the planning problem of one cycle from the site, its measured condition and the forecasts.

Pure; no pyomo. The problem states everything that the dispatcher may know, in the units of docs/formulation.md.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from ems.dispatch.formulate.bounds import bound_edges, with_bounds
from ems.dispatch.formulate.cooling import chiller_problem
from ems.dispatch.formulate.demand import load_problem, on_steps, pv_problems
from ems.dispatch.formulate.fuel import fuel_problem, refused_deliveries
from ems.dispatch.formulate.gensets import rule_edges, with_rules
from ems.dispatch.formulate.promises import with_promises
from ems.dispatch.formulate.security import reserve_problem
from ems.dispatch.formulate.storage import pool_problem
from ems.dispatch.formulate.supply import cheap_hour_price_per_kwh, genset_problem, grid_problem
from ems.model.condition import Outlook, SiteCondition
from ems.model.plan import Plan
from ems.model.problem import (
    SCHEMA,
    CarbonBudget,
    GroupProblem,
    PlanningProblem,
    PreviousCommitment,
    PriceProblem,
    SolveOptions,
)
from ems.model.site import Site
from ems.model.timegrid import TimeGrid, planning_grid
from ems.model.units import KG_PER_T

__all__ = ["formulate", "refused_deliveries"]


def formulate(
    site: Site, condition: SiteCondition, outlook: Outlook, *, previous: Plan | None, problem_id: str
) -> PlanningProblem:
    """Return the planning problem; forecasts must cover the horizon.

    Raises:
        ValueError: A forecast does not reach the end of the horizon.
    """
    grid = planning_grid(condition.utc, shape=site.planning.shape, edges_utc=_edges(site, condition))
    pv = pv_problems(site, outlook, grid)
    offer = condition.offer if site.it.takes_offers else None
    load, offers = load_problem(site, outlook, grid, pv, offer=offer)
    load = with_promises(load, condition.cluster, grid)
    # stores are valued by what the site takes as a whole
    whole_kw = tuple(kw + sum(each.asked_kw(t) for each in offers) for t, kw in enumerate(load.it_kw))
    whole = replace(load, it_kw=whole_kw)
    ambient_degc = on_steps(outlook.ambient_degc.values, grid, name="ambient temperature")
    connection = grid_problem(site, condition, outlook, grid)
    cheap_price_per_kwh = cheap_hour_price_per_kwh(site, connection, outlook, grid)
    problem = PlanningProblem(
        schema=SCHEMA,
        id=problem_id,
        site_id=site.id,
        currency=site.economics.currency,
        created_utc=condition.utc,
        grid=grid,
        load=load,
        offers=offers,
        chillers=chiller_problem(site, condition, outlook, whole=whole, ambient_degc=ambient_degc),
        pv=pv,
        pools=tuple(
            pool_problem(
                site,
                pool,
                state,
                load=whole,
                pv=pv,
                ambient_degc=ambient_degc,
                cheap_price_per_kwh=cheap_price_per_kwh,
                previous=previous,
                grid=grid,
            )
            for pool, state in zip(site.batteries, condition.pools, strict=True)
        ),
        gensets=tuple(
            with_rules(
                site,
                genset,
                genset_problem(site, genset, state, ambient_degc=ambient_degc),
                state,
                grid=grid,
                ambient_degc=ambient_degc,
            )
            for genset, state in zip(site.gensets, condition.gensets, strict=True)
        ),
        fuel=fuel_problem(site, condition, grid),
        connection=connection,
        groups=tuple(
            GroupProblem(id=group.id, members=group.members, limit_kw=group.limit_kw) for group in site.groups
        ),
        carbon_budget=_carbon_budget(site, condition, grid),
        reserve=reserve_problem(site, condition, outlook, load=load, pv=pv, grid=grid),
        prices=_prices(site),
        previous=_previous(site, previous, grid),
        options=SolveOptions(
            gap_frac=site.planning.gap_frac,
            time_limit_s=site.planning.time_limit_s,
            integer_h=site.planning.integer_h,
            threads=site.planning.threads,
            warm_start=site.planning.warm_start,
        ),
    )
    return with_bounds(problem, site, condition)


def _carbon_budget(site: Site, condition: SiteCondition, grid: TimeGrid) -> CarbonBudget | None:
    """Return what the horizon may emit: what accrues until its end, less what the running period has emitted."""
    allowance = site.economics.carbon_budget
    if allowance is None:
        return None
    end = grid.starts_utc[0] + timedelta(hours=grid.offset_h[-1])
    return CarbonBudget(
        kgco2e=allowance.left_kg(condition.carbon, condition.utc, end),
        price_per_kg=allowance.excess_price_per_t / KG_PER_T,
    )


def _edges(site: Site, condition: SiteCondition) -> Iterator[datetime]:
    """Yield the instants at which a step must end: price changes, announced outages, rules of gensets, deliveries."""
    end = condition.utc + timedelta(hours=site.planning.shape.horizon_h + 1.0)
    yield from rule_edges(site, condition.utc, end)
    yield from bound_edges(condition)
    if site.grid is None:
        return
    yield from site.grid.tariff.edges_utc(condition.utc, end)
    for outage in site.grid.announced:
        yield from (outage.start_utc, outage.end_utc)


def _prices(site: Site) -> PriceProblem:
    penalties = site.penalties
    return PriceProblem(
        co2_per_kg=site.economics.co2_price_per_kg,
        unserved_per_kwh=penalties.unserved_price_per_kwh,
        reserve_per_kwh=penalties.reserve_price_per_kwh,
        floor_per_kwh=penalties.floor_price_per_kwh,
        limit_per_kwh=penalties.limit_price_per_kwh,
        low_load_per_kwh=penalties.low_load_price_per_kwh,
        commitment_change=penalties.commitment_change_cost,
    )


def _previous(site: Site, previous: Plan | None, grid: TimeGrid) -> tuple[PreviousCommitment, ...]:
    """Return what the previous plan had on in every step; nothing after a plan that was not followed.

    The hours by which this horizon is longer go on as the previous plan ended. Units that a class has no more, since
    the configuration changed, are left out.
    """
    if previous is None or not previous.followed or previous.step_at(grid.start_utc) is None:
        return ()
    steps = [previous.step_at(start) or previous.steps[-1] for start in grid.starts_utc]
    counts = [{genset.id: genset.n_on for genset in step.gensets} for step in steps]
    # a plan that was made for other classes says nothing
    if any(genset.id not in count for genset in site.gensets for count in counts):
        return ()
    return tuple(
        PreviousCommitment(id=genset.id, n_on=tuple(min(count[genset.id], genset.n_units) for count in counts))
        for genset in site.gensets
    )
