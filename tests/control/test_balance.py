"""A PCC meter that contradicts all other meters is not believed (G13, F05)."""

from dataclasses import replace

import pytest

from ems.control.balance import BalanceTrack, balanced, tolerance_kw
from ems.control.guard import GuardContext, Rule, guard
from ems.control.state import Mode
from ems.control.step import step
from ems.model.setpoints import BlockSetpoint, Setpoints
from ems.model.snapshot import SiteSnapshot
from tests.control.scene import at, healthy, small, steady

CAMPUS = small("weak-grid-campus")
DESERT = small("desert-offgrid")


def _metered(snapshot: SiteSnapshot, power_kw: float) -> SiteSnapshot:
    assert snapshot.pcc is not None
    return replace(snapshot, pcc=replace(snapshot.pcc, power_kw=power_kw))


def _after(
    seconds: int, snapshot: SiteSnapshot, track: BalanceTrack | None = None
) -> tuple[BalanceTrack, SiteSnapshot]:
    track = BalanceTrack() if track is None else track
    seen = snapshot
    for second in range(seconds):
        track, seen = balanced(CAMPUS, at(snapshot, snapshot.at_s + second), track, device_id="pcc-meter")
    return track, seen


def test_the_tolerance_is_three_percent_of_the_import_limit_and_a_hundred_kw_at_least() -> None:
    assert CAMPUS.grid is not None

    assert tolerance_kw(CAMPUS) == max(0.03 * CAMPUS.grid.import_limit_kw, 100.0)
    assert tolerance_kw(DESERT) == 0.0


def test_a_meter_within_tolerance_is_believed_for_ever() -> None:
    calm = healthy(CAMPUS)
    assert calm.pcc is not None
    assert calm.pcc.power_kw is not None
    snapshot = _metered(calm, calm.pcc.power_kw + 0.9 * tolerance_kw(CAMPUS))

    track, seen = _after(100, snapshot)

    assert track.distrusted is None
    assert seen.pcc == snapshot.pcc


def test_a_meter_that_is_off_for_ten_seconds_gives_way_to_the_sum_of_the_others() -> None:
    calm = healthy(CAMPUS)
    assert calm.pcc is not None
    true_kw = calm.pcc.power_kw
    assert true_kw is not None
    frozen = _metered(calm, true_kw - 2.0 * tolerance_kw(CAMPUS))

    early, believed = _after(10, frozen)
    track, seen = _after(1, at(frozen, frozen.at_s + 10.0), early)

    assert believed.pcc == frozen.pcc
    assert seen.pcc is not None
    assert seen.pcc.power_kw == pytest.approx(true_kw)
    assert seen.pcc.metered_kw == pytest.approx(true_kw - 2.0 * tolerance_kw(CAMPUS))
    assert [problem.value for problem in seen.problems] == ["power_kw"]
    assert seen.problems[0].device_id == "pcc-meter"
    assert track.distrusted is not None


def test_a_meter_that_agrees_again_is_believed_after_the_same_time() -> None:
    calm = healthy(CAMPUS)
    assert calm.pcc is not None
    off = _metered(calm, (calm.pcc.power_kw or 0.0) + 3.0 * tolerance_kw(CAMPUS))
    track, _ = _after(20, off)

    waiting, doubted = _after(5, at(calm, calm.at_s + 20.0), track)
    track, believed = _after(10, at(calm, calm.at_s + 25.0), waiting)

    assert doubted.pcc is not None
    assert doubted.pcc.metered_kw is not None
    assert track.distrusted is None
    assert believed.pcc == calm.pcc


def test_without_a_complete_sum_a_doubted_meter_leaves_the_power_unknown() -> None:
    calm = healthy(CAMPUS)
    assert calm.pcc is not None
    off = _metered(calm, (calm.pcc.power_kw or 0.0) + 3.0 * tolerance_kw(CAMPUS))
    track, _ = _after(20, off)
    blind = replace(off, it=replace(off.it, load_kw=None))

    _, seen = _after(1, at(blind, blind.at_s + 20.0), track)

    assert seen.pcc is not None
    assert seen.pcc.power_kw is None


def test_an_open_breaker_ends_the_test() -> None:
    calm = healthy(CAMPUS)
    assert calm.pcc is not None
    off = _metered(calm, (calm.pcc.power_kw or 0.0) + 3.0 * tolerance_kw(CAMPUS))
    track, _ = _after(20, off)
    assert off.pcc is not None
    open_ = replace(off, pcc=replace(off.pcc, breaker_closed=False))

    track, seen = _after(1, at(open_, open_.at_s + 20.0), track)

    assert track == BalanceTrack()
    assert seen.pcc == open_.pcc


def test_while_the_meter_is_not_believed_storage_does_nothing_that_could_export() -> None:
    # by the sum the site imports little, its meter shows much: the lower of the two counts
    calm = healthy(CAMPUS, soc_pct=70.0)
    assert calm.pcc is not None
    assert calm.pcc.power_kw is not None
    low_kw = 0.5 * tolerance_kw(CAMPUS)
    doubted = replace(calm, pcc=replace(calm.pcc, power_kw=low_kw, metered_kw=calm.pcc.power_kw))
    request = Setpoints(blocks=(BlockSetpoint(id=calm.blocks[0].id, power_kw=1000.0),))
    context = GuardContext(mode=Mode.GRID, dt_s=1.0, stored_kwh=9e4, floor_kwh=1e4, r0_margin_kw=1000.0)
    allowed = guard(request, CAMPUS, doubted, context)

    assert allowed.setpoints.blocks[0].power_kw == 0.0
    assert [clip.rule for clip in allowed.clips] == [Rule.BALANCE]


def test_the_import_limit_leaves_a_margin_for_a_meter_that_is_not_believed() -> None:
    calm = healthy(CAMPUS)
    assert calm.pcc is not None
    assert CAMPUS.grid is not None
    heavy_kw = 1.5 * CAMPUS.grid.import_limit_kw
    state = replace(steady(CAMPUS, calm, Mode.GRID), load_kw=heavy_kw)
    doubted = replace(calm, pcc=replace(calm.pcc, metered_kw=0.0))

    before = step(CAMPUS, calm, None, state).import_target_kw
    after = step(CAMPUS, doubted, None, state).import_target_kw

    assert before is not None
    assert after is not None
    assert after <= before
    assert after <= CAMPUS.grid.import_limit_kw - tolerance_kw(CAMPUS)
