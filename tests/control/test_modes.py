"""Changes of mode follow what is measured, and nothing else."""

from dataclasses import replace

import pytest

from ems.control.modes import missing_values
from ems.control.state import ControlState, Mode
from ems.control.step import step
from ems.model.setpoints import Setpoints
from ems.model.snapshot import LoadState, SiteSnapshot
from tests.control.scene import (
    NOW_S,
    at,
    healthy,
    run_for,
    small,
    steady,
    unheard_block,
    unheard_genset,
    with_sets,
)

CAMPUS = small("weak-grid-campus")
DESERT = small("desert-offgrid")
FRESH = ControlState(mode_since_s=NOW_S)
WAIT_S = CAMPUS.control.adopt_wait_s
UNKNOWN = LoadState(load_kw=None, load_max_kw=None, energy_wh=None)


def test_a_fresh_controller_holds_what_it_finds_until_it_has_settled() -> None:
    decisions = run_for(CAMPUS, healthy(CAMPUS), FRESH, WAIT_S + 1.0)

    assert [decision.state.mode for decision in decisions] == [Mode.INIT] * round(WAIT_S) + [Mode.GRID]
    # powers are held as they are found, nothing else is written
    found = {block.id: block.setpoint_kw for block in healthy(CAMPUS).blocks}
    for decision in decisions[:-1]:
        assert {block.id: block.power_kw for block in decision.setpoints.blocks} == found
        assert replace(decision.setpoints, blocks=()) == Setpoints()
    assert decisions[-1].setpoints.gensets


def test_init_ends_in_an_island_where_the_breaker_is_open() -> None:
    decisions = run_for(CAMPUS, _breaker_open(healthy(CAMPUS)), FRESH, WAIT_S + 1.0)

    assert decisions[-1].state.mode is Mode.ISLAND
    assert decisions[-1].change is not None
    assert decisions[-1].change.reason == "the PCC breaker is open"


def test_init_lasts_while_the_picture_is_incomplete() -> None:
    picture = healthy(CAMPUS)
    incomplete = replace(picture, blocks=(unheard_block(picture.blocks[0]), *picture.blocks[1:]))

    decisions = run_for(CAMPUS, incomplete, FRESH, 20.0)

    assert missing_values(CAMPUS, incomplete) == ("bess01",)
    assert {decision.state.mode for decision in decisions} == {Mode.INIT}
    assert all(decision.setpoints == Setpoints() for decision in decisions)


def test_init_goes_on_without_a_dead_block_after_its_time_out() -> None:
    picture = healthy(CAMPUS)
    incomplete = replace(picture, blocks=(unheard_block(picture.blocks[0]), *picture.blocks[1:]))

    last = run_for(CAMPUS, incomplete, FRESH, 21.0)[-1]

    assert last.state.mode is Mode.GRID
    assert {block.id for block in last.setpoints.blocks} == {"bess02", "bess03"}


def test_init_ends_degraded_where_the_breaker_is_unknown() -> None:
    picture = healthy(CAMPUS)
    assert picture.pcc is not None
    blind = replace(picture, pcc=replace(picture.pcc, breaker_closed=None))

    last = run_for(CAMPUS, blind, FRESH, 21.0)[-1]

    assert last.state.mode is Mode.DEGRADED


def test_an_open_breaker_makes_an_island_in_the_same_cycle() -> None:
    picture = healthy(CAMPUS)

    decision = step(CAMPUS, _breaker_open(picture), None, steady(CAMPUS, picture, Mode.GRID))

    assert decision.state.mode is Mode.UNPLANNED_ISLANDING
    assert decision.state.grid_lost_since_s == picture.at_s
    assert decision.import_target_kw is None


def test_an_island_counts_as_formed_once_it_has_been_in_band_for_a_while() -> None:
    picture = healthy(CAMPUS)

    decisions = run_for(CAMPUS, _breaker_open(picture), steady(CAMPUS, picture, Mode.GRID), 12.0)

    stable_s = round(CAMPUS.control.modes.island_stable_s)
    modes = [decision.state.mode for decision in decisions]
    assert modes == [Mode.UNPLANNED_ISLANDING] * stable_s + [Mode.ISLAND] * (12 - stable_s)


