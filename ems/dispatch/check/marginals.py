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
    limit = _MARGIN * _greatest_price_per_kwh(problem)
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
