"""Fixed, good rules instead of an optimum: what the site does when there is no plan, written out as a plan.

PV first. Islanded, the store follows the net load and sets start just above the floor, as many as carry the net
deficit inside their economic band. On the grid, the store is charged in the cheapest hours under the peak target
and discharged in the dearest ones where the spread pays. Control applies the start and stop rules itself each
second; this plan shows where they lead and gives the grid targets. No pyomo here.
"""

from dataclasses import dataclass, replace

from ems.dispatch.steps import unshaped_steps
from ems.dispatch.unit_history import is_out
from ems.model.plan import (
    GensetStep,
    ObjectiveTerms,
    Plan,
    PlanSource,
    PlanStatus,
    PlanStep,
    PoolStep,
    SolveTimings,
)
from ems.model.problem import GridProblem, PlanningProblem, PoolProblem
from ems.model.reason import SITE, Reason, ReasonCode
from ems.model.site import Site
from ems.model.units import HOURS_PER_DAY, frac

SCHEMA = "plan/1"
# a store below its floor is filled up to it in this time
_RESTORE_H = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Store:
    """All pools together, each taking its share of every flow."""

    pools: tuple[PoolProblem, ...]

    @property
    def full_kwh(self) -> float:
        return sum(pool.full_kwh for pool in self.pools)

    @property
    def max_kwh(self) -> float:
        return sum(pool.max_stored_kwh for pool in self.pools)

    @property
    def min_kwh(self) -> float:
        return sum(pool.min_stored_kwh for pool in self.pools)

    @property
    def charge_eff_frac(self) -> float:
        return min((pool.charge_eff_frac for pool in self.pools), default=1.0)

    @property
    def discharge_eff_frac(self) -> float:
        return min((pool.discharge_eff_frac for pool in self.pools), default=1.0)

    @property
    def no_load_kw(self) -> float:
        return sum(pool.no_load_kw for pool in self.pools)

    @property
    def wear_cost_per_kwh(self) -> float:
        return max((pool.wear_cost_per_kwh for pool in self.pools), default=0.0)

    def max_charge_kw(self, t: int, *, stored_kwh: float, hours: float) -> float:
        by_power = sum(pool.max_charge_kw[t] for pool in self.pools)
        return max(0.0, min(by_power, (self.max_kwh - stored_kwh) / (hours * self.charge_eff_frac)))

    def max_discharge_kw(self, t: int, *, stored_kwh: float, down_to_kwh: float, hours: float) -> float:
        by_power = sum(pool.max_discharge_kw[t] for pool in self.pools)
        by_energy = (stored_kwh - down_to_kwh) * self.discharge_eff_frac / hours - self.no_load_kw
        return max(0.0, min(by_power, by_energy))

    def after(self, stored_kwh: float, *, power_kw: float, hours: float) -> float:
        charged = max(0.0, -power_kw) * self.charge_eff_frac
        drawn = (max(0.0, power_kw) + self.no_load_kw) / self.discharge_eff_frac
        return stored_kwh + hours * (charged - drawn)


@dataclass(slots=True)
class _State:
    """What the forward run carries from step to step."""

    stored_kwh: float
    n_on: list[int]
    on_h: float


def merit_order_plan(site: Site, problem: PlanningProblem) -> Plan:
    """Run the rules forward over the forecasts of a problem."""
    store = _Store(pools=problem.pools)
    state = _State(
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
        objective=_objective(problem, steps),
        timings=SolveTimings(),
        steps=steps,
        note="threshold rules",
    )


def _step(site: Site, problem: PlanningProblem, store: _Store, state: _State, unshaped: PlanStep, t: int) -> PlanStep:
    hours = problem.grid.duration_h[t]
    demand_kw = unshaped.load_kw
    pv_kw = problem.available_pv_kw(t)
    net_kw = demand_kw - pv_kw
    grid = problem.connection
    before = list(state.n_on)
    if grid is not None and grid.connected_at(t):
        state.n_on = [0] * len(before)
        state.on_h = 0.0
        battery_kw = _on_grid(problem, store, state.stored_kwh, grid, t=t, net_kw=net_kw)
        import_kw = min(max(0.0, net_kw - battery_kw), grid.import_limit_kw[t])
        gensets_kw = [0.0] * len(before)
    else:
        gensets_kw = _islanded(site, problem, store, state, t=t, net_kw=net_kw)
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


