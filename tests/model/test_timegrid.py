from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ems.model.timegrid import GridShape, TimeGrid, planning_grid

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
GRIDS = settings(derandomize=True, deadline=None, max_examples=80)
instants = st.integers(0, 400 * 86400 * 10).map(lambda tenths: MIDNIGHT + timedelta(seconds=tenths / 10.0))


def test_default_grid_from_midnight_has_84_steps() -> None:
    grid = planning_grid(MIDNIGHT, shape=GridShape())

    # 48 quarters, then 36 hours
    assert grid.duration_h == (0.25,) * 48 + (1.0,) * 36


def test_first_step_is_a_stub_to_the_next_quarter() -> None:
    grid = planning_grid(MIDNIGHT + timedelta(minutes=7), shape=GridShape())

    assert grid.duration_h[:2] == pytest.approx((8.0 / 60.0, 0.25))


def test_stub_of_less_than_a_minute_is_joined_to_the_second_step() -> None:
    grid = planning_grid(MIDNIGHT + timedelta(minutes=14, seconds=30), shape=GridShape())

    assert grid.duration_h[0] == pytest.approx(15.5 / 60.0)


def test_an_hour_is_cut_at_an_edge() -> None:
    edge = MIDNIGHT + timedelta(hours=20.5)

    grid = planning_grid(MIDNIGHT, shape=GridShape(), edges_utc=[edge])

    assert edge in grid.starts_utc
    assert grid.n_steps == 85


@GRIDS
@given(now=instants, edges=st.lists(st.integers(-60, 60 * 60).map(lambda m: timedelta(minutes=m)), max_size=5))
def test_grid_covers_the_horizon_and_ends_steps_at_clock_boundaries_and_edges(
    now: datetime, edges: list[timedelta]
) -> None:
    shape = GridShape()
    wanted = {now + edge for edge in edges}

    grid = planning_grid(now, shape=shape, edges_utc=wanted)

    assert grid.start_utc == now
    assert now + timedelta(hours=48) <= grid.end_utc <= now + timedelta(hours=49)
    assert {edge for edge in wanted if now < edge < grid.end_utc} <= _near(grid, wanted)
    for start, hours in zip(grid.starts_utc[1:], grid.duration_h[1:], strict=True):
        assert start in _near(grid, wanted) or _on_quarter(start)
        assert hours <= 1.0 + 1e-9


def _near(grid: TimeGrid, wanted: set[datetime]) -> set[datetime]:
    """Return the wanted instants at which a step begins, within the rounding of hours."""
    return {edge for edge in wanted for start in grid.starts_utc if abs((edge - start).total_seconds()) < 0.001} | {
        start for start in grid.starts_utc for edge in wanted if abs((edge - start).total_seconds()) < 0.001
    }


def _on_quarter(instant: datetime) -> bool:
    seconds = (instant - MIDNIGHT).total_seconds() % 900.0
    return min(seconds, 900.0 - seconds) < 0.001


@GRIDS
@given(now=instants)
def test_every_instant_of_a_grid_lies_in_its_own_step(now: datetime) -> None:
    grid = planning_grid(now, shape=GridShape())

    for t, (start, hours) in enumerate(zip(grid.starts_utc, grid.duration_h, strict=True)):
        assert grid.index_at(start) == t
        assert grid.index_at(start + timedelta(hours=hours / 2.0)) == t


def test_instants_outside_a_grid_have_no_step() -> None:
    grid = TimeGrid(start_utc=MIDNIGHT, duration_h=(0.5, 1.0))

    assert grid.index_at(MIDNIGHT - timedelta(seconds=1)) is None
    assert grid.index_at(grid.end_utc) is None
    assert grid.offset_h == (0.0, 0.5, 1.5)


def test_grid_of_another_zone_is_the_same_grid() -> None:
    here = MIDNIGHT.astimezone(timezone(timedelta(hours=9)))

    assert planning_grid(here, shape=GridShape()).duration_h == planning_grid(MIDNIGHT, shape=GridShape()).duration_h


def test_grid_without_zone_or_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        TimeGrid(start_utc=MIDNIGHT.replace(tzinfo=None), duration_h=(1.0,))
    with pytest.raises(ValueError, match="positive duration"):
        TimeGrid(start_utc=MIDNIGHT, duration_h=())
    with pytest.raises(ValueError, match="positive duration"):
        TimeGrid(start_utc=MIDNIGHT, duration_h=(1.0, 0.0))
