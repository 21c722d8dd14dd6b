"""What the load takes from the bus as a function of the IT power that is missing from full (E16, E17)."""

import pyomo.environ as pyo

from ems.dispatch.milp.parameters import ParameterValues, declare
from ems.dispatch.milp.shape import ModelShape
from ems.model.problem import PlanningProblem


def add_load(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """E16, E17: add unserved load, and cooling where it is no linear function of the IT power.

    `demand_kw` is the whole site's demand at the bus with nothing missing; a kW of IT that is missing takes
    `it_weight_frac` kW off it, with its auxiliaries and losses, and its cooling where that is linear.
    """
    declare(m, "it_demand_kw", "demand_kw", "whole_demand_kw", "it_weight_frac", index=(m.T,))
    m.it_unserved_kw = pyo.Var(m.T, bounds=lambda m, t: (0, m.it_demand_kw[t]))
    # what cannot be supplied even with every rack off
    m.OTHER = pyo.RangeSet(0, shape.n_steps - 1) if shape.other_load else pyo.Set(initialize=[])
    m.other_unserved_kw = pyo.Var(m.OTHER, bounds=lambda m, t: (0, m.whole_demand_kw[t]))
    m.surplus_kw = pyo.Var(m.T, bounds=(0, None))
    m.it_missing_kw = pyo.Expression(m.T, rule=lambda m, t: m.it_unserved_kw[t] + m.offer_missing_kw[t])
    m.LINE = pyo.RangeSet(0, shape.n_cooling_lines - 1)
    m.COOLED = pyo.Set(initialize=m.T if shape.n_cooling_lines else [])
    declare(m, "cooling_least_kw", "cooling_full_kw", "cooling_chord_frac", "cooling_weight_frac", index=(m.COOLED,))
    declare(m, "cooling_line_kw", "cooling_line_frac", index=(m.LINE, m.COOLED))
    m.cooling_kw = pyo.Var(m.COOLED, bounds=lambda m, t: (m.cooling_least_kw[t], m.cooling_full_kw[t]))
    _add_line(m)
    _add_chord(m)


def load_values(problem: PlanningProblem, shape: ModelShape) -> ParameterValues:
    """Return the parameter values of the load."""
    load = problem.load
    steps = range(problem.grid.n_steps)
    full = [problem.full_it_kw(t) for t in steps]
    demand = [max(0.0, problem.demand_kw(t)) for t in steps]
    whole = [kw + problem.chillers_most_kw(t) for t, kw in enumerate(demand)]
    if not shape.n_cooling_lines:
        names = ("cooling_least_kw", "cooling_full_kw", "cooling_chord_frac", "cooling_weight_frac")
        return {
            **dict.fromkeys((*names, "cooling_line_kw", "cooling_line_frac"), ()),
            "it_demand_kw": load.it_kw,
            "demand_kw": demand,
            "whole_demand_kw": whole,
            "it_weight_frac": [problem.it_weight_frac(t) for t in steps],
        }
    loss_factor = 1.0 + load.site_loss_frac
    return {
        "it_demand_kw": load.it_kw,
        "demand_kw": [loss_factor * (full[t] + load.aux_kw(t, full[t])) for t in steps],
        "whole_demand_kw": whole,
        "it_weight_frac": [loss_factor * (1.0 + load.aux_frac_of_it)] * len(steps),
        "cooling_least_kw": [min(load.cooling_kw(t, 0.0), load.cooling_kw(t, full[t])) for t in steps],
        "cooling_full_kw": [max(load.cooling_kw(t, 0.0), load.cooling_kw(t, full[t])) for t in steps],
        "cooling_chord_frac": [load.cooling_slope_frac(t, full[t]) for t in steps],
        "cooling_weight_frac": [loss_factor] * len(steps),
        "cooling_line_kw": [line.c0_kw[t] + line.c1_frac[t] * full[t] for line in load.cooling for t in steps],
        "cooling_line_frac": [line.c1_frac[t] for line in load.cooling for t in steps],
    }


def _add_line(m: pyo.ConcreteModel) -> None:
    """E17: cooling >= c0_k + c1_k * it."""

    def row(m: pyo.ConcreteModel, k: int, t: int) -> pyo.Expression:
        return m.cooling_kw[t] >= m.cooling_line_kw[k, t] - m.cooling_line_frac[k, t] * m.it_missing_kw[t]

    m.cooling_line = pyo.Constraint(m.LINE, m.COOLED, rule=row)


def _add_chord(m: pyo.ConcreteModel) -> None:
    """E17: cooling <= chord from no load to full load, else it would be a free dump load."""

    def row(m: pyo.ConcreteModel, t: int) -> pyo.Expression:
        return m.cooling_kw[t] <= m.cooling_full_kw[t] - m.cooling_chord_frac[t] * m.it_missing_kw[t]

    m.cooling_chord = pyo.Constraint(m.COOLED, rule=row)
