"""Writes docs/results.md from closed-loop weeks: `python -m docs.results DIR` simulates what is not in DIR yet.

All weeks take about half an hour on two cores. A run that lies in DIR already is taken as it is, so that an
interrupted campaign goes on where it stopped. With `--as-is` nothing is simulated, and the page names the weeks that
were not run.
"""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ems.app.simulation import Policy, run_simulation

PAGE = Path(__file__).parent / "results.md"
_DAYS = 7.0
_STEP_S = 60.0
_REPLAN_MIN = 15.0
Summary = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """One week of one site, run with both policies from the same state and seed."""

    key: str
    title: str
    site: str
    start: str

    def directory(self, root: Path, policy: Policy) -> Path:
        """Return where the files of one run lie."""
        return root / f"{self.key}_{'p' if policy is Policy.PLAN else 'm'}"

    def command(self, policy: Policy) -> str:
        """Return the command line of one run."""
        run = f"ems simulate {self.site} --days 7 --start {self.start}"
        return (
            f"{run} --out {self.key}" if policy is Policy.PLAN else f"{run} --policy merit-order --out {self.key}-rules"
        )


WEEKS = (
    Week(key="jan", title="Desert, from 8 January", site="desert-offgrid", start="2025-01-08"),
    Week(key="dec", title="Desert, from 10 December", site="desert-offgrid", start="2025-12-10"),
    Week(key="jun", title="Desert, from 11 June", site="desert-offgrid", start="2025-06-11"),
    Week(key="cam", title="Campus, from 8 July", site="weak-grid-campus", start="2025-07-08"),
    Week(key="dd", title="Desert with 3 of 10 AC blocks, from 8 January", site="desert-derated", start="2025-01-08"),
    Week(key="cd", title="Campus with 5 of 10 AC blocks, from 8 July", site="campus-derated", start="2025-07-08"),
    Week(key="edge", title="Edge node, from 8 January", site="edge-node", start="2025-01-08"),
)
Figure = Callable[[Summary], str]
_FIGURES: dict[str, Figure] = {
    "total cost, end correction included": lambda s: f"{s['cost']['total']:,.0f} {s['currency']}",
    "fuel": lambda s: f"{s['cost']['terms']['fuel']:,.0f}",
    "starts and genset wear": lambda s: f"{s['cost']['terms']['starts'] + s['cost']['terms']['genset_wear']:,.0f}",
    "energy and demand charge": lambda s: f"{_bought(s):,.0f}",
    "battery wear": lambda s: f"{s['cost']['terms']['battery_wear']:,.0f}",
    "CO2 price": lambda s: f"{s['cost']['terms']['co2']:,.0f}",
    "end correction (stored energy)": lambda s: f"{s['end_correction']['cost']:,.0f}",
    "kg CO2e, end correction included": lambda s: f"{_emitted(s):,.0f}",
    "g CO2e per kWh delivered": lambda s: f"{s['ci_operational_gco2e_per_kwh']:,.1f}",
    "litres of diesel": lambda s: f"{s['fuel_l']:,.0f}",
    "genset starts": lambda s: f"{s['genset_starts']}",
    "demand peak, kW": lambda s: f"{s['demand_peak_kw']:,.0f}",
    "exported, kWh": lambda s: f"{s['energy_kwh']['grid_export']:,.0f}",
    "outages": lambda s: f"{s['outages']}",
    "unserved, kWh": lambda s: f"{s['energy_kwh']['unserved']:,.1f}",
    "lowest SoC, %": lambda s: f"{s['soc_min_pct']:.1f}",
    "SoC below its floor, h": lambda s: f"{s['soc_floor_violation_h']:.2f}",
    "reserve short, h": lambda s: f"{s['reserve_shortfall_h']:.2f}",
    "gensets on because of reserve, h": lambda s: f"{s['reserve_binding_h']:.1f}",
    "cycles with a guard clip": lambda s: f"{100.0 * s['guard_clip_tick_frac']:.2f} %",
    "plans, of them fallback": lambda s: f"{s['plans']['made']}, {s['plans']['fallback']}",
    "balance error": lambda s: f"{s['balance_error_frac']:.0e}",
}


