"""Classes of the cluster's load: each stays within what it lets the site do, and its losses are priced (E16)."""

from collections.abc import Iterator

from ems.dispatch.check.findings import TIME_TOLERANCE_H, Violation, above, differs
from ems.dispatch.check.offer_runs import offer_runs, restarts_kwh
from ems.model.plan import Plan
from ems.model.problem import OfferKind, OfferProblem, PlanningProblem

_MINUTES_PER_HOUR = 60.0


def offers(problem: PlanningProblem, plan: Plan) -> Iterator[Violation]:
    """Re-simulate every class."""
    for o, offer in enumerate(problem.offers):
        yield from _powers(offer, plan, o)
        yield from offer_runs(problem, offer, plan, o)
        yield from _ramp(offer, plan, o)
        over_h = _over_h(offer, plan, o)
        if over_h > _tolerance_h(plan) and "curtailed hours" not in plan.relaxed:
            limit_h = offer.max_curtailed_h or 0.0
            yield Violation(step=None, what=f"{offer.id} curtailed, h", value=limit_h + over_h, limit=limit_h)
        if offer.kind is OfferKind.DEFERRABLE:
            due_kwh, served_kwh = _due_kwh(offer, plan, o), _served_kwh(offer, plan, o)
            yield from above(None, f"{offer.id} energy, kWh", served_kwh, due_kwh)


def job_cost(problem: PlanningProblem, plan: Plan) -> float:
    """Return what is lost by cutting, curtailing and falling short of energy."""
    cost = 0.0
    for o, offer in enumerate(problem.offers):
        cuts = [(step.duration_h, step.offers[o].cut_kw, t) for t, step in enumerate(plan.steps)]
        match offer.kind:
            case OfferKind.SHAPEABLE:
                cost += sum(hours * _progress_cost_per_h(offer, t, cut_kw) for hours, cut_kw, t in cuts)
            case OfferKind.CURTAILABLE:
                cost += offer.value_per_kwh * sum(hours * cut_kw for hours, cut_kw, _ in cuts)
            case OfferKind.DEFERRABLE:
                cost += offer.value_per_kwh * max(0.0, _due_kwh(offer, plan, o) - _served_kwh(offer, plan, o))
            case OfferKind.FIRM:
                pass
    return cost


def over_curtailed_cost(problem: PlanningProblem, plan: Plan) -> float:
    """Return the price of hours of curtailment beyond what the classes allow."""
    return problem.prices.limit_per_kwh * sum(
        max(offer.max_kw) * _over_h(offer, plan, o) for o, offer in enumerate(problem.offers)
    )


def _powers(offer: OfferProblem, plan: Plan, o: int) -> Iterator[Violation]:
    """Power, cut and unserved part are what the class asks for; only the minimum, and what must run, is unserved."""
    for t, step in enumerate(plan.steps):
        part = step.offers[o]
        asked_kw, least_kw = _asked_kw(offer, t), _least_kw(offer, t)
        yield from differs(t, f"{offer.id} power_kw", part.power_kw, asked_kw - part.cut_kw - part.unserved_kw)
        yield from above(t, f"{offer.id} cut_kw", part.cut_kw, asked_kw - least_kw)
        served_or_lost_kw = least_kw if offer.runs is None else asked_kw - part.cut_kw
        yield from above(t, f"{offer.id} unserved_kw", part.unserved_kw, served_or_lost_kw)


def _ramp(offer: OfferProblem, plan: Plan, o: int) -> Iterator[Violation]:
    """Mean powers differ by no more than the ramp between the centres of steps; a start that is too high comes down."""
    if offer.ramp_kw_per_min is None or offer.kind in (OfferKind.FIRM, OfferKind.DEFERRABLE):
        return
    middles_h, begin_h = [0.0], 0.0
    for step in plan.steps:
        middles_h.append(begin_h + step.duration_h / 2.0)
        begin_h += step.duration_h
    kw_per_h = _MINUTES_PER_HOUR * offer.ramp_kw_per_min
    before_kw = min([offer.now_kw, *(_asked_kw(offer, t) + kw_per_h * h for t, h in enumerate(middles_h[1:]))])
    for t, step in enumerate(plan.steps):
        allowed_kw = kw_per_h * (middles_h[t + 1] - middles_h[t])
        power_kw = step.offers[o].power_kw
        yield from above(t, f"{offer.id} change, kW", abs(power_kw - before_kw), allowed_kw)
        before_kw = power_kw


def _asked_kw(offer: OfferProblem, t: int) -> float:
    if offer.kind is OfferKind.DEFERRABLE and t >= offer.deadline_step:
        return offer.min_kw[t]
    return max(offer.min_kw[t], offer.max_kw[t])


def _least_kw(offer: OfferProblem, t: int) -> float:
    return _asked_kw(offer, t) if offer.kind is OfferKind.FIRM else offer.min_kw[t]


def _due_kwh(offer: OfferProblem, plan: Plan, o: int) -> float:
    """Return the energy due by the deadline, with what the plan's restarts take."""
    least_kwh = sum(step.duration_h * offer.min_kw[t] for t, step in enumerate(plan.steps) if t < offer.deadline_step)
    return max(offer.energy_kwh, least_kwh) + restarts_kwh(offer, plan, o)


def _served_kwh(offer: OfferProblem, plan: Plan, o: int) -> float:
    return sum(step.duration_h * step.offers[o].power_kw for step in plan.steps[: offer.deadline_step])


def _over_h(offer: OfferProblem, plan: Plan, o: int) -> float:
    """Return by how many hours, each counted by the share that is cut, a class is curtailed beyond its limit."""
    if offer.kind is not OfferKind.CURTAILABLE or offer.max_curtailed_h is None:
        return 0.0
    cut_h = sum(
        step.duration_h * step.offers[o].cut_kw / _asked_kw(offer, t)
        for t, step in enumerate(plan.steps)
        if _asked_kw(offer, t) > 0.0
    )
    over_h = cut_h - offer.max_curtailed_h
    return over_h if over_h > TIME_TOLERANCE_H else 0.0


def _tolerance_h(plan: Plan) -> float:
    return 1e-4 * sum(step.duration_h for step in plan.steps)


def _progress_cost_per_h(offer: OfferProblem, t: int, cut_kw: float) -> float:
    """Return what a cut costs per hour: the least valued power goes first, the last piece takes all that is left."""
    if not offer.progress:
        return offer.value_per_kwh * cut_kw
    left_kw = _asked_kw(offer, t) - _least_kw(offer, t)
    widths = []
    for piece in offer.progress[:-1]:
        widths.append(min(left_kw, piece.width_kw))
        left_kw -= widths[-1]
    widths.append(left_kw)
    cost = 0.0
    for piece, width_kw in sorted(zip(offer.progress, widths, strict=True), key=lambda pair: pair[0].value_per_kwh):
        taken_kw = min(cut_kw, width_kw)
        cost += taken_kw * piece.value_per_kwh
        cut_kw -= taken_kw
    return cost
