"""Reserve required and held, from actual values, each cycle."""

from ems.control.measurement import Storage, live_charge_kw, live_discharge_kw
from ems.control.state import ControlState
from ems.model.genset import GensetClass
from ems.model.site import Site
from ems.model.snapshot import GensetState, PvState, SiteSnapshot
from ems.reserve import (
    GensetUnit,
    GridUnit,
    GroupLimit,
    Operation,
    PvUnit,
    Requirement,
    StorageUnit,
    requirement,
    sets_are_needed,
)


def operation_now(site: Site, snapshot: SiteSnapshot, state: ControlState) -> Operation:
    """Return the units in operation; what is unknown contributes nothing, what is suspect no headroom."""
    return Operation(
        storage=tuple(_storage(site, snapshot, state)),
        gensets=tuple(_gensets(site, snapshot)),
        pv=tuple(_pv(site, snapshot)),
        grid=_grid(site, snapshot, state),
        largest_load_block_kw=site.it.largest_block_kw,
        groups=tuple(GroupLimit(members=frozenset(each.members), limit_kw=each.limit_kw) for each in site.groups),
    )


def required_now(site: Site, state: ControlState) -> Requirement:
    """Return the requirement with the measured load swing."""
    return requirement(site.reserve, job_step_kw=site.it.rise_kw, swing_kw=state.swing_kw)


def held_on_by_reserve(site: Site, operation: Operation, required: Requirement, storage: Storage) -> bool:
    """Return whether reserve is why gensets run: storage alone would be short of it, and energy is not what lacks.

    Energy lacks at and below the SoC at which sets start for it.
    """
    if storage.soc_pct <= storage.floor_pct + site.control.soc_start_above_floor_pct:
        return False
    return sets_are_needed(operation, required)


def _storage(site: Site, snapshot: SiteSnapshot, state: ControlState) -> list[StorageUnit]:
    units = []
    states = {block.id: block for block in snapshot.blocks}
    for pool in site.batteries:
        for block in pool.blocks:
            now = states[block.id]
            stored = state.stored_kwh.get(block.id)
            # a block that takes no setpoints helps in a disturbance only by the droop of a forming unit; what a suspect
            # one delivers can be lost
            counts = now.controllable or now.forming or now.suspect
            if now.power_kw is None or stored is None or not now.ready or not counts:
                continue
            full = pool.block_kwh if now.full_kwh is None else now.full_kwh
            units.append(
                StorageUnit(
                    id=block.id,
                    member=pool.id,
                    power_kw=now.power_kw,
                    max_discharge_kw=max(0.0, now.power_kw) if now.suspect else live_discharge_kw(pool, now),
                    max_charge_kw=max(0.0, -now.power_kw) if now.suspect else live_charge_kw(pool, now),
                    usable_kwh=max(0.0, stored - pool.lowest_kwh(full, now.spread)),
                    room_kwh=max(0.0, pool.highest_kwh(full, now.spread) - stored),
                    charge_eff_frac=pool.charge_eff_frac,
                    discharge_eff_frac=pool.discharge_eff_frac,
                )
            )
    return units


def _gensets(site: Site, snapshot: SiteSnapshot) -> list[GensetUnit]:
    states = {genset.id: genset for genset in snapshot.gensets}
    return [_genset(kind, states[unit]) for kind in site.gensets for unit in kind.unit_ids if states[unit].carries]


def _genset(kind: GensetClass, now: GensetState) -> GensetUnit:
    """Return a running set with what it can do; one that keeps to a base load of its own answers nothing."""
    power_kw = now.power_kw or 0.0
    is_fixed = kind.base_load_kw is not None
    return GensetUnit(
        id=now.id,
        member=kind.id,
        power_kw=power_kw,
        max_kw=power_kw if now.suspect or is_fixed else kind.rated_kw,
        min_kw=power_kw if is_fixed else kind.min_stable_kw,
        step_kw=kind.step_frac * kind.rated_kw,
    )


def _pv(site: Site, snapshot: SiteSnapshot) -> list[PvUnit]:
    states = {block.id: block for block in snapshot.pv}
    units = []
    for plant in site.pv:
        for block in plant.block_ids:
            now = states[block]
            if now.power_kw is None:
                continue
            units.append(
                PvUnit(
                    id=block,
                    member=plant.id,
                    power_kw=max(0.0, now.power_kw),
                    available_kw=_available_kw(now, now.power_kw),
                    frequency_watt_credit_frac=plant.frequency_watt_credit_frac,
                )
            )
    return units


def _available_kw(now: PvState, power_kw: float) -> float:
    """Return what a block could deliver; one that does not tell, or may show old values, delivers no more than now."""
    return max(0.0, power_kw if now.suspect or now.available_kw is None else now.available_kw)


def _grid(site: Site, snapshot: SiteSnapshot, state: ControlState) -> GridUnit | None:
    if site.grid is None or snapshot.pcc is None or snapshot.pcc.power_kw is None or not state.mode.is_parallel:
        return None
    return GridUnit(
        import_kw=snapshot.pcc.power_kw,
        import_limit_kw=site.grid.import_limit_kw,
        export_limit_kw=site.grid.export_limit_kw,
    )
