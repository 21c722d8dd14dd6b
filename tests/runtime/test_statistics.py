"""What a run counts about itself."""

from dataclasses import replace

import pytest

from ems.control.guard import Clip, Rule
from ems.control.state import Mode
from ems.control.step import Decision, step
from ems.model.setpoints import Cause, Reason
from ems.model.snapshot import SiteSnapshot
from ems.reserve import Assessment, ReserveId
from ems.runtime.cycle import CycleRecord
from ems.runtime.statistics import RunStatistics
from tests.control.scene import healthy, small, steady, with_sets

DESERT = small("desert-offgrid")
KIND = DESERT.gensets[0]


def test_hours_of_each_mode_add_up() -> None:
    statistics = RunStatistics(DESERT)
    picture = healthy(DESERT)
    decision = _decision(picture)

    statistics.add(_record(picture, decision, dt_s=1800.0))
    statistics.add(_record(picture, _in_mode(decision, Mode.DEGRADED), dt_s=900.0))

    assert statistics.counts().mode_h == {"degraded": 0.25, "island": 0.5}
    assert statistics.counts().n_ticks == 2


def test_soc_keeps_start_end_and_lowest() -> None:
    statistics = RunStatistics(DESERT)

    for soc_pct in (60.0, 40.0, 55.0):
        picture = healthy(DESERT, soc_pct=soc_pct)
        statistics.add(_record(picture, _decision(picture)))

    counts = statistics.counts()
    assert (counts.soc_start_pct, counts.soc_min_pct, counts.soc_end_pct) == pytest.approx((60.0, 40.0, 55.0))


@pytest.mark.parametrize(("below_pct", "hours"), [(0.2, 0.0), (0.3, 0.5)])
def test_soc_below_the_floor_by_more_than_its_resolution_counts(below_pct: float, hours: float) -> None:
    statistics = RunStatistics(DESERT)
    picture = healthy(DESERT)
    decision = _decision(picture)
    assert decision.storage is not None
    stored_kwh = decision.storage.floor_kwh - below_pct / 100.0 * decision.storage.full_kwh
    low = replace(decision, storage=replace(decision.storage, stored_kwh=stored_kwh))

    statistics.add(_record(picture, low, dt_s=1800.0))

    assert statistics.counts().floor_violation_h == hours


def test_a_shortfall_is_counted_with_its_cause_and_the_least_margin_kept() -> None:
    statistics = RunStatistics(DESERT)
    picture = healthy(DESERT)
    decision = _decision(picture)

    for held_kw in (1200.0, 900.0, 999.5):
        item = Assessment(id=ReserveId.R0, contingency="bess01", required_kw=1000.0, held_kw=held_kw)
        statistics.add(_record(picture, replace(decision, assessments=(item,)), dt_s=3600.0))

    counts = statistics.counts()
    # half a kilowatt is noise of the meters
    assert counts.reserve_shortfall_h == 1.0
    assert counts.shortfalls == {"r0: bess01": 1}
    assert counts.margin_min_kw == {"r0": -100.0}


def test_init_judges_no_reserve() -> None:
    statistics = RunStatistics(DESERT)
    picture = healthy(DESERT)
    item = Assessment(id=ReserveId.R0, contingency="bess01", required_kw=1000.0, held_kw=0.0)
    decision = replace(_in_mode(_decision(picture), Mode.INIT), assessments=(item,))

    statistics.add(_record(picture, decision))

    assert statistics.counts().reserve_shortfall_h == 0.0
    assert statistics.counts().margin_min_kw == {}


def test_hours_in_which_reserve_holds_a_set_on_are_counted() -> None:
    statistics = RunStatistics(DESERT)
    picture = healthy(DESERT)

    statistics.add(_record(picture, replace(_decision(picture), held_on_by_reserve=True), dt_s=1800.0))

    assert statistics.counts().reserve_binding_h == 0.5


def test_clips_count_by_rule_and_ticks_once() -> None:
    statistics = RunStatistics(DESERT)
    picture = healthy(DESERT)
    decision = _decision(picture)
    clips = tuple(
        Clip(rule=rule, asset_id="bess01", requested_kw=1.0, allowed_kw=0.0, reason="test")
        for rule in (Rule.LIVE_LIMIT, Rule.LIVE_LIMIT, Rule.RATE)
    )

    statistics.add(_record(picture, replace(decision, clips=clips)))
    statistics.add(_record(picture, replace(decision, clips=())))

    counts = statistics.counts()
    assert counts.clips == {"G2": 2, "G8": 1}
    assert counts.n_clipped_ticks == 1
    assert counts.clip_tick_frac == 0.5


def test_the_band_share_is_that_of_loaded_hours() -> None:
    statistics = RunStatistics(DESERT)
    inside = with_sets(healthy(DESERT), {"gen01": 0.8 * KIND.rated_kw})
    below = with_sets(healthy(DESERT), {"gen01": 0.4 * KIND.rated_kw, "gen02": 0.8 * KIND.rated_kw})

    statistics.add(_record(inside, _decision(inside), dt_s=3600.0))
    statistics.add(_record(below, _decision(below), dt_s=3600.0))

    assert statistics.counts().genset_band_share_frac == pytest.approx(2.0 / 3.0)


def test_without_any_set_there_is_no_band_share() -> None:
    statistics = RunStatistics(DESERT)
    picture = healthy(DESERT)

    statistics.add(_record(picture, _decision(picture)))

    assert statistics.counts().genset_band_share_frac is None


@pytest.mark.parametrize(("soc_pct", "n_starts"), [(90.0, 1), (10.0, 0)])
def test_starts_that_a_plan_asks_for_above_the_threshold_are_counted(soc_pct: float, n_starts: int) -> None:
    statistics = RunStatistics(DESERT)
    picture = healthy(DESERT, soc_pct=soc_pct)
    reasons = (
        Reason(cause=Cause.PLAN, text="start gen01: energy before a deficit"),
        Reason(cause=Cause.PLAN, text="stop gen02: plan"),
        Reason(cause=Cause.ENERGY_LOW, text="start gen03: the store must not fall further"),
    )

    statistics.add(_record(picture, replace(_decision(picture), reasons=reasons)))

    assert statistics.counts().n_starts_above_threshold == n_starts


def _decision(picture: SiteSnapshot) -> Decision:
    return step(DESERT, picture, None, steady(DESERT, picture, Mode.ISLAND))


def _in_mode(decision: Decision, mode: Mode) -> Decision:
    return replace(decision, state=replace(decision.state, mode=mode))


def _record(picture: SiteSnapshot, decision: Decision, *, dt_s: float = 1.0) -> CycleRecord:
    return CycleRecord(snapshot=picture, decision=decision, plan=None, dt_s=dt_s)
