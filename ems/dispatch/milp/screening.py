"""Decides, before a model is built, whether its upward reserve rows and those of its fuel tank could bind at all.

On a site with far more storage power than load they never do; without them the solve is two to four times
faster. Beforehand the bound holds for every plan that balances and keeps the floor. A plan that breaks the floor
is judged again by what it stores itself: where its rows could bind it is solved anew with all of them.
"""

from ems.dispatch.losses import greatest_loss_kw
from ems.dispatch.milp.group_screening import groups_that_block
from ems.model.plan import Plan
from ems.model.problem import (
    Contingency,
    ContingencyKind,
    GensetProblem,
    Loss,
    PlanningProblem,
    PoolProblem,
    ReserveClassProblem,
)

_NOTHING = Contingency(id="none")


def up_rows_can_bind(problem: PlanningProblem) -> bool:
    """Return False only where every balanced plan above the floor holds every upward reserve."""
    steps = range(problem.grid.n_steps)
    lowest_kwh = min((pool.stored_kwh for pool in problem.pools), default=0.0)
    # without a floor a plan may empty the store
    lowest_kwh = min(lowest_kwh, *(problem.reserve.floor_at(t) for t in steps))
    return _can_bind(problem, [lowest_kwh] * len(steps))


def up_rows_bind_in(problem: PlanningProblem, plan: Plan) -> bool:
    """Return False only where a plan that was made without the rows, whatever it stores, would satisfy them."""
    if len(problem.pools) != 1:
        return bool(problem.reserve.classes)
    after_kwh = [step.pools[0].stored_end_kwh for step in plan.steps]
    before_kwh = [problem.pools[0].stored_kwh, *after_kwh[:-1]]
    return _can_bind(problem, [min(ends) for ends in zip(before_kwh, after_kwh, strict=True)])


def fuel_stock_can_bind(problem: PlanningProblem) -> bool:
    """Return False only where no plan takes the tank below its reserve: every set at full load, and all starts (E7)."""
    if problem.fuel is None or problem.fuel.stock is None:
        return False
    stock = problem.fuel.stock
    most_l_per_h = sum(
        sum(unit.available for unit in genset.units) * genset.full_load_l_per_h for genset in problem.gensets
    )
    most_l = most_l_per_h * problem.grid.offset_h[-1] + sum(_starts_l(problem, genset) for genset in problem.gensets)
    return stock.stock_l - most_l < stock.reserve_l


def _starts_l(problem: PlanningProblem, genset: GensetProblem) -> float:
    """Return what all starts of a class could draw, each after the least run and rest of the one before."""
    apart_h = genset.min_up_h + genset.min_down_h
    n_steps = problem.grid.n_steps
    n_starts = n_steps if apart_h <= 0.0 else min(n_steps, 1 + int(problem.grid.offset_h[-1] / apart_h))
    return genset.start_fuel_l * n_starts * sum(unit.available for unit in genset.units)


def _can_bind(problem: PlanningProblem, lowest_kwh: list[float]) -> bool:
    """Judge every class in every step by the least energy of the steps that its sustain time reaches."""
    if not problem.reserve.classes:
        return False
    # what does not pass a transformer is not held, whatever the store could give
    if groups_that_block(problem, upward=True):
        return True
    # what a set does not deliver while it warms up, storage does
    if len(problem.pools) != 1 or any(_warms(genset) for genset in problem.gensets):
        return True
    pool = problem.pools[0]
    return any(
        not _always_held(problem, pool, reserve, t, lowest_kwh=min(lowest_kwh[t : _reach(problem, reserve, t)]))
        for reserve in problem.reserve.classes
        for t in range(problem.grid.n_steps)
    )


def _warms(genset: GensetProblem) -> bool:
    return genset.warm_up_h > 0.0 or any(unit.on and unit.warm_up_left_h > 0.0 for unit in genset.units)


def _reach(problem: PlanningProblem, reserve: ReserveClassProblem, t: int) -> int:
    """Return the step after the last one that begins within the sustain time."""
    offset_h, end_h = problem.grid.offset_h, problem.grid.offset_h[t] + problem.reserve.sustain_of(reserve)
    end = t + 1
    while end < problem.grid.n_steps and offset_h[end] < end_h:
        end += 1
    return end


def _always_held(
    problem: PlanningProblem, pool: PoolProblem, reserve: ReserveClassProblem, t: int, *, lowest_kwh: float
) -> bool:
    """Compare the least headroom of the pool in a step with the greatest need of each contingency."""
    demand_kw = problem.demand_kw(t) + problem.chillers_most_kw(t)
    export_kw = 0.0 if problem.connection is None else problem.connection.export_limit_kw[t]
    limit_kw = _least_limit_kw(pool, t, lowest_kwh=lowest_kwh)
    # auxiliaries that follow the power come on top of the demand
    aux_frac = (1.0 + problem.load.site_loss_frac) * pool.aux_frac_of_power
    discharge_kw = min(limit_kw, (demand_kw + export_kw) / max(1e-9, 1.0 - aux_frac))
    by_power = limit_kw - discharge_kw
    usable_kwh = max(0.0, lowest_kwh - min(pool.min_stored_kwh, pool.stored_kwh))
    by_energy = usable_kwh * pool.discharge_eff_frac / max(1e-9, problem.reserve.sustain_of(reserve))
    variation_kw = reserve.variation_kw[t] - reserve.shed_at(t) + reserve.pv_drop_frac * problem.available_pv_kw(t)
    for contingency in (_NOTHING, *problem.reserve.contingencies):
        lost_kw = 0.0
        if [loss.kind for loss in contingency.losses] == [ContingencyKind.GRID]:
            # by the balance power headroom less import does not depend on import, energy does
            grid_kw = 0.0 if problem.connection is None else problem.connection.import_limit_kw[t]
            held_kw = min(by_power, by_energy - grid_kw)
        else:
            held_kw = min(by_power, by_energy) * (1.0 - _block_frac(contingency, pool))
            lost_kw = sum(_greatest_kw(problem, loss, t, discharge_kw) for loss in contingency.losses)
        if variation_kw + lost_kw > held_kw:
            return False
    return True


def _least_limit_kw(pool: PoolProblem, t: int, *, lowest_kwh: float) -> float:
    """Return the least discharge limit of a step at any energy from `lowest_kwh` up."""
    ends = (lowest_kwh, pool.highest_kwh(t))
    lines = (line.c0_kw + line.c1_per_h * kwh for line in pool.discharge_by_soc for kwh in ends)
    return max(0.0, min([pool.max_discharge_kw[t], *lines]))


def _block_frac(contingency: Contingency, pool: PoolProblem) -> float:
    """Return the share of the pool that a contingency takes."""
    n_lost = sum(loss.count for loss in contingency.losses if loss.kind is ContingencyKind.BLOCK)
    return min(1.0, n_lost / max(1, pool.n_blocks))


def _greatest_kw(problem: PlanningProblem, loss: Loss, t: int, discharge_kw: float) -> float:
    """Return the most that a loss can take in a step of any plan."""
    grid = problem.connection
    return greatest_loss_kw(
        problem,
        loss,
        t,
        grid_kw=0.0 if grid is None else grid.import_limit_kw[t],
        set_kw=max((genset.max_kw for genset in problem.gensets if genset.id == loss.member), default=0.0),
        pool_kw=discharge_kw,
    )
