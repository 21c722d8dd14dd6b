"""The independent evaluator: re-simulates a plan from the problem's physics and enumerates every loss.

Shares no code with the MILP and imports no pyomo; runs in the daemon's process on every plan before control may
follow it. A plan that deviates from its own numbers, or that breaks a limit which it does not declare as
relaxed, is refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

from ems.model.plan import Plan, PlanStep, ReserveStep
from ems.model.problem import GensetProblem, PlanningProblem, PoolProblem
from ems.model.units import seconds
from ems.reserve import (
    Assessment,
    ClassRequirement,
    GensetUnit,
    GridUnit,
    Operation,
    PvUnit,
    Requirement,
    ReserveId,
    StorageUnit,
    assess,
    set_is_needed,
)

# a plan may deviate by rounding of the solver, not by more: shares of the quantity, and least absolute values
_POWER_TOLERANCE_FRAC = 2e-3
_POWER_TOLERANCE_KW = 1.0
_ENERGY_TOLERANCE_FRAC = 1e-3
_COST_TOLERANCE_FRAC = 1e-3
_TIME_TOLERANCE_H = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One limit that a plan breaks; `step` is None for the plan as a whole."""

    step: int | None
    what: str
    value: float
    limit: float

    def sentence(self) -> str:
        """Return the violation for a log or a terminal."""
        where = "plan" if self.step is None else f"step {self.step}"
        return f"{where}: {self.what} is {self.value:.6g}, allowed {self.limit:.6g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What the re-simulation found.

    `reserve` holds the worst contingency per class and step; `held_on` says for each step whether a set could not
    be stopped without breaking a reserve requirement.
    """

    violations: tuple[Violation, ...]
    reserve: tuple[tuple[ReserveStep, ...], ...] = ()
    held_on: tuple[bool, ...] = ()

    @property
    def passed(self) -> bool:
        """Return whether control may follow the plan."""
        return not self.violations


def evaluate(problem: PlanningProblem, plan: Plan) -> Evaluation:
    """Re-simulate a plan and return every violation."""
    shape = tuple(_shape(problem, plan))
    if shape:
        return Evaluation(violations=shape)
    violations = [*_numbers(plan)]
    if not violations:
        for t, step in enumerate(plan.steps):
            violations += _flows(problem, step, t)
            if _is_firm(problem, t):
                violations += _gensets(problem, step, t)
        violations += _stored_energy(problem, plan)
        violations += _commitment(problem, plan)
        violations += _cost(problem, plan)
    if violations:
        return Evaluation(violations=tuple(violations))
    if not problem.reserve.classes:
        return Evaluation(violations=())
    operations = [_operation(problem, plan, t) for t in range(len(plan.steps))]
    required = [_requirement(problem, t) for t in range(len(plan.steps))]
    reserve = tuple(
        tuple(_reserve_step(item) for item in assess(operation, needed))
        for operation, needed in zip(operations, required, strict=True)
    )
    return Evaluation(
        violations=tuple(_reserve_violations(problem, plan, reserve)),
        reserve=reserve,
        held_on=tuple(
            bool(operation.gensets) and set_is_needed(operation, operation.gensets[0].id, needed)
            for operation, needed in zip(operations, required, strict=True)
        ),
    )


def _shape(problem: PlanningProblem, plan: Plan) -> Iterator[Violation]:
    """A plan answers its problem: same problem, steps, pools and classes."""
    if plan.problem_id != problem.id or plan.site_id != problem.site_id:
        yield Violation(step=None, what="problem or site id differs", value=1.0, limit=0.0)
    if len(plan.steps) != problem.grid.n_steps:
        yield Violation(step=None, what="number of steps", value=len(plan.steps), limit=problem.grid.n_steps)
        return
    for t, step in enumerate(plan.steps):
        late_h = (step.start_utc - problem.grid.starts_utc[t]).total_seconds() / 3600.0
        if abs(late_h) > _TIME_TOLERANCE_H or abs(step.duration_h - problem.grid.duration_h[t]) > _TIME_TOLERANCE_H:
            yield Violation(step=t, what="start or duration differs from the grid", value=late_h, limit=0.0)
        pools = tuple(pool.id for pool in step.pools)
        classes = tuple(genset.id for genset in step.gensets)
        if pools != tuple(p.id for p in problem.pools) or classes != tuple(g.id for g in problem.gensets):
            yield Violation(step=t, what="pools or genset classes differ", value=1.0, limit=0.0)


def _numbers(plan: Plan) -> Iterator[Violation]:
    """Every number is finite, and no direction is negative."""
    for name, value in plan.objective.terms().items():
        if not isfinite(value):
            yield Violation(step=None, what=f"{name} is not finite", value=0.0, limit=0.0)
    for t, step in enumerate(plan.steps):
        for name, value in _named_values(step):
            if not isfinite(value):
                yield Violation(step=t, what=f"{name} is not finite", value=0.0, limit=0.0)
            elif value < -_POWER_TOLERANCE_KW:
                yield Violation(step=t, what=name, value=value, limit=0.0)


def _named_values(step: PlanStep) -> Iterator[tuple[str, float]]:
    names = ("it_kw", "cooling_kw", "aux_kw", "pv_kw", "import_kw", "export_kw", "unserved_kw", "surplus_kw")
    yield from ((name, getattr(step, name)) for name in names)
    for pool in step.pools:
        yield f"{pool.id} charge_kw", pool.charge_kw
        yield f"{pool.id} discharge_kw", pool.discharge_kw
        yield f"{pool.id} stored_end_kwh", pool.stored_end_kwh
    for genset in step.gensets:
        yield f"{genset.id} n_on", genset.n_on
        yield f"{genset.id} power_kw", genset.power_kw
        yield f"{genset.id} fuel_l_per_h", genset.fuel_l_per_h


def _flows(problem: PlanningProblem, step: PlanStep, t: int) -> Iterator[Violation]:
    """The bus balances, and PV, grid and storage stay inside their limits."""
    load = problem.load
    served_kw = (1.0 + load.site_loss_frac) * (step.it_kw + step.cooling_kw + step.aux_kw)
    supplied_kw = (
        step.pv_kw
        + sum(genset.power_kw for genset in step.gensets)
        + sum(pool.discharge_kw - pool.charge_kw for pool in step.pools)
        + step.import_kw
        - step.export_kw
    )
    tolerance = _tolerance_kw(served_kw)
    # unserved load is either missing from it_kw or, beyond the racks, from the supply
    missing_it_kw = load.it_kw[t] - step.it_kw
    off = abs(supplied_kw + step.unserved_kw - missing_it_kw - step.surplus_kw - served_kw)
    if off > tolerance:
        yield Violation(step=t, what="balance error, kW", value=off, limit=tolerance)
    cooling_kw = load.cooling_c0_kw[t] + load.cooling_c1_frac[t] * step.it_kw
    if abs(step.cooling_kw - cooling_kw) > _tolerance_kw(cooling_kw):
        yield Violation(step=t, what="cooling_kw", value=step.cooling_kw, limit=cooling_kw)
    yield from _above(t, "it_kw", step.it_kw, load.it_kw[t])
    if missing_it_kw > step.unserved_kw + _tolerance_kw(load.it_kw[t]):
        yield Violation(
            step=t, what="IT load neither served nor reported unserved, kW", value=step.it_kw, limit=load.it_kw[t]
        )
    yield from _above(t, "pv_kw", step.pv_kw, sum(plant.available_kw[t] for plant in problem.pv))
    grid = problem.connection
    connected = 0 if grid is None else grid.connected[t]
    yield from _above(t, "import_kw", step.import_kw, 0.0 if grid is None else connected * grid.import_limit_kw[t])
    yield from _above(t, "export_kw", step.export_kw, 0.0 if grid is None else connected * grid.export_limit_kw[t])
    for pool, data in zip(step.pools, problem.pools, strict=True):
        yield from _above(t, f"{pool.id} charge_kw", pool.charge_kw, data.max_charge_kw[t])
        yield from _above(t, f"{pool.id} discharge_kw", pool.discharge_kw, data.max_discharge_kw[t])
        both = min(pool.charge_kw, pool.discharge_kw)
        yield from _above(t, f"{pool.id} charges and discharges at once, kW", both, 0.0)


def _is_firm(problem: PlanningProblem, t: int) -> bool:
    """Return whether commitment is planned in whole units; later steps are indicative and planned again."""
    return problem.grid.offset_h[t] < problem.options.integer_h


def _gensets(problem: PlanningProblem, step: PlanStep, t: int) -> Iterator[Violation]:
    """Each class runs between minimum and rated power of the units that are on, and burns what its curve says."""
    for genset, data in zip(step.gensets, problem.gensets, strict=True):
        available = sum(unit.available for unit in data.units)
        yield from _above(t, f"{genset.id} units on", genset.n_on, available, tolerance=0.0)
        yield from _above(t, f"{genset.id} power_kw", genset.power_kw, genset.n_on * data.max_kw)
        least_kw = genset.n_on * data.min_kw
        if genset.power_kw < least_kw - _tolerance_kw(least_kw):
            yield Violation(step=t, what=f"{genset.id} power_kw", value=genset.power_kw, limit=least_kw)
        fuel = _fuel_l_per_h(data, genset.n_on, genset.power_kw)
        if abs(genset.fuel_l_per_h - fuel) > 1.0 + _POWER_TOLERANCE_FRAC * fuel:
            yield Violation(step=t, what=f"{genset.id} fuel_l_per_h", value=genset.fuel_l_per_h, limit=fuel)


def _fuel_l_per_h(data: GensetProblem, n_on: int, power_kw: float) -> float:
    """Return the fuel rate of equally loaded units: walk up the curve of one unit."""
    if n_on == 0:
        return 0.0
    left_kw = power_kw / n_on - data.min_kw
    rate = data.min_fuel_l_per_h
    for segment in data.segments:
        taken = min(max(0.0, left_kw), segment.width_kw)
        rate += taken * segment.fuel_l_per_kwh
        left_kw -= taken
    return n_on * rate


def _stored_energy(problem: PlanningProblem, plan: Plan) -> Iterator[Violation]:
    """The stored energy follows from the flows and stays inside the window, and the site above its floor."""
    tolerances = [_ENERGY_TOLERANCE_FRAC * pool.full_kwh for pool in problem.pools]
    missing_allowed = "stored energy" in plan.relaxed
    for p, (pool, tolerance) in enumerate(zip(problem.pools, tolerances, strict=True)):
        stored = pool.stored_kwh
        for t, step in enumerate(plan.steps):
            flow = step.pools[p]
            stored = _stored_after(pool, stored, flow.charge_kw, flow.discharge_kw, step.duration_h)
            if abs(flow.stored_end_kwh - stored) > tolerance and not missing_allowed:
                yield Violation(step=t, what=f"{pool.id} stored_end_kwh", value=flow.stored_end_kwh, limit=stored)
                break
            stored = flow.stored_end_kwh
            yield from _above(
                t, f"{pool.id} stored_kwh", stored, max(pool.max_stored_kwh, pool.stored_kwh), tolerance=tolerance
            )
            least = min(pool.min_stored_kwh, pool.stored_kwh)
            if stored < least - tolerance:
                yield Violation(step=t, what=f"{pool.id} stored_kwh", value=stored, limit=least)
    if "floor" not in plan.relaxed:
        for t, step in enumerate(plan.steps):
            total = sum(pool.stored_end_kwh for pool in step.pools)
            if total < problem.reserve.floor_kwh[t] - sum(tolerances):
                yield Violation(step=t, what="stored energy, kWh", value=total, limit=problem.reserve.floor_kwh[t])


def _stored_after(pool: PoolProblem, stored: float, charge_kw: float, discharge_kw: float, hours: float) -> float:
    """Advance one step: charging loses on the way in, discharging and standing by lose on the way out."""
    kept_frac: float = (1.0 - pool.self_discharge_frac_per_h) ** hours
    lost = stored * (1.0 - kept_frac)
    drawn_kw = (discharge_kw + pool.no_load_kw) / pool.discharge_eff_frac
    return stored - lost + hours * (charge_kw * pool.charge_eff_frac - drawn_kw)


def _commitment(problem: PlanningProblem, plan: Plan) -> Iterator[Violation]:
    """Replay starts and stops unit by unit, longest first, and hold minimum times against each unit's clock."""
    for c, data in enumerate(problem.gensets):
        running = sorted(-unit.since_h for unit in data.units if unit.available and unit.on)
        resting = sorted(-unit.since_h for unit in data.units if unit.available and not unit.on)
        for t, step in enumerate(plan.steps):
            if not _is_firm(problem, t):
                break
            now = problem.grid.offset_h[t]
            genset = step.gensets[c]
            change = genset.n_on - len(running)
            if change != genset.n_started - genset.n_stopped:
                yield Violation(
                    step=t, what=f"{data.id} starts less stops", value=genset.n_started - genset.n_stopped, limit=change
                )
                break
            for pool, other, minimum_h, name in (
                (running, resting, data.min_up_h, "minimum up time"),
                (resting, running, data.min_down_h, "minimum down time"),
            ):
                moved = genset.n_stopped if pool is running else genset.n_started
                for _ in range(min(moved, len(pool))):
                    since = pool.pop(0)
                    if now - since < minimum_h - _TIME_TOLERANCE_H and name not in plan.relaxed:
                        yield Violation(step=t, what=f"{data.id} {name}, h", value=now - since, limit=minimum_h)
                    other.append(now)


