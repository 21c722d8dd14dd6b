"""Full charges that balance the cells: when a pool was last full, and the SoC window that a planned one needs."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from ems.model.battery import BatteryPool
from ems.model.plan import Plan
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from ems.model.units import frac

# a BMS tapers to nothing just below 100 %
_FULL_PCT = 98.5
_WHOLE_PCT = 100.0
# rounding of a plan's energy, as a share of full
_ROUNDING_FRAC = 1e-3


def last_full(snapshot: SiteSnapshot, *, before: Mapping[str, datetime]) -> dict[str, datetime]:
    """Return for each block when it was last full; blocks that never were are not in it."""
    now = {block.id: snapshot.utc for block in snapshot.blocks if (block.soc_pct or 0.0) >= _FULL_PCT}
    return {**before, **now}


def opened(site: Site, plan: Plan | None, snapshot: SiteSnapshot) -> Site:
    """Return the site with the SoC window open to the top for pools that the plan charges beyond it now.

    Only pools that are configured to be charged fully have that; their BMS stays the end of the line.
    """
    if plan is None or not any(pool.full_charges for pool in site.batteries):
        return site
    batteries = tuple(
        replace(pool, soc_max_pct=_WHOLE_PCT) if pool.full_charges and _beyond(pool, plan, snapshot) else pool
        for pool in site.batteries
    )
    return replace(site, batteries=batteries)


def _beyond(pool: BatteryPool, plan: Plan, snapshot: SiteSnapshot) -> bool:
    step = plan.step_at(snapshot.utc)
    if step is None:
        return False
    ready = {block.id: block.full_kwh for block in snapshot.blocks if block.ready}
    full_kwh = sum(ready[block.id] or pool.block_kwh for block in pool.blocks if block.id in ready)
    planned_kwh = sum(part.stored_end_kwh for part in step.pools if part.id == pool.id)
    return planned_kwh > (frac(pool.soc_max_pct) + _ROUNDING_FRAC) * full_kwh
