"""How long a plan takes, phase by phase, and how building compares with solving."""

from collections.abc import Iterator
from statistics import median

from ems.dispatch.check import evaluate
from ems.dispatch.milp.engine import DispatchEngine
from ems.runtime.clock import process_seconds
from tests.campaigns.rows import Row
from tests.campaigns.sample import sample_run

SITES = (("desert-offgrid", "2025-01-08"), ("weak-grid-campus", "2025-07-08"))


def measure_dispatch(*, hours: float = 12.0) -> Iterator[Row]:
    """Solve the problems of a shipped site's half day again in this process."""
    for site, start in SITES:
        problems = [plan.problem for plan in sample_run(site, start=start, hours=hours).plans if plan.problem]
        engine = DispatchEngine()
        # the first solve of a shape compiles its model: that is measured apart
        begin = process_seconds()
        engine.solve(problems[0])
        first_s = process_seconds() - begin
        plans = [engine.solve(problem) for problem in problems]
        begin = process_seconds()
        passed = [evaluate(problem, plan).passed for problem, plan in zip(problems, plans, strict=True)]
        check_s = (process_seconds() - begin) / len(plans)
        solve_s = median(plan.timings.solve_s for plan in plans)
        yield Row(id=f"dispatch.first.{site}", what="first plan of a new shape", value=1e3 * first_s, unit="ms")
        for phase in ("build", "handover", "solve", "extract"):
            value = 1e3 * median(getattr(plan.timings, f"{phase}_s") for plan in plans)
            yield Row(id=f"dispatch.{phase}.{site}", what=f"{phase}, median", value=value, unit="ms")
        build_s = median(plan.timings.build_s + plan.timings.handover_s + plan.timings.extract_s for plan in plans)
        yield Row(
            id=f"dispatch.overhead.{site}",
            what="build, hand-over and extract against solve, medians",
            value=build_s / solve_s,
            unit="ratio",
        )
        yield Row(id=f"dispatch.check.{site}", what="independent check", value=1e3 * check_s, unit="ms")
        yield Row(
            id=f"dispatch.passed.{site}",
            what=f"plans that pass the check, of {len(plans)}",
            value=sum(passed) / len(passed),
            unit="share",
            target=">= 0.99",
            met=sum(passed) / len(passed) >= 0.99,
        )
