"""Plan steps as every planner begins them: the forecast of a step, with all flows still zero."""

from ems.model.plan import PlanStep
from ems.model.problem import PlanningProblem


def forecast_step(problem: PlanningProblem, t: int, *, it_kw: float) -> PlanStep:
    """Return step t with the load that a served IT power means; the planner replaces the flows."""
    load = problem.load
    cooling_kw, aux_kw = load.cooling_kw(t, it_kw), load.aux_kw(t, it_kw)
    return PlanStep(
        start_utc=problem.grid.starts_utc[t],
        duration_h=problem.grid.duration_h[t],
        it_kw=it_kw,
        cooling_kw=cooling_kw,
        aux_kw=aux_kw,
        loss_kw=load.site_loss_frac * (it_kw + cooling_kw + aux_kw),
        pv_kw=0.0,
        pv_available_kw=problem.available_pv_kw(t),
        pv_q10_kw=sum(plant.q10_at(t) for plant in problem.pv),
        load_q90_kw=load.load_q90_at(t),
        net_q90_kw=problem.net_q90_at(t),
        import_kw=0.0,
        export_kw=0.0,
        unserved_kw=0.0,
        surplus_kw=0.0,
        pools=(),
        gensets=(),
        reserve=(),
    )
