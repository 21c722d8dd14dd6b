"""Makes plans: forecasts, problem, worker, independent check, and the fallback when any of them fails."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from ems.dispatch.check import Evaluation, evaluate
from ems.dispatch.explain import explained
from ems.dispatch.formulate import formulate, refused_deliveries
from ems.dispatch.merit_order import merit_order_plan
from ems.errors import DispatchError
from ems.forecast.outlook import PvBasis
from ems.model.cluster import ClusterCondition
from ems.model.condition import Outlook, SiteCondition
from ems.model.forecast import WeatherForecast
from ems.model.offer import FlexOffer
from ems.model.plan import Plan, PlanChange, PlanSource
from ems.model.plan_change import plan_change
from ems.model.problem import PlanningProblem
from ems.model.site import Site
from ems.model.status import PlanCounts
from ems.runtime.forecasts import Climate, ForecastMemory, WeatherSource, choose_weather
from ems.runtime.prices import SitePrices
from ems.runtime.worker_client import WorkerClient

# receives every problem with the plan that was made of it, for the archive
ProblemSink = Callable[[PlanningProblem, Plan], None]
PlanMaker = Callable[[PlanningProblem], Awaitable[Plan]]
# returns the cluster's offer that is valid at an instant, None without one
OfferSource = Callable[[datetime], FlexOffer | None]
# returns what was promised to the cluster and what it has proven
ClusterSource = Callable[[datetime], ClusterCondition]
_KEPT_TIMES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningResult:
    """One planning cycle: the plan to follow, where it came from, and what went wrong on the way."""

    plan: Plan | None
    problem: PlanningProblem | None
    evaluation: Evaluation | None
    outlook: Outlook | None
    trouble: tuple[str, ...]


@dataclass(slots=True)
class PlanningStatistics:
    """Counts for health topics and summaries; times are real seconds."""

    made: int = 0
    fallback: int = 0
    rejected_by_check: int = 0
    solve_s: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT_TIMES))
    changes: deque[PlanChange] = field(default_factory=lambda: deque(maxlen=_KEPT_TIMES))

    def counts(self) -> PlanCounts:
        """Return the counts so far."""
        return PlanCounts(
            made=self.made,
            fallback=self.fallback,
            rejected_by_check=self.rejected_by_check,
            solve_p50_s=self.solve_quantile_s(0.5),
            solve_p95_s=self.solve_quantile_s(0.95),
            n_compared=len(self.changes),
            unit_change_h=_mean(change.unit_change_h for change in self.changes),
            change_kw=_mean(change.mean_change_kw for change in self.changes),
        )

    def solve_quantile_s(self, quantile: float) -> float:
        """Return a quantile of the solve times, zero before the first."""
        ordered = sorted(self.solve_s)
        return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))] if ordered else 0.0


def _mean(values: Iterable[float]) -> float:
    known = tuple(values)
    return sum(known) / len(known) if known else 0.0


class Planner:
    """Holds the newest plan; `make` never raises for anything that the outside world can cause."""

    def __init__(
        self,
        site: Site,
        *,
        worker: WorkerClient,
        memory: ForecastMemory,
        climate: Climate,
        weather: WeatherSource,
        archive: ProblemSink,
        prices: SitePrices | None = None,
        offers: OfferSource | None = None,
        cluster: ClusterSource | None = None,
        use_milp: bool = True,
    ) -> None:
        self._site = site
        self._offers = offers
        self._cluster = cluster
        self._worker = worker
        self._memory = memory
        self._climate = climate
        self._weather = weather
        self._archive = archive
        self._prices = SitePrices(site) if prices is None else prices
        self._use_milp = use_milp
        self._basis: PvBasis | None = None
        self.latest: Plan | None = None
        self.statistics = PlanningStatistics()

    async def make(self, condition: SiteCondition) -> PlanningResult:
        """Make a plan from a condition and keep it as the newest."""
        trouble: list[str] = []
        if self._offers is not None:
            condition = replace(condition, offer=self._offers(condition.utc))
        if self._cluster is not None:
            condition = replace(condition, cluster=self._cluster(condition.utc))
        # files and checks take their time in a thread: control's loop goes on
        weather, why = await asyncio.to_thread(choose_weather, self._site, self._climate, self._weather, condition.utc)
        if why is not None:
            trouble.append(why)
        prices, why = await asyncio.to_thread(self._prices.newest)
        if why is not None:
            trouble.append(why)
        try:
            basis = await self._pv_basis(weather)
            outlook = replace(self._memory.outlook(basis, condition.utc), prices=prices)
            problem = formulate(
                self._site,
                condition,
                outlook,
                previous=self.latest,
                problem_id=f"{self._site.id}-{condition.utc:%Y%m%dT%H%M%S}",
            )
        except (DispatchError, ValueError) as error:
            # without forecasts there is nothing to plan with; control goes on with its rules
            self.statistics.fallback += 1
            return PlanningResult(
                plan=None, problem=None, evaluation=None, outlook=None, trouble=(*trouble, str(error))
            )
        trouble += refused_deliveries(self._site, condition, problem.grid)
        plan, evaluation = await self._solved(problem, trouble)
        plan = self._compared(plan)
        self.latest = plan
        self._archive(problem, plan)
        return PlanningResult(
            plan=plan, problem=problem, evaluation=evaluation, outlook=outlook, trouble=tuple(trouble)
        )

    def _compared(self, plan: Plan) -> Plan:
        """Return the plan with its difference from the one before; the same plan once more is no new one."""
        if plan.source is PlanSource.SHIFTED:
            return plan
        change = plan_change(self.latest, plan)
        if change is not None:
            self.statistics.changes.append(change)
        return replace(plan, change=change)

    async def _solved(self, problem: PlanningProblem, trouble: list[str]) -> tuple[Plan, Evaluation | None]:
        """Return the first plan of the chain: incumbent, last plan while young, rounded relaxation, rules."""
        if not self._use_milp:
            return merit_order_plan(self._site, problem), None
        self.statistics.made += 1
        plan, evaluation = await self._checked(problem, self._worker.solve, trouble)
        if plan is not None:
            self.statistics.solve_s.append(plan.timings.solve_s)
            return plan, evaluation
        self.statistics.fallback += 1
        if (last := self._still_good(problem.created_utc)) is not None:
            return last, evaluation
        relaxed, of_relaxed = await self._checked(problem, self._worker.relax, trouble)
        if relaxed is not None:
            return relaxed, of_relaxed
        return merit_order_plan(self._site, problem), evaluation

    async def _checked(
        self, problem: PlanningProblem, make: PlanMaker, trouble: list[str]
    ) -> tuple[Plan | None, Evaluation | None]:
        """Return the worker's plan with its reasons if the check lets it pass; what went wrong goes to `trouble`."""
        try:
            plan = await make(problem)
        except DispatchError as error:
            trouble.append(str(error))
            return None, None
        evaluation = await asyncio.to_thread(evaluate, problem, plan)
        if evaluation.passed:
            return explained(problem, plan, evaluation), evaluation
        self.statistics.rejected_by_check += 1
        sentences = "; ".join(violation.sentence() for violation in evaluation.violations[:3])
        trouble.append(f"the plan was refused by the check: {sentences}")
        return None, evaluation

    def _still_good(self, now: datetime) -> Plan | None:
        """Return the last plan shifted by the time that has passed, while it is younger than its limit."""
        last = self.latest
        if last is None or not last.followed:
            return None
        if last.age_s(now) > self._site.planning.max_age_periods * self._site.planning.period_s:
            return None
        return replace(last, source=PlanSource.SHIFTED)

    async def _pv_basis(self, weather: WeatherForecast) -> PvBasis:
        """Return the PV conversion of a weather issue; each issue is converted once."""
        if self._basis is None or self._basis.weather != weather:
            plants = self._site.pv
            series = await self._worker.convert_pv(plants, self._site.place, weather) if plants else ()
            self._basis = PvBasis(
                weather=weather,
                available_kw=dict(zip((plant.id for plant in plants), series, strict=True)),
            )
        return self._basis
