"""Writes docs/benchmark.md from what `make bench ONLY=commitment` has measured: `python -m docs.benchmark`."""

import json
from collections.abc import Iterator
from pathlib import Path

from tests.campaigns.measure_commitment import CELLS, FULL, OWN, PEERS, Cell, quantile, target_rows

# the longest instance; whole counts beyond it are whole throughout
_HORIZON_H = 48.0
PAGE = Path(__file__).parent / "benchmark.md"
_NAMES = {"dispatcher": "this dispatcher", "matrix": "matrix by hand", "pypsa": "PyPSA", "oemof": "oemof.solph"}

_INTRODUCTION = """# Benchmark

The same unit commitment in four stacks, each in a process of its own, one thread, the same HiGHS. This page is
written by `python -m docs.benchmark` from what this command measures (45 minutes; `QUICK=1` takes a small half of the
table in five):

```sh
make bench ONLY=commitment
```

The instances are plain: load, PV, optional grid with prices and limits, unequal batteries, genset classes with linear
fuel curves, minimum times in hours with each unit's history, one reserve requirement, prices of what is missing, a
value of the energy at the end, a CO2 price (`tests/benchmark/instances.py`, from a seed). S has 1 battery and 2 sets
over 96 quarters of an hour, M 4 batteries and 8 sets in 2 classes, L 16 batteries and 24 sets in 3 classes over 192
quarters or on the 84 steps of the daemon (quarters to 12 h, hours to 48 h).

"""
_COLUMNS = """
- *layer*: processor seconds of a cycle outside HiGHS: build or update, hand-over, reading the plan. The process has
  solved another cycle before, so that imports and the dispatcher's compiled model are not in it. For the first two
  stacks it is the median of five cycles, four of them to a gap of 20 %: on problems of 4,000 rows and more (192 steps,
  and L) those round the relaxation first and repair the result (`ems/dispatch/repair.py`), which counts as layer too.
- *HiGHS*: processor seconds within HiGHS to a gap of 0.1 %, or to the limit of 60 s by the clock. The dispatcher's
  includes the linear problem that follows for exact flows and marginal prices.
- *gap*: what HiGHS had proven when it stopped; the dispatcher's gap counts the worth of stored energy into the
  objective that it is relative to.
- *peak*: largest resident memory of the process.
- *check*: whether `ems.dispatch.check` passes the plan. The flows of the other stacks are turned into a plan for it.
- PyPSA and oemof.solph state each set by itself, with their own means; the reserve row, the value of energy at the
  end and minimum times on unequal steps are added as constraints. All times vary with the machine and its other work.
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text("\n".join(_page()) + "\n", encoding="utf-8")


def _page() -> Iterator[str]:
    yield _INTRODUCTION.rstrip("\n")
    yield ""
    cells = list(_cells())
    yield from _table(cells)
    yield from _missing(cells)
    yield _COLUMNS.rstrip("\n")
    yield ""
    yield f"Versions: {_versions(cells)}."
    yield ""
    yield "## Targets"
    yield ""
    yield from _targets(cells)
    yield ""
    yield "## Following cycles"
    yield ""
    yield from _rolling()
    yield ""
    yield _FOUND.rstrip("\n")


def _cells() -> Iterator[Cell]:
    """Yield what has been measured, in the order of the table."""
    for name in (*FULL.instances, *FULL.own_instances):
        for stack in (*OWN, *PEERS):
            file = CELLS / f"{stack}_{name}_{FULL.limit_s:g}.json"
            if file.is_file():
                yield json.loads(file.read_text(encoding="utf-8"))


def _table(cells: list[Cell]) -> Iterator[str]:
    yield "| instance | stack | layer, s | HiGHS, s | gap, % | objective | peak, MB | check |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for cell in cells:
        start = f"| {cell['instance']} | {_NAMES[cell['stack']]} | {cell['layer_s']:.3f} | {cell['highs_s']:.1f} |"
        if cell["objective_cost"] is None:
            yield f"{start} none | none | {cell['peak_mb']:.0f} | no plan |"
            continue
        passed = "passed" if cell["passed"] else "refused"
        cost = f"{cell['objective_cost']:,.1f}"
        yield f"{start} {100.0 * cell['gap_frac']:.2f} | {cost} | {cell['peak_mb']:.0f} | {passed} |"


def _missing(cells: list[Cell]) -> Iterator[str]:
    """Say what the table lacks: never measured, or stopped by the clock on a machine that was busy with others."""
    found = {(cell["instance"], cell["stack"]) for cell in cells}
    wanted = [(name, stack) for name in FULL.instances for stack in (*OWN, *PEERS)]
    lacking = [f"{name} {_NAMES[stack]}" for name, stack in wanted if (name, stack) not in found]
    if lacking:
        yield ""
        yield f"Not in this table, because the machine was busy: {', '.join(lacking)}."


def _versions(cells: list[Cell]) -> str:
    versions = {library: number for cell in cells for library, number in cell["versions"].items()}
    return ", ".join(f"{library} {number}" for library, number in sorted(versions.items()))


def _targets(cells: list[Cell]) -> Iterator[str]:
    yield "| what | figure | target | met |"
    yield "| --- | --- | --- | --- |"
    for row in target_rows(cells):
        if row.target is not None:
            unit = "" if row.unit == "ratio" else f" {row.unit}"
            yield f"| {row.what} | {row.value:.3g}{unit} | {row.target}{unit} | {'yes' if row.met else 'no'} |"
    passed = [cell["passed"] for cell in cells if cell["stack"] == "dispatcher"]
    count = f"{sum(map(bool, passed))} of {len(passed)}"
    yield f"| plans of the dispatcher that pass the check | {count} | all | {_yes(all(passed))} |"
    for file in sorted(CELLS.glob("series_*.json"), reverse=True):
        found = json.loads(file.read_text(encoding="utf-8"))
        times = sorted(found["solve_s"])
        size, p95_s = found["names"][0][0], quantile(times, 0.95)
        hours = file.stem.rsplit("_", 1)[-1].removesuffix("h")
        counts = "every count whole" if float(hours) > _HORIZON_H else f"counts whole for {hours} h as shipped"
        p50 = f"p50 {quantile(times, 0.5):.2f} s"
        what = f"HiGHS on 84 steps of {size} to 0.5 %, {counts}, p95 of {len(times)} ({p50})"
        yield f"| {what} | {p95_s:.2f} s | <= 6 s | {_yes(p95_s <= 6.0)} |"


def _yes(met: bool) -> str:  # noqa: FBT001 - a cell of a table
    return "yes" if met else "no"


def _rolling() -> Iterator[str]:
    yield "Fifty cycles of M on 84 steps with revised forecasts, gap 0.5 %; each plan's first step is carried out."
    yield ""
    yield "| site | start | p50, s | p95, s | cost of what was carried out | plans that pass |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for kind in ("island", "grid"):
        for start in ("cold", "warm"):
            file = CELLS / f"rolling_M-84-{kind}-1_{start}_{FULL.n_cycles}.json"
            if not file.is_file():
                continue
            found = json.loads(file.read_text(encoding="utf-8"))
            times = sorted(found["solve_s"])
            yield (
                f"| {kind} | {start} | {quantile(times, 0.5):.2f} | {quantile(times, 0.95):.2f} | "
                f"{found['cost']:,.1f} | {sum(found['passed'])} of {len(found['passed'])} |"
            )


_FOUND = """## What helped, and what did not

