"""Who takes what: forming units by their range, then sets, then nobody; a surplus is taken off PV first."""

import pytest

from drivers.sim.bus import Following, Solved, solve_bus

FORMING = (
    Following(lowest_kw=-1000.0, wanted_kw=0.0, highest_kw=1000.0),
    Following(lowest_kw=-2000.0, wanted_kw=0.0, highest_kw=2000.0),
)


def test_forming_units_share_what_is_left_by_their_room() -> None:
    solved = _islanded(load_kw=900.0)

    assert solved.blocks_kw == pytest.approx([300.0, 600.0])
    assert solved.unserved_kw == 0.0
    # 900 kW off their setpoints, of 3000 kW rating
    assert solved.droop_frac == pytest.approx(0.3)


def test_setpoints_shift_the_shares_and_not_the_sum() -> None:
    offset = (Following(lowest_kw=-1000.0, wanted_kw=500.0, highest_kw=1000.0), FORMING[1])

    solved = _islanded(load_kw=900.0, blocks=offset)

    # 400 kW are left beyond the offset: shared 500 to 2000
    assert solved.blocks_kw == pytest.approx([580.0, 320.0])


def test_sets_take_what_storage_cannot() -> None:
    running = Following(lowest_kw=0.0, wanted_kw=600.0, highest_kw=1500.0)

    solved = _islanded(load_kw=4000.0, gensets=(running,))

    assert solved.blocks_kw == [1000.0, 2000.0]
    assert solved.gensets_kw == pytest.approx([1000.0])
    assert solved.unserved_kw == pytest.approx(0.0, abs=1e-9)


def test_what_nobody_can_carry_is_unserved() -> None:
    solved = _islanded(load_kw=3500.0)

    assert solved.unserved_kw == pytest.approx(500.0)


def test_a_surplus_goes_into_storage_then_off_pv_then_off_sets() -> None:
    running = Following(lowest_kw=0.0, wanted_kw=800.0, highest_kw=1500.0)

    stored = _islanded(load_kw=1000.0, pv_kw=(2000.0,), gensets=(running,))
    curtailed = _islanded(load_kw=1000.0, pv_kw=(5000.0,), gensets=(running,))
    lowered = _islanded(load_kw=1000.0, pv_kw=(2000.0,), gensets=(running,), blocks=())

    assert sum(stored.blocks_kw) == pytest.approx(-1800.0)
    assert stored.pv_kw == [2000.0]
    assert curtailed.blocks_kw == pytest.approx([-1000.0, -2000.0])
    assert curtailed.pv_kw == pytest.approx([3200.0])
    assert lowered.pv_kw == pytest.approx([200.0])
    assert lowered.gensets_kw == [800.0]


def test_on_the_grid_units_keep_their_setpoints_and_the_grid_takes_the_rest() -> None:
    blocks = (Following(lowest_kw=-1000.0, wanted_kw=-400.0, highest_kw=1000.0),)

    solved = solve_bus(load_kw=900.0, blocks=list(blocks), gensets=[], pv_kw=[300.0], rating_kw=0.0, grid_closed=True)

    assert solved.blocks_kw == [-400.0]
    assert solved.grid_kw == pytest.approx(1000.0)
    assert solved.droop_frac == 0.0


def test_a_setpoint_beyond_the_range_is_cut_to_it() -> None:
    eager = (Following(lowest_kw=-1000.0, wanted_kw=4000.0, highest_kw=700.0),)

    solved = solve_bus(load_kw=900.0, blocks=list(eager), gensets=[], pv_kw=[], rating_kw=0.0, grid_closed=True)

    assert solved.blocks_kw == [700.0]
    assert solved.grid_kw == pytest.approx(200.0)


def _islanded(
    *,
    load_kw: float,
    blocks: tuple[Following, ...] = FORMING,
    gensets: tuple[Following, ...] = (),
    pv_kw: tuple[float, ...] = (),
) -> Solved:
    return solve_bus(
        load_kw=load_kw,
        blocks=list(blocks),
        gensets=list(gensets),
        pv_kw=list(pv_kw),
        rating_kw=3000.0,
        grid_closed=False,
    )
