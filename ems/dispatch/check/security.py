"""Reserve: every loss that the site is to survive, enumerated step by step with the units that the plan has on."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ems.dispatch.check.findings import (
    AFTER,
    HeldOn,
    Violation,
    differs,
    is_firm,
    outside,
    tolerance_cost,
    tolerance_kw,
    wish_of,
)
from ems.dispatch.check.operation import operation, taken_over_kw
from ems.model.plan import Plan, PlanStep, ReserveStep
from ems.model.problem import Contingency, ContingencyKind, GensetProblem, PlanningProblem, ReserveClassProblem
from ems.model.units import seconds
from ems.reserve import Assessment, ClassRequirement, Operation, Requirement, ReserveId, assess, short_without_set


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The units of a step and what is asked of them: the requirements that share one sustain time."""

    operation: Operation
    required: Requirement
    # what storage delivers for sets that warm up
    taken_over_kw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """Every step's cases, and what is required and held after the worst loss of each class."""

    cases: tuple[tuple[Case, ...], ...]
    steps: tuple[tuple[ReserveStep, ...], ...]

    def held_on(self) -> tuple[tuple[HeldOn, ...], ...]:
        """Return for each step the classes of which no set could be stopped without breaking a requirement."""
        return tuple(tuple(_held_on(cases)) for cases in self.cases)


def _held_on(cases: tuple[Case, ...]) -> Iterator[HeldOn]:
    """Yield each class once, with the requirement that one set less leaves shortest."""
    found: dict[str, ReserveStep] = {}
    for case in cases:
        for member, unit in {unit.member: unit.id for unit in case.operation.gensets}.items():
            short = short_without_set(case.operation, unit, case.required)
            if short is not None and (member not in found or -short.margin_kw > found[member].shortfall_kw):
                found[member] = _reserve_step(short)
    yield from (HeldOn(genset_class=member, without=step) for member, step in found.items())


def security(problem: PlanningProblem, plan: Plan) -> Security:
    """Enumerate every loss in every step."""
    cases = tuple(tuple(_cases(problem, plan, t)) for t in range(len(plan.steps)))
    return Security(cases=cases, steps=tuple(tuple(_reserve_steps(problem, each)) for each in cases))


def _reserve_steps(problem: PlanningProblem, cases: tuple[Case, ...]) -> Iterator[ReserveStep]:
    """Yield what is required and held in the problem's order of classes, the downward ones last."""
    found = {item.id.value: item for case in cases for item in assess(case.operation, case.required)}
    for name in (*(each.id for each in problem.reserve.classes), *_down_ids(problem)):
        yield _reserve_step(found[name])


def _reserve_step(item: Assessment) -> ReserveStep:
    return ReserveStep(
        id=item.id.value,
        contingency=item.contingency,
        required_kw=item.required_kw,
        held_kw=item.held_kw,
        shortfall_kw=max(0.0, -item.margin_kw),
    )


