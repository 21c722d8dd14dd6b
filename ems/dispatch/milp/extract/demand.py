"""What cooling and the cluster take."""

from dataclasses import replace

from ems.dispatch.milp.extract.columns import Columns, flow, share_of, whole
from ems.dispatch.milp.shape import ModelShape
from ems.model.plan import ChillerStep, OfferStep
from ems.model.problem import PlanningProblem


def cooling_kw(problem: PlanningProblem, columns: Columns, t: int, *, it_kw: float) -> float:
    """Return the cooling that the model has: its own variable, else what lies on the chord."""
    cooling = columns.table("cooling_kw")
    extra_kw = chillers_extra_kw(problem, columns, t)
    if len(cooling):
        return float(cooling[0, t]) + extra_kw
    load = problem.load
    return load.cooling_kw(t, 0.0) + load.cooling_slope_frac(t, problem.full_it_kw(t)) * it_kw + extra_kw


def chillers_extra_kw(problem: PlanningProblem, columns: Columns, t: int) -> float:
    """Return what running chillers and the tank take beside the cooling lines."""
    if problem.chillers is None:
        return 0.0
    running_kw = problem.chillers.base_kw * float(columns.row("chiller_on")[t])
    return running_kw + problem.chillers.power_frac[t] * float(columns.row("tank_kw_th")[t])


def chiller_step(problem: PlanningProblem, columns: Columns, t: int) -> ChillerStep | None:
    """Return what the chillers do in a step, None where the model has none."""
    data = problem.chillers
    if data is None:
        return None
    on, tank = columns.row("chiller_on"), float(columns.row("tank_kw_th")[t])
    n_on, before = whole(on[t]), whole(on[t - 1]) if t else data.n_on
    heat_kw_th = flow(columns.row("chiller_heat_kw_th")[t])
    return ChillerStep(
        n_on=n_on,
        n_started=max(0, n_on - before),
        heat_kw_th=heat_kw_th,
        power_kw=data.power_frac[t] * heat_kw_th + data.base_kw * float(on[t]),
        tank_charge_kw_th=flow(tank),
        tank_discharge_kw_th=flow(-tank),
        tank_end_kwh_th=max(0.0, float(columns.row("tank_kwh_th")[t])),
    )


def offer_steps(problem: PlanningProblem, shape: ModelShape, columns: Columns, t: int) -> tuple[OfferStep, ...]:
    """Return what each offer class of the cluster gets in a step."""
    cut, unserved = columns.table("offer_cut_kw"), columns.table("offer_unserved_kw")
    running, started = columns.table("offer_running"), columns.table("offer_started")
    steps = []
    row = ruled = 0
    for o, (offer, structure) in enumerate(zip(problem.offers, shape.offers, strict=True)):
        cut_kw = flow(cut[row : row + structure.n_pieces, t].sum())
        row += structure.n_pieces
        unserved_kw = flow(unserved[o, t])
        power_kw = max(0.0, offer.asked_kw(t) - cut_kw - unserved_kw)
        step = OfferStep(id=offer.id, power_kw=power_kw, cut_kw=cut_kw, unserved_kw=unserved_kw)
        if structure.runs:
            # after the deadline nothing is left that could run
            due = t < offer.deadline_step
            step = replace(
                step,
                running_frac=share_of(due * running[ruled, t]),
                started_frac=share_of(due * started[ruled, t]),
            )
            ruled += 1
        steps.append(step)
    return tuple(steps)
