"""What storage and PV do."""

import numpy as np

from ems.dispatch.milp.extract.columns import FLOW_TOLERANCE_KW, Columns, clean
from ems.model.plan import PlantStep, PoolStep
from ems.model.problem import PlanningProblem


def plant_steps(problem: PlanningProblem, columns: Columns) -> list[tuple[PlantStep, ...]]:
    """Return what each PV plant delivers, by step."""
    ids = [plant.id for plant in problem.pv]
    return [
        tuple([PlantStep(id=name, power_kw=kw) for name, kw in zip(ids, powers, strict=True)])
        for powers in clean(columns.table("pv_kw").T)
    ]


def auxiliaries_kw(problem: PlanningProblem, columns: Columns) -> list[float]:
    """Return per step what the auxiliaries of storage draw for its power (E11)."""
    flows = columns.table("charge_kw") + columns.table("discharge_kw")
    flows[flows < FLOW_TOLERANCE_KW] = 0.0
    frac = np.asarray([pool.aux_frac_of_power for pool in problem.pools])
    drawn: list[float] = (frac @ flows).tolist() if len(frac) else [0.0] * columns.n_steps
    return drawn


def pool_steps(problem: PlanningProblem, columns: Columns) -> list[tuple[PoolStep, ...]]:
    """Return what each pool of storage does, by step."""
    ids = [pool.id for pool in problem.pools]
    tables = (clean(columns.table("charge_kw").T), clean(columns.table("discharge_kw").T))
    return [
        tuple(
            [
                PoolStep(id=name, charge_kw=charge_kw, discharge_kw=discharge_kw, stored_end_kwh=stored_kwh)
                for name, charge_kw, discharge_kw, stored_kwh in zip(ids, charge, discharge, stored, strict=True)
            ]
        )
        for charge, discharge, stored in zip(*tables, columns.table("stored_kwh").T.tolist(), strict=True)
    ]