_INTRODUCTION = """# Results

Closed-loop weeks of the shipped sites: the control code that a site runs, against the simulated plant, once with
the optimiser's plan and once with the fixed rules (merit order) that the daemon falls back to. Both start from the
same state, seed and billed peak. Step 60 s, a new plan every 15 minutes. `python -m docs.results DIR` simulates all
weeks into DIR and writes this page.

"""
_READING = """
How to read it:

- The total holds fuel, starts, wear, import, the demand charge of the whole billing period and the CO2 price. It
  values the change of stored energy at the cost that it avoids, so that no policy wins by emptying the store.
- Negative corrections are stored energy that is left at the end.
- A plan counts as fallback when it is not an optimiser's plan that passed the independent check.
- Forecasts have errors: weather from the typical year with a seeded error model, load by seasonal persistence.
- Reserve is short in the derated variants for minutes: after the start until the first sets carry, and in the
  minutes of an outage or of a sudden loss of PV until further sets carry. The classes and losses are listed below.
- The campus may not export. In steps of 60 s a rise of PV within a step leaves before control sees it; a site's
  control acts every second.
- Everything here is simulated, on the assumptions that the configuration files state.
"""


def main() -> None:
    """Simulate what is missing and write the page."""
    root = Path(sys.argv[1])
    for week in WEEKS if "--as-is" not in sys.argv[2:] else ():
        for policy in Policy:
            _ensure(week, policy, root)
    PAGE.write_text("\n".join(_page(root)) + "\n", encoding="utf-8")


def _ensure(week: Week, policy: Policy, root: Path) -> None:
    out = week.directory(root, policy)
    if (out / "summary.json").is_file():
        return
    print(week.command(policy), flush=True)  # noqa: T201 - progress of a campaign
    run_simulation(
        week.site,
        start=week.start,
        days=_DAYS,
        step_s=_STEP_S,
        replan_min=_REPLAN_MIN,
        policy=policy,
        seed=None,
        out=out,
        progress=lambda _: None,
    )


def _page(root: Path) -> Iterator[str]:
    yield from _INTRODUCTION.splitlines()
    yield from _digest(root)
    missing = [week.title for week in WEEKS if not _has_run(week, root)]
    if missing:
        yield ""
        yield f"Not run with this state of the code: {'; '.join(missing)}."
    yield from _READING.splitlines()
    for week in WEEKS:
        if _has_run(week, root):
            yield ""
            yield from _section(week, root)


def _has_run(week: Week, root: Path) -> bool:
    return all((week.directory(root, policy) / "summary.json").is_file() for policy in Policy)


def _digest(root: Path) -> Iterator[str]:
    yield "| week | cost, plan against rules | kg CO2e | litres | starts | unserved |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for week in (week for week in WEEKS if _has_run(week, root)):
        plan, rules = _pair(week, root)
        starts = f"{plan['genset_starts']} against {rules['genset_starts']}"
        unserved = plan["energy_kwh"]["unserved"] + rules["energy_kwh"]["unserved"]
        yield (
            f"| {week.title} | {_change(plan['cost']['total'], rules['cost']['total'])} "
            f"| {_change(_emitted(plan), _emitted(rules))} | {_change(plan['fuel_l'], rules['fuel_l'])} "
            f"| {starts} | {unserved:,.1f} kWh |"
        )


def _section(week: Week, root: Path) -> Iterator[str]:
    plan, rules = _pair(week, root)
    yield f"## {week.title}"
    yield ""
    yield "```sh"
    for policy in Policy:
        yield week.command(policy)
    yield "```"
    yield ""
    yield "| figure | plan | rules |"
    yield "| --- | --- | --- |"
    for name, figure in _FIGURES.items():
        yield f"| {name} | {figure(plan)} | {figure(rules)} |"
    shortfalls = {name: run["reserve_shortfalls"] for name, run in (("plan", plan), ("rules", rules))}
    for name, found in shortfalls.items():
        if found:
            listed = ", ".join(f"{what} ({count})" for what, count in found.items())
            yield ""
            yield f"Reserve short with the {name}, by class and loss (cycles of 60 s): {listed}."


def _pair(week: Week, root: Path) -> tuple[Summary, Summary]:
    plan, rules = (
        json.loads((week.directory(root, policy) / "summary.json").read_text(encoding="utf-8"))
        for policy in (Policy.PLAN, Policy.MERIT_ORDER)
    )
    return plan, rules


def _bought(summary: Summary) -> float:
    terms = summary["cost"]["terms"]
    return float(terms["energy_import"] + terms["energy_export"] + terms["demand"])


def _emitted(summary: Summary) -> float:
    return float(summary["scope1_kgco2e"] + summary["scope2_kgco2e"] + summary["end_correction"]["kgco2e"])


def _change(value: float, reference: float) -> str:
    if value == reference:
        return "equal"
    return f"{100.0 * (value - reference) / abs(reference):+.1f} %" if reference else f"{value:,.0f} against 0"


if __name__ == "__main__":
    main()
