"""The condition that a plan starts from: each figure out of snapshot and memory, and what is not known as such."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ems.control.state import ControlState, GensetTrack, Mode
from ems.model.condition import GridCondition, PoolCondition
from ems.model.problem import OutWindow, UnitHistory
from ems.model.readings import GensetPhase
from ems.model.snapshot import BlockState, GensetState, SiteSnapshot
from ems.runtime.condition import condition_of
from tests.control.scene import NOW_S, healthy, small, steady, unheard_block

DESERT, CAMPUS = small("desert-offgrid"), small("weak-grid-campus")
# sets of the desert that need ten minutes of warm-up
WARMING = replace(DESERT, gensets=tuple(replace(kind, warm_up_s=600.0) for kind in DESERT.gensets))
(POOL,) = DESERT.batteries
FIRST = DESERT.gensets[0].unit_ids[0]


def pool_of(
    *blocks: Mapping[str, Any],  # fields of a block
    state: ControlState | None = None,
    before: SiteSnapshot | None = None,
) -> PoolCondition:
    """Return the desert's pool with some values of its first blocks changed."""
    picture = healthy(DESERT) if before is None else before
    changed = [replace(block, **values) for block, values in zip(picture.blocks, blocks, strict=False)]
    picture = replace(picture, blocks=(*changed, *picture.blocks[len(changed) :]))
    memory = steady(DESERT, healthy(DESERT), Mode.ISLAND) if state is None else state
    (pool,) = condition_of(DESERT, picture, memory).pools
    return pool


def unit_of(track: GensetTrack, *, controllable: bool = True, phase: GensetPhase | None = None) -> UnitHistory:
    """Return the first of the warming sets with a memory and a phase; stopped unless said otherwise."""
    picture = healthy(WARMING)
    first: GensetState = replace(
        picture.gensets[0], controllable=controllable, phase=phase or GensetPhase.STOPPED, run_h=1234.5
    )
    picture = replace(picture, gensets=(first, *picture.gensets[1:]))
    state = steady(WARMING, picture, Mode.ISLAND)
    state = replace(state, gensets={**state.gensets, FIRST: track})
    return condition_of(WARMING, picture, state).gensets[0].units[0]


def test_condition_is_of_the_snapshots_instant_and_leaves_the_offer_to_its_inbox() -> None:
    picture = healthy(DESERT)

    condition = condition_of(DESERT, picture, steady(DESERT, picture, Mode.ISLAND))

    assert (condition.utc, condition.offer, condition.grid) == (picture.utc, None, None)


@pytest.mark.parametrize("tank_l", [54_321.0, None])
def test_stock_of_diesel_is_the_tanks_reading_and_unknown_without_one(tank_l: float | None) -> None:
    picture = replace(healthy(DESERT), tank_l=tank_l)

    assert condition_of(DESERT, picture, steady(DESERT, picture, Mode.ISLAND)).tank_l == tank_l


def test_hottest_cell_of_the_pool_counts_and_unknown_ones_do_not() -> None:
    assert pool_of({"cell_max_degc": 31.0}, {"cell_max_degc": 36.5}, {"cell_max_degc": None}).cell_max_degc == 36.5
    assert pool_of(*[{"cell_max_degc": None}] * 3).cell_max_degc is None


def test_a_block_that_is_not_ready_brings_neither_heat_nor_energy_nor_power() -> None:
    whole = pool_of()
    less = pool_of({"ready": False, "cell_max_degc": 60.0})

    assert (less.n_blocks, less.cell_max_degc) == (2, 25.0)
    assert less.stored_kwh == pytest.approx(2.0 / 3.0 * whole.stored_kwh)
    assert less.max_charge_kw == pytest.approx(2.0 / 3.0 * whole.max_charge_kw)


def test_a_block_whose_energy_nobody_knows_counts_for_nothing() -> None:
    picture = healthy(DESERT)
    state = steady(DESERT, picture, Mode.ISLAND)
    known = {block: kwh for block, kwh in state.stored_kwh.items() if block != picture.blocks[0].id}

    assert pool_of(state=replace(state, stored_kwh=known)).n_blocks == 2


