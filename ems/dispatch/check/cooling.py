"""Chillers and the tank of cold: heat is removed by machines that run, and cold comes from somewhere (E17).

Beyond the integer hours counts are fractions, of which the plan reports the next whole number: what depends on them
is a range there.
"""

from collections.abc import Iterator

from ems.dispatch.check.findings import (
    ENERGY_TOLERANCE_FRAC,
    Violation,
    above,
    is_firm,
    outside,
    tolerance_kw,
)
from ems.model.plan import ChillerStep, Plan, PlanStep
from ems.model.problem import ChillerProblem, ColdTankProblem, PlanningProblem

_MISSING_FACTOR = 1.1

Range = tuple[float, float]


def chillers(problem: PlanningProblem, plan: Plan) -> Iterator[Violation]:
    """Re-simulate chillers and tank."""
    data = problem.chillers
    if data is None:
        return
    before = data.n_on
    for t, step in enumerate(plan.steps):
        part = _part(step)
        yield from _counts(problem, data, part, plan, t, before=before)
        yield from _heat(problem, data, plan, t)
        low_kw, high_kw = (
            data.power_frac[t] * part.heat_kw_th + data.base_kw * n for n in _n_on(problem, data, part, t)
        )
        yield from outside(
            t,
            "chiller power_kw",
            part.power_kw,
            lowest=low_kw,
            highest=high_kw,
            tolerance=tolerance_kw(high_kw),
        )
        before = part.n_on
    if data.tank is not None:
        yield from _tank(data.tank, plan)


def extra_range_kw(problem: PlanningProblem, step: PlanStep, t: int) -> Range:
    """Return what running chillers and the tank draw beside the cooling lines."""
    data = problem.chillers
    if data is None:
        return 0.0, 0.0
    part = _part(step)
    tank_kw = data.power_frac[t] * (part.tank_charge_kw_th - part.tank_discharge_kw_th)
    low, high = _n_on(problem, data, part, t)
    return tank_kw + data.base_kw * low, tank_kw + data.base_kw * high


def starts_cost(problem: PlanningProblem, plan: Plan) -> Range:
    """Return the price of starts less the worth of cold at the end."""
    data = problem.chillers
    if data is None:
        return 0.0, 0.0
    low = high = 0.0
    before = (float(data.n_on), float(data.n_on))
    for t, step in enumerate(plan.steps):
        now = _n_on(problem, data, _part(step), t)
        low += max(0.0, now[0] - before[1])
        high += max(0.0, now[1] - before[0])
        before = now
    worth = 0.0 if data.tank is None else data.tank.value_per_kwh * _part(plan.steps[-1]).tank_end_kwh_th
    return data.start_cost * low - worth, data.start_cost * high - worth


def heat_missing_cost(problem: PlanningProblem, plan: Plan) -> float:
    """Return the price of heat that nothing removes."""
    price = _MISSING_FACTOR * problem.prices.unserved_per_kwh
    return sum(
        price * step.duration_h * max(0.0, _missing_kw_th(problem, step, t)) for t, step in enumerate(plan.steps)
    )


def low_load_cost(problem: PlanningProblem, plan: Plan) -> Range:
    """Return the price of chillers below their minimum load."""
    data = problem.chillers
    if data is None:
        return 0.0, 0.0
    low = high = 0.0
    for t, step in enumerate(plan.steps):
        price = problem.prices.limit_per_kwh * data.power_frac[t] * step.duration_h
        part = _part(step)
        least = data.min_load_frac * data.capacity_kw_th[t]
        n_low, n_high = _n_on(problem, data, part, t)
        low += price * max(0.0, least * n_low - part.heat_kw_th)
        high += price * max(0.0, least * n_high - part.heat_kw_th)
    return low, high


def tank_floor_cost(problem: PlanningProblem, plan: Plan) -> float:
    """Return the price of cold that is missing to the floor."""
    data = problem.chillers
    if data is None or data.tank is None:
        return 0.0
    tank = data.tank
    return sum(
        problem.prices.floor_per_kwh
        * data.power_frac[t]
        * step.duration_h
        * max(0.0, tank.min_kwh_th - _part(step).tank_end_kwh_th)
        for t, step in enumerate(plan.steps)
    )


