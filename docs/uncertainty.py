"""Writes docs/uncertainty.md from the rows of the campaign: `python -m docs.uncertainty [DIR]`.

`make uncertainty` writes the rows into build/uncertainty; runs that are missing are left out of the tables.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "uncertainty.md"
ROWS = Path(__file__).resolve().parents[1] / "build" / "uncertainty"
Row = dict[str, Any]

# in the order in which the page shows them; the first is what the others are compared with
_TITLES = {
    "median": "medians (`optimism_frac = 0`), the default",
    "favourable": "half way to the favourable quantile (`optimism_frac = 0.5`)",
    "boldest": "the favourable quantile (`optimism_frac = 1`)",
    "unfavourable": "half way to the unfavourable quantile (`optimism_frac = -0.5`)",
    "gap1": "as the first, with a gap of 1 % (`gap_frac = 0.01`)",
    "grid66": "as the first, on 66 steps (`fine_until_h = 6`)",
    "rules": "no plan, fixed rules (merit order)",
}
_REFERENCE = "median"
# a fortnight that burns less than this, litres, tells the ways of planning apart by chance only
LEAST_FUEL_L = 20_000.0

Figure = Callable[[Row], str]
_FIGURES: dict[str, Figure] = {
    "cost": lambda row: f"{row['summary']['cost']['total']:,.0f}",
    "kg CO2e": lambda row: f"{_emitted(row):,.0f}",
    "litres": lambda row: f"{row['summary']['fuel_l']:,.0f}",
    "starts": lambda row: f"{row['summary']['genset_starts']}",
    "per set and day, mean / most": lambda row: (
        f"{row['starts_per_set_day_mean']:.2f} / {row['starts_per_set_day_max']}"
    ),
    "reserve short, floor broken, h": lambda row: (
        f"{row['summary']['reserve_shortfall_h']:.2f}, {row['summary']['soc_floor_violation_h']:.2f}"
    ),
    "unserved, kWh": lambda row: f"{row['summary']['energy_kwh']['unserved']:,.1f}",
    "change from plan to plan, set-h": lambda row: (
        "none" if row["plan_change_set_h"] is None else f"{row['plan_change_set_h']:.3f}"
    ),
    "solve p50 / p95, s": lambda row: (
        f"{row['summary']['plans']['solve_p50_s']:.2f} / {row['summary']['plans']['solve_p95_s']:.2f}"
    ),
    "processor, s": lambda row: f"{row['cpu_s']:,.0f}",
}
_INTRODUCTION = """# Planning under forecast error

How the plan should treat what it does not know, measured in closed loop: the control code of a site on the simulated
plant, with weather forecasts that err and load that is only known from its past. Every period is simulated once for
each way of planning, from the same state and seed, in steps of 60 s with a new plan every 15 minutes.

```sh
make uncertainty
python -m docs.uncertainty
```

The first command simulates what is not in `build/uncertainty` yet, what decides first, and needs some minutes of one
core for a week; the second writes this page from the rows that are there.

| way of planning | what it is |
| --- | --- |
"""
_READING = """
How to read the tables:

- The cost is that of the summary: fuel, starts, wear, import, demand charge and CO2 price, with the change of stored
  energy valued at the cost that it avoids.
- A start counts for the set that starts, a day is a day of the period. The change from plan to plan is the mean, over
  all plans, of the set-hours within the next 4 h that a plan commits otherwise than the plan before.
- Solve times are wall times on a machine with other work; processor time is that of the whole run, twin included.
- Floor, lead energy and reserve keep the unfavourable quantiles in every way of planning; the share moves the energy
  balance only.
- Periods and ways of planning that are missing have not been run.

A gap of 1 % and a grid of 66 steps save solve time and cost what the table says; both are keys of `[planning]`, and the
shipped sites keep 0.5 % and the finer grid. What follows from the paths, and the default:
[decision 0020](adr/0020-planning-on-medians.md).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The rows of one period, by way of planning."""

    site: str
    start: str
    days: int
    rows: dict[str, Row]

    @property
    def title(self) -> str:
        """Return the heading of its table."""
        return f"{self.site}, {self.days} days from {self.start}"


def main() -> None:
    """Write the page."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    PAGE.write_text(page(rows_of(root)), encoding="utf-8")