def test_a_pool_of_which_nothing_is_heard_is_empty_and_of_unknown_temperature() -> None:
    picture = healthy(DESERT)
    silent = replace(picture, blocks=tuple(unheard_block(block) for block in picture.blocks))

    pool = pool_of(before=silent)

    assert (pool.n_blocks, pool.stored_kwh, pool.max_discharge_kw) == (0, 0.0, 0.0)
    assert (pool.cell_max_degc, pool.full_since_h) == (None, None)


def test_limits_that_taper_for_a_while_count_with_half_of_the_configured_power_at_least() -> None:
    configured_kw = POOL.max_charge_kw
    free = pool_of().max_charge_kw - 2.0 * configured_kw

    # in full, tapered to a tenth, tapered to nothing: the direction opens again
    assert free == pytest.approx(configured_kw)
    assert pool_of({"max_charge_kw": 0.1 * configured_kw}).max_charge_kw == pytest.approx(2.5 * configured_kw)
    assert pool_of({"max_charge_kw": 0.7 * configured_kw}).max_charge_kw == pytest.approx(2.7 * configured_kw)
    assert pool_of({"max_charge_kw": 0.0}).max_charge_kw == pytest.approx(3.0 * configured_kw)


@pytest.mark.parametrize(("full_kwh", "expected_frac"), [(None, 1.0), (0.8, 0.8)])
def test_full_energy_is_the_measured_one_and_the_configured_where_it_is_unknown(
    full_kwh: float | None, expected_frac: float
) -> None:
    measured = None if full_kwh is None else full_kwh * POOL.block_kwh

    pool = pool_of(*[{"full_kwh": measured}] * 3)

    assert pool.full_kwh == pytest.approx(3.0 * expected_frac * POOL.block_kwh)


def test_run_hours_are_the_sets_own_and_zero_where_they_are_unknown() -> None:
    picture = healthy(DESERT)
    first, *others = picture.gensets
    picture = replace(picture, gensets=(replace(first, run_h=None), *others))

    units = condition_of(DESERT, picture, steady(DESERT, picture, Mode.ISLAND)).gensets[0].units

    assert [unit.run_h for unit in units] == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("carries_since_s", "since_h", "left_h"),
    [
        # wanted six minutes ago and not carrying yet: four minutes of warm-up are left
        pytest.param(None, 0.1, 1.0 / 6.0 - 0.1, id="warming up"),
        # carries for three minutes: the minimum run counts from then on, and nothing is left to warm up
        pytest.param(NOW_S - 180.0, 0.05, 0.0, id="carrying"),
    ],
)
def test_set_that_runs_has_its_time_and_what_is_left_of_its_warm_up(
    carries_since_s: float | None, since_h: float, left_h: float
) -> None:
    track = GensetTrack(wanted=True, wanted_since_s=NOW_S - 360.0, carries_since_s=carries_since_s)

    unit = unit_of(track, phase=GensetPhase.STARTING)

    assert (unit.on, unit.out) == (True, ())
    assert unit.since_h == pytest.approx(since_h)
    assert unit.warm_up_left_h == pytest.approx(left_h)


def test_warm_up_that_takes_longer_than_it_should_has_nothing_left() -> None:
    late = GensetTrack(wanted=True, wanted_since_s=NOW_S - 900.0)

    assert unit_of(late, phase=GensetPhase.STARTING).warm_up_left_h == 0.0