def _cost(problem: PlanningProblem, plan: Plan) -> Iterator[Violation]:
    """Recompute the large terms of the objective."""
    terms = plan.objective
    price = 0.0 if problem.fuel is None else problem.fuel.price_per_l
    litres = sum(genset.fuel_l_per_h * step.duration_h for step in plan.steps for genset in step.gensets)
    wear = sum(
        step.pools[p].discharge_kw * step.duration_h * pool.wear_cost_per_kwh
        for p, pool in enumerate(problem.pools)
        for step in plan.steps
    )
    grid = problem.connection
    bought = 0.0
    if grid is not None:
        bought = sum(
            step.import_kw * step.duration_h * p for step, p in zip(plan.steps, grid.price_per_kwh, strict=True)
        )
    starts = sum(
        step.gensets[c].n_started * data.start_cost for c, data in enumerate(problem.gensets) for step in plan.steps
    )
    named = [
        ("fuel cost", terms.fuel_cost, litres * price),
        ("battery wear cost", terms.battery_wear_cost, wear),
        ("import cost", terms.energy_import_cost, bought),
    ]
    if _is_firm(problem, len(plan.steps) - 1):
        named.append(("starts cost", terms.starts_cost, starts))
    for name, reported, computed in named:
        if abs(reported - computed) > 1.0 + _COST_TOLERANCE_FRAC * abs(computed):
            yield Violation(step=None, what=name, value=reported, limit=computed)


