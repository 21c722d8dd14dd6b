"""The ramp of the connection contract: storage takes what the exchange may not do at once; limits go before it."""

from dataclasses import replace

import pytest

from ems.control.state import ControlState, Mode
from ems.control.step import Decision, step
from ems.model.setpoints import Cause
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from tests.control.scene import NOW_S, at, flat_plan, healthy, small, steady

CAMPUS = small("weak-grid-campus")
RAMP_KW_PER_MIN = 600.0
KW_PER_S = RAMP_KW_PER_MIN / 60.0


def _with_ramp(ramp_kw_per_min: float | None = RAMP_KW_PER_MIN, *, limit_kw: float | None = None) -> Site:
    grid = CAMPUS.grid
    assert grid is not None
    demand = grid.tariff.demand
    assert demand is not None
    tariff = replace(grid.tariff, demand=replace(demand, expected_peak_kw=1e6))
    return replace(
        CAMPUS,
        grid=replace(
            grid,
            ramp_kw_per_min=ramp_kw_per_min,
            tariff=tariff,
            import_limit_kw=grid.import_limit_kw if limit_kw is None else limit_kw,
        ),
    )


def _storage_kw(decision: Decision) -> float:
    return sum(block.power_kw for block in decision.setpoints.blocks)


def _import_kw(snapshot: SiteSnapshot) -> float:
    assert snapshot.pcc is not None
    assert snapshot.pcc.power_kw is not None
    return snapshot.pcc.power_kw


def _course(site: Site, pictures: list[SiteSnapshot], *, storage_kw: float) -> list[Decision]:
    """Return the decisions over pictures one second apart, all under one plan; the plant does what it is told."""
    plan = flat_plan(site, load_kw=5000.0, storage_kw=storage_kw, stored_kwh=4e4)
    state: ControlState = steady(site, pictures[0], Mode.GRID)
    decisions: list[Decision] = []
    for number, picture in enumerate(pictures):
        decision = step(site, at(_obeying(picture, decisions), NOW_S + number), plan, state)
        state = decision.state
        decisions.append(decision)
    return decisions


def _obeying(picture: SiteSnapshot, decisions: list[Decision]) -> SiteSnapshot:
    """Return a picture in which storage delivers what it was asked for last, and the grid the rest."""
    if not decisions or picture.pcc is None:
        return picture
    powers = {block.id: block.power_kw for block in decisions[-1].setpoints.blocks}
    return replace(
        picture,
        blocks=tuple(replace(block, power_kw=powers.get(block.id, 0.0)) for block in picture.blocks),
        pcc=replace(picture.pcc, power_kw=_import_kw(picture) - sum(powers.values())),
    )


def test_a_step_of_the_plan_reaches_the_grid_as_a_ramp() -> None:
    site = _with_ramp()
    picture = healthy(site, soc_pct=70.0)

    decisions = _course(site, [picture] * 5, storage_kw=1500.0)

    begins_kw = _import_kw(picture)
    targets = [decision.import_target_kw for decision in decisions]
    assert targets == pytest.approx([begins_kw - (number + 1) * KW_PER_S for number in range(5)])
    assert _storage_kw(decisions[-1]) == pytest.approx(5 * KW_PER_S)
    # without the ramp it would be the plan's power at once
    assert decisions[-1].smoothing_kw == pytest.approx(5 * KW_PER_S - 1500.0)
    assert Cause.PCC_RAMP in {reason.cause for reason in decisions[-1].reasons}


def test_the_ramp_ends_where_the_plan_is() -> None:
    site = _with_ramp()
    picture = healthy(site, soc_pct=70.0)

    last = _course(site, [picture] * 20, storage_kw=100.0)[-1]

    assert _storage_kw(last) == pytest.approx(100.0)
    assert last.smoothing_kw == pytest.approx(0.0)
    assert Cause.PCC_RAMP not in {reason.cause for reason in last.reasons}


def test_pv_that_drops_is_replaced_by_storage_and_handed_to_the_grid_slowly() -> None:
    site = _with_ramp()
    sunny, cloudy = healthy(site, soc_pct=70.0, pv_kw=2000.0), healthy(site, soc_pct=70.0, pv_kw=500.0)

    decisions = _course(site, [sunny, sunny, cloudy, cloudy], storage_kw=0.0)

    assert _storage_kw(decisions[1]) == pytest.approx(0.0)
    # the meter shows the cloud until storage has answered: that is not trimmed a second time
    expected_kw = [1500.0 - KW_PER_S, 1500.0 - 2 * KW_PER_S]
    assert [_storage_kw(decision) for decision in decisions[2:]] == pytest.approx(expected_kw)
    assert decisions[2].smoothing_kw > 0.0
    assert decisions[2].ramp_short_kw == 0.0


def test_without_a_ramp_the_grid_takes_the_cloud() -> None:
    site = _with_ramp(None)
    sunny, cloudy = healthy(site, soc_pct=70.0, pv_kw=2000.0), healthy(site, soc_pct=70.0, pv_kw=500.0)

    last = _course(site, [sunny, cloudy], storage_kw=0.0)[-1]

    assert _storage_kw(last) == pytest.approx(0.0)
    assert last.smoothing_kw == 0.0


def test_an_empty_store_lets_the_exchange_go_and_says_by_how_much() -> None:
    site = _with_ramp()
    sunny, cloudy = healthy(site, soc_pct=8.0, pv_kw=2000.0), healthy(site, soc_pct=8.0, pv_kw=500.0)

    decisions = _course(site, [sunny, cloudy, cloudy], storage_kw=0.0)

    assert _storage_kw(decisions[1]) == pytest.approx(0.0)
    assert decisions[1].ramp_short_kw == pytest.approx(1500.0 - KW_PER_S)
    # the ramp goes on from what flows, it does not catch up
    assert decisions[2].ramp_short_kw == 0.0


def test_the_import_limit_goes_before_the_ramp() -> None:
    picture = healthy(CAMPUS, soc_pct=70.0)
    site = _with_ramp(limit_kw=_import_kw(picture) - 800.0)

    decision = _course(site, [picture], storage_kw=0.0)[0]

    assert decision.import_target_kw == pytest.approx(_import_kw(picture) - 800.0)
    assert _storage_kw(decision) == pytest.approx(800.0)


def test_a_full_store_lets_pv_up_by_a_minute_of_the_ramp() -> None:
    site = _with_ramp()
    top_pct = site.batteries[0].soc_max_pct
    picture = healthy(site, soc_pct=top_pct, pv_kw=1000.0)
    picture = replace(picture, pv=tuple(replace(each, available_kw=1600.0) for each in picture.pv))

    free, ramped = (_course(each, [picture], storage_kw=0.0)[0] for each in (_with_ramp(None), site))

    assert sum(pv.limit_kw for pv in ramped.setpoints.pv) == pytest.approx(1000.0 + RAMP_KW_PER_MIN)
    assert sum(pv.limit_kw for pv in free.setpoints.pv) > 1000.0 + RAMP_KW_PER_MIN


def test_the_ramp_counts_from_what_is_measured_when_the_grid_is_back() -> None:
    site = _with_ramp()
    picture = healthy(site, soc_pct=70.0)
    plan = flat_plan(site, load_kw=5000.0, storage_kw=2000.0, stored_kwh=4e4)
    assert picture.pcc is not None
    picture = replace(picture, pcc=replace(picture.pcc, power_kw=300.0))

    decision = step(site, picture, plan, steady(site, picture, Mode.GRID))

    assert decision.import_target_kw == pytest.approx(300.0 + KW_PER_S)
