"""Short closed-loop runs of shipped sites, with all their files."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ems.app.simulation import Policy, run_simulation

# a summary is JSON: its values are of any kind
Summary = dict[str, Any]
JANUARY = "2026-01-08"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: its summary and the directory of its files."""

    summary: Summary
    out: Path

    def lines(self, name: str) -> list[Summary]:
        """Return the objects of a file that holds one per line."""
        return [json.loads(line) for line in (self.out / name).read_text(encoding="utf-8").splitlines()]

    def intervals(self) -> list[Summary]:
        """Return the intervals of the ledger."""
        return [row for row in self.lines("ledger.jsonl") if row["kind"] == "interval"]


def run_of(
    site: str | Path,
    out: Path,
    *,
    hours: float,
    policy: Policy = Policy.PLAN,
    step_s: float = 60.0,
    start: str = JANUARY,
    seed: int | None = None,
    replan_min: float = 15.0,
) -> Run:
    """Simulate some hours from local midnight."""
    summary = run_simulation(
        str(site),
        start=start,
        days=hours / 24.0,
        step_s=step_s,
        replan_min=replan_min,
        policy=policy,
        seed=seed,
        out=out,
        progress=lambda _: None,
    )
    return Run(summary=summary, out=out)


def without_times(summary: Summary) -> Summary:
    """Return a summary without what was measured on the machine."""
    plans = {name: value for name, value in summary["plans"].items() if not name.startswith("solve_")}
    return {**summary, "plans": plans}
