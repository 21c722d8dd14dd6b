"""Downward reserve: what can take back power when load, an export or a charging block is lost (E23)."""

from typing import Any

import pyomo.environ as pyo

from ems.dispatch.milp.battery import stored_before
from ems.dispatch.milp.reserve_shape import LossShape, ReserveShape
from ems.model.problem import ContingencyKind

_Expression = Any  # Pyomo's expressions have no common type


def add_down(m: pyo.ConcreteModel, reserve: ReserveShape) -> None:
    """Add how much less the pools could deliver, and the rows of E23 with one priced slack per class.

    By power: limit + discharge - charge; by energy: present discharge needs no room, the rest must fit below the
    maximum at both ends of the step for `sustain_h`.
    """
    m.DOWN_END = pyo.Set(initialize=(0, 1))
    m.down_kw = pyo.Var(m.POOL, m.T, bounds=(0, None))
    m.down_slack_kw = pyo.Var(m.DOWN, m.T, bounds=(0, None))
    _add_down_power(m)
    _add_down_energy(m)
    m.DOWN_LOSS = pyo.RangeSet(0, len(reserve.down_contingencies) - 1)
    m.DOWN_GROUP = pyo.Set(initialize=reserve.down_groups)
    m.blocked_down_kw = pyo.Var(m.DOWN, m.DOWN_LOSS, m.DOWN_GROUP, m.T, bounds=(0, None))
    _add_loss_rows(m, reserve)


def _add_down_power(m: pyo.ConcreteModel) -> None:
    """E23: r <= charge limit + discharge - charge."""
    m.down_power = pyo.Constraint(
        m.POOL,
        m.T,
        rule=lambda m, p, t: m.down_kw[p, t] <= m.charge_limit_kw[p, t] + m.discharge_kw[p, t] - m.charge_kw[p, t],
    )


def _add_down_energy(m: pyo.ConcreteModel) -> None:
    """E23: (r - discharge) * tau * eta_c <= E_max - E[s] for s = t, t+1."""

    def row(m: pyo.ConcreteModel, p: int, t: int, end: int) -> _Expression:
        beyond = m.down_kwh_per_kw[p] * m.down_kw[p, t] - m.down_kwh_per_kw[p] * m.discharge_kw[p, t]
        stored = m.stored_kwh[p, t] if end else stored_before(m, p, t)
        # the greatest energy of the node, which a recalibration lifts for some steps only
        highest = m.pool_max_kwh[p, t if end else max(0, t - 1)]
        return beyond <= highest - stored

    m.down_energy = pyo.Constraint(m.POOL, m.T, m.DOWN_END, rule=row)


def _add_loss_rows(m: pyo.ConcreteModel, reserve: ReserveShape) -> None:
    """E23: what is left to take power back, as far as it passes, >= load block, lost load, charging and export."""

    def row(m: pyo.ConcreteModel, d: int, number: int, t: int) -> _Expression:
        place, slow = reserve.down_contingencies[number], reserve.down_classes[d]
        passing = m.down_slack_kw[d, t] - sum(m.blocked_down_kw[d, number, g, t] for g in m.DOWN_GROUP)
        if place is None:
            return _held(m, t, 0, (), slow=slow) + passing >= m.load_block_kw
        losses = reserve.contingencies[place]
        return _held(m, t, place, losses, slow=slow) + passing >= sum(_loss(m, place, t, loss) for loss in losses)

    m.reserve_down = pyo.Constraint(m.DOWN, m.DOWN_LOSS, m.T, rule=row)


def _held(m: pyo.ConcreteModel, t: int, i: int, losses: tuple[LossShape, ...], *, slow: bool) -> _Expression:
    """Return what takes power back after a loss; sets down to their minimum and all PV within ten seconds only."""
    members = {
        kind: {loss.member for loss in losses if loss.kind is kind}
        for kind in (ContingencyKind.BLOCK, ContingencyKind.PV_BLOCK, ContingencyKind.GENSET)
    }
    pools, plants = members[ContingencyKind.BLOCK], members[ContingencyKind.PV_BLOCK]
    held = sum((1 - m.block_frac[i, p] if p in pools else 1) * m.down_kw[p, t] for p in m.POOL)
    frac, left_frac = (m.pv_share_frac, m.pv_share_left_frac) if slow else (m.pv_cut_frac, m.pv_cut_left_frac)
    cut_frac = sum(left_frac[i, j, t] if j in plants else frac[j, t] for j in m.PLANT)
    held += cut_frac * sum(m.pv_kw[j, t] for j in m.PLANT)
    if slow:
        held += sum(
            m.genset_kw[c, t] - m.genset_min_kw[c] * m.genset_on[c, t]
            for c in m.CLASS
            if c not in members[ContingencyKind.GENSET]
        )
    if t in m.GRID and not any(loss.kind is ContingencyKind.GRID for loss in losses):
        held += m.import_kw[t] - m.export_kw[t] + m.export_max_kw[t]
    return held


def _loss(m: pyo.ConcreteModel, i: int, t: int, loss: LossShape) -> _Expression:
    """E23: return the power that nothing takes any more after a loss; lost supply earns nothing."""
    match loss.kind:
        case ContingencyKind.LOAD:
            return m.lost_load_kw[i]
        case ContingencyKind.BLOCK:
            return m.block_frac[i, loss.member] * m.charge_kw[loss.member, t]
        case ContingencyKind.GRID:
            return m.export_kw[t] if t in m.GRID else 0
        case _:
            return 0
