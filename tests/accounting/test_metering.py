"""Counters become intervals on the clock; a gap is flagged, and nothing is filled in."""

from datetime import timedelta

import pytest

from ems.accounting.metering import IntervalMeter, MeteredInterval
from tests.accounting.intervals import START, counted
from tests.control.scene import small

DESERT = small("desert-offgrid")


def test_counters_of_all_meters_add_up_over_a_quarter_hour() -> None:
    meter = IntervalMeter(DESERT, 15)

    assert _seen(meter, 0, {"pv01": 1000, "pv02": 5000, "it": 70}) is None
    assert _seen(meter, 10, {"pv01": 1200, "pv02": 5100, "it": 300}) is None
    interval = _seen(meter, 15, {"pv01": 1500, "pv02": 5400, "it": 870})

    assert interval is not None
    assert (interval.pv_wh, interval.it_wh, interval.genset_wh) == (900, 800, 0)
    assert interval.start_utc == START
    assert interval.end_utc == START + timedelta(minutes=15)
    assert interval.flags == ()


def test_stored_energy_of_both_ends_is_kept() -> None:
    meter = IntervalMeter(DESERT, 15)

    _seen(meter, 0, {}, stored_kwh=5000.0)
    _seen(meter, 7, {}, stored_kwh=5100.0)
    first = _seen(meter, 15, {}, stored_kwh=5200.0)
    second = _seen(meter, 30, {}, stored_kwh=5050.0)

    assert first is not None
    assert second is not None
    assert (first.stored_start_kwh, first.stored_kwh) == (5000.0, 5200.0)
    assert (second.stored_start_kwh, second.stored_kwh) == (5200.0, 5050.0)


def test_unknown_stored_energy_stays_unknown() -> None:
    meter = IntervalMeter(DESERT, 15)

    _seen(meter, 0, {}, stored_kwh=None)
    interval = _seen(meter, 15, {}, stored_kwh=5200.0)

    assert interval is not None
    assert interval.stored_start_kwh is None


def test_an_interval_that_begins_late_ends_on_the_clock() -> None:
    meter = IntervalMeter(DESERT, 15)

    _seen(meter, 8, {"it": 0})
    first = _seen(meter, 16, {"it": 700})
    second = _seen(meter, 31, {"it": 1700})

    assert first is not None
    assert second is not None
    assert first.start_utc == START + timedelta(minutes=8)
    assert (first.end_utc, second.start_utc) == (START + timedelta(minutes=15),) * 2
    assert (first.it_wh, second.it_wh) == (700, 1000)


def test_a_counter_that_was_not_read_at_the_end_is_flagged_and_caught_up_later() -> None:
    meter = IntervalMeter(DESERT, 15)
    _seen(meter, 0, {"it": 100})
    _seen(meter, 10, {"it": 600})

    gap = _seen(meter, 15, {"it": None})
    after = _seen(meter, 30, {"it": 1900})

    assert gap is not None
    assert after is not None
    assert gap.it_wh == 500
    assert gap.flags == ("counter not read at the end: it_wh:it",)
    assert after.it_wh == 1300
    assert after.flags == ()


def test_a_counter_that_ran_backwards_counts_nothing_and_is_flagged() -> None:
    meter = IntervalMeter(DESERT, 15)
    _seen(meter, 0, {"pv01": 9000, "pv02": 100})

    interval = _seen(meter, 15, {"pv01": 20, "pv02": 400})

    assert interval is not None
    assert interval.pv_wh == 300
    assert interval.flags == ("counter ran backwards: pv_wh:pv01",)


def test_a_meter_that_appears_counts_from_then_on() -> None:
    meter = IntervalMeter(DESERT, 15)
    _seen(meter, 0, {"gen01": None})

    interval = _seen(meter, 15, {"gen01": 77_000})
    after = _seen(meter, 30, {"gen01": 77_500})

    assert interval is not None
    assert after is not None
    assert interval.genset_wh == 0
    assert interval.flags == ("counter appeared: genset_wh:gen01",)
    assert after.genset_wh == 500


@pytest.mark.parametrize("minutes", [45, 59])
def test_a_pause_makes_one_long_interval_that_says_so(minutes: int) -> None:
    meter = IntervalMeter(DESERT, 15)
    _seen(meter, 0, {"it": 0})

    interval = _seen(meter, minutes, {"it": 3000})

    assert interval is not None
    assert interval.end_utc - interval.start_utc == timedelta(minutes=45)
    assert interval.it_wh == 3000


def _seen(
    meter: IntervalMeter, minute: int, wh: dict[str, int | None], *, stored_kwh: float | None = None
) -> MeteredInterval | None:
    return meter.observe(counted(DESERT, START + timedelta(minutes=minute), wh), stored_kwh=stored_kwh)
