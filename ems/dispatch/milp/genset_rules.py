"""Rules that the site puts on its gensets, each with a price: quiet hours, permitted run hours, exercise runs."""

from typing import Any

import pyomo.environ as pyo

from ems.dispatch.milp.genset import delivering
from ems.dispatch.milp.parameters import ParameterValues, declare
from ems.dispatch.milp.shape import ModelShape, n_binding
from ems.model.problem import ExerciseProblem, GensetProblem, PlanningProblem


def add_genset_rules(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add the rules that a class has; none of them adds rows to the others."""
    m.QUIET = pyo.Set(initialize=[c for c, genset in enumerate(shape.gensets) if genset.quiet])
    m.PERMIT = pyo.Set(initialize=[c for c, genset in enumerate(shape.gensets) if genset.permit])
    m.EXERCISE = pyo.Set(initialize=_exercising(shape))
    _parameters(m, shape)
    m.genset_quiet_slack = pyo.Var(m.QUIET, m.T, bounds=lambda m, c, t: (0, m.genset_n_units[c]))
    m.genset_permit_slack_h = pyo.Var(m.PERMIT, bounds=(0, None))
    m.genset_exercise = pyo.Var(
        m.EXERCISE, m.T, domain=pyo.NonNegativeIntegers, bounds=lambda m, c, t: (0, m.genset_exercise_window[c, t])
    )
    m.genset_exercise_missed = pyo.Var(m.EXERCISE, bounds=(0, 1))
    if len(m.QUIET):
        _add_quiet(m)
    if len(m.PERMIT):
        _add_permit(m)
    if len(m.EXERCISE):
        _add_exercise(m, shape)


def genset_rule_values(problem: PlanningProblem, shape: ModelShape) -> ParameterValues:
    """Return the parameter values of all rules."""
    gensets, dt = problem.gensets, problem.grid.duration_h
    largest_kw = max((genset.max_kw for genset in gensets), default=0.0)
    unit_hour_price = problem.prices.limit_per_kwh * largest_kw
    due = [(gensets[c], gensets[c].exercise, shape.gensets[c].n_exercise_lags) for c in _exercising(shape)]
    exercises = [(genset, exercise, lags) for genset, exercise, lags in due if exercise is not None]
    return {
        "genset_n_permitted": [n for genset in gensets for n in genset.n_permitted],
        "genset_permitted_run_h": [genset.permitted_run_h for genset in gensets if genset.permitted_run_h is not None],
        "genset_run_h": dt,
        "run_hour_price": (unit_hour_price,),
        "exercise_missed_cost": [exercise.missed_cost for _, exercise, _ in exercises],
        "genset_exercise_window": [
            float(exercise.first_step <= t < exercise.end_step) for _, exercise, _ in exercises for t in range(len(dt))
        ],
        "genset_exercise_run": [x for _, exercise, lags in exercises for x in _runs(problem, exercise, n_lags=lags)],
        "genset_exercise_run_kw": [
            x * len(genset.units) * kw
            for genset, exercise, lags in exercises
            for x, kw in zip(
                _runs(problem, exercise, n_lags=lags),
                (kw for kw in _load_kw(problem, genset, exercise) for _ in range(lags)),
                strict=True,
            )
        ],
        "genset_exercise_kw": [kw for genset, exercise, _ in exercises for kw in _load_kw(problem, genset, exercise)],
        "genset_exercise_total_kw": [
            len(genset.units) * kw for genset, exercise, _ in exercises for kw in _load_kw(problem, genset, exercise)
        ],
    }


def _exercising(shape: ModelShape) -> list[int]:
    return [c for c, genset in enumerate(shape.gensets) if genset.n_exercise_lags]


def _parameters(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    declare(m, "genset_n_permitted", index=(m.QUIET, m.T))
    declare(m, "genset_permitted_run_h", index=(m.PERMIT,))
    declare(m, "genset_run_h", index=(m.T,))
    declare(m, "run_hour_price")
    declare(m, "exercise_missed_cost", index=(m.EXERCISE,))
    declare(m, "genset_exercise_window", "genset_exercise_kw", "genset_exercise_total_kw", index=(m.EXERCISE, m.T))
    m.EXERCISE_LAG = pyo.Set(
        dimen=3,
        initialize=[
            (c, t, lag)
            for c in _exercising(shape)
            for t in range(shape.n_steps)
            for lag in range(shape.gensets[c].n_exercise_lags)
        ],
    )
    declare(m, "genset_exercise_run", "genset_exercise_run_kw", index=(m.EXERCISE_LAG,))


def _add_quiet(m: pyo.ConcreteModel) -> None:
    """E6: in quiet hours no more units run than are permitted; the slack is priced."""

    def row(m: pyo.ConcreteModel, c: int, t: int) -> Any:  # a Pyomo relation
        return m.genset_on[c, t] <= m.genset_n_permitted[c, t] + m.genset_quiet_slack[c, t]

    m.genset_quiet = pyo.Constraint(m.QUIET, m.T, rule=row)


def _add_permit(m: pyo.ConcreteModel) -> None:
    """E6: unit hours of the horizon stay inside the permit; the slack is priced."""

    def row(m: pyo.ConcreteModel, c: int) -> Any:  # a Pyomo relation
        run_h = sum(m.genset_run_h[t] * m.genset_on[c, t] for t in m.T)
        return run_h <= m.genset_permitted_run_h[c] + m.genset_permit_slack_h[c]

    m.genset_permit = pyo.Constraint(m.PERMIT, rule=row)


def _add_exercise(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add a start that is due once in a window, its run and its load; leaving it out has a price (E6)."""
    _add_exercise_due(m)
    _add_exercise_start(m)
    _add_exercise_no_stop(m)
    _add_exercise_runs(m, shape)
    loaded = [c for c in m.EXERCISE if shape.gensets[c].exercise_load]
    if loaded:
        m.BURN_OFF = pyo.Set(initialize=loaded)
        _add_burn_off(m, shape)


def _add_exercise_due(m: pyo.ConcreteModel) -> None:
    """E6: one exercise in its window, or it is missed."""
    m.genset_exercise_due = pyo.Constraint(
        m.EXERCISE,
        rule=lambda m, c: sum(m.genset_exercise[c, t] for t in m.T) + m.genset_exercise_missed[c] == 1,
    )


def _add_exercise_start(m: pyo.ConcreteModel) -> None:
    """E6: an exercise is a start."""
    m.genset_exercise_start = pyo.Constraint(
        m.EXERCISE, m.T, rule=lambda m, c, t: m.genset_exercise[c, t] <= m.genset_start[c, t]
    )


def _add_exercise_no_stop(m: pyo.ConcreteModel) -> None:
    """E6: no unit stops at the instant of an exercise: any swap would be a start."""
    m.genset_exercise_no_stop = pyo.Constraint(
        m.EXERCISE,
        m.T,
        rule=lambda m, c, t: m.genset_stop[c, t] <= m.genset_most[c] - m.genset_most[c] * m.genset_exercise[c, t],
    )


def _add_exercise_runs(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """E6: a unit runs as long as the exercise lasts."""
    m.genset_exercise_runs = pyo.Constraint(
        m.EXERCISE, m.T, rule=lambda m, c, t: m.genset_on[c, t] >= _exercising_now(m, shape, c, t)
    )


def _exercising_now(m: pyo.ConcreteModel, shape: ModelShape, c: int, t: int) -> Any:  # a Pyomo expression
    lags = range(min(shape.gensets[c].n_exercise_lags, t + 1))
    return sum(m.genset_exercise_run[c, t, lag] * m.genset_exercise[c, t - lag] for lag in lags)


def _add_burn_off(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """E6: while the run lasts, units that deliver have at least the load that burns deposits off."""

    def row(m: pyo.ConcreteModel, c: int, t: int) -> Any:  # a Pyomo relation
        lags = range(min(shape.gensets[c].n_exercise_lags, t + 1))
        asked_kw = sum(m.genset_exercise_run_kw[c, t, lag] * m.genset_exercise[c, t - lag] for lag in lags)
        waived_kw = m.genset_exercise_total_kw[c, t] - asked_kw
        return m.genset_kw[c, t] >= m.genset_exercise_kw[c, t] * delivering(m, c, t) - waived_kw

    m.genset_exercise_load = pyo.Constraint(m.BURN_OFF, m.T, rule=row)


def _runs(problem: PlanningProblem, exercise: ExerciseProblem, *, n_lags: int) -> list[float]:
    """Return 1 where a run that began `lag` steps before still lasts; the step of its start always counts."""
    return [
        1.0 if lag == 0 or lag < n_steps else 0.0
        for n_steps in n_binding(problem, exercise.run_h)
        for lag in range(n_lags)
    ]


def _load_kw(problem: PlanningProblem, genset: GensetProblem, exercise: ExerciseProblem) -> list[float]:
    return [exercise.min_load_frac * genset.usable_at(t) for t in range(problem.grid.n_steps)]
