"""Why gensets run, stand by, and at which limits."""

from collections.abc import Iterator
from dataclasses import dataclass

from ems.dispatch.check import HeldOn
from ems.dispatch.check.units import present
from ems.dispatch.explain.scene import FLOW_KW, NEAR_FRAC, Scene, best_cost_per_kwh, running_cost_per_kwh
from ems.model.plan import GensetStep
from ems.model.problem import GensetProblem
from ems.model.reason import Reason, ReasonCode

# sets run for energy where the store comes within this share of full of its floor
_NEAR_FLOOR_FRAC = 0.02
_TOUCH_H = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bound:
    """Units that a minimum time holds in a step, and how long until the first of them is free."""

    n_sets: int
    left_h: float


def genset_limits(scene: Scene) -> Iterator[Reason]:
    """Yield the limits that running classes touch, and what keeps others from running."""
    for c, data in enumerate(scene.problem.gensets):
        genset = scene.step.gensets[c]
        if genset.n_on:
            yield from _load_limits(scene, data, genset)
            if (warming := _warming(scene, c)) is not None:
                yield _warm_up(data, warming)
            up = _bound(scene, c, on=True)
            if up is not None and genset.n_on <= up.n_sets:
                yield _minimum_time(ReasonCode.MINIMUM_UP_TIME, data, up)
        down = _bound(scene, c, on=False)
        if down is not None and genset.n_on + down.n_sets >= _n_available(scene, data):
            yield _minimum_time(ReasonCode.MINIMUM_DOWN_TIME, data, down)
        yield from _count_limits(scene, data, genset)
    yield from (held_on_reason(held, text="held on by ") for held in scene.held_on())


def genset_reasons(scene: Scene) -> Iterator[Reason]:
    """Yield for every class why its sets run, or why none does."""
    for c, data in enumerate(scene.problem.gensets):
        genset = scene.step.gensets[c]
        yield _running(scene, c) if genset.n_on else _standing(scene, data)


def _running(scene: Scene, c: int) -> Reason:
    """Return what is bought by the sets that run: the first answer that holds, the firmest first."""
    data, genset = scene.problem.gensets[c], scene.step.gensets[c]
    held = next((item for item in scene.held_on() if item.genset_class == data.id), None)
    if held is not None:
        return held_on_reason(held, text=f"{genset.n_on} on for ")
    bound = _bound(scene, c, on=True)
    if bound is not None and genset.n_on <= bound.n_sets and not genset.n_started:
        return _minimum_time(ReasonCode.MINIMUM_UP_TIME, data, bound)
    exercise = data.exercise
    if exercise is not None and genset.n_started and exercise.first_step <= scene.t < exercise.end_step:
        return Reason(
            code=ReasonCode.EXERCISE,
            asset=data.id,
            text=f"{genset.n_on} on: a start is due",
            figures=(("min_load_frac", exercise.min_load_frac),),
        )
    warming = _warming(scene, c)
    if warming is not None and warming.n_sets >= genset.n_on:
        return _warm_up(data, warming)
    return _for_energy(scene, data, genset)


def held_on_reason(held: HeldOn, *, text: str) -> Reason:
    """Return the requirement that one set less would leave short."""
    item = held.without
    return Reason(
        code=ReasonCode.RESERVE,
        asset=held.genset_class,
        text=f"{text}reserve {item.id} after the loss of {item.contingency}: {item.required_kw:.0f} kW required, "
        f"{item.held_kw:.0f} kW held with one set less",
        about=f"{item.id}: {item.contingency}",
        figures=(("required_kw", item.required_kw), ("held_without_kw", item.held_kw)),
    )


def _for_energy(scene: Scene, data: GensetProblem, genset: GensetStep) -> Reason:
    for later in range(scene.t, len(scene.plan.steps)):
        if scene.near_floor(later, near_frac=_NEAR_FLOOR_FRAC):
            ahead_h = scene.ahead_h(later)
            return Reason(
                code=ReasonCode.ENERGY_TO_FLOOR,
                asset=data.id,
                text=f"{genset.n_on} on for energy: the store reaches its floor in {ahead_h:.1f} h",
                figures=(("ahead_h", ahead_h), ("floor_kwh", scene.floor_kwh(later))),
            )
        if not any(item.n_on for item in scene.plan.steps[later].gensets):
            break
    grid = scene.problem.connection
    if grid is not None and not grid.connected_at(scene.t):
        return Reason(
            code=ReasonCode.NO_GRID, asset=data.id, text=f"{genset.n_on} on for energy while the grid is away"
        )
    cost, marginal = running_cost_per_kwh(scene.problem, data, genset), scene.marginal_price_per_kwh
    if cost is not None and marginal is not None and cost <= marginal * (1.0 + NEAR_FRAC):
        return Reason(
            code=ReasonCode.CHEAPEST,
            asset=data.id,
            text=f"{genset.n_on} on for energy: {cost:.3f} per kWh, the next kWh costs {marginal:.3f}",
            figures=(("cost_per_kwh", cost), ("marginal_price_per_kwh", marginal)),
        )
    return Reason(
        code=ReasonCode.COST,
        asset=data.id,
        text=f"{genset.n_on} on for energy: costs least over the horizon",
        figures=_priced(cost, marginal),
    )


