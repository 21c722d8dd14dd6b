"""Turns HiGHS's solution vector into a plan."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ems.dispatch.milp.compiled import CompiledModel
from ems.dispatch.milp.extract.broken import relaxed_wishes
from ems.dispatch.milp.extract.columns import Columns, Values, clean
from ems.dispatch.milp.extract.demand import chiller_step, cooling_kw, offer_steps
from ems.dispatch.milp.extract.gensets import Counts, counts_of, genset_steps
from ems.dispatch.milp.extract.supply import auxiliaries_kw, plant_steps, pool_steps
from ems.dispatch.milp.marginal import Marginals
from ems.dispatch.milp.objective import TERMS
from ems.dispatch.milp.shape import ModelShape
from ems.dispatch.milp.solver import Solution
from ems.dispatch.named_units import with_names
from ems.dispatch.steps import forecast_step
from ems.dispatch.unit_history import n_initial_on
from ems.model.plan import GensetStep, ObjectiveTerms, Plan, PlanSource, PlanStatus, PlanStep, SolveTimings
from ems.model.problem import PlanningProblem

SCHEMA = "plan/1"


def extract_plan(
    problem: PlanningProblem,
    shape: ModelShape,
    compiled: CompiledModel,
    parameters: Values,
    solution: Solution,
    found: Marginals | None = None,
) -> Plan:
    """Return the plan of a solution that has values, with the marginal figures that its flows have."""
    values = np.zeros(0) if solution.values is None else solution.values
    columns = Columns(compiled=compiled, values=values, n_steps=shape.n_steps)
    # no dot product: BLAS would wake its threads for vectors of this length
    terms = {name: float(np.sum(compiled.terms[name].at(parameters) * values)) for name in TERMS}
    relaxed = relaxed_wishes(problem, shape, compiled, parameters, values)
    return Plan(
        schema=SCHEMA,
        problem_id=problem.id,
        site_id=problem.site_id,
        created_utc=problem.created_utc,
        source=PlanSource.MILP,
        status=PlanStatus.OPTIMAL if solution.optimal else PlanStatus.FEASIBLE,
        gap_frac=solution.gap_frac,
        objective=ObjectiveTerms(**terms),
        timings=SolveTimings(),
        steps=_steps(problem, shape, columns, relaxed, found),
        carbon_shadow_price_per_kg=None if found is None else found.carbon_price_per_kg,
        relaxed=relaxed,
        note=solution.status,
    )


def _stock_l(
    problem: PlanningProblem, shape: ModelShape, columns: Columns, gensets: Sequence[tuple[GensetStep, ...]]
) -> list[float] | list[None]:
    """Return what each step leaves in the fuel tank (E7)."""
    stock = None if problem.fuel is None else problem.fuel.stock
    if stock is None:
        return [None] * columns.n_steps
    starts_l = _starts_l(problem, counts_of(shape, columns))
    left_l = stock.stock_l
    levels_l = []
    for t, classes in enumerate(gensets):
        left_l -= problem.grid.duration_h[t] * sum(genset.fuel_l_per_h for genset in classes) + float(starts_l[t])
        left_l = max(0.0, left_l) + stock.delivered_at(t)
        levels_l.append(left_l)
    return levels_l


def _by_step(values: Values | None, n_steps: int) -> list[float] | list[None]:
    return [None] * n_steps if values is None else values.tolist()


def _starts_l(problem: PlanningProblem, counts: Counts) -> Values:
    """Return per step what starts draw from the tank, of fractions of units their share."""
    drawn_l = np.zeros(problem.grid.n_steps)
    for c, genset in enumerate(problem.gensets):
        if genset.start_fuel_l > 0.0:
            before = np.concatenate(([n_initial_on(problem, genset)], counts.on[c, :-1]))
            # a start that changes no count is none, but for units that swap to warm up
            started = np.maximum(counts.on[c] - before + counts.left[c], counts.started[c])
            drawn_l += genset.start_fuel_l * np.maximum(0.0, started)
    return drawn_l


def _steps(
    problem: PlanningProblem,
    shape: ModelShape,
    columns: Columns,
    relaxed: tuple[str, ...],
    found: Marginals | None,
) -> tuple[PlanStep, ...]:
    unserved_it = columns.flows("it_unserved_kw")
    unserved = clean(columns.row("it_unserved_kw") + columns.row("other_unserved_kw"))
    surplus = columns.flows("surplus_kw")
    pv = clean(columns.table("pv_kw").sum(axis=0))
    plants, pools = plant_steps(problem, columns), pool_steps(problem, columns)
    gensets = with_names(problem, genset_steps(problem, shape, columns), relaxed)
    stock_l = _stock_l(problem, shape, columns, gensets)
    price_per_kwh = _by_step(None if found is None else found.price_per_kwh, columns.n_steps)
    gco2e_per_kwh = _by_step(None if found is None else found.gco2e_per_kwh, columns.n_steps)
    storage_aux_kw = auxiliaries_kw(problem, columns)
    imported, exported = columns.flows("import_kw"), columns.flows("export_kw")
    offers = [offer_steps(problem, shape, columns, t) for t in range(columns.n_steps)]
    it_kw = [
        problem.load.it_kw[t] - unserved_it[t] + sum([offer.power_kw for offer in offers[t]])
        for t in range(columns.n_steps)
    ]
    return tuple(
        replace(
            forecast_step(
                problem,
                t,
                it_kw=it_kw[t],
                cooling_kw=cooling_kw(problem, columns, t, it_kw=it_kw[t]),
                storage_aux_kw=storage_aux_kw[t],
            ),
            pv_kw=pv[t],
            plants=plants[t],
            import_kw=imported[t],
            export_kw=exported[t],
            unserved_kw=unserved[t] + sum([offer.unserved_kw for offer in offers[t]]),
            offers=offers[t],
            chillers=chiller_step(problem, columns, t),
            surplus_kw=surplus[t],
            pools=pools[t],
            gensets=gensets[t],
            fuel_stock_end_l=stock_l[t],
            marginal_price_per_kwh=price_per_kwh[t],
            marginal_gco2e_per_kwh=gco2e_per_kwh[t],
        )
        for t in range(columns.n_steps)
    )
