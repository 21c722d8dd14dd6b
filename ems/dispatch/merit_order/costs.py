"""What the rules' flows burn and cost."""

from ems.model.plan import ObjectiveTerms, PlanStep
from ems.model.problem import PlanningProblem


def fuel_l_per_h(problem: PlanningProblem, c: int, n_on: int, power_kw: float) -> float:
    """Return what the running units of a class burn at their common power."""
    if n_on == 0:
        return 0.0
    data = problem.gensets[c]
    above_kw = max(0.0, power_kw / n_on - data.min_kw)
    rate = data.min_fuel_l_per_h
    for segment in data.segments:
        rate += min(above_kw, segment.width_kw) * segment.fuel_l_per_kwh
        above_kw = max(0.0, above_kw - segment.width_kw)
    return n_on * rate


def objective(problem: PlanningProblem, steps: tuple[PlanStep, ...]) -> ObjectiveTerms:
    """Return the terms that the rules' flows cost."""
    price = 0.0 if problem.fuel is None else problem.fuel.price_per_l
    factor = 0.0 if problem.fuel is None else problem.fuel.kgco2e_per_l
    litres = sum(genset.fuel_l_per_h * step.duration_h for step in steps for genset in step.gensets)
    starts_l = sum(
        step.gensets[c].n_started * data.start_fuel_l for step in steps for c, data in enumerate(problem.gensets)
    )
    grid = problem.connection
    bought = carbon = 0.0
    if grid is not None:
        imported = [step.import_kw * step.duration_h for step in steps]
        bought = sum(kwh * p for kwh, p in zip(imported, grid.price_per_kwh, strict=True))
        carbon = sum(kwh * f for kwh, f in zip(imported, grid.kgco2e_per_kwh, strict=True))
    return ObjectiveTerms(
        energy_import_cost=bought,
        fuel_cost=litres * price,
        starts_cost=sum(
            step.gensets[c].n_started * data.start_cost for step in steps for c, data in enumerate(problem.gensets)
        ),
        genset_wear_cost=sum(
            step.gensets[c].n_on * step.duration_h * data.run_wear_cost_per_h
            for step in steps
            for c, data in enumerate(problem.gensets)
        ),
        battery_wear_cost=sum(
            step.pools[p].discharge_kw * step.duration_h * pool.wear_cost_per_kwh
            for step in steps
            for p, pool in enumerate(problem.pools)
        ),
        co2_cost=((litres + starts_l) * factor + carbon) * problem.prices.co2_per_kg,
        chiller_cost=_chiller_cost(problem, steps),
    )


def _chiller_cost(problem: PlanningProblem, steps: tuple[PlanStep, ...]) -> float:
    """Return the starts of chillers less the worth of the cold that is left."""
    data = problem.chillers
    if data is None:
        return 0.0
    parts = [step.chillers for step in steps if step.chillers is not None]
    worth = 0.0 if data.tank is None else data.tank.value_per_kwh * parts[-1].tank_end_kwh_th
    return data.start_cost * sum(part.n_started for part in parts) - worth
