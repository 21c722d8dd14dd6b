"""Grid connection, tariff, outages and penalty prices."""

from collections.abc import Iterator
from itertools import pairwise
from zoneinfo import ZoneInfo

from ems.config.crosscheck.finding import Finding
from ems.config.files import ConfigFiles
from ems.config.schema.forecasts import ForecastsFile
from ems.config.schema.tariffs import TariffsFile, TariffTable
from ems.config.source import KeyPath


def contradictions(files: ConfigFiles) -> Iterator[Finding]:
    """Yield contradictions in the grid connection, the tariff, outages and prices."""
    yield from _time_zones(files)
    yield from _grid(files)
    if files.tariffs.tariff is not None:
        yield from _tariff(files.tariffs.tariff)
    yield from _outages(files.forecasts)
    yield from _penalties(files.tariffs)


def _time_zones(files: ConfigFiles) -> Iterator[Finding]:
    named = [("site.toml", ("site", "timezone"), files.site.site.timezone)]
    if files.tariffs.tariff is not None:
        named.append(("tariffs.toml", ("tariff", "timezone"), files.tariffs.tariff.timezone))
    for file, path, zone in named:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            yield Finding(
                file=file,
                path=path,
                message=f"'{zone}' is no known time zone",
                allowed="an IANA name such as Asia/Seoul",
            )


def _grid(files: ConfigFiles) -> Iterator[Finding]:
    needed = (
        ("tariffs.toml", ("tariff",), files.tariffs.tariff),
        ("forecasts.toml", ("carbon",), files.forecasts.carbon),
        ("forecasts.toml", ("outages",), files.forecasts.outages),
    )
    for file, path, table in needed:
        if files.limits.grid is not None and table is None:
            yield Finding(file=file, path=path, message="required, because limits.toml has a grid")
        if files.limits.grid is None and table is not None:
            yield Finding(file=file, path=path, message="the site has no grid (limits.toml has no [grid])")


def _tariff(tariff: TariffTable) -> Iterator[Finding]:
    months = [month for season in tariff.season for month in season.months]
    for month in range(1, 13):
        if months.count(month) != 1:
            yield Finding(
                file="tariffs.toml",
                path=("tariff", "season"),
                message=f"month {month} belongs to {months.count(month)} seasons",
                allowed="every month in exactly one season",
            )
    for index, season in enumerate(tariff.season):
        here: KeyPath = ("tariff", "season", index)
        known = sorted(season.prices_per_kwh)
        named: list[tuple[KeyPath, str]] = [(("rest_period",), season.rest_period)]
        named += [(("windows", i, "period"), window.period) for i, window in enumerate(season.windows)]
        if tariff.weekend_period is not None and tariff.weekend_period not in known:
            yield Finding(
                file="tariffs.toml",
                path=("tariff", "weekend_period"),
                message=f"season {index + 1} has no price for '{tariff.weekend_period}'",
                allowed=", ".join(known),
            )
        for path, period in named:
            if period not in known:
                yield Finding(
                    file="tariffs.toml",
                    path=(*here, *path),
                    message=f"no price for period '{period}'",
                    allowed=", ".join(known),
                )
        windows = sorted(season.windows, key=lambda window: window.start_h)
        for i, window in enumerate(season.windows):
            if window.end_h <= window.start_h:
                yield Finding(
                    file="tariffs.toml",
                    path=(*here, "windows", i, "end_h"),
                    message="the window ends before it starts",
                    allowed=f"above {window.start_h:g}; split a window that crosses midnight",
                )
        for early, late in pairwise(windows):
            if late.start_h < early.end_h:
                yield Finding(
                    file="tariffs.toml",
                    path=(*here, "windows"),
                    message=f"windows overlap from {late.start_h:g} h to {min(early.end_h, late.end_h):g} h",
                )
    if tariff.demand is not None and 60 % tariff.demand.interval_min:
        yield Finding(
            file="tariffs.toml",
            path=("tariff", "demand", "interval_min"),
            message="a billing interval must divide the hour",
            allowed="5, 10, 15, 20, 30 or 60",
        )


def _outages(forecasts: ForecastsFile) -> Iterator[Finding]:
    if forecasts.outages is None:
        return
    if forecasts.outages.longest_h < forecasts.outages.mean_h:
        yield Finding(
            file="forecasts.toml",
            path=("outages", "longest_h"),
            message="the longest outage is shorter than the mean",
            allowed=f"at least {forecasts.outages.mean_h:g}",
        )
    for index, outage in enumerate(forecasts.outages.announced):
        path: KeyPath = ("outages", "announced", index)
        if outage.start.tzinfo is None or outage.end.tzinfo is None:
            yield Finding(
                file="forecasts.toml",
                path=path,
                message="times of outages need an offset",
                allowed="e.g. 2026-03-01T09:00:00Z",
            )
        elif outage.end <= outage.start:
            yield Finding(file="forecasts.toml", path=(*path, "end"), message="the outage ends before it starts")


def _penalties(tariffs: TariffsFile) -> Iterator[Finding]:
    order = ("unserved_price_per_kwh", "reserve_price_per_kwh", "floor_price_per_kwh", "limit_price_per_kwh")
    for higher, lower in pairwise(order):
        if getattr(tariffs.penalties, higher) <= getattr(tariffs.penalties, lower):
            yield Finding(
                file="tariffs.toml",
                path=("penalties", higher),
                message=f"must be above {lower}: a lower wish would be kept at the cost of a higher one",
                allowed=f"above {getattr(tariffs.penalties, lower):g}",
            )
