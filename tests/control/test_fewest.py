"""Few blocks share a low power: the fullest first, for a while, and never at the cost of reserve."""

from dataclasses import replace

import pytest

from ems.control.allocation import BlockShare
from ems.control.fewest import Working, fewest
from ems.control.guard import GuardContext, guard
from ems.control.state import Mode
from ems.control.step import Decision, step
from ems.model.setpoints import BlockSetpoint, Setpoints
from ems.model.site import Site
from tests.control.scene import flat_plan, healthy, shipped, small, steady

CAMPUS = small("weak-grid-campus")
WHOLE = shipped("weak-grid-campus")


def _shares(*levels: float, cap_kw: float = 1000.0) -> tuple[BlockShare, ...]:
    return tuple(
        BlockShare(id=f"b{number}", weight_kwh=level, cap_kw=cap_kw, rated_kw=1000.0, full_kwh=4000.0)
        for number, level in enumerate(levels)
    )


def _chosen(total_kw: float, shares: tuple[BlockShare, ...], before: Working, *, now_s: float) -> Working:
    return fewest(shares, total_kw, before, load_frac=0.25, hold_s=900.0, now_s=now_s)


@pytest.mark.parametrize(("total_kw", "n"), [(0.0, 1), (100.0, 1), (250.0, 1), (251.0, 2), (900.0, 4), (5000.0, 4)])
def test_as_many_blocks_as_the_power_needs(total_kw: float, n: int) -> None:
    assert len(_chosen(total_kw, _shares(1000.0, 2000.0, 3000.0, 1500.0), Working(), now_s=0.0).ids) == n


def test_the_fullest_come_first_and_stay_for_a_while() -> None:
    first = _chosen(400.0, _shares(1000.0, 2000.0, 3000.0), Working(), now_s=0.0)
    drained = _shares(1000.0, 2000.0, 500.0)

    assert first.ids == ("b2", "b1")
    assert _chosen(400.0, drained, first, now_s=899.0).ids == ("b2", "b1")
    assert _chosen(400.0, drained, first, now_s=900.0).ids == ("b1", "b0")


def test_more_power_takes_more_blocks_at_once_and_less_gives_none_up_before_its_time() -> None:
    first = _chosen(200.0, _shares(1000.0, 2000.0, 3000.0), Working(), now_s=0.0)

    more = _chosen(700.0, _shares(1000.0, 2000.0, 3000.0), first, now_s=10.0)

    assert more.ids == ("b2", "b1", "b0")
    assert _chosen(100.0, _shares(1000.0, 2000.0, 3000.0), more, now_s=20.0).ids == more.ids


def test_a_block_that_cannot_is_replaced_at_once() -> None:
    first = _chosen(200.0, _shares(1000.0, 2000.0, 3000.0), Working(), now_s=0.0)

    assert _chosen(200.0, _shares(1000.0, 2000.0, 0.0), first, now_s=10.0).ids == ("b1",)


def test_caps_count_beside_the_load() -> None:
    assert len(_chosen(240.0, _shares(3000.0, 2000.0, 1000.0, cap_kw=100.0), Working(), now_s=0.0).ids) == 3


def test_a_low_power_is_not_spread_over_all_pcs() -> None:
    decision = _on_grid(WHOLE, storage_kw=400.0)

    powers = [block.power_kw for block in decision.setpoints.blocks]
    assert sum(powers) == pytest.approx(400.0)
    assert 0 < sum(power > 0.0 for power in powers) < len(powers) / 2
    assert set(decision.state.working.ids) == {block.id for block in decision.setpoints.blocks if block.power_kw}


def test_all_share_where_that_is_configured() -> None:
    site = replace(WHOLE, control=replace(WHOLE.control, fewest_units_frac=0.0))

    assert all(block.power_kw > 0.0 for block in _on_grid(site, storage_kw=400.0).setpoints.blocks)


def test_all_share_where_reserve_would_be_short() -> None:
    # without room for the loss of the block that carries everything
    weak = replace(WHOLE, reserve=replace(WHOLE.reserve, swing_kw=1e6))

    assert all(block.power_kw < 0.0 for block in _on_grid(weak, storage_kw=-400.0).setpoints.blocks)


def test_the_guard_leaves_no_power_that_a_pcs_does_not_accept() -> None:
    pool = CAMPUS.batteries[0]
    site = replace(CAMPUS, batteries=(replace(pool, min_power_kw=60.0),))
    picture = healthy(site, soc_pct=70.0)
    asked = Setpoints(blocks=tuple(BlockSetpoint(id=block.id, power_kw=-70.0) for block in picture.blocks))
    assert site.grid is not None
    assert picture.pcc is not None
    # of 210 kW of charge the connection has room for 150
    full = replace(site, grid=replace(site.grid, import_limit_kw=(picture.pcc.power_kw or 0.0) + 150.0))

    calm = GuardContext(mode=Mode.GRID, dt_s=1.0, stored_kwh=9e4, floor_kwh=1e4, r0_margin_kw=1000.0)

    allowed = guard(asked, full, picture, calm)

    assert {block.power_kw for block in allowed.setpoints.blocks} == {0.0}
    assert any("accepts no power below 60 kW" in clip.reason for clip in allowed.clips)


def _on_grid(site: Site, *, storage_kw: float) -> Decision:
    picture = healthy(site, soc_pct=70.0)
    plan = flat_plan(site, load_kw=5000.0, storage_kw=storage_kw, stored_kwh=4e4)
    return step(site, picture, plan, steady(site, picture, Mode.GRID))
