"""Weather forecasts: the provider's file, its age, and the climatology that stands in for it."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import isfinite

from ems.errors import ConfigError, ConfigProblem
from ems.forecast.yearly import YearTable
from ems.model.forecast import ForecastQuality, WeatherForecast, WeatherHour

HORIZONTAL = ("ghi_w_per_m2", "dni_w_per_m2", "dhi_w_per_m2")
PLANE_OF_ARRAY = ("poa_w_per_m2",)
_AIR = ("ambient_degc", "wind_m_per_s")
_HOUR = timedelta(hours=1)
# the sun outside the atmosphere gives 1361 W/m2; cloud edges add at most about half
_MAX_IRRADIANCE_W_PER_M2 = 2000.0
_AMBIENT_RANGE_DEGC = (-60.0, 65.0)
_CLIMATOLOGY_WINDOW_DAYS = 10


def parse_issue(text: str, *, file: str) -> WeatherForecast:
    """Read a provider's file: one row per hour with `issued_utc`, `time_utc`, air and irradiance columns.

    Raises:
        ConfigError: Columns or values are missing, implausible or not in hourly order. The caller treats the
            issue as missing and says so; nothing is repaired.
    """
    reader = csv.DictReader(io.StringIO(text))
    names = reader.fieldnames or ()
    irradiance = PLANE_OF_ARRAY if PLANE_OF_ARRAY[0] in names else HORIZONTAL
    wanted = ("issued_utc", "time_utc", *_AIR, *irradiance)
    if missing := [name for name in wanted if name not in names]:
        raise _refused(file, f"column {', '.join(missing)} is missing", line=1)
    issued: datetime | None = None
    hours: list[WeatherHour] = []
    for number, row in enumerate(reader, start=2):
        try:
            issued = _utc(row["issued_utc"])
            hour = _hour(row, irradiance)
        except (ValueError, TypeError) as error:
            raise _refused(file, str(error), line=number) from error
        if hours and hour.start_utc - hours[-1].start_utc != _HOUR:
            raise _refused(file, "hours are not consecutive", line=number)
        hours.append(hour)
    if issued is None:
        raise _refused(file, "the file holds no hours")
    return WeatherForecast(issued_utc=issued, hours=tuple(hours), quality=ForecastQuality.GOOD)


def usable_issue(
    issue: WeatherForecast | None, *, now_utc: datetime, horizon_h: float, max_age_h: float
) -> WeatherForecast | None:
    """Return the issue with its quality by age, None where it is too old or does not reach the horizon."""
    if issue is None:
        return None
    age_h = (now_utc - issue.issued_utc).total_seconds() / 3600.0
    # differences: an absurd year cannot leave the range of dates
    reach = issue.hours[-1].start_utc - now_utc + _HOUR
    if age_h > max_age_h or issue.hours[0].start_utc > now_utc or reach < timedelta(hours=horizon_h):
        return None
    aged = age_h > max_age_h / 2.0
    return replace(issue, quality=ForecastQuality.AGED if aged else ForecastQuality.GOOD)


def climatology(irradiance: YearTable, air: YearTable, *, now_utc: datetime, horizon_h: float) -> WeatherForecast:
    """Return the typical course of the coming days: each hour's mean over the days around its date."""
    first = now_utc.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    n_hours = int(horizon_h) + 2
    hours = []
    for step in range(n_hours):
        start = first + step * _HOUR
        sun = {
            name: irradiance.smoothed(name, start, window_days=_CLIMATOLOGY_WINDOW_DAYS)
            for name in irradiance.columns
            if name in HORIZONTAL or name in PLANE_OF_ARRAY
        }
        hours.append(
            WeatherHour(
                start_utc=start,
                ambient_degc=air.smoothed("ambient_degc", start, window_days=_CLIMATOLOGY_WINDOW_DAYS),
                wind_m_per_s=air.smoothed("wind_m_per_s", start, window_days=_CLIMATOLOGY_WINDOW_DAYS),
                **sun,
            )
        )
    return WeatherForecast(issued_utc=now_utc, hours=tuple(hours), quality=ForecastQuality.CLIMATOLOGY)


def _hour(row: dict[str, str], irradiance: tuple[str, ...]) -> WeatherHour:
    values = {name: float(row[name]) for name in (*_AIR, *irradiance)}
    for name, value in values.items():
        if not isfinite(value):
            raise ValueError(f"{name} is {value}")
        if name in irradiance and not 0.0 <= value <= _MAX_IRRADIANCE_W_PER_M2:
            raise ValueError(f"{name} is {value:g}, outside 0 to {_MAX_IRRADIANCE_W_PER_M2:g}")
    low, high = _AMBIENT_RANGE_DEGC
    if not low <= values["ambient_degc"] <= high:
        raise ValueError(f"ambient_degc is {values['ambient_degc']:g}, outside {low:g} to {high:g}")
    return WeatherHour(start_utc=_utc(row["time_utc"]), **values)


def _utc(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"time {text!r} has no offset; write e.g. 2026-01-08T00:00:00Z")
    return instant.astimezone(UTC)


def _refused(file: str, message: str, *, line: int | None = None) -> ConfigError:
    return ConfigError(ConfigProblem(file=file, line=line, message=message))
