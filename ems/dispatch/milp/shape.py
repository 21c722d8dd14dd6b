"""The structure of a model: everything that decides which variables and rows exist, and nothing else."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum, auto
from math import inf

from ems.dispatch.milp.both_ways import exchange_needs_binary, storage_needs_binary
from ems.dispatch.milp.reserve_shape import ReserveShape, reserve_shape
from ems.dispatch.milp.screening import fuel_stock_can_bind, up_rows_can_bind
from ems.model.problem import (
    GRID_MEMBER,
    GensetProblem,
    GroupProblem,
    OfferKind,
    OfferProblem,
    PlanningProblem,
    PoolProblem,
)
from ems.model.units import MINUTES_PER_HOUR

# demand below this is rounding
_ROUNDING_KW = 1e-6
# instants as close as this are one
_TOUCH_H = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class GensetShape:
    """Structure of one class: fuel segments, how many starts a window can hold, and the features that it has."""

    n_segments: int
    n_up_lags: int
    n_down_lags: int
    # whether output below the economic band is priced
    low_load: bool
    # whether a unit accepts less in one step than it has above its minimum load
    step_limited: bool
    # 0: units deliver as soon as they start
    n_warm_lags: int = 0
    # 0: no exercise is due
    n_exercise_lags: int = 0
    exercise_load: bool = False
    leaves: bool = False
    quiet: bool = False
    permit: bool = False
    # whether a pollutant has a price
    pollutes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolShape:
    """Structure of one pool."""

    n_terminal_pieces: int
    n_hold_pieces: int
    # whether it loses energy of itself and so may run below its minimum
    drains: bool
    # lines of power by SoC, stretches of wear by depth
    n_charge_lines: int = 0
    n_discharge_lines: int = 0
    n_depth_pieces: int = 0
    dwell: bool = False
    throughput_budget: bool = False
    recalibration: bool = False
    # whether auxiliaries follow its power
    aux: bool = False


class MemberKind(Enum):
    """What a member of a group is."""

    GRID = auto()
    POOL = auto()
    GENSET = auto()
    PV = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMember:
    """An asset of a group, by its place among its kind."""

    kind: MemberKind
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferShape:
    """Structure of one class of the cluster: stretches that can be cut, and which rows bind it over time."""

    n_pieces: int
    energy: bool
    curtailed: bool
    ramp: bool
    # whether its work starts and pauses by rules, all of it at once, and only so many times
    runs: bool = False
    whole: bool = False
    pauses: bool = False
    # 0: no rules
    n_run_lags: int = 0
    n_pause_lags: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """Key of the cache of compiled models."""

    n_steps: int
    pools: tuple[PoolShape, ...]
    gensets: tuple[GensetShape, ...]
    n_plants: int
    # the billing intervals of each month: first step and the one after the last
    demand_intervals: tuple[tuple[tuple[int, int], ...], ...]
    connected_site: bool
    reserve: ReserveShape
    n_change_steps: int
    # whether there is load that does not vanish with the racks
    other_load: bool
    # whether energy is to be kept in the stores, and more of it while no set runs
    floor: bool
    lead: bool
    # plants whose curtailment has a price
    priced_plants: tuple[int, ...] = ()
    # whether any step needs a binary between both directions of storage, and of the connection
    one_way_storage: bool = False
    # whether every step has it, because the optimum without it charges and discharges at once
    one_way_throughout: bool = False
    one_way_exchange: bool = False
    pcc_ramp: bool = False
    groups: tuple[tuple[GroupMember, ...], ...] = ()
    carbon_budget: bool = False
    offers: tuple[OfferShape, ...] = ()
    # support lines of the cooling where it is a variable; 0: substituted
    n_cooling_lines: int = 0
    chillers: bool = False
    tank: bool = False
    # whether the tank of diesel could run down to its reserve
    fuel_stock: bool = False
    # whether sets that warm up at the start may burn more than it holds: they run on whatever is decided
    fuel_missing: bool = False

    @property
    def warms(self) -> bool:
        """Return whether units of any class warm up."""
        return any(genset.n_warm_lags for genset in self.gensets)


def shape_of(problem: PlanningProblem) -> ModelShape:
    """Return the structure that a problem needs."""
    return ModelShape(
        n_steps=problem.grid.n_steps,
        pools=tuple(_pool_shape(pool) for pool in problem.pools),
        gensets=tuple(_genset_shape(problem, genset) for genset in problem.gensets),
        n_plants=len(problem.pv),
        demand_intervals=()
        if problem.connection is None
        else tuple(month.intervals() for month in problem.connection.demand),
        connected_site=problem.connection is not None,
        reserve=reserve_shape(problem, up=up_rows_can_bind(problem)),
        n_change_steps=problem.n_change_steps,
        # what a class of the cluster is bound to by its ramp may exceed the supply too, and so may chillers
        other_load=bool(problem.offers) or problem.chillers is not None or any(_other_load(problem)),
        floor=any(kwh > 0.0 for kwh in (*problem.reserve.floor_kwh, *problem.reserve.lead_kwh)),
        lead=bool(problem.gensets) and any(kwh > 0.0 for kwh in problem.reserve.lead_kwh),
        priced_plants=tuple(j for j, plant in enumerate(problem.pv) if plant.curtailment_price_per_kwh > 0.0),
        one_way_storage=bool(problem.pools)
        and any(storage_needs_binary(problem, t) for t in range(problem.grid.n_steps)),
        one_way_exchange=any(exchange_needs_binary(problem, t) for t in range(problem.grid.n_steps)),
        pcc_ramp=problem.connection is not None and problem.connection.ramp_kw_per_min is not None,
        groups=tuple(_members(problem, group) for group in problem.groups),
        carbon_budget=problem.carbon_budget is not None,
        offers=tuple(_offer_shape(problem, offer) for offer in problem.offers),
        # without offers only unserved load lowers IT power, and its cooling is taken from the chord
        n_cooling_lines=len(problem.load.cooling) if problem.offers and len(problem.load.cooling) > 1 else 0,
        chillers=problem.chillers is not None,
        tank=problem.chillers is not None and problem.chillers.tank is not None,
        fuel_stock=fuel_stock_can_bind(problem),
        fuel_missing=fuel_stock_can_bind(problem) and any(_warming_at_start(genset) for genset in problem.gensets),
    )


def _warming_at_start(genset: GensetProblem) -> bool:
    return any(unit.on and unit.available and unit.warm_up_left_h > 0.0 for unit in genset.units)


def _genset_shape(problem: PlanningProblem, genset: GensetProblem) -> GensetShape:
    warms = genset.warm_up_h > 0.0 or any(unit.on and unit.warm_up_left_h > 0.0 for unit in genset.units)
    exercise = genset.exercise
    return GensetShape(
        n_segments=len(genset.segments),
        n_up_lags=longest_window(problem, genset.min_up_h),
        n_down_lags=longest_window(problem, genset.min_down_h),
        low_load=problem.prices.low_load_per_kwh > 0.0 and genset.band_low_kw > 0.0,
        step_limited=genset.step_limit_kw < genset.max_kw - genset.min_kw,
        n_warm_lags=longest_window(problem, genset.warm_up_h) if warms else 0,
        n_exercise_lags=0 if exercise is None else longest_window(problem, exercise.run_h),
        exercise_load=exercise is not None and exercise.min_load_frac > 0.0,
        leaves=any(unit.available and unit.out for unit in genset.units),
        quiet=bool(genset.n_permitted),
        permit=genset.permitted_run_h is not None,
        pollutes=any(pollutant.price_per_kg > 0.0 for pollutant in genset.pollutants),
    )


def _pool_shape(pool: PoolProblem) -> PoolShape:
    return PoolShape(
        n_terminal_pieces=len(pool.terminal_value),
        n_hold_pieces=len(pool.hold_value_per_h),
        drains=pool.no_load_kw > 0.0 or pool.self_discharge_frac_per_h > 0.0,
        n_charge_lines=len(pool.charge_by_soc),
        n_discharge_lines=len(pool.discharge_by_soc),
        n_depth_pieces=len(pool.depth_wear),
        dwell=pool.dwell_cost_per_kwh > 0.0,
        throughput_budget=pool.throughput_budget is not None,
        recalibration=pool.recalibration is not None,
        aux=pool.aux_frac_of_power > 0.0,
    )


def _members(problem: PlanningProblem, group: GroupProblem) -> tuple[GroupMember, ...]:
    places = {pool.id: GroupMember(kind=MemberKind.POOL, index=p) for p, pool in enumerate(problem.pools)}
    places |= {genset.id: GroupMember(kind=MemberKind.GENSET, index=c) for c, genset in enumerate(problem.gensets)}
    places |= {plant.id: GroupMember(kind=MemberKind.PV, index=j) for j, plant in enumerate(problem.pv)}
    if problem.connection is not None:
        places[GRID_MEMBER] = GroupMember(kind=MemberKind.GRID, index=0)
    for member in group.members:
        if member not in places:
            raise ValueError(f"group {group.id}: {member} is none of {', '.join(places)}; name assets of the problem")
    return tuple(places[member] for member in group.members)


def _other_load(problem: PlanningProblem) -> Iterator[bool]:
    """Yield per step whether the demand exceeds what the racks take with all that hangs on them."""
    for t, it_kw in enumerate(problem.load.it_kw):
        yield problem.demand_kw(t) > problem.it_weight_frac(t) * it_kw + _ROUNDING_KW


def with_up_rows(shape: ModelShape, problem: PlanningProblem) -> ModelShape:
    """Return the structure with every upward reserve row."""
    return replace(shape, reserve=reserve_shape(problem, up=True))


def offer_ramp_kw(offer: OfferProblem, apart_h: float) -> float:
    """Return how far the mean power of a class may change between two steps whose centres are so far apart."""
    return inf if offer.ramp_kw_per_min is None else offer.ramp_kw_per_min * MINUTES_PER_HOUR * apart_h


def _offer_shape(problem: PlanningProblem, offer: OfferProblem) -> OfferShape:
    n_pieces = {OfferKind.FIRM: 0, OfferKind.SHAPEABLE: max(1, len(offer.progress))}.get(offer.kind, 1)
    runs = offer.runs
    return OfferShape(
        n_pieces=n_pieces,
        energy=offer.kind is OfferKind.DEFERRABLE,
        curtailed=offer.kind is OfferKind.CURTAILABLE and offer.max_curtailed_h is not None,
        # a ramp that covers the whole range between the closest two steps never binds
        ramp=offer.kind in (OfferKind.SHAPEABLE, OfferKind.CURTAILABLE)
        and offer_ramp_kw(offer, min(problem.grid.apart_h)) < max(offer.now_kw, *offer.max_kw),
        runs=runs is not None,
        whole=runs is not None and runs.whole,
        pauses=runs is not None and runs.max_pauses is not None,
        n_run_lags=0 if runs is None else longest_window(problem, runs.min_run_h),
        n_pause_lags=0 if runs is None else longest_window(problem, runs.min_pause_h),
    )


def n_binding(problem: PlanningProblem, window_h: float) -> list[int]:
    """Return per step how many steps back an event may lie, its own included, that binds for `window_h`."""
    offset_h = problem.grid.offset_h
    return [
        t + 1 - bisect_right(offset_h, begin_h + _TOUCH_H - window_h, hi=t + 1)
        for t, begin_h in enumerate(offset_h[:-1])
    ]


def longest_window(problem: PlanningProblem, window_h: float) -> int:
    """Return the largest number of steps, the event's own included, for which an event binds."""
    return max(1, *n_binding(problem, window_h))
