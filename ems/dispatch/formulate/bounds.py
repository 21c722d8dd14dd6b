"""Bounds that people set for a time, on the plan's steps: each holds in the steps that it touches."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from ems.model.battery import BatteryPool
from ems.model.bounds import Bound
from ems.model.condition import SiteCondition
from ems.model.problem import GensetProblem, GridProblem, OutWindow, PlanningProblem, PoolProblem, UnitHistory
from ems.model.site import Site
from ems.model.timegrid import TimeGrid, clock_floor
from ems.model.units import SECONDS_PER_HOUR, frac

_SHORTEST_STEP: Final = timedelta(minutes=1)


def bound_edges(condition: SiteCondition) -> Iterator[datetime]:
    """Yield the instants, to the minute, at which bounds begin and end; none so near that a step had no length."""
    soon = condition.utc + _SHORTEST_STEP
    for bound in condition.bounds:
        for instant in (bound.start_utc, bound.until_utc):
            if instant is not None and (edge := clock_floor(instant, 1)) > soon:
                yield edge


def with_bounds(problem: PlanningProblem, site: Site, condition: SiteCondition) -> PlanningProblem:
    """Return the problem as bounds narrow it: exchange, floor, power of blocks, sets that may not start.

    A set that is banned and runs may go on; one that is out of service may not.
    """
    bounds = condition.bounds
    if not bounds:
        return problem
    grid = problem.grid
    floor = problem.reserve.floor_kwh
    full_kwh = sum(pool.full_kwh for pool in problem.pools)
    floors_pct = _of_steps(bounds, grid, lambda bound: bound.soc_floor_pct)
    reserve = replace(
        problem.reserve,
        floor_kwh=tuple(
            max(kwh, *(frac(pct) * full_kwh for pct in asked), 0.0)
            for kwh, asked in zip(floor, floors_pct, strict=True)
        ),
    )
    return replace(
        problem,
        connection=None if problem.connection is None else _connection(problem.connection, bounds, grid),
        reserve=reserve,
        pools=tuple(_pool(each, pool, bounds, grid) for each, pool in zip(problem.pools, site.batteries, strict=True)),
        gensets=tuple(_gensets(each, bounds, grid) for each in problem.gensets),
    )


def _connection(connection: GridProblem, bounds: tuple[Bound, ...], grid: TimeGrid) -> GridProblem:
    imports = _of_steps(bounds, grid, lambda bound: bound.import_kw)
    exports = _of_steps(bounds, grid, lambda bound: bound.export_kw)
    return replace(
        connection,
        import_limit_kw=tuple(min((kw, *asked)) for kw, asked in zip(connection.import_limit_kw, imports, strict=True)),
        export_limit_kw=tuple(min((kw, *asked)) for kw, asked in zip(connection.export_limit_kw, exports, strict=True)),
    )


def _pool(problem: PoolProblem, pool: BatteryPool, bounds: tuple[Bound, ...], grid: TimeGrid) -> PoolProblem:
    """Return a pool whose blocks are narrowed: what the others can do, and the bounds of these."""
    names = frozenset(block.id for block in pool.blocks)
    mine = tuple(bound for bound in bounds if bound.assets & names)
    if not mine:
        return problem
    return replace(
        problem,
        max_charge_kw=_narrowed(problem.max_charge_kw, mine, pool, grid, lambda bound: bound.charge_kw),
        max_discharge_kw=_narrowed(problem.max_discharge_kw, mine, pool, grid, lambda bound: bound.discharge_kw),
    )


def _narrowed(
    limits_kw: tuple[float, ...],
    bounds: tuple[Bound, ...],
    pool: BatteryPool,
    grid: TimeGrid,
    of: Callable[[Bound], float | None],
) -> tuple[float, ...]:
    """Return the pool's limit per step where each of its blocks has an equal part and some have a bound on it."""
    narrowed = []
    for t, limit_kw in enumerate(limits_kw):
        share_kw = limit_kw / pool.n_blocks
        asked = [(bound, kw) for bound in bounds if _touches(bound, grid, t) and (kw := of(bound)) is not None]
        narrowed.append(
            sum(min([share_kw, *(kw for bound, kw in asked if block.id in bound.assets)]) for block in pool.blocks)
        )
    return tuple(narrowed)


def _gensets(problem: GensetProblem, bounds: tuple[Bound, ...], grid: TimeGrid) -> GensetProblem:
    return replace(problem, units=tuple(_unit(unit, bounds, grid) for unit in problem.units))


def _unit(unit: UnitHistory, bounds: tuple[Bound, ...], grid: TimeGrid) -> UnitHistory:
    windows = [
        OutWindow(start_h=0.0 if bound.start_utc is None else max(0.0, _offset_h(grid, bound.start_utc)), end_h=end_h)
        for bound in bounds
        if unit.id in bound.assets and (bound.out_of_service or (bound.bans_starts and not unit.on))
        if (end_h := _offset_h(grid, bound.until_utc)) > 0.0
    ]
    return replace(unit, out=(*unit.out, *windows)) if windows else unit


def _of_steps(bounds: tuple[Bound, ...], grid: TimeGrid, of: Callable[[Bound], float | None]) -> list[list[float]]:
    """Return for each step what the bounds that touch it say."""
    return [
        [value for bound in bounds if _touches(bound, grid, t) and (value := of(bound)) is not None]
        for t in range(grid.n_steps)
    ]


def _touches(bound: Bound, grid: TimeGrid, t: int) -> bool:
    """Return whether a bound holds in a part of a step; a step ends where a bound does, but for rounding."""
    begins_h = 0.0 if bound.start_utc is None else _offset_h(grid, bound.start_utc)
    middle_h = grid.offset_h[t] + 0.5 * grid.duration_h[t]
    return begins_h <= middle_h < _offset_h(grid, bound.until_utc)


def _offset_h(grid: TimeGrid, instant: datetime) -> float:
    return (instant - grid.start_utc).total_seconds() / SECONDS_PER_HOUR
