"""Writes docs/deferral.md: the same work of a cluster as it comes, and deferred by its offers, in closed loop.

`python -m docs.deferral DIR [DAYS]` simulates both into DIR, unless they lie there already, and writes the page.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ems.app.simulation import Policy, run_simulation

PAGE = Path(__file__).parent / "deferral.md"
_START = "2025-01-08"
_STEP_S = 60.0
_REPLAN_MIN = 60.0
_SITE = "desert-flexible"
Summary = dict[str, Any]  # a summary is JSON

# the same cluster without flexibility: its jobs start when they arrive, and all of its load is offered as firm
_INFLEXIBLE = {
    "site.toml": """extends = "desert-flexible"

[site]
id = "desert-inflexible"
name = "Desert, the work as it comes"
""",
    "twin.toml": "[cluster]\ndefers = false\noffers = false\n",
}

_INTRODUCTION = """# Deferred work

{days} days of the desert in January with a cluster of which a tenth of the mean power is batch work that may wait 20 h:
once it offers its classes and aims at what is expected of it, once the same jobs start when they arrive and everything
is offered as firm. Both runs have the same weather, load, jobs and forecasts, and the contract is spoken in both
([cluster.md](cluster.md)). Step 60 s, a new plan every hour. `python -m docs.deferral DIR` simulates a week of both
into DIR and writes this page, `python -m docs.deferral DIR 3` three days.
"""
_READING = """
How to read it: work that is left at the end is valued as if sets carried it, with the cooling and auxiliaries that come
with it; stored energy that is missing likewise. Without the correction a run would win by leaving work undone or by
emptying the store. Everything here is simulated; shares and jobs are assumptions of
`config/desert-flexible/twin.toml`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Both runs, and what their difference is made of."""

    deferred: Summary
    as_it_comes: Summary

    @property
    def rate_l_per_kwh(self) -> float:
        """Return the litres per kWh of IT by sets: what unfinished work and missing stored energy are valued at."""
        energy = self.as_it_comes["energy_kwh"]
        load_kwh = energy["load_it"] + energy["load_cooling"] + energy["load_aux"]
        rate: float = self.as_it_comes["fuel_l"] / energy["genset"] * load_kwh / energy["load_it"]
        return rate

    def corrected_l(self, run: Summary) -> float:
        """Return the diesel of a run as if all work were done and the store as full as in the other run."""
        fullest_kwh = max(one["stored_kwh"]["end"] for one in (self.deferred, self.as_it_comes))
        least_left_kwh = min(one["cluster"]["batch_left_kwh"] for one in (self.deferred, self.as_it_comes))
        missing_kwh = run["cluster"]["batch_left_kwh"] - least_left_kwh
        missing_store_l = (fullest_kwh - run["stored_kwh"]["end"]) * run["fuel_l"] / run["energy_kwh"]["genset"]
        litres: float = run["fuel_l"] + missing_kwh * self.rate_l_per_kwh + missing_store_l
        return litres


def main() -> None:
    """Simulate what is missing and write the page."""
    root = Path(sys.argv[1])
    days = float(sys.argv[2]) if len(sys.argv) > 2 else 7.0
    inflexible = root / "desert-inflexible"
    inflexible.mkdir(parents=True, exist_ok=True)
    for name, text in _INFLEXIBLE.items():
        (inflexible / name).write_text(text, encoding="utf-8")
    both = Comparison(
        deferred=_run(_SITE, root / "deferred", days), as_it_comes=_run(str(inflexible), root / "as-it-comes", days)
    )
    PAGE.write_text(page(both, days), encoding="utf-8")


def _run(site: str, out: Path, days: float) -> Summary:
    file = out / "summary.json"
    if not file.is_file():
        run_simulation(
            site,
            start=_START,
            days=days,
            step_s=_STEP_S,
            replan_min=_REPLAN_MIN,
            policy=Policy.PLAN,
            seed=None,
            out=out,
            progress=lambda _: None,
        )
    summary: Summary = json.loads(file.read_text(encoding="utf-8"))
    return summary


def page(both: Comparison, days: float) -> str:
    """Return the page's text."""
    saved_l = both.corrected_l(both.as_it_comes) - both.corrected_l(both.deferred)
    share = 100.0 * saved_l / both.corrected_l(both.as_it_comes)
    rows: dict[str, Callable[[Summary], str]] = {
        "litres of diesel": lambda s: f"{s['fuel_l']:,.0f}",
        "litres, unfinished work and stored energy corrected": lambda s: f"{both.corrected_l(s):,.0f}",
        "total cost, stored energy corrected": lambda s: f"{s['cost']['total']:,.0f} {s['currency']}",
        "PV not taken, kWh": lambda s: f"{s['energy_kwh']['pv_curtailed']:,.0f}",
        "batch work done, kWh": lambda s: f"{s['cluster']['batch_kwh']:,.0f}",
        "batch work left at the end, kWh": lambda s: f"{s['cluster']['batch_left_kwh']:,.0f}",
        "stored at the end, kWh": lambda s: f"{s['stored_kwh']['end']:,.0f}",
        "jobs arrived, done": lambda s: f"{s['cluster']['jobs_arrived']}, {s['cluster']['jobs_done']}",
        "deadlines missed": lambda s: f"{s['cluster']['deadlines_missed']}",
        "pauses": lambda s: f"{s['cluster']['pauses']}",
        "curtailed and capped, kWh": lambda s: f"{s['cluster']['curtailed_kwh'] + s['cluster']['capped_kwh']:,.0f}",
        "unserved, kWh": lambda s: f"{s['energy_kwh']['unserved']:,.1f}",
        "sheds": lambda s: f"{s['cluster']['sheds']}",
    }
    table = [f"| {name} | {show(both.deferred)} | {show(both.as_it_comes)} |" for name, show in rows.items()]
    missed = both.deferred["cluster"]["deadlines_missed"]
    result = f"Deferral saves {saved_l:,.0f} l of diesel, {share:.1f} %, with {missed} deadlines missed."
    head = _INTRODUCTION.format(days=f"{days:g}")
    return "\n".join([head, result, "", "| figure | deferred | as it comes |", "| --- | --- | --- |", *table, _READING])


if __name__ == "__main__":
    main()
