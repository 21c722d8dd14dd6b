"""Cost: every term of the objective, computed anew from the plan's flows and the problem's prices.

Each term is a range; its ends are equal but for what depends on fractions of units beyond the integer hours. The
price of missing reserve stands with reserve, which knows the shortfalls.
"""

from collections.abc import Iterable, Iterator

from ems.dispatch.check.carbon import emitted, running_l
from ems.dispatch.check.cluster import job_cost, over_curtailed_cost
from ems.dispatch.check.commitment import broken_times
from ems.dispatch.check.cooling import heat_missing_cost, low_load_cost, starts_cost, tank_floor_cost
from ems.dispatch.check.findings import AFTER, Violation, outside, tolerance_cost, wish_of
from ems.dispatch.check.fuel import fuel_shortfall_range_l, litre_price, missing_fuel_l, pollutant_cost
from ems.dispatch.check.load import unserved_cost
from ems.dispatch.check.rules import missed, too_long_h, too_loud
from ems.dispatch.check.sharing import plants_kw, too_steep_kwh
from ems.dispatch.check.storage import energy_from_nowhere, floor_range_kwh, lowest_kwh
from ems.dispatch.check.units import UnitRange
from ems.dispatch.check.wear import pool_wear_cost, wear_limits_cost
from ems.model.plan import Plan
from ems.model.problem import DemandProblem, PlanningProblem, ValuePiece

# the wishes that a plan may break, with the term that holds the price
_PRICED_IN = {
    "unserved": "unserved_cost",
    "surplus": "surplus_cost",
    "stored energy": "missing_cost",
    "floor": "floor_cost",
    "minimum up time": "limit_cost",
    "minimum down time": "limit_cost",
    "ramp at the PCC": "limit_cost",
    "curtailed hours": "limit_cost",
    "cooling capacity": "unserved_cost",
    "chiller minimum load": "limit_cost",
    "tank floor": "floor_cost",
    "quiet hours": "limit_cost",
    "permitted run hours": "limit_cost",
    "fuel reserve": "limit_cost",
    "fuel": "missing_cost",
    "exercise run": "exercise_cost",
}
# surplus is dearer than racks, energy out of nothing is dearer still (formulation, section 6)
_SURPLUS_FACTOR = 1.1
_MISSING_FACTOR = 1.2

CostRange = tuple[float, float]


def objective(problem: PlanningProblem, plan: Plan, units: tuple[UnitRange, ...]) -> Iterator[Violation]:
    """Compare every term, and the wishes that the plan declares broken with their prices."""
    reported = plan.objective.terms()
    for name, (lowest, highest) in _terms(problem, plan, units).items():
        tolerance = tolerance_cost(max(abs(lowest), abs(highest)))
        yield from outside(None, name, reported[name], lowest=lowest, highest=highest, tolerance=tolerance)
    yield from _declared(problem, plan, reported)


def _declared(problem: PlanningProblem, plan: Plan, reported: dict[str, float]) -> Iterator[Violation]:
    """What is declared broken has its price, and what has a price is declared."""
    prices = problem.prices
    own = [each.price_per_kwh for each in problem.reserve.classes if each.price_per_kwh is not None]
    price = {"floor_cost": prices.floor_per_kwh, "reserve_cost": min([prices.reserve_per_kwh, *own])}
    price["limit_cost"] = prices.limit_per_kwh
    due = (genset.exercise for genset in problem.gensets)
    # where one of them costs nothing, it may be the one that is left out
    price["exercise_cost"] = min((exercise.missed_cost for exercise in due if exercise is not None), default=0.0)
    for wish in plan.relaxed:
        term = _term_of(problem, wish)
        if term is None or (reported[term] <= 0.0 and price.get(term, prices.unserved_per_kwh) > 0.0):
            yield Violation(step=None, what=f"price of the declared '{wish}'", value=0.0, limit=0.0)
    declared = {_term_of(problem, wish) for wish in plan.relaxed}
    for term in (*dict.fromkeys(_PRICED_IN.values()), "reserve_cost"):
        if term not in declared and reported[term] > tolerance_cost(0.0):
            yield Violation(step=None, what=f"{term} of a wish that is not declared", value=reported[term], limit=0.0)


def _term_of(problem: PlanningProblem, wish: str) -> str | None:
    """Return the term with the price of a wish; each response class of the reserve is a wish of its own."""
    reserve = problem.reserve
    classes = [each.id for each in reserve.classes] + ["down"] * reserve.down + ["down_slow"] * reserve.down_slow
    lacking = {wish_of(name) for name in classes}
    return "reserve_cost" if wish.partition(AFTER)[0] in lacking else _PRICED_IN.get(wish)


