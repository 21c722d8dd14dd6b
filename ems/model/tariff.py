"""Electricity tariffs: time-of-use energy prices and demand charges, in local time of the contract.

Local time exists here and on displays only; results are prices and edges in UTC.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from ems.model.timegrid import clock_floor


@dataclass(frozen=True, slots=True, kw_only=True)
class TouWindow:
    """Hours of a day, [start_h, end_h) local, that carry one named price."""

    start_h: float
    end_h: float
    period: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffSeason:
    """Months that share one table of prices and windows; hours outside every window take `rest_period`."""

    months: tuple[int, ...]
    rest_period: str
    windows: tuple[TouWindow, ...]
    # (period name, price), as a tuple so that the season stays hashable and frozen
    prices_per_kwh: tuple[tuple[str, float], ...]

    def price_per_kwh(self, period: str) -> float:
        """Return the price of a named period."""
        return dict(self.prices_per_kwh)[period]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandCharge:
    """A price on the highest mean import over a billing interval within a billing month.

    The billed power is the greatest of this month's peak and `ratchet_kw` (a share of an earlier peak).
    `expected_peak_kw` is the peak that the month will reach anyway: below it a plan buys nothing.
    """

    price_per_kw_month: float
    interval_min: int
    ratchet_kw: float
    expected_peak_kw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What imported energy costs and exported energy earns."""

    timezone: str
    seasons: tuple[TariffSeason, ...]
    weekend_period: str | None
    holidays: frozenset[date]
    export_price_per_kwh: float
    demand: DemandCharge | None

    def season_at(self, instant: datetime) -> TariffSeason:
        """Return the season of the instant's local month."""
        month = self._local(instant).month
        return next(season for season in self.seasons if month in season.months)

    def period_at(self, instant: datetime) -> str:
        """Return the name of the price period at an instant."""
        local = self._local(instant)
        season = self.season_at(instant)
        if self.weekend_period is not None and self._rests(local.date()):
            return self.weekend_period
        hour = local.hour + local.minute / 60.0
        for window in season.windows:
            if window.start_h <= hour < window.end_h:
                return window.period
        return season.rest_period

    def price_per_kwh(self, instant: datetime) -> float:
        """Return the import price at an instant."""
        return self.season_at(instant).price_per_kwh(self.period_at(instant))

    def cheapest_price_per_kwh(self, instant: datetime) -> float:
        """Return the lowest price of the season at an instant."""
        return min(price for _, price in self.season_at(instant).prices_per_kwh)

    def edges_utc(self, start: datetime, end: datetime) -> tuple[datetime, ...]:
        """Return the instants inside (start, end) at which the price changes."""
        edges = []
        step = timedelta(minutes=15)
        instant = clock_floor(start, 15) + step
        price = self.price_per_kwh(start)
        while instant < end:
            if (later := self.price_per_kwh(instant)) != price:
                edges.append(instant.astimezone(UTC))
                price = later
            instant += step
        return tuple(edges)

    def billing_month_start(self, instant: datetime) -> datetime:
        """Return the UTC start of the billing month (a local calendar month) that holds the instant."""
        local = self._local(instant).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return local.astimezone(UTC)

    def _local(self, instant: datetime) -> datetime:
        return instant.astimezone(ZoneInfo(self.timezone))

    def _rests(self, day: date) -> bool:
        return day.weekday() >= 5 or day in self.holidays
