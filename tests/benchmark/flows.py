"""What any stack decides, as arrays, and the plan that it amounts to: so that one evaluator judges all of them."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ems.dispatch.steps import forecast_step
from ems.model.plan import (
    GensetStep,
    ObjectiveTerms,
    Plan,
    PlanSource,
    PlanStatus,
    PlanStep,
    PoolStep,
    SolveTimings,
)
from ems.model.problem import PlanningProblem

Values = npt.NDArray[np.float64]
# powers below this are the solver's rounding
_ROUNDING_KW = 1e-6
_SHORT_KW = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """Decisions per member and step; shapes (classes, steps), (pools, steps), (steps,)."""

    n_on: Values
    genset_kw: Values
    charge_kw: Values
    discharge_kw: Values
    stored_kwh: Values
    pv_kw: Values
    import_kw: Values
    export_kw: Values
    unserved_kw: Values
    surplus_kw: Values
    reserve_short_kw: Values


def plan_of(problem: PlanningProblem, flows: Flows) -> Plan:
    """Return the plan of some flows, its cost from the flows and the problem's prices."""
    wishes = {
        "unserved": flows.unserved_kw,
        "surplus": flows.surplus_kw,
        "reserve: r1": flows.reserve_short_kw,
    }
    return Plan(
        schema="plan/1",
        problem_id=problem.id,
        site_id=problem.site_id,
        created_utc=problem.created_utc,
        source=PlanSource.MILP,
        status=PlanStatus.FEASIBLE,
        gap_frac=None,
        objective=cost_of(problem, flows),
        timings=SolveTimings(),
        steps=tuple(_step(problem, flows, t) for t in range(problem.grid.n_steps)),
        relaxed=tuple(wish for wish, amount in wishes.items() if (amount > _SHORT_KW).any()),
    )


def cost_of(problem: PlanningProblem, flows: Flows) -> ObjectiveTerms:
    """Return the objective of a plain problem, term by term."""
    hours = np.asarray(problem.grid.duration_h)
    prices = problem.prices
    litres = started = wear = 0.0
    for c, genset in enumerate(problem.gensets):
        n_on = np.round(flows.n_on[c])
        slope = genset.segments[0].fuel_l_per_kwh
        rate = n_on * genset.min_fuel_l_per_h + slope * (flows.genset_kw[c] - n_on * genset.min_kw)
        litres += float(hours @ rate)
        before = np.concatenate([[sum(unit.on for unit in genset.units)], n_on[:-1]])
        started += genset.start_cost * float(np.maximum(0.0, n_on - before).sum())
        wear += genset.run_wear_cost_per_h * float(hours @ n_on)
    bought = sold = kgco2e = 0.0
    if problem.connection is not None:
        grid = problem.connection
        bought = float(hours @ (flows.import_kw * np.asarray(grid.price_per_kwh)))
        sold = float(hours @ (flows.export_kw * np.asarray(grid.export_price_per_kwh)))
        kgco2e = float(hours @ (flows.import_kw * np.asarray(grid.kgco2e_per_kwh)))
    fuel_price, fuel_kgco2e = 0.0, 0.0
    if problem.fuel is not None:
        fuel_price, fuel_kgco2e = problem.fuel.price_per_l, problem.fuel.kgco2e_per_l
    terminal = sum(
        piece.value_per_kwh * min(piece.width_kwh, float(flows.stored_kwh[p, -1]) - pool.min_stored_kwh)
        for p, pool in enumerate(problem.pools)
        for piece in pool.terminal_value
    )
    return ObjectiveTerms(
        energy_import_cost=bought,
        energy_export_cost=-sold,
        fuel_cost=fuel_price * litres,
        starts_cost=started,
        genset_wear_cost=wear,
        battery_wear_cost=sum(
            pool.wear_cost_per_kwh * float(hours @ flows.discharge_kw[p]) for p, pool in enumerate(problem.pools)
        ),
        co2_cost=prices.co2_per_kg * (kgco2e + fuel_kgco2e * litres),
        unserved_cost=prices.unserved_per_kwh * float(hours @ flows.unserved_kw),
        surplus_cost=SURPLUS_FACTOR * prices.unserved_per_kwh * float(hours @ flows.surplus_kw),
        reserve_cost=prices.reserve_per_kwh * float(hours @ flows.reserve_short_kw),
        terminal_value_cost=-terminal,
    )


# supply that nothing takes is dearer than a rack that is not served (docs/formulation.md, section 6)
SURPLUS_FACTOR = 1.1


def _step(problem: PlanningProblem, flows: Flows, t: int) -> PlanStep:
    return replace(
        forecast_step(problem, t, it_kw=problem.load.it_kw[t] - _clean(flows.unserved_kw[t])),
        pv_kw=_clean(flows.pv_kw[t]),
        import_kw=_clean(flows.import_kw[t]),
        export_kw=_clean(flows.export_kw[t]),
        unserved_kw=_clean(flows.unserved_kw[t]),
        surplus_kw=_clean(flows.surplus_kw[t]),
        pools=tuple(
            PoolStep(
                id=pool.id,
                charge_kw=_clean(flows.charge_kw[p, t]),
                discharge_kw=_clean(flows.discharge_kw[p, t]),
                stored_end_kwh=float(flows.stored_kwh[p, t]),
            )
            for p, pool in enumerate(problem.pools)
        ),
        gensets=tuple(_genset(problem, flows, c, t) for c in range(len(problem.gensets))),
    )


def _genset(problem: PlanningProblem, flows: Flows, c: int, t: int) -> GensetStep:
    genset = problem.gensets[c]
    n_on = round(float(flows.n_on[c, t]))
    before = round(float(flows.n_on[c, t - 1])) if t else sum(unit.on for unit in genset.units)
    power_kw = _clean(flows.genset_kw[c, t])
    return GensetStep(
        id=genset.id,
        n_on=n_on,
        n_started=max(0, n_on - before),
        n_stopped=max(0, before - n_on),
        power_kw=power_kw,
        fuel_l_per_h=n_on * genset.min_fuel_l_per_h
        + genset.segments[0].fuel_l_per_kwh * (power_kw - n_on * genset.min_kw),
    )


def _clean(value: float) -> float:
    return float(value) if value > _ROUNDING_KW else 0.0
