"""Reads the input files that a configuration names: typical year, carbon, and the weather provider's issue."""

import csv
import gzip
import zlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from ems.config.files import ConfigFiles
from ems.errors import ConfigError, ConfigProblem
from ems.forecast.price import parse_prices
from ems.forecast.weather import HORIZONTAL, PLANE_OF_ARRAY, parse_issue
from ems.forecast.yearly import YearTable, parse_year
from ems.model.forecast import PriceForecast, WeatherForecast
from ems.runtime.forecasts import Climate

_Content = TypeVar("_Content")
_AIR = ("ambient_degc", "wind_m_per_s")


def load_climate(files: ConfigFiles) -> Climate:
    """Return the typical year and the carbon intensity of a site.

    Raises:
        ConfigError: A file is not readable as what the configuration says it is.
    """
    weather = files.forecasts.weather
    columns = PLANE_OF_ARRAY if weather.irradiance == "plane_of_array" else HORIZONTAL
    carbon = None
    if files.forecasts.carbon is not None:
        carbon = _year(files, files.forecasts.carbon.file, ("kgco2e_per_kwh",))
    return Climate(
        irradiance=_year(files, weather.typical_year_file, columns, shift_min=weather.shift_min),
        air=_year(files, weather.temperature_file or weather.typical_year_file, _AIR),
        carbon=carbon,
        max_age_h=weather.max_age_h,
        season_h=files.forecasts.load.season_h,
        history_h=files.forecasts.load.history_h,
    )


def read_text(file: Path) -> str:
    """Return the text of a plain or gzip file.

    Raises:
        ConfigError: The file cannot be read or is no text.
    """
    try:
        raw = file.read_bytes()
        return (gzip.decompress(raw) if file.suffix == ".gz" else raw).decode("utf-8")
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise ConfigError(ConfigProblem(file=str(file), message=f"cannot be read: {error}")) from error


def weather_file_source(file: Path | None) -> Callable[[datetime], WeatherForecast | None]:
    """Return a source that reads a provider's file again whenever it has changed.

    The source returns None without a file, and raises ConfigError for one that is not readable as a forecast.
    """
    newest = _newest(file, _issue)
    return lambda _: newest()


def price_file_source(file: Path) -> Callable[[], PriceForecast | None]:
    """Return a source that reads the market's file again whenever it has changed, under the same rules."""
    return _newest(file, _prices)


def _newest(file: Path | None, read: Callable[[Path], _Content]) -> Callable[[], _Content | None]:
    seen: tuple[int, int] | None = None
    content: _Content | None = None

    def source() -> _Content | None:
        nonlocal seen, content
        mark = None if file is None else _mark(file)
        if file is None or mark is None:
            return None
        if mark != seen:
            # a file that cannot be read is tried again, and the reason told again, at every call
            seen, content = None, None
            content = read(file)
            seen = mark
        return content

    return source


def _mark(file: Path) -> tuple[int, int] | None:
    """Return what changes whenever a file is written again; None without a file, also where it goes away just now."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(ConfigProblem(file=str(file), message=f"cannot be read: {error}")) from error
    return status.st_mtime_ns, status.st_size


def _issue(file: Path) -> WeatherForecast:
    text = read_text(file)
    try:
        return parse_issue(text, file=str(file))
    except (csv.Error, OverflowError, ValueError) as error:
        raise ConfigError(ConfigProblem(file=str(file), message=f"is no weather forecast: {error}")) from error


def _prices(file: Path) -> PriceForecast:
    text = read_text(file)
    try:
        return parse_prices(text, file=str(file))
    except csv.Error as error:
        raise ConfigError(ConfigProblem(file=str(file), message=f"holds no prices: {error}")) from error


def _year(files: ConfigFiles, relative: str, columns: tuple[str, ...], *, shift_min: float = 0.0) -> YearTable:
    file = files.resolve(relative)
    return parse_year(read_text(file), file=str(file), columns=columns, shift_min=shift_min)
