"""Import on the running billing interval: unknown time is counted, never taken for zero."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ems.control.import_limit import AIM_FRAC, allowed_import_kw, counted, running_kwh
from ems.control.state import BilledImport, Mode
from ems.control.step import step
from ems.model.grid import GridConnection
from tests.control.scene import START, at, healthy, small, steady

CAMPUS = small("weak-grid-campus")
KW = 6000.0


def _grid(*, peak_kw: float = 0.0) -> GridConnection:
    grid = CAMPUS.grid
    assert grid is not None
    assert grid.tariff.demand is not None
    demand = replace(grid.tariff.demand, interval_min=15, ratchet_kw=0.0, expected_peak_kw=peak_kw)
    return replace(grid, import_limit_kw=20_000.0, tariff=replace(grid.tariff, demand=demand))


GRID = _grid()


def test_a_cycle_counts_the_time_behind_it_each_interval_its_part() -> None:
    billed = _count(BilledImport(), 14.0, KW, dt_s=60.0)

    billed = _count(billed, 16.0, KW, dt_s=120.0)

    assert billed.peak_kw == pytest.approx(KW * 2.0 / 15.0)
    assert billed.interval_start_utc == START + timedelta(minutes=15)
    assert billed.interval_kwh == pytest.approx(KW / 60.0)


def test_unknown_minutes_are_counted_by_the_meter_when_it_comes_back() -> None:
    billed = _count(BilledImport(), 5.0, KW, import_wh=1_000_000, dt_s=300.0)

    billed = _silent(billed, 6, 7, 8, 9)
    # 5 minutes at 9 MW
    billed = _count(billed, 10.0, KW, import_wh=1_750_000, dt_s=60.0)

    assert billed.interval_kwh == pytest.approx(500.0 + 750.0)


def test_unknown_minutes_without_a_counter_are_counted_at_the_last_known_import() -> None:
    billed = _count(BilledImport(), 5.0, KW, dt_s=300.0)

    billed = _silent(billed, 6, 7, 8, 9)
    billed = _count(billed, 10.0, 1000.0, dt_s=60.0)

    assert billed.interval_kwh == pytest.approx(500.0 + 500.0)
    assert billed.last_kw == 1000.0


def test_unknown_time_over_boundaries_is_in_each_of_its_intervals() -> None:
    billed = _count(BilledImport(), 5.0, KW, import_wh=0, dt_s=300.0)

    # 35 minutes at 12 MW: 10 in the first interval, all of the second, 10 in the third
    billed = _count(billed, 40.0, KW, import_wh=7_000_000, dt_s=60.0)

    assert billed.peak_kw == pytest.approx(12_000.0)
    assert billed.interval_start_utc == START + timedelta(minutes=30)
    assert billed.interval_kwh == pytest.approx(2000.0)


@pytest.mark.parametrize("import_wh", [None, 400, 90_000_000])
def test_a_long_pause_without_a_usable_counter_counts_the_running_interval_at_the_present_import(
    import_wh: int | None,
) -> None:
    billed = _count(BilledImport(), 15.0, KW, import_wh=1_000_000, dt_s=900.0)

    billed = _count(billed, 65.0, 3000.0, import_wh=import_wh, dt_s=1.0)

    assert billed.peak_kw == pytest.approx(KW)
    assert billed.interval_kwh == pytest.approx(3000.0 * 5.0 / 60.0)


def test_a_pause_over_the_end_of_a_month_begins_with_a_peak_of_zero() -> None:
    # months are those of Korea
    end = datetime(2026, 6, 30, 15, 0, tzinfo=UTC)
    billed = BilledImport(
        interval_start_utc=end - timedelta(minutes=15),
        interval_kwh=1000.0,
        month_start_utc=datetime(2026, 5, 31, 15, 0, tzinfo=UTC),
        peak_kw=9000.0,
        until_utc=end - timedelta(minutes=5),
        last_kw=KW,
        counter_wh=0,
    )

    billed = counted(GRID, billed, now=end + timedelta(minutes=5), import_kw=KW, import_wh=1_000_000, dt_s=1.0)

    assert billed.month_start_utc == end
    assert billed.peak_kw == 0.0
    assert billed.interval_kwh == pytest.approx(500.0)


def test_a_clock_that_goes_back_counts_the_cycle_alone() -> None:
    billed = _count(BilledImport(), 10.0, KW, dt_s=60.0)

    billed = _count(billed, 5.0, KW, dt_s=60.0)

    assert billed.interval_kwh == pytest.approx(KW * 2.0 / 60.0)
    assert billed.until_utc == START + timedelta(minutes=5)


def test_while_the_import_is_unknown_the_last_known_one_uses_up_the_interval() -> None:
    grid = _grid(peak_kw=KW)
    billed = _count(BilledImport(), 5.0, KW, dt_s=300.0)

    now = START + timedelta(minutes=10)
    used_kwh = running_kwh(grid.tariff, billed, now=now, unknown_kw=0.0)
    allowed_kw = allowed_import_kw(grid.tariff, billed, now=now, planned_peak_kw=0.0)

    assert used_kwh == pytest.approx(1000.0)
    # a quarter hour at the aim, less what is used up, in the five minutes that are left
    assert allowed_kw == pytest.approx((AIM_FRAC * KW / 4.0 - 1000.0) * 12.0)


def test_an_import_that_is_unknown_for_long_leaves_the_peak_and_not_more() -> None:
    grid = _grid(peak_kw=8000.0)
    billed = _count(BilledImport(), 5.0, 100.0, dt_s=300.0)

    allowed_kw = allowed_import_kw(grid.tariff, billed, now=START + timedelta(minutes=40), planned_peak_kw=0.0)

    assert allowed_kw == pytest.approx((AIM_FRAC * 8000.0 / 4.0 - 8000.0 / 6.0) * 12.0)
    assert allowed_kw is not None
    assert allowed_kw < 8000.0


def test_a_control_cycle_that_sees_the_meter_again_makes_up_for_the_silence() -> None:
    picture = healthy(CAMPUS)
    assert picture.pcc is not None
    known = replace(picture, pcc=replace(picture.pcc, power_kw=KW, import_wh=0))
    silent = replace(picture, pcc=replace(picture.pcc, power_kw=None, import_wh=None))
    back = replace(picture, pcc=replace(picture.pcc, power_kw=KW, import_wh=50_000))
    state = steady(CAMPUS, picture, Mode.GRID)

    for second in range(31):
        shown = known if second == 0 else back if second == 30 else silent
        state = step(CAMPUS, at(shown, picture.at_s + second), None, state).state

    # the first second lies before the boundary at which the cycles begin
    assert state.billed.interval_kwh == pytest.approx(50.0)


def _count(
    billed: BilledImport, minute: float, import_kw: float | None, *, import_wh: int | None = None, dt_s: float
) -> BilledImport:
    now = START + timedelta(minutes=minute)
    return counted(GRID, billed, now=now, import_kw=import_kw, import_wh=import_wh, dt_s=dt_s)


def _silent(billed: BilledImport, *minutes: float) -> BilledImport:
    for minute in minutes:
        billed = _count(billed, minute, None, dt_s=60.0)
    return billed
