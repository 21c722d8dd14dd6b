"""The true weather over the PV field: recorded irradiance, clouds below its resolution, temperature."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from drivers.sim.noise import generator, red_noise
from drivers.sim.series import MINUTES_PER_DAY, day_of, minutes_of_year
from drivers.sim.sun import clear_sky_ghi_w_per_m2, sun_vectors
from ems.model.site import Place
from ems.model.twin import TwinWeather

Values = npt.NDArray[np.float64]
# clouds cross a field of some square kilometres: blocks share most of their fluctuation
_COMMON_FRAC = 0.6
_CLOUD_RANGE_FRAC = (0.15, 1.25)
# a cloudless sky still flickers a little
_CLEAR_NOISE_FRAC = 0.05
_SMOOTH_MIN = 60
# spacing of the plane-of-array record; odd, so that the ramps are centred
_RECORD_MIN = 15


class FileFinder:
    """Resolves the relative paths of the configuration."""

    def __init__(self, search: tuple[Path, ...]) -> None:
        self._search = search

    def __call__(self, relative: str) -> Path:
        """Return the first existing file of that name."""
        for home in self._search:
            if (home / relative).is_file():
                return home / relative
        return self._search[0] / relative


@dataclass(frozen=True, slots=True, kw_only=True)
class SkyDay:
    """One day by minutes: sun, irradiance components or plane-of-array, cloud factor per block, temperature."""

    sun: Values
    ghi_w_per_m2: Values
    dni_w_per_m2: Values
    dhi_w_per_m2: Values
    poa_w_per_m2: Values | None
    cloud_frac: Values
    ambient_degc: Values


class Sky:
    """The weather of the twin's place, one day after the other."""

    def __init__(self, weather: TwinWeather, place: Place, *, find: FileFinder, n_blocks: int, seed: int) -> None:
        self._weather = weather
        self._place = place
        self._n_blocks = n_blocks
        self._seed = seed
        self._columns = irradiance_year(weather, find)
        self._ambient = ambient_year(weather, find)

    def day(self, start: datetime, number: int) -> SkyDay:
        """Return the day that begins at `start`; `number` counts days and seeds the clouds."""
        sun = sun_vectors(
            start, MINUTES_PER_DAY, latitude_deg=self._place.latitude_deg, longitude_deg=self._place.longitude_deg
        )
        recorded = {name: day_of(year, start) for name, year in self._columns.items()}
        clear = clear_sky_ghi_w_per_m2(sun[:, 2])
        reference = recorded["ghi"] if "ghi" in recorded else recorded["poa"]
        zero = np.zeros(MINUTES_PER_DAY)
        return SkyDay(
            sun=sun,
            ghi_w_per_m2=_within_hours(recorded.get("ghi", zero), clear),
            dni_w_per_m2=_within_hours(recorded.get("dni", zero), (clear > 0.0).astype(np.float64)),
            dhi_w_per_m2=_within_hours(recorded.get("dhi", zero), clear),
            poa_w_per_m2=np.where(clear > 0.0, recorded["poa"], 0.0) if "poa" in recorded else None,
            cloud_frac=self._clouds(reference, clear, number),
            ambient_degc=_smooth(day_of(self._ambient, start)),
        )

    def _clouds(self, recorded: Values, clear: Values, number: int) -> Values:
        """Return a factor around 1 per minute and block, widest under a broken sky."""
        clearness = np.clip(np.divide(recorded, clear, out=np.ones_like(clear), where=clear > 20.0), 0.0, 1.0)
        broken = np.maximum(4.0 * clearness * (1.0 - clearness), _CLEAR_NOISE_FRAC)
        rng = generator(self._seed, "clouds", number)
        steps = self._weather.cloud_time_s / 60.0
        common = red_noise(rng, MINUTES_PER_DAY, 1, correlation_steps=steps)
        own = red_noise(rng, MINUTES_PER_DAY, self._n_blocks, correlation_steps=steps)
        mixed = np.sqrt(_COMMON_FRAC) * common + np.sqrt(1.0 - _COMMON_FRAC) * own
        low, high = _CLOUD_RANGE_FRAC
        factor: Values = np.clip(1.0 + self._weather.cloud_noise_frac * broken[:, None] * mixed, low, high)
        return factor


def irradiance_year(weather: TwinWeather, find: FileFinder) -> dict[str, Values]:
    """Return the recorded irradiance by minute: `poa`, or `ghi`, `dni` and `dhi`."""
    names = ("poa",) if weather.irradiance == "plane_of_array" else ("ghi", "dni", "dhi")
    file = find(weather.file)
    years = {name: minutes_of_year(file, f"{name}_w_per_m2", shift_min=weather.shift_min) for name in names}
    return {name: _ramped(year) if name == "poa" else year for name, year in years.items()}


def ambient_year(weather: TwinWeather, find: FileFinder) -> Values:
    """Return the recorded ambient temperature by minute, shifted and stretched as the twin asks for."""
    year = minutes_of_year(find(weather.temperature_file), "ambient_degc") + weather.ambient_offset_k
    if weather.hottest_degc is not None:
        # stretch above the median, so that only warm hours become hotter
        middle = float(np.median(year))
        stretch = (weather.hottest_degc - middle) / (float(year.max()) - middle)
        year = np.where(year > middle, middle + stretch * (year - middle), year)
    return year


def _within_hours(recorded: Values, pattern: Values) -> Values:
    """Spread each clock hour's recorded mean by a pattern inside the hour, keeping the mean."""
    hours = recorded.reshape(-1, 60)
    shape = pattern.reshape(-1, 60)
    means = shape.mean(axis=1, keepdims=True)
    factor = np.divide(shape, means, out=np.zeros_like(shape), where=means > 1e-3)
    spread: Values = (hours * factor).reshape(-1)
    return spread


def _ramped(year: Values) -> Values:
    """Turn the steps of a 15-minute record into ramps of the same energy: a field of many hectares does not step."""
    half = _RECORD_MIN // 2
    padded = np.concatenate([year[-half:], year, year[:half]])
    return np.convolve(padded, np.ones(_RECORD_MIN) / _RECORD_MIN, mode="valid")


def _smooth(values: Values) -> Values:
    """Take the steps out of an hourly record."""
    padded = np.concatenate([values[: _SMOOTH_MIN // 2], values, values[-_SMOOTH_MIN // 2 :]])
    kernel = np.ones(_SMOOTH_MIN) / _SMOOTH_MIN
    return np.convolve(padded, kernel, mode="same")[_SMOOTH_MIN // 2 : _SMOOTH_MIN // 2 + len(values)]


def first_day(start: datetime, longitude_deg: float) -> datetime:
    """Return the clock hour nearest to solar midnight, at or before an instant: days of the twin begin in the dark."""
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(hours=round(longitude_deg / 15.0))
    while midnight > start:
        midnight -= timedelta(days=1)
    while midnight + timedelta(days=1) <= start:
        midnight += timedelta(days=1)
    return midnight
