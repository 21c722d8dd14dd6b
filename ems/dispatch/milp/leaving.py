"""Units that leave a class because a window holds them out, and in which state they do (E2).

Which of the units a count means is not known, but for those that nothing can have changed since before the plan: no
unit of the class has stopped, or started, or a minimum time holds them until their window begins.
"""

from typing import Any

import pyomo.environ as pyo

from ems.dispatch.milp.parameters import ParameterValues, declare
from ems.dispatch.milp.shape import ModelShape
from ems.dispatch.unit_history import leavers, n_leaving
from ems.model.problem import PlanningProblem


def declare_leaving(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Declare the units that leave running; none for classes that nobody leaves."""
    m.LEAVES = pyo.Set(initialize=_classes(shape))
    # those of step 0 have left before
    m.LATER = pyo.RangeSet(1, shape.n_steps - 1)
    declare(m, "genset_leaving", index=(m.LEAVES, m.T))
    declare(
        m,
        "genset_leaving_on",
        "genset_leaving_off",
        "genset_leaving_ran",
        "genset_leaving_rested",
        index=(m.LEAVES, m.LATER),
    )
    m.genset_left = pyo.Var(m.LEAVES, m.T, bounds=lambda m, c, t: (0, m.genset_leaving[c, t]))


def add_leaving(m: pyo.ConcreteModel) -> None:
    """Add the rows that say how many of those that leave do so running."""
    if len(m.LEAVES):
        # sums of their own: written out they would be most of the model's coefficients
        m.genset_stopped = pyo.Var(m.LEAVES, m.T, bounds=(0, None))
        m.genset_started = pyo.Var(m.LEAVES, m.T, bounds=(0, None))
        _add_stops(m)
        _add_starts(m)
        _add_leaves_unstopped(m)
        _add_leaves_unstarted(m)
        _add_leaves_on(m)
        _add_leaves_off(m)


def leaving_values(problem: PlanningProblem, shape: ModelShape) -> ParameterValues:
    """Return how many units leave in each step, and what is known of them."""
    classes = [problem.gensets[c] for c in _classes(shape)]
    known = [leavers(problem, genset) for genset in classes]
    return {
        "genset_leaving": [n for genset in classes for n in n_leaving(problem, genset)],
        "genset_leaving_on": [n for each in known for n in each.held_on[1:]],
        "genset_leaving_off": [n for each in known for n in each.held_off[1:]],
        "genset_leaving_ran": [n for each in known for n in each.ran[1:]],
        "genset_leaving_rested": [n for each in known for n in each.rested[1:]],
    }


def _classes(shape: ModelShape) -> list[int]:
    return [c for c, genset in enumerate(shape.gensets) if genset.leaves]


def _add_leaves_on(m: pyo.ConcreteModel) -> None:
    """E2: units that minimum up holds on until they leave do leave running, as far as no slack has stopped them."""

    def row(m: pyo.ConcreteModel, c: int, t: int) -> Any:  # a Pyomo relation
        return m.genset_left[c, t] + m.genset_up_slack[c, t - 1] >= m.genset_leaving_on[c, t]

    m.genset_leaves_on = pyo.Constraint(m.LEAVES, m.LATER, rule=row)


def _add_leaves_off(m: pyo.ConcreteModel) -> None:
    """E2: units that minimum down holds off until they leave do not leave running."""

    def row(m: pyo.ConcreteModel, c: int, t: int) -> Any:  # a Pyomo relation
        return (
            m.genset_left[c, t] <= m.genset_leaving[c, t] - m.genset_leaving_off[c, t] + m.genset_down_slack[c, t - 1]
        )

    m.genset_leaves_off = pyo.Constraint(m.LEAVES, m.LATER, rule=row)


def _add_stops(m: pyo.ConcreteModel) -> None:
    """E2: units that have stopped up to a step, its own beginning included."""

    def row(m: pyo.ConcreteModel, c: int, t: int) -> Any:  # a Pyomo relation
        return m.genset_stopped[c, t] == (m.genset_stopped[c, t - 1] if t else 0.0) + m.genset_stop[c, t]

    m.genset_stops = pyo.Constraint(m.LEAVES, m.T, rule=row)


def _add_starts(m: pyo.ConcreteModel) -> None:
    """E2: units that have started up to a step, its own beginning included."""

    def row(m: pyo.ConcreteModel, c: int, t: int) -> Any:  # a Pyomo relation
        return m.genset_started[c, t] == (m.genset_started[c, t - 1] if t else 0.0) + m.genset_start[c, t]

    m.genset_starts = pyo.Constraint(m.LEAVES, m.T, rule=row)


def _add_leaves_unstopped(m: pyo.ConcreteModel) -> None:
    """E2: units that ran at the start leave running unless as many have stopped before."""

    def row(m: pyo.ConcreteModel, c: int, t: int) -> Any:  # a Pyomo relation
        return m.genset_left[c, t] + m.genset_stopped[c, t - 1] >= m.genset_leaving_ran[c, t]

    m.genset_leaves_unstopped = pyo.Constraint(m.LEAVES, m.LATER, rule=row)


def _add_leaves_unstarted(m: pyo.ConcreteModel) -> None:
    """E2: units that rested at the start leave at rest unless as many have started before."""

    def row(m: pyo.ConcreteModel, c: int, t: int) -> Any:  # a Pyomo relation
        at_most = m.genset_leaving[c, t] - m.genset_leaving_rested[c, t]
        return m.genset_left[c, t] <= at_most + m.genset_started[c, t - 1]

    m.genset_leaves_unstarted = pyo.Constraint(m.LEAVES, m.LATER, rule=row)
