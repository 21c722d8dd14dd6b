"""A SoC that jumps is taken over gradually, and the floor is wider meanwhile (F32)."""

from dataclasses import replace

import pytest

from ems.control.soc_track import SocTrack, followed_soc
from ems.model.snapshot import BlockState, SiteSnapshot
from tests.control.scene import NOW_S, at, healthy, small

CAMPUS = small("weak-grid-campus")
FIRST = CAMPUS.batteries[0].blocks[0].id
BLEND_S = CAMPUS.control.soc_blend_s


class Run:
    """Cycles of one second with one block's reported SoC and power given."""

    def __init__(self) -> None:
        self.tracks: dict[str, SocTrack] = {}
        self.now_s = NOW_S
        self.seen: SiteSnapshot = healthy(CAMPUS)

    def go(self, seconds: int, *, soc_pct: float, power_kw: float = 0.0, dt_s: float = 1.0) -> BlockState:
        """Run and return the block as control sees it after the last cycle."""
        for _ in range(seconds):
            self.now_s += dt_s
            snapshot = at(healthy(CAMPUS), self.now_s)
            first = replace(snapshot.blocks[0], soc_pct=soc_pct, power_kw=power_kw)
            snapshot = replace(snapshot, blocks=(first, *snapshot.blocks[1:]))
            self.tracks, self.seen = followed_soc(CAMPUS, snapshot, self.tracks)
        return self.seen.blocks[0]


def test_a_soc_that_stands_or_moves_with_its_energy_is_taken_as_it_is() -> None:
    run = Run()
    pool = CAMPUS.batteries[0]
    # an hour at half power, 1 s a cycle: reported as it flows
    kwh_per_s = 0.5 * pool.pcs_kw / pool.discharge_eff_frac / 3600.0

    for second in range(600):
        soc_pct = 60.0 - 100.0 * second * kwh_per_s / pool.block_kwh
        block = run.go(1, soc_pct=soc_pct, power_kw=0.5 * pool.pcs_kw)
        assert block.reported_soc_pct is None
        assert block.soc_pct == pytest.approx(soc_pct)


def test_the_steps_of_a_display_in_whole_percents_are_no_jumps() -> None:
    run = Run()
    run.go(120, soc_pct=60.0, power_kw=100.0)

    block = run.go(1, soc_pct=59.0, power_kw=100.0)

    assert block.reported_soc_pct is None
    assert run.tracks[FIRST].jump is None


def test_a_jump_is_blended_in_within_half_an_hour() -> None:
    run = Run()
    run.go(60, soc_pct=60.0)

    first = run.go(1, soc_pct=50.0)
    # no-load losses are in the count, so the estimate is a little below 60 %
    middle = run.go(1, soc_pct=50.0, dt_s=BLEND_S / 2.0)
    last = run.go(2, soc_pct=50.0, dt_s=BLEND_S / 2.0)

    assert first.soc_pct == pytest.approx(60.0, abs=0.1)
    assert first.reported_soc_pct == 50.0
    assert middle.soc_pct == pytest.approx(55.0, abs=0.1)
    assert last.soc_pct == 50.0
    assert last.reported_soc_pct is None


def test_the_floor_is_wider_by_what_is_not_certain() -> None:
    run = Run()
    run.go(60, soc_pct=60.0)

    block = run.go(1, soc_pct=70.0)

    assert block.soc_pct == pytest.approx(60.0, abs=0.1)
    assert block.spread.below_pct == pytest.approx(10.0, abs=0.1)


def test_a_jump_says_what_was_reported_and_what_was_counted() -> None:
    run = Run()
    run.go(60, soc_pct=60.0)

    run.go(1, soc_pct=50.0)

    assert run.tracks[FIRST].jump == (
        "SoC 50.0 % reported, 60.0 % by the energy that flowed: it is taken over within 30 min"
    )


def test_a_second_jump_goes_on_from_the_estimate() -> None:
    run = Run()
    run.go(60, soc_pct=60.0)
    run.go(1, soc_pct=50.0)

    block = run.go(1, soc_pct=60.0)

    assert block.soc_pct == pytest.approx(60.0, abs=0.1)


def test_other_containers_that_answer_are_no_jump() -> None:
    run = Run()
    run.go(60, soc_pct=60.0)
    snapshot = at(healthy(CAMPUS), run.now_s + 1.0)
    half = replace(snapshot.blocks[0], soc_pct=50.0, full_kwh=0.5 * CAMPUS.batteries[0].block_kwh)

    _, seen = followed_soc(CAMPUS, replace(snapshot, blocks=(half, *snapshot.blocks[1:])), run.tracks)

    assert seen.blocks[0].soc_pct == 50.0
    assert seen.blocks[0].reported_soc_pct is None