def _part(step: PlanStep) -> ChillerStep:
    """Return the chillers of a step; agreement of shapes has been looked at before."""
    if step.chillers is None:
        raise ValueError(f"step {step.start_utc:%Y-%m-%d %H:%M} has no chillers")
    return step.chillers


def _n_on(problem: PlanningProblem, data: ChillerProblem, part: ChillerStep, t: int) -> Range:
    if is_firm(problem, t) or data.capacity_kw_th[t] <= 0.0:
        return float(part.n_on), float(part.n_on)
    return min(float(part.n_on), part.heat_kw_th / data.capacity_kw_th[t]), float(part.n_on)


def _counts(
    problem: PlanningProblem, data: ChillerProblem, part: ChillerStep, plan: Plan, t: int, *, before: int
) -> Iterator[Violation]:
    yield from above(t, "chillers on", part.n_on, data.n_available, tolerance=0.0)
    if part.n_started != max(0, part.n_on - before):
        yield Violation(step=t, what="chiller starts", value=part.n_started, limit=max(0, part.n_on - before))
    yield from above(t, "chiller heat_kw_th", part.heat_kw_th, part.n_on * data.capacity_kw_th[t])
    least_kw_th = part.n_on * data.min_load_frac * data.capacity_kw_th[t]
    declared = "chiller minimum load" in plan.relaxed
    if is_firm(problem, t) and not declared and part.heat_kw_th < least_kw_th - tolerance_kw(least_kw_th):
        yield Violation(step=t, what="chiller heat_kw_th", value=part.heat_kw_th, limit=least_kw_th)


def _heat(problem: PlanningProblem, data: ChillerProblem, plan: Plan, t: int) -> Iterator[Violation]:
    """All heat is removed, by chillers or from the tank, and no more than there is."""
    missing_kw_th = _missing_kw_th(problem, plan.steps[t], t)
    tolerance = tolerance_kw(data.heat_kw_th[t])
    if missing_kw_th < -tolerance or (missing_kw_th > tolerance and "cooling capacity" not in plan.relaxed):
        yield Violation(step=t, what="heat that nothing removes, kW_th", value=missing_kw_th, limit=0.0)


def _missing_kw_th(problem: PlanningProblem, step: PlanStep, t: int) -> float:
    """Return the heat of the served IT power, less what chillers and tank remove."""
    data = problem.chillers
    if data is None:
        return 0.0
    part = _part(step)
    full_it_kw = problem.full_it_kw(t)
    share = step.it_kw / full_it_kw if full_it_kw > 0.0 else 1.0
    return share * data.heat_kw_th[t] + part.tank_charge_kw_th - part.tank_discharge_kw_th - part.heat_kw_th


def _tank(tank: ColdTankProblem, plan: Plan) -> Iterator[Violation]:
    """Re-simulate the cold in the tank."""
    before_kwh_th = tank.stored_kwh_th
    highest = max(tank.max_kwh_th, tank.stored_kwh_th)
    tolerance = ENERGY_TOLERANCE_FRAC * highest
    for t, step in enumerate(plan.steps):
        part = _part(step)
        yield from above(t, "tank charge_kw_th", part.tank_charge_kw_th, tank.max_charge_kw_th)
        yield from above(t, "tank discharge_kw_th", part.tank_discharge_kw_th, tank.max_discharge_kw_th)
        both = min(part.tank_charge_kw_th, part.tank_discharge_kw_th)
        yield from above(t, "tank charges and discharges at once, kW_th", both, 0.0)
        lost_kwh_th = before_kwh_th * (1.0 - (1.0 - tank.loss_frac_per_h) ** step.duration_h)
        added_kwh_th = step.duration_h * (part.tank_charge_kw_th - part.tank_discharge_kw_th)
        expected = before_kwh_th - lost_kwh_th + added_kwh_th
        yield from outside(
            t, "tank_end_kwh_th", part.tank_end_kwh_th, lowest=expected, highest=expected, tolerance=tolerance
        )
        yield from above(t, "tank_end_kwh_th", part.tank_end_kwh_th, highest, tolerance=tolerance)
        if part.tank_end_kwh_th < tank.min_kwh_th - tolerance and "tank floor" not in plan.relaxed:
            yield Violation(step=t, what="tank_end_kwh_th", value=part.tank_end_kwh_th, limit=tank.min_kwh_th)
        before_kwh_th = part.tank_end_kwh_th
