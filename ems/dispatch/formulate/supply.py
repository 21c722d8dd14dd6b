"""Gensets, fuel and the grid connection on the plan's steps."""

from datetime import datetime

from ems.dispatch.formulate.demand import on_steps
from ems.model.condition import GensetCondition, GridCondition, Outlook, SiteCondition
from ems.model.forecast import EvenSeries, PriceForecast
from ems.model.genset import GensetClass
from ems.model.grid import GridConnection, OutageStatistics
from ems.model.problem import DemandProblem, GensetProblem, GridProblem
from ems.model.site import Site
from ems.model.tariff import Tariff
from ems.model.timegrid import TimeGrid, clock_floor
from ems.model.units import HOURS_PER_DAY
from ems.reserve import R2_WITHIN_S, start_failures

# an outage that outlasts every expectation is taken to last this much longer
_OVERDUE_H = 0.25
# hours of a day in which a store can be filled again
_CHEAP_H = 6.0


def genset_problem(
    site: Site, genset: GensetClass, state: GensetCondition, *, ambient_degc: tuple[float, ...]
) -> GensetProblem:
    """Return one class with the history of its units; one with a base load of its own has no other power."""
    lowest_kw, highest_kw = _range_kw(genset, ambient_degc)
    start_cost = genset.start_wear_cost + genset.start_fuel_l * site.economics.diesel_price_per_l
    return GensetProblem(
        id=genset.id,
        units=state.units,
        min_kw=lowest_kw,
        max_kw=highest_kw,
        min_fuel_l_per_h=genset.fuel.fuel_l_per_h(lowest_kw),
        segments=genset.fuel.segments(min_kw=lowest_kw, max_kw=highest_kw),
        min_up_h=genset.min_up_h,
        min_down_h=genset.min_down_h,
        start_cost=start_cost,
        start_fuel_l=genset.start_fuel_l,
        run_wear_cost_per_h=genset.run_wear_cost_per_h,
        step_kw=min(genset.step_frac * genset.rated_kw, highest_kw),
        band_low_kw=min(genset.band_low_frac * genset.rated_kw, lowest_kw)
        if genset.base_load_kw is not None
        else genset.band_low_frac * genset.rated_kw,
        carry_h=genset.carry_h,
        n_start_failures=_n_start_failures(site, genset, state),
    )


def _range_kw(genset: GensetClass, ambient_degc: tuple[float, ...]) -> tuple[float, float]:
    """Return the least and greatest power of a running unit; heat that takes power takes it from a base load too."""
    base_kw = genset.base_load_kw
    if base_kw is None:
        return genset.min_stable_kw, genset.rated_kw
    hottest_kw = min((genset.usable_kw(degc) for degc in ambient_degc), default=base_kw)
    return max(genset.min_stable_kw, min(base_kw, hottest_kw)), base_kw


def _n_start_failures(site: Site, genset: GensetClass, state: GensetCondition) -> int:
    """Return how many sets R2 does not count on: all of them where the first attempt takes too long."""
    if site.reserve.r2 is None:
        return 0
    if genset.first_attempt_s > R2_WITHIN_S:
        return len(state.units)
    n_available = sum(unit.available for unit in state.units)
    return start_failures(
        n_available, failure_frac=genset.start_failure_frac, quantile_frac=site.reserve.r2.start_quantile_frac
    )


def grid_problem(site: Site, condition: SiteCondition, outlook: Outlook, grid: TimeGrid) -> GridProblem | None:
    """Return the connection, None for a site without one."""
    if site.grid is None or condition.grid is None:
        return None
    tariff = site.grid.tariff
    n_steps = grid.n_steps
    carbon = outlook.carbon_kgco2e_per_kwh
    return GridProblem(
        import_limit_kw=(site.grid.import_limit_kw,) * n_steps,
        export_limit_kw=(site.grid.export_limit_kw,) * n_steps,
        connected=_connected(site.grid, condition.grid, grid),
        price_per_kwh=_import_prices(tariff, outlook.prices, grid),
        export_price_per_kwh=_export_prices(tariff, outlook.prices, grid),
        kgco2e_per_kwh=(0.0,) * n_steps
        if carbon is None
        else on_steps(carbon.values, grid, name="grid carbon intensity"),
        demand=_demand(tariff, condition.grid, grid),
        # without a measured exchange nothing is known to ramp from
        ramp_kw_per_min=None if condition.grid.exchange_kw is None else site.grid.ramp_kw_per_min,
        now_kw=condition.grid.exchange_kw or 0.0,
    )


