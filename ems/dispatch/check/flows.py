"""Power: the bus balances, and load, PV, grid and storage stay inside their limits."""

from collections.abc import Iterator

from ems.dispatch.check.findings import Violation, above, tolerance_kw
from ems.dispatch.check.load import demand_kw, load, missing_kw
from ems.model.plan import PlanStep
from ems.model.problem import PlanningProblem


def flows(problem: PlanningProblem, step: PlanStep, t: int) -> Iterator[Violation]:
    """Re-simulate the powers of a step."""
    yield from load(problem, step, t)
    yield from _balance(problem, step, t)
    yield from above(t, "pv_kw", step.pv_kw, problem.available_pv_kw(t))
    grid = problem.connection
    connected = 0 if grid is None else grid.connected_at(t)
    yield from above(t, "import_kw", step.import_kw, 0.0 if grid is None else connected * grid.import_limit_kw[t])
    yield from above(t, "export_kw", step.export_kw, 0.0 if grid is None else connected * grid.export_limit_kw[t])
    for pool, data in zip(step.pools, problem.pools, strict=True):
        yield from above(t, f"{pool.id} charge_kw", pool.charge_kw, data.max_charge_kw[t])
        yield from above(t, f"{pool.id} discharge_kw", pool.discharge_kw, data.max_discharge_kw[t])
        both = min(pool.charge_kw, pool.discharge_kw)
        yield from above(t, f"{pool.id} charges and discharges at once, kW", both, 0.0)


def _balance(problem: PlanningProblem, step: PlanStep, t: int) -> Iterator[Violation]:
    served_kw = demand_kw(problem, step)
    supplied_kw = (
        step.pv_kw
        + sum(genset.power_kw for genset in step.gensets)
        + sum(pool.discharge_kw - pool.charge_kw for pool in step.pools)
        + step.import_kw
        - step.export_kw
    )
    # unserved load is either missing from it_kw or, beyond the racks, from the supply
    others_kw = step.unserved_kw - missing_kw(problem, step, t)
    off_kw = abs(supplied_kw + others_kw - step.surplus_kw - served_kw)
    if off_kw > tolerance_kw(served_kw):
        yield Violation(step=t, what="balance error, kW", value=off_kw, limit=tolerance_kw(served_kw))