@pytest.mark.parametrize(
    ("failed_until_s", "out"),
    [
        pytest.param(NOW_S + 1800.0, (OutWindow(start_h=0.0, end_h=0.5),), id="half an hour to go"),
        pytest.param(NOW_S - 1.0, (), id="over"),
        pytest.param(None, (), id="never failed"),
    ],
)
def test_set_that_failed_to_start_is_out_until_its_rest_is_over(
    failed_until_s: float | None, out: tuple[OutWindow, ...]
) -> None:
    track = GensetTrack(rests_since_s=NOW_S - 7200.0, starts_s=(NOW_S - 7200.0,), failed_until_s=failed_until_s)

    unit = unit_of(track)

    assert (unit.on, unit.out, unit.run_h) == (False, out, 1234.5)
    assert unit.since_h == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("track", "phase", "rested"),
    [
        pytest.param(GensetTrack(), GensetPhase.STOPPED, True, id="never seen running"),
        pytest.param(GensetTrack(rests_since_s=NOW_S), GensetPhase.STOPPED, True, id="rests since it was first seen"),
        pytest.param(GensetTrack(), GensetPhase.COOLING_DOWN, False, id="still runs down"),
        pytest.param(
            GensetTrack(rests_since_s=NOW_S, starts_s=(NOW_S - 60.0,)), GensetPhase.STOPPED, False, id="just stopped"
        ),
    ],
)
def test_set_at_rest_has_rested_long_enough_unless_it_is_known_to_have_run(
    track: GensetTrack, phase: GensetPhase, *, rested: bool
) -> None:
    assert (unit_of(track, phase=phase).since_h > 24.0) is rested


@pytest.mark.parametrize(
    ("controllable", "phase", "available"),
    [
        (True, GensetPhase.STOPPED, True),
        (True, GensetPhase.FAULT, False),
        (False, GensetPhase.STOPPED, False),
    ],
)
def test_set_that_is_faulty_or_not_under_control_is_not_available(
    controllable: bool,  # noqa: FBT001 - a case's value
    phase: GensetPhase,
    available: bool,  # noqa: FBT001 - a case's value
) -> None:
    assert unit_of(GensetTrack(), controllable=controllable, phase=phase).available is available


def grid_of(picture: SiteSnapshot, *, lost_since_s: float | None = None) -> GridCondition:
    """Return the campus's connection."""
    state = replace(steady(CAMPUS, picture, Mode.GRID), grid_lost_since_s=lost_since_s)
    grid = condition_of(CAMPUS, picture, state).grid
    assert grid is not None
    return grid


@pytest.mark.parametrize("power_kw", [1500.0, -200.0, None])
def test_exchange_is_the_meters_import_positive_and_unknown_as_such(power_kw: float | None) -> None:
    picture = healthy(CAMPUS)
    assert picture.pcc is not None

    assert grid_of(replace(picture, pcc=replace(picture.pcc, power_kw=power_kw))).exchange_kw == power_kw


def test_exchange_is_unknown_where_the_whole_pcc_is() -> None:
    grid = grid_of(replace(healthy(CAMPUS), pcc=None))

    assert (grid.exchange_kw, grid.lost_h) == (None, None)


@pytest.mark.parametrize(("since_s", "lost_h"), [(NOW_S - 5400.0, 1.5), (None, 0.0)])
def test_open_breaker_is_a_lost_grid_since_control_saw_it(since_s: float | None, lost_h: float) -> None:
    picture = healthy(CAMPUS)
    assert picture.pcc is not None
    lost = replace(picture, pcc=replace(picture.pcc, breaker_closed=False))

    assert grid_of(lost, lost_since_s=since_s).lost_h == pytest.approx(lost_h)
    assert grid_of(picture, lost_since_s=since_s).lost_h is None


def test_energy_of_a_block_is_controls_also_while_its_soc_is_unknown() -> None:
    picture = healthy(DESERT)
    blind: BlockState = replace(picture.blocks[0], soc_pct=None)
    state = steady(DESERT, picture, Mode.ISLAND)
    kept = {**state.stored_kwh, blind.id: 123.0}

    pool = pool_of(before=replace(picture, blocks=(blind, *picture.blocks[1:])), state=replace(state, stored_kwh=kept))

    assert pool.stored_kwh == pytest.approx(sum(kept.values()))
