"""Upward reserve: what pools, sets, grid and curtailed PV hold against every loss and the variation (E19 to E22)."""

from typing import Any, assert_never

import pyomo.environ as pyo

from ems.dispatch.milp.genset import settled
from ems.dispatch.milp.reserve_headroom import add_headroom, free_kw
from ems.dispatch.milp.reserve_shape import LossShape, Ready, ReserveShape, SetsLost, UpClassShape
from ems.dispatch.milp.shape import ModelShape
from ems.model.problem import ContingencyKind

_Expression = Any  # Pyomo's expressions have no common type


def add_up(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add how much more each provider could deliver, and the rows E19 to E22 with one priced slack per class."""
    reserve = shape.reserve
    m.reserve_slack_kw = pyo.Var(m.RESERVE, m.T, bounds=(0, None))
    add_headroom(m, shape)
    _add_sets_lost(m, reserve)
    _add_curtailed(m, reserve)
    m.CLOUD = pyo.Set(initialize=[k for k, each in enumerate(reserve.up_classes) if each.cloud])
    m.pv_drop_kw = pyo.Var(m.CLOUD, m.T, bounds=(0, None))
    _add_pv_drop(m)
    m.LOSS = pyo.RangeSet(0, len(reserve.contingencies) - 1)
    m.UP_GROUP = pyo.Set(initialize=reserve.up_groups)
    m.blocked_up_kw = pyo.Var(m.RESERVE, m.LOSS, m.UP_GROUP, m.T, bounds=(0, None))
    _add_loss_rows(m, reserve)


def _add_sets_lost(m: pyo.ConcreteModel, reserve: ReserveShape) -> None:
    """E20: add the units that a common loss of several sets takes, min(k, n), n those that deliver, by one binary.

    In R2 it takes what would have started as well: min(k, ready).
    """
    some = [
        (i, loss.member)
        for i, losses in enumerate(reserve.contingencies)
        for loss in losses
        if loss.sets is SetsLost.SOME
    ]
    m.SOME_LOST = pyo.Set(dimen=2, initialize=some)
    m.SOME_GONE = pyo.Set(dimen=2, initialize=[(i, c) for i, c in some if reserve.ready[c] is not Ready.RUNNING])
    m.genset_lost = pyo.Var(m.SOME_LOST, m.T, bounds=lambda m, i, c, t: (0, m.lost_sets[i, c]))
    m.genset_more_on = pyo.Var(m.SOME_LOST, m.T, domain=pyo.Binary)
    _add_lost_few(m)
    _add_lost_many(m)
    m.genset_gone = pyo.Var(
        m.SOME_GONE, m.T, bounds=lambda m, i, c, t: (m.genset_certain_lost[i, c, t], m.lost_sets[i, c])
    )
    _add_gone(m)


def _add_lost_few(m: pyo.ConcreteModel) -> None:
    """E20: lost >= n where fewer run than are lost."""
    m.genset_lost_few = pyo.Constraint(
        m.SOME_LOST,
        m.T,
        rule=lambda m, i, c, t: (
            m.genset_lost[i, c, t] >= settled(m, c, t) - m.genset_n_units[c] * m.genset_more_on[i, c, t]
        ),
    )


def _add_lost_many(m: pyo.ConcreteModel) -> None:
    """E20: lost >= k where more run than are lost."""
    m.genset_lost_many = pyo.Constraint(
        m.SOME_LOST,
        m.T,
        rule=lambda m, i, c, t: m.genset_lost[i, c, t] >= m.lost_sets[i, c] * m.genset_more_on[i, c, t],
    )


def _add_gone(m: pyo.ConcreteModel) -> None:
    """E20: gone >= lost, what would have started included."""
    m.genset_gone_lost = pyo.Constraint(
        m.SOME_GONE, m.T, rule=lambda m, i, c, t: m.genset_gone[i, c, t] >= m.genset_lost[i, c, t]
    )


def _add_curtailed(m: pyo.ConcreteModel, reserve: ReserveShape) -> None:
    """E22: add curtailed PV as headroom where a class counts it: up to what is certain, less what is used.

    PV used beyond what is certain is no negative headroom: `curtailed_counts` is 0 there.
    """
    m.COUNTED_PV = pyo.Set(initialize=[k for k, each in enumerate(reserve.up_classes) if each.curtailed_counts])
    m.curtailed_up_kw = pyo.Var(m.COUNTED_PV, m.PLANT, m.T, bounds=lambda m, k, j, t: (0, m.pv_certain_kw[k, j, t]))
    m.curtailed_counts = pyo.Var(m.COUNTED_PV, m.PLANT, m.T, domain=pyo.Binary)
    _add_curtailed_where(m)
    _add_curtailed_room(m)


def _add_curtailed_where(m: pyo.ConcreteModel) -> None:
    """E22: h <= certain, where less is used than is certain."""
    m.curtailed_where = pyo.Constraint(
        m.COUNTED_PV,
        m.PLANT,
        m.T,
        rule=lambda m, k, j, t: m.curtailed_up_kw[k, j, t] <= m.pv_certain_kw[k, j, t] * m.curtailed_counts[k, j, t],
    )


def _add_curtailed_room(m: pyo.ConcreteModel) -> None:
    """E22: h <= certain - used, where it counts."""

    def row(m: pyo.ConcreteModel, k: int, j: int, t: int) -> _Expression:
        used = m.pv_share_frac[j, t] * _pv(m, t)
        beyond = m.pv_available_kw[j, t] * (1 - m.curtailed_counts[k, j, t])
        return m.curtailed_up_kw[k, j, t] <= m.pv_certain_kw[k, j, t] - used + beyond

    m.curtailed_room = pyo.Constraint(m.COUNTED_PV, m.PLANT, m.T, rule=row)


def _pv(m: pyo.ConcreteModel, t: int) -> _Expression:
    return sum(m.pv_kw[j, t] for j in m.PLANT)


def _add_pv_drop(m: pyo.ConcreteModel) -> None:
    """E22: a cloud takes what is used beyond (1 - delta_k) of the available PV."""

    def row(m: pyo.ConcreteModel, k: int, t: int) -> _Expression:
        return m.pv_drop_kw[k, t] >= _pv(m, t) - m.reserve_kept_pv_kw[k, t]

    m.pv_drop = pyo.Constraint(m.CLOUD, m.T, rule=row)


def _add_loss_rows(m: pyo.ConcreteModel, reserve: ReserveShape) -> None:
    """E19, E20, E21, E22: headroom of the providers outside the contingency, as far as it passes, >= its loss + V_k."""

    def row(m: pyo.ConcreteModel, k: int, i: int, t: int) -> _Expression:
        kind, losses = reserve.up_classes[k], reserve.contingencies[i]
        held = _pools(m, kind, i, t, losses) + _sets(m, reserve, kind, t, losses) + _plants(m, k, i, t, losses)
        if t in m.GRID and not any(loss.kind is ContingencyKind.GRID for loss in losses):
            held += m.grid_limit_kw[t] - m.import_kw[t] + m.export_kw[t]
        held -= sum(m.blocked_up_kw[k, i, g, t] for g in m.UP_GROUP)
        lost = sum(_loss(m, reserve, kind, i, t, loss) for loss in losses)
        drop = m.pv_drop_kw[k, t] if kind.cloud else 0
        return held + m.reserve_slack_kw[k, t] >= lost + m.reserve_variation_kw[k, t] + drop

    m.reserve_up = pyo.Constraint(m.RESERVE, m.LOSS, m.T, rule=row)


def _pools(m: pyo.ConcreteModel, kind: UpClassShape, i: int, t: int, losses: tuple[LossShape, ...]) -> _Expression:
    lost = {loss.member for loss in losses if loss.kind is ContingencyKind.BLOCK}
    return sum((1 - m.block_frac[i, p] if p in lost else 1) * m.up_kw[kind.sustain, p, t] for p in m.POOL)


def _sets(
    m: pyo.ConcreteModel, reserve: ReserveShape, kind: UpClassShape, t: int, losses: tuple[LossShape, ...]
) -> _Expression:
    """Return the headroom of all sets but those of a class that is lost as a whole."""
    lost = {loss.member for loss in losses if loss.kind is ContingencyKind.GENSET and whole_lost(reserve, kind, loss)}
    return sum(headroom_of_sets_kw(m, reserve, kind, c, t) for c in m.CLASS if c not in lost)


def whole_lost(reserve: ReserveShape, kind: UpClassShape, loss: LossShape) -> bool:
    """Return whether a loss leaves nothing of a class of sets, not even one that would start."""
    starts = kind.starts_count and reserve.ready[loss.member] is not Ready.RUNNING
    return loss.sets is SetsLost.ALL or (loss.sets is SetsLost.ONLY and not starts)


def headroom_of_sets_kw(m: pyo.ConcreteModel, reserve: ReserveShape, kind: UpClassShape, c: int, t: int) -> _Expression:
    """Return the headroom of a class of sets in a response class."""
    if not kind.gensets_count:
        return -m.genset_taken_kw[c, t] if c in m.TAKEN_OVER else 0
    if kind.starts_count:
        return _ready_kw(m, reserve.ready[c], c, t) - m.genset_kw[c, t]
    return m.genset_up_kw[c, t] if c in m.STEP_LIMITED else free_kw(m, c, t)


def _ready_kw(m: pyo.ConcreteModel, ready: Ready, c: int, t: int) -> _Expression:
    """R2: rating of the sets that deliver within the class time."""
    match ready:
        case Ready.RUNNING:
            return m.genset_max_kw[c, t] * settled(m, c, t)
        case Ready.ALL:
            return m.genset_certain_kw[c, t]
        case Ready.STARTING:
            return m.genset_max_kw[c, t] * m.genset_ready[c, t]
        case _:
            assert_never(ready)


def _plants(m: pyo.ConcreteModel, k: int, i: int, t: int, losses: tuple[LossShape, ...]) -> _Expression:
    if k not in m.COUNTED_PV:
        return 0
    lost = {loss.member for loss in losses if loss.kind is ContingencyKind.PV_BLOCK}
    return sum((1 - m.plant_frac[i, j] if j in lost else 1) * m.curtailed_up_kw[k, j, t] for j in m.PLANT)


def _loss(
    m: pyo.ConcreteModel, reserve: ReserveShape, kind: UpClassShape, i: int, t: int, loss: LossShape
) -> _Expression:
    """E19, E20, E21, E22: return what a loss takes.

    One that takes load off the bus, an export or a charging block, earns nothing.
    """
    match loss.kind:
        case ContingencyKind.GRID:
            return m.import_kw[t] if t in m.GRID else 0
        case ContingencyKind.GENSET:
            return sets_lost_kw(m, reserve, kind, i, t, loss)
        case ContingencyKind.BLOCK:
            return m.block_frac[i, loss.member] * m.discharge_kw[loss.member, t]
        case ContingencyKind.PV_BLOCK:
            return m.pv_block_frac[i, loss.member, t] * _pv(m, t)
        case ContingencyKind.LOAD:
            return 0
        case _:
            assert_never(loss.kind)


def sets_lost_kw(
    m: pyo.ConcreteModel, reserve: ReserveShape, kind: UpClassShape, i: int, t: int, loss: LossShape
) -> _Expression:
    """E20: a unit's headroom and output add up to pmax, whatever the load sharing; a whole class loses its output."""
    c = loss.member
    if whole_lost(reserve, kind, loss):
        return m.genset_kw[c, t]
    match loss.sets:
        case SetsLost.ONE:
            return m.genset_max_kw[c, t] * m.genset_any[c, t]
        case SetsLost.SOME:
            gone = kind.starts_count and reserve.ready[c] is not Ready.RUNNING
            return m.genset_max_kw[c, t] * (m.genset_gone[i, c, t] if gone else m.genset_lost[i, c, t])
        case SetsLost.ONLY:
            # one that would start is not lost
            return m.genset_max_kw[c, t] * m.genset_on[c, t]
        case SetsLost.ALL:
            return m.genset_kw[c, t]
        case _:
            assert_never(loss.sets)
