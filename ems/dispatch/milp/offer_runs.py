"""Runs, pauses and restarts of deferrable work (E16): which share of a class runs, and for how long it must."""

from typing import Any

import pyomo.environ as pyo

from ems.dispatch.milp.parameters import ParameterValues, declare
from ems.dispatch.milp.shape import ModelShape, n_binding
from ems.model.problem import OfferProblem, OfferRuns, PlanningProblem

_Expression = Any  # Pyomo's expressions have no common type
_TIME_H = 1e-9
_ENERGY_KWH = 1e-6


def add_offer_runs(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add the share of each class in `RUN` that runs, starts and pauses, and the rows that bind it.

    A class is many equal jobs, so that shares are exact where the longest running pause first; a class that moves as a
    whole has a binary.
    """
    offers = shape.offers
    m.WHOLE = pyo.Set(initialize=[o for o, offer in enumerate(offers) if offer.whole])
    m.SHARED = pyo.Set(initialize=[o for o in m.RUN if o not in m.WHOLE])
    m.PAUSES = pyo.Set(initialize=[o for o, offer in enumerate(offers) if offer.pauses])
    m.RUN_LAG = _lags(shape, [offer.n_run_lags for offer in offers])
    m.PAUSE_LAG = _lags(shape, [offer.n_pause_lags for offer in offers])
    declare(m, "offer_span_kw", "offer_must_run_frac", "offer_must_rest_frac", "offer_restart_kwh", index=(m.RUN, m.T))
    declare(m, "offer_run_window", index=(m.RUN_LAG,))
    declare(m, "offer_pause_window", index=(m.PAUSE_LAG,))
    declare(m, "offer_running_initial_frac", index=(m.RUN,))
    declare(m, "offer_starts_frac", index=(m.PAUSES,))
    declare(m, "offer_start_counts", index=(m.PAUSES, m.T))
    m.offer_running = pyo.Var(
        m.RUN, m.T, domain=lambda m, o, t: pyo.Binary if o in m.WHOLE else pyo.NonNegativeReals, bounds=(0, 1)
    )
    m.offer_started = pyo.Var(m.RUN, m.T, bounds=(0, 1))
    m.offer_paused = pyo.Var(m.RUN, m.T, bounds=(0, 1))
    _add_turn(m)
    _add_min_run(m, shape)
    _add_min_pause(m, shape)
    _add_pauses(m)
    _add_share_runs(m)
    _add_whole_rests(m)
    _add_whole_runs(m)
    _add_drops(m)


def restarts_kwh(m: pyo.ConcreteModel, o: int) -> _Expression:
    """Return what the starts of a class take on top of the energy that is due."""
    return sum(m.offer_restart_kwh[o, t] * m.offer_started[o, t] for t in m.T) if o in m.RUN else 0


def offer_run_values(problem: PlanningProblem, shape: ModelShape) -> ParameterValues:
    """Return the parameter values of all runs."""
    steps = range(problem.grid.n_steps)
    ruled = [
        (offer, offer.runs, has)
        for offer, has in zip(problem.offers, shape.offers, strict=True)
        if has.runs and offer.runs is not None
    ]
    limited = [(offer, runs) for offer, runs, has in ruled if has.pauses]
    return {
        "offer_span_kw": [offer.asked_kw(t) - offer.min_kw[t] for offer, _, _ in ruled for t in steps],
        "offer_must_run_frac": [x for offer, runs, _ in ruled for x in _must_run(problem, offer, runs)],
        "offer_must_rest_frac": [x for offer, runs, _ in ruled for x in _must_rest(problem, offer, runs)],
        "offer_restart_kwh": [runs.restart_kwh * (t < offer.deadline_step) for offer, runs, _ in ruled for t in steps],
        "offer_run_window": [
            x
            for offer, runs, has in ruled
            for x in _window(problem, offer, window_h=least_run_h(problem, offer, runs), n_lags=has.n_run_lags)
        ],
        "offer_pause_window": [
            x
            for offer, runs, has in ruled
            for x in _window(problem, offer, window_h=runs.min_pause_h, n_lags=has.n_pause_lags)
        ],
        "offer_running_initial_frac": [runs.running_frac for _, runs, _ in ruled],
        # what rests at the start has been paused already
        "offer_starts_frac": [(runs.max_pauses or 0) + 1.0 - runs.running_frac for _, runs in limited],
        "offer_start_counts": [float(t < offer.deadline_step) for offer, _ in limited for t in steps],
    }


def least_run_h(problem: PlanningProblem, offer: OfferProblem, runs: OfferRuns) -> float:
    """Return the least run of a class: never longer than its energy lasts where it runs as a whole."""
    if not runs.whole:
        return runs.min_run_h
    span_kw = max((offer.asked_kw(t) - offer.min_kw[t] for t in range(offer.deadline_step)), default=0.0)
    left_kwh = _above_least_kwh(problem, offer) + runs.restart_kwh
    return min(runs.min_run_h, left_kwh / span_kw) if span_kw > 0.0 else runs.min_run_h


def _lags(shape: ModelShape, n_lags: list[int]) -> pyo.Set:
    places = [(o, t, lag) for o, longest in enumerate(n_lags) for t in range(shape.n_steps) for lag in range(longest)]
    return pyo.Set(dimen=3, initialize=places)


def _add_turn(m: pyo.ConcreteModel) -> None:
    """E16: u[t] - u[t-1] = s[t] - d[t]."""

    def row(m: pyo.ConcreteModel, o: int, t: int) -> _Expression:
        before = m.offer_running_initial_frac[o] if t == 0 else m.offer_running[o, t - 1]
        return m.offer_running[o, t] - before == m.offer_started[o, t] - m.offer_paused[o, t]

    m.offer_turn = pyo.Constraint(m.RUN, m.T, rule=row)


def _add_min_run(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """E16: what started within the least run, and what history holds on, runs."""

    def row(m: pyo.ConcreteModel, o: int, t: int) -> _Expression:
        lags = range(min(shape.offers[o].n_run_lags, t + 1))
        started = sum(m.offer_run_window[o, t, lag] * m.offer_started[o, t - lag] for lag in lags)
        return started + m.offer_must_run_frac[o, t] <= m.offer_running[o, t]

    m.offer_min_run = pyo.Constraint(m.RUN, m.T, rule=row)


def _add_min_pause(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """E16: what was paused within the least pause, and what history holds off, rests."""

    def row(m: pyo.ConcreteModel, o: int, t: int) -> _Expression:
        lags = range(min(shape.offers[o].n_pause_lags, t + 1))
        paused = sum(m.offer_pause_window[o, t, lag] * m.offer_paused[o, t - lag] for lag in lags)
        return paused + m.offer_must_rest_frac[o, t] <= 1 - m.offer_running[o, t]

    m.offer_min_pause = pyo.Constraint(m.RUN, m.T, rule=row)


def _add_pauses(m: pyo.ConcreteModel) -> None:
    """E16: starts before the deadline <= pauses allowed + what rests at the start: every other start ends a pause."""

    def row(m: pyo.ConcreteModel, o: int) -> _Expression:
        return sum(m.offer_start_counts[o, t] * m.offer_started[o, t] for t in m.T) <= m.offer_starts_frac[o]

    m.offer_pauses = pyo.Constraint(m.PAUSES, rule=row)


def _add_share_runs(m: pyo.ConcreteModel) -> None:
    """E16: cut = span * (1 - u): the share that rests draws nothing above the least power."""

    def row(m: pyo.ConcreteModel, o: int, t: int) -> _Expression:
        return m.offer_cut_kw[o, 0, t] == m.offer_span_kw[o, t] - m.offer_span_kw[o, t] * m.offer_running[o, t]

    m.offer_runs_kw = pyo.Constraint(m.SHARED, m.T, rule=row)


def _add_whole_rests(m: pyo.ConcreteModel) -> None:
    """E16: cut >= span * (1 - u)."""

    def row(m: pyo.ConcreteModel, o: int, t: int) -> _Expression:
        return m.offer_cut_kw[o, 0, t] >= m.offer_span_kw[o, t] - m.offer_span_kw[o, t] * m.offer_running[o, t]

    m.offer_rests_kw = pyo.Constraint(m.WHOLE, m.T, rule=row)


def _add_whole_runs(m: pyo.ConcreteModel) -> None:
    """E16: cut <= span * (1 - u) where the class runs on; it may end within its last step."""

    def row(m: pyo.ConcreteModel, o: int, t: int) -> _Expression:
        if t + 1 == len(m.T):
            return pyo.Constraint.Skip
        rests = 2 * m.offer_span_kw[o, t] - m.offer_span_kw[o, t] * m.offer_running[o, t]
        return m.offer_cut_kw[o, 0, t] <= rests - m.offer_span_kw[o, t] * m.offer_running[o, t + 1]

    m.offer_ends_kw = pyo.Constraint(m.WHOLE, m.T, rule=row)


def _add_drops(m: pyo.ConcreteModel) -> None:
    """E16: where supply fails, what must run is not served: cut + unserved <= asked."""

    def row(m: pyo.ConcreteModel, o: int, t: int) -> _Expression:
        return m.offer_cut_kw[o, 0, t] + m.offer_unserved_kw[o, t] <= m.offer_asked_kw[o, t]

    m.offer_drops_kw = pyo.Constraint(m.RUN, m.T, rule=row)


def _must_run(problem: PlanningProblem, offer: OfferProblem, runs: OfferRuns) -> list[float]:
    """Return per step the share that its least run still holds on, as long as the energy due lasts."""
    held: list[float] = []
    left_kwh = _above_least_kwh(problem, offer)
    bound_h = 0.0 if runs.since_h is None else least_run_h(problem, offer, runs) - runs.since_h
    for t, hours in enumerate(problem.grid.duration_h):
        taken_kwh = runs.running_frac * hours * (offer.asked_kw(t) - offer.min_kw[t])
        is_bound = t < offer.deadline_step and problem.grid.offset_h[t] + _TIME_H < bound_h
        if not is_bound or taken_kwh > left_kwh + _ENERGY_KWH:
            break
        held.append(runs.running_frac)
        left_kwh -= taken_kwh
    return held + [0.0] * (problem.grid.n_steps - len(held))


def _must_rest(problem: PlanningProblem, offer: OfferProblem, runs: OfferRuns) -> list[float]:
    """Return per step the share that its least pause still holds off."""
    bound_h = 0.0 if runs.since_h is None else runs.min_pause_h - runs.since_h
    return [
        (1.0 - runs.running_frac) * (t < offer.deadline_step and offset_h + _TIME_H < bound_h)
        for t, offset_h in enumerate(problem.grid.offset_h[:-1])
    ]


def _window(problem: PlanningProblem, offer: OfferProblem, *, window_h: float, n_lags: int) -> list[float]:
    """Return 1 where a turn `lag` steps before still binds, in the order of the lag sets; its own step always does."""
    return [
        float(t < offer.deadline_step and (lag == 0 or lag < n_steps))
        for t, n_steps in enumerate(n_binding(problem, window_h))
        for lag in range(n_lags)
    ]


def _above_least_kwh(problem: PlanningProblem, offer: OfferProblem) -> float:
    """Return the energy that is due beyond what the least power makes."""
    hours = problem.grid.duration_h
    least_kwh = sum(offer.min_kw[t] * hours[t] for t in range(offer.deadline_step))
    return offer.due_kwh(hours) - least_kwh