def cheap_hour_price_per_kwh(site: Site, connection: GridProblem | None, outlook: Outlook, grid: TimeGrid) -> float:
    """E12: return the price at which energy for the time after the horizon can be bought, 0 without a grid.

    Of a time-of-use tariff the season's lowest; of real-time prices the mean of the last day's cheapest hours, never
    below zero: a single paid hour says nothing of the next day.
    """
    if site.grid is None or connection is None:
        return 0.0
    if outlook.prices is None:
        return site.grid.tariff.cheapest_price_per_kwh(grid.end_utc)
    last_day = [
        (price, hours)
        for price, hours, offset in zip(connection.price_per_kwh, grid.duration_h, grid.offset_h, strict=False)
        if offset >= grid.offset_h[-1] - HOURS_PER_DAY
    ]
    cost = taken_h = 0.0
    for price, hours in sorted(last_day):
        part_h = min(hours, _CHEAP_H - taken_h)
        cost, taken_h = cost + part_h * price, taken_h + part_h
    return max(0.0, cost / taken_h)


def _import_prices(tariff: Tariff, prices: PriceForecast | None, grid: TimeGrid) -> tuple[float, ...]:
    """Return the real-time price of each step that is wholly known, else the contract's."""
    known = _known(None if prices is None else prices.import_price_per_kwh, grid)
    return tuple(
        tariff.price_per_kwh(start) if price is None else price
        for start, price in zip(grid.starts_utc, known, strict=True)
    )


def _export_prices(tariff: Tariff, prices: PriceForecast | None, grid: TimeGrid) -> tuple[float, ...]:
    known = _known(None if prices is None else prices.export_price_per_kwh, grid)
    return tuple(tariff.export_price_per_kwh if price is None else price for price in known)


def _known(series: EvenSeries | None, grid: TimeGrid) -> list[float | None]:
    ends = (*grid.starts_utc[1:], grid.end_utc)
    return [
        None if series is None else series.mean(start, end) for start, end in zip(grid.starts_utc, ends, strict=True)
    ]


def expected_outage_h(outages: OutageStatistics, *, lost_h: float) -> float:
    """Return the mean time that a running outage will still last.

    With survival (1 - d/longest)^k the mean residual is (longest - elapsed) / (k + 1) = its share of the mean.
    """
    left_h = outages.longest_h - lost_h
    return max(_OVERDUE_H, left_h * outages.mean_h / outages.longest_h)


def _connected(connection: GridConnection, state: GridCondition, grid: TimeGrid) -> tuple[int, ...]:
    """Return 0 for the steps of the running outage and of announced ones."""
    lost_until_h = 0.0 if state.lost_h is None else expected_outage_h(connection.outages, lost_h=state.lost_h)
    return tuple(
        int(offset >= lost_until_h and not _announced(connection, start))
        for offset, start in zip(grid.offset_h, grid.starts_utc, strict=False)
    )


def _announced(connection: GridConnection, start: datetime) -> bool:
    return any(outage.start_utc <= start < outage.end_utc for outage in connection.announced)


def _interval_ends(grid: TimeGrid, first: int, end: int, *, minutes: int) -> tuple[int, ...]:
    """Return the first step after each billing interval of some steps; a step that is longer is taken as one."""
    begins = [clock_floor(start, minutes) for start in grid.starts_utc]
    return tuple(t for t in range(first + 1, end + 1) if t == end or begins[t] != begins[t - 1])


def _demand(tariff: Tariff, state: GridCondition, grid: TimeGrid) -> tuple[DemandProblem, ...]:
    """E15: one billed peak per billing month that the horizon touches."""
    charge = tariff.demand
    if charge is None:
        return ()
    months = [tariff.billing_month_start(start) for start in grid.starts_utc]
    problems = []
    for month in dict.fromkeys(months):
        first = months.index(month)
        end = first + months.count(month)
        running = first == 0
        floor_kw = max(charge.ratchet_kw, charge.expected_peak_kw, state.peak_so_far_kw if running else 0.0)
        problems.append(
            DemandProblem(
                first_step=first,
                end_step=end,
                price_per_kw=charge.price_per_kw_month,
                floor_kw=floor_kw,
                running_kwh=state.running_kwh if running else 0.0,
                running_h=state.running_h if running else 0.0,
                interval_ends=_interval_ends(grid, first, end, minutes=charge.interval_min),
            )
        )
    return tuple(problems)