def rows_of(root: Path) -> list[Row]:
    """Return every row of a directory."""
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted(root.glob("*.json"))]


def page(rows: Sequence[Row]) -> str:
    """Return the page's text."""
    return "\n".join(_lines(rows)) + "\n"


def _lines(rows: Sequence[Row]) -> Iterator[str]:
    periods = [found for found in _by_period(rows) if _REFERENCE in found.rows]
    yield _INTRODUCTION.rstrip("\n")
    for key, title in _TITLES.items():
        yield f"| {key} | {title} |"
    yield ""
    yield f"## Against the {_REFERENCE}"
    yield ""
    yield from _digest(periods)
    yield ""
    yield from _left_out(rows)
    yield from _READING.splitlines()
    for found in periods:
        yield ""
        yield from _table(found)


def _by_period(rows: Sequence[Row]) -> Iterator[Found]:
    keys = sorted({(row["site"], row["start"], row["days"]) for row in rows if row["variant"] in _TITLES})
    for site, start, days in keys:
        of_period = {
            row["variant"]: row for row in rows if (row["site"], row["start"], row["days"]) == (site, start, days)
        }
        yield Found(site=site, start=start, days=days, rows=of_period)


def _digest(periods: Sequence[Found]) -> Iterator[str]:
    others = [key for key in _TITLES if key != _REFERENCE and any(key in found.rows for found in periods)]
    yield f"Change of cost and, in brackets, of kg CO2e against the {_REFERENCE}, end correction included in both."
    yield ""
    yield f"| period | {' | '.join(others)} |"
    yield f"| --- |{' --- |' * len(others)}"
    for found in periods:
        cells = (_change(found.rows.get(key), found.rows[_REFERENCE]) for key in others)
        yield f"| {found.title} | {' | '.join(cells)} |"


def _change(row: Row | None, reference: Row) -> str:
    if row is None:
        return "not run"
    cost, of_reference = row["summary"]["cost"]["total"], reference["summary"]["cost"]["total"]
    emitted, of_reference_kg = _emitted(row), _emitted(reference)
    return f"{_percent(cost, of_reference)} ({_percent(emitted, of_reference_kg)})"


def _percent(value: float, reference: float) -> str:
    return f"{100.0 * (value - reference) / abs(reference):+.2f} %" if reference else f"{value:,.0f} against 0"


def _left_out(rows: Sequence[Row]) -> Iterator[str]:
    """Say which fortnights prove nothing, and what the survey found for the rest."""
    survey = sorted((row for row in rows if row["variant"] == "survey"), key=lambda row: str(row["start"]))
    if not survey:
        return
    idle = [row for row in survey if row["summary"]["fuel_l"] < LEAST_FUEL_L]
    burnt = ", ".join(f"{row['start']}: {row['summary']['fuel_l']:,.0f}" for row in survey)
    yield f"Litres that the fixed rules burn in each fortnight of the desert's winter (steps of 300 s): {burnt}."
    if idle:
        names = ", ".join(str(row["start"]) for row in idle)
        yield f"Below {LEAST_FUEL_L:,.0f} l and therefore left out: {names}."
    else:
        yield f"None burns less than {LEAST_FUEL_L:,.0f} l, so none is left out for proving nothing."


def _table(found: Found) -> Iterator[str]:
    shown = [key for key in _TITLES if key in found.rows]
    yield f"## {found.title}"
    yield ""
    yield f"| {found.rows[_REFERENCE]['summary']['currency']}, litres, kg | {' | '.join(shown)} |"
    yield f"| --- |{' --- |' * len(shown)}"
    for name, figure in _FIGURES.items():
        yield f"| {name} | {' | '.join(figure(found.rows[key]) for key in shown)} |"


def _emitted(row: Row) -> float:
    summary = row["summary"]
    return float(summary["scope1_kgco2e"] + summary["scope2_kgco2e"] + summary["end_correction"]["kgco2e"])


if __name__ == "__main__":
    main()
