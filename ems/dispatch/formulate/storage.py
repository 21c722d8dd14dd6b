"""Battery pools on the plan's steps, and what stored energy is worth (E9, E10, E12, E24)."""

from collections.abc import Sequence

from ems.dispatch.formulate.storage_limits import lines_by_soc, power_limits_kw
from ems.model.battery import BatteryPool
from ems.model.condition import PoolCondition
from ems.model.genset import GensetClass
from ems.model.grid import GridConnection
from ems.model.plan import Plan
from ems.model.problem import (
    LoadProblem,
    PoolProblem,
    PvProblem,
    Recalibration,
    ThroughputBudget,
    ValuePiece,
    WearPiece,
)
from ems.model.site import Site
from ems.model.timegrid import TimeGrid
from ems.model.units import HOURS_PER_DAY, frac

_HOURS_PER_YEAR = 8760.0
# rounding of instants
_EDGE_H = 1e-6
# balancing goes on after a full charge, and racks that a fault keeps apart must not be charged for ever
_BALANCING_PAUSE_H = 48.0
# stored energy beyond the first need is worth this share of the avoided cost
_SPARE_VALUE_FRAC = 0.05
# the survival of an outage is sampled at this many stretches of its greatest length
_N_HOLD_PIECES = 4


def pool_problem(
    site: Site,
    pool: BatteryPool,
    state: PoolCondition,
    *,
    load: LoadProblem,
    pv: tuple[PvProblem, ...],
    ambient_degc: Sequence[float],
    cheap_price_per_kwh: float,
    previous: Plan | None,
    grid: TimeGrid,
) -> PoolProblem:
    """Return one pool; `ambient_degc` and the previous plan's power say how warm its cells become.

    `cheap_price_per_kwh` is that of the grid's cheap hours; what lies in the store need not be bought then.
    """
    charge_kw, discharge_kw = power_limits_kw(pool, state, ambient_degc=ambient_degc, previous=previous, grid=grid)
    min_pct = pool.soc_tech_min_pct + pool.soc_error_pct
    min_kwh = frac(min_pct) * state.full_kwh + state.spread_below_kwh
    max_kwh = frac(pool.soc_max_pct) * state.full_kwh - state.spread_above_kwh
    net_kw = [load.demand_kw(t) - sum(plant.available_kw[t] for plant in pv) for t in range(grid.n_steps)]
    share_frac = state.full_kwh / max(1.0, site.full_kwh)
    window_kwh = max(0.0, max_kwh - min_kwh)
    return PoolProblem(
        id=pool.id,
        n_blocks=state.n_blocks,
        max_charge_kw=charge_kw,
        max_discharge_kw=discharge_kw,
        charge_by_soc=lines_by_soc(pool.charge_taper, limit_kw=charge_kw, full_kwh=state.full_kwh),
        discharge_by_soc=lines_by_soc(pool.discharge_taper, limit_kw=discharge_kw, full_kwh=state.full_kwh),
        full_kwh=state.full_kwh,
        stored_kwh=state.stored_kwh,
        min_stored_kwh=min_kwh,
        max_stored_kwh=min_kwh + window_kwh,
        charge_eff_frac=pool.charge_eff_frac,
        discharge_eff_frac=pool.discharge_eff_frac,
        self_discharge_frac_per_h=pool.self_discharge_frac_per_day / HOURS_PER_DAY,
        no_load_kw=pool.no_load_kw * state.n_blocks,
        aux_frac_of_power=pool.aux_frac_of_power,
        wear_cost_per_kwh=pool.wear_cost_per_kwh,
        depth_wear=_depth_wear(pool, full_kwh=state.full_kwh),
        dwell_above_kwh=0.0 if pool.dwell is None else frac(pool.dwell.above_pct) * state.full_kwh,
        dwell_cost_per_kwh=0.0 if pool.dwell is None else pool.dwell.cost_per_kwh,
        throughput_budget=_throughput_budget(pool, state, grid),
        recalibration=_recalibration(pool, state, grid),
        terminal_value=_terminal_value(
            site,
            pool,
            cheap_price_per_kwh=cheap_price_per_kwh,
            net_kw=net_kw,
            grid=grid,
            share=share_frac,
            window_kwh=window_kwh,
        ),
        hold_value_per_h=_hold_value(site, pool, net_kw=net_kw, share=share_frac, window_kwh=window_kwh),
    )


def _depth_wear(pool: BatteryPool, *, full_kwh: float) -> tuple[WearPiece, ...]:
    return tuple(
        WearPiece(width_kwh=piece.width_frac * full_kwh, cost_per_kwh=piece.cost_per_kwh) for piece in pool.depth_wear
    )


def _throughput_budget(pool: BatteryPool, state: PoolCondition, grid: TimeGrid) -> ThroughputBudget | None:
    """E10: return the horizon's share of a year's warranted throughput, of the blocks that are available."""
    if pool.warranty is None:
        return None
    share_frac = grid.offset_h[-1] / _HOURS_PER_YEAR * state.n_blocks / pool.n_blocks
    return ThroughputBudget(
        energy_kwh=share_frac * pool.warranty.throughput_kwh, price_per_kwh=pool.warranty.price_per_kwh
    )


