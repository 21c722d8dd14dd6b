"""Islanded: when sets start and stop, how many run, and what each class carries."""

from collections.abc import Sequence
from dataclasses import dataclass

from ems.dispatch.merit_order.store import Store
from ems.dispatch.unit_history import is_out
from ems.model.genset import GensetClass
from ems.model.problem import PlanningProblem
from ems.model.site import Site
from ems.model.units import frac


@dataclass(slots=True)
class RunState:
    """What the forward run carries from step to step."""

    stored_kwh: float
    n_on: list[int]
    on_h: float


def islanded_kw(
    site: Site, problem: PlanningProblem, store: Store, state: RunState, *, t: int, net_kw: float
) -> list[float]:
    """Apply the start and stop rules of control to the forecast; return each class's power."""
    hours = problem.grid.duration_h[t]
    start_kwh = problem.reserve.floor_at(t) + frac(site.control.soc_start_above_floor_pct) * store.full_kwh
    stop_kwh = start_kwh + frac(site.control.soc_stop_above_start_pct) * store.full_kwh
    ahead_kwh = store.after(state.stored_kwh, power_kw=net_kw, hours=hours)
    running = any(state.n_on)
    if running and (state.stored_kwh >= stop_kwh or net_kw <= 0.0) and state.on_h >= _min_up_h(site):
        state.n_on = [0] * len(state.n_on)
    elif running or (ahead_kwh <= start_kwh and net_kw > 0.0):
        state.n_on = _sets(site, problem, net_kw, t)
    state.on_h = state.on_h + hours if any(state.n_on) else 0.0
    return powers_kw(site.gensets, state.n_on, net_kw=net_kw)


def powers_kw(classes: Sequence[GensetClass], n_on: Sequence[int], *, net_kw: float) -> list[float]:
    """Return what each class carries of the net load.

    Sets with a base load keep to it; those that share load by themselves carry the same share of their ratings; those
    that follow a setpoint take what is left in the order of the site.
    """
    left_kw = net_kw - sum(n * (kind.base_load_kw or 0.0) for kind, n in zip(classes, n_on, strict=True))
    shared_kw = sum(n * kind.rated_kw for kind, n in zip(classes, n_on, strict=True) if _shares(kind))
    level_frac = left_kw / shared_kw if shared_kw > 0.0 else 0.0
    powers: dict[str, float] = {}
    for kind, n in sorted(zip(classes, n_on, strict=True), key=lambda counted: counted[0].takes_power):
        if kind.base_load_kw is not None:
            powers[kind.id] = n * kind.base_load_kw
            continue
        wanted_kw = n * level_frac * kind.rated_kw if _shares(kind) else left_kw
        powers[kind.id] = max(n * kind.band_low_frac * kind.rated_kw, min(wanted_kw, n * kind.rated_kw))
        left_kw -= powers[kind.id]
    return [powers[kind.id] for kind in classes]


def _shares(kind: GensetClass) -> bool:
    """Return whether the load of a running unit is what its governor and load sharing make it."""
    return not kind.takes_power and kind.base_load_kw is None


def _sets(site: Site, problem: PlanningProblem, net_kw: float, t: int) -> list[int]:
    """Return how many units of each class carry a net deficit inside the economic band."""
    left_kw = net_kw
    counts = []
    for genset, data in zip(site.gensets, problem.gensets, strict=True):
        n_available = sum(unit.available and not is_out(problem, data, unit, t) for unit in data.units)
        n_on = min(genset.sets_to_carry(left_kw), n_available)
        counts.append(n_on)
        left_kw -= n_on * genset.economic_high_kw
    return counts


def _min_up_h(site: Site) -> float:
    return max((genset.min_up_h for genset in site.gensets), default=0.0)
