"""Reserve: every loss that the site is to survive, enumerated step by step with the units that the plan has on."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ems.dispatch.check.findings import Violation, differs, is_firm, outside, tolerance_cost, tolerance_kw
from ems.dispatch.check.storage import allowed_kwh, lowest_kwh, power_limits_kw
from ems.model.plan import Plan, PlanStep, ReserveStep
from ems.model.problem import ContingencyKind, PlanningProblem
from ems.model.units import seconds
from ems.reserve import (
    UP_CLASSES,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """Every step's units and requirements, and what is required and held after the worst loss of each class."""

    operations: tuple[Operation, ...]
    required: tuple[Requirement, ...]
    steps: tuple[tuple[ReserveStep, ...], ...]

    def held_on(self) -> tuple[tuple[str, ...], ...]:
        """Return for each step the classes of which no set could be stopped without breaking a requirement."""
        return tuple(
            tuple(
                member
                for member, unit in {unit.member: unit.id for unit in operation.gensets}.items()
                if set_is_needed(operation, unit, needed)
            )
            for operation, needed in zip(self.operations, self.required, strict=True)
        )


def security(problem: PlanningProblem, plan: Plan) -> Security:
    """Enumerate every loss in every step."""
    operations = tuple(_operation(problem, plan, t) for t in range(len(plan.steps)))
    required = tuple(_requirement(problem, t) for t in range(len(plan.steps)))
    return Security(
        operations=operations,
        required=required,
        steps=tuple(
            tuple(
                _reserve_step(item)
                for item in assess(operation, needed)
                if problem.reserve.down or item.id is not ReserveId.DOWN
            )
            for operation, needed in zip(operations, required, strict=True)
        ),
    )


def reserve(problem: PlanningProblem, plan: Plan, found: Security) -> Iterator[Violation]:
    """A shortfall is declared and priced, and the reserve that a plan reports is what it holds."""
    for t, items in enumerate(found.steps):
        for item in items if is_firm(problem, t) else ():
            declared = "down reserve" if item.id == ReserveId.DOWN.value else "reserve"
            if item.shortfall_kw > tolerance_kw(item.required_kw) and declared not in plan.relaxed:
                yield Violation(
                    step=t,
                    what=f"reserve {item.id} after the loss of {item.contingency}, kW",
                    value=item.held_kw,
                    limit=item.required_kw,
                )
        yield from _reported(plan.steps[t], items, t)
    yield from _cost(problem, plan, found)


def _reported(step: PlanStep, items: tuple[ReserveStep, ...], t: int) -> Iterator[Violation]:
    """Compare the reserve that an explained plan reports; a plan from the solver reports none yet."""
    if not step.reserve:
        return
    if [item.id for item in step.reserve] != [item.id for item in items]:
        yield Violation(step=t, what="reserve classes differ", value=len(step.reserve), limit=len(items))
        return
    for reported, item in zip(step.reserve, items, strict=True):
        yield from differs(t, f"reserve {item.id} required_kw", reported.required_kw, item.required_kw)
        yield from differs(t, f"reserve {item.id} held_kw", reported.held_kw, item.held_kw)
        yield from differs(t, f"reserve {item.id} shortfall_kw", reported.shortfall_kw, item.shortfall_kw)


def _cost(problem: PlanningProblem, plan: Plan, found: Security) -> Iterator[Violation]:
    """Every shortfall has its price.

    A plan may hold more than is asked here for a lost set, up to its rating instead of its output. Beyond the
    integer hours units are fractions, whose headroom is not known: what is priced there is taken as reported.
    """
    reported = plan.objective.reserve_cost
    prices = [problem.prices.reserve_per_kwh * hours for hours in problem.grid.duration_h]
    firm = [t for t in range(len(plan.steps)) if is_firm(problem, t)]
    lowest = highest = sum(prices[t] * item.shortfall_kw for t in firm for item in found.steps[t])
    if reported > highest:
        highest = sum(prices[t] * kw for t in firm for kw in _shortfalls_at_rating_kw(found, t))
        if len(firm) < len(plan.steps):
            highest = max(highest, reported)
    yield from outside(
        None,
        "reserve_cost",
        reported,
        lowest=lowest,
        highest=max(lowest, highest),
        tolerance=tolerance_cost(highest),
    )


def _shortfalls_at_rating_kw(found: Security, t: int) -> Iterator[float]:
    """Yield the shortfalls of a step when a lost set is taken to deliver its rating."""
    operation, required = found.operations[t], found.required[t]
    lost_kw = max((unit.max_kw for unit in operation.gensets), default=0.0)
    counts = ContingencyKind.GENSET in required.survive
    without_loss = assess(operation, replace(required, survive=frozenset()))
    # a problem without E23 has no downward requirement at the end
    for item, worst in zip(without_loss, found.steps[t], strict=False):
        extra_kw = lost_kw if counts and item.id in UP_CLASSES else 0.0
        yield max(worst.shortfall_kw, extra_kw - item.margin_kw)


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
        charge_kw, discharge_kw = power_limits_kw(pool, t, before, after)
        room_kwh = min(allowed_kwh(pool, max(0, t - 1)) - before, allowed_kwh(pool, t) - after)
        storage += [
            StorageUnit(
                id=f"{pool.id} block {number}",
                member=pool.id,
                power_kw=step.pools[p].power_kw / n,
                max_discharge_kw=discharge_kw / n,
                max_charge_kw=charge_kw / n,
                usable_kwh=max(0.0, min(before, after) - lowest_kwh(pool)) / n,
                room_kwh=max(0.0, room_kwh) / n,
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
            step_kw=data.step_limit_kw,
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
    if problem.connection is not None and problem.connection.connected_at(t):
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
