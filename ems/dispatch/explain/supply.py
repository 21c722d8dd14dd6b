"""Why PV is curtailed and why the grid imports or exports; limits of the connection, of groups, fuel and carbon."""

from collections.abc import Iterator

from ems.dispatch.explain.scene import FLOW_KW, NEAR_FRAC, Scene
from ems.model.problem import DemandProblem, GridProblem, GroupProblem
from ems.model.reason import FUEL, GRID, PV, SITE, Reason, ReasonCode
from ems.model.units import MINUTES_PER_HOUR


def supply_limits(scene: Scene) -> Iterator[Reason]:
    """Yield the requirement with no margin, and the limits of connection, groups, fuel and carbon."""
    yield from _reserve_limit(scene)
    grid = scene.problem.connection
    if grid is not None and grid.connected_at(scene.t):
        yield from _grid_limits(scene, grid)
    for group in scene.problem.groups:
        yield from _group_limit(scene, group)
    yield from _fuel_limit(scene)
    budget, price = scene.problem.carbon_budget, scene.plan.carbon_shadow_price_per_kg
    if budget is not None and price is not None and price > 0.0:
        yield Reason(
            code=ReasonCode.CARBON_BUDGET,
            asset=SITE,
            text=f"carbon budget of {budget.kgco2e:.0f} kg used up: {price:.3f} per kg",
            figures=(("budget_kgco2e", budget.kgco2e), ("shadow_price_per_kg", price)),
        )


def supply_reasons(scene: Scene) -> Iterator[Reason]:
    """Yield why PV has no taker, and why the connection is used as it is."""
    curtailed_kw = scene.step.pv_available_kw - scene.step.pv_kw
    if curtailed_kw > max(FLOW_KW, NEAR_FRAC * scene.step.pv_available_kw):
        yield _curtailed(scene, curtailed_kw)
    grid = scene.problem.connection
    if grid is None:
        return
    if not grid.connected_at(scene.t):
        yield Reason(code=ReasonCode.NO_GRID, asset=GRID, text="the grid is away")
    elif scene.step.import_kw > FLOW_KW:
        yield _imported(scene)
    elif scene.step.export_kw > FLOW_KW:
        price = grid.export_price_at(scene.t)
        yield Reason(
            code=ReasonCode.EXPORT_PAYS,
            asset=GRID,
            text=f"export earns {price:.3f} per kWh",
            figures=(("price_per_kwh", price),),
        )


def _imported(scene: Scene) -> Reason:
    price, marginal = scene.import_price_per_kwh() or 0.0, scene.marginal_price_per_kwh
    if marginal is None or price <= marginal * (1.0 + NEAR_FRAC):
        against = "" if marginal is None else f", the next kWh costs {marginal:.3f}"
        return Reason(
            code=ReasonCode.CHEAPEST,
            asset=GRID,
            text=f"import at {price:.3f} per kWh{against}",
            figures=(("cost_per_kwh", price), *(() if marginal is None else (("marginal_price_per_kwh", marginal),))),
        )
    return Reason(
        code=ReasonCode.COST,
        asset=GRID,
        text=f"import at {price:.3f} per kWh: costs least over the horizon",
        figures=(("cost_per_kwh", price), ("marginal_price_per_kwh", marginal)),
    )


def _curtailed(scene: Scene, curtailed_kw: float) -> Reason:
    """Return what stands in the way of PV: a store that is or will be full, or powers at their limits."""
    figures = [("curtailed_kw", curtailed_kw)]
    about = "the load is served and nothing else can take it"
    pools = list(zip(scene.problem.pools, scene.step.pools, strict=True))
    if pools:
        if all(pool.stored_end_kwh >= (1.0 - NEAR_FRAC) * data.max_stored_kwh for data, pool in pools):
            about = "the store is full"
        elif all(pool.charge_kw >= (1.0 - NEAR_FRAC) * data.max_charge_kw[scene.t] for data, pool in pools):
            about = "the store charges with all its power"
        elif (later := _full_in(scene)) is not None:
            about = "the store will be full"
            figures.append(("ahead_h", scene.ahead_h(later)))
    return Reason(
        code=ReasonCode.NO_TAKER,
        asset=PV,
        text=f"{curtailed_kw:.0f} kW of PV have no taker: {about}",
        about=about,
        figures=tuple(figures),
    )


def _full_in(scene: Scene) -> int | None:
    """Return the next step at whose end every pool is full."""
    for later in range(scene.t + 1, len(scene.plan.steps)):
        pools = zip(scene.problem.pools, scene.plan.steps[later].pools, strict=True)
        if all(pool.stored_end_kwh >= (1.0 - NEAR_FRAC) * data.max_stored_kwh for data, pool in pools):
            return later
    return None


def _reserve_limit(scene: Scene) -> Iterator[Reason]:
    """Yield the tightest requirement where it has no margin."""
    item = scene.tightest_reserve()
    if item is None:
        return
    if item.held_kw - item.required_kw <= FLOW_KW + NEAR_FRAC * abs(item.required_kw):
        yield Reason(
            code=ReasonCode.RESERVE,
            asset=SITE,
            text=f"reserve {item.id} after the loss of {item.contingency}",
            about=f"{item.id}: {item.contingency}",
            figures=(("required_kw", item.required_kw), ("held_kw", item.held_kw)),
        )


