"""Gensets: integer counts per class of identical units (E1 to E6)."""

from typing import Any

import pyomo.environ as pyo

from ems.dispatch.milp.genset_warm_up import add_warm_up
from ems.dispatch.milp.leaving import add_leaving, declare_leaving, leaving_values
from ems.dispatch.milp.parameters import ParameterValues, declare
from ems.dispatch.milp.shape import ModelShape, n_binding
from ems.dispatch.unit_history import (
    n_available_at_most,
    n_initial_on,
    n_must_stay,
    n_present,
    n_still_warming,
    n_unsettled,
    warming_frac,
)
from ems.model.problem import GensetProblem, PlanningProblem


def add_gensets(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add variables and rows of all genset classes."""
    m.CLASS = pyo.RangeSet(0, len(shape.gensets) - 1)
    m.SEGMENT = pyo.Set(
        dimen=2, initialize=[(c, k) for c, genset in enumerate(shape.gensets) for k in range(genset.n_segments)]
    )
    _parameters(m, shape)
    m.genset_on = pyo.Var(
        m.CLASS, m.T, domain=pyo.NonNegativeIntegers, bounds=lambda m, c, t: (0, m.genset_available[c, t])
    )
    # whole where the counts are, and never more than a change of the count, in whatever incumbent the solver stops at
    # a set that warms up gains from a start that is none: there it is declared whole
    m.genset_start = pyo.Var(
        m.CLASS,
        m.T,
        domain=lambda m, c, t: pyo.NonNegativeIntegers if c in m.WARMS else pyo.NonNegativeReals,
        bounds=lambda m, c, t: (0, m.genset_available[c, t]),
    )
    m.genset_stop = pyo.Var(m.CLASS, m.T, bounds=lambda m, c, t: (0, m.genset_most[c]))
    declare_leaving(m, shape)
    m.genset_segment_kw = pyo.Var(m.SEGMENT, m.T, bounds=lambda m, c, k, t: (0, m.genset_segment_total_kw[c, k]))
    m.BAND = pyo.Set(initialize=[c for c, genset in enumerate(shape.gensets) if genset.low_load])
    m.genset_low_load_kw = pyo.Var(m.BAND, m.T, bounds=lambda m, c, t: (0, m.genset_band_low_total_kw[c]))
    # only where something given may break a minimum time: unused columns cost half the solve of a large site
    m.genset_up_slack = pyo.Var(m.CLASS, m.T, bounds=lambda m, c, t: (0, m.genset_up_slack_max[c, t]))
    m.genset_down_slack = pyo.Var(m.CLASS, m.T, bounds=lambda m, c, t: (0, m.genset_down_slack_max[c, t]))
    m.genset_delivering = pyo.Var(m.WARMS, m.T, bounds=lambda m, c, t: (0, m.genset_available[c, t]))
    # a set runs through every step that its warm-up touches: else starts that stop at once would deliver less
    m.genset_settled = pyo.Var(m.WARMS, m.T, bounds=(0, None))
    # E1: output of the class
    m.genset_kw = pyo.Expression(m.CLASS, m.T, rule=_output)
    m.genset_fuel_l_per_h = pyo.Expression(m.CLASS, m.T, rule=_fuel)
    _add_commitment(m)
    add_leaving(m)
    _add_segment_limit(m)
    _add_min_up(m, shape)
    _add_min_down(m, shape)
    _add_band(m)
    if shape.warms:
        add_warm_up(m, shape)


def genset_values(problem: PlanningProblem, shape: ModelShape) -> ParameterValues:
    """Return the parameter values of all classes."""
    gensets = problem.gensets
    n_units = [len(genset.units) for genset in gensets]
    steps = range(problem.grid.n_steps)
    warms = warming_classes(shape)
    previous = {commitment.id: commitment.n_on for commitment in problem.previous}
    return {
        "genset_n_units": n_units,
        "genset_most": [n_available_at_most(genset) for genset in gensets],
        "genset_present": [n for genset in gensets for n in n_present(problem, genset)],
        # no unit can run where it cannot reach its least output
        "genset_available": [
            n if genset.usable_at(t) >= genset.min_kw else 0
            for genset in gensets
            for t, n in enumerate(n_present(problem, genset))
        ],
        **leaving_values(problem, shape),
        "genset_initial_on": [n_initial_on(problem, genset) for genset in gensets],
        "genset_min_kw": [genset.min_kw for genset in gensets],
        "genset_max_kw": [genset.usable_at(t) for genset in gensets for t in steps],
        "genset_step_kw": [genset.step_limit_kw for genset in gensets],
        "genset_band_low_kw": [genset.band_low_kw for genset in gensets],
        "genset_band_low_total_kw": [genset.band_low_kw * len(genset.units) for genset in gensets],
        "genset_min_fuel_l_per_h": [genset.min_fuel_l_per_h for genset in gensets],
        "genset_unsettled": [x for c in warms for x in n_unsettled(problem, gensets[c])],
        "genset_starting": [
            float(x > 0.0)
            for c in warms
            for x in warming_frac(problem, gensets[c], n_lags=shape.gensets[c].n_warm_lags)
        ],
        "genset_segment_kw_width": [kw for genset in gensets for kw in _usable_widths_kw(problem, genset)],
        "genset_segment_total_kw": [s.width_kw * len(genset.units) for genset in gensets for s in genset.segments],
        "genset_segment_l_per_kwh": [s.fuel_l_per_kwh for genset in gensets for s in genset.segments],
        "genset_must_on": [x for genset in gensets for x in n_must_stay(problem, genset, on=True)],
        "genset_must_off": [x for genset in gensets for x in n_must_stay(problem, genset, on=False)],
        "genset_still_warming": [x for c in warms for x in n_still_warming(problem, gensets[c])],
        "genset_warming_frac": [
            x for c in warms for x in warming_frac(problem, gensets[c], n_lags=shape.gensets[c].n_warm_lags)
        ],
        "genset_up_slack_max": [x for genset in gensets for x in _slack_max(problem, genset, on=True)],
        "genset_down_slack_max": [x for genset in gensets for x in _slack_max(problem, genset, on=False)],
        "genset_up_window": [
            x
            for genset, lags in zip(gensets, shape.gensets, strict=True)
            for x in _window(problem, window_h=genset.min_up_h, n_lags=lags.n_up_lags)
        ],
        "genset_down_window": [
            x
            for genset, lags in zip(gensets, shape.gensets, strict=True)
            for x in _window(problem, window_h=genset.min_down_h, n_lags=lags.n_down_lags)
        ],
        "genset_previous_on": [n for genset in gensets for n in previous.get(genset.id, ())[: shape.n_change_steps]],
    }


def _parameters(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    declare(
        m,
        "genset_n_units",
        "genset_most",
        "genset_initial_on",
        "genset_min_kw",
        "genset_step_kw",
        "genset_band_low_kw",
        "genset_band_low_total_kw",
        "genset_min_fuel_l_per_h",
        index=(m.CLASS,),
    )
    declare(m, "genset_segment_total_kw", "genset_segment_l_per_kwh", index=(m.SEGMENT,))
    declare(m, "genset_segment_kw_width", index=(m.SEGMENT, m.T))
    declare(
        m,
        "genset_present",
        "genset_available",
        "genset_up_slack_max",
        "genset_down_slack_max",
        "genset_max_kw",
        "genset_must_on",
        "genset_must_off",
        index=(m.CLASS, m.T),
    )
    m.WARMS = pyo.Set(initialize=warming_classes(shape))
    declare(m, "genset_still_warming", "genset_unsettled", index=(m.WARMS, m.T))
    m.WARM_LAG = pyo.Set(dimen=3, initialize=_lags(shape, [genset.n_warm_lags for genset in shape.gensets]))
    declare(m, "genset_warming_frac", "genset_starting", index=(m.WARM_LAG,))
    m.UP_LAG = pyo.Set(dimen=3, initialize=_lags(shape, [genset.n_up_lags for genset in shape.gensets]))
    m.DOWN_LAG = pyo.Set(dimen=3, initialize=_lags(shape, [genset.n_down_lags for genset in shape.gensets]))
    declare(m, "genset_up_window", index=(m.UP_LAG,))
    declare(m, "genset_down_window", index=(m.DOWN_LAG,))
    m.CHANGE = pyo.RangeSet(0, shape.n_change_steps - 1)
    declare(m, "genset_previous_on", index=(m.CLASS, m.CHANGE))


def warming_classes(shape: ModelShape) -> list[int]:
    """Return the classes whose units warm up before they deliver."""
    return [c for c, genset in enumerate(shape.gensets) if genset.n_warm_lags]


def delivering(m: pyo.ConcreteModel, c: int, t: int) -> Any:  # a Pyomo variable
    """Return the units of a class that deliver in a step, those that warm up for their share of it less."""
    return m.genset_delivering[c, t] if c in m.WARMS else m.genset_on[c, t]


def settled(m: pyo.ConcreteModel, c: int, t: int) -> Any:  # a Pyomo variable
    """Return the units of a class that deliver throughout a step."""
    return m.genset_settled[c, t] if c in m.WARMS else m.genset_on[c, t]


def _output(m: pyo.ConcreteModel, c: int, t: int) -> pyo.Expression:
    """E1: p = n * pmin + sum of segments, n the units that deliver."""
    above = sum(m.genset_segment_kw[c, k, t] for i, k in m.SEGMENT if i == c)
    return m.genset_min_kw[c] * delivering(m, c, t) + above


def _fuel(m: pyo.ConcreteModel, c: int, t: int) -> pyo.Expression:
    """E5: l_per_h = n * f(pmin) + sum slope_k * q_k; f(pmin) is the curve at minimum load."""
    above = sum(m.genset_segment_l_per_kwh[c, k] * m.genset_segment_kw[c, k, t] for i, k in m.SEGMENT if i == c)
    return m.genset_min_fuel_l_per_h[c] * delivering(m, c, t) + above


def _add_commitment(m: pyo.ConcreteModel) -> None:
    """E2: n[t] - n[t-1] = s[t] - d[t] - left[t]; units that are out at the start are in no count."""

    def row(m: pyo.ConcreteModel, c: int, t: int) -> pyo.Expression:
        before = m.genset_initial_on[c] if t == 0 else m.genset_on[c, t - 1]
        left = m.genset_left[c, t] if c in m.LEAVES else 0.0
        return m.genset_on[c, t] - before == m.genset_start[c, t] - m.genset_stop[c, t] - left

    m.genset_commitment = pyo.Constraint(m.CLASS, m.T, rule=row)


def _add_segment_limit(m: pyo.ConcreteModel) -> None:
    """E5: q_k <= n * width_k; widths end at what a unit can deliver in the step (E1)."""

    def row(m: pyo.ConcreteModel, c: int, k: int, t: int) -> pyo.Expression:
        return m.genset_segment_kw[c, k, t] <= m.genset_segment_kw_width[c, k, t] * delivering(m, c, t)

    m.genset_segment_limit = pyo.Constraint(m.SEGMENT, m.T, rule=row)


def _add_min_up(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """E3: starts inside minimum up, history included, are on; the slack is priced."""

    def row(m: pyo.ConcreteModel, c: int, t: int) -> pyo.Expression:
        lags = range(min(shape.gensets[c].n_up_lags, t + 1))
        started = sum(m.genset_up_window[c, t, lag] * m.genset_start[c, t - lag] for lag in lags)
        return started + m.genset_must_on[c, t] <= m.genset_on[c, t] + m.genset_up_slack[c, t]

    m.genset_min_up = pyo.Constraint(m.CLASS, m.T, rule=row)


def _add_min_down(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """E4: stops inside minimum down, history included, are off; the slack is priced."""

    def row(m: pyo.ConcreteModel, c: int, t: int) -> pyo.Expression:
        lags = range(min(shape.gensets[c].n_down_lags, t + 1))
        stopped = sum(m.genset_down_window[c, t, lag] * m.genset_stop[c, t - lag] for lag in lags)
        room = m.genset_present[c, t] - m.genset_on[c, t] + m.genset_down_slack[c, t]
        return stopped + m.genset_must_off[c, t] <= room

    m.genset_min_down = pyo.Constraint(m.CLASS, m.T, rule=row)


def _add_band(m: pyo.ConcreteModel) -> None:
    """E5: output below the economic band is priced (wet stacking)."""

    def row(m: pyo.ConcreteModel, c: int, t: int) -> pyo.Expression:
        return m.genset_low_load_kw[c, t] >= m.genset_band_low_kw[c] * delivering(m, c, t) - m.genset_kw[c, t]

    m.genset_band = pyo.Constraint(m.BAND, m.T, rule=row)


def _lags(shape: ModelShape, n_lags: list[int]) -> list[tuple[int, int, int]]:
    return [(c, t, lag) for c, longest in enumerate(n_lags) for t in range(shape.n_steps) for lag in range(longest)]


def _slack_max(problem: PlanningProblem, genset: GensetProblem, *, on: bool) -> list[int]:
    """Return per step how many units may break a minimum time: none where only the plan itself could make them.

    What is given can break one where a unit's history binds, and anywhere in a class whose units come, go or reach
    their least output in some steps only.
    """
    n_units = len(genset.units)
    if len(set(n_present(problem, genset))) > 1 or genset.n_permitted or genset.usable_kw:
        return [n_units] * problem.grid.n_steps
    return [n_units if n else 0 for n in n_must_stay(problem, genset, on=on)]


def _window(problem: PlanningProblem, *, window_h: float, n_lags: int) -> list[float]:
    """Return 1 where an event `lag` steps before still binds, in the order of the lag sets."""
    return [1.0 if lag < n_steps else 0.0 for n_steps in n_binding(problem, window_h) for lag in range(n_lags)]


def _usable_widths_kw(problem: PlanningProblem, genset: GensetProblem) -> list[float]:
    """Return for each stretch of the curve how much of it lies below the usable power of each step."""
    widths = []
    below_kw = genset.min_kw
    for segment in genset.segments:
        widths += [min(segment.width_kw, max(0.0, genset.usable_at(t) - below_kw)) for t in range(problem.grid.n_steps)]
        below_kw += segment.width_kw
    return widths
