"""Diesel on the plan's steps: its price, the stock that is measured, deliveries that fit (E7)."""

from ems.model.condition import SiteCondition
from ems.model.genset import FuelTank
from ems.model.genset_rules import FuelDelivery
from ems.model.problem import FuelProblem, FuelStock
from ems.model.site import Site
from ems.model.timegrid import TimeGrid


def fuel_problem(site: Site, condition: SiteCondition, grid: TimeGrid) -> FuelProblem | None:
    """Return price, carbon and stock of diesel, None for a site without gensets.

    A tank whose level is not known limits nothing: sets are not kept from running by a gauge that is lost.
    """
    if not site.gensets:
        return None
    return FuelProblem(
        price_per_l=site.economics.diesel_price_per_l,
        kgco2e_per_l=site.economics.diesel_kgco2e_per_l,
        stock=None if site.tank is None or condition.tank_l is None else _stock(site.tank, condition.tank_l, grid),
    )


def refused_deliveries(site: Site, condition: SiteCondition, grid: TimeGrid) -> tuple[str, ...]:
    """Return a sentence for each announced delivery that does not fit, as far as the plan looks."""
    if site.tank is None or condition.tank_l is None:
        return ()
    _, refused = _fitting(site.tank, condition.tank_l, grid)
    return tuple(
        f"the delivery of {delivery.volume_l:g} l at {delivery.at_utc:%Y-%m-%d %H:%M} UTC does not fit into the tank "
        "and is not planned with: move it or make it smaller in forecasts.toml"
        for delivery in refused
    )


def _stock(tank: FuelTank, level_l: float, grid: TimeGrid) -> FuelStock:
    fitting, _ = _fitting(tank, level_l, grid)
    delivered = [0.0] * grid.n_steps
    for step, delivery in fitting:
        delivered[step] += delivery.volume_l
    return FuelStock(
        stock_l=_measured_l(tank, level_l),
        reserve_l=tank.reserve_l,
        capacity_l=tank.capacity_l,
        delivered_l=tuple(delivered) if fitting else (),
    )


def _fitting(
    tank: FuelTank, level_l: float, grid: TimeGrid
) -> tuple[list[tuple[int, FuelDelivery]], list[FuelDelivery]]:
    """Return the deliveries that fit where nothing is burnt before, with their steps, and those that do not."""
    fitting, refused = [], []
    filled_l = _measured_l(tank, level_l)
    for delivery in tank.deliveries:
        step = _step_that_ends(grid, delivery)
        if step is None:
            continue
        if filled_l + delivery.volume_l > tank.capacity_l:
            refused.append(delivery)
            continue
        filled_l += delivery.volume_l
        fitting.append((step, delivery))
    return fitting, refused


def _step_that_ends(grid: TimeGrid, delivery: FuelDelivery) -> int | None:
    """Return the first step that ends at the delivery or after it, None outside the horizon."""
    if not grid.start_utc < delivery.at_utc <= grid.end_utc:
        return None
    ends = (*grid.starts_utc[1:], grid.end_utc)
    return next(t for t, end in enumerate(ends) if end >= delivery.at_utc)


def _measured_l(tank: FuelTank, level_l: float) -> float:
    """Return the level inside what a tank can hold: a gauge may read a little more or less."""
    return min(tank.capacity_l, max(0.0, level_l))
