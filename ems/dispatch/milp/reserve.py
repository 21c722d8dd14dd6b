"""Reserve by constraint: N-1 rows per contingency and response class (E19 to E23)."""

from typing import Any, assert_never

import pyomo.environ as pyo

from ems.dispatch.milp.battery import stored_before
from ems.dispatch.milp.parameters import ParameterValues, declare
from ems.dispatch.milp.shape import ModelShape
from ems.model.problem import ContingencyKind, PlanningProblem, PvProblem


def add_reserve(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add headroom variables and the rows; nothing at all for a problem without reserve classes."""
    m.RESERVE = pyo.RangeSet(0, len(shape.up_classes) - 1)
    _parameters(m)
    if not shape.reserve:
        return
    if shape.down:
        m.down_slack_kw = pyo.Var(m.T, bounds=(0, None))
        _add_down(m, shape)
    m.reserve_slack_kw = pyo.Var(m.RESERVE, m.T, bounds=(0, None))
    if shape.up_classes:
        _add_up(m, shape)


def reserve_values(problem: PlanningProblem, shape: ModelShape) -> ParameterValues:
    """Return the parameter values of all reserve rows."""
    reserve, pools, connection = problem.reserve, problem.pools, problem.connection
    others = [(pool.n_blocks - 1) / max(1, pool.n_blocks) for pool in pools]
    classes = reserve.classes if shape.up_classes else ()
    available = [problem.available_pv_kw(t) for t in range(problem.grid.n_steps)]
    return {
        "reserve_variation_kw": [x for k in classes for x in k.variation_kw],
        "reserve_kept_pv_kw": [(1.0 - k.pv_drop_frac) * x for k in classes for x in available],
        "up_kwh_per_kw": [reserve.sustain_h / pool.discharge_eff_frac for pool in pools],
        "down_kwh_per_kw": [reserve.sustain_h * pool.charge_eff_frac for pool in pools],
        "others_frac": others,
        "block_frac": [1.0 - frac for frac in others],
        "load_block_kw": (problem.load.largest_block_kw,),
        "pv_cut_frac": [
            share * plant.frequency_watt_credit_frac for plant in problem.pv for share in _pv_shares(problem, plant)
        ],
        "pv_block_frac": [share / plant.n_blocks for plant in problem.pv for share in _pv_shares(problem, plant)],
        "grid_limit_kw": ()
        if connection is None
        else [
            x * on
            for x, on in ((limit, connection.connected_at(t)) for t, limit in enumerate(connection.import_limit_kw))
        ],
    }


def _pv_shares(problem: PlanningProblem, plant: PvProblem) -> list[float]:
    """Return a plant's part of the PV in use per step: plants are curtailed alike."""
    steps = range(problem.grid.n_steps)
    return [plant.available_kw[t] / max(1e-9, problem.available_pv_kw(t)) for t in steps]


def _parameters(m: pyo.ConcreteModel) -> None:
    declare(m, "reserve_variation_kw", "reserve_kept_pv_kw", index=(m.RESERVE, m.T))
    declare(m, "up_kwh_per_kw", "down_kwh_per_kw", "others_frac", "block_frac", index=(m.POOL,))
    declare(m, "load_block_kw")
    declare(m, "pv_cut_frac", "pv_block_frac", index=(m.PLANT, m.T))
    declare(m, "grid_limit_kw", index=(m.GRID,))


def _add_up(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add how much more the pools and sets could deliver, and the rows E19 to E22.

    A pool by power: limit - discharge + charge; by energy: what lies above the minimum at both ends of the step
    sustains the headroom for `sustain_h`. Without one of m equal blocks (m-1)/m of both is left (E21).
    """
    m.END = pyo.Set(initialize=(0, 1))
    m.up_kw = pyo.Var(m.POOL, m.T, bounds=(0, None))
    m.up_power = pyo.Constraint(
        m.POOL, m.T, rule=lambda m, p, t: m.up_kw[p, t] <= m.discharge_limit_kw[p, t] - _net(m, p, t)
    )
    m.up_energy = pyo.Constraint(m.POOL, m.T, m.END, rule=_up_energy)
    _add_genset_headroom(m, shape)
    m.CLOUD = pyo.Set(initialize=[k for k, drops in enumerate(shape.pv_drops) if drops])
    m.pv_drop_kw = pyo.Var(m.CLOUD, m.T, bounds=(0, None))
    m.pv_drop = pyo.Constraint(m.CLOUD, m.T, rule=_pv_drop)
    m.LOSS = pyo.RangeSet(0, len(shape.contingencies) - 1)
    m.reserve_up = pyo.Constraint(m.RESERVE, m.LOSS, m.T, rule=lambda m, k, i, t: _up(m, shape, k, i, t))


def _add_down(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add how much less the pools could deliver, and the rows of E23.

    By power: limit + discharge - charge; by energy: present discharge needs no room, the rest must fit below the
    maximum at both ends of the step for `sustain_h`.
    """
    m.DOWN_END = pyo.Set(initialize=(0, 1))
    m.down_kw = pyo.Var(m.POOL, m.T, bounds=(0, None))
    m.down_power = pyo.Constraint(
        m.POOL, m.T, rule=lambda m, p, t: m.down_kw[p, t] <= m.charge_limit_kw[p, t] + _net(m, p, t)
    )
    m.down_energy = pyo.Constraint(m.POOL, m.T, m.DOWN_END, rule=_down_energy)
    m.reserve_load_drop = pyo.Constraint(m.T, rule=_load_drop)
    m.LOST_POOL = pyo.Set(initialize=[p for kind, p in shape.contingencies if kind is ContingencyKind.BLOCK])
    m.reserve_charge_loss = pyo.Constraint(m.LOST_POOL, m.T, rule=_charge_loss)
    m.LOST_EXPORT = pyo.Set(initialize=m.GRID if shape.export_loss else [])
    m.reserve_export_loss = pyo.Constraint(m.LOST_EXPORT, rule=_export_loss)


def _net(m: pyo.ConcreteModel, p: int, t: int) -> Any:  # a Pyomo expression
    return m.discharge_kw[p, t] - m.charge_kw[p, t]


def _pv(m: pyo.ConcreteModel, t: int) -> Any:  # a Pyomo expression
    return sum(m.pv_kw[j, t] for j in m.PLANT)


def _stored(m: pyo.ConcreteModel, p: int, t: int, end: int) -> Any:  # a Pyomo expression
    return m.stored_kwh[p, t] if end else stored_before(m, p, t)


def _up_energy(m: pyo.ConcreteModel, p: int, t: int, end: int) -> Any:  # a Pyomo relation
    """R0, R1: r * tau / eta_d <= E[s] - E_tech for s = t, t+1."""
    return m.up_kwh_per_kw[p] * m.up_kw[p, t] <= _stored(m, p, t, end) - m.pool_min_kwh[p]


def _down_energy(m: pyo.ConcreteModel, p: int, t: int, end: int) -> Any:  # a Pyomo relation
    """E23: (r - discharge) * tau * eta_c <= E_max - E[s] for s = t, t+1."""
    beyond = m.down_kwh_per_kw[p] * m.down_kw[p, t] - m.down_kwh_per_kw[p] * m.discharge_kw[p, t]
    # the greatest energy of the node, which a recalibration lifts for some steps only
    highest = m.pool_max_kwh[p, t if end else max(0, t - 1)]
    return beyond <= highest - _stored(m, p, t, end)


def _add_genset_headroom(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add R1 headroom of a class: min(n * pmax - p, n * phi * pmax); a variable only where the step can be less."""
    m.STEP_LIMITED = pyo.Set(initialize=[c for c, genset in enumerate(shape.gensets) if genset.step_limited])
    m.genset_up_kw = pyo.Var(m.STEP_LIMITED, m.T, bounds=(0, None))
    m.genset_up_power = pyo.Constraint(
        m.STEP_LIMITED, m.T, rule=lambda m, c, t: m.genset_up_kw[c, t] <= _genset_free(m, c, t)
    )
    m.genset_up_step = pyo.Constraint(
        m.STEP_LIMITED, m.T, rule=lambda m, c, t: m.genset_up_kw[c, t] <= m.genset_step_kw[c] * m.genset_on[c, t]
    )


def _genset_free(m: pyo.ConcreteModel, c: int, t: int) -> Any:  # a Pyomo expression
    return m.genset_max_kw[c] * m.genset_on[c, t] - m.genset_kw[c, t]


def _genset_up(m: pyo.ConcreteModel, c: int, t: int) -> Any:  # a Pyomo expression
    return m.genset_up_kw[c, t] if c in m.STEP_LIMITED else _genset_free(m, c, t)


def _pv_drop(m: pyo.ConcreteModel, k: int, t: int) -> Any:  # a Pyomo relation
    """E22: a cloud takes what is used beyond (1 - delta_k) of the available PV."""
    return m.pv_drop_kw[k, t] >= _pv(m, t) - m.reserve_kept_pv_kw[k, t]


def _up(m: pyo.ConcreteModel, shape: ModelShape, k: int, i: int, t: int) -> Any:  # a Pyomo relation
    """E19 to E22: headroom of the providers outside the contingency >= its loss + V_k."""
    kind, member = shape.contingencies[i]
    held = _held(m, shape, k, t, kind, member)
    missing = _loss(m, t, kind, member) + m.reserve_variation_kw[k, t]
    if k in m.CLOUD:
        missing += m.pv_drop_kw[k, t]
    return held + m.reserve_slack_kw[k, t] >= missing


def _held(m: pyo.ConcreteModel, shape: ModelShape, k: int, t: int, kind: ContingencyKind, member: int) -> Any:
    """Return the headroom that is left after a loss; a Pyomo expression."""
    held = 0
    for p in m.POOL:
        lost = kind is ContingencyKind.BLOCK and member == p
        held += (m.others_frac[p] if lost else 1.0) * m.up_kw[p, t]
    if shape.up_classes[k]:
        held += sum(_genset_up(m, c, t) for c in m.CLASS)
    if t in m.GRID and kind is not ContingencyKind.GRID:
        held += m.grid_limit_kw[t] - m.import_kw[t] + m.export_kw[t]
    return held


def _loss(m: pyo.ConcreteModel, t: int, kind: ContingencyKind, member: int) -> Any:  # a Pyomo expression
    """Return what a loss takes; one that takes load off the bus, an export or a charging block, earns nothing."""
    match kind:
        case ContingencyKind.NOTHING:
            return 0
        case ContingencyKind.GRID:
            return m.import_kw[t] if t in m.GRID else 0
        case ContingencyKind.GENSET:
            # E20: a unit's headroom and output add up to pmax, whatever the load sharing
            return m.genset_max_kw[member] * m.genset_any[member, t]
        case ContingencyKind.BLOCK:
            return m.block_frac[member] * m.discharge_kw[member, t]
        case ContingencyKind.PV_BLOCK:
            return m.pv_block_frac[member, t] * _pv(m, t)
        case _:
            assert_never(kind)


def _down_held(m: pyo.ConcreteModel, t: int, kind: ContingencyKind, member: int) -> Any:  # a Pyomo expression
    held = m.down_slack_kw[t]
    for p in m.POOL:
        lost = kind is ContingencyKind.BLOCK and member == p
        held += (m.others_frac[p] if lost else 1.0) * m.down_kw[p, t]
    held += sum(m.pv_cut_frac[j, t] for j in m.PLANT) * _pv(m, t)
    if t in m.GRID and kind is not ContingencyKind.GRID:
        held += m.import_kw[t] - m.export_kw[t] + m.export_max_kw[t]
    return held


def _load_drop(m: pyo.ConcreteModel, t: int) -> Any:  # a Pyomo relation
    """E23: the largest load block may vanish."""
    return _down_held(m, t, ContingencyKind.NOTHING, 0) >= m.load_block_kw


def _charge_loss(m: pyo.ConcreteModel, p: int, t: int) -> Any:  # a Pyomo relation
    """E23: a charging block may vanish."""
    return _down_held(m, t, ContingencyKind.BLOCK, p) >= m.block_frac[p] * m.charge_kw[p, t]


def _export_loss(m: pyo.ConcreteModel, t: int) -> Any:  # a Pyomo relation
    """E23: an exporting connection may open."""
    return _down_held(m, t, ContingencyKind.GRID, 0) >= m.export_kw[t]
