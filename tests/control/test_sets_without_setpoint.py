"""Gensets that are only started and stopped: they get no power, and what they carry is left to them."""

from dataclasses import replace

import pytest

from ems.control.guard import guard
from ems.control.state import Mode
from ems.control.step import step
from ems.model.setpoints import GensetSetpoint, Setpoints
from ems.reserve import soc_floor_pct
from tests.control.scene import NOW_S, at, flat_plan, genset_kw, healthy, small, steady, with_sets
from tests.control.test_guard import CALM

DESERT = small("desert-offgrid")
KIND = DESERT.gensets[0]
# the first set follows no power, the others do
OWN = replace(KIND, id="own", unit_ids=KIND.unit_ids[:1], takes_power=False)
MIXED = replace(DESERT, gensets=(OWN, replace(KIND, unit_ids=KIND.unit_ids[1:])))
ALONE = replace(DESERT, gensets=(replace(KIND, takes_power=False),))


def test_a_set_without_setpoint_is_asked_to_run_and_for_no_power() -> None:
    picture = with_sets(healthy(ALONE, soc_pct=70.0), {"gen01": 1200.0})
    plan = flat_plan(ALONE, n_on=1, genset_kw=1500.0, load_kw=5000.0, stored_kwh=4e4)

    decision = step(ALONE, picture, plan, steady(ALONE, picture, Mode.ISLAND))

    (setpoint,) = (one for one in decision.setpoints.gensets if one.id == "gen01")
    assert (setpoint.run, setpoint.power_kw) == (True, None)
    assert [clip for clip in decision.clips if clip.asset_id == "gen01"] == []


def test_storage_carries_what_such_a_set_leaves() -> None:
    picture = with_sets(healthy(ALONE, soc_pct=70.0), {"gen01": 1200.0})
    without = healthy(ALONE, soc_pct=70.0)

    decision = step(ALONE, picture, None, steady(ALONE, picture, Mode.ISLAND))
    alone = step(ALONE, without, None, steady(ALONE, without, Mode.ISLAND))

    storage_kw, alone_kw = (sum(block.power_kw for block in one.setpoints.blocks) for one in (decision, alone))
    assert storage_kw == pytest.approx(alone_kw - 1200.0)


def test_the_sets_that_do_follow_share_what_is_left() -> None:
    # without a plan the sets take the net load inside their band
    both = with_sets(healthy(MIXED, soc_pct=70.0), {"gen01": 1200.0, "gen02": 1000.0})
    following = with_sets(healthy(DESERT, soc_pct=70.0), {"gen01": 1200.0, "gen02": 1000.0})

    mixed = step(MIXED, both, None, steady(MIXED, both, Mode.ISLAND))
    usual = step(DESERT, following, None, steady(DESERT, following, Mode.ISLAND))

    net_kw = genset_kw(usual, "gen01") + genset_kw(usual, "gen02")
    assert genset_kw(mixed, "gen02") == pytest.approx(min(net_kw - 1200.0, 1000.0 + KIND.step_frac * KIND.rated_kw))


def test_a_set_without_setpoint_is_started_when_the_store_runs_low() -> None:
    load_kw = sum(block.power_kw or 0.0 for block in healthy(ALONE).blocks)
    floor_pct = soc_floor_pct(ALONE, load_kw=load_kw, full_kwh=ALONE.full_kwh)
    picture = healthy(ALONE, soc_pct=floor_pct + ALONE.control.soc_start_above_floor_pct - 0.1)

    decision = step(ALONE, picture, None, steady(ALONE, picture, Mode.ISLAND))

    started = [one for one in decision.setpoints.gensets if one.run]
    assert started
    assert all(one.power_kw is None for one in started)


def test_held_setpoints_of_such_a_set_have_no_power_either() -> None:
    picture = with_sets(healthy(ALONE, soc_pct=70.0), {"gen01": 1200.0})
    state = steady(ALONE, picture, Mode.ISLAND)
    blind = replace(
        at(picture, NOW_S + 1.0),
        blocks=tuple(replace(block, power_kw=None, soc_pct=None, full_kwh=None) for block in picture.blocks),
    )

    decision = step(ALONE, blind, None, step(ALONE, picture, None, state).state)

    assert {one.power_kw for one in decision.setpoints.gensets} <= {None}


def test_the_guard_passes_a_run_request_without_power() -> None:
    picture = with_sets(healthy(ALONE), {"gen01": 1200.0})
    request = Setpoints(gensets=(GensetSetpoint(id="gen01", run=True, power_kw=None),))

    allowed = guard(request, ALONE, picture, CALM)

    assert allowed.setpoints.gensets == request.gensets
    assert allowed.clips == ()
