"""Starts beside those needed, sets that are not heard any more, load shared by ratings, long runs."""

from dataclasses import replace

import pytest

from ems.control.state import ControlState, GensetTrack, Mode
from ems.control.step import Decision, step
from ems.model.plan import Plan, PlanSource
from ems.model.readings import GensetPhase
from ems.model.setpoints import Cause
from ems.model.site import Site
from ems.model.snapshot import PccState, SiteSnapshot
from ems.runtime.control_alarms import control_alarms
from tests.control.scene import (
    NOW_S,
    at,
    flat_plan,
    genset_kw,
    healthy,
    run_for,
    shipped,
    small,
    steady,
    unheard_genset,
    with_sets,
)

CAMPUS = shipped("weak-grid-campus")
DESERT = small("desert-offgrid")
KIND = CAMPUS.gensets[0]
DAY_S = 86_400.0


def _lost(picture: SiteSnapshot) -> SiteSnapshot:
    """Return the picture with the PCC open and storage carrying what the grid did."""
    assert isinstance(picture.pcc, PccState)
    each_kw = (picture.pcc.power_kw or 0.0) / len(picture.blocks)
    return replace(
        picture,
        pcc=replace(picture.pcc, power_kw=0.0, breaker_closed=False, grid_voltage_frac=0.0),
        blocks=tuple(replace(block, power_kw=each_kw) for block in picture.blocks),
    )


def _wanted(decision: Decision) -> list[str]:
    return [unit for unit, track in decision.state.gensets.items() if track.wanted]


def _rested(state: ControlState, *, days: float) -> ControlState:
    tracks = {unit: replace(track, rests_since_s=NOW_S - days * DAY_S) for unit, track in state.gensets.items()}
    return replace(state, gensets=tracks)


def _after_loss(site: Site, *, days: float, seconds: int = 1) -> list[Decision]:
    picture = healthy(site, soc_pct=20.0)
    state = _rested(steady(site, picture, Mode.GRID), days=days)
    return run_for(site, _lost(picture), state, seconds, plan=_forecast(site))


def _forecast(site: Site) -> Plan:
    """Return the rules' own plan: the load goes on as it is."""
    pcc = healthy(site).pcc
    assert pcc is not None
    need_kw = pcc.power_kw or 0.0
    return flat_plan(site, load_kw=need_kw, stored_kwh=1e4, source=PlanSource.MERIT_ORDER)


def _needed(site: Site) -> int:
    picture = healthy(site)
    assert picture.pcc is not None
    return KIND.sets_to_carry(picture.pcc.power_kw or 0.0)


@pytest.mark.parametrize(("days", "n_spare"), [(1.0, 1), (29.0, 1), (31.0, 2)])
def test_a_lost_grid_starts_more_sets_than_it_needs(days: float, n_spare: int) -> None:
    first = _after_loss(CAMPUS, days=days)[0]

    assert len(_wanted(first)) == min(KIND.n_units, _needed(CAMPUS) + n_spare)
    assert _needed(CAMPUS) + n_spare <= KIND.n_units


def test_spares_are_configuration() -> None:
    site = replace(CAMPUS, gensets=(replace(KIND, n_spare_starts=0),))

    assert len(_wanted(_after_loss(site, days=1.0)[0])) == _needed(site)


def test_a_spare_is_not_given_up_before_enough_sets_carry() -> None:
    last = _after_loss(CAMPUS, days=1.0, seconds=20)[-1]

    assert len(_wanted(last)) == _needed(CAMPUS) + 1


def test_a_spare_stands_in_for_a_failed_start_without_another_one() -> None:
    decisions = _after_loss(CAMPUS, days=1.0)
    wanted = _wanted(decisions[0])
    picture = at(_lost(healthy(CAMPUS, soc_pct=20.0)), NOW_S + 1.0)
    gensets = tuple(
        replace(genset, phase=GensetPhase.FAULT if genset.id == wanted[0] else GensetPhase.STARTING)
        if genset.id in wanted
        else genset
        for genset in picture.gensets
    )

    after = step(CAMPUS, replace(picture, gensets=gensets), _forecast(CAMPUS), decisions[0].state)

    assert _wanted(after) == wanted[1:]


