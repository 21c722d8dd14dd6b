"""Wear of storage, recomputed from the energy that a plan has in its pools."""

from ems.dispatch.check.storage import recalibrated
from ems.model.plan import Plan
from ems.model.problem import PlanningProblem, PoolProblem


def pool_wear_cost(pool: PoolProblem, plan: Plan, p: int) -> float:
    """Return what throughput, depth and dwell of one pool cost."""
    throughput = pool.wear_cost_per_kwh * _discharged_kwh(plan, p)
    dwell = pool.dwell_cost_per_kwh * sum(
        step.duration_h * max(0.0, step.pools[p].stored_end_kwh - pool.dwell_above_kwh) for step in plan.steps
    )
    return throughput + dwell + _depth_cost(pool, plan, p)


def wear_limits_cost(problem: PlanningProblem, plan: Plan) -> dict[str, float]:
    """Return what is paid beyond the warranty, and for full charges that are left out."""
    beyond = missed = 0.0
    for p, pool in enumerate(problem.pools):
        budget = pool.throughput_budget
        if budget is not None:
            beyond += budget.price_per_kwh * max(0.0, _discharged_kwh(plan, p) - budget.energy_kwh)
        if pool.recalibration is not None and not recalibrated(pool, plan, p):
            missed += pool.recalibration.missed_cost
    return {"throughput_budget_cost": beyond, "recalibration_cost": missed}


def _discharged_kwh(plan: Plan, p: int) -> float:
    return sum(step.duration_h * step.pools[p].discharge_kw for step in plan.steps)


def _depth_cost(pool: PoolProblem, plan: Plan, p: int) -> float:
    """Follow the energy through the stretches: the cheapest that has any gives, the cheapest that has room takes.

    At the start the store is taken to have been full once, and drawn from the cheapest stretches since.
    """
    if not pool.depth_wear:
        return 0.0
    pieces = sorted(pool.depth_wear, key=lambda piece: piece.cost_per_kwh)
    room_kwh = [0.0] * len(pieces)
    widths = [piece.width_kwh for piece in pieces[:-1]]
    most_kwh = max(pool.full_kwh, pool.max_stored_kwh, pool.stored_kwh)
    widths.append(max(pieces[-1].width_kwh, most_kwh - sum(widths)))
    cost = 0.0
    _draw(room_kwh, widths, sum(widths) - pool.stored_kwh)
    stored_kwh = pool.stored_kwh
    for step in plan.steps:
        change_kwh = step.pools[p].stored_end_kwh - stored_kwh
        stored_kwh += change_kwh
        if change_kwh >= 0.0:
            _fill(room_kwh, change_kwh)
            continue
        for piece, drawn_kwh in zip(pieces, _draw(room_kwh, widths, -change_kwh), strict=True):
            cost += pool.discharge_eff_frac * piece.cost_per_kwh * drawn_kwh
    return cost


def _draw(room_kwh: list[float], widths: list[float], energy_kwh: float) -> list[float]:
    """Take energy from the first stretches that have any; return what each gives."""
    given = []
    for k, width in enumerate(widths):
        drawn = min(width - room_kwh[k], max(0.0, energy_kwh))
        room_kwh[k] += drawn
        energy_kwh -= drawn
        given.append(drawn)
    return given


def _fill(room_kwh: list[float], energy_kwh: float) -> None:
    """Put energy into the first stretches that have room."""
    for k, room in enumerate(room_kwh):
        taken = min(room, energy_kwh)
        room_kwh[k] -= taken
        energy_kwh -= taken
