"""Refuses a planning problem whose figures no site can have, before any model is built of it.

A measured state outside its limits is no reason: the model has slacks for it. What is refused is what cannot be:
series of another length, numbers that are none, efficiencies above one, members that do not exist. No pyomo here.
"""

from ems.dispatch.refusal.figures import figures
from ems.dispatch.refusal.finding import Refusal
from ems.dispatch.refusal.relations import relations
from ems.errors import ProblemRefusedError
from ems.model.problem import PlanningProblem

__all__ = ["Refusal", "accept", "refusals"]


def refusals(problem: PlanningProblem) -> tuple[Refusal, ...]:
    """Return everything that is wrong with a problem; what fields say together only where each is in order."""
    return tuple(figures(problem)) or tuple(relations(problem))


def accept(problem: PlanningProblem) -> None:
    """Do nothing for a problem that can be planned.

    Raises:
        ProblemRefusedError: A field is wrong; says which, what it holds and what is allowed.
    """
    found = refusals(problem)
    if found:
        raise ProblemRefusedError(*(refusal.of(problem.id) for refusal in found))