def _terms(problem: PlanningProblem, plan: Plan, units: tuple[UnitRange, ...]) -> dict[str, CostRange]:
    known = {**_bought(problem, plan), **_burnt(problem, plan), **_stored(problem, plan), **_lost(problem, plan)}
    # a litre that is not there is never the cheaper way to keep the reserve
    dearest = max(problem.prices.unserved_per_kwh, problem.prices.limit_per_kwh)
    missing_l = missing_fuel_l(problem, plan, units)
    known["missing_cost"] += missing_l * litre_price(problem, _MISSING_FACTOR * dearest)
    # a term that no part of the check knows belongs to no feature of the problem
    unknown = dict.fromkeys(plan.objective.terms(), (0.0, 0.0))
    # what reserve costs is known with its shortfalls, where there are classes
    most_reserve = max(0.0, plan.objective.reserve_cost) if problem.reserve.classes else 0.0
    return (
        unknown
        | {name: (cost, cost) for name, cost in known.items()}
        | {
            "starts_cost": _starts(problem, units),
            **emitted(problem, plan, units),
            "genset_wear_cost": _wear(problem, units),
            "low_load_cost": _low_load(problem, plan, units),
            "change_cost": _change(problem, units),
            "limit_cost": _limits(problem, plan, units),
            "exercise_cost": _exercises(problem, plan, units),
            "floor_cost": _floor(problem, plan, units),
            "chiller_cost": starts_cost(problem, plan),
            "reserve_cost": (0.0, most_reserve),
        }
    )


def _bought(problem: PlanningProblem, plan: Plan) -> dict[str, float]:
    """Energy over the connection, and the demand charge above the peak that is paid anyway."""
    grid = problem.connection
    if grid is None:
        return {"energy_import_cost": 0.0, "energy_export_cost": 0.0, "demand_cost": 0.0}
    bought = sum(s.duration_h * s.import_kw * price for s, price in zip(plan.steps, grid.price_per_kwh, strict=True))
    sold = sum(s.duration_h * s.export_kw * grid.export_price_at(t) for t, s in enumerate(plan.steps))
    billed = sum(month.price_per_kw * max(0.0, _peak_kw(plan, month) - month.floor_kw) for month in grid.demand)
    return {"energy_import_cost": bought, "energy_export_cost": -sold, "demand_cost": billed}


def _peak_kw(plan: Plan, month: DemandProblem) -> float:
    """Return the highest mean import of a billing interval; the first one began before the plan."""
    means = []
    first = month.first_step
    for end in month.interval_ends or range(first + 1, month.end_step + 1):
        steps = plan.steps[first:end]
        kwh = sum(step.duration_h * step.import_kw for step in steps)
        hours = sum(step.duration_h for step in steps)
        if first == 0:
            kwh, hours = kwh + month.running_kwh, hours + month.running_h
        means.append(kwh / hours)
        first = end
    return max(means, default=0.0)


def _burnt(problem: PlanningProblem, plan: Plan) -> dict[str, float]:
    """Fuel and what comes out of the exhaust; the price of what starts burn is in that of a start."""
    return {
        "fuel_cost": 0.0 if problem.fuel is None else running_l(plan) * problem.fuel.price_per_l,
        "pollutant_cost": pollutant_cost(problem, plan),
    }


def _stored(problem: PlanningProblem, plan: Plan) -> dict[str, float]:
    """Wear of the cells, energy out of nothing, and what stored energy is worth at the end and meanwhile."""
    wear = missing = terminal = held = 0.0
    for p, pool in enumerate(problem.pools):
        wear += pool_wear_cost(pool, plan, p)
        missing += sum(max(0.0, kwh) for kwh in energy_from_nowhere(pool, plan, p))
        lowest = lowest_kwh(pool)
        terminal += _worth(pool.terminal_value, plan.steps[-1].pools[p].stored_end_kwh - lowest)
        if pool.hold_value_per_h:
            held += sum(
                step.duration_h * _worth(pool.hold_value_per_h, step.pools[p].stored_end_kwh - lowest)
                for step in plan.steps
            )
    return {
        "battery_wear_cost": wear,
        **wear_limits_cost(problem, plan),
        "missing_cost": _MISSING_FACTOR * problem.prices.unserved_per_kwh * missing,
        "terminal_value_cost": -terminal,
        "hold_value_cost": -held,
    }


def _worth(pieces: tuple[ValuePiece, ...], stored_kwh: float) -> float:
    """Return the value of stored energy, the most valued pieces first."""
    worth = 0.0
    for piece in sorted(pieces, key=lambda piece: -piece.value_per_kwh):
        taken_kwh = min(piece.width_kwh, max(0.0, stored_kwh))
        worth += taken_kwh * max(0.0, piece.value_per_kwh)
        stored_kwh -= taken_kwh
    return worth


def _lost(problem: PlanningProblem, plan: Plan) -> dict[str, float]:
    """Load that is not served or is cut, and supply that nothing takes or that is not used."""
    surplus_kwh = sum(step.duration_h * step.surplus_kw for step in plan.steps)
    curtailed = sum(
        step.duration_h * plant.curtailment_price_per_kwh * max(0.0, plant.available_kw[t] - power_kw)
        for t, step in enumerate(plan.steps)
        for plant, power_kw in zip(problem.pv, plants_kw(problem, step, t), strict=True)
    )
    return {
        "curtailment_cost": curtailed,
        "unserved_cost": unserved_cost(problem, plan) + heat_missing_cost(problem, plan),
        "job_cost": job_cost(problem, plan),
        "surplus_cost": _SURPLUS_FACTOR * problem.prices.unserved_per_kwh * surplus_kwh,
    }


