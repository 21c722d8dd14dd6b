"""One cell of the table in a process of its own: `python -m tests.benchmark.cell STACK INSTANCE FILE`.

The process solves another cycle of the same site first, to a wide gap: what a daemon does once at its start (imports,
compiled model) is not what a cycle costs. Memory is the process's peak over both.
"""

import json
import re
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from ems.dispatch.check import evaluate
from tests.benchmark.clock import highs_clock
from tests.benchmark.instances import BenchmarkSite, instance
from tests.benchmark.stacks import LIBRARIES, PEERS, stack

_KIB_PER_MB = 1e6 / 1024.0
_WARM_UP_GAP_FRAC = 0.2
# cycles to that gap over which the median of our own layer is taken
_MORE_CYCLES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What a stack needed for an instance; `objective_cost` is None where it found no plan in its time."""

    stack: str
    instance: str
    target_gap_frac: float
    layer_s: float
    highs_s: float
    highs_wall_s: float
    gap_frac: float | None
    objective_cost: float | None
    peak_mb: float
    passed: bool | None
    violations: tuple[str, ...] = ()
    # of the solver and of the library that stated the problem
    versions: dict[str, str] = field(default_factory=dict)


def measure(name: str, instance_name: str, *, gap_frac: float, time_limit_s: float) -> Cell:
    """Return the cell of a stack and an instance."""
    site = BenchmarkSite(instance(instance_name))
    warm_up = site.problem(1, gap_frac=_WARM_UP_GAP_FRAC)
    if name in PEERS:
        # peers build anew in every cycle: a small problem warms their imports up as well
        warm_up = BenchmarkSite(instance("S-96-grid-1")).problem(1, gap_frac=_WARM_UP_GAP_FRAC)
    solve = stack(name, time_limit_s=time_limit_s)
    solve(warm_up)
    problem = site.problem(gap_frac=gap_frac)
    with highs_clock() as clock:
        timed = solve(problem)
    verdict = None if timed.plan is None else evaluate(problem, timed.plan)
    peak_mb = _peak_mb()
    # a moment's disturbance is as long as our own layer; the peers' takes seconds
    n_more = 0 if name in PEERS else _MORE_CYCLES
    further = [solve(site.problem(2 + k, gap_frac=_WARM_UP_GAP_FRAC)).layer_s for k in range(n_more)]
    return Cell(
        stack=name,
        instance=instance_name,
        target_gap_frac=gap_frac,
        layer_s=median([timed.layer_s, *further]),
        highs_s=timed.highs_s,
        highs_wall_s=clock.highs_wall_s,
        gap_frac=timed.gap_frac if timed.plan is not None else None,
        objective_cost=None if timed.plan is None else timed.plan.objective.total_cost(),
        peak_mb=peak_mb,
        passed=None if verdict is None else verdict.passed,
        violations=() if verdict is None else tuple(each.sentence() for each in verdict.violations[:3]),
        versions={library: version(library) for library in LIBRARIES[name]},
    )


def _peak_mb() -> float:
    """Return the largest resident memory of this program.

    `ru_maxrss` would not do: it begins with what the process that started this one had.
    """
    peak = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    return int(peak[1]) / _KIB_PER_MB if peak else float("nan")


def main(
    name: Annotated[str, typer.Argument()],
    instance_name: Annotated[str, typer.Argument()],
    file: Annotated[Path, typer.Argument()],
    gap: Annotated[float, typer.Option(help="relative gap at which HiGHS stops")] = 0.001,
    limit: Annotated[float, typer.Option(help="seconds that HiGHS may take")] = 60.0,
) -> None:
    """Measure one cell and write it as JSON."""
    cell = measure(name, instance_name, gap_frac=gap, time_limit_s=limit)
    file.write_text(json.dumps(asdict(cell), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
