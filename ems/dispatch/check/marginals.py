"""Marginal prices: they follow from no flow of the plan, but none exceeds what the dearest way out costs."""

from collections.abc import Iterator

from ems.dispatch.check.findings import Violation
from ems.model.plan import Plan
from ems.model.problem import PlanningProblem

# energy out of nothing is the dearest way to one more kWh (formulation, section 6)
_DEAREST_FACTOR = 1.2
_MARGIN = 1.5
_TOLERANCE_PER_KWH = 1e-3


def marginals(problem: PlanningProblem, plan: Plan) -> Iterator[Violation]:
    """No step reports a marginal price beyond the problem's slack prices, of either sign."""
    lacks_reserve = any(wish.startswith("reserve:") for wish in plan.relaxed)
    limit = _MARGIN * _greatest_price_per_kwh(problem)
    limit += _MARGIN * _stored_reserve_per_kwh(problem) if lacks_reserve else 0.0
    for t, step in enumerate(plan.steps):
        price = step.marginal_price_per_kwh
        if price is not None and abs(price) > limit + _TOLERANCE_PER_KWH:
            yield Violation(step=t, what="marginal_price_per_kwh", value=price, limit=limit)


def _greatest_price_per_kwh(problem: PlanningProblem) -> float:
    """Return the greatest price of a slack.

    The floor is paid in every hour from the one in which energy is taken on, and a demand charge in one step.
    """
    prices, grid = problem.prices, problem.grid
    classes = (each.price_per_kwh for each in problem.reserve.classes if each.price_per_kwh is not None)
    months = () if problem.connection is None else problem.connection.demand
    return max(
        _DEAREST_FACTOR * prices.unserved_per_kwh,
        prices.reserve_per_kwh,
        prices.limit_per_kwh,
        prices.floor_per_kwh * max(1.0, grid.offset_h[-1]),
        *classes,
        *(month.price_per_kw / min(grid.duration_h) for month in months),
    )


def _stored_reserve_per_kwh(problem: PlanningProblem) -> float:
    """Return what a kWh in the store saves at most where reserve lacks: power for its sustain time, in every hour."""
    total = 0.0
    for each in problem.reserve.classes if problem.pools else ():
        sustain_h = problem.reserve.sustain_h if each.sustain_h is None else each.sustain_h
        price = problem.prices.reserve_per_kwh if each.price_per_kwh is None else each.price_per_kwh
        total += price * problem.grid.offset_h[-1] / sustain_h if sustain_h > 0.0 else 0.0
    return total
