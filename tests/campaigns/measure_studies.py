"""Simulated hours per second of `ems simulate`."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from ems.app.simulation import Policy, run_simulation
from ems.runtime.clock import process_seconds
from tests.campaigns.rows import Row

# a week within six minutes
_NEEDED_H_PER_S = 7 * 24 / 360.0


def measure_studies(*, days: float = 1.0) -> Iterator[Row]:
    """Simulate a while with both policies."""
    for site, start in (("desert-offgrid", "2025-01-08"), ("weak-grid-campus", "2025-07-08")):
        for policy in Policy:
            begin = process_seconds()
            with TemporaryDirectory() as out:
                run_simulation(
                    site,
                    start=start,
                    days=days,
                    step_s=60.0,
                    replan_min=15.0,
                    policy=policy,
                    seed=None,
                    out=Path(out),
                    progress=lambda _: None,
                )
            rate = 24.0 * days / (process_seconds() - begin)
            yield Row(
                id=f"studies.speed.{site}.{policy.value}",
                what=f"simulated hours per second, {days:g} d at 60 s, replan 15 min, files and report included",
                value=rate,
                unit="h/s",
                target=f">= {_NEEDED_H_PER_S:.3g} (a week in 6 min)",
                met=rate >= _NEEDED_H_PER_S,
            )