def _requirement(problem: PlanningProblem, t: int) -> Requirement:
    return Requirement(
        classes=tuple(
            ClassRequirement(
                id=ReserveId(reserve.id),
                gensets_count=reserve.gensets_count,
                variation_kw=reserve.variation_kw[t],
                pv_drop_frac=reserve.pv_drop_frac,
            )
            for reserve in problem.reserve.classes
        ),
        survive=frozenset(loss.kind for loss in problem.reserve.contingencies),
        sustain_s=seconds(problem.reserve.sustain_h),
    )


def _reserve_step(item: Assessment) -> ReserveStep:
    return ReserveStep(
        id=item.id.value,
        contingency=item.contingency,
        required_kw=item.required_kw,
        held_kw=item.held_kw,
        shortfall_kw=max(0.0, -item.margin_kw),
    )


def _operation(problem: PlanningProblem, plan: Plan, t: int) -> Operation:
    """Return the units of a step, sharing equally."""
    step = plan.steps[t]
    storage: list[StorageUnit] = []
    for p, pool in enumerate(problem.pools):
        before = pool.stored_kwh if t == 0 else plan.steps[t - 1].pools[p].stored_end_kwh
        after = step.pools[p].stored_end_kwh
        n = max(1, pool.n_blocks)
        storage += [
            StorageUnit(
                id=f"{pool.id} block {number}",
                member=pool.id,
                power_kw=step.pools[p].power_kw / n,
                max_discharge_kw=pool.max_discharge_kw[t] / n,
                max_charge_kw=pool.max_charge_kw[t] / n,
                usable_kwh=max(0.0, min(before, after) - min(pool.min_stored_kwh, pool.stored_kwh)) / n,
                room_kwh=max(0.0, max(pool.max_stored_kwh, pool.stored_kwh) - max(before, after)) / n,
                charge_eff_frac=pool.charge_eff_frac,
                discharge_eff_frac=pool.discharge_eff_frac,
            )
            for number in range(1, pool.n_blocks + 1)
        ]
    gensets = tuple(
        GensetUnit(
            id=f"{data.id} unit {number}",
            member=data.id,
            power_kw=step.gensets[c].power_kw / step.gensets[c].n_on,
            max_kw=data.max_kw,
            min_kw=data.min_kw,
            step_kw=data.step_kw,
        )
        for c, data in enumerate(problem.gensets)
        for number in range(1, step.gensets[c].n_on + 1)
    )
    pv_share = step.pv_kw / step.pv_available_kw if step.pv_available_kw > 0.0 else 0.0
    pv = tuple(
        PvUnit(
            id=f"{plant.id} block {number}",
            member=plant.id,
            power_kw=pv_share * plant.available_kw[t] / plant.n_blocks,
            available_kw=plant.available_kw[t] / plant.n_blocks,
            frequency_watt_credit_frac=plant.frequency_watt_credit_frac,
        )
        for plant in problem.pv
        for number in range(1, plant.n_blocks + 1)
    )
    grid = None
    if problem.connection is not None and problem.connection.connected[t]:
        grid = GridUnit(
            import_kw=step.import_kw - step.export_kw,
            import_limit_kw=problem.connection.import_limit_kw[t],
            export_limit_kw=problem.connection.export_limit_kw[t],
        )
    return Operation(
        storage=tuple(storage),
        gensets=gensets,
        pv=pv,
        grid=grid,
        largest_load_block_kw=problem.load.largest_block_kw,
    )


def _reserve_violations(
    problem: PlanningProblem, plan: Plan, reserve: tuple[tuple[ReserveStep, ...], ...]
) -> Iterator[Violation]:
    """A shortfall that the plan does not declare is a violation."""
    for t, items in enumerate(reserve):
        for item in items if _is_firm(problem, t) else ():
            declared = "down reserve" if item.id == ReserveId.DOWN.value else "reserve"
            if item.shortfall_kw > _tolerance_kw(item.required_kw) and declared not in plan.relaxed:
                yield Violation(
                    step=t,
                    what=f"reserve {item.id} after the loss of {item.contingency}, kW",
                    value=item.held_kw,
                    limit=item.required_kw,
                )


def _above(t: int, what: str, value: float, limit: float, *, tolerance: float | None = None) -> Iterator[Violation]:
    allowed = limit + (_tolerance_kw(limit) if tolerance is None else tolerance)
    if value > allowed:
        yield Violation(step=t, what=what, value=value, limit=limit)


def _tolerance_kw(scale_kw: float) -> float:
    return _POWER_TOLERANCE_KW + _POWER_TOLERANCE_FRAC * abs(scale_kw)
