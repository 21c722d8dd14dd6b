from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ems.errors import ConfigError
from ems.forecast.yearly import YearTable, hour_of_year, parse_year

FIRST = datetime(2023, 1, 1, tzinfo=UTC)
# each hour holds its own number
NUMBERED = YearTable(columns=("x",), rows=tuple((float(n),) for n in range(8760)))


def text_of(stamps: Sequence[tuple[datetime, float]]) -> str:
    return "\n".join(["time_utc,x", *(f"{stamp.isoformat()},{value}" for stamp, value in stamps)])


def hours_of(year: int, *, minute: int = 0) -> list[datetime]:
    return [datetime(year, 1, 1, 0, minute, tzinfo=UTC) + timedelta(hours=n) for n in range(8760)]


@pytest.mark.parametrize("year", [1999, 2023, 2024, 2026, 2100])
def test_any_year_reads_by_month_day_and_hour(year: int) -> None:
    assert NUMBERED.value("x", datetime(year, 1, 1, 0, 59, tzinfo=UTC)) == 0.0
    assert NUMBERED.value("x", datetime(year, 3, 1, 0, tzinfo=UTC)) == (31 + 28) * 24.0
    assert NUMBERED.value("x", datetime(year, 12, 31, 23, tzinfo=UTC)) == 8759.0


def test_29_february_reads_as_28_february() -> None:
    leap, before = datetime(2024, 2, 29, 13, tzinfo=UTC), datetime(2024, 2, 28, 13, tzinfo=UTC)

    assert hour_of_year(leap) == hour_of_year(before)


def test_hour_is_that_of_utc() -> None:
    seoul = datetime(2026, 1, 1, 8, tzinfo=timezone(timedelta(hours=9)))

    # 31 December 23:00 UTC
    assert hour_of_year(seoul) == 8759


@settings(derandomize=True, deadline=None, max_examples=100)
@given(instant=st.datetimes(datetime(1990, 1, 1), datetime(2100, 12, 31)).map(lambda d: d.replace(tzinfo=UTC)))  # noqa: DTZ001 - made aware at once
def test_hours_follow_each_other_around_the_year(instant: datetime) -> None:
    index, following = hour_of_year(instant), hour_of_year(instant + timedelta(hours=1))

    # the leap day repeats the day before it
    assert following in {(index + 1) % 8760, index - 23}


def test_smoothed_value_is_the_mean_of_the_same_hour_around_the_date() -> None:
    value = NUMBERED.smoothed("x", datetime(2026, 1, 10, 7, tzinfo=UTC), window_days=2)

    # the 7th hours of the days 7 to 11 after the first
    assert value == pytest.approx(sum(24.0 * day + 7.0 for day in range(7, 12)) / 5.0)


def test_smoothing_reaches_over_the_new_year() -> None:
    value = NUMBERED.smoothed("x", datetime(2026, 1, 1, 0, tzinfo=UTC), window_days=1)

    assert value == pytest.approx((0.0 + 24.0 + 8736.0) / 3.0)


def test_year_of_another_year_is_read_by_its_dates() -> None:
    table = parse_year(text_of([(stamp, n) for n, stamp in enumerate(hours_of(2019))]), file="f", columns=["x"])

    assert table.rows[:3] == ((0.0,), (1.0,), (2.0,))
    assert table.value("x", datetime(2026, 12, 31, 23, tzinfo=UTC)) == 8759.0


@pytest.mark.parametrize("minute", [0, 30])
def test_stamps_at_the_start_or_in_the_middle_mean_the_same_hour(minute: int) -> None:
    stamps = [(stamp, n) for n, stamp in enumerate(hours_of(2019, minute=minute))]

    assert parse_year(text_of(stamps), file="f", columns=["x"]).rows[100] == (100.0,)


