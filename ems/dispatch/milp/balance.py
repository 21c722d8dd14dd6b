"""The power balance of the bus (E18)."""

import pyomo.environ as pyo

from ems.dispatch.milp.cooling import chiller_load


def add_balance(m: pyo.ConcreteModel) -> None:
    """E18: pv + gensets + discharge + import = served load + charge + export + surplus."""

    def row(m: pyo.ConcreteModel, t: int) -> pyo.Expression:
        supply = (
            sum(m.pv_kw[j, t] for j in m.PLANT)
            + sum(m.genset_kw[c, t] for c in m.CLASS)
            + sum(m.discharge_kw[p, t] - m.charge_kw[p, t] - m.battery_aux_kw[p, t] for p in m.POOL)
        )
        if t in m.GRID:
            supply += m.import_kw[t] - m.export_kw[t]
        # what is not asked of the bus: missing IT with what hangs on it, and load beyond the racks
        missing = m.it_weight_frac[t] * m.it_missing_kw[t]
        if t in m.OTHER:
            missing += m.other_unserved_kw[t]
        if t in m.COOLED:
            missing -= m.cooling_weight_frac[t] * m.cooling_kw[t]
        if t in m.CHILLED:
            missing -= chiller_load(m, t)
        return supply + missing - m.surplus_kw[t] == m.demand_kw[t]

    m.bus_balance = pyo.Constraint(m.T, rule=row)
