"""Why a plan does what it does: reason codes per step, from the plan's own figures."""

from dataclasses import replace

from ems.dispatch.check import Evaluation
from ems.model.plan import Plan, PlanStep
from ems.model.problem import PlanningProblem

# a store this close to its floor is what the sets are on for, as a share of full
_NEAR_FLOOR_FRAC = 0.02
_FLOW_KW = 1.0


def explained(problem: PlanningProblem, plan: Plan, evaluation: Evaluation) -> Plan:
    """Return the plan with reserve, binding limits and reasons of each step written in."""
    steps = tuple(
        replace(
            step,
            reserve=evaluation.reserve[t] if evaluation.reserve else (),
            binding=_binding(problem, plan, evaluation, t),
            reasons=_reasons(problem, plan, evaluation, t),
        )
        for t, step in enumerate(plan.steps)
    )
    return replace(plan, steps=steps)


def _binding(problem: PlanningProblem, plan: Plan, evaluation: Evaluation, t: int) -> tuple[str, ...]:
    step = plan.steps[t]
    names = []
    if evaluation.held_on and evaluation.held_on[t]:
        worst = min((r for r in evaluation.reserve[t] if r.id != "down"), key=lambda r: r.held_kw - r.required_kw)
        names.append(f"reserve {worst.id}: loss of {worst.contingency}")
    if _near_floor(problem, step, t):
        names.append("floor")
    names += [
        f"{pool.id} full"
        for pool, data in zip(step.pools, problem.pools, strict=True)
        if pool.stored_end_kwh >= data.max_stored_kwh - _NEAR_FLOOR_FRAC * data.full_kwh
    ]
    grid = problem.connection
    if grid is not None and any(
        month.first_step <= t < month.end_step and step.import_kw >= month.floor_kw - _FLOW_KW for month in grid.demand
    ):
        names.append("billed peak")
    return tuple(names)


def _reasons(problem: PlanningProblem, plan: Plan, evaluation: Evaluation, t: int) -> tuple[str, ...]:
    """Say what is bought by every set that runs and by every limit on PV."""
    step = plan.steps[t]
    reasons = []
    n_on = sum(genset.n_on for genset in step.gensets)
    if n_on:
        reasons.append(f"{n_on} sets on for {_bought(problem, plan, evaluation, t)}")
    curtailed_kw = step.pv_available_kw - step.pv_kw
    if curtailed_kw > _FLOW_KW:
        reasons.append(f"{curtailed_kw:.0f} kW of PV have no taker: the store will be full")
    if step.unserved_kw > _FLOW_KW:
        reasons.append(f"{step.unserved_kw:.0f} kW of load cannot be served")
    return tuple(reasons)


def _bought(problem: PlanningProblem, plan: Plan, evaluation: Evaluation, t: int) -> str:
    if evaluation.held_on and evaluation.held_on[t]:
        return "reserve: " + next(name for name in _binding(problem, plan, evaluation, t) if name.startswith("reserve"))
    for later in range(t, len(plan.steps)):
        if _near_floor(problem, plan.steps[later], later):
            ahead_h = problem.grid.offset_h[later] - problem.grid.offset_h[t]
            return f"energy: the store reaches its floor in {ahead_h:.1f} h"
        if not any(genset.n_on for genset in plan.steps[later].gensets):
            break
    if problem.connection is not None and not problem.connection.connected_at(t):
        return "energy while the grid is away"
    return "energy: cheaper now than later"


def _near_floor(problem: PlanningProblem, step: PlanStep, t: int) -> bool:
    full_kwh = sum(pool.full_kwh for pool in problem.pools)
    stored_kwh = sum(pool.stored_end_kwh for pool in step.pools)
    lead_kwh = 0.0 if any(genset.n_on for genset in step.gensets) else problem.reserve.lead_at(t)
    return stored_kwh <= problem.reserve.floor_at(t) + lead_kwh + _NEAR_FLOOR_FRAC * full_kwh
