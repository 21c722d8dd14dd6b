"""The mode table itself: complete, without dead ends, and with permissions that keep the plant safe."""

from dataclasses import replace

import pytest

from ems.control.guard import GuardContext, Rule, guard
from ems.control.modes import BY_MODE, TABLE, Condition, Write, allows
from ems.control.modes.table import Span, span_s
from ems.control.state import Mode
from ems.model.setpoints import BlockSetpoint, EnergiseSetpoint, GensetSetpoint, PvSetpoint, Setpoints, TieSetpoint
from tests.control.scene import healthy, running, small

DESERT = small("desert-offgrid")
CAMPUS = small("weak-grid-campus")
PASSING = (Mode.PLANNED_ISLANDING, Mode.UNPLANNED_ISLANDING, Mode.RESYNC, Mode.BLACK_START)


def test_the_table_has_every_mode_once_in_the_order_of_its_numbers() -> None:
    assert [row.mode for row in TABLE] == list(Mode)
    assert [row.number for row in TABLE] == [f"S{number}" for number in range(len(Mode))]


def test_every_mode_leads_back_to_a_steady_one_and_is_reached_from_init() -> None:
    reached = {mode: _reached(mode) for mode in Mode}

    assert reached[Mode.INIT] == set(Mode)
    assert all({Mode.GRID, Mode.ISLAND} <= modes for modes in reached.values())


@pytest.mark.parametrize("mode", PASSING)
def test_a_passing_mode_ends_by_time_alone_at_last(mode: Mode) -> None:
    time_outs = [way for way in BY_MODE[mode].exits if way.is_time_out]

    assert len(time_outs) == 1
    assert all(held.span is not Span.NOW for held in time_outs[0].when)


def test_no_exit_is_taken_for_nothing_but_time_except_a_time_out_of_a_passing_mode() -> None:
    others = [way for row in TABLE if row.mode not in PASSING for way in row.exits]

    assert all(any(held.condition is not Condition.IN_MODE for held in way.when) for way in others)


def test_degraded_and_the_emergency_stop_are_left_through_init_only() -> None:
    assert {way.to for way in BY_MODE[Mode.DEGRADED].exits} == {Mode.INIT, Mode.E_STOP}
    assert {way.to for way in BY_MODE[Mode.E_STOP].exits} == {Mode.INIT}


def test_an_emergency_stop_goes_before_every_other_exit() -> None:
    firsts = [row.exits[0].to for row in TABLE if row.mode is not Mode.E_STOP]

    assert set(firsts) == {Mode.E_STOP}


def test_only_resync_permits_closing_and_only_planned_islanding_asks_for_opening() -> None:
    assert [mode for mode in Mode if allows(mode, Write.TIE_CLOSE)] == [Mode.RESYNC]
    assert [mode for mode in Mode if allows(mode, Write.TIE_OPEN)] == [Mode.PLANNED_ISLANDING]
    assert [mode for mode in Mode if allows(mode, Write.ENERGISE)] == [Mode.BLACK_START]


def test_sets_are_stopped_in_steady_operation_and_on_the_way_to_an_announced_island_only() -> None:
    stopping = [mode for mode in Mode if allows(mode, Write.SETS_STOP)]

    assert stopping == [Mode.GRID, Mode.PLANNED_ISLANDING, Mode.ISLAND]


@pytest.mark.parametrize("mode", list(Mode))
def test_the_guard_lets_nothing_pass_that_the_mode_forbids(mode: Mode) -> None:
    picture = healthy(CAMPUS)
    picture = replace(picture, gensets=(running(picture.gensets[0], 1500.0), *picture.gensets[1:]))
    asked = Setpoints(
        blocks=(BlockSetpoint(id="bess01", power_kw=10.0),),
        gensets=(GensetSetpoint(id="gen01", run=False, power_kw=1500.0), _start("gen02")),
        pv=(PvSetpoint(id=picture.pv[0].id, limit_kw=10.0),),
        energise=(EnergiseSetpoint(id="bess02"),),
        tie=TieSetpoint(permit_close=True, request_open=True),
    )

    guarded = guard(asked, CAMPUS, picture, _context(mode))

    passed = guarded.setpoints
    assert bool(passed.blocks) is allows(mode, Write.BLOCKS)
    assert bool(passed.pv) is allows(mode, Write.PV)
    assert bool(passed.energise) is allows(mode, Write.ENERGISE)
    assert passed.tie is not None
    assert passed.tie.permit_close is allows(mode, Write.TIE_CLOSE)
    assert passed.tie.request_open is allows(mode, Write.TIE_OPEN)
    assert ("gen01" in {one.id for one in passed.gensets}) is allows(mode, Write.SETS_STOP)
    assert ("gen02" in {one.id for one in passed.gensets}) is allows(mode, Write.SETS_START)
    # no mode allows all of these
    assert any(clip.rule is Rule.INTERLOCK for clip in guarded.clips)


def test_the_breaker_is_not_opened_while_no_pcs_is_ready_to_form_the_bus() -> None:
    picture = healthy(CAMPUS)
    none = replace(picture, blocks=tuple(replace(block, forming=False) for block in picture.blocks))
    asked = Setpoints(tie=TieSetpoint(permit_close=False, request_open=True))

    guarded = guard(asked, CAMPUS, none, _context(Mode.PLANNED_ISLANDING))

    assert guarded.setpoints.tie == TieSetpoint(permit_close=False, request_open=False)
    assert [clip.rule for clip in guarded.clips] == [Rule.LAST_FORMING]


def test_every_span_has_a_length_at_every_site() -> None:
    lengths = {span: span_s(DESERT, span) for span in Span}

    assert all(length >= 0.0 for length in lengths.values())
    assert lengths[Span.ISLANDING] > lengths[Span.STABLE]


def _start(unit: str) -> GensetSetpoint:
    return GensetSetpoint(id=unit, run=True, power_kw=1500.0)


def _context(mode: Mode) -> GuardContext:
    return GuardContext(mode=mode, dt_s=1.0, stored_kwh=1e5, floor_kwh=0.0, r0_margin_kw=0.0)


def _reached(mode: Mode) -> set[Mode]:
    seen: set[Mode] = set()
    open_modes = [mode]
    while open_modes:
        for way in BY_MODE[open_modes.pop()].exits:
            if way.to not in seen:
                seen.add(way.to)
                open_modes.append(way.to)
    return seen
