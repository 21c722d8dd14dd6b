"""The planning problem of one day of a site, as its planner would state it at midnight with the forecasts of then."""

import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path

from ems.config.build import build_simulation, build_site
from ems.config.files import ConfigFiles
from ems.errors import ConfigError, ConfigProblem
from ems.model.plan import Plan
from ems.model.problem import PlanningProblem
from ems.runtime.worker_client import WorkerClient
from ems.studies.closed_loop import ClosedLoop, Policy, RunRequest, local_midnight
from ems.studies.recorder import Recorder

# control plans as soon as it has seen the whole plant once
_FIRST_PLAN_DAYS = 10.0 / 1440.0
_FINE_MIN = 15
_DAY_H = 24.0


async def day_problem(files: ConfigFiles, start: date) -> PlanningProblem:
    """Return the problem of a local date: 24 h in steps of 15 min, whole units, forecasts at their medians.

    Raises:
        ConfigError: The site has no simulation settings, or nothing could be planned.
    """
    problems: list[PlanningProblem] = []

    def keep(problem: PlanningProblem, _: Plan) -> None:
        problems.append(problem)

    request = RunRequest(
        start=local_midnight(build_site(files), start.isoformat()), days=_FIRST_PLAN_DAYS, policy=Policy.MERIT_ORDER
    )
    shaped = _of_a_day(files)
    worker = WorkerClient()
    try:
        with tempfile.TemporaryDirectory() as out, Recorder(Path(out), site=files.site.site.id) as recorder:
            loop = ClosedLoop(shaped, request, build_simulation(shaped), worker=worker, recorder=recorder, archive=keep)
            await loop.run(lambda _: None)
    finally:
        await worker.close()
    if not problems:
        raise ConfigError(ConfigProblem(file=str(files.directory), message=f"no problem could be stated for {start}"))
    return problems[0]


def _of_a_day(files: ConfigFiles) -> ConfigFiles:
    """Return the site with a planning grid of one day; a study of trade-offs has no side to lean to."""
    planning = files.control.planning.model_copy(
        update={
            "fine_min": _FINE_MIN,
            "coarse_min": _FINE_MIN,
            "fine_until_h": _DAY_H,
            "horizon_h": _DAY_H,
            "integer_h": _DAY_H + 1.0,
            "optimism_frac": 0.0,
        }
    )
    return replace(files, control=files.control.model_copy(update={"planning": planning}))
