"""Which events of earlier steps still bind in a step: minimum times in hours on steps of any length."""

from collections.abc import Iterator

from ems.model.problem import PlanningProblem, UnitHistory


def events_inside(problem: PlanningProblem, minimum_h: float) -> Iterator[tuple[int, range]]:
    """Yield per step the steps whose events, at their beginning, are still inside a minimum time; its own always."""
    begins = problem.grid.offset_h[:-1]
    first = 0
    for t, now_h in enumerate(begins):
        while first < t and begins[first] + minimum_h <= now_h + 1e-9:
            first += 1
        yield t, range(first, t + 1)


def bound_until(problem: PlanningProblem, unit: UnitHistory, minimum_h: float) -> int:
    """Return before which step a unit is still bound by what happened before the first."""
    left_h = minimum_h - unit.since_h
    return sum(left_h > begin + 1e-9 for begin in problem.grid.offset_h[:-1])
