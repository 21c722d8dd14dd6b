"""The simulated weather provider: issues forecasts that are wrong by a seeded, stated amount.

It knows the twin's recorded year and adds an error in clearness that grows with lead time, is correlated along
the day, changes only partly from issue to issue, and is smaller under a clear sky.
"""

import csv
import io
from datetime import UTC, datetime, timedelta
from math import exp, sqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt

from drivers.sim.noise import generator
from drivers.sim.series import day_of
from drivers.sim.sky import FileFinder, ambient_year, irradiance_year
from drivers.sim.sun import clear_sky_ghi_w_per_m2, sun_vectors
from ems.model.forecast import ForecastQuality, WeatherForecast, WeatherHour
from ems.model.site import Place
from ems.model.twin import TwinSpec

Values = npt.NDArray[np.float64]
# share of the error that stays from issue to issue
_LASTING_FRAC = 0.7
_CLEAR_SKY_ERROR_FRAC = 0.4
_CLEARNESS_RANGE = (0.03, 1.1)
_LIMITS_W_PER_M2 = {"ghi": 1200.0, "dni": 1050.0, "dhi": 600.0, "poa": 1300.0}
_MEAN_WIND_M_PER_S = 3.0
_FULL_LEAD_H = 48.0


class WeatherService:
    """Issues forecasts for the twin's place."""

    def __init__(self, spec: TwinSpec, place: Place, *, search: tuple[Path, ...], seed: int) -> None:
        find = FileFinder(search)
        self._spec = spec.forecasts
        self._place = place
        self._seed = seed
        self._sun = irradiance_year(spec.weather, find)
        self._ambient = ambient_year(spec.weather, find)

    def issue(self, now: datetime) -> WeatherForecast:
        """Return the newest issue at an instant."""
        issued = self._issue_time(now)
        first = issued.replace(minute=0, second=0, microsecond=0)
        n_hours = int(self._spec.horizon_h)
        clear = self._clear_by_hour(first, n_hours)
        recorded = {name: _by_hour(year, first, n_hours) for name, year in self._sun.items()}
        ambient = _by_hour(self._ambient, first, n_hours)
        noise, warmth = self._errors(issued, first, n_hours)
        hours = []
        for hour in range(n_hours):
            lead_h = hour + 1.0
            factor = self._factor(recorded, clear, hour, lead_h, float(noise[hour]))
            sky = {
                f"{name}_w_per_m2": min(_LIMITS_W_PER_M2[name], float(values[hour]) * factor)
                for name, values in recorded.items()
            }
            error_k = self._spec.temperature_error_48h_k * sqrt(min(1.0, lead_h / _FULL_LEAD_H))
            hours.append(
                WeatherHour(
                    start_utc=first + timedelta(hours=hour),
                    ambient_degc=float(ambient[hour]) + error_k * float(warmth[hour]),
                    wind_m_per_s=_MEAN_WIND_M_PER_S,
                    **sky,
                )
            )
        return WeatherForecast(issued_utc=issued, hours=tuple(hours), quality=ForecastQuality.GOOD)

    def _issue_time(self, now: datetime) -> datetime:
        period = timedelta(hours=self._spec.issue_every_h)
        epoch = datetime(2000, 1, 1, tzinfo=UTC)
        return epoch + (now.astimezone(UTC) - epoch) // period * period

    def _factor(self, recorded: dict[str, Values], clear: Values, hour: int, lead_h: float, noise: float) -> float:
        """Return what multiplies the true irradiance of an hour in the forecast."""
        reference = recorded["ghi"] if "ghi" in recorded else recorded["poa"]
        if clear[hour] < 20.0 or reference[hour] < 1.0:
            return 1.0
        low, high = _CLEARNESS_RANGE
        clearness = min(high, max(low, float(reference[hour] / clear[hour])))
        growth = sqrt(min(1.0, max(0.0, lead_h - 1.0) / (_FULL_LEAD_H - 1.0)))
        early, late = self._spec.clearness_error_1h_frac, self._spec.clearness_error_48h_frac
        calm = _CLEAR_SKY_ERROR_FRAC + (1.0 - _CLEAR_SKY_ERROR_FRAC) * 4.0 * min(1.0, clearness) * (
            1.0 - min(1.0, clearness)
        )
        believed = clearness + (early + (late - early) * growth) * calm * noise
        return min(high, max(low, believed)) / clearness

    def _errors(self, issued: datetime, first: datetime, n_hours: int) -> tuple[Values, Values]:
        """Return standard normal errors per hour for sky and temperature."""
        number = int(issued.timestamp() // 3600)
        fresh = self._red(generator(self._seed, "issue", number % 2**31), n_hours)
        begin = int(first.timestamp() // 3600)
        lasting = np.asarray([self._lasting(begin + hour) for hour in range(n_hours)])
        mixed = sqrt(_LASTING_FRAC) * lasting + sqrt(1.0 - _LASTING_FRAC) * fresh
        return mixed[:, 0], mixed[:, 1]

    def _lasting(self, hour: int) -> Values:
        """Return the part of the error that belongs to an hour of the calendar, correlated with its neighbours."""
        day, within = divmod(hour, 24)
        before, after = (self._day_noise(day + offset) for offset in (0, 1))
        weight = within / 24.0
        norm = sqrt((1.0 - weight) ** 2 + weight**2)
        mixed: Values = ((1.0 - weight) * before[within] + weight * after[within]) / norm
        return mixed

    def _day_noise(self, day: int) -> Values:
        return self._red(generator(self._seed, "sky", day % 2**31), 24)

    def _red(self, rng: np.random.Generator, n_hours: int) -> Values:
        kept = exp(-1.0 / self._spec.correlation_h)
        noise = rng.standard_normal((n_hours, 2))
        for hour in range(1, n_hours):
            noise[hour] = kept * noise[hour - 1] + sqrt(1.0 - kept**2) * noise[hour]
        return noise

    def _clear_by_hour(self, first: datetime, n_hours: int) -> Values:
        sun = sun_vectors(
            first,
            60 * n_hours,
            latitude_deg=self._place.latitude_deg,
            longitude_deg=self._place.longitude_deg,
        )
        means: Values = clear_sky_ghi_w_per_m2(sun[:, 2]).reshape(-1, 60).mean(axis=1)
        return means


def issue_text(issue: WeatherForecast) -> str:
    """Return an issue as the CSV that a provider's client would write."""
    names = [name for name in ("ghi", "dni", "dhi", "poa") if getattr(issue.hours[0], f"{name}_w_per_m2") is not None]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [f"{name}_w_per_m2" for name in names]
    writer.writerow(["issued_utc", "time_utc", "ambient_degc", "wind_m_per_s", *columns])
    for hour in issue.hours:
        sky = [f"{getattr(hour, column):.1f}" for column in columns]
        writer.writerow(
            [
                issue.issued_utc.isoformat(),
                hour.start_utc.isoformat(),
                f"{hour.ambient_degc:.2f}",
                f"{hour.wind_m_per_s:.1f}",
                *sky,
            ]
        )
    return text.getvalue()


def _by_hour(year: Values, first: datetime, n_hours: int) -> Values:
    """Return hourly means of a per-minute year from an instant on."""
    n_days = n_hours // 24 + 2
    minutes = np.concatenate([day_of(year, first + timedelta(days=day)) for day in range(n_days)])
    means: Values = minutes[: 60 * n_hours].reshape(-1, 60).mean(axis=1)
    return means
