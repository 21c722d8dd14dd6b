"""Cycles that follow each other, with revised forecasts: `python -m tests.benchmark.rolling INSTANCE cold|warm FILE`.

Each cycle's first step is carried out as planned, its end is the next cycle's state. The cost is that of the steps
that were carried out, less the worth of what is stored more at the end than at the beginning.
"""

import json
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ems.dispatch.check import evaluate
from ems.dispatch.milp.engine import DispatchEngine
from ems.model.plan import Plan, PlanStep
from ems.model.problem import PlanningProblem, PreviousCommitment, UnitHistory
from tests.benchmark.clock import highs_clock
from tests.benchmark.instances import BenchmarkSite, SiteState, instance
from tests.benchmark.series import DAEMON_GAP_FRAC

_LIMIT_S = 25.0


class Start(StrEnum):
    """Whether a cycle begins with the commitment of the plan before."""

    COLD = "cold"
    WARM = "warm"


def after(problem: PlanningProblem, plan: Plan) -> SiteState:
    """Return the state at the end of the plan's first step; the longest rested start, the longest running stop."""
    step = plan.steps[0]
    return SiteState(
        stored_kwh=tuple(pool.stored_end_kwh for pool in step.pools),
        units=tuple(
            _units_after(genset.units, step.gensets[c].n_on, step.duration_h)
            for c, genset in enumerate(problem.gensets)
        ),
    )


def shifted(plan: Plan, problem: PlanningProblem) -> tuple[PreviousCommitment, ...]:
    """Return a plan's commitment on the steps of the next problem; its last one beyond its end."""
    steps = [plan.step_at(begin) or plan.steps[-1] for begin in problem.grid.starts_utc]
    return tuple(
        PreviousCommitment(id=genset.id, n_on=tuple(step.gensets[c].n_on for step in steps))
        for c, genset in enumerate(problem.gensets)
    )


def step_cost(problem: PlanningProblem, step: PlanStep) -> float:
    """Return what the first step of a plan costs."""
    prices, fuel, grid = problem.prices, problem.fuel, problem.connection
    cost = prices.unserved_per_kwh * (step.unserved_kw + 1.1 * step.surplus_kw)
    for pool, flows in zip(problem.pools, step.pools, strict=True):
        cost += pool.wear_cost_per_kwh * flows.discharge_kw
    starts = 0.0
    for genset, units in zip(problem.gensets, step.gensets, strict=True):
        per_l = 0.0 if fuel is None else fuel.price_per_l + prices.co2_per_kg * fuel.kgco2e_per_l
        cost += per_l * units.fuel_l_per_h + genset.run_wear_cost_per_h * units.n_on
        starts += genset.start_cost * units.n_started
    if grid is not None:
        cost += (grid.price_per_kwh[0] + prices.co2_per_kg * grid.kgco2e_at(0)) * step.import_kw
        cost -= grid.export_price_at(0) * step.export_kw
    return starts + step.duration_h * cost


def main(
    name: Annotated[str, typer.Argument()],
    start: Annotated[Start, typer.Argument()],
    file: Annotated[Path, typer.Argument()],
    cycles: Annotated[int, typer.Option()] = 50,
) -> None:
    """Run the cycles and write processor times of HiGHS and the cost as JSON."""
    site, engine = BenchmarkSite(instance(name)), DispatchEngine()
    state, cost = site.initial, 0.0
    plan: Plan | None = None
    times, passed = [], []
    for cycle in range(cycles):
        problem = site.problem(cycle, state, gap_frac=DAEMON_GAP_FRAC)
        options = replace(problem.options, time_limit_s=_LIMIT_S, warm_start=start is Start.WARM)
        problem = replace(problem, options=options, previous=() if plan is None else shifted(plan, problem))
        with highs_clock() as clock:
            plan = engine.solve(problem)
        times.append(clock.highs_s)
        passed.append(evaluate(problem, plan).passed)
        cost += step_cost(problem, plan.steps[0])
        state = after(problem, plan)
    worth = problem.pools[0].terminal_value[0].value_per_kwh
    cost -= worth * (sum(state.stored_kwh) - sum(site.initial.stored_kwh))
    result = {"instance": name, "start": start.value, "solve_s": times, "passed": passed, "cost": cost}
    file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _units_after(units: tuple[UnitHistory, ...], n_on: int, hours: float) -> tuple[UnitHistory, ...]:
    by_age = sorted(units, key=lambda unit: -unit.since_h)
    kept = [unit for unit in by_age if unit.on]
    rested = [unit for unit in by_age if not unit.on]
    # the longest running go first where units stop
    running = {
        unit.id for unit in (kept[len(kept) - n_on :] if n_on < len(kept) else kept + rested[: n_on - len(kept)])
    }
    return tuple(
        UnitHistory(
            id=unit.id,
            on=unit.id in running,
            since_h=hours if unit.on != (unit.id in running) else unit.since_h + hours,
        )
        for unit in units
    )


if __name__ == "__main__":
    typer.run(main)
