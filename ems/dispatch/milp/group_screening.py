"""Which groups could keep reserve from passing at all; without one the model has no more than their limit."""

from ems.model.problem import GRID_MEMBER, GroupProblem, PlanningProblem

# powers that add up to a limit are no obstacle
_ROUNDING_KW = 1e-6


def groups_that_block(problem: PlanningProblem, *, upward: bool) -> tuple[int, ...]:
    """Return the places of the groups whose members could together deliver, or take, more than passes."""
    return tuple(
        g
        for g, group in enumerate(problem.groups)
        if any(_reach_kw(problem, group, t, upward=upward) > group.limit_kw + _ROUNDING_KW for t in _steps(problem))
    )


def _steps(problem: PlanningProblem) -> range:
    return range(problem.grid.n_steps)


def _reach_kw(problem: PlanningProblem, group: GroupProblem, t: int, *, upward: bool) -> float:
    """Return the most power of a group's members in a direction, never negative."""
    members = set(group.members)
    grid = problem.connection
    reach_kw = 0.0
    if grid is not None and GRID_MEMBER in members:
        reach_kw += grid.connected_at(t) * (grid.import_limit_kw[t] if upward else grid.export_limit_kw[t])
    for pool in problem.pools:
        if pool.id in members:
            reach_kw += pool.max_discharge_kw[t] if upward else pool.max_charge_kw[t]
    if upward:
        reach_kw += sum(len(sets.units) * sets.usable_at(t) for sets in problem.gensets if sets.id in members)
        reach_kw += sum(plant.available_kw[t] for plant in problem.pv if plant.id in members)
    return reach_kw
