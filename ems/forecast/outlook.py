"""Puts one plan's beliefs together: PV with nowcast and quantiles, load, ambient, carbon."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp, sqrt

from ems.forecast.load import LoadRecord, forecast_load
from ems.forecast.score import ErrorRecord
from ems.forecast.yearly import YearTable
from ems.model.condition import Outlook
from ems.model.forecast import (
    EvenSeries,
    ForecastQuality,
    PvForecast,
    SignalForecast,
    WeatherForecast,
)
from ems.model.pv import PvPlant
from ems.model.site import Site
from ems.model.units import hours
from ems.reserve import lead_time_s

_QUARTER_S = 900.0
_HOUR_S = 3600.0
# what is measured now says something about the next hours: time constant of the nowcast
_NOWCAST_H = 2.0
_NOWCAST_RANGE_FRAC = (0.3, 2.0)
# below this share of rating a ratio of measured to forecast power is noise
_NOWCAST_LEAST_FRAC = 0.05
# the q10 of a normal error lies at this share of the 0.99 quantile that the cold start states
_Q10_OF_Q99 = 1.2816 / 2.3263
# the lasting ratio of measured to forecast energy is trusted within this range
_RATIO_RANGE_FRAC = (0.7, 1.2)
_MAX_COLD_ERROR_FRAC = 0.5
# the cold start's error is that of the next day; nearer hours are known better
_FULL_ERROR_H = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PvBasis:
    """What the PV conversion gave for one weather issue, by plant."""

    weather: WeatherForecast
    available_kw: Mapping[str, EvenSeries]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What enters a forecast from the snapshot: available PV by plant, IT load, and how the models fit."""

    pv_available_kw: Mapping[str, float | None]
    it_kw: float | None
    cooling_ratio_frac: float
    aux_ratio_frac: float


def compose_outlook(
    site: Site,
    *,
    now: datetime,
    basis: PvBasis,
    measured: Measured,
    load_record: LoadRecord,
    load_errors: ErrorRecord,
    pv_errors: Mapping[str, ErrorRecord],
    carbon: YearTable | None,
    season_h: float,
) -> Outlook:
    """Return the outlook for a plan that begins now."""
    horizon_h = site.planning.shape.horizon_h + 2.0
    high = load_errors.quantile(6.0, 0.9)
    cold = _Q10_OF_Q99 * site.reserve.forecast_error_load_frac
    return Outlook(
        it=forecast_load(
            load_record,
            now=now,
            level_kw=measured.it_kw,
            cold_mean_kw=site.it.design_kw * site.it.mean_frac,
            season_h=season_h,
            horizon_h=horizon_h,
            high_frac=cold if high is None else max(0.0, high),
        ),
        pv=tuple(
            _pv(
                site, plant, basis, now=now, measured=measured.pv_available_kw.get(plant.id), errors=pv_errors[plant.id]
            )
            for plant in site.pv
        ),
        ambient_degc=_ambient(basis.weather),
        carbon_kgco2e_per_kwh=None if carbon is None else _carbon(carbon, now=now, horizon_h=horizon_h),
        cooling_ratio_frac=measured.cooling_ratio_frac,
        aux_ratio_frac=measured.aux_ratio_frac,
        load_error_frac=_shortage_frac(site, load_errors, rising=True),
        pv_error_frac=tuple(_shortage_frac(site, pv_errors[plant.id], rising=False) for plant in site.pv),
    )


def _shortage_frac(site: Site, errors: ErrorRecord, *, rising: bool) -> float | None:
    """Return by what share of a forecast supply is short at the lead of a set's start, None without a record.

    A load that rises above its forecast is short of supply, and so is PV that stays below it.
    """
    if site.reserve.r2 is None:
        return None
    lead_h = hours(lead_time_s(site.reserve, site.gensets))
    quantile = site.reserve.r2.error_quantile_frac
    error = errors.quantile(lead_h, quantile if rising else 1.0 - quantile)
    return None if error is None else max(0.0, error if rising else -error)


