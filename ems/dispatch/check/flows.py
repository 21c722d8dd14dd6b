"""Power: the bus balances, and load, PV, grid and storage stay inside their limits."""

from collections.abc import Iterator

from ems.dispatch.check.findings import Violation, above, differs, tolerance_kw
from ems.model.plan import PlanStep
from ems.model.problem import PlanningProblem


def flows(problem: PlanningProblem, step: PlanStep, t: int) -> Iterator[Violation]:
    """Re-simulate the powers of a step."""
    yield from _load(problem, step, t)
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


def _load(problem: PlanningProblem, step: PlanStep, t: int) -> Iterator[Violation]:
    """Cooling, auxiliaries and losses follow from the IT load that is served; what is not served is reported."""
    load = problem.load
    yield from differs(t, "cooling_kw", step.cooling_kw, _cooling_kw(problem, step, t))
    yield from differs(t, "aux_kw", step.aux_kw, _aux_kw(problem, step, t))
    served_kw = step.it_kw + step.cooling_kw + step.aux_kw
    yield from differs(t, "loss_kw", step.loss_kw, load.site_loss_frac * served_kw)
    yield from above(t, "it_kw", step.it_kw, load.it_kw[t])
    if load.it_kw[t] - step.it_kw > step.unserved_kw + tolerance_kw(load.it_kw[t]):
        yield Violation(
            step=t, what="IT load neither served nor reported unserved, kW", value=step.it_kw, limit=load.it_kw[t]
        )


def _cooling_kw(problem: PlanningProblem, step: PlanStep, t: int) -> float:
    """Return the highest support line at the served IT power."""
    return max([line.c0_kw[t] + line.c1_frac[t] * step.it_kw for line in problem.load.cooling], default=0.0)


def _aux_kw(problem: PlanningProblem, step: PlanStep, t: int) -> float:
    constant = problem.load.aux_constant_kw
    return (constant[t] if constant else 0.0) + problem.load.aux_frac_of_it * step.it_kw


def _balance(problem: PlanningProblem, step: PlanStep, t: int) -> Iterator[Violation]:
    served_kw = (1.0 + problem.load.site_loss_frac) * (step.it_kw + step.cooling_kw + step.aux_kw)
    supplied_kw = (
        step.pv_kw
        + sum(genset.power_kw for genset in step.gensets)
        + sum(pool.discharge_kw - pool.charge_kw for pool in step.pools)
        + step.import_kw
        - step.export_kw
    )
    # unserved load is either missing from it_kw or, beyond the racks, from the supply
    missing_it_kw = problem.load.it_kw[t] - step.it_kw
    off_kw = abs(supplied_kw + step.unserved_kw - missing_it_kw - step.surplus_kw - served_kw)
    if off_kw > tolerance_kw(served_kw):
        yield Violation(step=t, what="balance error, kW", value=off_kw, limit=tolerance_kw(served_kw))
