"""Chillers of the plan: the heat that they remove at the forecast ambient, and how many of them there are (E17).

Stated where a site has chillers that are read. When a chiller runs is its own matter: the counts of the plan say what
they will draw, nobody commands them.
"""

from ems.model.condition import Outlook, SiteCondition
from ems.model.problem import ChillerProblem, LoadProblem
from ems.model.site import Site
from ems.thermal.plant import chilled_heat


def chiller_problem(
    site: Site, condition: SiteCondition, outlook: Outlook, *, whole: LoadProblem, ambient_degc: tuple[float, ...]
) -> ChillerProblem | None:
    """Return the chillers, None where the site has none or how many of them work is not known.

    `whole` has the full IT power per step, with what the cluster offers.
    """
    units, state = site.cooling.chillers, condition.chillers
    if units is None or state is None:
        return None
    steps = [
        chilled_heat(site.cooling, it_kw=it_kw, ambient_degc=degc)
        for it_kw, degc in zip(whole.it_kw, ambient_degc, strict=True)
    ]
    return ChillerProblem(
        heat_kw_th=tuple(step.heat_kw_th for step in steps),
        # scaled as the cooling lines are, of which it is a part and cannot be more
        power_frac=tuple(
            _most_frac(outlook.cooling_ratio_frac * step.power_frac, step.heat_kw_th, whole.cooling_kw(t, it_kw))
            for t, (step, it_kw) in enumerate(zip(steps, whole.it_kw, strict=True))
        ),
        capacity_kw_th=(units.capacity_kw_th,) * len(steps),
        n_available=state.n_available,
        n_on=min(state.n_on, state.n_available),
        min_load_frac=units.min_load_frac,
        base_kw=units.base_kw,
        start_cost=units.start_cost,
    )


def _most_frac(power_frac: float, heat_kw_th: float, cooling_kw: float) -> float:
    return min(power_frac, cooling_kw / heat_kw_th) if heat_kw_th > 0.0 else power_frac
