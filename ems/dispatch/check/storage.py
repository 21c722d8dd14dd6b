"""Energy: what is stored follows from the flows, and stays inside the window and above the floor."""

from collections.abc import Iterator

from ems.dispatch.check.findings import ENERGY_TOLERANCE_FRAC, Violation, above
from ems.dispatch.check.units import UnitRange, any_on_frac
from ems.model.plan import Plan
from ems.model.problem import PlanningProblem, PoolProblem, PowerBySoc


def stored_energy(problem: PlanningProblem, plan: Plan) -> Iterator[Violation]:
    """Re-simulate the energy of every pool."""
    for p, pool in enumerate(problem.pools):
        tolerance = ENERGY_TOLERANCE_FRAC * pool.full_kwh
        for t, (step, added_kwh) in enumerate(zip(plan.steps, energy_from_nowhere(pool, plan, p), strict=True)):
            stored_kwh = step.pools[p].stored_end_kwh
            # a declared lack puts energy into the cells, it never takes any out
            allowed = added_kwh > 0.0 and "stored energy" in plan.relaxed
            if abs(added_kwh) > tolerance and not allowed:
                yield Violation(
                    step=t, what=f"{pool.id} stored_end_kwh", value=stored_kwh, limit=stored_kwh - added_kwh
                )
                break
            highest_kwh = (
                allowed_kwh(pool, t) if recalibrated(pool, plan, p) else max(pool.max_stored_kwh, pool.stored_kwh)
            )
            yield from above(t, f"{pool.id} stored_kwh", stored_kwh, highest_kwh, tolerance=tolerance)
            if stored_kwh < lowest_kwh(pool) - tolerance:
                yield Violation(step=t, what=f"{pool.id} stored_kwh", value=stored_kwh, limit=lowest_kwh(pool))


def power_by_energy(problem: PlanningProblem, plan: Plan) -> Iterator[Violation]:
    """Charge and discharge keep within the lines by stored energy at both ends of a step."""
    for p, pool in enumerate(problem.pools):
        before_kwh = pool.stored_kwh
        for t, step in enumerate(plan.steps):
            flow = step.pools[p]
            charge_kw, discharge_kw = power_limits_kw(pool, t, before_kwh, flow.stored_end_kwh)
            yield from above(t, f"{pool.id} charge_kw by stored energy", flow.charge_kw, charge_kw)
            yield from above(t, f"{pool.id} discharge_kw by stored energy", flow.discharge_kw, discharge_kw)
            before_kwh = flow.stored_end_kwh


def power_limits_kw(pool: PoolProblem, t: int, before_kwh: float, after_kwh: float) -> tuple[float, float]:
    """Return how much a pool can charge and discharge in a step that goes from one energy to another."""
    charge_lines = [_line_kw(pool, line, kwh) for line in pool.charge_by_soc for kwh in (before_kwh, after_kwh)]
    discharge_lines = [_line_kw(pool, line, kwh) for line in pool.discharge_by_soc for kwh in (before_kwh, after_kwh)]
    return min([pool.max_charge_kw[t], *charge_lines]), min([pool.max_discharge_kw[t], *discharge_lines])


def _line_kw(pool: PoolProblem, line: PowerBySoc, stored_kwh: float) -> float:
    """Return a line at an energy; a line that falls below zero within reach of the pool is lifted to zero there."""
    reach_kwh = (lowest_kwh(pool), max(allowed_kwh(pool, t) for t in range(len(pool.max_charge_kw))))
    below_kw = min(0.0, *(line.c0_kw + line.c1_per_h * kwh for kwh in reach_kwh))
    return line.c0_kw + line.c1_per_h * stored_kwh - below_kw


def recalibrated(pool: PoolProblem, plan: Plan, p: int) -> bool:
    """Return whether a plan charges a pool full in the window where that is due."""
    due = pool.recalibration
    if due is None:
        return False
    ends = [step.pools[p].stored_end_kwh for step in plan.steps[due.first_step : due.end_step]]
    return max(ends, default=0.0) >= (1.0 - ENERGY_TOLERANCE_FRAC) * pool.full_kwh


def allowed_kwh(pool: PoolProblem, t: int) -> float:
    """Return the most energy at the end of a step: the window, what was measured above it, full where that is due."""
    due = pool.recalibration
    if due is not None and due.first_step <= t < due.end_step:
        return max(pool.full_kwh, pool.stored_kwh)
    return max(pool.max_stored_kwh, pool.stored_kwh)


def floor(problem: PlanningProblem, plan: Plan, units: tuple[UnitRange, ...]) -> Iterator[Violation]:
    """The site keeps its floor, and the lead energy while no set runs, unless the plan declares otherwise."""
    if "floor" in plan.relaxed:
        return
    tolerance = sum(ENERGY_TOLERANCE_FRAC * pool.full_kwh for pool in problem.pools)
    for t, step in enumerate(plan.steps):
        required_kwh, _ = floor_range_kwh(problem, units, t)
        total_kwh = sum(pool.stored_end_kwh for pool in step.pools)
        if total_kwh < required_kwh - tolerance:
            yield Violation(step=t, what="stored energy, kWh", value=total_kwh, limit=required_kwh)


def energy_from_nowhere(pool: PoolProblem, plan: Plan, p: int) -> Iterator[float]:
    """Yield for each step how much more the plan has in a pool at its end than the flows put there (kWh)."""
    before_kwh = pool.stored_kwh
    for step in plan.steps:
        flow = step.pools[p]
        yield flow.stored_end_kwh - _stored_after(pool, before_kwh, flow.charge_kw, flow.discharge_kw, step.duration_h)
        before_kwh = flow.stored_end_kwh


def floor_range_kwh(problem: PlanningProblem, units: tuple[UnitRange, ...], t: int) -> tuple[float, float]:
    """Return the least and the most energy that a step may be asked to end with; one value for whole counts."""
    reserve = problem.reserve
    if not problem.gensets:
        return reserve.floor_at(t), reserve.floor_at(t)
    least_frac, most_frac = any_on_frac(units, t)
    floor_kwh, lead_kwh = reserve.floor_at(t), reserve.lead_at(t)
    return floor_kwh + lead_kwh * (1.0 - most_frac), floor_kwh + lead_kwh * (1.0 - least_frac)


def lowest_kwh(pool: PoolProblem) -> float:
    """Return the least energy of a pool: its minimum, or what was measured below it."""
    return min(pool.min_stored_kwh, pool.stored_kwh)


def _stored_after(pool: PoolProblem, stored_kwh: float, charge_kw: float, discharge_kw: float, hours: float) -> float:
    """Advance one step: charging loses on the way in, discharging and standing by lose on the way out."""
    kept_frac: float = (1.0 - pool.self_discharge_frac_per_h) ** hours
    lost_kwh = stored_kwh * (1.0 - kept_frac)
    drawn_kw = (discharge_kw + pool.no_load_kw) / pool.discharge_eff_frac
    return stored_kwh - lost_kwh + hours * (charge_kw * pool.charge_eff_frac - drawn_kw)
