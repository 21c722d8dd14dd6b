"""Load: served IT power, what hangs on it, and what is not served (E16, E17)."""

from collections.abc import Iterator

from ems.dispatch.check.cooling import extra_range_kw
from ems.dispatch.check.findings import Violation, above, differs, outside, tolerance_kw
from ems.model.plan import Plan, PlanStep
from ems.model.problem import PlanningProblem

# the price of unserved load by what goes first: classes of the cluster, the firm load, then cooling and auxiliaries
_OFFER_FACTOR, _OTHER_FACTOR = 0.9, 1.1


def load(problem: PlanningProblem, step: PlanStep, t: int) -> Iterator[Violation]:
    """Cooling, auxiliaries and losses follow from the IT load that is served; what is not served is reported."""
    lowest, highest = _cooling_range_kw(problem, step, t)
    yield from outside(
        t, "cooling_kw", step.cooling_kw, lowest=lowest, highest=highest, tolerance=tolerance_kw(highest)
    )
    yield from differs(t, "aux_kw", step.aux_kw, _aux_kw(problem, step, t))
    yield from differs(t, "loss_kw", step.loss_kw, problem.load.site_loss_frac * _consumed_kw(step))
    firm_kw = problem.load.it_kw[t]
    yield from above(t, "it_kw", _firm_kw(step), firm_kw)
    if missing_kw(problem, step, t) > step.unserved_kw + tolerance_kw(firm_kw):
        yield Violation(
            step=t, what="IT load neither served nor reported unserved, kW", value=_firm_kw(step), limit=firm_kw
        )


def demand_kw(problem: PlanningProblem, step: PlanStep) -> float:
    """Return what the load that is reported as served takes from the bus."""
    return (1.0 + problem.load.site_loss_frac) * _consumed_kw(step)


def missing_kw(problem: PlanningProblem, step: PlanStep, t: int) -> float:
    """Return the IT power, firm and of the cluster's classes, that is not served."""
    return problem.load.it_kw[t] - _firm_kw(step) + sum(offer.unserved_kw for offer in step.offers)


def unserved_cost(problem: PlanningProblem, plan: Plan) -> float:
    """Return the price of load that is not served, with what hangs on a rack."""
    cost = 0.0
    for t, step in enumerate(plan.steps):
        classes_kw = sum(offer.unserved_kw for offer in step.offers)
        racks_kw = problem.load.it_kw[t] - _firm_kw(step)
        others_kw = step.unserved_kw - racks_kw - classes_kw
        on_racks_kw = _per_rack_kw(problem, t) * (racks_kw + _OFFER_FACTOR * classes_kw)
        cost += problem.prices.unserved_per_kwh * step.duration_h * (on_racks_kw + _OTHER_FACTOR * others_kw)
    return cost


def _consumed_kw(step: PlanStep) -> float:
    return step.it_kw + step.cooling_kw + step.aux_kw


def _firm_kw(step: PlanStep) -> float:
    """Return the served part of the firm load."""
    return step.it_kw - sum(offer.power_kw for offer in step.offers)


def _aux_kw(problem: PlanningProblem, step: PlanStep, t: int) -> float:
    constant = problem.load.aux_constant_kw
    follows_kw = sum(
        data.aux_frac_of_power * (pool.charge_kw + pool.discharge_kw)
        for pool, data in zip(step.pools, problem.pools, strict=True)
    )
    return (constant[t] if constant else 0.0) + problem.load.aux_frac_of_it * step.it_kw + follows_kw


def _cooling_range_kw(problem: PlanningProblem, step: PlanStep, t: int) -> tuple[float, float]:
    """Return the highest support line and the chord from no load to full load, equal at full load; chillers on top."""
    full_kw, chord_frac = _chord(problem, t)
    lowest = _highest_line_kw(problem, t, step.it_kw)
    highest = _highest_line_kw(problem, t, full_kw) - chord_frac * (full_kw - step.it_kw)
    extra_low, extra_high = extra_range_kw(problem, step, t)
    return lowest + extra_low, max(lowest, highest) + extra_high


def _highest_line_kw(problem: PlanningProblem, t: int, it_kw: float) -> float:
    return max([line.c0_kw[t] + line.c1_frac[t] * it_kw for line in problem.load.cooling], default=0.0)


def _chord(problem: PlanningProblem, t: int) -> tuple[float, float]:
    """Return the IT power with nothing missing, and the slope of the chord to its cooling."""
    full_kw = problem.load.it_kw[t] + sum(offer.asked_kw(t) for offer in problem.offers)
    if full_kw <= 0.0:
        return full_kw, 0.0
    rise_kw = _highest_line_kw(problem, t, full_kw) - _highest_line_kw(problem, t, 0.0)
    return full_kw, rise_kw / full_kw


def _per_rack_kw(problem: PlanningProblem, t: int) -> float:
    """Return what a kW of racks takes from the bus with all that hangs on it."""
    _, chord_frac = _chord(problem, t)
    return (1.0 + problem.load.site_loss_frac) * (1.0 + problem.load.aux_frac_of_it + chord_frac)