def reserve(problem: PlanningProblem, plan: Plan, found: Security) -> Iterator[Violation]:
    """A shortfall is declared and priced, and the reserve that a plan reports is what it holds."""
    declared = {wish.partition(AFTER)[0] for wish in plan.relaxed}
    for t, items in enumerate(found.steps):
        for item in items if is_firm(problem, t) else ():
            if item.shortfall_kw > tolerance_kw(item.required_kw) and wish_of(item.id) not in declared:
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

    A plan may hold more than is asked here for lost sets, up to their rating instead of their output. Beyond the
    integer hours units are fractions, whose headroom is not known: what is priced there is taken as reported.
    """
    reported = plan.objective.reserve_cost
    firm = [t for t in range(len(plan.steps)) if is_firm(problem, t)]
    lowest = highest = sum(_price(problem, item.id, t) * item.shortfall_kw for t in firm for item in found.steps[t])
    if reported > highest:
        highest = sum(
            _price(problem, name, t) * kw
            for t in firm
            for case in found.cases[t]
            for name, kw in _shortfalls_at_rating_kw(problem, case).items()
        )
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


def _price(problem: PlanningProblem, name: str, t: int) -> float:
    """Return the price of a kW that a class lacks in a step."""
    own = next((each.price_per_kwh for each in problem.reserve.classes if each.id == name), None)
    return problem.grid.duration_h[t] * (problem.prices.reserve_per_kwh if own is None else own)


def _shortfalls_at_rating_kw(problem: PlanningProblem, case: Case) -> dict[str, float]:
    """Return the greatest shortfall of each class when every lost set is taken to deliver its rating."""
    shortfalls: dict[str, float] = {}
    sets = {genset.id: genset for genset in problem.gensets}
    for contingency in (Contingency(id="none"), *case.required.contingencies):
        others = tuple(loss for loss in contingency.losses if loss.kind is not ContingencyKind.GENSET)
        lost = [(sets[loss.member], loss.count) for loss in contingency.losses if loss.kind is ContingencyKind.GENSET]
        without_sets = replace(case.required, contingencies=(replace(contingency, losses=others),))
        for item in assess(case.operation, without_sets):
            extra_kw = sum(_at_rating_kw(case.operation, data, count, item) for data, count in lost)
            # a plan may hold it against what is left of the store alone
            extra_kw += case.taken_over_kw if item.id.upward else 0.0
            shortfalls[item.id.value] = max(shortfalls.get(item.id.value, 0.0), extra_kw - item.margin_kw)
    return shortfalls


def _at_rating_kw(operation: Operation, data: GensetProblem, count: int, item: Assessment) -> float:
    """Return what lost sets are taken to deliver, upwards; downwards the whole class counts for nothing."""
    running = [unit for unit in operation.gensets if unit.member == data.id]
    if not item.id.upward and operation.groups:
        # what sets that are lost in part go on delivering is no room behind a transformer either
        return sum(unit.power_kw for unit in running)
    if not item.id.upward:
        return sum(max(0.0, unit.power_kw - unit.min_kw) for unit in running)
    n_ready = len(running) + sum(sets.n_sets for sets in operation.resting if sets.member == data.id)
    return data.max_kw * min(count, len(running) if count == 1 else n_ready)


def _cases(problem: PlanningProblem, plan: Plan, t: int) -> Iterator[Case]:
    """Yield the classes by their sustain time; what is asked downwards has the problem's own."""
    down = tuple(_down_ids(problem))
    by_sustain: dict[float, list[ReserveClassProblem]] = {problem.reserve.sustain_h: []} if down else {}
    for each in problem.reserve.classes:
        hours = problem.reserve.sustain_h if each.sustain_h is None else each.sustain_h
        by_sustain.setdefault(hours, []).append(each)
    for hours, classes in by_sustain.items():
        yield Case(
            operation=operation(problem, plan, t, sustain_h=hours),
            taken_over_kw=taken_over_kw(problem, plan, t),
            required=Requirement(
                classes=tuple(_class_requirement(each, t) for each in classes),
                survive=frozenset(),
                sustain_s=seconds(hours),
                contingencies=problem.reserve.contingencies,
                down=down if hours == problem.reserve.sustain_h else (),
            ),
        )


def _down_ids(problem: PlanningProblem) -> Iterator[ReserveId]:
    if problem.reserve.down:
        yield ReserveId.DOWN
    if problem.reserve.down_slow:
        yield ReserveId.DOWN_SLOW


def _class_requirement(reserve: ReserveClassProblem, t: int) -> ClassRequirement:
    return ClassRequirement(
        id=ReserveId(reserve.id),
        gensets_count=reserve.gensets_count,
        variation_kw=reserve.variation_kw[t],
        pv_drop_frac=reserve.pv_drop_frac,
        starts_count=reserve.starts_count,
        shed_kw=reserve.credited_shed_kw[t] if reserve.credited_shed_kw else 0.0,
        curtailed_counts=reserve.curtailed_counts,
    )
