"""The independent evaluator: re-simulates a plan from the problem's physics and enumerates every loss.

Shares no code with the MILP and imports no pyomo; runs in the daemon's process on every plan before control may
follow it. A plan that deviates from its own numbers, or that breaks a limit which it does not declare as
relaxed and pay for, is refused.
"""

from collections.abc import Iterator

from ems.dispatch.check.agreement import forecasts, shape
from ems.dispatch.check.cluster import offers
from ems.dispatch.check.commitment import gensets, minimum_times
from ems.dispatch.check.cooling import chillers
from ems.dispatch.check.figures import numbers
from ems.dispatch.check.findings import Evaluation, HeldOn, Violation
from ems.dispatch.check.flows import flows
from ems.dispatch.check.fuel import tank
from ems.dispatch.check.marginals import marginals
from ems.dispatch.check.named_units import named_units
from ems.dispatch.check.objective import objective
from ems.dispatch.check.rules import rules
from ems.dispatch.check.security import reserve, security
from ems.dispatch.check.sharing import ramp, sharing
from ems.dispatch.check.storage import floor, power_by_energy, stored_energy
from ems.dispatch.check.units import UnitRange, unit_ranges
from ems.model.plan import Plan
from ems.model.problem import PlanningProblem

__all__ = ["Evaluation", "HeldOn", "Violation", "evaluate"]


def evaluate(problem: PlanningProblem, plan: Plan) -> Evaluation:
    """Re-simulate a plan and return every violation.

    Each stage trusts what the ones before it found in order: a plan of another shape has no flows to look at, and
    reserve says nothing about flows that are impossible.
    """
    violations = tuple(shape(problem, plan)) or tuple(numbers(plan))
    if violations:
        return Evaluation(violations=violations)
    units = unit_ranges(problem, plan)
    physics, cost = tuple(_physics(problem, plan, units)), tuple(objective(problem, plan, units))
    if physics or not problem.reserve.classes:
        return Evaluation(violations=(*physics, *cost))
    found = security(problem, plan)
    return Evaluation(violations=(*cost, *reserve(problem, plan, found)), reserve=found.steps, held_on=found.held_on())


def _physics(problem: PlanningProblem, plan: Plan, units: tuple[UnitRange, ...]) -> Iterator[Violation]:
    """Yield what is wrong with forecasts, flows, energy and commitment."""
    yield from forecasts(problem, plan)
    for t, step in enumerate(plan.steps):
        yield from flows(problem, step, t)
        yield from sharing(problem, step, t)
        yield from gensets(problem, plan, units, t)
    yield from ramp(problem, plan)
    yield from offers(problem, plan)
    yield from chillers(problem, plan)
    yield from stored_energy(problem, plan)
    yield from power_by_energy(problem, plan)
    yield from floor(problem, plan, units)
    yield from minimum_times(problem, plan)
    yield from named_units(problem, plan)
    yield from rules(problem, plan, units)
    yield from tank(problem, plan, units)
    yield from marginals(problem, plan)