def _grid_limits(scene: Scene, grid: GridProblem) -> Iterator[Reason]:
    for code, flow_kw, limit_kw, word in (
        (ReasonCode.IMPORT_LIMIT, scene.step.import_kw, grid.import_limit_kw[scene.t], "import"),
        (ReasonCode.EXPORT_LIMIT, scene.step.export_kw, grid.export_limit_kw[scene.t], "export"),
    ):
        if flow_kw > FLOW_KW and flow_kw >= limit_kw * (1.0 - NEAR_FRAC):
            text = f"{word} at its limit of {limit_kw:.0f} kW"
            yield Reason(code=code, asset=GRID, text=text, figures=(("limit_kw", limit_kw),))
    for month in grid.demand:
        mean_kw = next((_mean_kw(scene, *each) for each in month.intervals() if each[0] <= scene.t < each[1]), 0.0)
        if scene.step.import_kw > FLOW_KW and _is_billed_peak(scene, month, mean_kw):
            yield Reason(
                code=ReasonCode.BILLED_PEAK,
                asset=GRID,
                text=f"billed peak: {mean_kw:.0f} kW at {month.price_per_kw:.2f} per kW",
                figures=(("peak_kw", mean_kw), ("price_per_kw", month.price_per_kw)),
            )
    yield from _ramp_limit(scene, grid)


def _is_billed_peak(scene: Scene, month: DemandProblem, mean_kw: float) -> bool:
    """Return whether more than the mean import of an interval would be billed, but for rounding."""
    reached_kw = (mean_kw + FLOW_KW) / (1.0 - NEAR_FRAC)
    # few intervals come near what is paid anyway, and only those are held against all others
    return reached_kw >= month.floor_kw and all(
        reached_kw >= _mean_kw(scene, first, end) for first, end in month.intervals()
    )


def _mean_kw(scene: Scene, first: int, end: int) -> float:
    """Return the planned mean import of a billing interval."""
    steps = scene.plan.steps[first:end]
    return sum(step.duration_h * step.import_kw for step in steps) / sum(step.duration_h for step in steps)


def _ramp_limit(scene: Scene, grid: GridProblem) -> Iterator[Reason]:
    """Yield the contract's ramp where the exchange changes as fast between the middles of two steps."""
    # a connection that closes is switched, not ramped
    if grid.ramp_kw_per_min is None or (scene.t > 0 and not grid.connected_at(scene.t - 1)):
        return
    now_kw = scene.step.import_kw - scene.step.export_kw
    minutes = MINUTES_PER_HOUR * scene.problem.grid.apart_h[scene.t]
    if scene.t == 0:
        before_kw = grid.now_kw
    else:
        last = scene.plan.steps[scene.t - 1]
        before_kw = last.import_kw - last.export_kw
    if abs(now_kw - before_kw) >= grid.ramp_kw_per_min * minutes * (1.0 - NEAR_FRAC):
        yield Reason(
            code=ReasonCode.PCC_RAMP,
            asset=GRID,
            text=f"the exchange changes by {grid.ramp_kw_per_min:.0f} kW per minute",
            figures=(("ramp_kw_per_min", grid.ramp_kw_per_min),),
        )


def _group_limit(scene: Scene, group: GroupProblem) -> Iterator[Reason]:
    """Yield a transformer, collector or feeder at its limit."""
    powers = {GRID: scene.step.import_kw - scene.step.export_kw}
    powers |= {pool.id: pool.power_kw for pool in scene.step.pools}
    powers |= {genset.id: genset.power_kw for genset in scene.step.gensets}
    powers |= {plant.id: plant.power_kw for plant in scene.step.plants}
    if not set(group.members) <= set(powers):
        return
    power_kw = sum(powers[member] for member in group.members)
    if abs(power_kw) >= group.limit_kw * (1.0 - NEAR_FRAC):
        yield Reason(
            code=ReasonCode.GROUP_LIMIT,
            asset=group.id,
            text=f"{group.id} at its limit of {group.limit_kw:.0f} kW",
            figures=(("power_kw", power_kw), ("limit_kw", group.limit_kw)),
        )


def _fuel_limit(scene: Scene) -> Iterator[Reason]:
    stock_l, fuel = scene.step.fuel_stock_end_l, scene.problem.fuel
    if stock_l is None or fuel is None or fuel.stock is None:
        return
    if stock_l <= fuel.stock.reserve_l + NEAR_FRAC * fuel.stock.capacity_l:
        yield Reason(
            code=ReasonCode.FUEL_STOCK,
            asset=FUEL,
            text=f"fuel: {stock_l:.0f} l, {fuel.stock.reserve_l:.0f} l must stay",
            figures=(("stock_end_l", stock_l), ("reserve_l", fuel.stock.reserve_l)),
        )
