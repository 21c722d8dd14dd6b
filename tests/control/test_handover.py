"""Hand-over between plan, rules and nobody: setpoints move at a bounded pace, limits go before it."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from ems.control.state import ControlState, Lead, Mode
from ems.control.step import Decision, step
from ems.model.plan import Plan, PlanSource
from ems.model.snapshot import SiteSnapshot
from tests.control.scene import NOW_S, at, flat_plan, healthy, small, steady

CAMPUS = small("weak-grid-campus")
RATED_KW = sum(pool.pcs_kw * pool.n_blocks for pool in CAMPUS.batteries)
STEP_KW = RATED_KW / CAMPUS.control.handover_s


def _storage_kw(decision: Decision) -> float:
    return sum(block.power_kw for block in decision.setpoints.blocks)


def _plan(storage_kw: float, source: PlanSource = PlanSource.MILP) -> Plan:
    return flat_plan(CAMPUS, load_kw=5000.0, storage_kw=storage_kw, stored_kwh=4e4, source=source)


def _course(picture: SiteSnapshot, plans: Sequence[Plan | None], state: ControlState) -> list[float]:
    powers = []
    for number, plan in enumerate(plans):
        decision = step(CAMPUS, at(picture, NOW_S + number), plan, state)
        state = decision.state
        powers.append(_storage_kw(decision))
    return powers


@pytest.mark.parametrize("after", [None, _plan(-400.0, PlanSource.MERIT_ORDER)], ids=["nobody", "rules"])
def test_a_lost_plan_lets_storage_go_at_a_bounded_pace(after: Plan | None) -> None:
    picture = healthy(CAMPUS, soc_pct=70.0)
    ends_kw = 0.0 if after is None else -400.0

    powers = _course(picture, [*[_plan(1500.0)] * 2, *[after] * 60], steady(CAMPUS, picture, Mode.GRID))

    assert powers[1] == pytest.approx(1500.0)
    steps = [abs(now - before) for before, now in pairwise(powers)]
    assert max(steps) <= STEP_KW + 1e-6
    assert powers[-1] == pytest.approx(ends_kw)


def test_a_plan_takes_over_from_the_rules_at_the_same_pace() -> None:
    picture = healthy(CAMPUS, soc_pct=70.0)

    powers = _course(picture, [None, None, _plan(1500.0)], steady(CAMPUS, picture, Mode.GRID))

    assert powers == pytest.approx([0.0, 0.0, min(1500.0, STEP_KW)])


def test_a_return_to_the_grid_begins_with_what_storage_delivers() -> None:
    picture = healthy(CAMPUS, soc_pct=70.0)
    carrying = replace(picture, blocks=tuple(replace(block, power_kw=600.0) for block in picture.blocks))
    state = replace(steady(CAMPUS, carrying, Mode.GRID), mode_since_s=carrying.at_s)

    decision = step(CAMPUS, carrying, _plan(0.0), state)

    assert _storage_kw(decision) == pytest.approx(1800.0 - STEP_KW)
    assert decision.state.handover_kw == pytest.approx(1800.0 - STEP_KW)
    assert decision.state.lead is Lead.PLAN


def test_limits_go_before_the_pace() -> None:
    picture = healthy(CAMPUS, soc_pct=8.0)
    state = replace(steady(CAMPUS, picture, Mode.GRID), lead=Lead.PLAN, led_kw=1500.0)

    decision = step(CAMPUS, picture, None, state)

    # at its floor storage gives nothing, whatever it was led to
    assert _storage_kw(decision) == pytest.approx(0.0)


def test_no_time_means_at_once() -> None:
    site = replace(CAMPUS, control=replace(CAMPUS.control, handover_s=0.0))
    picture = healthy(site, soc_pct=70.0)
    state = replace(steady(site, picture, Mode.GRID), lead=Lead.NONE, led_kw=0.0)

    assert _storage_kw(step(site, picture, _plan(1500.0), state)) == pytest.approx(1500.0)


def test_blocks_given_back_by_hand_leave_the_whole_where_it_was() -> None:
    picture = healthy(CAMPUS, soc_pct=70.0)
    carrying = replace(picture, blocks=(replace(picture.blocks[0], power_kw=1200.0), *picture.blocks[1:]))
    in_hand = replace(
        steady(CAMPUS, carrying, Mode.GRID),
        lead=Lead.PLAN,
        led_kw=300.0,
        taken=frozenset({picture.blocks[0].id}),
        taken_kw=1200.0,
    )

    decision = step(CAMPUS, carrying, _plan(300.0), in_hand)

    assert _storage_kw(decision) == pytest.approx(1500.0 - STEP_KW)
