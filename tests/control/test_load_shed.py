"""Load reduction by the cluster: when it is asked for, how far, and how it is given back (F16, F33)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from ems.control.cooling_limit import coolable_kw, cooling_shortage
from ems.control.load_shed import with_load_shed
from ems.control.state import GensetTrack, Mode, ShedTrack
from ems.control.step import Decision, step
from ems.model.cluster import ClusterView, ShedOrder, ShedReason
from ems.model.cooling_units import CduState, ChillerState, DryCoolerState
from ems.model.readings import GensetPhase
from ems.model.setpoints import Cause
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from tests.control.scene import at, healthy, shipped, small, steady, with_sets

HALL = "liquid-cooled-hall"
UNPROVEN = ClusterView(is_linked=False, least_kw=0.0)
PROVEN = ClusterView(is_linked=True, least_kw=2000.0, is_proven=True, credit_frac=0.9)


def cdus(site: Site, *, failed: int = 0, supply_degc: float = 40.0) -> tuple[CduState, ...]:
    units = site.cooling.cdus
    assert units is not None
    return tuple(
        CduState(id=unit, running=True, low_flow=number < failed, supply_degc=supply_degc)
        for number, unit in enumerate(units.unit_ids)
    )


def hall(*, failed: int = 0, supply_degc: float = 40.0, at_s: float | None = None) -> tuple[Site, SiteSnapshot]:
    """Return the hall at 1240 kW of IT with some CDUs without flow."""
    site = shipped(HALL)
    snapshot = healthy(site)
    snapshot = replace(
        snapshot, cooling=replace(snapshot.cooling, cdus=cdus(site, failed=failed, supply_degc=supply_degc))
    )
    return site, snapshot if at_s is None else at(snapshot, at_s)


def decided(
    site: Site,
    snapshot: SiteSnapshot,
    *,
    track: ShedTrack | None = None,
    mode: Mode = Mode.GRID,
    view: ClusterView = UNPROVEN,
    short_s: float | None = None,
) -> Decision:
    state = steady(site, snapshot, mode)
    if track is not None:
        state = replace(state, shed=track)
    if short_s is not None:
        state = replace(state, short_since_s=snapshot.at_s - short_s)
    return with_load_shed(site, snapshot, step(site, snapshot, None, state), view)


def order_of(decision: Decision) -> ShedOrder:
    assert decision.state.shed.order is not None
    return decision.state.shed.order


def test_nothing_is_asked_for_while_all_is_well() -> None:
    site, snapshot = hall()

    assert decided(site, snapshot).state.shed == ShedTrack()


def test_a_spare_unit_that_fails_sheds_nothing() -> None:
    site, snapshot = hall(failed=1)

    # three of 500 kW take 85 % of the heat: 1765 kW of IT
    assert coolable_kw(site, snapshot) == pytest.approx(1500.0 / 0.85)
    assert decided(site, snapshot).state.shed.order is None


def test_cooling_that_cannot_take_the_heat_caps_the_power_in_the_same_cycle() -> None:
    site, snapshot = hall(failed=2)

    decision = decided(site, snapshot)

    order = order_of(decision)
    # two of 500 kW: 1176 of 1240 kW
    assert order.target_kw == pytest.approx(1000.0 / 0.85)
    assert (order.reason, order.within_s, order.from_kw) == (ShedReason.COOLING_DEGRADED, 60.0, 1240.0)
    assert order.until_utc == snapshot.utc + timedelta(minutes=5)
    assert [reason.cause for reason in decision.reasons].count(Cause.LOAD_SHED) == 1


@pytest.mark.parametrize(("failed", "supply_degc"), [(4, 40.0), (0, 46.5)])
def test_lost_cooling_asks_the_cluster_to_idle_within_ten_seconds(failed: int, supply_degc: float) -> None:
    site, snapshot = hall(failed=failed, supply_degc=supply_degc)

    order = order_of(decided(site, snapshot))

    assert (order.reason, order.within_s) == (ShedReason.COOLING_LOST, 10.0)
    assert order.target_kw == site.it.idle_kw


def test_coolant_that_is_too_warm_takes_a_fifth_of_the_power() -> None:
    site, snapshot = hall(supply_degc=44.5)

    order = order_of(decided(site, snapshot))

    assert order.reason is ShedReason.COOLING_DEGRADED
    assert order.target_kw == pytest.approx(0.8 * 1240.0)


def test_failed_heat_rejection_counts_and_a_chiller_that_the_plant_has_switched_off_does_not() -> None:
    site, snapshot = hall()
    coolers = tuple(DryCoolerState(id=f"c{n}", running=True, alarm=True) for n in range(3))
    off = tuple(ChillerState(id=f"k{n}", enabled=False, alarm=False) for n in range(2))
    failed = replace(snapshot, cooling=replace(snapshot.cooling, dry_coolers=coolers, chillers=off))
    rest = replace(snapshot, cooling=replace(snapshot.cooling, chillers=off))

    shortage = cooling_shortage(site, failed, it_kw=1240.0)

    assert shortage is not None
    assert shortage.it_kw == 1200.0
    assert cooling_shortage(site, rest, it_kw=1240.0) is None


def test_silent_units_shed_nothing() -> None:
    site, snapshot = hall()
    units = site.cooling.cdus
    assert units is not None
    silent = replace(snapshot.cooling, cdus=tuple(CduState(id=unit) for unit in units.unit_ids))

    assert decided(site, replace(snapshot, cooling=silent)).state.shed.order is None


def test_nothing_is_asked_for_before_the_plant_is_known() -> None:
    site, snapshot = hall(failed=4)

    state = replace(steady(site, snapshot, Mode.INIT), mode_since_s=snapshot.at_s)

    decision = with_load_shed(site, snapshot, step(site, snapshot, None, state), UNPROVEN)

    assert decision.state.mode is Mode.INIT
    assert decision.state.shed.order is None


def test_an_order_is_renewed_before_it_ends_and_lowered_where_more_has_to_go() -> None:
    site, snapshot = hall(failed=2)
    first = decided(site, snapshot).state.shed

    soon = decided(site, at(snapshot, snapshot.at_s + 30.0), track=first).state.shed
    later = decided(site, at(snapshot, snapshot.at_s + 70.0), track=soon).state.shed
    _, worse = hall(failed=4, at_s=snapshot.at_s + 80.0)
    lowest = decided(site, worse, track=later).state.shed

    assert first.order is not None
    assert later.order is not None
    assert lowest.order is not None
    assert soon.order == first.order
    assert later.order == replace(first.order, until_utc=first.order.until_utc + timedelta(seconds=70.0))
    assert (lowest.order.id, lowest.order.target_kw) == (first.order.id, site.it.idle_kw)
    assert lowest.n_orders == 1


def released(*, cool_degc: float = 38.0, for_s: float) -> Sequence[ShedOrder | None]:
    """Return the orders of the cycles after a loss of all cooling has ended, one every 10 s."""
    site, lost = hall(failed=4)
    track = decided(site, lost).state.shed
    orders = []
    for seconds in range(10, round(for_s), 10):
        _, good = hall(supply_degc=cool_degc, at_s=lost.at_s + seconds)
        track = decided(site, good, track=track).state.shed
        orders.append(track.order)
    return orders


def test_power_is_given_back_in_steps_that_reserve_can_carry_after_the_coolant_was_cool_for_ten_minutes() -> None:
    site = shipped(HALL)

    orders = released(for_s=3600.0)

    targets = [order.target_kw for order in orders if order is not None]
    assert set(targets[:60]) == {site.it.idle_kw}
    rises = [after - before for before, after in pairwise(targets) if before is not None and after is not None]
    assert max(rises) <= 0.1 * site.it.design_kw + 1e-6
    assert min(rises) >= 0.0
    changes = [number for number, rise in enumerate(rises) if rise > 0.0]
    # two minutes apart
    assert all(later - sooner >= 12 for sooner, later in pairwise(changes))
    # the last word is that it is over, and then there is none
    assert targets[-1] is None
    assert orders[-1] is None


def test_power_is_not_given_back_while_the_coolant_is_warm() -> None:
    orders = released(cool_degc=43.0, for_s=1800.0)

    assert {None if order is None else order.target_kw for order in orders} == {shipped(HALL).it.idle_kw}


def island(*, soc_pct: float = 60.0, sets_kw: float = 1900.0) -> tuple[Site, SiteSnapshot]:
    """Return a small desert site whose three sets carry all they can."""
    site = small("desert-offgrid")
    snapshot = healthy(site, soc_pct=soc_pct)
    units = [unit for kind in site.gensets for unit in kind.unit_ids]
    return site, with_sets(snapshot, dict.fromkeys(units, sets_kw)) if sets_kw else snapshot


def with_fault(snapshot: SiteSnapshot) -> SiteSnapshot:
    """Return the same with the first set tripped."""
    first, *rest = snapshot.gensets
    tripped = replace(first, phase=GensetPhase.FAULT, breaker_closed=False, power_kw=0.0)
    return replace(snapshot, gensets=(tripped, *rest))


def short_by(decision: Decision, margin_kw: float) -> Decision:
    return replace(
        decision,
        assessments=tuple(replace(each, held_kw=each.required_kw + margin_kw) for each in decision.assessments),
    )


def shed_of_a_shortage(snapshot: SiteSnapshot, site: Site, view: ClusterView, *, short_s: float = 60.0) -> ShedTrack:
    state = replace(steady(site, snapshot, Mode.ISLAND), short_since_s=snapshot.at_s - short_s)
    decision = short_by(step(site, snapshot, None, state), -500.0)
    decision = replace(decision, state=replace(decision.state, short_since_s=snapshot.at_s - short_s))
    return with_load_shed(site, snapshot, decision, view).state.shed


def test_short_reserve_asks_only_a_cluster_that_has_proven_itself() -> None:
    site, snapshot = island()

    assert shed_of_a_shortage(snapshot, site, UNPROVEN).order is None
    order = shed_of_a_shortage(snapshot, site, PROVEN).order

    assert order is not None
    assert order.target_kw is not None
    # 500 kW at the bus are less than that of IT
    assert 4800.0 - 500.0 <= order.target_kw < 4800.0 - 400.0
    assert order.within_s == 30.0


def test_a_failed_set_asks_any_cluster() -> None:
    site, snapshot = island()

    order = shed_of_a_shortage(with_fault(snapshot), site, UNPROVEN).order

    assert order is not None
    assert order.reason is ShedReason.GENSET_TRIP


def test_a_shortage_that_has_only_begun_or_that_a_set_can_end_sheds_nothing() -> None:
    site, snapshot = island()
    _, resting = island(sets_kw=0.0)

    assert shed_of_a_shortage(snapshot, site, PROVEN, short_s=0.0).order is None
    assert shed_of_a_shortage(resting, site, PROVEN).order is None


def test_sets_that_failed_to_start_help_no_more_than_broken_ones() -> None:
    site, snapshot = island(sets_kw=0.0)
    state = replace(
        steady(site, snapshot, Mode.ISLAND),
        short_since_s=snapshot.at_s - 60.0,
        gensets={
            genset.id: GensetTrack(failed_until_s=snapshot.at_s + 600.0, rests_since_s=0.0)
            for genset in snapshot.gensets
        },
    )
    decision = short_by(step(site, snapshot, None, state), -500.0)
    decision = replace(decision, state=replace(decision.state, short_since_s=snapshot.at_s - 60.0))

    order = with_load_shed(site, snapshot, decision, UNPROVEN).state.shed.order

    assert order is not None
    assert order.reason is ShedReason.GENSET_TRIP


def test_no_shed_of_a_shortage_goes_below_what_the_cluster_needs() -> None:
    site, snapshot = island()

    order = shed_of_a_shortage(snapshot, site, replace(PROVEN, least_kw=4600.0)).order

    assert order is not None
    assert order.target_kw == 4600.0


def test_an_island_below_its_floor_sheds_what_the_store_still_delivers() -> None:
    site, snapshot = island(soc_pct=6.0, sets_kw=1500.0)

    order = order_of(decided(site, snapshot, mode=Mode.ISLAND))

    storage_kw = sum(block.power_kw or 0.0 for block in snapshot.blocks)
    assert storage_kw > 0.0
    assert order.reason is ShedReason.BESS_LOW
    assert order.target_kw is not None
    assert 4800.0 - storage_kw <= order.target_kw < 4800.0
