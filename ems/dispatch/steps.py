"""Plan steps as every planner begins them: the forecast of a step, with all flows still zero."""

from ems.model.plan import OfferStep, PlanStep
from ems.model.problem import OfferKind, OfferProblem, PlanningProblem


def forecast_step(
    problem: PlanningProblem, t: int, *, it_kw: float, cooling_kw: float | None = None, storage_aux_kw: float = 0.0
) -> PlanStep:
    """Return step t with the load that a served IT power means; the planner replaces the flows.

    `cooling_kw` None: that of the support lines (E17). `storage_aux_kw` is what the auxiliaries of storage draw for
    its power (E11).
    """
    load = problem.load
    cooling_kw = load.cooling_kw(t, it_kw) if cooling_kw is None else cooling_kw
    aux_kw = load.aux_kw(t, it_kw) + storage_aux_kw
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
        load_q90_kw=problem.load_q90_at(t),
        net_q90_kw=problem.net_q90_at(t),
        import_kw=0.0,
        export_kw=0.0,
        unserved_kw=0.0,
        surplus_kw=0.0,
        pools=(),
        gensets=(),
        reserve=(),
    )


def unshaped_offers(problem: PlanningProblem) -> tuple[tuple[OfferStep, ...], ...]:
    """Return per step what the cluster does where nobody shapes its load; what is deferrable runs at once."""
    powers = [_unshaped_kw(problem, offer) for offer in problem.offers]
    return tuple(
        tuple(
            OfferStep(id=offer.id, power_kw=power[t], cut_kw=offer.asked_kw(t) - power[t])
            for offer, power in zip(problem.offers, powers, strict=True)
        )
        for t in range(problem.grid.n_steps)
    )


def _unshaped_kw(problem: PlanningProblem, offer: OfferProblem) -> list[float]:
    asked = [offer.asked_kw(t) for t in range(problem.grid.n_steps)]
    if offer.kind is not OfferKind.DEFERRABLE:
        return asked
    left_kwh = offer.due_kwh(problem.grid.duration_h)
    powers = []
    for t, (kw, hours) in enumerate(zip(asked, problem.grid.duration_h, strict=True)):
        powers.append(max(offer.min_kw[t], min(kw, left_kwh / hours)))
        left_kwh = max(0.0, left_kwh - powers[-1] * hours)
    return powers
