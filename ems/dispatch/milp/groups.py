"""Transformers, collectors and feeders: limits that assets share (E9, E14)."""

from typing import Any, assert_never

import pyomo.environ as pyo

from ems.dispatch.milp.parameters import ParameterValues, declare
from ems.dispatch.milp.shape import GroupMember, MemberKind, ModelShape
from ems.model.problem import PlanningProblem


def add_groups(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add the limit of every group, both ways; nothing for a site without groups."""
    if not shape.groups:
        return
    m.GROUP = pyo.RangeSet(0, len(shape.groups) - 1)
    declare(m, "group_limit_kw", index=(m.GROUP,))
    _add_limit(m, shape)


def group_values(problem: PlanningProblem) -> ParameterValues:
    """Return the limits."""
    return {"group_limit_kw": [group.limit_kw for group in problem.groups]} if problem.groups else {}


def _add_limit(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """E9, E14: -limit <= sum of the members' power into the bus <= limit."""

    def row(m: pyo.ConcreteModel, g: int, t: int) -> Any:  # a Pyomo relation
        power = sum(_power_kw(m, member, t) for member in shape.groups[g])
        return pyo.inequality(-m.group_limit_kw[g], power, m.group_limit_kw[g])

    m.group_limit = pyo.Constraint(m.GROUP, m.T, rule=row)


def _power_kw(m: pyo.ConcreteModel, member: GroupMember, t: int) -> Any:  # a Pyomo expression
    match member.kind:
        case MemberKind.GRID:
            return m.import_kw[t] - m.export_kw[t]
        case MemberKind.POOL:
            return m.discharge_kw[member.index, t] - m.charge_kw[member.index, t]
        case MemberKind.GENSET:
            return m.genset_kw[member.index, t]
        case MemberKind.PV:
            return m.pv_kw[member.index, t]
        case _:
            assert_never(member.kind)
