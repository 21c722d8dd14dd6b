"""Reserve from actual values: what is unknown or not ready holds nothing."""

from dataclasses import replace

import pytest

from ems.control.measurement import measure_storage
from ems.control.reserve_monitor import held_on_by_reserve, operation_now, required_now
from ems.control.state import Mode
from ems.model.problem import ContingencyKind
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from ems.reserve import Assessment, ReserveId, assess
from tests.control.scene import healthy, small, steady, unheard_block, with_sets

DESERT = small("desert-offgrid")
CAMPUS = small("weak-grid-campus")
POOL = DESERT.batteries[0]


def test_instant_reserve_is_the_headroom_of_the_blocks_that_are_left() -> None:
    picture = healthy(DESERT, soc_pct=80.0)
    each_kw = picture.blocks[0].power_kw or 0.0

    found = _assessed(DESERT, picture)[ReserveId.R0]

    # the worst loss is one of three equal blocks: two of them have to take it up, and the swing
    assert found.contingency in {block.id for block in picture.blocks}
    assert found.held_kw == pytest.approx(2.0 * (POOL.max_discharge_kw - each_kw))
    assert found.required_kw == pytest.approx(each_kw + DESERT.reserve.swing_kw)


def test_a_suspect_set_holds_nothing() -> None:
    with_set = with_sets(healthy(DESERT, soc_pct=80.0), {"gen01": 1000.0})
    suspect = replace(
        with_set, gensets=tuple(replace(genset, suspect=genset.id == "gen01") for genset in with_set.gensets)
    )

    found = _assessed(DESERT, suspect)

    assert found[ReserveId.R1].held_kw == pytest.approx(found[ReserveId.R0].held_kw)


def test_a_set_that_keeps_to_its_own_base_load_holds_nothing() -> None:
    based = replace(DESERT, gensets=(replace(DESERT.gensets[0], takes_power=False, base_load_frac=0.8),))
    with_set = with_sets(healthy(DESERT, soc_pct=80.0), {"gen01": 1000.0})

    fixed = _assessed(based, with_set)
    (unit,) = operation_now(based, with_set, steady(based, with_set, Mode.ISLAND)).gensets

    assert fixed[ReserveId.R1].held_kw == pytest.approx(fixed[ReserveId.R0].held_kw)
    assert (unit.min_kw, unit.power_kw, unit.max_kw) == (1000.0, 1000.0, 1000.0)


def test_a_running_set_counts_with_its_load_step_for_the_slower_class_only() -> None:
    plain = healthy(DESERT, soc_pct=80.0)
    with_set = with_sets(plain, {"gen01": 1000.0})
    step_kw = DESERT.gensets[0].step_frac * DESERT.gensets[0].rated_kw

    found = _assessed(DESERT, with_set)

    assert found[ReserveId.R1].held_kw - found[ReserveId.R0].held_kw == pytest.approx(step_kw)


@pytest.mark.parametrize("change", ["unheard", "not ready", "alarm", "limit unknown", "suspect"])
def test_a_block_that_cannot_be_counted_on_holds_no_reserve(change: str) -> None:
    picture = healthy(DESERT, soc_pct=80.0)
    first = picture.blocks[0]
    changed = {
        "unheard": unheard_block(first),
        "not ready": replace(first, ready=False),
        "alarm": replace(first, alarm=True),
        "limit unknown": replace(first, max_discharge_kw=None),
        "suspect": replace(first, suspect=True),
    }[change]

    before = _assessed(DESERT, picture)[ReserveId.R0]
    after = _assessed(DESERT, replace(picture, blocks=(changed, *picture.blocks[1:])))[ReserveId.R0]

    each_kw = POOL.max_discharge_kw - (first.power_kw or 0.0)
    assert after.held_kw == pytest.approx(before.held_kw - each_kw)


def test_a_measured_swing_beyond_the_configured_one_raises_the_requirement() -> None:
    picture = healthy(DESERT, soc_pct=80.0)
    state = steady(DESERT, picture, Mode.ISLAND)

    calm = required_now(DESERT, state).classes[0].variation_kw
    wild = required_now(DESERT, replace(state, swing_kw=900.0)).classes[0].variation_kw

    assert calm == DESERT.reserve.swing_kw
    assert wild == 900.0


def test_the_grid_counts_only_in_grid_mode_and_while_its_power_is_known() -> None:
    picture = healthy(CAMPUS)
    assert picture.pcc is not None
    silent = replace(picture, pcc=replace(picture.pcc, power_kw=None))

    assert operation_now(CAMPUS, picture, steady(CAMPUS, picture, Mode.GRID)).grid is not None
    assert operation_now(CAMPUS, picture, steady(CAMPUS, picture, Mode.ISLAND)).grid is None
    assert operation_now(CAMPUS, silent, steady(CAMPUS, picture, Mode.GRID)).grid is None


def test_the_loss_of_the_grid_is_a_loss_of_the_import() -> None:
    picture = healthy(CAMPUS, soc_pct=80.0)
    assert picture.pcc is not None
    assert ContingencyKind.GRID in CAMPUS.reserve.survive

    found = _assessed(CAMPUS, picture, mode=Mode.GRID)[ReserveId.R0]

    assert found.contingency == "grid"
    assert found.held_kw == pytest.approx(3.0 * CAMPUS.batteries[0].max_discharge_kw)
    assert found.required_kw == pytest.approx((picture.pcc.power_kw or 0.0) + CAMPUS.reserve.swing_kw)


@pytest.mark.parametrize(("limit_kw", "needed"), [(2600.0, True), (6000.0, False)])
def test_a_set_is_held_on_where_the_reserve_breaks_without_it(limit_kw: float, needed: bool) -> None:  # noqa: FBT001
    picture = with_sets(healthy(DESERT, soc_pct=80.0), {"gen01": 1200.0})
    picture = replace(picture, blocks=tuple(replace(block, max_discharge_kw=limit_kw) for block in picture.blocks))

    # without the set: 5.24 MW on three blocks of 2.6 MW leave 1.7 MW of two against the loss of 1.75 MW
    assert _held_on(picture) is needed


def test_no_set_is_held_on_by_reserve_while_energy_lacks() -> None:
    picture = with_sets(healthy(DESERT, soc_pct=9.0), {"gen01": 1200.0})
    picture = replace(picture, blocks=tuple(replace(block, max_discharge_kw=2600.0) for block in picture.blocks))

    assert not _held_on(picture)


def test_no_set_is_held_on_where_none_runs() -> None:
    assert not _held_on(healthy(DESERT, soc_pct=80.0))


def _held_on(picture: SiteSnapshot) -> bool:
    state = steady(DESERT, picture, Mode.ISLAND)
    storage = measure_storage(DESERT, picture, stored_kwh=state.stored_kwh, load_kw=state.load_kw or 0.0)
    assert storage is not None
    return held_on_by_reserve(DESERT, operation_now(DESERT, picture, state), required_now(DESERT, state), storage)


def _assessed(site: Site, picture: SiteSnapshot, *, mode: Mode = Mode.ISLAND) -> dict[ReserveId, Assessment]:
    state = steady(site, picture, mode)
    return {item.id: item for item in assess(operation_now(site, picture, state), required_now(site, state))}
