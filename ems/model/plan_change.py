"""How far a plan differs from the one before: plans that flip cost starts, and nobody can follow them."""

from ems.model.plan import Plan, PlanChange, PlanStep

# the hours that are acted upon before many further plans; those of the change penalty
COMPARED_H = 4.0


def plan_change(before: Plan | None, plan: Plan) -> PlanChange | None:
    """Return how a plan differs from the one before over its first hours; None where either follows no optimum.

    Steps of the two grids are compared piece by piece, wherever both cover the same time.
    """
    if before is None or not (before.followed and plan.followed) or not plan.steps:
        return None
    start = plan.steps[0].start_utc
    hours = unit_h = kwh = 0.0
    most = 0
    for step in plan.steps:
        room_h = COMPARED_H - (step.start_utc - start).total_seconds() / 3600.0
        if room_h <= 0.0:
            break
        for other, overlap_h in before.steps_between(step.start_utc, step.end_utc):
            shared_h = min(overlap_h, room_h)
            n_changed = _units_changed(other, step)
            hours += shared_h
            unit_h += n_changed * shared_h
            kwh += _power_change_kw(other, step) * shared_h
            most = max(most, n_changed)
    if hours <= 0.0:
        return None
    return PlanChange(compared_h=hours, n_units_changed=most, unit_change_h=unit_h, mean_change_kw=kwh / hours)


def _units_changed(before: PlanStep, now: PlanStep) -> int:
    counts = {genset.id: genset.n_on for genset in before.gensets}
    return sum(abs(genset.n_on - counts.get(genset.id, 0)) for genset in now.gensets)


def _power_change_kw(before: PlanStep, now: PlanStep) -> float:
    """Return the absolute changes of each pool, class and of the exchange with the grid, summed."""
    was, is_now = _powers_kw(before), _powers_kw(now)
    return sum(abs(is_now.get(name, 0.0) - was.get(name, 0.0)) for name in was.keys() | is_now.keys())


def _powers_kw(step: PlanStep) -> dict[tuple[str, str], float]:
    powers = {("pool", pool.id): pool.power_kw for pool in step.pools}
    powers |= {("genset", genset.id): genset.power_kw for genset in step.gensets}
    return powers | {("grid", ""): step.import_kw - step.export_kw}
