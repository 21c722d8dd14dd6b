"""Shipped sites with a measured condition and even forecasts, for tests of what stands between site and problem."""

from datetime import UTC, datetime, timedelta
from functools import cache

from ems.config.build import build_site
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from ems.model.condition import GensetCondition, GridCondition, Outlook, PoolCondition, SiteCondition
from ems.model.forecast import EvenSeries, ForecastQuality, LoadForecast, PvForecast, SignalForecast
from ems.model.problem import UnitHistory
from ems.model.site import Site

NOON = datetime(2026, 1, 8, 12, 0, tzinfo=UTC)


@cache
def site(name: str) -> Site:
    """Return a shipped site."""
    return build_site(load_files(site_directory(name)))


def condition(of: Site, *, soc_frac: float = 0.5, at: datetime = NOON, lost_h: float | None = None) -> SiteCondition:
    """Return a site with every block usable, all sets long stopped and the store at a share of full."""
    return SiteCondition(
        utc=at,
        pools=tuple(
            PoolCondition(
                id=pool.id,
                n_blocks=pool.n_blocks,
                stored_kwh=soc_frac * pool.rated_kwh,
                full_kwh=pool.rated_kwh,
                max_charge_kw=pool.rated_charge_kw,
                max_discharge_kw=pool.rated_discharge_kw,
            )
            for pool in of.batteries
        ),
        gensets=tuple(
            GensetCondition(
                id=genset.id,
                units=tuple(UnitHistory(id=name, on=False, since_h=100.0, available=True) for name in genset.unit_ids),
            )
            for genset in of.gensets
        ),
        grid=None
        if of.grid is None
        else GridCondition(lost_h=lost_h, peak_so_far_kw=1000.0, running_kwh=50.0, running_h=0.1),
    )


def outlook(
    of: Site,
    *,
    at: datetime = NOON,
    it_kw: float = 4000.0,
    it_q90_kw: float = 4400.0,
    pv_kw: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ambient_degc: float = 20.0,
    horizon_h: float = 50.0,
    carbon_kgco2e_per_kwh: float | None = None,
) -> Outlook:
    """Return forecasts that stay the same over the horizon; `pv_kw` is (q10, median, q90) of each plant."""
    start = at.replace(minute=0) - timedelta(hours=1)

    def even(value: float) -> EvenSeries:
        return EvenSeries(start_utc=start, step_s=3600.0, values=(value,) * int(horizon_h + 2.0))

    good = ForecastQuality.GOOD
    return Outlook(
        it=LoadForecast(issued_utc=at, quality=good, p50_kw=even(it_kw), q90_kw=even(it_q90_kw)),
        pv=tuple(
            PvForecast(
                plant_id=plant.id,
                issued_utc=at,
                quality=good,
                q10_kw=even(pv_kw[0]),
                p50_kw=even(pv_kw[1]),
                q90_kw=even(pv_kw[2]),
            )
            for plant in of.pv
        ),
        ambient_degc=SignalForecast(name="ambient_degc", issued_utc=at, quality=good, values=even(ambient_degc)),
        carbon_kgco2e_per_kwh=None
        if carbon_kgco2e_per_kwh is None
        else SignalForecast(name="carbon", issued_utc=at, quality=good, values=even(carbon_kgco2e_per_kwh)),
        cooling_ratio_frac=1.0,
        aux_ratio_frac=1.0,
    )
