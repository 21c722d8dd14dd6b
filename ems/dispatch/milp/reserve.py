"""Reserve by constraint: N-1 rows per contingency and response class (E19 to E23), and their parameters."""

from collections.abc import Iterator

import pyomo.environ as pyo

from ems.dispatch.milp.parameters import ParameterValues, declare
from ems.dispatch.milp.reserve_down import add_down
from ems.dispatch.milp.reserve_groups import add_passing
from ems.dispatch.milp.reserve_shape import (
    LossShape,
    ReserveShape,
    all_contingencies,
    is_reached,
    n_certain,
    sustain_times_h,
)
from ems.dispatch.milp.reserve_up import add_up
from ems.dispatch.milp.shape import ModelShape
from ems.model.problem import ContingencyKind, Loss, PlanningProblem, PvProblem, ReserveClassProblem


def add_reserve(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add headroom variables and the rows; nothing at all for a problem without reserve classes."""
    reserve = shape.reserve
    m.RESERVE = pyo.RangeSet(0, len(reserve.up_classes) - 1)
    m.DOWN = pyo.RangeSet(0, len(reserve.down_classes) - 1)
    if reserve.modelled:
        _parameters(m, reserve)
    if reserve.down_classes:
        add_down(m, reserve)
    if reserve.up_classes:
        add_up(m, shape)
    add_passing(m, shape)


def reserve_values(problem: PlanningProblem, shape: ModelShape) -> ParameterValues:
    """Return the parameter values of all reserve rows."""
    return {
        **_requirement_values(problem, shape.reserve),
        **_storage_values(problem, shape.reserve),
        **_loss_values(problem, shape.reserve),
        **_pv_values(problem, shape.reserve),
        **_genset_values(problem, shape.reserve),
    }


def _parameters(m: pyo.ConcreteModel, reserve: ReserveShape) -> None:
    places = [(i, loss) for i, losses in enumerate(reserve.contingencies) for loss in losses]
    m.LOST_POOL = pyo.Set(dimen=2, initialize=list(_lost(places, ContingencyKind.BLOCK)))
    m.LOST_PLANT = pyo.Set(dimen=2, initialize=list(_lost(places, ContingencyKind.PV_BLOCK)))
    m.LOST_SETS = pyo.Set(dimen=2, initialize=list(_lost(places, ContingencyKind.GENSET)))
    m.LOST_LOAD = pyo.Set(initialize=[i for i, loss in places if loss.kind is ContingencyKind.LOAD])
    m.SUSTAIN = pyo.RangeSet(0, len(reserve.n_reached) - 1)
    m.REACH = pyo.Set(
        dimen=2,
        initialize=[(g, lag) for g, n_reached in enumerate(reserve.n_reached) for lag in range(1, n_reached + 1)],
    )
    declare(m, "reserve_variation_kw", "reserve_kept_pv_kw", "reserve_price", index=(m.RESERVE, m.T))
    declare(m, "down_reserve_price", index=(m.DOWN, m.T))
    declare(m, "up_kwh_per_kw", index=(m.SUSTAIN, m.POOL))
    declare(m, "reach_frac", index=(m.REACH, m.T))
    declare(m, "reach_kwh_per_kw", "reach_min_kwh", index=(m.REACH, m.POOL, m.T))
    declare(m, "block_frac", index=(m.LOST_POOL,))
    declare(m, "pv_share_frac", index=(m.PLANT, m.T))
    declare(m, "plant_frac", index=(m.LOST_PLANT,))
    declare(m, "pv_block_frac", "pv_share_left_frac", "pv_cut_left_frac", index=(m.LOST_PLANT, m.T))
    declare(m, "pv_certain_kw", index=(m.RESERVE, m.PLANT, m.T))
    declare(m, "lost_sets", index=(m.LOST_SETS,))
    declare(m, "genset_certain", "genset_certain_kw", index=(m.CLASS, m.T))
    declare(m, "genset_certain_lost", index=(m.LOST_SETS, m.T))
    declare(m, "down_kwh_per_kw", index=(m.POOL,))
    declare(m, "load_block_kw")
    declare(m, "lost_load_kw", index=(m.LOST_LOAD,))
    declare(m, "pv_cut_frac", index=(m.PLANT, m.T))
    declare(m, "grid_limit_kw", index=(m.GRID,))


def _lost(places: list[tuple[int, LossShape]], kind: ContingencyKind) -> Iterator[tuple[int, int]]:
    return ((i, loss.member) for i, loss in places if loss.kind is kind)


def _requirement_values(problem: PlanningProblem, reserve: ReserveShape) -> ParameterValues:
    steps = range(problem.grid.n_steps)
    classes = _up_classes(problem, reserve)
    available = [problem.available_pv_kw(t) for t in steps]
    grid, price, dt = problem.connection, problem.prices.reserve_per_kwh, problem.grid.duration_h
    return {
        "reserve_price": [problem.reserve_price_of(k) * h for k in classes for h in dt],
        "down_reserve_price": [price * h for _ in reserve.down_classes for h in dt],
        # load that is certain to be shed within the class time lowers what is asked for
        "reserve_variation_kw": [k.variation_kw[t] - k.shed_at(t) for k in classes for t in steps],
        "reserve_kept_pv_kw": [(1.0 - k.pv_drop_frac) * x for k in classes for x in available],
        "load_block_kw": (problem.load.largest_block_kw,),
        "grid_limit_kw": () if grid is None else [grid.import_limit_kw[t] * grid.connected_at(t) for t in steps],
    }


def _storage_values(problem: PlanningProblem, reserve: ReserveShape) -> ParameterValues:
    steps, pools = range(problem.grid.n_steps), problem.pools
    # one sustain time per entry of `n_reached`
    sustain = list(zip(sustain_times_h(problem), reserve.n_reached, strict=False))
    reached = [
        (hours, [float(is_reached(problem, step=t, later=t + lag, sustain_h=hours)) for t in steps])
        for hours, n_reached in sustain
        for lag in range(1, n_reached + 1)
    ]
    return {
        "up_kwh_per_kw": [hours / pool.discharge_eff_frac for hours, _ in sustain for pool in pools],
        "reach_frac": [x for _, fracs in reached for x in fracs],
        "reach_kwh_per_kw": [
            x * hours / pool.discharge_eff_frac for hours, fracs in reached for pool in pools for x in fracs
        ],
        "reach_min_kwh": [
            x * min(pool.min_stored_kwh, pool.stored_kwh) for _, fracs in reached for pool in pools for x in fracs
        ],
        "down_kwh_per_kw": [problem.reserve.sustain_h * pool.charge_eff_frac for pool in pools],
    }


def _loss_values(problem: PlanningProblem, reserve: ReserveShape) -> ParameterValues:
    steps = range(problem.grid.n_steps)
    losses = [
        (loss, place.member)
        for contingency, places in zip(all_contingencies(problem), reserve.contingencies, strict=True)
        for loss, place in zip(contingency.losses, places, strict=True)
    ]
    plants = [(problem.pv[j], loss) for loss, j in losses if loss.kind is ContingencyKind.PV_BLOCK]
    left = [(plant, 1.0 - _plant_frac(plant, loss)) for plant, loss in plants]
    return {
        "block_frac": [
            min(1.0, loss.count / max(1, problem.pools[p].n_blocks))
            for loss, p in losses
            if loss.kind is ContingencyKind.BLOCK
        ],
        "plant_frac": [_plant_frac(plant, loss) for plant, loss in plants],
        "pv_block_frac": [
            _plant_frac(plant, loss) * _pv_share_frac(problem, plant, t) for plant, loss in plants for t in steps
        ],
        "pv_share_left_frac": [frac * _pv_share_frac(problem, plant, t) for plant, frac in left for t in steps],
        "pv_cut_left_frac": [
            frac * plant.frequency_watt_credit_frac * _pv_share_frac(problem, plant, t)
            for plant, frac in left
            for t in steps
        ],
        "lost_sets": [
            min(loss.count, len(problem.gensets[c].units)) for loss, c in losses if loss.kind is ContingencyKind.GENSET
        ],
        "lost_load_kw": [loss.load_kw for loss, _ in losses if loss.kind is ContingencyKind.LOAD],
    }


def _pv_values(problem: PlanningProblem, reserve: ReserveShape) -> ParameterValues:
    steps = range(problem.grid.n_steps)
    return {
        "pv_share_frac": [_pv_share_frac(problem, plant, t) for plant in problem.pv for t in steps],
        "pv_cut_frac": [
            _pv_share_frac(problem, plant, t) * plant.frequency_watt_credit_frac for plant in problem.pv for t in steps
        ],
        "pv_certain_kw": [
            min(plant.q10_at(t), (1.0 - k.pv_drop_frac) * plant.available_kw[t])
            for k in _up_classes(problem, reserve)
            for plant in problem.pv
            for t in steps
        ],
    }


def _genset_values(problem: PlanningProblem, reserve: ReserveShape) -> ParameterValues:
    """Return the sets that deliver within R2 if all are asked, and how many of those a common loss takes."""
    certain = [n_certain(problem, genset) for genset in problem.gensets]
    losses = [
        (loss, place.member)
        for contingency, places in zip(all_contingencies(problem), reserve.contingencies, strict=True)
        for loss, place in zip(contingency.losses, places, strict=True)
        if loss.kind is ContingencyKind.GENSET
    ]
    return {
        "genset_certain": [n for each in certain for n in each],
        "genset_certain_kw": [
            n * genset.usable_at(t)
            for genset, each in zip(problem.gensets, certain, strict=True)
            for t, n in enumerate(each)
        ],
        "genset_certain_lost": [min(loss.count, n) for loss, c in losses for n in certain[c]],
    }


def _up_classes(problem: PlanningProblem, reserve: ReserveShape) -> tuple[ReserveClassProblem, ...]:
    return problem.reserve.classes if reserve.up_classes else ()


def _plant_frac(plant: PvProblem, loss: Loss) -> float:
    return min(1.0, loss.count / plant.n_blocks)


def _pv_share_frac(problem: PlanningProblem, plant: PvProblem, t: int) -> float:
    """Return a plant's part of the PV in use: plants are curtailed alike."""
    return plant.available_kw[t] / max(1e-9, problem.available_pv_kw(t))
