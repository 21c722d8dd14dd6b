"""What a loss takes at most, from data alone: bounds for what is decided before or beside the MILP."""

from typing import assert_never

from ems.model.problem import ContingencyKind, Loss, PlanningProblem


def greatest_loss_kw(
    problem: PlanningProblem, loss: Loss, t: int, *, grid_kw: float, set_kw: float, pool_kw: float
) -> float:
    """Return the most that a loss takes in step t (kW, never negative).

    `grid_kw` is the import, `set_kw` the output of one set of its class and `pool_kw` the discharge of its whole pool
    that the caller takes for possible.
    """
    match loss.kind:
        case ContingencyKind.GRID:
            return grid_kw
        case ContingencyKind.GENSET:
            return loss.count * set_kw
        case ContingencyKind.BLOCK:
            pool = next(pool for pool in problem.pools if pool.id == loss.member)
            return pool_kw * min(1.0, loss.count / max(1, pool.n_blocks))
        case ContingencyKind.PV_BLOCK:
            plant = next(plant for plant in problem.pv if plant.id == loss.member)
            return plant.available_kw[t] * min(1.0, loss.count / plant.n_blocks)
        case ContingencyKind.LOAD:
            return 0.0
        case _:
            assert_never(loss.kind)
