"""Demand and PV on the plan's steps, with their quantiles."""

from dataclasses import replace
from math import hypot

from ems.dispatch.formulate.cluster import OfferedLoad, offered_load
from ems.model.condition import Outlook
from ems.model.forecast import EvenSeries
from ems.model.offer import FlexOffer
from ems.model.problem import CoolingLineProblem, LoadProblem, OfferProblem, PvProblem
from ems.model.site import Site
from ems.model.timegrid import TimeGrid
from ems.thermal.container import resting_aux_kw
from ems.thermal.plant import cooling_lines


def on_steps(series: EvenSeries, grid: TimeGrid, *, name: str) -> tuple[float, ...]:
    """Return the mean of a series over each step.

    Raises:
        ValueError: The series does not cover the grid; `name` says which.
    """
    ends = (*grid.starts_utc[1:], grid.end_utc)
    values = []
    for start, end in zip(grid.starts_utc, ends, strict=True):
        mean = series.mean(start, end)
        if mean is None:
            raise ValueError(f"the forecast of {name} does not cover {start:%Y-%m-%d %H:%M} to {end:%H:%M} UTC")
        values.append(mean)
    return tuple(values)


def pv_problems(site: Site, outlook: Outlook, grid: TimeGrid) -> tuple[PvProblem, ...]:
    """Return available PV per plant: the median, moved by `optimism_frac` towards its 0.9 quantile, below 0 its 0.1."""
    share = site.planning.optimism_frac
    return tuple(
        PvProblem(
            id=plant.id,
            n_blocks=plant.n_blocks,
            available_kw=_between(
                on_steps(forecast.p50_kw, grid, name=f"PV {plant.id}"),
                on_steps(forecast.q90_kw if share >= 0.0 else forecast.q10_kw, grid, name=f"PV {plant.id}"),
                abs(share),
            ),
            available_q10_kw=on_steps(forecast.q10_kw, grid, name=f"PV {plant.id}"),
            frequency_watt_credit_frac=plant.frequency_watt_credit_frac,
            curtailment_price_per_kwh=site.economics.curtailment_price_per_kwh,
        )
        for plant, forecast in zip(site.pv, outlook.pv, strict=True)
    )


def load_problem(
    site: Site, outlook: Outlook, grid: TimeGrid, pv: tuple[PvProblem, ...], *, offer: FlexOffer | None = None
) -> tuple[LoadProblem, tuple[OfferProblem, ...]]:
    """Return demand, and the classes of a cluster's offer beside it (E16).

    Demand is firm IT power, cooling lines at the forecast ambient (E17), auxiliaries, and quantiles of the whole.
    """
    it_p50_kw = on_steps(outlook.it.p50_kw, grid, name="IT load")
    it_q90_kw = on_steps(outlook.it.q90_kw, grid, name="IT load")
    # the favourable side of the load lies as far below the median as the q90 lies above it
    it_kw = _between(it_p50_kw, it_q90_kw, -site.planning.optimism_frac)
    if site.it.takes_offers and offer is None:
        # what may not be shaped is planned as it may be at most
        it_kw = it_q90_kw
    offered = OfferedLoad(firm_kw=it_kw) if offer is None else offered_load(offer, grid, forecast_kw=it_kw)
    ambient_degc = on_steps(outlook.ambient_degc.values, grid, name="ambient temperature")
    firm = LoadProblem(
        it_kw=offered.firm_kw,
        cooling=_cooling_problems(site, outlook, ambient_degc),
        aux_constant_kw=tuple(_aux_kw(site, outlook, degc) for degc in ambient_degc),
        aux_frac_of_it=site.auxiliaries.frac_of_it,
        site_loss_frac=site.economics.site_loss_frac,
        largest_block_kw=site.it.largest_block_kw,
    )
    full_kw = [kw + sum(each.asked_kw(t) for each in offered.offers) for t, kw in enumerate(offered.firm_kw)]
    load_kw = [firm.served_kw(t, kw) for t, kw in enumerate(full_kw)]
    load_q90_kw = [
        firm.served_kw(t, full + max(0.0, q90 - kw))
        for t, (full, q90, kw) in enumerate(zip(full_kw, it_q90_kw, it_kw, strict=True))
    ]
    net_q90_kw = []
    for t, (load, load_q90) in enumerate(zip(load_kw, load_q90_kw, strict=True)):
        available = sum(plant.available_kw[t] for plant in pv)
        available_q10 = sum(plant.available_q10_kw[t] for plant in pv)
        # independent errors of load and PV
        net_q90_kw.append(load - available + hypot(load_q90 - load, available - available_q10))
    return replace(firm, load_q90_kw=tuple(load_q90_kw), net_q90_kw=tuple(net_q90_kw)), offered.offers


def _aux_kw(site: Site, outlook: Outlook, ambient_degc: float) -> float:
    """Return the auxiliaries that do not depend on IT power, scaled by what was measured (E11)."""
    resting_kw = resting_aux_kw(site.batteries, ambient_degc=ambient_degc)
    return outlook.aux_ratio_frac * (site.auxiliaries.constant_kw + resting_kw)


def _cooling_problems(site: Site, outlook: Outlook, ambient_degc: tuple[float, ...]) -> tuple[CoolingLineProblem, ...]:
    """Return the plant's support lines at the forecast ambient, scaled by what was measured (E17)."""
    lines_of = [cooling_lines(site.cooling, ambient_degc=degc) for degc in ambient_degc]
    # a step with fewer lines than another has its last one again
    n_lines = max(len(lines) for lines in lines_of)
    chosen = [[lines[min(k, len(lines) - 1)] for lines in lines_of] for k in range(n_lines)]
    return tuple(
        CoolingLineProblem(
            c0_kw=tuple(outlook.cooling_ratio_frac * line.c0_kw for line in lines),
            c1_frac=tuple(outlook.cooling_ratio_frac * line.c1_frac for line in lines),
        )
        for lines in chosen
    )


def _between(median: tuple[float, ...], quantile: tuple[float, ...], share: float) -> tuple[float, ...]:
    return tuple(m + share * (q - m) for m, q in zip(median, quantile, strict=True))
