"""Devices in people's hands: OFF is not written to, MANUAL passes the guard, SEMI waits, and every mode ends."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given

from ems.control.hand import hand_alarms, left_to_rules, with_supplies, written
from ems.control.modes import IslandKind
from ems.control.state import ControlState, Mode
from ems.control.step import Decision, step
from ems.model.hand import NO_HANDS, SITE, HandMode, Hands, HandSetting
from ems.model.setpoints import BlockSetpoint, Cause, EnergiseSetpoint, Setpoints, SupplySetpoint, TieSetpoint
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from tests.control.draws import SEEDS, Draw, cases
from tests.control.scene import NOW_S, START, at, flat_plan, healthy, small, steady, with_sets

CAMPUS = small("weak-grid-campus")
DESERT = small("desert-offgrid")
SITES = pytest.mark.parametrize("site", [CAMPUS, DESERT], ids=["campus", "desert"])


def hand(mode: HandMode, *, until_s: float = NOW_S + 3600.0, **values: Any) -> HandSetting:  # values of any field
    return HandSetting(mode=mode, since_s=NOW_S, until_s=until_s, until_utc=START, **values)


def decided(site: Site, picture: SiteSnapshot, hands: Hands, state: ControlState | None = None) -> Decision:
    mode = Mode.ISLAND if site.grid is None else Mode.GRID
    return step(site, picture, None, state or steady(site, picture, mode), hands=hands)


def names(setpoints: Setpoints) -> set[str]:
    found = {block.id for block in setpoints.blocks} | {genset.id for genset in setpoints.gensets}
    found |= {pv.id for pv in setpoints.pv} | {unit.id for unit in setpoints.supplies}
    found |= {start.id for start in setpoints.energise}
    return found if setpoints.tie is None else {*found, "pcc"}


def drawn_hands(site: Site, seed: int) -> Hands:
    """Return any combination of modes, some of them ended, with setpoints that may be anything."""
    random = Random(seed)
    assets = [SITE, "pcc"]
    assets += [block.id for pool in site.batteries for block in pool.blocks]
    assets += [unit for kind in site.gensets for unit in kind.unit_ids]
    assets += [block for plant in site.pv for block in plant.block_ids]
    wild = (None, 0.0, 1e6, -1e6, float("nan"), 500.0)
    settings = {
        asset: HandSetting(
            mode=random.choice((HandMode.SEMI, HandMode.MANUAL, HandMode.OFF)),
            since_s=0.0,
            until_s=NOW_S + random.choice((-1.0, 3.0, 3600.0)),
            until_utc=START,
            power_kw=random.choice(wild),
            limit_kw=random.choice(wild),
            run=random.choice((None, True, False)),
        )
        for asset in assets
        if random.random() < (0.1 if asset == SITE else 0.6)
    }
    confirmed = {asset: NOW_S + 60.0 for asset in assets if random.random() < 0.3}
    return Hands(settings=settings, confirmed_until_s=confirmed)


@SITES
@cases(150, n_full=20_000)
@given(seed=SEEDS)
def test_no_combination_of_modes_lets_a_write_go_to_a_device_that_is_off(site: Site, seed: int) -> None:
    draw, hands = Draw(seed), drawn_hands(site, seed)
    state = steady(site, healthy(site), Mode.ISLAND if seed % 2 else Mode.GRID)
    for second in range(1, 6):
        picture = draw.snapshot(site, at_s=NOW_S + second)

        decision = step(site, picture, None, state, hands=hands)

        state = decision.state
        off = {name for name in names(decision.setpoints) if hands.mode(name, picture.at_s) is HandMode.OFF}
        assert not off - {"pcc"}
        asked = draw.request(site)
        tie = TieSetpoint(permit_close=True, request_open=False)
        passed = written(replace(asked, tie=tie), hands, picture.at_s)
        assert all(hands.mode(name, picture.at_s) is not HandMode.OFF for name in names(passed))


@SITES
@cases(150, n_full=20_000)
@given(seed=SEEDS)
def test_no_setpoint_of_a_person_passes_what_the_guard_allows(site: Site, seed: int) -> None:
    draw, hands = Draw(seed), drawn_hands(site, seed)
    pool, kind, plant = site.batteries[0], site.gensets[0], site.pv[0]
    state = steady(site, healthy(site), Mode.ISLAND if seed % 2 else Mode.GRID)
    for second in range(1, 4):
        picture = draw.snapshot(site, at_s=NOW_S + second)

        decision = step(site, picture, None, state, hands=hands)

        state = decision.state
        blocks = {block.id: block for block in picture.blocks}
        for block in decision.setpoints.blocks:
            shown = blocks[block.id]
            assert shown.controllable
            assert -min(pool.max_charge_kw, shown.max_charge_kw or 0.0) - 1e-6 <= block.power_kw
            assert block.power_kw <= min(pool.max_discharge_kw, shown.max_discharge_kw or 0.0) + 1e-6
        for genset in decision.setpoints.gensets:
            assert genset.power_kw is not None
            assert kind.min_stable_kw <= genset.power_kw <= kind.rated_kw
        assert all(0.0 <= pv.limit_kw <= plant.ac_kw for pv in decision.setpoints.pv)


@SITES
@cases(60, n_full=3_000)
@given(seed=SEEDS)
def test_every_mode_ends_by_the_monotonic_clock_and_leaves_the_decision_as_without_it(site: Site, seed: int) -> None:
    hands = drawn_hands(site, seed)
    last_s = max((each.until_s for each in hands.settings.values()), default=NOW_S)
    picture = Draw(seed).snapshot(site, at_s=last_s)
    state = steady(site, healthy(site, at_s=last_s), Mode.ISLAND)

    assert step(site, picture, None, state, hands=hands) == step(site, picture, None, state)


def test_a_block_that_is_off_counts_with_what_it_delivers_and_the_others_carry_the_rest() -> None:
    picture = healthy(DESERT, soc_pct=60.0)
    hands = Hands(settings={"bess01": hand(HandMode.OFF)})

    free, taken = decided(DESERT, picture, NO_HANDS), decided(DESERT, picture, hands)

    assert [block.id for block in taken.setpoints.blocks] == ["bess02", "bess03"]
    lost_kw = DESERT.batteries[0].max_discharge_kw - (picture.blocks[0].power_kw or 0.0)
    # its power can be lost still, so nothing is won on the side of what is required
    assert free.assessments[0].held_kw - taken.assessments[0].held_kw == pytest.approx(lost_kw, rel=0.01)
    asked_kw = sum(block.power_kw for block in taken.setpoints.blocks)
    whole_kw = sum(block.power_kw for block in free.setpoints.blocks)
    assert asked_kw == pytest.approx(whole_kw - (picture.blocks[0].power_kw or 0.0), abs=1.0)


def test_a_person_s_power_is_written_and_the_rules_share_what_is_left() -> None:
    picture = healthy(DESERT, soc_pct=60.0)
    hands = Hands(settings={"bess02": hand(HandMode.MANUAL, power_kw=300.0)})

    blocks = {block.id: block for block in decided(DESERT, picture, hands).setpoints.blocks}

    assert blocks["bess02"].power_kw == pytest.approx(300.0)
    assert blocks["bess02"].reasons[0].cause is Cause.MANUAL
    assert blocks["bess01"].power_kw == pytest.approx(blocks["bess03"].power_kw)


def test_manual_without_a_power_holds_the_setpoint_that_is_found() -> None:
    picture = healthy(CAMPUS, soc_pct=60.0)
    picture = replace(picture, blocks=(replace(picture.blocks[0], setpoint_kw=250.0), *picture.blocks[1:]))
    hands = Hands(settings={"bess01": hand(HandMode.MANUAL)})

    blocks = {block.id: block.power_kw for block in decided(CAMPUS, picture, hands).setpoints.blocks}

    assert blocks["bess01"] == pytest.approx(250.0)


def test_a_set_runs_and_rests_as_a_person_says_and_the_guard_keeps_its_minimum_run() -> None:
    picture = healthy(DESERT, soc_pct=60.0)
    start = Hands(settings={"gen02": hand(HandMode.MANUAL, run=True, power_kw=800.0)})
    sets = {one.id: one for one in decided(DESERT, picture, start).setpoints.gensets}
    assert sets["gen02"].run
    assert not sets["gen01"].run

    carrying = with_sets(picture, {"gen02": 1000.0})
    state = steady(DESERT, carrying, Mode.ISLAND)
    tracks = {**state.gensets, "gen02": replace(state.gensets["gen02"], carries_since_s=NOW_S - 60.0)}
    stop = Hands(settings={"gen02": hand(HandMode.MANUAL, run=False)})
    decision = decided(DESERT, carrying, stop, replace(state, gensets=tracks))

    assert "gen02" not in {one.id for one in decision.setpoints.gensets}
    assert any(clip.asset_id == "gen02" and "minimum run" in clip.reason for clip in decision.clips)


def test_a_set_in_semi_proposes_its_start_while_another_set_starts_at_once() -> None:
    # a plan that wants one set
    picture = healthy(DESERT, soc_pct=60.0)
    plan = flat_plan(DESERT, n_on=1, genset_kw=1500.0, load_kw=5000.0, stored_kwh=2e4)
    state = steady(DESERT, picture, Mode.ISLAND)
    everything = {unit: hand(HandMode.SEMI) for kind in DESERT.gensets for unit in kind.unit_ids}

    free = step(DESERT, picture, plan, state)
    (first,) = [unit for unit, track in free.state.gensets.items() if track.wanted]
    one = step(DESERT, picture, plan, state, hands=Hands(settings={first: hand(HandMode.SEMI)}))
    none = step(DESERT, picture, plan, state, hands=Hands(settings=everything))
    site = step(DESERT, picture, plan, state, hands=Hands(settings={SITE: hand(HandMode.SEMI)}))
    confirmed = Hands(settings=everything, confirmed_until_s={first: NOW_S + 60.0})
    let = step(DESERT, picture, plan, state, hands=confirmed)

    wanted = [unit for unit, track in one.state.gensets.items() if track.wanted]
    assert len(wanted) == 1
    assert first not in wanted
    assert not any(track.wanted for track in none.state.gensets.values())
    assert "waits for a confirmation" in none.proposals[first]
    assert site.proposals == none.proposals
    assert [unit for unit, track in let.state.gensets.items() if track.wanted] == [first]
    assert first not in let.proposals


def test_a_running_set_in_semi_is_not_stopped_before_somebody_agrees() -> None:
    picture = with_sets(healthy(DESERT, soc_pct=90.0), {"gen01": 1000.0})
    plan = flat_plan(DESERT, n_on=0, load_kw=5000.0, pv_kw=6000.0, pv_q10_kw=6000.0, stored_kwh=2e4)
    state = steady(DESERT, picture, Mode.ISLAND)
    state = replace(state, gensets={**state.gensets, "gen01": replace(state.gensets["gen01"], cause=Cause.PLAN)})

    free = step(DESERT, picture, plan, state)
    held = step(DESERT, picture, plan, state, hands=Hands(settings={"gen01": hand(HandMode.SEMI)}))

    assert not free.state.gensets["gen01"].wanted
    assert held.state.gensets["gen01"].wanted
    assert "stop gen01" in held.proposals["gen01"]


def test_what_waits_for_a_confirmation_is_neither_energised_nor_switched() -> None:
    asked = Setpoints(energise=(EnergiseSetpoint(id="bess01"),), tie=TieSetpoint(permit_close=True, request_open=False))
    semi = Hands(settings={SITE: hand(HandMode.SEMI)})
    agreed = replace(semi, confirmed_until_s={SITE: NOW_S + 10.0})

    passed = written(asked, semi, NOW_S)

    assert passed.tie == TieSetpoint(permit_close=False, request_open=False)
    assert written(asked, agreed, NOW_S) == asked
    assert written(asked, agreed, NOW_S + 10.0).tie == passed.tie
    assert written(asked, Hands(settings={"pcc": hand(HandMode.OFF)}), NOW_S).tie is None


def test_the_stricter_of_site_and_device_counts() -> None:
    hands = Hands(settings={SITE: hand(HandMode.MANUAL), "bess01": hand(HandMode.SEMI), "gen01": hand(HandMode.OFF)})

    assert hands.mode("bess01", NOW_S) is HandMode.MANUAL
    assert hands.mode("gen01", NOW_S) is HandMode.OFF
    assert hands.mode("pv01", NOW_S) is HandMode.MANUAL
    assert hands.mode("pv01", NOW_S + 3600.0) is HandMode.AUTO


def test_a_site_that_is_off_writes_nothing_and_begins_anew_afterwards() -> None:
    picture = healthy(DESERT, soc_pct=60.0)
    hands = Hands(settings={SITE: hand(HandMode.OFF)})

    decision = decided(DESERT, picture, hands)

    assert names(decision.setpoints) == set()
    later = step(DESERT, at(picture, NOW_S + 3600.0), None, decision.state, hands=hands)
    assert later.forming is not None
    assert later.island is IslandKind.BATTERY


def test_supply_temperatures_follow_people_and_leave_a_unit_that_is_off() -> None:
    asked = (SupplySetpoint(id="cdu01", supply_degc=32.0), SupplySetpoint(id="cdu02", supply_degc=32.0))
    hands = Hands(settings={"cdu01": hand(HandMode.MANUAL, supply_degc=28.0), "cdu02": hand(HandMode.OFF)})

    (left,) = with_supplies(asked, hands, NOW_S)

    assert (left.id, left.supply_degc) == ("cdu01", 28.0)


def test_planning_is_told_that_a_device_in_hands_takes_no_setpoints() -> None:
    picture = healthy(DESERT)
    hands = Hands(settings={"bess01": hand(HandMode.MANUAL, power_kw=0.0)})

    assert [block.controllable for block in left_to_rules(picture, hands).blocks] == [False, True, True]
    assert left_to_rules(picture, NO_HANDS) is picture


def test_a_device_that_was_forgotten_in_somebody_s_hands_is_an_alarm() -> None:
    long_s = DESERT.control.hand.long_s
    hands = Hands(settings={"bess01": hand(HandMode.MANUAL, until_s=NOW_S + 2.0 * long_s)})

    assert hand_alarms(DESERT, hands, NOW_S + long_s - 1.0) == {}
    assert set(hand_alarms(DESERT, hands, NOW_S + long_s)) == {"hand:bess01"}
    assert hand_alarms(DESERT, hands, NOW_S + 2.0 * long_s) == {}


def test_a_block_setpoint_of_nobody_is_not_invented() -> None:
    picture = healthy(DESERT)
    unknown = replace(picture.blocks[0], setpoint_kw=None, forming=True)
    hands = Hands(settings={"bess01": hand(HandMode.MANUAL)})

    decision = decided(DESERT, replace(picture, blocks=(unknown, *picture.blocks[1:])), hands)

    assert "bess01" not in {block.id for block in decision.setpoints.blocks}
    assert all(isinstance(block, BlockSetpoint) for block in decision.setpoints.blocks)
