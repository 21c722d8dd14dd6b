"""The dispatcher beside a matrix by hand, PyPSA and oemof.solph: one thread, same HiGHS, a process per cell.

What has been measured lies in build/commitment and is not measured again, so that an interrupted table goes on where
it stopped; `rm -r build/commitment` begins anew. QUICK=1 takes the small half of the table.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from math import exp, log
from pathlib import Path
from typing import Any, Final

from tests.benchmark.series import ALL_H
from tests.campaigns.rows import BUILD, Row, skipped

ROOT: Final = BUILD.parent
CELLS: Final = BUILD / "commitment"
OWN: Final = ("dispatcher", "matrix")
PEERS: Final = ("pypsa", "oemof")
# seconds beyond HiGHS's limit after which a process is ended: building, and limits that are not obeyed
_BEYOND_LIMIT_S: Final = 120.0
# of the clock's time that HiGHS needs of a processor for its limit to say something
_LEAST_SHARE: Final = 0.9
# targets of the table
OBJECTIVE_FRAC: Final = 0.001
HIGHS_RATIO: Final = 1.3
LAYER_S: Final = {"M": 0.03, "L": 0.08}
PEER_LAYER_RATIO: Final = 20.0
PEAK_MB: Final = 400.0
# `planning.integer_h` of the shipped sites
SHIPPED_WHOLE_H: Final = 24.0
ROLLING_P95_S: Final = 6.0

Cell = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a table holds: instances for all stacks, further ones for the first two, and the limits."""

    name: str
    instances: tuple[str, ...]
    own_instances: tuple[str, ...]
    series: tuple[str, ...]
    n_cycles: int
    limit_s: float


def _names(size: str, grids: Sequence[str], seeds: Sequence[int]) -> tuple[str, ...]:
    return tuple(f"{size}-{grid}-{kind}-{seed}" for seed in seeds for grid in grids for kind in ("island", "grid"))


FULL: Final = Scope(
    name="full",
    instances=(*_names("S", ["96"], [1]), *_names("M", ["192", "84"], [1]), *_names("L", ["192", "84"], [1])),
    own_instances=(*_names("M", ["84"], [2, 3, 4]), *_names("L", ["84"], [2])),
    series=(*_names("M", ["84"], range(1, 11)), *_names("L", ["84"], range(1, 11))),
    n_cycles=50,
    limit_s=60.0,
)
QUICK: Final = Scope(
    name="quick",
    instances=(*_names("S", ["96"], [1]), "M-84-grid-1"),
    own_instances=("M-84-island-1",),
    series=_names("M", ["84"], [1, 2]),
    n_cycles=6,
    limit_s=20.0,
)


def measure_commitment() -> Iterator[Row]:
    """Measure the whole table, or the quick one."""
    scope = QUICK if os.environ.get("QUICK") == "1" else FULL
    yield from commitment_rows(scope)


def commitment_rows(scope: Scope) -> Iterator[Row]:
    """Yield a row for every figure, and one for every target."""
    CELLS.mkdir(parents=True, exist_ok=True)
    cells: list[Cell] = []
    for name in (*scope.instances, *scope.own_instances):
        for stack in (*OWN, *PEERS):
            if stack in PEERS and (name not in scope.instances or not _installed(stack)):
                continue
            cell = _cell(stack, name, scope)
            yield from _figures(cell)
            if cell["objective_cost"] is not None and not was_crowded_out(cell):
                cells.append(cell)
    for stack in PEERS:
        if not _installed(stack):
            yield skipped(
                f"commitment.{stack}", "comparison", "the extra bench is not installed: make bench ONLY=commitment"
            )
    yield from target_rows(cells)
    yield from _series_rows(scope)
    yield from _rolling_rows(scope)


def _installed(stack: str) -> bool:
    return find_spec({"pypsa": "pypsa", "oemof": "oemof"}[stack]) is not None


def _cell(stack: str, name: str, scope: Scope) -> Cell:
    """Return a cell, measured in a process of its own unless it lies there already."""
    file = CELLS / f"{stack}_{name}_{scope.limit_s:g}.json"
    command = ["tests.benchmark.cell", stack, name, str(file), "--limit", str(scope.limit_s)]
    found: Cell | None = _measured(file, command, limit_s=2.0 * scope.limit_s + _BEYOND_LIMIT_S)
    if found is None:
        return {"stack": stack, "instance": name, "objective_cost": None}
    if was_crowded_out(found):
        file.unlink()
    return found


def was_crowded_out(cell: Cell) -> bool:
    """Return whether HiGHS stopped at its limit by the clock while other programs had the processor."""
    stopped = cell["gap_frac"] is None or cell["gap_frac"] > cell["target_gap_frac"]
    return bool(stopped and cell["highs_s"] < _LEAST_SHARE * cell["highs_wall_s"])