def _starts(problem: PlanningProblem, units: tuple[UnitRange, ...]) -> CostRange:
    return _total(
        (data.start_cost * low, data.start_cost * high)
        for data, each in zip(problem.gensets, units, strict=True)
        for low, high in each.n_started
    )


def _wear(problem: PlanningProblem, units: tuple[UnitRange, ...]) -> CostRange:
    return _total(
        (data.run_wear_cost_per_h * hours * low, data.run_wear_cost_per_h * hours * high)
        for data, each in zip(problem.gensets, units, strict=True)
        for hours, (low, high) in zip(problem.grid.duration_h, each.n_on, strict=True)
    )


def _low_load(problem: PlanningProblem, plan: Plan, units: tuple[UnitRange, ...]) -> CostRange:
    """Output missing to the economic band."""
    price = problem.prices.low_load_per_kwh
    return _total(
        (
            price * step.duration_h * max(0.0, data.band_low_kw * low - step.gensets[c].power_kw),
            price * step.duration_h * max(0.0, data.band_low_kw * high - step.gensets[c].power_kw),
        )
        for c, data in enumerate(problem.gensets)
        for step, (low, high) in zip(plan.steps, units[c].delivering, strict=True)
    )


def _change(problem: PlanningProblem, units: tuple[UnitRange, ...]) -> CostRange:
    """Distance from the previous plan's commitment, over the first hours."""
    previous = {commitment.id: commitment.n_on for commitment in problem.previous}
    n_compared = problem.n_change_steps
    price = problem.prices.commitment_change
    return _total(
        (price * hours * max(0.0, low - was, was - high), price * hours * max(0.0, high - was, was - low))
        for data, each in zip(problem.gensets, units, strict=True)
        for was, hours, (low, high) in zip(
            previous.get(data.id, ())[:n_compared], problem.grid.duration_h, each.n_on, strict=False
        )
    )


def _limits(problem: PlanningProblem, plan: Plan, units: tuple[UnitRange, ...]) -> CostRange:
    """Broken minimum times and rules, each unit and hour as dear as the site's largest unit; other limits."""
    largest_kw = max((genset.max_kw for genset in problem.gensets), default=0.0)
    unit_hour = problem.prices.limit_per_kwh * largest_kw
    hours = problem.grid.duration_h
    broken = [
        (h * low, h * high)
        for data, each in zip(problem.gensets, units, strict=True)
        for counts in (broken_times(problem, data, each), too_loud(data, each))
        for h, (low, high) in zip(hours, counts, strict=False)
    ]
    broken += [too_long_h(problem, data, each) for data, each in zip(problem.gensets, units, strict=True)]
    others = problem.prices.limit_per_kwh * too_steep_kwh(problem, plan)
    per_l = litre_price(problem, problem.prices.limit_per_kwh)
    short_low_l, short_high_l = fuel_shortfall_range_l(problem, plan, units)
    others += over_curtailed_cost(problem, plan)
    ranges = ((unit_hour * low, unit_hour * high) for low, high in broken)
    fuel = (per_l * short_low_l, per_l * short_high_l)
    return _total((*ranges, (others, others), fuel, low_load_cost(problem, plan)))


def _exercises(problem: PlanningProblem, plan: Plan, units: tuple[UnitRange, ...]) -> CostRange:
    """Exercise runs that are left out."""
    return _total(
        (data.exercise.missed_cost * low, data.exercise.missed_cost * high)
        for c, data in enumerate(problem.gensets)
        if data.exercise is not None
        for low, high in (missed(problem, plan, units[c], c),)
    )


def _floor(problem: PlanningProblem, plan: Plan, units: tuple[UnitRange, ...]) -> CostRange:
    """Energy missing to the floor, in every hour, of batteries and of the tank of cold."""
    price = problem.prices.floor_per_kwh

    def missing(t: int) -> CostRange:
        stored_kwh = sum(pool.stored_end_kwh for pool in plan.steps[t].pools)
        low_kwh, high_kwh = floor_range_kwh(problem, units, t)
        per_kwh = price * plan.steps[t].duration_h
        return per_kwh * max(0.0, low_kwh - stored_kwh), per_kwh * max(0.0, high_kwh - stored_kwh)

    cold = tank_floor_cost(problem, plan)
    return _total([*(missing(t) for t in range(len(plan.steps))), (cold, cold)])


def _total(ranges: Iterable[CostRange]) -> CostRange:
    lowest = highest = 0.0
    for low, high in ranges:
        lowest, highest = lowest + low, highest + high
    return lowest, highest
