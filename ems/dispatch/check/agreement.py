"""A plan answers its problem: same steps and assets, numbers that are numbers, forecasts carried unchanged."""

from collections.abc import Iterator
from math import isfinite

from ems.dispatch.check.findings import POWER_TOLERANCE_KW, TIME_TOLERANCE_H, Violation, differs
from ems.model.plan import Plan, PlanStep
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


def numbers(plan: Plan) -> Iterator[Violation]:
    """Every number is finite, and no direction is negative."""
    for name, value in plan.objective.terms().items():
        if not isfinite(value):
            yield Violation(step=None, what=f"{name} is not finite", value=0.0, limit=0.0)
    for t, step in enumerate(plan.steps):
        for name, value in _named_values(step):
            if not isfinite(value):
                yield Violation(step=t, what=f"{name} is not finite", value=0.0, limit=0.0)
            elif value < -POWER_TOLERANCE_KW:
                yield Violation(step=t, what=name, value=value, limit=0.0)
        # the only figures of a step that have either sign
        for name, value in (("net_q90_kw", step.net_q90_kw), ("loss_kw", step.loss_kw)):
            if not isfinite(value):
                yield Violation(step=t, what=f"{name} is not finite", value=0.0, limit=0.0)


def forecasts(problem: PlanningProblem, plan: Plan) -> Iterator[Violation]:
    """The forecasts that a plan carries along for its readers are the problem's."""
    for t, step in enumerate(plan.steps):
        yield from differs(t, "pv_available_kw", step.pv_available_kw, problem.available_pv_kw(t))
        yield from differs(t, "pv_q10_kw", step.pv_q10_kw, sum(plant.q10_at(t) for plant in problem.pv))
        yield from differs(t, "load_q90_kw", step.load_q90_kw, problem.load_q90_at(t))
        yield from differs(t, "net_q90_kw", step.net_q90_kw, problem.net_q90_at(t))


def _named_values(step: PlanStep) -> Iterator[tuple[str, float]]:
    yield from (
        ("it_kw", step.it_kw),
        ("cooling_kw", step.cooling_kw),
        ("aux_kw", step.aux_kw),
        ("pv_kw", step.pv_kw),
        ("pv_available_kw", step.pv_available_kw),
        ("pv_q10_kw", step.pv_q10_kw),
        ("load_q90_kw", step.load_q90_kw),
        ("import_kw", step.import_kw),
        ("export_kw", step.export_kw),
        ("unserved_kw", step.unserved_kw),
        ("surplus_kw", step.surplus_kw),
    )
    for plant in step.plants:
        yield f"{plant.id} power_kw", plant.power_kw
    for pool in step.pools:
        yield f"{pool.id} charge_kw", pool.charge_kw
        yield f"{pool.id} discharge_kw", pool.discharge_kw
        yield f"{pool.id} stored_end_kwh", pool.stored_end_kwh
    for genset in step.gensets:
        yield f"{genset.id} n_on", genset.n_on
        yield f"{genset.id} power_kw", genset.power_kw
        yield f"{genset.id} n_left", genset.n_left
        yield f"{genset.id} fuel_l_per_h", genset.fuel_l_per_h
        yield from ((f"{genset.id} {name}, g/h", g_per_h) for name, g_per_h in genset.pollutants_g_per_h)
    if step.fuel_stock_end_l is not None:
        yield "fuel_stock_end_l", step.fuel_stock_end_l
    for offer in step.offers:
        yield f"{offer.id} power_kw", offer.power_kw
        yield f"{offer.id} cut_kw", offer.cut_kw
        yield f"{offer.id} unserved_kw", offer.unserved_kw
    if step.chillers is not None:
        yield "chillers on", step.chillers.n_on
        yield "chiller heat_kw_th", step.chillers.heat_kw_th
        yield "chiller power_kw", step.chillers.power_kw
        yield "tank charge_kw_th", step.chillers.tank_charge_kw_th
        yield "tank discharge_kw_th", step.chillers.tank_discharge_kw_th
        yield "tank_end_kwh_th", step.chillers.tank_end_kwh_th
