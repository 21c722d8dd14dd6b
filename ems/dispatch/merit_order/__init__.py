"""Fixed, good rules instead of an optimum: what the site does when there is no plan, written out as a plan.

PV first. Islanded, the store follows the net load and sets start just above the floor, as many as carry the net
deficit inside their economic band. On the grid, the store is charged in the cheapest hours under the peak target
and discharged in the dearest ones where the spread pays. Control applies the start and stop rules itself each
second; this plan shows where they lead and gives the grid targets. No pyomo here.
"""

from dataclasses import replace

from ems.dispatch.merit_order.costs import fuel_l_per_h, objective
from ems.dispatch.merit_order.grid import on_grid_kw
from ems.dispatch.merit_order.sets import RunState, islanded_kw
from ems.dispatch.merit_order.store import Store
from ems.dispatch.steps import unshaped_steps
from ems.model.plan import GensetStep, Plan, PlanSource, PlanStatus, PlanStep, PoolStep, SolveTimings
from ems.model.problem import PlanningProblem
from ems.model.reason import SITE, Reason, ReasonCode
from ems.model.site import Site

__all__ = ["merit_order_plan"]

SCHEMA = "plan/1"


def merit_order_plan(site: Site, problem: PlanningProblem) -> Plan:
    """Run the rules forward over the forecasts of a problem."""
    store = Store(pools=problem.pools)
    state = RunState(
        stored_kwh=sum(pool.stored_kwh for pool in problem.pools),
        n_on=[sum(unit.on and unit.available for unit in genset.units) for genset in problem.gensets],
        on_h=max((unit.since_h for genset in problem.gensets for unit in genset.units if unit.on), default=0.0),
    )
    unshaped = unshaped_steps(problem)
    steps = tuple(_step(site, problem, store, state, unshaped[t], t) for t in range(problem.grid.n_steps))
    return Plan(
        schema=SCHEMA,
        problem_id=problem.id,
        site_id=problem.site_id,
        created_utc=problem.created_utc,
        source=PlanSource.MERIT_ORDER,
        status=PlanStatus.FALLBACK,
        gap_frac=None,
        objective=objective(problem, steps),
        timings=SolveTimings(),
        steps=steps,
        note="threshold rules",
    )


def _step(site: Site, problem: PlanningProblem, store: Store, state: RunState, unshaped: PlanStep, t: int) -> PlanStep:
    hours = problem.grid.duration_h[t]
    demand_kw = unshaped.load_kw
    pv_kw = problem.available_pv_kw(t)
    net_kw = demand_kw - pv_kw
    grid = problem.connection
    before = list(state.n_on)
    if grid is not None and grid.connected_at(t):
        state.n_on = [0] * len(before)
        state.on_h = 0.0
        battery_kw = on_grid_kw(problem, store, state.stored_kwh, grid, t=t, net_kw=net_kw)
        import_kw = min(max(0.0, net_kw - battery_kw), grid.import_limit_kw[t])
        gensets_kw = [0.0] * len(before)
    else:
        gensets_kw = islanded_kw(site, problem, store, state, t=t, net_kw=net_kw)
        import_kw = 0.0
        battery_kw = net_kw - sum(gensets_kw)
    charge_max = store.max_charge_kw(t, stored_kwh=state.stored_kwh, hours=hours)
    discharge_max = store.max_discharge_kw(t, stored_kwh=state.stored_kwh, down_to_kwh=store.min_kwh, hours=hours)
    battery_kw = max(-charge_max, min(battery_kw, discharge_max))
    balance_kw = demand_kw - battery_kw - import_kw - sum(gensets_kw)
    used_kw = max(0.0, min(pv_kw, balance_kw))
    state.stored_kwh = max(0.0, store.after(state.stored_kwh, power_kw=battery_kw, hours=hours))
    return _plan_step(
        problem,
        store,
        unshaped=unshaped,
        used_kw=used_kw,
        import_kw=import_kw,
        battery_kw=battery_kw,
        stored_kwh=state.stored_kwh,
        n_on=state.n_on,
        before=before,
        gensets_kw=gensets_kw,
        unserved_kw=max(0.0, balance_kw - pv_kw),
        # sets that may not stop yet, and a store that has no room for them
        surplus_kw=max(0.0, -balance_kw),
    )


def _plan_step(
    problem: PlanningProblem,
    store: Store,
    *,
    unshaped: PlanStep,
    used_kw: float,
    import_kw: float,
    battery_kw: float,
    stored_kwh: float,
    n_on: list[int],
    before: list[int],
    gensets_kw: list[float],
    unserved_kw: float,
    surplus_kw: float,
) -> PlanStep:
    shares = [pool.full_kwh / max(1e-9, store.full_kwh) for pool in problem.pools]
    return replace(
        unshaped,
        pv_kw=used_kw,
        import_kw=import_kw,
        unserved_kw=unserved_kw,
        surplus_kw=surplus_kw,
        pools=tuple(
            PoolStep(
                id=pool.id,
                charge_kw=share * max(0.0, -battery_kw),
                discharge_kw=share * max(0.0, battery_kw),
                stored_end_kwh=share * stored_kwh,
            )
            for pool, share in zip(problem.pools, shares, strict=True)
        ),
        gensets=tuple(
            GensetStep(
                id=data.id,
                n_on=n,
                n_started=max(0, n - was),
                n_stopped=max(0, was - n),
                power_kw=power_kw,
                fuel_l_per_h=fuel_l_per_h(problem, c, n, power_kw),
            )
            for c, (data, n, was, power_kw) in enumerate(zip(problem.gensets, n_on, before, gensets_kw, strict=True))
        ),
        reasons=(Reason(code=ReasonCode.RULES, asset=SITE, text="threshold rules"),),
    )