@pytest.mark.parametrize(("voltage_frac", "mode"), [(0.79, Mode.UNPLANNED_ISLANDING), (0.81, Mode.GRID)])
def test_lost_voltage_counts_as_lost_grid_while_the_breaker_still_reads_closed(voltage_frac: float, mode: Mode) -> None:
    picture = healthy(CAMPUS)
    assert picture.pcc is not None
    sagging = replace(picture, pcc=replace(picture.pcc, grid_voltage_frac=voltage_frac))

    decisions = run_for(CAMPUS, sagging, steady(CAMPUS, picture, Mode.GRID), 2.0)

    assert decisions[0].state.mode is Mode.GRID
    assert decisions[1].state.mode is mode


def test_a_dip_that_every_unit_rides_through_changes_nothing() -> None:
    picture = healthy(CAMPUS)
    assert picture.pcc is not None
    dip = replace(picture, pcc=replace(picture.pcc, grid_voltage_frac=0.3))

    first = step(CAMPUS, dip, None, steady(CAMPUS, picture, Mode.GRID))
    second = step(CAMPUS, at(picture, NOW_S + 1.0), None, first.state)

    assert [first.change, second.change] == [None, None]


def test_high_import_or_odd_frequency_make_no_island() -> None:
    picture = healthy(CAMPUS)
    assert picture.pcc is not None
    odd = replace(picture, pcc=replace(picture.pcc, power_kw=0.0, frequency_hz=58.0), frequency_hz=58.0)

    decision = step(CAMPUS, odd, None, steady(CAMPUS, picture, Mode.GRID))

    assert decision.state.mode is Mode.GRID
    assert decision.change is None


def test_a_closed_breaker_ends_the_island() -> None:
    island = _breaker_open(healthy(CAMPUS))
    state = replace(steady(CAMPUS, island, Mode.ISLAND), grid_lost_since_s=NOW_S - 600.0)

    decision = step(CAMPUS, healthy(CAMPUS), None, state)
    after = step(CAMPUS, at(healthy(CAMPUS), NOW_S + 1.0), None, decision.state)

    assert decision.state.mode is Mode.GRID
    assert after.state.grid_lost_since_s is None


def test_a_site_without_grid_is_an_island() -> None:
    decisions = run_for(DESERT, healthy(DESERT), FRESH, WAIT_S + 1.0)

    assert decisions[-1].state.mode is Mode.ISLAND


def test_most_blocks_silent_degrades_and_holds_the_last_setpoints() -> None:
    picture = healthy(DESERT)
    before = step(DESERT, picture, None, steady(DESERT, picture, Mode.ISLAND))
    dark = replace(picture, blocks=(*map(unheard_block, picture.blocks[:2]), picture.blocks[2]))

    decision = step(DESERT, at(dark, NOW_S + 1.0), None, before.state)

    held = {block.id: block.power_kw for block in before.setpoints.blocks}
    assert decision.state.mode is Mode.DEGRADED
    assert decision.change is not None
    assert decision.change.reason == "only 1 of 3 AC blocks answer"
    assert {block.id: block.power_kw for block in decision.setpoints.blocks} == {"bess03": held["bess03"]}


def test_half_of_the_blocks_are_enough_to_go_on() -> None:
    site = small("desert-offgrid")
    pool = site.batteries[0]
    site = replace(site, batteries=(replace(pool, blocks=pool.blocks[:2]),))
    picture = healthy(site)
    half = replace(picture, blocks=(unheard_block(picture.blocks[0]), picture.blocks[1]))

    decision = step(site, half, None, steady(site, picture, Mode.ISLAND))

    assert decision.state.mode is Mode.ISLAND


