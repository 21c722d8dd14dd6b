"""Classes of load that the cluster offers (E16): what they ask for, less what is cut and what is not served."""

from collections.abc import Sequence
from typing import Any

import pyomo.environ as pyo

from ems.dispatch.milp.offer_runs import add_offer_runs, offer_run_values, restarts_kwh
from ems.dispatch.milp.parameters import ParameterValues, declare
from ems.dispatch.milp.shape import ModelShape, offer_ramp_kw
from ems.model.problem import OfferKind, OfferProblem, PlanningProblem

# classes of the cluster go before the firm load, which goes before cooling and auxiliaries
_UNSERVED_FACTOR = 0.9


def add_offers(m: pyo.ConcreteModel, shape: ModelShape) -> None:
    """Add cut and unserved power of every class, and what bounds them over time."""
    offers = shape.offers
    m.OFFER = pyo.RangeSet(0, len(offers) - 1)
    m.PIECE = pyo.Set(dimen=2, initialize=[(o, k) for o, offer in enumerate(offers) for k in range(offer.n_pieces)])
    m.DEFERRED = pyo.Set(initialize=[o for o, offer in enumerate(offers) if offer.energy])
    m.CURTAILED = pyo.Set(initialize=[o for o, offer in enumerate(offers) if offer.curtailed])
    m.RAMPED = pyo.Set(initialize=[o for o, offer in enumerate(offers) if offer.ramp])
    m.RUN = pyo.Set(initialize=[o for o, offer in enumerate(offers) if offer.runs])
    _parameters(m)
    m.offer_cut_kw = pyo.Var(m.PIECE, m.T, bounds=lambda m, o, k, t: (0, m.offer_piece_kw[o, k, t]))
    # what must run may go unserved as well
    m.offer_unserved_kw = pyo.Var(
        m.OFFER, m.T, bounds=lambda m, o, t: (0, m.offer_asked_kw[o, t] if o in m.RUN else m.offer_least_kw[o, t])
    )
    m.offer_shortfall_kwh = pyo.Var(m.DEFERRED, bounds=lambda m, o: (0, m.offer_short_most_kwh[o]))
    # more than the whole horizon cannot be curtailed
    m.offer_over_h = pyo.Var(m.CURTAILED, bounds=lambda m, o: (0, m.offer_horizon_h[o]))
    m.offer_kw = pyo.Expression(m.OFFER, m.T, rule=_power)
    m.offer_missing_kw = pyo.Expression(
        m.T, rule=lambda m, t: sum(_cut(m, o, t) + m.offer_unserved_kw[o, t] for o in m.OFFER)
    )
    add_offer_runs(m, shape)
    _add_energy(m)
    _add_hours(m)
    _add_ramp_up(m)
    _add_ramp_down(m)


def offer_values(problem: PlanningProblem, shape: ModelShape) -> ParameterValues:
    """Return the parameter values of all classes."""
    offers, dt = problem.offers, problem.grid.duration_h
    steps = range(problem.grid.n_steps)
    kept = list(zip(offers, shape.offers, strict=True))
    deferred = [offer for offer, has in kept if has.energy]
    curtailed = [offer for offer, has in kept if has.curtailed]
    ramped = [offer for offer, has in kept if has.ramp]
    return {
        "offer_asked_kw": [offer.asked_kw(t) for offer in offers for t in steps],
        "offer_least_kw": [offer.least_kw(t) for offer in offers for t in steps],
        "offer_piece_kw": [x for offer in offers for piece in _pieces_kw(problem, offer) for x in piece],
        "offer_counted_h": [h * (t < offer.deadline_step) for offer in deferred for t, h in enumerate(dt)],
        "offer_short_most_kwh": [offer.due_kwh(dt) + _restarts_most_kwh(problem, offer) for offer in deferred],
        "offer_spare_kwh": [_spare_kwh(offer, dt) for offer in deferred],
        "offer_cut_h_per_kw": [h / max(1e-9, offer.asked_kw(t)) for offer in curtailed for t, h in enumerate(dt)],
        "offer_max_curtailed_h": [0.0 if o.max_curtailed_h is None else o.max_curtailed_h for o in curtailed],
        "offer_horizon_h": [sum(dt)] * len(curtailed),
        "offer_ramp_kw": [offer_ramp_kw(offer, h) for offer in ramped for h in problem.grid.apart_h],
        "offer_start_kw": [_start_kw(problem, offer) for offer in ramped],
        **offer_run_values(problem, shape),
    }