def _recalibration(pool: BatteryPool, state: PoolCondition, grid: TimeGrid) -> Recalibration | None:
    """E10: return the full charge that falls due within the horizon; one that is overdue may be made at any time.

    Racks that are too far apart make one due at once, as it balances them, yet not again soon after the last one.
    """
    rule = pool.full_charges
    if rule is None:
        return None
    since_h, apart_pct = state.full_since_h, _apart_pct(pool, state)
    due_h = 0.0 if since_h is None else rule.every_h - since_h
    if apart_pct is not None and since_h is not None:
        due_h = min(due_h, _BALANCING_PAUSE_H - since_h)
    latest_h = max(due_h, 0.0) + rule.window_h
    ends_h = grid.offset_h[1:]
    inside = [t for t, end_h in enumerate(ends_h) if due_h <= end_h <= latest_h + _EDGE_H]
    if not inside:
        return None
    return Recalibration(
        first_step=inside[0],
        end_step=inside[-1] + 1,
        missed_cost=rule.missed_cost,
        rack_spread_pct=apart_pct,
    )


def _apart_pct(pool: BatteryPool, state: PoolCondition) -> float | None:
    """Return how far racks are apart where that is more than they may be."""
    spread_pct, limit_pct = state.rack_spread_pct, pool.rack_spread_max_pct
    return spread_pct if spread_pct is not None and limit_pct is not None and spread_pct > limit_pct else None


def _terminal_value(
    site: Site,
    pool: BatteryPool,
    *,
    cheap_price_per_kwh: float,
    net_kw: list[float],
    grid: TimeGrid,
    share: float,
    window_kwh: float,
) -> tuple[ValuePiece, ...]:
    """E12: the first need after the horizon at the avoided cost, the rest at little; never worth a genset's fuel.

    What comes after the horizon is taken to look like its last day at the same hour.
    """
    # at a price below zero stored energy is worth nothing, not less
    avoided = max(0.0, cheap_price_per_kwh) if site.grid is not None else _avoided_cost_per_kwh(site, pool)
    value = site.planning.terminal_value_frac * avoided
    if site.grid is not None:
        return (ValuePiece(width_kwh=window_kwh, value_per_kwh=value),)
    need_kwh = min(window_kwh, share * _need_until_surplus_kwh(net_kw, grid) / pool.discharge_eff_frac)
    return (
        ValuePiece(width_kwh=need_kwh, value_per_kwh=value),
        ValuePiece(width_kwh=window_kwh - need_kwh, value_per_kwh=_SPARE_VALUE_FRAC * value),
    )


def _avoided_cost_per_kwh(site: Site, pool: BatteryPool) -> float:
    """Return what a stored kWh saves, bounded by what it would cost to put it there from a running set."""
    if not site.gensets:
        return 0.0
    fuel_cost = site.economics.fuel_cost_per_l
    saved = pool.discharge_eff_frac * min(genset.fuel.best_fuel_l_per_kwh() for genset in site.gensets) * fuel_cost
    marginal = min(
        segment.fuel_l_per_kwh
        for genset in site.gensets
        for segment in genset.fuel.segments(min_kw=genset.min_stable_kw, max_kw=genset.rated_kw)
    )
    return min(saved, marginal * fuel_cost / pool.charge_eff_frac)


def _need_until_surplus_kwh(net_kw: list[float], grid: TimeGrid) -> float:
    """Return the net deficit from the horizon's end to the next PV surplus, read a day earlier."""
    day_before_h = grid.offset_h[-1] - HOURS_PER_DAY
    need_kwh = 0.0
    for offset_h, hours, kw in zip(grid.offset_h, grid.duration_h, net_kw, strict=False):
        if offset_h < day_before_h:
            continue
        if kw < 0.0 and need_kwh > 0.0:
            break
        need_kwh += max(0.0, kw) * hours
    return need_kwh


def _hold_value(
    site: Site, pool: BatteryPool, *, net_kw: list[float], share: float, window_kwh: float
) -> tuple[ValuePiece, ...]:
    """E24: the expected saving, per hour of holding it, of a kWh that serves an outage instead of diesel.

    Outages begin at a constant rate; their length has survival (1 - d/longest)^(longest/mean - 1).
    """
    grid = site.grid
    if grid is None or grid.outages.share_of_year_frac <= 0.0 or not site.gensets:
        return ()
    saving = _outage_saving_per_kwh(site, pool, grid)
    deficit_kw = share * sum(max(0.0, kw) for kw in net_kw) / len(net_kw)
    outages = grid.outages
    rate_per_h = outages.share_of_year_frac / (1.0 - outages.share_of_year_frac) / outages.mean_h
    stretch_h = outages.longest_h / _N_HOLD_PIECES
    width_kwh = deficit_kw * stretch_h / pool.discharge_eff_frac
    pieces = []
    left_kwh = window_kwh
    for number in range(_N_HOLD_PIECES):
        survival = (1.0 - (number + 0.5) / _N_HOLD_PIECES) ** (outages.longest_h / outages.mean_h - 1.0)
        pieces.append(
            ValuePiece(width_kwh=min(width_kwh, left_kwh), value_per_kwh=max(0.0, rate_per_h * survival * saving))
        )
        left_kwh -= pieces[-1].width_kwh
    return tuple(pieces)


def _outage_saving_per_kwh(site: Site, pool: BatteryPool, grid: GridConnection) -> float:
    """Return diesel cost less recharging at the cheap price, per kWh in the cells."""
    fuel_cost = site.economics.fuel_cost_per_l

    def diesel_cost_per_kwh(genset: GensetClass) -> float:
        power_kw = genset.economic_kw(fuel_cost_per_l=fuel_cost)
        return genset.running_cost_per_h(power_kw, fuel_cost_per_l=fuel_cost) / power_kw

    diesel = min(diesel_cost_per_kwh(genset) for genset in site.gensets)
    recharge = min(price for season in grid.tariff.seasons for _, price in season.prices_per_kwh)
    return pool.discharge_eff_frac * diesel - recharge / pool.charge_eff_frac
