"""The units of a step as physics has them: what each delivers, and what it could, sharing equally."""

from collections.abc import Iterator
from dataclasses import replace

from ems.dispatch.check.findings import TIME_TOLERANCE_H
from ems.dispatch.check.sharing import plants_kw
from ems.dispatch.check.storage import allowed_kwh, lowest_kwh, power_limits_kw
from ems.dispatch.check.units import n_settled, present, warms
from ems.model.plan import Plan, PlanStep
from ems.model.problem import GensetProblem, PlanningProblem, PoolProblem
from ems.reserve import GensetUnit, GridUnit, GroupLimit, Operation, PvUnit, RestingSets, StorageUnit


def operation(problem: PlanningProblem, plan: Plan, t: int, *, sustain_h: float) -> Operation:
    """Return the units of a step; storage has the least energy of all instants within `sustain_h` of its beginning."""
    step = plan.steps[t]
    gensets, taken_over_kw = _running(problem, plan, t)
    storage = [unit for p, pool in enumerate(problem.pools) for unit in _blocks(problem, plan, pool, p, t, sustain_h)]
    total_kw = max(1e-9, sum(unit.max_discharge_kw for unit in storage))
    return Operation(
        storage=tuple(
            replace(unit, power_kw=unit.power_kw + taken_over_kw * unit.max_discharge_kw / total_kw) for unit in storage
        ),
        gensets=gensets,
        resting=tuple(_resting(problem, data, step, c, t) for c, data in enumerate(problem.gensets)),
        pv=tuple(_pv(problem, step, t)),
        grid=_grid(problem, step, t),
        largest_load_block_kw=problem.load.largest_block_kw,
        groups=tuple(GroupLimit(members=frozenset(each.members), limit_kw=each.limit_kw) for each in problem.groups),
    )


def taken_over_kw(problem: PlanningProblem, plan: Plan, t: int) -> float:
    """Return what storage delivers in a step while sets warm up that are counted on in it."""
    _, kw = _running(problem, plan, t)
    return kw


def _blocks(
    problem: PlanningProblem, plan: Plan, pool: PoolProblem, p: int, t: int, sustain_h: float
) -> Iterator[StorageUnit]:
    before = pool.stored_kwh if t == 0 else plan.steps[t - 1].pools[p].stored_end_kwh
    after = plan.steps[t].pools[p].stored_end_kwh
    least_kwh = min([before, after, *_ends_within(problem, plan, p, t, sustain_h)])
    flow = plan.steps[t].pools[p]
    charge_kw, discharge_kw = power_limits_kw(pool, t, before, after)
    room_kwh = min(allowed_kwh(pool, max(0, t - 1)) - before, allowed_kwh(pool, t) - after)
    n = max(1, pool.n_blocks)
    for number in range(1, pool.n_blocks + 1):
        yield StorageUnit(
            id=f"{pool.id} block {number}",
            member=pool.id,
            power_kw=flow.power_kw / n,
            max_discharge_kw=discharge_kw / n,
            max_charge_kw=charge_kw / n,
            usable_kwh=max(0.0, least_kwh - lowest_kwh(pool)) / n,
            room_kwh=max(0.0, room_kwh) / n,
            charge_eff_frac=pool.charge_eff_frac,
            discharge_eff_frac=pool.discharge_eff_frac,
        )


def _ends_within(problem: PlanningProblem, plan: Plan, p: int, t: int, sustain_h: float) -> Iterator[float]:
    """Yield the energy at the ends of later steps that a loss at the beginning of this one still reaches."""
    until_h = problem.grid.offset_h[t] + sustain_h + TIME_TOLERANCE_H
    for later in range(t + 1, len(plan.steps)):
        if problem.grid.offset_h[later + 1] > until_h:
            return
        yield plan.steps[later].pools[p].stored_end_kwh


def _running(problem: PlanningProblem, plan: Plan, t: int) -> tuple[tuple[GensetUnit, ...], float]:
    """Return the sets that deliver throughout a step, and what storage delivers while the others warm up."""
    units: list[GensetUnit] = []
    taken_over_kw = 0.0
    for c, data in enumerate(problem.gensets):
        n, genset, usable_kw = n_settled(problem, plan, c, t), plan.steps[t].gensets[c], data.usable_at(t)
        carried_kw = genset.power_kw if n == genset.n_on else min(genset.power_kw, n * usable_kw)
        taken_over_kw += genset.power_kw - carried_kw
        units += [
            GensetUnit(
                id=f"{data.id} unit {number}",
                member=data.id,
                power_kw=carried_kw / n,
                max_kw=usable_kw,
                min_kw=data.min_kw,
                step_kw=data.step_limit_kw,
            )
            for number in range(1, n + 1)
        ]
    return tuple(units), taken_over_kw


def _resting(problem: PlanningProblem, data: GensetProblem, step: PlanStep, c: int, t: int) -> RestingSets:
    """Return the sets that could start; those that warm up first are too late for any class."""
    may_run = data.usable_at(t) >= data.min_kw and not warms(data)
    n_present = len(present(problem, data, t)) if may_run else 0
    return RestingSets(
        member=data.id,
        n_sets=max(0, n_present - step.gensets[c].n_on),
        n_failures=data.n_start_failures,
        max_kw=data.usable_at(t),
    )


def _pv(problem: PlanningProblem, step: PlanStep, t: int) -> Iterator[PvUnit]:
    """Yield the blocks of all plants, curtailed alike."""
    share = step.pv_kw / step.pv_available_kw if step.pv_available_kw > 0.0 else 0.0
    for plant, plant_kw in zip(problem.pv, plants_kw(problem, step, t), strict=True):
        for number in range(1, plant.n_blocks + 1):
            yield PvUnit(
                id=f"{plant.id} block {number}",
                member=plant.id,
                power_kw=share * plant.available_kw[t] / plant.n_blocks,
                available_kw=plant.available_kw[t] / plant.n_blocks,
                frequency_watt_credit_frac=plant.frequency_watt_credit_frac,
                certain_kw=plant.q10_at(t) / plant.n_blocks,
                flow_kw=plant_kw / plant.n_blocks,
            )


def _grid(problem: PlanningProblem, step: PlanStep, t: int) -> GridUnit | None:
    connection = problem.connection
    if connection is None or not connection.connected_at(t):
        return None
    return GridUnit(
        import_kw=step.import_kw - step.export_kw,
        import_limit_kw=connection.import_limit_kw[t],
        export_limit_kw=connection.export_limit_kw[t],
    )