def add_job_cost(m: pyo.ConcreteModel) -> None:
    """Add what the cluster loses by being cut or short of energy (E16)."""
    declare(m, "offer_cut_price", index=(m.PIECE, m.T))
    declare(m, "offer_unserved_price", index=(m.OFFER, m.T))
    declare(m, "offer_shortfall_price", index=(m.DEFERRED,))
    declare(m, "offer_over_price", index=(m.CURTAILED,))
    m.job_cost = pyo.Expression(
        expr=sum(m.offer_cut_price[o, k, t] * m.offer_cut_kw[o, k, t] for o, k in m.PIECE for t in m.T)
        + sum(m.offer_shortfall_price[o] * m.offer_shortfall_kwh[o] for o in m.DEFERRED)
    )


def unserved_offers_cost(m: pyo.ConcreteModel) -> Any:  # a Pyomo expression
    """Return what load below the minimum of its class costs."""
    return sum(m.offer_unserved_price[o, t] * m.offer_unserved_kw[o, t] for o in m.OFFER for t in m.T)


def over_curtailed_cost(m: pyo.ConcreteModel) -> Any:  # a Pyomo expression
    """Return what hours of curtailment beyond a class's limit cost."""
    return sum(m.offer_over_price[o] * m.offer_over_h[o] for o in m.CURTAILED)


def job_values(problem: PlanningProblem, shape: ModelShape) -> ParameterValues:
    """Return the prices of what is cut, short or not served."""
    dt, prices = problem.grid.duration_h, problem.prices
    kept = list(zip(problem.offers, shape.offers, strict=True))
    weight = [problem.it_weight_frac(t) for t in range(len(dt))]
    unserved = _UNSERVED_FACTOR * prices.unserved_per_kwh
    return {
        "offer_cut_price": [value * h for offer in problem.offers for value in piece_values_per_kwh(offer) for h in dt],
        "offer_unserved_price": [unserved * w * h for _ in problem.offers for w, h in zip(weight, dt, strict=True)],
        "offer_shortfall_price": [offer.value_per_kwh for offer, has in kept if has.energy],
        "offer_over_price": [prices.limit_per_kwh * max(o.max_kw) for o, has in kept if has.curtailed],
    }


def piece_values_per_kwh(offer: OfferProblem) -> tuple[float, ...]:
    """Return what a kWh cut from each piece costs; what is deferred costs nothing by itself."""
    match offer.kind:
        case OfferKind.SHAPEABLE if offer.progress:
            return tuple(piece.value_per_kwh for piece in offer.progress)
        case OfferKind.DEFERRABLE:
            return (0.0,)
        case OfferKind.FIRM:
            return ()
        case _:
            return (offer.value_per_kwh,)


def _parameters(m: pyo.ConcreteModel) -> None:
    declare(m, "offer_asked_kw", "offer_least_kw", index=(m.OFFER, m.T))
    declare(m, "offer_piece_kw", index=(m.PIECE, m.T))
    declare(m, "offer_counted_h", index=(m.DEFERRED, m.T))
    declare(m, "offer_short_most_kwh", "offer_spare_kwh", index=(m.DEFERRED,))
    declare(m, "offer_cut_h_per_kw", index=(m.CURTAILED, m.T))
    declare(m, "offer_max_curtailed_h", "offer_horizon_h", index=(m.CURTAILED,))
    declare(m, "offer_ramp_kw", index=(m.RAMPED, m.T))
    declare(m, "offer_start_kw", index=(m.RAMPED,))


def _power(m: pyo.ConcreteModel, o: int, t: int) -> pyo.Expression:
    """E16: x = asked - cut - unserved."""
    return m.offer_asked_kw[o, t] - _cut(m, o, t) - m.offer_unserved_kw[o, t]