def raw_pv(plant: PvPlant, basis: PvBasis, errors: ErrorRecord) -> EvenSeries:
    """Return the converted forecast with its lasting bias taken out, without the nowcast."""
    low, high = _RATIO_RANGE_FRAC
    ratio = errors.ratio()
    bias = 1.0 if ratio is None else min(high, max(low, ratio))
    series = basis.available_kw[plant.id]
    return EvenSeries(
        start_utc=series.start_utc,
        step_s=series.step_s,
        values=tuple(min(plant.total_ac_kw, bias * value) for value in series.values),
    )


def _pv(
    site: Site, plant: PvPlant, basis: PvBasis, *, now: datetime, measured: float | None, errors: ErrorRecord
) -> PvForecast:
    base = raw_pv(plant, basis, errors)
    factor = _nowcast_factor(plant, base, now=now, measured=measured)
    cold_kw = _Q10_OF_Q99 * site.reserve.forecast_error_pv_frac * plant.total_ac_kw
    p50, q10, q90 = [], [], []
    for step, value in enumerate(base.values):
        middle = base.start_utc + timedelta(seconds=(step + 0.5) * base.step_s)
        lead_h = (middle - now).total_seconds() / _HOUR_S
        blended = value
        if lead_h > -0.25:
            blended = min(plant.total_ac_kw, value * (1.0 + (factor - 1.0) * exp(-max(0.0, lead_h) / _NOWCAST_H)))
        low, high = errors.quantile(max(0.0, lead_h), 0.1), errors.quantile(max(0.0, lead_h), 0.9)
        growth = min(1.0, sqrt(max(lead_h, 0.25) / _FULL_ERROR_H))
        spread = growth * min(cold_kw, _MAX_COLD_ERROR_FRAC * blended)
        p50.append(blended)
        q10.append(blended - spread if low is None else blended * min(1.0, max(0.0, 1.0 + low)))
        upper = blended + spread if high is None else blended * max(1.0, 1.0 + high)
        q90.append(min(plant.total_ac_kw, upper))
    series = [EvenSeries(start_utc=base.start_utc, step_s=base.step_s, values=tuple(v)) for v in (p50, q10, q90)]
    return PvForecast(
        plant_id=plant.id,
        issued_utc=basis.weather.issued_utc,
        quality=basis.weather.quality,
        p50_kw=series[0],
        q10_kw=series[1],
        q90_kw=series[2],
    )


def _nowcast_factor(plant: PvPlant, base: EvenSeries, *, now: datetime, measured: float | None) -> float:
    """Return measured over forecast power now, 1 where it is dark or nothing is measured."""
    expected = base.mean(now, now + timedelta(seconds=_QUARTER_S))
    least = _NOWCAST_LEAST_FRAC * plant.total_ac_kw
    if measured is None or expected is None or expected < least:
        return 1.0
    low, high = _NOWCAST_RANGE_FRAC
    return min(high, max(low, measured / expected))


def _ambient(weather: WeatherForecast) -> SignalForecast:
    values = tuple(hour.ambient_degc for hour in weather.hours)
    return SignalForecast(
        name="ambient_degc",
        issued_utc=weather.issued_utc,
        quality=weather.quality,
        values=EvenSeries(start_utc=weather.hours[0].start_utc, step_s=_HOUR_S, values=values),
    )


def _carbon(carbon: YearTable, *, now: datetime, horizon_h: float) -> SignalForecast:
    start = now.replace(minute=0, second=0, microsecond=0)
    n_hours = int(horizon_h) + 2
    values = tuple(carbon.value("kgco2e_per_kwh", start + timedelta(hours=hour)) for hour in range(n_hours))
    return SignalForecast(
        name="carbon_kgco2e_per_kwh",
        issued_utc=now,
        quality=ForecastQuality.GOOD,
        values=EvenSeries(start_utc=start, step_s=_HOUR_S, values=values),
    )