def test_degraded_is_left_through_init_after_the_cause_has_been_gone_for_a_while() -> None:
    picture = healthy(DESERT)
    state = replace(steady(DESERT, picture, Mode.DEGRADED), held_since_s={})
    clear_s = DESERT.control.degraded_clear_s

    decisions = run_for(DESERT, picture, state, clear_s + WAIT_S + 1.0)

    modes = [decision.state.mode for decision in decisions]
    expected = [Mode.DEGRADED] * round(clear_s) + [Mode.INIT] * round(WAIT_S) + [Mode.ISLAND]
    assert modes == expected


def test_a_cause_that_comes_back_starts_the_wait_again() -> None:
    picture = healthy(DESERT)
    lost = replace(picture, it=UNKNOWN, blocks=(*map(unheard_block, picture.blocks[:2]), picture.blocks[2]))
    state = replace(steady(DESERT, picture, Mode.DEGRADED), held_since_s={})
    state = run_for(DESERT, picture, state, 8.0)[-1].state

    state = step(DESERT, at(lost, NOW_S + 8.0), None, state).state
    after = run_for(DESERT, at(picture, NOW_S + 9.0), state, 9.0)[-1]

    assert after.state.mode is Mode.DEGRADED


def test_degraded_stops_no_set() -> None:
    picture = with_sets(healthy(DESERT, soc_pct=95.0), {"gen01": 1500.0})
    dark = replace(picture, blocks=(*map(unheard_block, picture.blocks[:2]), picture.blocks[2]))
    state = steady(DESERT, picture, Mode.DEGRADED)

    decisions = run_for(DESERT, dark, state, 30.0)

    runs = {setpoint.run for d in decisions for setpoint in d.setpoints.gensets if setpoint.id == "gen01"}
    assert runs == {True}


def test_a_load_that_was_never_known_is_not_taken_for_zero() -> None:
    picture = healthy(DESERT)
    blind = replace(
        picture,
        it=UNKNOWN,
        blocks=(unheard_block(picture.blocks[0]), *picture.blocks[1:]),
        gensets=tuple(map(unheard_genset, picture.gensets)),
    )

    decisions = run_for(DESERT, blind, FRESH, 25.0)

    assert decisions[-1].state.mode is Mode.DEGRADED
    assert all(decision.setpoints == Setpoints() for decision in decisions)
    assert decisions[-1].powers.load_kw is None


def test_a_running_set_is_adopted_although_the_load_was_unknown_until_after_init() -> None:
    picture = with_sets(healthy(DESERT, soc_pct=90.0), {"gen01": 1500.0})
    blind = replace(picture, it=UNKNOWN, spread_s=9.0)
    state = run_for(DESERT, blind, FRESH, 25.0)[-1].state

    decisions = run_for(DESERT, at(picture, NOW_S + 25.0), state, 30.0)

    runs = [setpoint.run for d in decisions for setpoint in d.setpoints.gensets if setpoint.id == "gen01"]
    assert runs
    assert all(runs)


def test_the_load_is_taken_from_the_sources_where_a_meter_is_silent() -> None:
    picture = healthy(DESERT)

    decision = step(DESERT, replace(picture, it=UNKNOWN), None, steady(DESERT, picture, Mode.ISLAND))

    assert decision.state.mode is Mode.ISLAND
    assert decision.powers.load_kw == pytest.approx(sum(block.power_kw or 0.0 for block in picture.blocks))


def test_samples_that_lie_too_far_apart_make_no_balance() -> None:
    picture = replace(healthy(DESERT), it=UNKNOWN, spread_s=1.6)

    decision = step(DESERT, picture, None, steady(DESERT, healthy(DESERT), Mode.ISLAND))

    assert decision.powers.load_kw is None
    assert decision.state.mode is Mode.DEGRADED


def _breaker_open(picture: SiteSnapshot) -> SiteSnapshot:
    assert picture.pcc is not None
    return replace(
        picture,
        pcc=replace(picture.pcc, breaker_closed=False, power_kw=0.0, grid_voltage_frac=0.0),
        blocks=tuple(
            replace(block, power_kw=(picture.pcc.power_kw or 0.0) / len(picture.blocks)) for block in picture.blocks
        ),
    )
