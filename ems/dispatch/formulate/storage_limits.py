"""Power limits of a pool on the plan's steps: PCS, forecast cell temperature, and lines by SoC (E9)."""

from collections.abc import Sequence
from itertools import pairwise

from ems.model.battery import BatteryPool, TaperPoint
from ems.model.condition import PoolCondition
from ems.model.plan import Plan
from ems.model.problem import PowerBySoc
from ems.model.timegrid import TimeGrid
from ems.model.units import pct
from ems.thermal.container import cell_path_degc


def power_limits_kw(
    pool: BatteryPool, state: PoolCondition, *, ambient_degc: Sequence[float], previous: Plan | None, grid: TimeGrid
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """E9: return charge and discharge limits per step.

    What is measured now follows the derating of the cell temperature that the previous plan's power leads to; a step
    takes the lower share of its two ends. Without a measured temperature the limits stay as they are.
    """
    usable_kw = state.n_blocks * pool.usable_pcs_kw
    charge_kw = min(state.max_charge_kw, usable_kw)
    discharge_kw = min(state.max_discharge_kw, usable_kw)
    if state.cell_max_degc is None:
        return (charge_kw,) * grid.n_steps, (discharge_kw,) * grid.n_steps
    path = cell_path_degc(
        state.cell_max_degc,
        container_kwh=pool.container_kwh,
        container_kw=_container_kw(pool, state, previous, grid),
        ambient_degc=ambient_degc,
        duration_h=grid.duration_h,
    )
    nodes = [pool.derating_fracs(degc) for degc in path]
    now = nodes[0]
    charge_full_kw = _without_derating(charge_kw, now[0], min(usable_kw, state.n_blocks * pool.max_charge_kw))
    discharge_full_kw = _without_derating(discharge_kw, now[1], min(usable_kw, state.n_blocks * pool.max_discharge_kw))
    steps = list(pairwise(nodes))
    return (
        tuple(charge_full_kw * min(before[0], after[0]) for before, after in steps),
        tuple(discharge_full_kw * min(before[1], after[1]) for before, after in steps),
    )


def lines_by_soc(
    taper: tuple[TaperPoint, ...], *, limit_kw: Sequence[float], full_kwh: float
) -> tuple[PowerBySoc, ...]:
    """E9: return the stretches of a concave taper as lines, of which the lowest holds."""
    if full_kwh <= 0.0:
        return ()
    highest_kw = max(limit_kw)
    lines = []
    for low, high in pairwise(taper):
        # per percent of SoC
        slope_kw = highest_kw * (high.power_frac - low.power_frac) / (high.soc_pct - low.soc_pct)
        constant_kw = highest_kw * low.power_frac - slope_kw * low.soc_pct
        lines.append(PowerBySoc(c0_kw=constant_kw, c1_per_h=pct(slope_kw) / full_kwh))
    return tuple(lines)


def _without_derating(measured_kw: float, now_frac: float, rated_kw: float) -> float:
    """Return a measured limit as it would be without the present derating, at most the rated one."""
    return rated_kw if now_frac <= 0.0 else min(rated_kw, measured_kw / now_frac)


def _container_kw(pool: BatteryPool, state: PoolCondition, previous: Plan | None, grid: TimeGrid) -> list[float]:
    """Return the power through one container per step in the previous plan; at rest where it says nothing."""
    n_containers = max(1, state.n_blocks * len(pool.blocks[0].container_ids))
    steps = [None if previous is None else previous.step_at(start) for start in grid.starts_utc]
    powers = [
        0.0 if step is None else sum(part.power_kw for part in step.pools if part.id == pool.id) for step in steps
    ]
    return [kw / n_containers for kw in powers]
