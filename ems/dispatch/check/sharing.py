"""What assets share: the PV in use by plant, one direction at the connection, its ramp, and limits of groups."""

from collections.abc import Iterator

from ems.dispatch.check.findings import Violation, above, differs, tolerance_kw
from ems.model.plan import Plan, PlanStep
from ems.model.problem import GRID_MEMBER, PlanningProblem


def plants_kw(problem: PlanningProblem, step: PlanStep, t: int) -> tuple[float, ...]:
    """Return the power of every plant; by what is available where a plan does not divide it."""
    if step.plants:
        return tuple(plant.power_kw for plant in step.plants)
    available_kw = problem.available_pv_kw(t)
    share = step.pv_kw / available_kw if available_kw > 0.0 else 0.0
    return tuple(share * plant.available_kw[t] for plant in problem.pv)


def sharing(problem: PlanningProblem, step: PlanStep, t: int) -> Iterator[Violation]:
    """The plants make up the PV in use, nothing is imported and exported at once, and every group keeps its limit."""
    plants = plants_kw(problem, step, t)
    yield from differs(t, "pv_kw by plant", sum(plants), step.pv_kw)
    for plant, power_kw in zip(problem.pv, plants, strict=True):
        yield from above(t, f"{plant.id} power_kw", power_kw, plant.available_kw[t])
    both_kw = min(step.import_kw, step.export_kw)
    yield from above(t, "imports and exports at once, kW", both_kw, 0.0)
    powers = {plant.id: power_kw for plant, power_kw in zip(problem.pv, plants, strict=True)}
    powers |= {pool.id: pool.discharge_kw - pool.charge_kw for pool in step.pools}
    powers |= {genset.id: genset.power_kw for genset in step.gensets}
    powers[GRID_MEMBER] = step.import_kw - step.export_kw
    for group in problem.groups:
        total_kw = sum(powers[member] for member in group.members)
        yield from above(t, f"group {group.id}, kW", abs(total_kw), group.limit_kw)


def too_steep_kwh(problem: PlanningProblem, plan: Plan) -> float:
    """Return the exchange beyond the ramp of the connection contract, over the hours of its steps (kWh).

    The ramp is held between the means of two steps over the time between their centres; the first step starts from
    the measured exchange. Opening and closing the connection is switching, not a ramp.
    """
    grid = problem.connection
    if grid is None or grid.ramp_kw_per_min is None:
        return 0.0
    beyond_kwh = 0.0
    centre_h, exchange_kw, closed = 0.0, grid.now_kw, True
    for t, step in enumerate(plan.steps):
        now_h = problem.grid.offset_h[t] + step.duration_h / 2.0
        now_kw = step.import_kw - step.export_kw
        now_closed = bool(grid.connected_at(t))
        if closed and now_closed:
            allowed_kw = 60.0 * grid.ramp_kw_per_min * (now_h - centre_h)
            beyond_kwh += step.duration_h * max(0.0, abs(now_kw - exchange_kw) - allowed_kw)
        centre_h, exchange_kw, closed = now_h, now_kw, now_closed
    return beyond_kwh


def ramp(problem: PlanningProblem, plan: Plan) -> Iterator[Violation]:
    """A change of the exchange beyond the contract is declared."""
    if "ramp at the PCC" in plan.relaxed:
        return
    beyond_kwh = too_steep_kwh(problem, plan)
    if beyond_kwh > tolerance_kw(0.0):
        yield Violation(step=None, what="exchange beyond the ramp at the PCC, kWh", value=beyond_kwh, limit=0.0)