def test_a_spare_stops_once_enough_carry() -> None:
    decisions = _after_loss(CAMPUS, days=1.0)
    wanted = _wanted(decisions[0])
    each_kw = 0.8 * KIND.rated_kw
    picture = with_sets(_lost(healthy(CAMPUS, soc_pct=20.0)), dict.fromkeys(wanted[1:], each_kw))

    # no set is stopped before the island counts as formed
    formed = replace(decisions[0].state, mode=Mode.ISLAND)
    after = step(CAMPUS, at(picture, NOW_S + 1.0), _forecast(CAMPUS), formed)

    # the one that does not carry yet
    assert _wanted(after) == wanted[1:]


def _light(picture: SiteSnapshot) -> SiteSnapshot:
    """Return the picture with 2.4 MW of load."""
    return replace(
        picture,
        it=replace(picture.it, load_kw=2300.0),
        cooling_load=replace(picture.cooling_load, load_kw=50.0),
        aux=replace(picture.aux, load_kw=50.0),
    )


def test_a_running_set_that_is_not_heard_is_left_alone_and_replaced() -> None:
    picture = with_sets(_light(healthy(DESERT, soc_pct=60.0)), {"gen01": 1200.0, "gen02": 1200.0})
    state = replace(steady(DESERT, picture, Mode.ISLAND), energy_run=True)
    stored_kwh = {name: 0.13 * kwh / 0.6 for name, kwh in state.stored_kwh.items()}
    picture = replace(picture, blocks=tuple(replace(block, soc_pct=13.0) for block in picture.blocks))
    tracks = {unit: replace(track, cause=Cause.ADOPTED) for unit, track in state.gensets.items()}
    state = replace(state, stored_kwh=stored_kwh, gensets=tracks)
    silent = replace(picture, gensets=(unheard_genset(picture.gensets[0]), *picture.gensets[1:]))
    unheard_s = DESERT.gensets[0].unheard_s

    decisions = run_for(DESERT, silent, state, unheard_s + 3.0)

    before, after = decisions[int(unheard_s) - 1], decisions[-1]
    assert after.state.gensets["gen01"].wanted
    assert "gen01" not in {setpoint.id for setpoint in after.setpoints.gensets}
    assert _wanted(before) == ["gen01", "gen02"]
    assert _wanted(after) == ["gen01", "gen02", "gen03"]


def test_sets_of_different_size_run_at_the_same_share() -> None:
    kind = DESERT.gensets[0]
    large = replace(kind, unit_ids=("gen01",))
    half = replace(
        kind, id="half", unit_ids=("gen02",), rated_kw=kind.rated_kw / 2.0, min_stable_kw=kind.min_stable_kw / 2.0
    )
    site = replace(DESERT, gensets=(large, half))
    picture = healthy(site, soc_pct=12.0)
    picture = with_sets(picture, {"gen01": 1200.0, "gen02": 600.0})
    state = replace(steady(site, picture, Mode.ISLAND), load_kw=2400.0, energy_run=True)

    decision = step(site, _light(picture), None, state)

    assert genset_kw(decision, "gen01") == pytest.approx(2.0 * genset_kw(decision, "gen02"))


def test_a_long_run_is_an_alarm() -> None:
    picture = with_sets(healthy(DESERT, soc_pct=80.0), {"gen01": 1500.0})
    site = replace(DESERT, gensets=(replace(DESERT.gensets[0], max_run_h=100.0),))
    state = steady(site, picture, Mode.ISLAND)
    track = GensetTrack(wanted=True, carries_since_s=NOW_S - 101.0 * 3600.0)
    decision = step(site, picture, None, replace(state, gensets={**state.gensets, "gen01": track}))

    assert set(control_alarms(site, decision, now_s=NOW_S)) == {"long_run:gen01"}
    assert control_alarms(site, decision, now_s=NOW_S - 2.0 * 3600.0) == {}
    assert control_alarms(DESERT, decision, now_s=NOW_S) == {}
