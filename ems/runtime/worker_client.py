"""The daemon's side of the worker process: starts it, asks it, kills it past its time, starts it again."""

import asyncio
import sys
from asyncio.subprocess import Process

from pydantic import ValidationError

from ems.errors import DispatchError
from ems.model.forecast import EvenSeries, WeatherForecast
from ems.model.plan import Plan
from ems.model.problem import PlanningProblem
from ems.model.pv import PvPlant
from ems.model.site import Place
from ems.runtime.codec import PvRequest, SolveRequest, WorkerAnswer, WorkerRequest, from_json, to_json

# HiGHS does not always obey its own limit: past it the process is killed after this long
_GRACE_S = 5.0
_PV_LIMIT_S = 60.0
# starting Python, pyomo, highspy and pandas
_START_S = 60.0
_MAX_LINE_BYTES = 64 * 1024 * 1024


class WorkerClient:
    """Asks one worker process, one request at a time. Times are real seconds: solving is not accelerated."""

    def __init__(self, *, memory_mb: int | None = None) -> None:
        self._memory = () if memory_mb is None else (str(memory_mb),)
        self._process: Process | None = None
        self._number = 0
        self._turn = asyncio.Lock()
        self._n_starts = 0

    @property
    def n_restarts(self) -> int:
        """Return how often the worker had to be started again."""
        return max(0, self._n_starts - 1)

    @property
    def pid(self) -> int | None:
        """Return the worker's process id, None while there is none."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    async def solve(self, problem: PlanningProblem) -> Plan:
        """Return the worker's plan.

        Raises:
            DispatchError: The worker found none, died, or took longer than its limit and was killed.
        """
        return await self._plan(SolveRequest(problem=problem), limit_s=problem.options.time_limit_s)

    async def relax(self, problem: PlanningProblem) -> Plan:
        """Return the plan of the rounded linear relaxation.

        Raises:
            DispatchError: The worker found none, died, or took longer than its limit and was killed.
        """
        limit_s = 2.0 * problem.options.relaxed_time_limit_s
        return await self._plan(SolveRequest(problem=problem, relaxed=True), limit_s=limit_s)

    async def _plan(self, request: SolveRequest, *, limit_s: float) -> Plan:
        answer = await self._ask(WorkerRequest(number=0, solve=request), limit_s=limit_s + _GRACE_S)
        if answer.plan is None:
            raise DispatchError(answer.error or "the worker answered without a plan")
        return answer.plan

    async def convert_pv(
        self, plants: tuple[PvPlant, ...], place: Place, weather: WeatherForecast
    ) -> tuple[EvenSeries, ...]:
        """Return available PV power per plant.

        Raises:
            DispatchError: The worker could not do it.
        """
        request = WorkerRequest(number=0, pv=PvRequest(plants=plants, place=place, weather=weather))
        answer = await self._ask(request, limit_s=_PV_LIMIT_S)
        if answer.pv is None:
            raise DispatchError(answer.error or "the worker answered without PV")
        return answer.pv

    async def close(self) -> None:
        """End the worker."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._process = None

    async def _ask(self, request: WorkerRequest, *, limit_s: float) -> WorkerAnswer:
        async with self._turn:
            fresh = self.pid is None
            try:
                process = await self._running()
            except OSError as error:
                # no memory, no process number or no file left: the next request tries again
                raise DispatchError(f"the worker could not be started: {error}") from error
            self._number += 1
            line = to_json(WorkerRequest(number=self._number, solve=request.solve, pv=request.pv)) + b"\n"
            try:
                async with asyncio.timeout(limit_s + (_START_S if fresh else 0.0)):
                    return await self._exchange(process, line)
            except TimeoutError as error:
                await self.close()
                raise DispatchError(f"the worker took longer than {limit_s:.0f} s and was killed") from error
            except (OSError, ValidationError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                await self.close()
                raise DispatchError(f"the worker died or answered nonsense: {error}") from error
            except asyncio.CancelledError:
                # an answer that nobody waits for would be taken for the next one's
                await self.close()
                raise

    async def _exchange(self, process: Process, line: bytes) -> WorkerAnswer:
        if process.stdin is None or process.stdout is None:
            raise DispatchError("the worker has no pipes")
        process.stdin.write(line)
        await process.stdin.drain()
        text = await process.stdout.readuntil(b"\n")
        answer = from_json(WorkerAnswer, text)
        if answer.number != self._number:
            raise OSError(f"answer {answer.number} to request {self._number}")
        return answer

    async def _running(self) -> Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        self._n_starts += 1
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ems.runtime.worker",
            *self._memory,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_MAX_LINE_BYTES,
        )
        return self._process
