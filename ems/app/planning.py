"""`ems plan`: one planning problem, solved or replayed anywhere."""

import asyncio
import json
from dataclasses import dataclass, replace
from pathlib import Path

from ems.app.commissioning.interruption import interruptible
from ems.dispatch.check import evaluate
from ems.dispatch.document import plan_document, plan_text
from ems.dispatch.explain import explained
from ems.errors import ConfigError, ConfigProblem, DispatchError
from ems.model.plan import Plan
from ems.model.problem import PlanningProblem
from ems.runtime.planning_schema import SCHEMA_NAMES, planning_schema
from ems.runtime.problem_file import read_problem
from ems.runtime.worker_client import WorkerClient


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedResult:
    """A solved problem: as a document, as text, and whether the independent check passed."""

    document: dict[str, object]
    text: str
    passed: bool


def planned(
    problem_file: Path,
    *,
    gap_frac: float | None = None,
    time_limit_s: float | None = None,
    threads: int | None = None,
    out: Path | None = None,
) -> PlannedResult:
    """Solve a problem from a file in a worker process, as the daemon does, and check the plan.

    Raises:
        ConfigError: The file is no planning problem, or `out` is that file or cannot be written; judged before
            anything is solved.
        DispatchError: No feasible point was found, or the worker took longer than its limit and was killed.
        InterruptedWorkError: A signal came; the worker is gone.
    """
    problem = read_problem(problem_file)
    if out is not None:
        _check_other(out, problem_file)
        _check_writable(out)
    options = problem.options
    options = replace(
        options,
        gap_frac=options.gap_frac if gap_frac is None else gap_frac,
        time_limit_s=options.time_limit_s if time_limit_s is None else time_limit_s,
        threads=options.threads if threads is None else threads,
    )
    problem = replace(problem, options=options)
    plan = asyncio.run(interruptible(_plan(problem)))
    evaluation = evaluate(problem, plan)
    if evaluation.passed:
        plan = explained(problem, plan, evaluation)
    document = plan_document(problem, plan, evaluation)
    if out is not None:
        out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return PlannedResult(document=document, text=plan_text(plan, evaluation), passed=evaluation.passed)


def schema_text(name: str) -> str:
    """Return the JSON Schema of the files that `ems plan` reads and writes.

    Raises:
        ConfigError: There is no schema of this name.
    """
    if name not in SCHEMA_NAMES:
        raise ConfigError(
            ConfigProblem(file="--schema", message=f"there is no '{name}'", allowed=" or ".join(SCHEMA_NAMES))
        )
    return planning_schema(name).rstrip()


async def _plan(problem: PlanningProblem) -> Plan:
    """Return the incumbent; without one in time the rounded linear relaxation."""
    worker = WorkerClient()
    try:
        return await worker.solve(problem)
    except DispatchError as unsolved:
        try:
            return await worker.relax(problem)
        except DispatchError as unrelaxed:
            raise DispatchError(f"no plan of {problem.id}: {unsolved}; its relaxation: {unrelaxed}") from unrelaxed
    finally:
        await worker.close()


def _check_other(out: Path, problem_file: Path) -> None:
    """Make sure that the plan does not overwrite its own problem, by whatever name."""
    if out.exists() and out.samefile(problem_file):
        raise ConfigError(
            ConfigProblem(
                file="--out",
                message=f"'{out}' is the planning problem, which the plan would overwrite",
                allowed="another file",
            )
        )


def _check_writable(out: Path) -> None:
    """Make sure that the plan can be written; appending nothing changes nothing."""
    existed = out.exists()
    try:
        out.open("ab").close()
        if not existed:
            out.unlink()
    except OSError as error:
        raise ConfigError(
            ConfigProblem(
                file="--out", message=f"'{out}' cannot be written: {error}", allowed="a file that can be written"
            )
        ) from error