def _islanded(
    site: Site, problem: PlanningProblem, store: _Store, state: _State, *, t: int, net_kw: float
) -> list[float]:
    """Apply the start and stop rules of control to the forecast; return each class's power."""
    hours = problem.grid.duration_h[t]
    start_kwh = problem.reserve.floor_at(t) + frac(site.control.soc_start_above_floor_pct) * store.full_kwh
    stop_kwh = start_kwh + frac(site.control.soc_stop_above_start_pct) * store.full_kwh
    ahead_kwh = store.after(state.stored_kwh, power_kw=net_kw, hours=hours)
    running = any(state.n_on)
    if running and (state.stored_kwh >= stop_kwh or net_kw <= 0.0) and state.on_h >= _min_up_h(site):
        state.n_on = [0] * len(state.n_on)
    elif running or (ahead_kwh <= start_kwh and net_kw > 0.0):
        state.n_on = _sets(site, problem, net_kw, t)
    state.on_h = state.on_h + hours if any(state.n_on) else 0.0
    powers = []
    left_kw = net_kw
    for genset, n_on in zip(site.gensets, state.n_on, strict=True):
        power_kw = max(n_on * genset.band_low_frac * genset.rated_kw, min(left_kw, n_on * genset.rated_kw))
        powers.append(power_kw)
        left_kw -= power_kw
    return powers


def _sets(site: Site, problem: PlanningProblem, net_kw: float, t: int) -> list[int]:
    """Return how many units of each class carry a net deficit inside the economic band."""
    left_kw = net_kw
    counts = []
    for genset, data in zip(site.gensets, problem.gensets, strict=True):
        n_available = sum(unit.available and not is_out(problem, data, unit, t) for unit in data.units)
        n_on = min(genset.sets_to_carry(left_kw), n_available)
        counts.append(n_on)
        left_kw -= n_on * genset.band_high_frac * genset.rated_kw
    return counts


def _min_up_h(site: Site) -> float:
    return max((genset.min_up_h for genset in site.gensets), default=0.0)


def _on_grid(
    problem: PlanningProblem, store: _Store, stored_kwh: float, grid: GridProblem, *, t: int, net_kw: float
) -> float:
    """Return the store's power: surplus PV in, cheapest hours in, dearest hours out, the peak shaved."""
    hours = problem.grid.duration_h[t]
    floor_kwh = problem.reserve.floor_at(t)
    limit_kw = min(_peak_target_kw(grid, t), grid.import_limit_kw[t])
    prices = _prices_of_day(problem, grid, t)
    low, high = min(prices), max(prices)
    pays = high * store.discharge_eff_frac - low / store.charge_eff_frac > store.wear_cost_per_kwh
    out_max_kw = store.max_discharge_kw(t, stored_kwh=stored_kwh, down_to_kwh=floor_kwh, hours=hours)
    battery_kw = 0.0
    if net_kw < 0.0:
        battery_kw = net_kw
    elif grid.price_per_kwh[t] == low and (pays or stored_kwh < floor_kwh):
        battery_kw = -_cheap_charge_kw(problem, store, stored_kwh, grid, t=t)
    elif pays and grid.price_per_kwh[t] == high:
        dear_h = _hours_at(problem, grid, t, price=high)
        battery_kw = min(net_kw, out_max_kw, (stored_kwh - floor_kwh) * store.discharge_eff_frac / dear_h)
    # the import limit and the peak target narrow whatever the price suggests
    battery_kw = max(battery_kw, net_kw - limit_kw)
    if stored_kwh < floor_kwh:
        # the floor is worth more than a peak: back above it soon, up to the contract's limit
        back_kw = (floor_kwh - stored_kwh) / (_RESTORE_H * store.charge_eff_frac) + store.no_load_kw
        battery_kw = max(min(battery_kw, -back_kw), net_kw - grid.import_limit_kw[t])
    in_max_kw = store.max_charge_kw(t, stored_kwh=stored_kwh, hours=hours)
    return max(-in_max_kw, min(battery_kw, out_max_kw))


