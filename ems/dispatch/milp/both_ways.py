"""Where both directions of a flow at once would pay, so that a binary has to keep them apart (E9, E14).

Elsewhere losses, wear and the margin between prices forbid it in every optimum.
"""

from ems.model.problem import GridProblem, PlanningProblem


def exchange_needs_binary(problem: PlanningProblem, t: int) -> bool:
    """E14: an exported kWh earns at least what an imported one costs, and both may flow."""
    grid = problem.connection
    if grid is None or not grid.connected_at(t):
        return False
    if min(grid.import_limit_kw[t], grid.export_limit_kw[t]) <= 0.0:
        return False
    return grid.export_price_at(t) >= _import_cost_per_kwh(problem, grid, t)


def storage_needs_binary(problem: PlanningProblem, t: int) -> bool:
    """E9: energy that is burnt in a store is worth something.

    That is so where an imported kWh is paid for, and where supply that must run, or whose curtailment costs, exceeds
    the demand. A surplus that only follows from the plan's own decisions is found after the solve (`directions.py`).
    """
    grid = problem.connection
    if grid is not None and grid.connected_at(t) and _import_cost_per_kwh(problem, grid, t) < 0.0:
        return True
    priced_pv_kw = sum(plant.available_kw[t] for plant in problem.pv if plant.curtailment_price_per_kwh > 0.0)
    return priced_pv_kw + _held_on_kw(problem, t) > max(0.0, problem.load.demand_kw(t))


def _import_cost_per_kwh(problem: PlanningProblem, grid: GridProblem, t: int) -> float:
    return grid.price_per_kwh[t] + problem.prices.co2_per_kg * grid.kgco2e_at(t)


def _held_on_kw(problem: PlanningProblem, t: int) -> float:
    """Return the least output of the sets that their history keeps running in step t."""
    now_h = problem.grid.offset_h[t]
    return sum(
        genset.min_kw
        for genset in problem.gensets
        for unit in genset.units
        if unit.on and unit.available and unit.since_h + now_h < genset.min_up_h
    )
