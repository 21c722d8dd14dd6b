"""Racks that are unevenly charged: a block gives and takes as much as the emptiest and the fullest of them allow."""

from dataclasses import replace

import pytest

from ems.control.measurement import Storage, measure_storage
from ems.control.state import Mode
from ems.model.racks import EVEN, RackSpread
from ems.model.site import Site
from ems.model.units import frac
from ems.runtime.condition import condition_of
from tests.control.scene import healthy, small, steady

SITE = small("desert-offgrid")
POOL = SITE.batteries[0]
APART = RackSpread(below_pct=4.0, above_pct=3.0, within_pct=7.0)


def storage(site: Site, spread: RackSpread) -> Storage:
    picture = healthy(site)
    picture = replace(picture, blocks=tuple(replace(block, spread=spread) for block in picture.blocks))
    state = steady(site, picture, Mode.ISLAND)
    return measure_storage(site, picture, stored_kwh=state.stored_kwh, load_kw=1000.0)


def test_a_block_keeps_back_what_its_emptiest_rack_lacks_and_leaves_out_what_its_fullest_has_more() -> None:
    even, apart = storage(SITE, EVEN), storage(SITE, APART)

    assert apart.tech_kwh - even.tech_kwh == pytest.approx(0.04 * even.full_kwh)
    assert apart.floor_kwh - even.floor_kwh == pytest.approx(0.04 * even.full_kwh)
    assert even.max_kwh - apart.max_kwh == pytest.approx(0.03 * even.full_kwh)
    assert apart.stored_kwh == even.stored_kwh


def test_a_full_charge_goes_on_until_the_bms_ends_it_although_a_rack_is_ahead() -> None:
    opened = replace(POOL, soc_max_pct=100.0)

    assert opened.highest_kwh(1000.0, APART) == 1000.0
    assert POOL.highest_kwh(1000.0, APART) == pytest.approx(frac(POOL.soc_max_pct - 3.0) * 1000.0)


def test_the_plan_is_told_of_the_energy_and_of_the_widest_container() -> None:
    picture = healthy(SITE)
    first, *others = picture.blocks
    picture = replace(picture, blocks=(replace(first, spread=APART), *others))

    (pool,) = condition_of(SITE, picture, steady(SITE, picture, Mode.ISLAND)).pools

    assert pool.spread_below_kwh == pytest.approx(0.04 * (first.full_kwh or POOL.block_kwh))
    assert pool.spread_above_kwh == pytest.approx(0.03 * (first.full_kwh or POOL.block_kwh))
    assert pool.rack_spread_pct == 7.0
