from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ems.model.tariff import Tariff, TariffSeason, TouWindow

SUMMER = TariffSeason(
    months=(6, 7, 8),
    rest_period="mid",
    windows=(
        TouWindow(start_h=0.0, end_h=8.0, period="off"),
        TouWindow(start_h=10.0, end_h=12.5, period="peak"),
        TouWindow(start_h=22.0, end_h=24.0, period="off"),
    ),
    prices_per_kwh=(("off", 0.08), ("mid", 0.13), ("peak", 0.2)),
)
REST = TariffSeason(
    months=(1, 2, 3, 4, 5, 9, 10, 11, 12),
    rest_period="off",
    windows=(TouWindow(start_h=9.0, end_h=17.0, period="peak"),),
    prices_per_kwh=(("off", 0.07), ("peak", 0.15)),
)


def tariff(zone: str, *, weekend: str | None = "off", holidays: frozenset[date] = frozenset()) -> Tariff:
    return Tariff(
        timezone=zone,
        seasons=(SUMMER, REST),
        weekend_period=weekend,
        holidays=holidays,
        export_price_per_kwh=0.0,
        demand=None,
    )


SEOUL = tariff("Asia/Seoul", holidays=frozenset({date(2026, 7, 17)}))


def seoul(year: int, month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=ZoneInfo("Asia/Seoul")).astimezone(UTC)


@pytest.mark.parametrize(
    ("instant", "period"),
    [
        # Wednesday in summer; windows begin in and end before their bounds
        (seoul(2026, 7, 15, 7, 59), "off"),
        (seoul(2026, 7, 15, 8), "mid"),
        (seoul(2026, 7, 15, 10), "peak"),
        (seoul(2026, 7, 15, 12, 29), "peak"),
        (seoul(2026, 7, 15, 12, 30), "mid"),
        (seoul(2026, 7, 15, 23, 59), "off"),
        # Saturday, Sunday, and a holiday on a Friday
        (seoul(2026, 7, 18, 11), "off"),
        (seoul(2026, 7, 19, 11), "off"),
        (seoul(2026, 7, 17, 11), "off"),
        # Tuesday in winter
        (seoul(2026, 1, 13, 11), "peak"),
        (seoul(2026, 1, 13, 17), "off"),
    ],
)
def test_period_is_that_of_the_local_hour_weekday_and_month(instant: datetime, period: str) -> None:
    assert SEOUL.period_at(instant) == period


def test_weekday_is_that_of_the_local_date() -> None:
    # Friday 23:00 UTC is Saturday 08:00 in Seoul
    assert SEOUL.period_at(datetime(2026, 7, 10, 1, 30, tzinfo=UTC)) == "peak"
    assert SEOUL.period_at(datetime(2026, 7, 11, 1, 30, tzinfo=UTC)) == "off"


def test_season_changes_at_local_midnight() -> None:
    last = seoul(2026, 5, 31, 23, 59)

    assert SEOUL.season_at(last) is REST
    assert SEOUL.season_at(last + timedelta(minutes=1)) is SUMMER


def test_tariff_without_weekend_period_keeps_its_windows_on_sundays() -> None:
    plain = tariff("Asia/Seoul", weekend=None)

    assert plain.period_at(seoul(2026, 7, 19, 11)) == "peak"


def test_price_is_that_of_period_and_season() -> None:
    assert SEOUL.price_per_kwh(seoul(2026, 7, 15, 11)) == 0.2
    assert SEOUL.price_per_kwh(seoul(2026, 1, 13, 11)) == 0.15
    assert SEOUL.cheapest_price_per_kwh(seoul(2026, 7, 15, 11)) == 0.08


def test_edges_of_a_summer_day() -> None:
    start = seoul(2026, 7, 15, 0)

    edges = SEOUL.edges_utc(start, start + timedelta(hours=24))

    # 08:00, 10:00, 12:30 and 22:00 in Seoul
    assert [(edge - start) / timedelta(hours=1) for edge in edges] == [8.0, 10.0, 12.5, 22.0]


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    start=st.integers(0, 365 * 24 * 60).map(lambda m: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=m)),
    zone=st.sampled_from(["Asia/Seoul", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]),
)
def test_price_is_constant_between_edges(start: datetime, zone: str) -> None:
    rates = tariff(zone)
    end = start + timedelta(hours=30)

    nodes = [start, *rates.edges_utc(start, end), end]

    for first, last in pairwise(nodes):
        minutes = int((last - first) / timedelta(minutes=1))
        prices = {rates.price_per_kwh(first + timedelta(minutes=m)) for m in range(0, minutes, 5)}
        assert len(prices) == 1


@pytest.mark.parametrize(
    ("day", "peak_hour_utc"),
    [
        # Europe/Berlin: the clock goes forward on 29 March 2026 and back on 25 October 2026
        (date(2026, 3, 27), 8),
        (date(2026, 3, 30), 7),
        (date(2026, 10, 23), 7),
        (date(2026, 10, 26), 8),
    ],
)
def test_windows_follow_the_local_clock_through_the_change_of_time(day: date, peak_hour_utc: int) -> None:
    berlin = tariff("Europe/Berlin")
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)

    edges = berlin.edges_utc(start, start + timedelta(hours=12))

    assert edges == (start + timedelta(hours=peak_hour_utc),)


@pytest.mark.parametrize(
    ("instant", "month_start"),
    [
        (seoul(2026, 3, 15, 12), datetime(2026, 2, 28, 15, tzinfo=UTC)),
        # 28 February 16:00 UTC is 1 March in Seoul
        (datetime(2026, 2, 28, 16, tzinfo=UTC), datetime(2026, 2, 28, 15, tzinfo=UTC)),
        (datetime(2026, 2, 28, 14, tzinfo=UTC), datetime(2026, 1, 31, 15, tzinfo=UTC)),
    ],
)
def test_billing_month_begins_at_local_midnight(instant: datetime, month_start: datetime) -> None:
    assert SEOUL.billing_month_start(instant) == month_start


def test_billing_month_with_a_change_of_time_begins_at_its_own_midnight() -> None:
    berlin = tariff("Europe/Berlin")

    # 1 March 00:00 is 23:00 UTC of the day before, although 31 March is two hours ahead of UTC
    assert berlin.billing_month_start(datetime(2026, 3, 31, 12, tzinfo=UTC)) == datetime(2026, 2, 28, 23, tzinfo=UTC)