Processor seconds of HiGHS, one thread; means are geometric. Equal formulations differ by a factor of two and more on a
single instance, so only means over several say something.

| what was tried | figure | kept |
| --- | --- | --- |
| rows and columns of what a problem does not ask for left out (`ems/dispatch/milp/shape.py`) | 84 steps to 0.5 %: L islanded 35.2 to 8.5 s, M 4.2, 2.5, 4.4, 2.5 to 2.8, 1.2, 1.6, 1.9 s | yes |
| of that: no binary for "any set runs" unless the loss of a set needs it | L islanded 35.2 to 27.2 s, M 3.3 to 2.4 s | yes |
| whole numbers for starts too; for starts and stops | ten instances to 0.1 %: mean 2.25 to 2.87 s; to 3.13 s | no |
| minimum times without their slack where neither history nor availability can break them | the same ten: 2.25 to 2.30 s; L on 84 steps to 0.5 %: 0.90, 1.04, 8.99 to 0.27, 0.29, 4.95 s | yes |
| rounding of the relaxation at several heights before the search, on problems of 4,000 rows and more (`ems/dispatch/milp/rounding.py`) | L on 84 steps to 0.5 %, p95 of 20: 13.6 to 1.2 s, p50 3.8 to 0.8 s | yes |
| the same on M | p50 of 20: 1.4 to 0.1 s; fifty following cycles cost 0.4 % (island) and 1.4 % (grid) more | no |
| fewer cuts kept on problems of more than 10,000 rows (`ems/dispatch/milp/solver.py`) | L on 192 steps, islanded, to 0.1 %: 547 to 392 MB, 47 to 31 s; on nine smaller ones 7 % slower | yes |
| HiGHS without RINS and RENS | eight instances to 0.5 %: mean 1.55 to 2.76 s | no |
| interior point for the relaxations | the same eight: 1.71 s | no |
| rounding and shifting heuristics | 1.67 s | no |
| no restarts; heuristic effort 0.15 and 0.01; no feasibility jump; no symmetry; early trust in pseudo costs | 1.49; 1.48, 1.51; 1.45; 1.48; 1.54 s: no difference that counts | no |
| start from the repaired previous commitment | table above | option of a problem |
| one linear problem in HiGHS for the relaxation, its roundings and the flows, only limits of columns changed (`LinearProblem`); what the repair knows of a problem worked out once | layer on 192 steps against the matrix by hand: M 4.6 to 2.0, L 4.9 to 1.8 times; seconds in HiGHS on L, 192 steps, gap 20 %: 3.2 to 1.2 | yes |
| sums of the objective's terms without BLAS, which wakes threads for long vectors | layer of L on 192 steps 0.21 to 0.05 s | yes |
| flows solved anew before a pool counts as charging and discharging at once | saves up to two further solves where an incumbent is not a vertex | yes |
"""  # noqa: E501 - rows of a table


if __name__ == "__main__":
    main()
