"""Grid connection, tariff, outages and penalty prices."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from ems.config.crosscheck.finding import Finding
from ems.config.files import ConfigFiles
from ems.config.notation import KeyPath
from ems.config.schema.forecasts import ForecastsFile
from ems.config.schema.tariffs import SeasonTable, TariffsFile, TariffTable, WindowTable

# prices change on quarter hours: `Tariff.edges_utc` looks for them there
WINDOW_STEP_H: Final = 0.25
MONTHS: Final = range(1, 13)

# what shares may miss one by, written with a few decimals
_SHARES_FRAC = 1e-3
# a kWh of load that is not served leaves more than a kWh in the cells
_CONVERSION_MARGIN = 1.2


def contradictions(files: ConfigFiles) -> Iterator[Finding]:
    """Yield contradictions in the grid connection, the tariff, outages and prices."""
    yield from _time_zones(files)
    yield from _grid(files)
    if files.tariffs.tariff is not None:
        yield from _tariff(files.tariffs.tariff)
    yield from _carbon_budget(files.tariffs)
    yield from _outages(files.forecasts)
    yield from _penalties(files.tariffs)
    yield from _floor_against_load(files)


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
    has_grid = files.limits.grid is not None
    tables = (
        ("tariffs.toml", ("tariff",), files.tariffs.tariff, True),
        ("forecasts.toml", ("carbon",), files.forecasts.carbon, True),
        ("forecasts.toml", ("price",), files.forecasts.price, False),
        ("forecasts.toml", ("outages",), files.forecasts.outages, True),
        ("twin.toml", ("outages",), files.twin and files.twin.outages, False),
    )
    for file, path, table, is_needed in tables:
        if has_grid and is_needed and table is None:
            yield Finding(
                file=file,
                path=path,
                message="this table is required, because limits.toml has a grid",
                allowed=f"a table [{path[0]}]",
            )
        if not has_grid and table is not None:
            yield Finding(
                file=file,
                path=path,
                message="the site has no grid",
                allowed="no such table, or [grid] in limits.toml",
            )


def _tariff(tariff: TariffTable) -> Iterator[Finding]:
    yield from _months(tariff)
    for index, season in enumerate(tariff.season):
        path: KeyPath = ("tariff", "season", index)
        yield from _periods(season, path)
        yield from _windows(season.windows, (*path, "windows"))
        if tariff.weekend_period is not None and tariff.weekend_period not in season.prices_per_kwh:
            yield Finding(
                file="tariffs.toml",
                path=("tariff", "weekend_period"),
                message=f"season {index + 1} has no price for '{tariff.weekend_period}'",
                allowed=", ".join(sorted(season.prices_per_kwh)),
            )
    if tariff.demand is not None and 60 % tariff.demand.interval_min:
        yield Finding(
            file="tariffs.toml",
            path=("tariff", "demand", "interval_min"),
            message="a billing interval must divide the hour",
            allowed="minutes that divide 60, such as 15 or 30",
        )


def _carbon_budget(tariffs: TariffsFile) -> Iterator[Finding]:
    budget = tariffs.economics.carbon_budget
    if budget is None or not budget.month_shares_frac:
        return
    path: KeyPath = ("economics", "carbon_budget", "month_shares_frac")
    shares = budget.month_shares_frac
    if budget.period != "year":
        yield Finding(
            file="tariffs.toml",
            path=path,
            message=f"a budget per {budget.period} has no months to share it",
            allowed='no such key, or period = "year"',
        )
    elif len(shares) != len(MONTHS) or abs(sum(shares) - 1.0) > _SHARES_FRAC:
        yield Finding(
            file="tariffs.toml",
            path=path,
            message=f"{len(shares)} shares that add up to {sum(shares):.4f}",
            allowed="twelve shares, January first, that add up to 1",
        )


def _months(tariff: TariffTable) -> Iterator[Finding]:
    months = [month for season in tariff.season for month in season.months]
    for message, wrong in (
        ("no season has month", [month for month in MONTHS if month not in months]),
        ("more than one season has month", [month for month in MONTHS if months.count(month) > 1]),
    ):
        if wrong:
            yield Finding(
                file="tariffs.toml",
                path=("tariff", "season"),
                message=f"{message} {', '.join(map(str, wrong))}",
                allowed="every month in exactly one season",
            )


def _periods(season: SeasonTable, path: KeyPath) -> Iterator[Finding]:
    named: list[tuple[KeyPath, str]] = [((*path, "rest_period"), season.rest_period)]
    named += [((*path, "windows", i, "period"), window.period) for i, window in enumerate(season.windows)]
    for here, period in named:
        if period not in season.prices_per_kwh:
            yield Finding(
                file="tariffs.toml",
                path=here,
                message=f"no price for period '{period}'",
                allowed=", ".join(sorted(season.prices_per_kwh)),
            )


def _windows(windows: list[WindowTable], path: KeyPath) -> Iterator[Finding]:
    for index, window in enumerate(windows):
        if window.end_h <= window.start_h:
            yield Finding(
                file="tariffs.toml",
                path=(*path, index, "end_h"),
                message="the window ends before it starts",
                allowed=f"above {window.start_h:g}; split a window that crosses midnight",
            )
        for key, hour in (("start_h", window.start_h), ("end_h", window.end_h)):
            if hour % WINDOW_STEP_H:
                yield Finding(
                    file="tariffs.toml",
                    path=(*path, index, key),
                    message=f"{hour:g} h is not on a quarter hour",
                    allowed=f"multiples of {WINDOW_STEP_H:g}",
                )
    for early, late in pairwise(sorted(windows, key=lambda window: window.start_h)):
        if late.start_h < early.end_h:
            yield Finding(
                file="tariffs.toml",
                path=path,
                message=f"windows overlap from {late.start_h:g} h to {min(early.end_h, late.end_h):g} h",
                allowed="windows one after another",
            )


def _outages(forecasts: ForecastsFile) -> Iterator[Finding]:
    if forecasts.outages is None:
        return
    if forecasts.outages.longest_h < forecasts.outages.mean_h:
        yield Finding(
            file="forecasts.toml",
            path=("outages", "longest_h"),
            message="the longest outage is shorter than the mean",
            allowed=f"at least {forecasts.outages.mean_h:g} (mean_h)",
        )
    for index, outage in enumerate(forecasts.outages.announced):
        if outage.end <= outage.start:
            yield Finding(
                file="forecasts.toml",
                path=("outages", "announced", index, "end"),
                message="the outage ends before it starts",
                allowed=f"after {outage.start.isoformat()}",
            )


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


def _floor_against_load(files: ConfigFiles) -> Iterator[Finding]:
    """A floor that stays broken over the whole horizon must not outprice the load: stored energy pays in every hour."""
    penalties, horizon_h = files.tariffs.penalties, files.control.planning.horizon_h
    least = _CONVERSION_MARGIN * penalties.floor_price_per_kwh * horizon_h
    if penalties.unserved_price_per_kwh <= least:
        yield Finding(
            file="tariffs.toml",
            path=("penalties", "unserved_price_per_kwh"),
            message=f"a floor broken for {horizon_h:g} hours would cost more: load would be shed to fill storage",
            allowed=f"above {least:g} ({_CONVERSION_MARGIN:g} x floor_price_per_kwh x horizon_h)",
        )
