"""The planner and its worker process: a death, a lie or a missing forecast costs a plan, never the control."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NoReturn

import pytest

from ems.errors import DispatchError
from ems.model.forecast import EvenSeries, WeatherForecast
from ems.model.offer import FlexOffer, OfferClass
from ems.model.plan import Plan, PlanSource, PlanStatus
from ems.model.problem import OfferKind, PlanningProblem
from ems.model.pv import PvPlant
from ems.model.site import Place
from ems.runtime import worker_client
from ems.runtime.worker_client import WorkerClient
from tests.runtime.problems import PlannedSite


def test_a_killed_worker_costs_one_plan_and_the_next_one_works_again() -> None:
    async def run(planned: PlannedSite) -> None:
        first = await planned.planner.make(planned.condition())
        assert first.plan is not None
        assert first.plan.source is PlanSource.MILP
        assert first.trouble == ()

        killed_pid = planned.worker.pid
        condition = planned.condition()
        solving = asyncio.create_task(planned.planner.make(condition), name="plan")
        await _killed_while_it_is_asked(planned.worker)
        second = await solving

        assert second.plan is not None
        assert second.plan.source is PlanSource.SHIFTED
        assert second.plan.steps == first.plan.steps
        assert any("worker died" in trouble for trouble in second.trouble)
        counts = planned.planner.statistics.counts()
        assert (counts.made, counts.fallback, counts.rejected_by_check) == (2, 1, 0)

        third = await planned.planner.make(planned.condition())
        assert third.plan is not None
        assert third.plan.source is PlanSource.MILP
        assert planned.worker.n_restarts == 1
        assert planned.worker.pid not in (None, killed_pid)

    _with_site(run)


def test_a_dead_worker_is_an_error_that_names_itself() -> None:
    async def run(planned: PlannedSite) -> None:
        await planned.planner.make(planned.condition())
        problem, _ = planned.archived[0]
        solving = asyncio.create_task(planned.worker.solve(problem), name="solve")
        await _killed_while_it_is_asked(planned.worker)

        with pytest.raises(DispatchError, match="worker died"):
            await solving

        again = await planned.worker.solve(problem)
        assert again.problem_id == problem.id

    _with_site(run)


def test_a_worker_that_cannot_be_started_costs_one_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    async def none_left(*_: str, **__: object) -> NoReturn:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    async def run(planned: PlannedSite) -> None:
        await planned.planner.make(planned.condition())
        problem, _ = planned.archived[0]
        await planned.worker.close()
        with monkeypatch.context() as patched:
            patched.setattr(asyncio, "create_subprocess_exec", none_left)
            with pytest.raises(DispatchError, match="could not be started"):
                await planned.worker.solve(problem)

        assert (await planned.worker.solve(problem)).problem_id == problem.id

    _with_site(run)


def test_a_cancelled_request_leaves_no_answer_for_the_next_one() -> None:
    async def run(planned: PlannedSite) -> None:
        await planned.planner.make(planned.condition())
        problem, _ = planned.archived[0]
        solving = asyncio.create_task(planned.worker.solve(problem), name="solve")
        await _turns()

        solving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await solving

        other = replace(problem, id="the next one")
        assert (await planned.worker.solve(other)).problem_id == "the next one"

    _with_site(run)


def test_a_plan_that_the_check_refuses_is_not_followed() -> None:
    async def run(planned: PlannedSite) -> None:
        planned.planner._worker = _Liar(planned.worker)

        result = await planned.planner.make(planned.condition())

        assert result.plan is not None
        assert result.plan.source is PlanSource.MERIT_ORDER
        assert result.plan.status is PlanStatus.FALLBACK
        assert result.evaluation is not None
        assert not result.evaluation.passed
        assert any("refused by the check" in trouble for trouble in result.trouble)
        counts = planned.planner.statistics.counts()
        # neither the incumbent nor the rounded relaxation serves what it says
        assert (counts.made, counts.fallback, counts.rejected_by_check) == (1, 1, 2)

    _with_site(run)


def test_the_last_plan_is_followed_only_while_it_is_young() -> None:
    async def run(planned: PlannedSite) -> None:
        condition = planned.condition()
        first = await planned.planner.make(condition)
        planned.planner._worker = _Dead(planned.worker)
        limit_s = planned.site.planning.max_age_periods * planned.site.planning.period_s

        planned.port.advance(limit_s - 60.0)
        young = await planned.planner.make(planned.condition())
        planned.port.advance(120.0)
        old = await planned.planner.make(planned.condition())

        assert first.plan is not None
        assert young.plan is not None
        assert old.plan is not None
        assert young.plan.source is PlanSource.SHIFTED
        assert young.plan.created_utc == first.plan.created_utc
        assert old.plan.source is PlanSource.MERIT_ORDER

    _with_site(run)


def test_without_an_incumbent_the_rounded_relaxation_is_followed() -> None:
    async def run(planned: PlannedSite) -> None:
        planned.planner._worker = _Slow(planned.worker)

        result = await planned.planner.make(planned.condition())

        assert result.plan is not None
        assert (result.plan.source, result.plan.status) == (PlanSource.RELAXED, PlanStatus.FALLBACK)
        assert result.plan.followed
        assert result.evaluation is not None
        assert result.evaluation.passed
        assert result.trouble == (f"no feasible point for {result.plan.problem_id}",)
        assert planned.planner.statistics.counts().fallback == 1

    _with_site(run)


def test_a_young_plan_comes_before_the_relaxation_and_a_refused_relaxation_before_the_rules() -> None:
    async def run(planned: PlannedSite) -> None:
        await planned.planner.make(planned.condition())
        planned.planner._worker = _Slow(planned.worker, lies=True)

        young = await planned.planner.make(planned.condition())
        planned.planner.latest = None
        refused = await planned.planner.make(planned.condition())

        assert young.plan is not None
        assert young.plan.source is PlanSource.SHIFTED
        assert refused.plan is not None
        assert refused.plan.source is PlanSource.MERIT_ORDER
        assert planned.planner.statistics.counts().rejected_by_check == 1

    _with_site(run)


def test_a_worker_that_hangs_is_killed_and_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(planned: PlannedSite) -> None:
        await planned.planner.make(planned.condition())
        problem, _ = planned.archived[0]
        short = replace(problem, options=replace(problem.options, time_limit_s=0.2))
        hung_pid = planned.worker.pid
        assert hung_pid is not None
        os.kill(hung_pid, signal.SIGSTOP)
        with monkeypatch.context() as patch:
            patch.setattr(worker_client, "_GRACE_S", 0.1)
            with pytest.raises(DispatchError, match="took longer than 0 s and was killed"):
                await planned.worker.solve(short)

        assert (await planned.worker.solve(problem)).problem_id == problem.id
        assert planned.worker.pid != hung_pid
        assert planned.worker.n_restarts == 1

    _with_site(run)


def test_a_worker_that_grows_past_its_memory_ends_alone() -> None:
    async def run(planned: PlannedSite) -> None:
        await planned.planner.make(planned.condition())
        problem, _ = planned.archived[0]
        # less than the libraries have taken by the time the limit is set
        cramped = WorkerClient(memory_mb=64)
        try:
            with pytest.raises(DispatchError):
                await cramped.solve(problem)
        finally:
            await cramped.close()

        roomy = WorkerClient(memory_mb=planned.site.planning.worker_memory_mb)
        try:
            assert (await roomy.solve(problem)).problem_id == problem.id
        finally:
            await roomy.close()

    _with_site(run)


def test_without_pv_conversion_there_is_no_plan_and_no_exception() -> None:
    async def run(planned: PlannedSite) -> None:
        planned.planner._worker = _Dead(planned.worker, converts=False)

        result = await planned.planner.make(planned.condition())

        assert result.plan is None
        assert result.problem is None
        assert "the worker is dead" in result.trouble
        assert planned.planner.statistics.fallback == 1

    _with_site(run)


def test_a_missing_weather_forecast_degrades_to_the_typical_year() -> None:
    async def run(planned: PlannedSite) -> None:
        result = await planned.planner.make(planned.condition())

        assert result.plan is not None
        assert result.plan.source is PlanSource.MILP
        assert result.trouble == ("there is no weather forecast",)

    _with_site(run, with_weather=False)


def test_the_rules_need_no_solver() -> None:
    async def run(planned: PlannedSite) -> None:
        result = await planned.planner.make(planned.condition())

        assert result.plan is not None
        assert result.plan.source is PlanSource.MERIT_ORDER
        assert planned.planner.statistics.counts().made == 0
        assert planned.planner.statistics.counts().fallback == 0
        assert [problem.id for problem, _ in planned.archived] == [result.plan.problem_id]

    _with_site(run, use_milp=False)


class _Liar(WorkerClient):
    """A worker whose plan serves half of the load and calls it all."""

    def __init__(self, honest: WorkerClient) -> None:
        super().__init__()
        self._honest = honest

    async def convert_pv(
        self, plants: tuple[PvPlant, ...], place: Place, weather: WeatherForecast
    ) -> tuple[EvenSeries, ...]:
        return await self._honest.convert_pv(plants, place, weather)

    async def solve(self, problem: PlanningProblem) -> Plan:
        return _halved(await self._honest.solve(problem))

    async def relax(self, problem: PlanningProblem) -> Plan:
        return _halved(await self._honest.relax(problem))


class _Slow(WorkerClient):
    """A worker that finds no incumbent in its time, and a relaxation of which it is told how good it is."""

    def __init__(self, honest: WorkerClient, *, lies: bool = False) -> None:
        super().__init__()
        self._honest = honest
        self._lies = lies

    async def convert_pv(
        self, plants: tuple[PvPlant, ...], place: Place, weather: WeatherForecast
    ) -> tuple[EvenSeries, ...]:
        return await self._honest.convert_pv(plants, place, weather)

    async def solve(self, problem: PlanningProblem) -> Plan:
        raise DispatchError(f"no feasible point for {problem.id}")

    async def relax(self, problem: PlanningProblem) -> Plan:
        plan = await self._honest.relax(problem)
        return _halved(plan) if self._lies else plan


class _Dead(WorkerClient):
    """A worker that cannot solve, and converts PV only if told so."""

    def __init__(self, alive: WorkerClient, *, converts: bool = True) -> None:
        super().__init__()
        self._converting = alive if converts else None

    async def solve(self, problem: PlanningProblem) -> Plan:
        raise DispatchError(f"no answer about {problem.id}")

    async def relax(self, problem: PlanningProblem) -> Plan:
        raise DispatchError(f"no relaxation of {problem.id}")

    async def convert_pv(
        self, plants: tuple[PvPlant, ...], place: Place, weather: WeatherForecast
    ) -> tuple[EvenSeries, ...]:
        if self._converting is None:
            raise DispatchError("the worker is dead")
        return await self._converting.convert_pv(plants, place, weather)


def _halved(plan: Plan) -> Plan:
    return replace(plan, steps=tuple(replace(step, it_kw=0.5 * step.it_kw) for step in plan.steps))


def _with_site(
    run: Callable[[PlannedSite], Awaitable[None]], *, use_milp: bool = True, with_weather: bool = True
) -> None:
    async def whole() -> None:
        planned = PlannedSite(use_milp=use_milp, with_weather=with_weather)
        try:
            await run(planned)
        finally:
            await planned.worker.close()

    asyncio.run(whole())


async def _killed_while_it_is_asked(worker: WorkerClient) -> None:
    """Kill the worker after it was asked and before it can answer, however busy the machine is."""
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGSTOP)
    await _turns()
    os.kill(worker.pid, signal.SIGKILL)


async def _turns() -> None:
    """Let the other tasks get as far as they can without the worker."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_the_cluster_s_offer_that_is_valid_now_is_in_the_problem() -> None:
    async def run(planned: PlannedSite) -> None:
        spot = OfferClass(id="spot", kind=OfferKind.CURTAILABLE, now_kw=300.0, min_kw=0.0, max_kw=300.0)
        asked: list[datetime] = []

        def offer_at(utc: datetime) -> FlexOffer:
            asked.append(utc)
            until = utc + timedelta(minutes=20)
            return FlexOffer(cluster_id="hall", seq=1, issued_utc=utc, valid_until_utc=until, classes=(spot,))

        planner = planned.planner
        taking = replace(planned.site, it=replace(planned.site.it, takes_offers=True))
        planner._site, planner._offers = taking, offer_at
        condition = planned.condition()
        result = await planner.make(condition)

        assert asked == [condition.utc]
        assert result.problem is not None
        assert [offer.id for offer in result.problem.offers] == ["spot"]

    _with_site(run, use_milp=False)