def _cut(m: pyo.ConcreteModel, o: int, t: int) -> Any:  # a Pyomo expression
    return sum(m.offer_cut_kw[o, k, t] for i, k in m.PIECE if i == o)


def _add_energy(m: pyo.ConcreteModel) -> None:
    """E16: sum of x * dt before the deadline + shortfall = energy and restarts, written with what is missing from x."""

    def row(m: pyo.ConcreteModel, o: int) -> pyo.Expression:
        missing = sum(m.offer_counted_h[o, t] * (_cut(m, o, t) + m.offer_unserved_kw[o, t]) for t in m.T)
        # an equality: more than the energy would be a free dump load
        return missing - m.offer_shortfall_kwh[o] + restarts_kwh(m, o) == m.offer_spare_kwh[o]

    m.offer_energy = pyo.Constraint(m.DEFERRED, rule=row)


def _add_hours(m: pyo.ConcreteModel) -> None:
    """E16: hours, each counted by the share of power that is cut, stay within what the class allows."""

    def row(m: pyo.ConcreteModel, o: int) -> pyo.Expression:
        hours = sum(m.offer_cut_h_per_kw[o, t] * _cut(m, o, t) for t in m.T)
        return hours <= m.offer_max_curtailed_h[o] + m.offer_over_h[o]

    m.offer_hours = pyo.Constraint(m.CURTAILED, rule=row)


def _add_ramp_up(m: pyo.ConcreteModel) -> None:
    """E16: x[t] - x[t-1] <= ramp * time between the centres."""

    def row(m: pyo.ConcreteModel, o: int, t: int) -> pyo.Expression:
        return m.offer_kw[o, t] - _before(m, o, t) <= m.offer_ramp_kw[o, t]

    m.offer_ramp_up = pyo.Constraint(m.RAMPED, m.T, rule=row)


def _add_ramp_down(m: pyo.ConcreteModel) -> None:
    """E16: x[t-1] - x[t] <= ramp * time between the centres."""

    def row(m: pyo.ConcreteModel, o: int, t: int) -> pyo.Expression:
        return _before(m, o, t) - m.offer_kw[o, t] <= m.offer_ramp_kw[o, t]

    m.offer_ramp_down = pyo.Constraint(m.RAMPED, m.T, rule=row)


def _before(m: pyo.ConcreteModel, o: int, t: int) -> pyo.Expression:
    return m.offer_start_kw[o] if t == 0 else m.offer_kw[o, t - 1]


def _pieces_kw(problem: PlanningProblem, offer: OfferProblem) -> list[list[float]]:
    """Return the width of every piece per step, from the most valued; the last takes what is left."""
    n_pieces = len(piece_values_per_kwh(offer))
    widths = []
    left = [offer.asked_kw(t) - offer.least_kw(t) for t in range(problem.grid.n_steps)]
    for k in range(n_pieces):
        is_last = k == n_pieces - 1
        taken = [kw if is_last else min(kw, offer.progress[k].width_kw) for kw in left]
        widths.append(taken)
        left = [kw - used for kw, used in zip(left, taken, strict=True)]
    return widths


def _spare_kwh(offer: OfferProblem, duration_h: Sequence[float]) -> float:
    """Return how much more than its energy a class could take before its deadline."""
    most_kwh = sum(offer.asked_kw(t) * duration_h[t] for t in range(offer.deadline_step))
    return most_kwh - offer.due_kwh(duration_h)


def _restarts_most_kwh(problem: PlanningProblem, offer: OfferProblem) -> float:
    """Return what a start in every step would take on top of the energy due."""
    return 0.0 if offer.runs is None else offer.runs.restart_kwh * problem.grid.n_steps


def _start_kw(problem: PlanningProblem, offer: OfferProblem) -> float:
    """Return the power before the first step, lowered to what can come down in time to what is asked for later."""
    start_kw, reach_kw = offer.now_kw, 0.0
    for t, h in enumerate(problem.grid.apart_h):
        reach_kw += offer_ramp_kw(offer, h)
        start_kw = min(start_kw, offer.asked_kw(t) + reach_kw)
    return start_kw
