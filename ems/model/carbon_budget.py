"""What a site may emit in each day, month or year of its own calendar, and how much of it is due by an instant."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

_MONTHS = 12


class BudgetPeriod(StrEnum):
    """How long a budget runs before it begins anew."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonAllowance:
    """What the site may emit per period, fuel and import together, and the price of what goes beyond.

    The allowance accrues with time: evenly, or over a year by the shares of its months.
    """

    kgco2e: float
    period: BudgetPeriod
    excess_price_per_t: float
    timezone: str
    # of each month in a year's allowance, together 1; empty: evenly
    month_shares_frac: tuple[float, ...] = ()

    def begin_of(self, instant: datetime) -> datetime:
        """Return the UTC begin of the period that holds the instant."""
        local = instant.astimezone(ZoneInfo(self.timezone)).replace(hour=0, minute=0, second=0, microsecond=0)
        if self.period is not BudgetPeriod.DAY:
            local = local.replace(day=1)
        if self.period is BudgetPeriod.YEAR:
            local = local.replace(month=1)
        return local.astimezone(UTC)

    def end_of(self, instant: datetime) -> datetime:
        """Return the UTC end of the period that holds the instant."""
        return self._next(self.begin_of(instant), self.period)

    def accrued_kg(self, begin: datetime, end: datetime) -> float:
        """Return the allowance of the time between two instants (kg CO2e)."""
        total_kg = 0.0
        for first, last, kg in self._stretches(begin, end):
            overlap = min(end, last) - max(begin, first)
            total_kg += kg * (overlap / (last - first))
        return total_kg

    def left_kg(self, spent: "CarbonSpent | None", now: datetime, end: datetime) -> float:
        """Return what may be emitted from now to `end` (kg CO2e, never negative).

        In the running period that is what accrues until `end` since counting began, less what has been emitted; what
        is left of a period, or was emitted beyond it, does not pass into the next one.
        """
        period_end = min(end, self.end_of(now))
        if spent is None or spent.period_begin_utc != self.begin_of(now):
            running_kg = self.accrued_kg(now, period_end)
        else:
            running_kg = max(0.0, self.accrued_kg(spent.since_utc, period_end) - spent.kgco2e)
        return running_kg + self.accrued_kg(period_end, end)

    def _stretches(self, begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, float]]:
        """Yield the stretches of even accrual that touch a time: begin, end and kg of each."""
        by_month = bool(self.month_shares_frac)
        step = BudgetPeriod.MONTH if by_month else self.period
        first = self.begin_of(begin)
        while first < end:
            last = self._next(first, step)
            month = first.astimezone(ZoneInfo(self.timezone)).month
            if last > begin:
                yield first, last, self.kgco2e * (self.month_shares_frac[month - 1] if by_month else 1.0)
            first = last

    def _next(self, begin: datetime, step: BudgetPeriod) -> datetime:
        """Return the begin of the day, month or year after the one that begins here, by the local calendar."""
        local = begin.astimezone(ZoneInfo(self.timezone)).replace(tzinfo=None)
        if step is BudgetPeriod.DAY:
            later = local + timedelta(days=1)
        elif step is BudgetPeriod.YEAR:
            later = local.replace(year=local.year + 1)
        else:
            later = local.replace(year=local.year + local.month // _MONTHS, month=local.month % _MONTHS + 1)
        return later.replace(tzinfo=ZoneInfo(self.timezone)).astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonSpent:
    """What was emitted in a period of the budget, counted since an instant: its begin, or that of the ledger."""

    period_begin_utc: datetime
    since_utc: datetime
    kgco2e: float

    def with_emission(self, allowance: CarbonAllowance, start: datetime, kgco2e: float) -> "CarbonSpent":
        """Return the count with what was emitted in an interval that starts at `start`; a new period begins at zero."""
        begin = allowance.begin_of(start)
        if begin != self.period_begin_utc:
            return CarbonSpent(period_begin_utc=begin, since_utc=begin, kgco2e=kgco2e)
        return CarbonSpent(period_begin_utc=begin, since_utc=self.since_utc, kgco2e=self.kgco2e + kgco2e)
