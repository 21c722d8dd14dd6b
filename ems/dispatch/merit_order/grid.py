"""The store on the grid: charged in the cheapest hours, discharged in the dearest, the peak shaved."""

from ems.dispatch.merit_order.store import Store
from ems.model.problem import GridProblem, PlanningProblem
from ems.model.units import HOURS_PER_DAY

# a store below its floor is filled up to it in this time
_RESTORE_H = 0.5


def on_grid_kw(
    problem: PlanningProblem, store: Store, stored_kwh: float, grid: GridProblem, *, t: int, net_kw: float
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


def _cheap_charge_kw(problem: PlanningProblem, store: Store, stored_kwh: float, grid: GridProblem, *, t: int) -> float:
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