def _standing(scene: Scene, data: GensetProblem) -> Reason:
    """Return why no set of a class runs."""
    cost, marginal = best_cost_per_kwh(scene.problem, data), scene.marginal_price_per_kwh
    if marginal is not None and cost >= marginal * (1.0 - NEAR_FRAC):
        return Reason(
            code=ReasonCode.TOO_DEAR,
            asset=data.id,
            text=f"off: a kWh costs at least {cost:.3f}, the next kWh here {marginal:.3f}",
            figures=_priced(cost, marginal),
        )
    return Reason(
        code=ReasonCode.COST,
        asset=data.id,
        text="off: costs least over the horizon",
        figures=_priced(cost, marginal),
    )


def _priced(cost: float | None, marginal: float | None) -> tuple[tuple[str, float], ...]:
    figures = (("cost_per_kwh", cost), ("marginal_price_per_kwh", marginal))
    return tuple((name, value) for name, value in figures if value is not None)


def _load_limits(scene: Scene, data: GensetProblem, genset: GensetStep) -> Iterator[Reason]:
    usable_kw = data.usable_at(scene.t)
    figures = (("power_kw", genset.power_kw),)
    if genset.power_kw >= genset.n_on * usable_kw * (1.0 - NEAR_FRAC) - FLOW_KW:
        text = f"{genset.n_on} on at full load"
        yield Reason(code=ReasonCode.GENSET_MAXIMUM, asset=data.id, text=text, figures=figures)
    elif data.min_kw > 0.0 and genset.power_kw <= genset.n_on * data.min_kw * (1.0 + NEAR_FRAC) + FLOW_KW:
        text = f"{genset.n_on} on at minimum load"
        yield Reason(code=ReasonCode.GENSET_MINIMUM, asset=data.id, text=text, figures=figures)


def _count_limits(scene: Scene, data: GensetProblem, genset: GensetStep) -> Iterator[Reason]:
    """Yield quiet hours and maintenance where they leave no further set."""
    out = any(unit.out for unit in data.units)
    for code, n_sets, what in (
        (ReasonCode.QUIET_HOURS, data.n_permitted[scene.t] if data.n_permitted else None, "the quiet time"),
        (ReasonCode.MAINTENANCE, _n_available(scene, data) if out else None, "maintenance"),
    ):
        if n_sets is not None and n_sets < len(data.units) and genset.n_on >= n_sets:
            text = f"{what} leaves {n_sets or 'none'}"
            yield Reason(code=code, asset=data.id, text=text, figures=(("n_sets", float(n_sets)),))


def _minimum_time(code: ReasonCode, data: GensetProblem, bound: _Bound) -> Reason:
    word = "must run on" if code is ReasonCode.MINIMUM_UP_TIME else "must rest"
    return Reason(
        code=code,
        asset=data.id,
        text=f"{bound.n_sets} {word}, the first for {bound.left_h:.2f} h",
        figures=(("n_sets", float(bound.n_sets)), ("left_h", bound.left_h)),
    )


def _warm_up(data: GensetProblem, warming: _Bound) -> Reason:
    return Reason(
        code=ReasonCode.WARM_UP,
        asset=data.id,
        text=f"{warming.n_sets} warm up for {warming.left_h:.2f} h",
        figures=(("n_sets", float(warming.n_sets)), ("left_h", warming.left_h)),
    )


def _warming(scene: Scene, c: int) -> _Bound | None:
    """Return the units of a class that warm up at the beginning of this step, and how long until the last delivers."""
    data, offset_h = scene.problem.gensets[c], scene.problem.grid.offset_h
    left_h = [unit.warm_up_left_h - offset_h[scene.t] for unit in data.units if unit.available and unit.on]
    for t in range(scene.t + 1):
        left_h += [data.warm_up_h - (offset_h[scene.t] - offset_h[t])] * scene.plan.steps[t].gensets[c].n_started
    held = [hours for hours in left_h if hours > _TOUCH_H]
    return _Bound(n_sets=min(len(held), scene.step.gensets[c].n_on), left_h=max(held)) if held else None


def _bound(scene: Scene, c: int, *, on: bool) -> _Bound | None:
    """Return the units of a class that a minimum time holds in this step: by their history, by starts, by stops."""
    data, now_h = scene.problem.gensets[c], scene.problem.grid.offset_h[scene.t]
    minimum_h = data.min_up_h if on else data.min_down_h
    left_h = [minimum_h - unit.since_h - now_h for unit in data.units if unit.available and unit.on is on]
    for t in range(scene.t + 1):
        genset = scene.plan.steps[t].gensets[c]
        moved = genset.n_started if on else genset.n_stopped
        left_h += [minimum_h - (now_h - scene.problem.grid.offset_h[t])] * moved
    held = [hours for hours in left_h if hours > _TOUCH_H]
    return _Bound(n_sets=len(held), left_h=min(held)) if held else None


def _n_available(scene: Scene, data: GensetProblem) -> int:
    return len(present(scene.problem, data, scene.t))
