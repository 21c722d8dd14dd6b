"""Served load and the power balance of the bus (E16 to E18)."""

import pyomo.environ as pyo

from ems.dispatch.milp.parameters import ParameterValues, declare
from ems.dispatch.milp.shape import ModelShape
from ems.model.problem import PlanningProblem


def add_balance(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add unserved load, surplus and the balance.

    `demand_kw` is the whole site's demand at the bus; a kW of IT that is not served takes `it_weight_frac` kW
    off it, with its cooling (E17 substituted), auxiliaries and losses.
    """
    declare(m, "it_demand_kw", "demand_kw", "it_weight_frac", index=(m.T,))
    m.it_unserved_kw = pyo.Var(m.T, bounds=lambda m, t: (0, m.it_demand_kw[t]))
    # what cannot be supplied even with every rack off
    m.OTHER = pyo.RangeSet(0, shape.n_steps - 1) if shape.other_load else pyo.Set(initialize=[])
    m.other_unserved_kw = pyo.Var(m.OTHER, bounds=lambda m, t: (0, m.demand_kw[t]))
    m.surplus_kw = pyo.Var(m.T, bounds=(0, None))
    m.bus_balance = pyo.Constraint(m.T, rule=_balance)


def balance_values(problem: PlanningProblem) -> ParameterValues:
    """Return the parameter values of load and balance."""
    load = problem.load
    steps = range(problem.grid.n_steps)
    weight = [load.it_weight_frac(t) for t in steps]
    demand = [max(0.0, load.demand_kw(t)) for t in steps]
    return {"it_demand_kw": load.it_kw, "demand_kw": demand, "it_weight_frac": weight}


def _balance(m: pyo.ConcreteModel, t: int) -> pyo.Expression:
    """E18: pv + gensets + discharge + import = served load + charge + export + surplus."""
    supply = (
        sum(m.pv_kw[j, t] for j in m.PLANT)
        + sum(m.genset_kw[c, t] for c in m.CLASS)
        + sum(m.discharge_kw[p, t] - m.charge_kw[p, t] for p in m.POOL)
    )
    if t in m.GRID:
        supply += m.import_kw[t] - m.export_kw[t]
    unserved = m.it_weight_frac[t] * m.it_unserved_kw[t]
    if t in m.OTHER:
        unserved += m.other_unserved_kw[t]
    return supply + unserved - m.surplus_kw[t] == m.demand_kw[t]
