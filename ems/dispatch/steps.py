"""Plan steps as every planner begins them: the forecast of a step, with all flows still zero."""

from dataclasses import replace
from math import ceil

from ems.model.plan import ChillerStep, OfferStep, PlanStep
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


def unshaped_steps(problem: PlanningProblem) -> tuple[PlanStep, ...]:
    """Return what the load does where nobody shapes it: deferrable work runs at once, and no tank is moved."""
    powers = [_unshaped_kw(problem, offer) for offer in problem.offers]
    steps = []
    for t, chillers in enumerate(_resting_chillers(problem)):
        offers = tuple(
            _with_run(offer, OfferStep(id=offer.id, power_kw=power[t], cut_kw=offer.asked_kw(t) - power[t]), power, t)
            for offer, power in zip(problem.offers, powers, strict=True)
        )
        it_kw = problem.load.it_kw[t] + sum(offer.power_kw for offer in offers)
        base_kw = 0.0 if problem.chillers is None or chillers is None else problem.chillers.base_kw * chillers.n_on
        step = forecast_step(problem, t, it_kw=it_kw, cooling_kw=problem.load.cooling_kw(t, it_kw) + base_kw)
        steps.append(replace(step, offers=offers, chillers=chillers))
    return tuple(steps)


def _with_run(offer: OfferProblem, step: OfferStep, power: list[float], t: int) -> OfferStep:
    """Return the step with the share of a class's work that runs and starts, where its runs have rules."""
    if offer.runs is None:
        return step
    before_frac = offer.runs.running_frac if t == 0 else _running_frac(offer, power, t - 1)
    running_frac = _running_frac(offer, power, t)
    return replace(step, running_frac=running_frac, started_frac=max(0.0, running_frac - before_frac))


def _running_frac(offer: OfferProblem, power: list[float], t: int) -> float:
    span_kw = offer.asked_kw(t) - offer.min_kw[t]
    return (power[t] - offer.min_kw[t]) / span_kw if span_kw > 0.0 else 0.0


def _unshaped_kw(problem: PlanningProblem, offer: OfferProblem) -> list[float]:
    asked = [offer.asked_kw(t) for t in range(problem.grid.n_steps)]
    if offer.kind is not OfferKind.DEFERRABLE:
        return asked
    left_kwh = offer.due_kwh(problem.grid.duration_h)
    # work that rests is started at once, all of it
    left_kwh += 0.0 if offer.runs is None else offer.runs.restart_kwh * (1.0 - offer.runs.running_frac)
    powers = []
    for t, (kw, hours) in enumerate(zip(asked, problem.grid.duration_h, strict=True)):
        powers.append(max(offer.min_kw[t], min(kw, left_kwh / hours)))
        left_kwh = max(0.0, left_kwh - powers[-1] * hours)
    return powers


def _resting_chillers(problem: PlanningProblem) -> tuple[ChillerStep | None, ...]:
    """Return per step the chillers that the heat of full IT power needs, and a tank that nobody moves."""
    data = problem.chillers
    if data is None:
        return (None,) * problem.grid.n_steps
    steps = []
    before = data.n_on
    stored_kwh_th = 0.0 if data.tank is None else data.tank.stored_kwh_th
    loss_frac_per_h = 0.0 if data.tank is None else data.tank.loss_frac_per_h
    for t, hours in enumerate(problem.grid.duration_h):
        capacity_kw_th = data.capacity_kw_th[t]
        needed = ceil(data.heat_kw_th[t] / capacity_kw_th) if capacity_kw_th > 0.0 else 0
        n_on = min(data.n_available, needed)
        heat_kw_th = min(data.heat_kw_th[t], n_on * capacity_kw_th)
        stored_kwh_th *= (1.0 - loss_frac_per_h) ** hours
        steps.append(
            ChillerStep(
                n_on=n_on,
                n_started=max(0, n_on - before),
                heat_kw_th=heat_kw_th,
                power_kw=data.power_frac[t] * heat_kw_th + data.base_kw * n_on,
                tank_end_kwh_th=stored_kwh_th,
            )
        )
        before = n_on
    return tuple(steps)
