"""Price files of a real-time tariff."""

from datetime import UTC, datetime, timedelta

import pytest

from ems.errors import ConfigError
from ems.forecast.price import parse_prices

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
BOTH = (
    "time_utc,import_price_per_kwh,export_price_per_kwh\n"
    "2026-03-01T09:00:00Z,0.20,0.05\n"
    "2026-03-01T10:00:00+00:00,-0.03,-0.10\n"
)


def test_prices_hold_from_their_time_to_the_next() -> None:
    prices = parse_prices(BOTH, file="prices.csv")

    assert prices.export_price_per_kwh is not None
    half = timedelta(minutes=30)
    assert prices.import_price_per_kwh.mean(START + half, START + 3 * half) == pytest.approx(0.085)
    assert prices.export_price_per_kwh.mean(START + 2 * half, START + 4 * half) == pytest.approx(-0.10)
    assert prices.import_price_per_kwh.mean(START, START + 5 * half) is None


def test_quarters_without_export_prices_are_read() -> None:
    rows = [f"{(START + timedelta(minutes=15 * n)).isoformat()},0.{n}" for n in range(4)]

    prices = parse_prices("\n".join(["time_utc,import_price_per_kwh", *rows]), file="prices.csv")

    assert prices.export_price_per_kwh is None
    assert prices.import_price_per_kwh.step_s == 900.0


@pytest.mark.parametrize(
    ("old", "new", "message", "line"),
    [
        ("import_price", "price", "column import_price_per_kwh is missing", 1),
        ("0.20", "dear", "could not convert", 2),
        ("-0.03", "nan", "is no price", 3),
        ("09:00:00Z", "09:00:00", "has no offset to UTC", 2),
        ("10:00:00+00:00", "12:00:00Z", "not even steps", None),
        ("10:00:00+00:00", "09:00:00Z", "not even steps", None),
        ("2026-03-01T10:00:00+00:00,-0.03,-0.10\n", "", "fewer than two prices", None),
    ],
)
def test_file_that_holds_no_prices_is_refused_where_it_is_wrong(
    old: str, new: str, message: str, line: int | None
) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse_prices(BOTH.replace(old, new, 1), file="prices.csv")

    (problem,) = refusal.value.problems
    assert message in problem.message
    assert problem.line == line
    assert "such as" in (problem.allowed or "")
