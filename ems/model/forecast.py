"""Forecast values: hourly weather as issued, and series with quantiles on an even grid."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class ForecastQuality(StrEnum):
    """How far a forecast can be trusted."""

    GOOD = "good"
    AGED = "aged"
    CLIMATOLOGY = "climatology"
    PERSISTENCE = "persistence"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeatherHour:
    """Means over one hour; either the three horizontal components or the plane-of-array irradiance is given."""

    start_utc: datetime
    ambient_degc: float
    wind_m_per_s: float
    ghi_w_per_m2: float | None = None
    dni_w_per_m2: float | None = None
    dhi_w_per_m2: float | None = None
    poa_w_per_m2: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeatherForecast:
    """One issue of a weather forecast, hours in order and without gaps."""

    issued_utc: datetime
    hours: tuple[WeatherHour, ...]
    quality: ForecastQuality


@dataclass(frozen=True, slots=True, kw_only=True)
class EvenSeries:
    """Values on even steps; value i covers [start + i * step, start + (i + 1) * step)."""

    start_utc: datetime
    step_s: float
    values: tuple[float, ...]

    @property
    def end_utc(self) -> datetime:
        """Return the end of the last step."""
        return self.start_utc + timedelta(seconds=self.step_s * len(self.values))

    def mean(self, start: datetime, end: datetime) -> float | None:
        """Return the mean over [start, end), None unless the series covers all of it."""
        first = (start - self.start_utc).total_seconds() / self.step_s
        last = (end - self.start_utc).total_seconds() / self.step_s
        if first < 0.0 or last > len(self.values) or last <= first:
            return None
        total = 0.0
        index = int(first)
        position = first
        while position < last - 1e-12:
            until = min(last, index + 1.0)
            total += self.values[index] * (until - position)
            position = until
            index += 1
        return total / (last - first)


@dataclass(frozen=True, slots=True, kw_only=True)
class PvForecast:
    """Available power of one plant at the bus: median, 0.1 and 0.9 quantile."""

    plant_id: str
    issued_utc: datetime
    quality: ForecastQuality
    p50_kw: EvenSeries
    q10_kw: EvenSeries
    q90_kw: EvenSeries


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadForecast:
    """IT load: median and 0.9 quantile."""

    issued_utc: datetime
    quality: ForecastQuality
    p50_kw: EvenSeries
    q90_kw: EvenSeries


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceForecast:
    """Prices of a real-time tariff, per kWh, as far as they are known; without export prices the contract's holds."""

    import_price_per_kwh: EvenSeries
    export_price_per_kwh: EvenSeries | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalForecast:
    """A grid signal without quantiles: carbon intensity or ambient temperature; the unit is in the name."""

    name: str
    issued_utc: datetime
    quality: ForecastQuality
    values: EvenSeries
