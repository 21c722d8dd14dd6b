"""The books of the grid: the billed peak is the highest mean of all billing intervals, the last one included."""

from datetime import timedelta

import pytest

from ems.studies.books import GridBook, most_starts
from tests.control.scene import START, shipped

CAMPUS = shipped("weak-grid-campus")


def test_the_last_billing_interval_is_in_the_peak() -> None:
    book = GridBook(CAMPUS, None)

    for minute in range(30):
        _add(book, minute, 6000.0 if minute < 15 else 9000.0)

    assert book.account().peak_kw == pytest.approx(9000.0)


def test_starts_are_counted_by_set_and_day_of_the_run() -> None:
    day_s = 86400.0

    # three starts of one set, but two on one day; two sets that start together are one start each
    assert most_starts([[0.0, 1.5 * day_s, 1.9 * day_s], [0.0]]) == 2
    assert most_starts([[], []]) == 0
    assert most_starts([]) == 0


def test_looking_at_the_account_changes_nothing() -> None:
    watched, alone = GridBook(CAMPUS, None), GridBook(CAMPUS, None)

    for minute in range(30):
        kw = 12_000.0 if 5 <= minute < 15 else 3000.0
        _add(watched, minute, kw)
        watched.account()
        _add(alone, minute, kw)

    assert watched.account() == alone.account()
    assert alone.account().peak_kw == pytest.approx((5.0 * 3000.0 + 10.0 * 12_000.0) / 15.0)


def test_a_few_minutes_at_the_end_are_no_billing_interval() -> None:
    book = GridBook(CAMPUS, None, peak_so_far_kw=1000.0)

    for minute in range(7):
        _add(book, minute, 9000.0)

    assert book.account().peak_kw == 1000.0


def test_import_without_a_carbon_series_is_priced_and_billed_all_the_same() -> None:
    book = GridBook(CAMPUS, None)

    for minute in range(15):
        _add(book, minute, 6000.0)

    assert CAMPUS.grid is not None
    account = book.account()
    assert account.import_cost == pytest.approx(1500.0 * CAMPUS.grid.tariff.price_per_kwh(START))
    assert account.peak_kw == pytest.approx(6000.0)
    assert account.import_kgco2e == 0.0


def _add(book: GridBook, minute: int, import_kw: float) -> None:
    book.add(START + timedelta(minutes=minute), import_kw / 60.0, dt_s=60.0)
