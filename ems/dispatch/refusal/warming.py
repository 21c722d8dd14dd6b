"""Sets that warm up at the start run on whatever is decided: a group has to pass their least output."""

from collections.abc import Iterator
from typing import Final

from ems.dispatch.refusal.finding import Refusal
from ems.dispatch.unit_history import n_still_warming, n_unsettled
from ems.model.problem import PlanningProblem

_ROUNDING_KW: Final = 1e-6


def warming(problem: PlanningProblem) -> Iterator[Refusal]:
    """Yield the groups that are narrower than what sets behind them deliver at the end of their warm-up."""
    if not problem.groups:
        return
    forced_kw = {
        genset.id: [
            genset.min_kw * (n - share)
            for n, share in zip(n_unsettled(problem, genset), n_still_warming(problem, genset), strict=True)
        ]
        for genset in problem.gensets
    }
    for number, group in enumerate(problem.groups):
        inside = [forced_kw[member] for member in group.members if member in forced_kw]
        most_kw = max((sum(step) for step in zip(*inside, strict=True)), default=0.0)
        if most_kw > group.limit_kw + _ROUNDING_KW:
            yield Refusal(
                path=f"groups.{number}.limit_kw",
                message=f"is {group.limit_kw:g}, less than the least output of sets of the group that warm up",
                allowed=f"{most_kw:g} or more, or no warm_up_left_h of units that stand still",
            )
