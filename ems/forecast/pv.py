"""Available PV power from a weather forecast, with pvlib. Imported by the planner's worker process only."""

from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd
import pvlib

from ems.model.forecast import EvenSeries, WeatherForecast, WeatherHour
from ems.model.pv import PvArray, PvMount, PvPlant
from ems.model.site import Place

STEP_S = 900.0
_STEPS_PER_HOUR = 4
# clear-sky values below this (W/m2) carry no information about clouds
_DARK_W_PER_M2 = 10.0
_MAX_CLEARNESS = 1.4
_ALBEDO = 0.25

Values = npt.NDArray[np.float64]


def available_kw(plant: PvPlant, place: Place, weather: WeatherForecast) -> EvenSeries:
    """Return the power that a plant could deliver at the bus, on 15 min steps over the forecast's hours."""
    middles = _middles(weather)
    ambient = _per_step([hour.ambient_degc for hour in weather.hours])
    wind = _per_step([hour.wind_m_per_s for hour in weather.hours])
    sun = pvlib.solarposition.get_solarposition(
        middles, place.latitude_deg, place.longitude_deg, altitude=place.altitude_m, method="nrel_numpy"
    )
    if weather.hours[0].poa_w_per_m2 is not None:
        poa = _per_step([hour.poa_w_per_m2 or 0.0 for hour in weather.hours])
        poa = np.where(sun["apparent_elevation"].to_numpy() > 0.0, poa, 0.0)
    else:
        poa = _plane_of_array(plant.array, weather.hours, middles, sun)
    power = plant.n_blocks * _ac_kw(plant, poa, ambient, wind)
    return EvenSeries(
        start_utc=weather.hours[0].start_utc, step_s=STEP_S, values=tuple(float(value) for value in power)
    )


def _middles(weather: WeatherForecast) -> pd.DatetimeIndex:
    first = weather.hours[0].start_utc + timedelta(seconds=STEP_S / 2.0)
    return pd.date_range(first, periods=_STEPS_PER_HOUR * len(weather.hours), freq=timedelta(seconds=STEP_S))


def _per_step(hourly: list[float]) -> Values:
    return np.repeat(np.asarray(hourly, dtype=np.float64), _STEPS_PER_HOUR)


def _plane_of_array(
    array: PvArray, hours: tuple[WeatherHour, ...], middles: pd.DatetimeIndex, sun: pd.DataFrame
) -> Values:
    """Transpose horizontal irradiance to the modules, hourly energy spread by the clear sky of each step."""
    zenith = sun["apparent_zenith"].to_numpy()
    azimuth = sun["azimuth"].to_numpy()
    clear = pvlib.clearsky.simplified_solis(sun["apparent_elevation"])
    ghi = _spread([hour.ghi_w_per_m2 or 0.0 for hour in hours], clear["ghi"].to_numpy())
    dni = _spread([hour.dni_w_per_m2 or 0.0 for hour in hours], clear["dni"].to_numpy())
    # diffuse light under haze and cloud is a multiple of the clear sky's, yet follows the course of the whole
    dhi = _spread([hour.dhi_w_per_m2 or 0.0 for hour in hours], clear["ghi"].to_numpy())
    tilt, facing = _orientation(array, zenith, azimuth)
    total = pvlib.irradiance.get_total_irradiance(
        tilt,
        facing,
        zenith,
        azimuth,
        dni,
        ghi,
        dhi,
        dni_extra=pvlib.irradiance.get_extra_radiation(middles.day_of_year.to_numpy()),
        model="haydavies",
        albedo=_ALBEDO,
    )
    result: Values = np.nan_to_num(np.asarray(total["poa_global"], dtype=np.float64)).clip(min=0.0)
    return result


def _orientation(array: PvArray, zenith: Values, azimuth: Values) -> tuple[Values, Values]:
    if array.mount is PvMount.FIXED:
        return np.full_like(zenith, array.tilt_deg), np.full_like(zenith, array.azimuth_deg)
    tracker = pvlib.tracking.singleaxis(
        zenith,
        azimuth,
        axis_tilt=array.tilt_deg,
        axis_azimuth=array.azimuth_deg,
        max_angle=array.max_rotation_deg,
        backtrack=True,
        gcr=array.ground_coverage_frac,
    )
    return np.nan_to_num(tracker["surface_tilt"]), np.nan_to_num(tracker["surface_azimuth"], nan=180.0)


def _spread(hourly: list[float], clear: Values) -> Values:
    """Give each step its clear-sky value times the hour's clearness, so that the hour keeps its mean."""
    clear_hour: Values = np.repeat(clear.reshape(-1, _STEPS_PER_HOUR).mean(axis=1), _STEPS_PER_HOUR)
    mean = _per_step(hourly)
    clearness = np.divide(mean, clear_hour, out=np.zeros_like(mean), where=clear_hour > _DARK_W_PER_M2)
    spread: Values = clearness.clip(0.0, _MAX_CLEARNESS) * clear
    return spread


def _ac_kw(plant: PvPlant, poa: Values, ambient_degc: Values, wind_m_per_s: Values) -> Values:
    """Return AC power of one block: cell temperature (PVsyst), PVWatts DC model and inverter."""
    array = plant.array
    cell_degc = pvlib.temperature.pvsyst_cell(poa, ambient_degc, wind_m_per_s)
    dc_kw = pvlib.pvsystem.pvwatts_dc(poa, cell_degc, plant.dc_kwp, array.temp_coeff_frac_per_k)
    dc_kw = np.asarray(dc_kw) * (1.0 - array.system_loss_frac) * (1.0 - array.soiling_loss_frac)
    ac_kw = pvlib.inverter.pvwatts(dc_kw, plant.ac_kw / array.inverter_eff_frac, array.inverter_eff_frac)
    result: Values = np.asarray(ac_kw, dtype=np.float64).clip(min=0.0)
    return result
