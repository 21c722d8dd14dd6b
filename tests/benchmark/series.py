"""The dispatcher on many instances to the daemon's gap: `python -m tests.benchmark.series FILE INSTANCE...`."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ems.dispatch.check import evaluate
from ems.dispatch.milp.engine import DispatchEngine
from tests.benchmark.clock import highs_clock
from tests.benchmark.instances import BenchmarkSite, instance

# the gap of the shipped sites
DAEMON_GAP_FRAC = 0.005
# longer than every instance: all counts are whole
ALL_H = 1000.0


def main(
    file: Annotated[Path, typer.Argument()],
    names: Annotated[list[str], typer.Argument()],
    limit: Annotated[float, typer.Option(help="seconds that HiGHS may take")] = 60.0,
    whole_h: Annotated[float, typer.Option(help="hours in which counts are whole")] = ALL_H,
) -> None:
    """Solve every instance once and write the processor times of HiGHS as JSON."""
    engine = DispatchEngine()
    times, passed = [], []
    for name in names:
        problem = BenchmarkSite(instance(name)).problem(gap_frac=DAEMON_GAP_FRAC)
        problem = replace(problem, options=replace(problem.options, time_limit_s=limit, integer_h=whole_h))
        with highs_clock() as clock:
            plan = engine.solve(problem)
        times.append(clock.highs_s)
        passed.append(evaluate(problem, plan).passed)
    result = {"names": names, "solve_s": times, "passed": passed}
    file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
