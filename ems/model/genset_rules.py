"""What a site asks of its gensets beside power: derating, exhaust, exercise, quiet hours, maintenance, deliveries."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Derating:
    """Rated power that hot air takes, for each kelvin above a temperature."""

    above_degc: float
    frac_per_k: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PollutantPoint:
    """Emission rate at one electrical output of one unit."""

    power_kw: float
    g_per_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pollutant:
    """A local pollutant by load point, piecewise linear between the points; price 0: reported only."""

    id: str
    points: tuple[PollutantPoint, ...]
    price_per_kg: float = 0.0

    def g_per_h(self, power_kw: float) -> float:
        """Return the rate of one unit; outside the table it stays at the nearest point's."""
        below = self.points[0]
        for point in self.points:
            if power_kw <= point.power_kw:
                span_kw = point.power_kw - below.power_kw
                share = 1.0 if span_kw <= 0.0 else max(0.0, power_kw - below.power_kw) / span_kw
                return below.g_per_h + share * (point.g_per_h - below.g_per_h)
            below = point
        return below.g_per_h


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyHours:
    """Hours of every day, local time; hours that end before they start reach over midnight."""

    start_h: float
    end_h: float

    def windows_utc(self, begin: datetime, end: datetime, *, timezone: str) -> tuple[tuple[datetime, datetime], ...]:
        """Return the stretches that touch [begin, end), from the first one."""
        zone = ZoneInfo(timezone)
        day = begin.astimezone(zone).date() - timedelta(days=1)
        found = []
        while datetime.combine(day, time(), zone) < end:
            hours = self.end_h - self.start_h
            first = datetime.combine(day, time(), zone) + timedelta(hours=self.start_h)
            last = first + timedelta(hours=hours if hours > 0.0 else hours + 24.0)
            first_utc, last_utc = first.astimezone(begin.tzinfo), last.astimezone(begin.tzinfo)
            if last_utc > begin and first_utc < end:
                found.append((first_utc, last_utc))
            day += timedelta(days=1)
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """Units of the class that may run in some hours of every day."""

    hours: DailyHours
    n_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """A run that a unit needs when it has rested for long: a test, or one with load that burns deposits off."""

    every_h: float
    hours: DailyHours
    run_h: float
    min_load_frac: float
    missed_cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """Hours in which a unit cannot run."""

    unit_id: str
    start_utc: datetime
    end_utc: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FuelDelivery:
    """Diesel that has been announced."""

    at_utc: datetime
    volume_l: float