def test_finer_steps_are_averaged_to_hours() -> None:
    stamps = [(stamp + timedelta(minutes=m), m / 15.0) for stamp in hours_of(2019) for m in (0, 15, 30, 45)]

    assert parse_year(text_of(stamps), file="f", columns=["x"]).rows[77] == (1.5,)


def test_leap_year_is_averaged_into_28_february() -> None:
    stamps = [(datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=n), float(n // 24)) for n in range(8784)]

    table = parse_year(text_of(stamps), file="f", columns=["x"])

    # days 58 and 59 of the year are 28 and 29 February
    assert table.value("x", datetime(2026, 2, 28, tzinfo=UTC)) == pytest.approx(58.5)
    assert table.value("x", datetime(2026, 3, 1, tzinfo=UTC)) == pytest.approx(60.0)


def test_record_of_another_longitude_is_moved_in_time() -> None:
    stamps = [(stamp, float(n)) for n, stamp in enumerate(hours_of(2019))]

    table = parse_year(text_of(stamps), file="f", columns=["x"], shift_min=120.0)

    # what was seen at 10:00 there is seen at 12:00 here
    assert table.value("x", datetime(2026, 1, 1, 12, tzinfo=UTC)) == 10.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time_utc,y\n", "column x is missing"),
        ("", "column time_utc, x is missing"),
        ("time_utc,x\n2019-01-01T00:00:00Z,much\n", "f:2: x: 'much' is no number; allowed: a finite number"),
        ("time_utc,x\n2019-01-01T00:00:00Z\n", "f:2: x: the value is missing"),
        ("time_utc,x\nyesterday,1\n", "f:2: time_utc: Invalid isoformat"),
        ("time_utc,x\n2019-01-01T00:00:00,1\n", "f:2: time_utc: .* no offset to UTC; allowed: .*2019-01-01T00:30:00Z"),
        ("time_utc,x\n0001-01-01T00:00:00+09:00,1\n", "f:2: time_utc: date value out of range"),
        (f"time_utc,x\n2019-01-01T00:00:00Z,{'1' * 200_000}\n", "f: is no CSV: field larger than field limit"),
        ("time_utc,x\n2019-01-01T00:00:00Z,1\n", "hour 1 of the year has no value"),
    ],
)
def test_file_that_is_no_year_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_year(text, file="f", columns=["x"])


@pytest.mark.parametrize(
    ("column", "value", "allowed"),
    [
        ("price_per_kwh", "nan", "a finite number"),
        ("price_per_kwh", "-inf", "a finite number"),
        ("ghi_w_per_m2", "1e300", "a number from 0 to 1500"),
        ("poa_w_per_m2", "-0.5", "a number from 0 to 1500"),
        ("ambient_degc", "-999", "a number from -60 to 70"),
        ("ambient_degc", "inf", "a number from -60 to 70"),
        ("wind_m_per_s", "121", "a number from 0 to 120"),
        ("kgco2e_per_kwh", "385.5", "a number from 0 to 5"),
    ],
)
def test_value_that_its_unit_does_not_allow_is_refused_where_it_stands(column: str, value: str, allowed: str) -> None:
    rows = [f"{stamp.isoformat()},1,{value if n == 2 else 1}" for n, stamp in enumerate(hours_of(2019))]
    text = "\n".join([f"time_utc,other,{column}", *rows])

    with pytest.raises(ConfigError) as refused:
        parse_year(text, file="f", columns=[column])

    (problem,) = refused.value.problems
    assert (problem.file, problem.line, problem.key, problem.allowed) == ("f", 4, column, allowed)


@pytest.mark.parametrize(("column", "value"), [("ghi_w_per_m2", 1500.0), ("ambient_degc", -60.0), ("x", -1e9)])
def test_value_at_the_edge_of_its_range_is_taken(column: str, value: float) -> None:
    text = text_of([(stamp, value) for stamp in hours_of(2019)]).replace("time_utc,x", f"time_utc,{column}")

    assert parse_year(text, file="f", columns=[column]).rows[0] == (value,)
