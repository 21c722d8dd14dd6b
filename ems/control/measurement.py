"""What the snapshot says about power and energy as a whole: balance, load, storage."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import exp

from ems.model.battery import BatteryPool
from ems.model.site import Site
from ems.model.snapshot import BlockState, SiteSnapshot
from ems.model.units import frac, hours
from ems.reserve import soc_floor_pct

# samples of a balance must not lie further apart than this
MAX_SPREAD_S = 1.5
# swings are judged over this window
_SWING_S = 60.0
# this much above the floor, as a share of the full store, counts as at it
_NEAR_FLOOR_FRAC = 0.003


@dataclass(frozen=True, slots=True, kw_only=True)
class Powers:
    """Sums over the site, into the bus; None where a member is unknown. `load_kw` is at the bus, with losses."""

    pv_kw: float | None
    pv_available_kw: float | None
    gensets_kw: float | None
    storage_kw: float | None
    grid_kw: float | None
    load_kw: float | None

    @property
    def net_load_kw(self) -> float | None:
        """Return load minus PV."""
        return None if self.load_kw is None or self.pv_kw is None else self.load_kw - self.pv_kw


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """All pools together; energies in the cells."""

    stored_kwh: float
    full_kwh: float
    tech_kwh: float
    floor_kwh: float
    max_kwh: float
    max_charge_kw: float
    max_discharge_kw: float

    @property
    def soc_pct(self) -> float:
        """Return the state of charge of the whole store."""
        return 100.0 * self.stored_kwh / self.full_kwh if self.full_kwh > 0.0 else 0.0

    @property
    def near_floor(self) -> bool:
        """Return whether the store is at its floor, or so close that it must not fall any further."""
        return self.stored_kwh < self.floor_kwh + _NEAR_FLOOR_FRAC * self.full_kwh

    @property
    def floor_pct(self) -> float:
        """Return the SoC floor."""
        return 100.0 * self.floor_kwh / self.full_kwh if self.full_kwh > 0.0 else 0.0


def measure_powers(site: Site, snapshot: SiteSnapshot) -> Powers:
    """Sum the snapshot. The load comes from its meters, else from what the sources deliver."""
    pv = _sum(block.power_kw for block in snapshot.pv)
    gensets = _sum(genset.power_kw for genset in snapshot.gensets)
    storage = _sum(block.power_kw for block in snapshot.blocks)
    grid = 0.0 if snapshot.pcc is None else snapshot.pcc.power_kw
    meters = _sum((snapshot.it.load_kw, snapshot.cooling_load.load_kw, snapshot.aux.load_kw))
    load = None if meters is None else meters * (1.0 + site.economics.site_loss_frac)
    if load is None and snapshot.spread_s <= MAX_SPREAD_S:
        load = _sum((pv, gensets, storage, grid))
    return Powers(
        pv_kw=pv,
        pv_available_kw=_sum(block.available_kw for block in snapshot.pv),
        gensets_kw=gensets,
        storage_kw=storage,
        grid_kw=grid,
        load_kw=None if load is None else max(0.0, load),
    )


def measure_storage(site: Site, snapshot: SiteSnapshot, *, stored_kwh: Mapping[str, float], load_kw: float) -> Storage:
    """Return the store's energy against its floor; blocks without any known energy count as empty.

    The limits are those of the blocks that take setpoints.
    """
    stored = full = tech = spread = highest = charge = discharge = 0.0
    states = {state.id: state for state in snapshot.blocks}
    for pool in site.batteries:
        for block in pool.blocks:
            state = states[block.id]
            block_full = pool.block_kwh if state.full_kwh is None else state.full_kwh
            full += block_full
            stored += stored_kwh.get(block.id, 0.0)
            tech += pool.lowest_kwh(block_full, state.spread)
            spread += frac(state.spread.below_pct) * block_full
            highest += pool.highest_kwh(block_full, state.spread)
            if state.controllable:
                charge += live_charge_kw(pool, state)
                discharge += live_discharge_kw(pool, state)
    floor_pct = soc_floor_pct(site, load_kw=load_kw, full_kwh=full) if full > 0.0 else 0.0
    return Storage(
        stored_kwh=stored,
        full_kwh=full,
        tech_kwh=tech,
        floor_kwh=frac(floor_pct) * full + spread,
        max_kwh=highest,
        max_charge_kw=charge,
        max_discharge_kw=discharge,
    )


def live_charge_kw(pool: BatteryPool, state: BlockState) -> float:
    """Return a block's charge limit now: the tightest of BMS, temperature, configuration; 0 where unknown."""
    return _live_kw(pool, state, bms_kw=state.max_charge_kw, configured_kw=pool.max_charge_kw)


def live_discharge_kw(pool: BatteryPool, state: BlockState) -> float:
    """Return a block's discharge limit now; see `live_charge_kw`."""
    return _live_kw(pool, state, bms_kw=state.max_discharge_kw, configured_kw=pool.max_discharge_kw)


def _live_kw(pool: BatteryPool, state: BlockState, *, bms_kw: float | None, configured_kw: float) -> float:
    if not state.ready or bms_kw is None or state.alarm:
        return 0.0
    warmth = 1.0 if state.cell_max_degc is None else pool.temperature_factor(state.cell_max_degc)
    return max(0.0, min(bms_kw, configured_kw * warmth, pool.pcs_kw * warmth))


def stored_energy(site: Site, snapshot: SiteSnapshot, *, before: Mapping[str, float], dt_s: float) -> dict[str, float]:
    """Return each block's energy: from its SoC, else the last known integrated with its power or setpoint."""
    energies: dict[str, float] = {}
    states = {state.id: state for state in snapshot.blocks}
    for pool in site.batteries:
        for block in pool.blocks:
            state = states[block.id]
            full = pool.block_kwh if state.full_kwh is None else state.full_kwh
            if state.soc_pct is not None:
                energies[block.id] = frac(state.soc_pct) * full
            elif block.id in before:
                power_kw = state.power_kw if state.power_kw is not None else (state.setpoint_kw or 0.0)
                energies[block.id] = before[block.id] - cells_kw(pool, power_kw) * hours(dt_s)
    return energies


def filtered(previous: float | None, value: float, *, dt_s: float, time_s: float) -> float:
    """Return the first-order low-pass of a value."""
    if previous is None:
        return value
    return previous + (value - previous) * (1.0 - exp(-dt_s / time_s))


def swing(previous_kw: float, *, mean_kw: float | None, highest_kw: float | None, dt_s: float) -> float:
    """Return the load swing: peak minus mean, falling slowly after the last high one."""
    seen = 0.0 if mean_kw is None or highest_kw is None else max(0.0, highest_kw - mean_kw)
    return max(seen, previous_kw * exp(-dt_s / _SWING_S))


def cells_kw(pool: BatteryPool, power_kw: float) -> float:
    """Return what the cells give for a terminal power."""
    if power_kw < 0.0:
        return power_kw * pool.charge_eff_frac + pool.no_load_kw
    return (power_kw + pool.no_load_kw) / pool.discharge_eff_frac


def _sum(values: Iterable[float | None]) -> float | None:
    """Return the sum, None as soon as one value is unknown."""
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total
