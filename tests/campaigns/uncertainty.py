"""`python -m tests.campaigns.uncertainty`: ways of planning under forecast error, in closed loop on the twin.

Every run is one JSON row in build/uncertainty; a row that is there is not run again. docs/uncertainty.md is written
from the rows by `python -m docs.uncertainty`.
"""

import argparse
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tomlkit

from docs.uncertainty import LEAST_FUEL_L, ROWS
from ems.app.simulation import Policy, run_simulation
from ems.config.shipped import site_directory

_REPLAN_MIN = 15.0
_COARSE_66 = {"fine_min": 15, "fine_until_h": 6.0, "coarse_min": 60, "horizon_h": 48.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way of planning: what it changes in `[planning]` of the shipped site."""

    key: str
    title: str
    planning: Mapping[str, float | int] = field(default_factory=dict)
    policy: Policy = Policy.PLAN
    step_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Days of one site, from a local date."""

    site: str
    start: str
    days: int

    @property
    def key(self) -> str:
        """Return the part of a row's name that tells the period."""
        return f"{self.site}_{self.start}_{self.days}d"


# steps of 5 min are enough to see whether sets are needed at all
SURVEY = Variant(key="survey", title="fixed rules, coarse steps", policy=Policy.MERIT_ORDER, step_s=300.0)
RULES = Variant(key="rules", title="fixed rules, no plan", policy=Policy.MERIT_ORDER)
VARIANTS = {
    variant.key: variant
    for variant in (
        RULES,
        Variant(key="favourable", title="half way to the favourable quantile", planning={"optimism_frac": 0.5}),
        Variant(key="median", title="medians", planning={"optimism_frac": 0.0}),
        Variant(key="unfavourable", title="half way to the unfavourable quantile", planning={"optimism_frac": -0.5}),
        Variant(key="boldest", title="favourable quantile", planning={"optimism_frac": 1.0}),
        Variant(key="gap1", title="medians, gap 1 %", planning={"optimism_frac": 0.0, "gap_frac": 0.01}),
        Variant(key="grid66", title="medians, 66 steps", planning={"optimism_frac": 0.0, **_COARSE_66}),
    )
}
_DESERT = "desert-offgrid"
_FIRSTS = ("2025-11-01", "2025-12-01", "2026-01-01", "2026-02-01")
FORTNIGHTS = tuple(Period(site=_DESERT, start=first[:-2] + day, days=14) for first in _FIRSTS for day in ("01", "15"))
CAMPUS = tuple(Period(site="weak-grid-campus", start=start, days=7) for start in ("2025-07-08", "2025-12-08"))


def site_of(period: Period, variant: Variant, directory: Path) -> Path:
    """Copy the shipped site of a period into a directory and change its planning; return the directory."""
    shutil.copytree(site_directory(period.site), directory)
    file = directory / "control.toml"
    document = tomlkit.parse(file.read_text(encoding="utf-8"))
    document.setdefault("planning", tomlkit.table()).update(variant.planning)
    file.write_text(tomlkit.dumps(document), encoding="utf-8")
    return directory


def run(period: Period, variant: Variant) -> dict[str, Any]:
    """Simulate one period with one way of planning and return its row."""
    begin, cpu = time.monotonic(), _cpu_s()  # noqa: TID251 - a measurement
    with TemporaryDirectory() as home:
        directory = site_of(period, variant, Path(home) / "site")
        summary: dict[str, Any] = run_simulation(
            str(directory),
            start=period.start,
            days=float(period.days),
            step_s=variant.step_s,
            replan_min=_REPLAN_MIN,
            policy=variant.policy,
            seed=None,
            out=Path(home) / "out",
            progress=lambda _: None,
        )
    starts, plans = summary["genset_starts_per_set_day"], summary["plans"]
    return {
        "variant": variant.key,
        "planning": dict(variant.planning),
        "site": period.site,
        "start": period.start,
        "days": period.days,
        "starts_per_set_day_mean": starts["mean"],
        "starts_per_set_day_max": starts["max"],
        "plan_change_set_h": plans["unit_change_h"] if variant.policy is Policy.PLAN else None,
        "cpu_s": round(_cpu_s() - cpu, 1),
        "wall_s": round(time.monotonic() - begin, 1),  # noqa: TID251 - a measurement
        "summary": summary,
    }


def _cpu_s() -> float:
    """Return processor seconds of this process and of the workers that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def row_file(root: Path, period: Period, variant: Variant) -> Path:
    """Return where the row of a run lies."""
    return root / f"{period.key}_{variant.key}.json"


def ensure(root: Path, period: Period, variant: Variant) -> dict[str, Any]:
    """Return the row of a run, running it when it is not there."""
    file = row_file(root, period, variant)
    if not file.is_file():
        root.mkdir(parents=True, exist_ok=True)
        row = run(period, variant)
        file.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
        print(_line(row), flush=True)  # noqa: T201 - progress of a campaign
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _line(row: Mapping[str, Any]) -> str:
    summary = row["summary"]
    return (
        f"{row['site']} {row['start']} {row['variant']:12} cost {summary['cost']['total']:14,.0f} "
        f"{summary['fuel_l']:9,.0f} l {summary['genset_starts']:4} starts {row['cpu_s']:6.0f} s"
    )


def sun_poor(root: Path) -> list[Period]:
    """Return the fortnights that burn diesel under the fixed rules, the most first."""
    fuel_l = {period: float(ensure(root, period, SURVEY)["summary"]["fuel_l"]) for period in FORTNIGHTS}
    needed = [period for period in FORTNIGHTS if fuel_l[period] >= LEAST_FUEL_L]
    return sorted(needed, key=lambda period: -fuel_l[period])


def in_order_of_worth(fortnights: list[Period]) -> Iterator[tuple[Period, Variant]]:
    """Yield the runs: the deterministic and the robust plan of every period first, what refines the answer later."""
    summer, winter = CAMPUS
    for period in (summer, winter, *fortnights):
        yield from _runs(period, "median", "unfavourable")
    for period in (summer, *fortnights[:1]):
        yield from _runs(period, "gap1", "grid66")
    for period in (winter, *fortnights[1:]):
        yield from _runs(period, "gap1", "grid66")
    for period in (summer, winter, *fortnights):
        yield from _runs(period, "favourable")
    for period in (summer, winter, *fortnights):
        yield from _runs(period, "boldest", "rules")


def _runs(period: Period, *keys: str) -> Iterator[tuple[Period, Variant]]:
    return ((period, VARIANTS[key]) for key in keys)


def main() -> None:
    """Run what is missing until the budget is used up; the run that is under way is finished."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=Path, default=ROWS, help="directory of the rows")
    parser.add_argument("--budget-min", type=float, default=480.0, help="begin no run after so many minutes")
    arguments = parser.parse_args()
    end = time.monotonic() + 60.0 * arguments.budget_min  # noqa: TID251 - a measurement
    for period, variant in in_order_of_worth(sun_poor(arguments.rows)):
        if time.monotonic() > end:  # noqa: TID251 - a measurement
            print("the budget is used up; run again to go on")  # noqa: T201 - progress of a campaign
            return
        ensure(arguments.rows, period, variant)


if __name__ == "__main__":
    main()
