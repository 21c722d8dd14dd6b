"""Prices at an instant: the market's file where it says something, else the contract."""

from datetime import timedelta
from pathlib import Path

import pytest

from ems.runtime.inputs import price_file_source
from ems.runtime.prices import SitePrices
from tests.dispatch.sites import NOON, site

CAMPUS, DESERT = site("weak-grid-campus"), site("desert-offgrid")


def write(file: Path, *prices: float) -> None:
    rows = [f"{(NOON + timedelta(hours=hour)).isoformat()},{price}" for hour, price in enumerate(prices)]
    file.write_text("\n".join(["time_utc,import_price_per_kwh", *rows]), encoding="utf-8")


def test_real_time_price_holds_where_it_is_known_and_the_contract_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    write(file, 33.0, -5.0)
    prices = SitePrices(CAMPUS, price_file_source(file))
    assert CAMPUS.grid is not None
    later = NOON + timedelta(hours=2)

    newest, trouble = prices.newest()

    assert (newest is not None, trouble) == (True, None)
    assert prices.import_price_per_kwh(NOON + timedelta(minutes=70)) == -5.0
    assert prices.import_price_per_kwh(later) == CAMPUS.grid.tariff.price_per_kwh(later)


def test_file_that_is_written_again_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    write(file, 33.0, 34.0)
    prices = SitePrices(CAMPUS, price_file_source(file))
    prices.newest()

    write(file, 133.0, 134.0)
    prices.newest()

    assert prices.import_price_per_kwh(NOON) == 133.0


@pytest.mark.parametrize(("text", "trouble"), [(None, "there are no"), ("a,b\n1,2\n", "cannot be read")])
def test_missing_and_unreadable_prices_are_told_and_the_contract_holds(
    tmp_path: Path, text: str | None, trouble: str
) -> None:
    file = tmp_path / "prices.csv"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    prices = SitePrices(CAMPUS, price_file_source(file))
    assert CAMPUS.grid is not None

    newest, why = prices.newest()

    assert newest is None
    assert trouble in (why or "")
    assert prices.import_price_per_kwh(NOON) == CAMPUS.grid.tariff.price_per_kwh(NOON)


def test_contract_without_real_time_prices_misses_nothing() -> None:
    assert SitePrices(CAMPUS).newest() == (None, None)
    assert SitePrices(DESERT).import_price_per_kwh(NOON) is None
