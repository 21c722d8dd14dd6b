"""`ems simulate`: a closed-loop run with all its files."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from ems.app.outputs import check_directory
from ems.config.build import build_site
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from ems.studies.closed_loop import Policy, RunRequest, local_midnight, simulate
from ems.studies.report import write_report

__all__ = ["RESULT_FILES", "Policy", "run_simulation"]

RESULT_FILES = ("summary.json", "series.parquet", "decisions.jsonl", "ledger.jsonl", "report.html")


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
        ConfigError: The configuration or an argument is refused; also where `out` cannot hold the files.
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
    check_directory(out, RESULT_FILES)
    summary = asyncio.run(simulate(files, request, out, progress=progress))
    (out / "summary.json").write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    write_report(out, summary)
    return summary
