"""The composition root: which parts make up each command. Imports everything, is imported by the CLI only."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ems.config.build import build_site, build_wiring
from ems.config.loader import load_files
from ems.config.shipped import shipped_sites, site_directory
from ems.dispatch.check import evaluate
from ems.dispatch.document import plan_document, plan_text
from ems.dispatch.explain import explained
from ems.runtime.codec import read_problem
from ems.runtime.inputs import load_climate
from ems.studies.closed_loop import Policy, RunRequest, local_midnight, simulate
from ems.studies.report import write_report

__all__ = ["Policy", "checked_site", "planned", "run_simulation", "shipped_sites"]


def run_simulation(
    site: str,
    *,
    start: str,
    days: float,
    step_s: float,
    replan_min: float,
    policy: Policy,
    seed: int | None,
    out: Path,
    progress: Callable[[float], None],
) -> dict[str, object]:
    """Simulate a site and write everything into `out`; return the summary.

    Raises:
        ConfigError: The configuration or an argument is refused.
    """
    files = load_files(site_directory(site))
    request = RunRequest(
        start=local_midnight(build_site(files), start),
        days=days,
        step_s=step_s,
        replan_min=replan_min,
        policy=policy,
        seed=seed,
    )
    summary = asyncio.run(simulate(files, request, out, progress=progress))
    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    write_report(out, summary)
    return summary


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedResult:
    """A solved problem: as a document, as text, and whether the independent check passed."""

    document: dict[str, object]
    text: str
    passed: bool


def checked_site(site: str) -> dict[str, object]:
    """Load a configuration completely, its input files included; return what it describes.

    Raises:
        ConfigError: Anything is wrong with it.
    """
    files = load_files(site_directory(site))
    built = build_site(files)
    load_climate(files)
    wiring = build_wiring(files)
    return {"site": built.id, "name": built.name, "devices": len(wiring.devices), "links": len(wiring.links)}


def planned(
    problem_file: Path, *, gap_frac: float | None, time_limit_s: float | None, out: Path | None
) -> PlannedResult:
    """Solve a problem from a file in this process and check the plan.

    Raises:
        ConfigError: The file is no planning problem.
        DispatchError: No feasible point was found in time.
    """
    from ems.dispatch.milp.engine import DispatchEngine

    problem = read_problem(problem_file)
    options = problem.options
    options = replace(
        options,
        gap_frac=options.gap_frac if gap_frac is None else gap_frac,
        time_limit_s=options.time_limit_s if time_limit_s is None else time_limit_s,
    )
    problem = replace(problem, options=options)
    plan = DispatchEngine().solve(problem)
    evaluation = evaluate(problem, plan)
    if evaluation.passed:
        plan = explained(problem, plan, evaluation)
    document = plan_document(plan, evaluation)
    if out is not None:
        out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return PlannedResult(document=document, text=plan_text(plan, evaluation), passed=evaluation.passed)
