"""A plan answers its problem: same steps and assets, forecasts carried unchanged."""

from collections.abc import Iterator

from ems.dispatch.check.findings import TIME_TOLERANCE_H, Violation, differs
from ems.model.plan import Plan
from ems.model.problem import PlanningProblem


def shape(problem: PlanningProblem, plan: Plan) -> Iterator[Violation]:
    """Compare problem, steps, pools and classes."""
    if plan.problem_id != problem.id or plan.site_id != problem.site_id:
        yield Violation(step=None, what="problem or site id differs", value=1.0, limit=0.0)
    if len(plan.steps) != problem.grid.n_steps:
        yield Violation(step=None, what="number of steps", value=len(plan.steps), limit=problem.grid.n_steps)
        return
    for t, step in enumerate(plan.steps):
        late_h = (step.start_utc - problem.grid.starts_utc[t]).total_seconds() / 3600.0
        if abs(late_h) > TIME_TOLERANCE_H or abs(step.duration_h - problem.grid.duration_h[t]) > TIME_TOLERANCE_H:
            yield Violation(step=t, what="start or duration differs from the grid", value=late_h, limit=0.0)
        pools = tuple(pool.id for pool in step.pools)
        classes = tuple(genset.id for genset in step.gensets)
        if pools != tuple(p.id for p in problem.pools) or classes != tuple(g.id for g in problem.gensets):
            yield Violation(step=t, what="pools or genset classes differ", value=1.0, limit=0.0)
        if step.plants and tuple(plant.id for plant in step.plants) != tuple(plant.id for plant in problem.pv):
            yield Violation(step=t, what="PV plants differ", value=len(step.plants), limit=len(problem.pv))
        if tuple(offer.id for offer in step.offers) != tuple(offer.id for offer in problem.offers):
            yield Violation(step=t, what="classes of the cluster differ", value=1.0, limit=0.0)
        if (step.chillers is None) is not (problem.chillers is None):
            yield Violation(step=t, what="chillers differ", value=1.0, limit=0.0)


def forecasts(problem: PlanningProblem, plan: Plan) -> Iterator[Violation]:
    """The forecasts that a plan carries along for its readers are the problem's."""
    for t, step in enumerate(plan.steps):
        yield from differs(t, "pv_available_kw", step.pv_available_kw, problem.available_pv_kw(t))
        yield from differs(t, "pv_q10_kw", step.pv_q10_kw, sum(plant.q10_at(t) for plant in problem.pv))
        yield from differs(t, "load_q90_kw", step.load_q90_kw, problem.load_q90_at(t))
        yield from differs(t, "net_q90_kw", step.net_q90_kw, problem.net_q90_at(t))
