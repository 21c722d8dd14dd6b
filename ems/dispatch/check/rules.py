"""Rules that the site puts on its gensets: quiet hours, permitted run hours, exercise runs."""

from collections.abc import Iterator

from ems.dispatch.check.findings import TIME_TOLERANCE_H, Violation, is_firm, tolerance_kw
from ems.dispatch.check.units import CountRange, UnitRange
from ems.model.plan import Plan
from ems.model.problem import ExerciseProblem, GensetProblem, PlanningProblem

# counts beyond the integer hours come from powers, with their rounding
_COUNT_TOLERANCE = 1e-3


def rules(problem: PlanningProblem, plan: Plan, units: tuple[UnitRange, ...]) -> Iterator[Violation]:
    """A rule that a plan breaks is declared."""
    for c, data in enumerate(problem.gensets):
        for t, (broken, _) in enumerate(too_loud(data, units[c])):
            if is_firm(problem, t) and broken > _COUNT_TOLERANCE and "quiet hours" not in plan.relaxed:
                limit = data.n_permitted[t]
                yield Violation(step=t, what=f"{data.id} units in quiet hours", value=limit + broken, limit=limit)
        over_h = too_long_h(problem, data, units[c]).low
        if over_h > _COUNT_TOLERANCE and "permitted run hours" not in plan.relaxed:
            limit_h = data.permitted_run_h or 0.0
            yield Violation(step=None, what=f"{data.id} permitted run hours", value=limit_h + over_h, limit=limit_h)
        if missed(problem, plan, units[c], c).low > 0.0 and "exercise run" not in plan.relaxed:
            yield Violation(step=None, what=f"{data.id} exercise runs", value=0.0, limit=1.0)


def too_loud(data: GensetProblem, units: UnitRange) -> Iterator[CountRange]:
    """Yield for each step the units beyond those that quiet hours permit."""
    for permitted, (low, high) in zip(data.n_permitted, units.n_on, strict=False):
        yield CountRange(max(0.0, low - permitted), max(0.0, high - permitted))


def too_long_h(problem: PlanningProblem, data: GensetProblem, units: UnitRange) -> CountRange:
    """Return the unit hours beyond the permitted ones."""
    if data.permitted_run_h is None:
        return CountRange(0.0, 0.0)
    hours = problem.grid.duration_h
    low = sum(h * count.low for h, count in zip(hours, units.n_on, strict=True))
    high = sum(h * count.high for h, count in zip(hours, units.n_on, strict=True))
    return CountRange(max(0.0, low - data.permitted_run_h), max(0.0, high - data.permitted_run_h))


def missed(problem: PlanningProblem, plan: Plan, units: UnitRange, c: int) -> CountRange:
    """Return whether the exercise that is due is left out; a start that would do need not be counted as one."""
    exercise = problem.gensets[c].exercise
    if exercise is None:
        return CountRange(0.0, 0.0)
    window = range(exercise.first_step, min(exercise.end_step, problem.grid.n_steps))
    done = any(_is_exercise(problem, plan, exercise, units, c=c, start=t) for t in window)
    return CountRange(0.0 if done else 1.0, 1.0)


def _is_exercise(
    problem: PlanningProblem, plan: Plan, exercise: ExerciseProblem, units: UnitRange, *, c: int, start: int
) -> bool:
    """Return whether a unit starts, while none stops, and units run as long and with as much load as is asked."""
    if units.n_started[start].high < 1.0 - _COUNT_TOLERANCE or units.n_stopped[start].low > _COUNT_TOLERANCE:
        return False
    until_h = problem.grid.offset_h[start] + exercise.run_h
    for t in range(start, problem.grid.n_steps):
        if t > start and problem.grid.offset_h[t] > until_h - TIME_TOLERANCE_H:
            break
        if units.n_on[t].high < 1.0 - _COUNT_TOLERANCE:
            return False
        least_kw = exercise.min_load_frac * problem.gensets[c].usable_at(t) * units.delivering[t].low
        if plan.steps[t].gensets[c].power_kw < least_kw - tolerance_kw(least_kw):
            return False
    return True