def _cheap_charge_kw(problem: PlanningProblem, store: _Store, stored_kwh: float, grid: GridProblem, *, t: int) -> float:
    """Spread the charge over the cheap hours that are left, leaving room for the coming day's PV surplus."""
    surplus_kwh = 0.0
    for step in _next_day(problem, t):
        pv_kw = problem.available_pv_kw(step)
        surplus_kwh += max(0.0, pv_kw - problem.demand_kw(step)) * problem.grid.duration_h[step]
    target_kwh = store.max_kwh - surplus_kwh * store.charge_eff_frac
    cheap_h = _hours_at(problem, grid, t, price=grid.price_per_kwh[t])
    return max(0.0, target_kwh - stored_kwh) / (cheap_h * store.charge_eff_frac)


def _hours_at(problem: PlanningProblem, grid: GridProblem, t: int, *, price: float) -> float:
    """Return how long a price lasts from step t: the unbroken stretch for charging and discharging alike."""
    hours = 0.0
    for step in range(t, problem.grid.n_steps):
        if grid.price_per_kwh[step] != price:
            break
        hours += problem.grid.duration_h[step]
    return hours


def _prices_of_day(problem: PlanningProblem, grid: GridProblem, t: int) -> list[float]:
    """Return the prices of the coming day; near the end of the horizon those of its last day."""
    offset_h = problem.grid.offset_h
    first = t
    while first > 0 and offset_h[first] + HOURS_PER_DAY > offset_h[-1]:
        first -= 1
    return [grid.price_per_kwh[step] for step in _next_day(problem, first)]


def _next_day(problem: PlanningProblem, t: int) -> range:
    offset_h = problem.grid.offset_h
    last = t
    while last < problem.grid.n_steps and offset_h[last] < offset_h[t] + HOURS_PER_DAY:
        last += 1
    return range(t, last)


def _peak_target_kw(grid: GridProblem, t: int) -> float:
    floors = [month.floor_kw for month in grid.demand if month.first_step <= t < month.end_step]
    return max(floors, default=grid.import_limit_kw[t])


def _plan_step(
    problem: PlanningProblem,
    store: _Store,
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
                fuel_l_per_h=_fuel_l_per_h(problem, c, n, power_kw),
            )
            for c, (data, n, was, power_kw) in enumerate(zip(problem.gensets, n_on, before, gensets_kw, strict=True))
        ),
        reasons=(Reason(code=ReasonCode.RULES, asset=SITE, text="threshold rules"),),
    )


def _fuel_l_per_h(problem: PlanningProblem, c: int, n_on: int, power_kw: float) -> float:
    if n_on == 0:
        return 0.0
    data = problem.gensets[c]
    above_kw = max(0.0, power_kw / n_on - data.min_kw)
    rate = data.min_fuel_l_per_h
    for segment in data.segments:
        rate += min(above_kw, segment.width_kw) * segment.fuel_l_per_kwh
        above_kw = max(0.0, above_kw - segment.width_kw)
    return n_on * rate


def _objective(problem: PlanningProblem, steps: tuple[PlanStep, ...]) -> ObjectiveTerms:
    """Return the terms that the rules' flows cost."""
    price = 0.0 if problem.fuel is None else problem.fuel.price_per_l
    factor = 0.0 if problem.fuel is None else problem.fuel.kgco2e_per_l
    litres = sum(genset.fuel_l_per_h * step.duration_h for step in steps for genset in step.gensets)
    grid = problem.connection
    bought = carbon = 0.0
    if grid is not None:
        imported = [step.import_kw * step.duration_h for step in steps]
        bought = sum(kwh * p for kwh, p in zip(imported, grid.price_per_kwh, strict=True))
        carbon = sum(kwh * f for kwh, f in zip(imported, grid.kgco2e_per_kwh, strict=True))
    return ObjectiveTerms(
        energy_import_cost=bought,
        fuel_cost=litres * price,
        starts_cost=sum(
            step.gensets[c].n_started * data.start_cost for step in steps for c, data in enumerate(problem.gensets)
        ),
        genset_wear_cost=sum(
            step.gensets[c].n_on * step.duration_h * data.run_wear_cost_per_h
            for step in steps
            for c, data in enumerate(problem.gensets)
        ),
        battery_wear_cost=sum(
            step.pools[p].discharge_kw * step.duration_h * pool.wear_cost_per_kwh
            for step in steps
            for p, pool in enumerate(problem.pools)
        ),
        co2_cost=(litres * factor + carbon) * problem.prices.co2_per_kg,
    )
