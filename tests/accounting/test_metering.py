"""Counters become intervals on the clock; a gap is flagged, and nothing is filled in."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from ems.accounting.metering import IntervalMeter, MeteredInterval, counter_names
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from tests.accounting.intervals import START, counted
from tests.control.scene import small

DESERT = small("desert-offgrid")
CAMPUS = small("weak-grid-campus")
# before the first poll of a run has answered
NOTHING: dict[str, int | None] = dict.fromkeys(
    (
        *(block for plant in DESERT.pv for block in plant.block_ids),
        *(unit for kind in DESERT.gensets for unit in kind.unit_ids),
        *(f"{block.id} {way}" for pool in DESERT.batteries for block in pool.blocks for way in ("in", "out")),
        *("it", "cooling", "aux"),
    )
)


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
    after = _seen(meter, 60, {"it": 3400})

    assert interval is not None
    assert after is not None
    assert interval.end_utc - interval.start_utc == timedelta(minutes=45)
    assert (interval.it_wh, after.it_wh) == (3000, 400)
    late = minutes == 59
    assert interval.flags == (
        *(("the end was read 840 s late",) if late else ()),
        "nothing was closed for 45 min",
    )
    assert after.flags == (("the begin was read 840 s late",) if late else ())


def test_a_counter_that_is_never_read_is_flagged_in_every_interval() -> None:
    meter = IntervalMeter(DESERT, 15)

    _seen(meter, 0, {"it": None, "gen02": None})
    first = _seen(meter, 15, {"it": None, "gen02": None})
    second = _seen(meter, 30, {"it": None, "gen02": None})

    assert first is not None
    assert second is not None
    assert first.it_wh == 0
    assert first.flags == second.flags == ("counter never read: genset_wh:gen02", "counter never read: it_wh:it")


@pytest.mark.parametrize("site", [DESERT, CAMPUS], ids=lambda site: site.id)
def test_a_healthy_plant_shows_every_expected_counter_and_no_other(site: Site) -> None:
    meter = IntervalMeter(site, 15)

    meter.observe(counted(site, START, {}), stored_kwh=None)
    document = meter.document()

    assert document is not None
    assert document["at_start"] == dict.fromkeys(counter_names(site), 0)


def test_a_counter_that_began_anew_and_overtook_itself_is_flagged() -> None:
    meter = IntervalMeter(DESERT, 15)
    _seen(meter, 0, {"it": 100})
    _seen(meter, 5, {"it": 600})
    _seen(meter, 10, {"it": 50})

    interval = _seen(meter, 15, {"it": 700})

    assert interval is not None
    assert interval.flags == ("counter ran backwards: it_wh:it",)


def test_a_restart_in_the_middle_of_an_interval_loses_nothing() -> None:
    before = IntervalMeter(DESERT, 15)
    _seen(before, 0, {"it": 1000, "pv01": 50}, stored_kwh=5000.0)
    _seen(before, 6, {"it": 1400, "pv01": 70}, stored_kwh=5010.0)

    meter = _restarted(before)
    # the first cycle of a run has read nothing yet
    _seen(meter, 8, NOTHING)
    _seen(meter, 9, {"it": 1600, "pv01": 90})
    interval = _seen(meter, 15, {"it": 2000, "pv01": 150}, stored_kwh=5040.0)

    assert interval is not None
    assert (interval.start_utc, interval.end_utc) == (START, START + timedelta(minutes=15))
    assert (interval.it_wh, interval.pv_wh) == (1000, 100)
    assert (interval.stored_start_kwh, interval.stored_kwh) == (5000.0, 5040.0)
    assert interval.flags == ()


def test_a_restart_over_a_boundary_waits_for_the_first_readings() -> None:
    before = IntervalMeter(DESERT, 15)
    _seen(before, 0, {"it": 1000})
    _seen(before, 14, {"it": 1900})

    meter = _restarted(before)
    blind = meter.observe(_picture(16, NOTHING), stored_kwh=None)
    interval = meter.observe(_picture(16, {"it": 2100}, later_s=3.0), stored_kwh=5040.0)

    assert blind is None
    assert interval is not None
    assert (interval.end_utc, interval.it_wh, interval.flags) == (START + timedelta(minutes=15), 1100, ())


def test_a_counter_that_stays_silent_after_a_restart_holds_no_boundary_up() -> None:
    before = IntervalMeter(DESERT, 15)
    _seen(before, 0, {"it": 1000})
    _seen(before, 14, {"it": 1900})

    meter = _restarted(before)
    _seen(meter, 16, NOTHING)
    wait_s = 2.0 * DESERT.control.stale_slow_s
    waiting = meter.observe(_picture(16, {"it": None}, later_s=wait_s - 1.0), stored_kwh=None)
    interval = meter.observe(_picture(16, {"it": None}, later_s=wait_s), stored_kwh=None)

    assert waiting is None
    assert interval is not None
    assert interval.it_wh == 900
    assert "counter not read at the end: it_wh:it" in interval.flags


def test_a_counter_that_began_anew_during_a_restart_is_flagged() -> None:
    before = IntervalMeter(DESERT, 15)
    _seen(before, 0, {"it": 100})
    _seen(before, 5, {"it": 800})

    meter = _restarted(before)
    interval = _seen(meter, 15, {"it": 300})

    assert interval is not None
    assert interval.flags == ("counter ran backwards: it_wh:it",)


def test_a_pause_over_midnight_is_one_flagged_interval_with_all_its_energy() -> None:
    before = IntervalMeter(DESERT, 15)
    _seen(before, 225, {"it": 1000})
    _seen(before, 230, {"it": 1400})

    meter = _restarted(before)
    interval = _seen(meter, 270, {"it": 5000})

    assert interval is not None
    assert interval.start_utc.date() != interval.end_utc.date()
    assert interval.it_wh == 4000
    assert interval.flags == ("nothing was closed for 45 min",)


def test_what_left_the_site_with_a_reload_is_flagged_once() -> None:
    before = IntervalMeter(DESERT, 15)
    _seen(before, 0, {"gen03": 100})
    _seen(before, 5, {"gen03": 900})
    smaller = replace(DESERT, gensets=tuple(replace(kind, unit_ids=kind.unit_ids[:2]) for kind in DESERT.gensets))

    meter = _restarted(before, site=smaller)
    first = meter.observe(counted(smaller, START + timedelta(minutes=15), {}), stored_kwh=None)
    second = meter.observe(counted(smaller, START + timedelta(minutes=30), {}), stored_kwh=None)

    assert first is not None
    assert second is not None
    assert first.genset_wh == 800
    assert first.flags == (
        "counter not read at the end: genset_wh:gen03",
        "counter not read at the end: fuel_l:gen03",
    )
    assert second.flags == ()


def test_a_clock_that_went_back_is_flagged() -> None:
    meter = IntervalMeter(DESERT, 15)
    _seen(meter, 10, {"it": 0})
    _seen(meter, 5, {"it": 100})

    interval = _seen(meter, 15, {"it": 200})

    assert interval is not None
    assert interval.flags == ("the clock went back",)


@pytest.mark.parametrize(
    "damage",
    [
        {"start": "yesterday"},
        {"start": "2026-06-10T20:00:00"},
        {"at_start": [1, 2]},
        {"latest": {"it_wh:it": "much"}},
        {"latest": {"it_wh:it": float("nan")}},
        {"stored_start_kwh": []},
        {"flags": None},
    ],
)
def test_a_document_that_is_none_is_refused_and_changes_nothing(damage: dict[str, object]) -> None:
    before = IntervalMeter(DESERT, 15)
    _seen(before, 0, {"it": 100})
    document = {**(before.document() or {}), **damage}
    meter = IntervalMeter(DESERT, 15)

    with pytest.raises((ValueError, TypeError, KeyError)):
        meter.restore(document)

    assert meter.document() is None


def _seen(
    meter: IntervalMeter, minute: int, wh: Mapping[str, int | None], *, stored_kwh: float | None = None
) -> MeteredInterval | None:
    return meter.observe(_picture(minute, wh), stored_kwh=stored_kwh)


def _picture(minute: int, wh: Mapping[str, int | None], *, later_s: float = 0.0) -> SiteSnapshot:
    picture = counted(DESERT, START + timedelta(minutes=minute, seconds=later_s), wh)
    if wh is not NOTHING:
        return picture
    return replace(picture, gensets=tuple(replace(genset, fuel_used_l=None) for genset in picture.gensets))


def _restarted(before: IntervalMeter, *, site: Site = DESERT) -> IntervalMeter:
    """Return the meter of the next run; its document has been on the disk."""
    meter = IntervalMeter(site, 15)
    meter.restore(json.loads(json.dumps(before.document())))
    return meter
