"""One step of a plan with everything that its reasons may refer to."""

from collections.abc import Iterator
from dataclasses import dataclass

from ems.dispatch.check import Evaluation, HeldOn
from ems.dispatch.check.units import present
from ems.model.plan import GensetStep, Plan, PlanStep, ReserveStep
from ems.model.problem import GensetProblem, PlanningProblem

# flows below this are rounding, and so are distances from a limit below this share of it
FLOW_KW = 0.1
NEAR_FRAC = 1e-3
# prices that differ by less are equal: share, and site currency per kWh
_PRICE_FRAC = 0.01
_PRICE_PER_KWH = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A step in its plan."""

    problem: PlanningProblem
    plan: Plan
    evaluation: Evaluation
    t: int

    @property
    def step(self) -> PlanStep:
        """Return the step."""
        return self.plan.steps[self.t]

    @property
    def marginal_price_per_kwh(self) -> float | None:
        """Return what one more kWh costs in this step, None where it is not known."""
        return self.step.marginal_price_per_kwh

    def ahead_h(self, later: int) -> float:
        """Return hours from the start of this step to the start of a later one."""
        return self.problem.grid.offset_h[later] - self.problem.grid.offset_h[self.t]

    def before_kwh(self, p: int, t: int | None = None) -> float:
        """Return what a pool stores at the beginning of a step (this one)."""
        step = self.t if t is None else t
        return self.problem.pools[p].stored_kwh if step == 0 else self.plan.steps[step - 1].pools[p].stored_end_kwh

    def stored_kwh(self, t: int) -> float:
        """Return what all pools store at the end of a step."""
        return sum(pool.stored_end_kwh for pool in self.plan.steps[t].pools)

    def floor_kwh(self, t: int) -> float:
        """Return the energy that all pools together keep at the end of a step."""
        idle = not any(genset.n_on for genset in self.plan.steps[t].gensets)
        return self.problem.reserve.floor_at(t) + (self.problem.reserve.lead_at(t) if idle else 0.0)

    def near_floor(self, t: int, *, near_frac: float = NEAR_FRAC) -> bool:
        """Return whether all pools together are at their floor at the end of a step; `near_frac` of full counts."""
        full_kwh = sum(pool.full_kwh for pool in self.problem.pools)
        return bool(self.problem.pools) and self.stored_kwh(t) <= self.floor_kwh(t) + near_frac * full_kwh

    def tightest_reserve(self) -> ReserveStep | None:
        """Return the upward requirement with the least margin in this step, None without requirements."""
        if not self.evaluation.reserve:
            return None
        upward = [item for item in self.evaluation.reserve[self.t] if not item.id.startswith("down")]
        return min(upward, key=lambda item: item.held_kw - item.required_kw, default=None)

    def held_on(self) -> tuple[HeldOn, ...]:
        """Return the classes of which no set could be stopped in this step."""
        return self.evaluation.held_on[self.t] if self.evaluation.held_on else ()

    def import_price_per_kwh(self) -> float | None:
        """Return what an imported kWh costs with its carbon, None while the grid is away."""
        grid = self.problem.connection
        if grid is None or not grid.connected_at(self.t):
            return None
        return grid.price_per_kwh[self.t] + self.problem.prices.co2_per_kg * grid.kgco2e_at(self.t)

    def next_import_per_kwh(self) -> float | None:
        """Return what one more imported kWh costs, None where there is no more to import."""
        grid, price = self.problem.connection, self.import_price_per_kwh()
        if grid is None or price is None or self.step.import_kw >= grid.import_limit_kw[self.t] - FLOW_KW:
            return None
        return price

    def same_price(self, left: float | None, right: float | None) -> bool:
        """Return whether two known prices are equal but for rounding."""
        if left is None or right is None:
            return False
        return abs(left - right) <= _PRICE_PER_KWH + _PRICE_FRAC * max(abs(left), abs(right))


def litre_cost(problem: PlanningProblem) -> float:
    """Return what a litre of diesel costs with its carbon."""
    fuel = problem.fuel
    return 0.0 if fuel is None else fuel.price_per_l + problem.prices.co2_per_kg * fuel.kgco2e_per_l


def running_cost_per_kwh(problem: PlanningProblem, data: GensetProblem, genset: GensetStep) -> float | None:
    """Return what a kWh of a running class costs: fuel with its carbon, and wear; starts are not in it."""
    if genset.power_kw <= FLOW_KW:
        return None
    hourly = genset.fuel_l_per_h * litre_cost(problem) + genset.n_on * data.run_wear_cost_per_h
    return hourly / genset.power_kw


def best_cost_per_kwh(problem: PlanningProblem, data: GensetProblem) -> float:
    """Return what a kWh of a fully loaded unit costs, without its start."""
    return (data.full_load_l_per_h * litre_cost(problem) + data.run_wear_cost_per_h) / data.max_kw


def next_genset_cost_per_kwh(problem: PlanningProblem, data: GensetProblem, genset: GensetStep) -> float | None:
    """Return what one more kWh from the units that run costs, None where they give no more."""
    if not genset.n_on or not data.segments:
        return None
    above_kw = genset.power_kw / genset.n_on - data.min_kw
    for segment in data.segments:
        if above_kw < segment.width_kw - FLOW_KW / genset.n_on:
            return segment.fuel_l_per_kwh * litre_cost(problem)
        above_kw -= segment.width_kw
    return None


def further_set_cost_per_kwh(scene: Scene) -> Iterator[tuple[float, str]]:
    """Yield what a kWh of one more set would cost at full load, without its start, for classes that have one."""
    for data, genset in zip(scene.problem.gensets, scene.step.gensets, strict=True):
        if genset.n_on < len(present(scene.problem, data, scene.t)):
            yield best_cost_per_kwh(scene.problem, data), data.id
