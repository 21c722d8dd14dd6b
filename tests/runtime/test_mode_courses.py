"""Whole courses on the port twin: islanding, return, dead bus, black start, emergency stop."""

from dataclasses import replace

import pytest

from ems.control.guard import Rule
from ems.control.modes import IslandKind
from ems.control.state import Forming, Mode
from ems.model.requests import OperatorRequests
from ems.model.setpoints import Setpoints
from tests.runtime.tied import RULES, on_grid


def test_a_lost_grid_becomes_an_island_and_comes_back_through_the_sync_check() -> None:
    site = on_grid()

    site.lose_grid()
    site.until_mode(Mode.ISLAND, 30)
    site.lose_grid(lost=False)
    back = site.until_mode(Mode.GRID, 400)

    assert site.modes == [Mode.GRID, Mode.UNPLANNED_ISLANDING, Mode.ISLAND, Mode.RESYNC, Mode.GRID]
    assert back.decision.forming is Forming.GRID
    assert site.tie.n_closed == 1
    assert site.unserved_kwh == 0.0


def test_the_forming_role_goes_from_the_grid_to_the_pcs_and_back_without_a_gap() -> None:
    site = on_grid()
    site.lose_grid()

    roles = [site.run(1).decision.forming for _ in range(30)]

    assert set(roles) <= {Forming.GRID, Forming.PCS}
    assert roles[-1] is Forming.PCS


def test_the_grid_must_be_healthy_for_its_time_before_a_permit_is_given() -> None:
    site = on_grid()
    site.lose_grid()
    site.until_mode(Mode.ISLAND, 30)
    site.lose_grid(lost=False)
    began_s = site.clock.monotonic_s()

    record = site.until_mode(Mode.RESYNC, 100)

    assert record.snapshot.at_s - began_s >= RULES.healthy_s


def test_a_device_that_finds_no_match_is_left_alone_for_twice_as_long() -> None:
    site = on_grid(rules=replace(RULES, timeout_s=20.0, window_hz=1e-9))
    site.lose_grid()
    site.until_mode(Mode.ISLAND, 30)
    site.lose_grid(lost=False)

    first = site.until_mode(Mode.RESYNC, 100).snapshot.at_s
    ended = site.until_mode(Mode.ISLAND, 60).snapshot.at_s
    second = site.until_mode(Mode.RESYNC, 300).snapshot.at_s
    again = site.until_mode(Mode.ISLAND, 60).snapshot.at_s
    third = site.until_mode(Mode.RESYNC, 600).snapshot.at_s

    assert ended - first == pytest.approx(20.0)
    assert second - ended == pytest.approx(2.0 * RULES.healthy_s, abs=1.0)
    assert third - again == pytest.approx(4.0 * RULES.healthy_s, abs=1.0)
    assert site.tie.n_refused > 0


def test_a_grid_that_flickers_is_tried_no_more_than_so_often_in_an_hour() -> None:
    site = on_grid(rules=replace(RULES, healthy_s=20.0))
    for _ in range(6):
        site.lose_grid()
        site.run(30)
        site.lose_grid(lost=False)
        site.run(110)

    assert site.modes.count(Mode.RESYNC) == RULES.max_per_h
    assert site.modes[-1] is Mode.ISLAND
    assert site.unserved_kwh == 0.0


def test_a_grid_that_goes_again_during_the_attempt_leaves_an_island() -> None:
    site = on_grid(rules=replace(RULES, window_hz=1e-9))
    site.lose_grid()
    site.until_mode(Mode.ISLAND, 30)
    site.lose_grid(lost=False)
    site.until_mode(Mode.RESYNC, 100)

    site.lose_grid()
    record = site.until_mode(Mode.ISLAND, 5)

    assert record.decision.state.mode_reason == "the grid is not healthy any more"
    assert site.tie.permit is False


def test_an_operator_who_wants_to_stay_an_island_is_obeyed() -> None:
    site = on_grid()
    site.ask(OperatorRequests(stay_island=True))
    site.lose_grid()
    site.until_mode(Mode.ISLAND, 30)
    site.lose_grid(lost=False)

    site.run(200)

    assert site.modes[-1] is Mode.ISLAND


def test_a_planned_islanding_brings_the_exchange_to_zero_and_then_opens() -> None:
    site = on_grid()
    site.ask(OperatorRequests(island=True))

    site.until_mode(Mode.PLANNED_ISLANDING, 5)
    last = site.until_mode(Mode.ISLAND, 120)
    site.ask(OperatorRequests())
    site.until_mode(Mode.GRID, 400)

    assert site.modes == [Mode.PLANNED_ISLANDING, Mode.ISLAND, Mode.RESYNC, Mode.GRID]
    assert last.decision.forming is Forming.PCS
    assert last.decision.island is IslandKind.BATTERY
    assert site.unserved_kwh == 0.0


