"""Reserve behind transformers, collectors and feeders: headroom that cannot pass one is not counted (E19 to E23).

A group passes its limit after a loss as before it. What its members could deliver, or take, beyond that is blocked;
what is blocked in a group inside another is no burden for the one around it.
"""

from typing import Any, assert_never

import pyomo.environ as pyo

from ems.dispatch.milp.reserve_shape import LossShape
from ems.dispatch.milp.reserve_up import headroom_of_sets_kw, sets_lost_kw, whole_lost
from ems.dispatch.milp.shape import GroupMember, MemberKind, ModelShape
from ems.model.problem import ContingencyKind

_Expression = Any  # Pyomo's expressions have no common type
_KINDS = {
    MemberKind.GRID: ContingencyKind.GRID,
    MemberKind.POOL: ContingencyKind.BLOCK,
    MemberKind.GENSET: ContingencyKind.GENSET,
    MemberKind.PV: ContingencyKind.PV_BLOCK,
}


def add_passing(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add what passes each group after every loss; nothing where no group could block anything."""
    if shape.reserve.up_groups:
        _add_passes_up(m, shape)
    if shape.reserve.down_groups:
        _add_passes_down(m, shape)


def _add_passes_up(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """E19, E20, E21, E22: members' power with all headroom after the loss - blocked inside <= limit."""

    def row(m: pyo.ConcreteModel, k: int, i: int, g: int, t: int) -> _Expression:
        total = sum(_most_kw(m, shape, k, i, t, member) for member in shape.groups[g])
        inside = sum(m.blocked_up_kw[k, i, other, t] for other in _inside(shape, g, shape.reserve.up_groups))
        return total - inside <= m.group_limit_kw[g]

    m.group_passes_up = pyo.Constraint(m.RESERVE, m.LOSS, m.UP_GROUP, m.T, rule=row)


def _add_passes_down(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """E23: members' power less all room after the loss + blocked inside >= -limit."""

    def row(m: pyo.ConcreteModel, d: int, number: int, g: int, t: int) -> _Expression:
        place = shape.reserve.down_contingencies[number]
        losses = () if place is None else shape.reserve.contingencies[place]
        slow = shape.reserve.down_classes[d]
        total = sum(
            _least_kw(m, 0 if place is None else place, t, member, losses, slow=slow) for member in shape.groups[g]
        )
        inside = sum(m.blocked_down_kw[d, number, other, t] for other in _inside(shape, g, shape.reserve.down_groups))
        return total + inside >= -m.group_limit_kw[g]

    m.group_passes_down = pyo.Constraint(m.DOWN, m.DOWN_LOSS, m.DOWN_GROUP, m.T, rule=row)


def _inside(shape: ModelShape, g: int, groups: tuple[int, ...]) -> list[int]:
    """Return the groups whose members are all in a group, itself included."""
    return [other for other in groups if set(shape.groups[other]) <= set(shape.groups[g])]


def _most_kw(m: pyo.ConcreteModel, shape: ModelShape, k: int, i: int, t: int, member: GroupMember) -> _Expression:
    """Return what a member delivers with all its headroom after a loss."""
    loss, index, kind = _loss_of(shape.reserve.contingencies[i], member), member.index, shape.reserve.up_classes[k]
    match member.kind:
        case MemberKind.GRID:
            return m.grid_limit_kw[t] if t in m.GRID and loss is None else 0.0
        case MemberKind.POOL:
            flow = m.discharge_kw[index, t] - m.charge_kw[index, t] + m.up_kw[kind.sustain, index, t]
            return flow if loss is None else (1 - m.block_frac[i, index]) * flow
        case MemberKind.GENSET:
            if loss is not None and whole_lost(shape.reserve, kind, loss):
                return 0.0
            most = m.genset_kw[index, t] + headroom_of_sets_kw(m, shape.reserve, kind, index, t)
            return most if loss is None else most - sets_lost_kw(m, shape.reserve, kind, i, t, loss)
        case MemberKind.PV:
            unused = m.curtailed_up_kw[k, index, t] if kind.curtailed_counts else 0.0
            flow = m.pv_kw[index, t] + unused
            return flow if loss is None else (1 - m.plant_frac[i, index]) * flow
        case _:
            assert_never(member.kind)


def _least_kw(
    m: pyo.ConcreteModel, i: int, t: int, member: GroupMember, losses: tuple[LossShape, ...], *, slow: bool
) -> _Expression:
    """Return what a member delivers less all its room after a loss; of sets that are lost in part nothing is known."""
    loss, index = _loss_of(losses, member), member.index
    match member.kind:
        case MemberKind.GRID:
            return -m.export_max_kw[t] if t in m.GRID and loss is None else 0.0
        case MemberKind.POOL:
            flow = m.discharge_kw[index, t] - m.charge_kw[index, t] - m.down_kw[index, t]
            return flow if loss is None else (1 - m.block_frac[i, index]) * flow
        case MemberKind.GENSET:
            if loss is not None:
                return 0.0
            return m.genset_min_kw[index] * m.genset_on[index, t] if slow else m.genset_kw[index, t]
        case MemberKind.PV:
            used = sum(m.pv_kw[j, t] for j in m.PLANT)
            if loss is None:
                return m.pv_kw[index, t] - (m.pv_share_frac if slow else m.pv_cut_frac)[index, t] * used
            cut_frac = (m.pv_share_left_frac if slow else m.pv_cut_left_frac)[i, index, t]
            return (1 - m.plant_frac[i, index]) * m.pv_kw[index, t] - cut_frac * used
        case _:
            assert_never(member.kind)


def _loss_of(losses: tuple[LossShape, ...], member: GroupMember) -> LossShape | None:
    """Return what a contingency takes of a member."""
    kind = _KINDS[member.kind]
    return next((loss for loss in losses if loss.kind is kind and loss.member == member.index), None)