def _measured(file: Path, command: Sequence[str], *, limit_s: float) -> Any:
    """Return what a module writes into a file as JSON; None where its process failed or did not end."""
    if not file.is_file():
        try:
            subprocess.run(
                [sys.executable, "-W", "ignore", "-m", *command],
                check=True,
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                timeout=limit_s,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            print(f"{command}: {error}", file=sys.stderr)  # noqa: T201 - what the operator of a campaign reads
            return None
    return json.loads(file.read_text(encoding="utf-8"))


def _figures(cell: Cell) -> Iterator[Row]:
    place = f"commitment.{cell['instance']}.{cell['stack']}"
    if cell["objective_cost"] is None:
        yield skipped(place, "plan", "none found within the limit")
        return
    if was_crowded_out(cell):
        yield skipped(place, "plan", "stopped by the clock on a busy machine; not kept, measure again")
        return
    yield Row(id=f"{place}.layer", what="layer, processor time", value=cell["layer_s"], unit="s")
    yield Row(id=f"{place}.highs", what="HiGHS, processor time", value=cell["highs_s"], unit="s")
    yield Row(id=f"{place}.gap", what="gap", value=100.0 * cell["gap_frac"], unit="%")
    yield Row(id=f"{place}.objective", what="objective", value=cell["objective_cost"], unit="EUR")
    yield Row(id=f"{place}.peak", what="peak memory", value=cell["peak_mb"], unit="MB")
    yield Row(
        id=f"{place}.passed",
        what="plan passes the independent check",
        value=float(cell["passed"]),
        unit="share",
        target="1",
        met=cell["passed"],
    )


def target_rows(cells: Sequence[Cell]) -> Iterator[Row]:
    """Yield what the figures of a table mean against the targets."""
    found = {(cell["instance"], cell["stack"]): cell for cell in cells if cell["objective_cost"] is not None}
    ours = [cell for (_, stack), cell in found.items() if stack == "dispatcher"]
    if not ours:
        yield skipped("commitment.targets", "targets", "the dispatcher found no plan")
        return
    worst = max(
        cell["objective_cost"]
        / min(other["objective_cost"] for (name, _), other in found.items() if name == cell["instance"])
        - 1.0
        for cell in ours
    )
    yield _judged(
        "objective", "objective above the best of all stacks, worst", 100.0 * worst, "%", 100.0 * OBJECTIVE_FRAC
    )
    ratios = [
        cell["highs_s"] / found[cell["instance"], "matrix"]["highs_s"]
        for cell in ours
        if (cell["instance"], "matrix") in found
    ]
    if ratios:
        mean = exp(sum(log(ratio) for ratio in ratios) / len(ratios))
        yield _judged("highs", "HiGHS time against the matrix by hand, geometric mean", mean, "ratio", HIGHS_RATIO)
    for size, limit_s in LAYER_S.items():
        layers = [cell["layer_s"] for cell in ours if cell["instance"].startswith(size)]
        if layers:
            yield _judged(f"layer.{size}", f"layer at {size}, greatest", max(layers), "s", limit_s)
    against = [
        other["layer_s"] / found[name, "dispatcher"]["layer_s"]
        for (name, stack), other in found.items()
        if stack in PEERS and not name.startswith("S") and (name, "dispatcher") in found
    ]
    if against:
        yield Row(
            id="commitment.target.peers",
            what="layers of PyPSA and oemof.solph against ours at M and L, least",
            value=min(against),
            unit="ratio",
            target=f">= {PEER_LAYER_RATIO:g}",
            met=min(against) >= PEER_LAYER_RATIO,
        )
    peaks = [cell["peak_mb"] for cell in ours if cell["instance"].startswith("L")]
    if peaks:
        yield _judged("peak", "peak memory at L, greatest", max(peaks), "MB", PEAK_MB)


def _judged(name: str, what: str, value: float, unit: str, limit: float) -> Row:
    return Row(
        id=f"commitment.target.{name}", what=what, value=value, unit=unit, target=f"<= {limit:g}", met=value <= limit
    )


def _series_rows(scope: Scope) -> Iterator[Row]:
    """Yield how long HiGHS takes to a gap of 0.5 % over seeds of the 84-step grid.

    Once with every count whole, once as the daemon ships: whole for the hours of the sites' `integer_h`.
    """
    for size in sorted({name[0] for name in scope.series}, reverse=True):
        names = [name for name in scope.series if name.startswith(size)]
        for hours in (ALL_H, SHIPPED_WHOLE_H):
            whole = "" if hours == ALL_H else f", whole for {hours:.0f} h"
            file = CELLS / f"series_{size}_{len(names)}_{hours:.0f}h.json"
            command = ["tests.benchmark.series", str(file), *names, "--limit", str(scope.limit_s)]
            command += ["--whole-h", str(hours)]
            found = _measured(file, command, limit_s=len(names) * (scope.limit_s + 10.0))
            place, what = f"series.{size}.{hours:.0f}h", f"84 steps at 0.5 %{whole}"
            if found is None:
                yield skipped(f"commitment.{place}", what, "the process failed")
                continue
            times = sorted(found["solve_s"])
            yield Row(id=f"commitment.{place}.p50", what=f"{what}, p50", value=quantile(times, 0.5), unit="s")
            yield _judged(place, f"{what}, p95", quantile(times, 0.95), "s", ROLLING_P95_S)


def _rolling_rows(scope: Scope) -> Iterator[Row]:
    """Yield how following cycles of M with revised forecasts are solved, from nothing and from the plan before."""
    for kind in ("island", "grid") if scope.n_cycles else ():
        for start in ("cold", "warm"):
            name = f"M-84-{kind}-1"
            file = CELLS / f"rolling_{name}_{start}_{scope.n_cycles}.json"
            command = ["tests.benchmark.rolling", name, start, str(file), "--cycles", str(scope.n_cycles)]
            found = _measured(file, command, limit_s=scope.n_cycles * 30.0)
            place = f"commitment.rolling.{kind}.{start}"
            if found is None:
                yield skipped(place, "rolling cycles", "the process failed")
                continue
            times = sorted(found["solve_s"])
            yield Row(id=f"{place}.p50", what=f"{scope.n_cycles} cycles, p50", value=quantile(times, 0.5), unit="s")
            yield Row(id=f"{place}.p95", what=f"{scope.n_cycles} cycles, p95", value=quantile(times, 0.95), unit="s")
            yield Row(id=f"{place}.cost", what="cost of what was carried out", value=found["cost"], unit="EUR")


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which a share of an ordered series lies; the nearest rank."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