def test_the_wrong_group_of_protection_settings_forbids_a_planned_islanding() -> None:
    site = on_grid()
    site.tie.group = 2
    site.run(2)
    site.ask(OperatorRequests(island=True))

    record = site.run(30)

    assert record.decision.state.mode is Mode.GRID
    assert record.decision.state.islanding_refusal == "protection settings group for the island is 2, not 1"


def test_a_request_in_the_very_cycle_in_which_the_settings_group_changes_is_refused() -> None:
    site = on_grid()

    site.tie.group = 2
    site.ask(OperatorRequests(island=True))
    site.run(60)

    assert site.modes == [Mode.GRID]


def test_a_group_that_changes_on_the_way_to_the_island_ends_the_attempt_before_the_breaker_opens() -> None:
    site = on_grid()
    site.ask(OperatorRequests(island=True))
    site.until_mode(Mode.PLANNED_ISLANDING, 10)

    site.tie.group = 2
    site.run(60)

    assert site.modes == [Mode.PLANNED_ISLANDING, Mode.GRID]


def test_a_pcs_whose_fall_back_is_not_armed_forbids_a_planned_islanding() -> None:
    site = on_grid()
    block = next(iter(site.plant.blocks.values()))
    block.watchdog_s = None
    site.run(2)
    site.ask(OperatorRequests(island=True))

    record = site.run(30)

    assert record.decision.state.mode is Mode.GRID
    assert record.decision.state.islanding_refusal == (
        f"the fall-back of {block.id} for a silent controller is not armed"
    )


def test_a_dip_of_the_grid_s_voltage_neither_opens_nor_sheds_anything() -> None:
    site = on_grid()
    assert site.plant.grid is not None

    site.plant.grid.dip_frac = 0.5
    site.run(1)
    site.plant.grid.dip_frac = None
    site.run(30)

    assert site.modes == [Mode.GRID]
    assert site.plant.grid.breaker_closed
    assert site.unserved_kwh == 0.0


def test_a_dead_bus_is_started_black_step_by_step() -> None:
    site = on_grid()
    site.lose_grid()
    site.until_mode(Mode.ISLAND, 30)

    site.trip_everything()
    dead = site.until_mode(Mode.DEAD_BUS, 10)
    site.until_mode(Mode.ISLAND, 900)

    assert dead.decision.forming is Forming.NONE
    assert site.modes[-3:] == [Mode.DEAD_BUS, Mode.BLACK_START, Mode.ISLAND]
    record = site.run(200)
    assert record.decision.state.mode is Mode.ISLAND
    assert site.plant.unserved_kw == 0.0


def test_racks_come_back_after_cooling_and_pv_after_the_racks() -> None:
    site = on_grid()
    site.lose_grid()
    site.until_mode(Mode.ISLAND, 30)
    site.trip_everything()
    site.until_mode(Mode.BLACK_START, 10)
    steps: list[str] = []

    def note(*, step: str) -> None:
        if not steps or steps[-1] != step:
            steps.append(step)

    for _ in range(600):
        record = site.run(1)
        if record.decision.state.mode is not Mode.BLACK_START:
            break
        note(step=record.decision.state.black_start.step.value)

    assert steps == ["energise", "controls", "cooling", "racks", "pv", "gensets", "done"]


def test_a_step_that_fails_twice_waits_for_an_operator() -> None:
    site = on_grid()
    site.lose_grid()
    site.until_mode(Mode.ISLAND, 30)
    for genset in site.plant.gensets.values():
        genset.out_of_service = True
    for block in site.plant.blocks.values():
        block.trip()
        # the PCS answer and do not come up
        block.starts_in_s = 1e9

    site.until_mode(Mode.BLACK_START, 10)
    held = site.until_mode(Mode.DEAD_BUS, 600)
    site.run(120)

    assert site.modes[-1] is Mode.DEAD_BUS
    assert "not confirmed in 2 tries" in (held.decision.state.black_start.hold or "")


def test_nothing_is_stopped_or_opened_while_a_black_start_is_under_way() -> None:
    site = on_grid()
    site.lose_grid()
    site.until_mode(Mode.ISLAND, 30)
    site.trip_everything()
    site.until_mode(Mode.BLACK_START, 10)

    clips = []
    while (record := site.run(1)).decision.state.mode is Mode.BLACK_START:
        clips += [clip for clip in record.decision.clips if clip.rule is Rule.INTERLOCK]

    assert clips == []


def test_an_emergency_stop_ends_all_writing_until_it_is_reset() -> None:
    site = on_grid()
    site.ask(OperatorRequests(e_stop=True))

    stopped = site.until_mode(Mode.E_STOP, 3)
    site.ask(OperatorRequests())
    later = site.run(60)
    site.ask(OperatorRequests(leave_e_stop=True))
    site.run(1)
    site.ask(OperatorRequests())
    site.until_mode(Mode.GRID, 60)

    assert stopped.decision.setpoints == Setpoints()
    assert later.decision.setpoints == Setpoints()
    assert later.decision.state.mode is Mode.E_STOP
    assert site.modes == [Mode.E_STOP, Mode.INIT, Mode.GRID]
