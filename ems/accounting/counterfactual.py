"""The site as it would have been: measured load, sun and grid, with storage, sets and PV as the controller commands.

One step after the other. What the loads take is the sum that all sources are measured to deliver, so that equal
commands give exactly the measured import. A step of which a source is not known is none: nothing moves.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from ems.model.battery import BatteryPool
from ems.model.genset import GensetClass
from ems.model.readings import GensetPhase
from ems.model.site import Site
from ems.model.snapshot import BlockState, GensetState, PvState, SiteSnapshot
from ems.model.units import WH_PER_KWH, frac, hours

_RUNS: Final = frozenset({GensetPhase.STARTING, GensetPhase.WARMING_UP, GensetPhase.SYNCHRONISING, GensetPhase.RUNNING})
# below this share of nominal voltage the grid delivers nothing (trip band of the interconnection relay)
_GRID_VOLTAGE_FRAC: Final = 0.8


def _nothing() -> Mapping[str, float]:
    return {}


def _no_runs() -> Mapping[str, bool]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What the controller has commanded last, by asset: powers of blocks and sets, limits of PV, whether sets run."""

    power_kw: Mapping[str, float] = field(default_factory=_nothing)
    limit_kw: Mapping[str, float] = field(default_factory=_nothing)
    run: Mapping[str, bool] = field(default_factory=_no_runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelBlock:
    """An AC block of the model; counters in Wh."""

    power_kw: float
    stored_kwh: float
    charge_wh: float = 0.0
    discharge_wh: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSet:
    """A genset of the model; `left_s` until it carries after its start."""

    phase: GensetPhase
    power_kw: float = 0.0
    left_s: float = 0.0
    energy_wh: float = 0.0
    fuel_l: float = 0.0
    run_h: float = 0.0
    n_starts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSite:
    """The model's state; energies since it began. `grid_kw` is the import of the last step."""

    blocks: Mapping[str, ModelBlock]
    sets: Mapping[str, ModelSet]
    pv_kw: Mapping[str, float]
    pv_wh: Mapping[str, float]
    grid_kw: float = 0.0
    import_wh: float = 0.0
    export_wh: float = 0.0
    unserved_wh: float = 0.0

    @property
    def stored_kwh(self) -> float:
        """Return the energy in all cells."""
        return sum(block.stored_kwh for block in self.blocks.values())


def bus_load_kw(site: Site, measured: SiteSnapshot) -> float | None:
    """Return what all sources together are measured to deliver; None where one of them is unknown."""
    powers = [pv.power_kw for pv in measured.pv]
    powers += [genset.power_kw for genset in measured.gensets]
    powers += [block.power_kw for block in measured.blocks]
    if site.grid is not None:
        powers.append(None if measured.pcc is None else measured.pcc.power_kw)
    known = [power for power in powers if power is not None]
    return sum(known) if len(known) == len(powers) else None


def begun(site: Site, measured: SiteSnapshot) -> ModelSite | None:
    """Return the model as the site is measured now; None until everything that it begins with is known."""
    blocks = {
        block.id: ModelBlock(power_kw=block.power_kw, stored_kwh=frac(block.soc_pct) * block.full_kwh)
        for block in measured.blocks
        if block.power_kw is not None and block.soc_pct is not None and block.full_kwh is not None
    }
    sets = {
        genset.id: ModelSet(
            phase=GensetPhase.RUNNING if genset.phase in _RUNS else GensetPhase.STOPPED, power_kw=genset.power_kw or 0.0
        )
        for genset in measured.gensets
        if genset.phase is not None
    }
    complete = len(blocks) == len(measured.blocks) and len(sets) == len(measured.gensets)
    if not complete or bus_load_kw(site, measured) is None:
        return None
    return ModelSite(
        blocks=blocks,
        sets=sets,
        pv_kw={pv.id: pv.power_kw or 0.0 for pv in measured.pv},
        pv_wh={pv.id: 0.0 for pv in measured.pv},
    )


def advanced(site: Site, measured: SiteSnapshot, before: ModelSite, orders: Orders, *, dt_s: float) -> ModelSite | None:
    """Return the model one step later; None where an input is not known, and the model stands still."""
    load_kw = bus_load_kw(site, measured)
    if load_kw is None:
        return None
    kinds = {unit: kind for kind in site.gensets for unit in kind.unit_ids}
    pools = {block.id: pool for pool in site.batteries for block in pool.blocks}
    pv_kw = {pv.id: _pv_kw(pv, orders) for pv in measured.pv}
    sets = {
        genset.id: _moved(before.sets[genset.id], genset, kinds[genset.id], orders, dt_s=dt_s)
        for genset in measured.gensets
    }
    asked = {
        block.id: _block_kw(block, pools[block.id], before.blocks[block.id], orders.power_kw.get(block.id, 0.0), dt_s)
        for block in measured.blocks
    }
    rest_kw = load_kw - sum(pv_kw.values()) - sum(one.power_kw for one in sets.values())
    unserved_kw, grid_kw = 0.0, 0.0
    if _grid_carries(measured):
        grid_kw = rest_kw - sum(asked.values())
    else:
        asked = _islanded(measured, pools, before, asked, rest_kw, dt_s)
        short_kw = rest_kw - sum(asked.values())
        unserved_kw = max(0.0, short_kw)
        pv_kw = _curtailed(pv_kw, max(0.0, -short_kw))
    h = hours(dt_s)
    return ModelSite(
        blocks={name: _charged(before.blocks[name], pools[name], kw, h) for name, kw in asked.items()},
        sets={name: _burnt(one, kinds[name], h) for name, one in sets.items()},
        pv_kw=pv_kw,
        pv_wh={name: before.pv_wh[name] + WH_PER_KWH * kw * h for name, kw in pv_kw.items()},
        grid_kw=grid_kw,
        import_wh=before.import_wh + WH_PER_KWH * max(0.0, grid_kw) * h,
        export_wh=before.export_wh + WH_PER_KWH * max(0.0, -grid_kw) * h,
        unserved_wh=before.unserved_wh + WH_PER_KWH * unserved_kw * h,
    )


def followed(site: Site, measured: SiteSnapshot, before: ModelSite, *, dt_s: float) -> ModelSite | None:
    """Return the model one step later with the powers that the site itself had: only cells and fuel are the model's.

    What it says otherwise than the meters is the error of the model, on the site's own course.
    """
    if bus_load_kw(site, measured) is None:
        return None
    kinds = {unit: kind for kind in site.gensets for unit in kind.unit_ids}
    pools = {block.id: pool for pool in site.batteries for block in pool.blocks}
    h = hours(dt_s)
    grid_kw = 0.0 if measured.pcc is None or measured.pcc.power_kw is None else measured.pcc.power_kw
    sets = {genset.id: _as_measured(before.sets[genset.id], genset, kinds[genset.id]) for genset in measured.gensets}
    pv_kw = {pv.id: pv.power_kw or 0.0 for pv in measured.pv}
    return ModelSite(
        blocks={b.id: _charged(before.blocks[b.id], pools[b.id], b.power_kw or 0.0, h) for b in measured.blocks},
        sets={name: _burnt(one, kinds[name], h) for name, one in sets.items()},
        pv_kw=pv_kw,
        pv_wh={name: before.pv_wh[name] + WH_PER_KWH * kw * h for name, kw in pv_kw.items()},
        grid_kw=grid_kw,
        import_wh=before.import_wh + WH_PER_KWH * max(0.0, grid_kw) * h,
        export_wh=before.export_wh + WH_PER_KWH * max(0.0, -grid_kw) * h,
    )


def shown(site: Site, measured: SiteSnapshot, model: ModelSite, orders: Orders) -> SiteSnapshot:
    """Return the picture that the controller sees: measured, with the model's storage, sets, PV and import."""
    pools = {block.id: pool for pool in site.batteries for block in pool.blocks}
    pcc = measured.pcc
    return replace(
        measured,
        blocks=tuple(_shown_block(b, pools[b.id], model.blocks[b.id], orders) for b in measured.blocks),
        gensets=tuple(_shown_set(g, model.sets[g.id], orders) for g in measured.gensets),
        pv=tuple(_shown_pv(p, model, orders) for p in measured.pv),
        pcc=None
        if pcc is None
        else replace(
            pcc,
            power_kw=None if pcc.power_kw is None else model.grid_kw,
            metered_kw=None,
            import_wh=int(model.import_wh),
            export_wh=int(model.export_wh),
        ),
        problems=tuple(problem for problem in measured.problems if problem.value != "setpoint"),
    )


def _grid_carries(measured: SiteSnapshot) -> bool:
    pcc = measured.pcc
    if pcc is None or pcc.breaker_closed is not True:
        return False
    return pcc.grid_voltage_frac is None or pcc.grid_voltage_frac >= _GRID_VOLTAGE_FRAC


def _pv_kw(pv: PvState, orders: Orders) -> float:
    available_kw = max(0.0, pv.power_kw or 0.0 if pv.available_kw is None else pv.available_kw)
    return min(available_kw, max(0.0, orders.limit_kw.get(pv.id, available_kw)))


def _curtailed(pv_kw: Mapping[str, float], surplus_kw: float) -> dict[str, float]:
    total_kw = sum(pv_kw.values())
    share = 0.0 if total_kw <= 0.0 else min(1.0, surplus_kw / total_kw)
    return {name: (1.0 - share) * kw for name, kw in pv_kw.items()}


def _moved(before: ModelSet, shown_set: GensetState, kind: GensetClass, orders: Orders, *, dt_s: float) -> ModelSet:
    """Start or stop a set and give it its power; one that reports a fault at the site does not run in the model."""
    wanted = orders.run.get(shown_set.id, before.phase in _RUNS) and shown_set.phase is not GensetPhase.FAULT
    if not wanted:
        return replace(before, phase=GensetPhase.STOPPED, power_kw=0.0, left_s=0.0)
    if before.phase not in _RUNS:
        start_s = kind.detect_s + kind.start_s + kind.warm_up_s + kind.sync_s
        fuel_l, n_starts = before.fuel_l + kind.start_fuel_l, before.n_starts + 1
        before = replace(
            before, phase=GensetPhase.STARTING, left_s=start_s, power_kw=0.0, fuel_l=fuel_l, n_starts=n_starts
        )
    left_s = max(0.0, before.left_s - dt_s)
    if left_s > 0.0:
        return replace(before, left_s=left_s)
    asked_kw = orders.power_kw.get(shown_set.id, before.power_kw)
    power_kw = min(max(asked_kw, kind.min_stable_kw), kind.rated_kw)
    if kind.base_load_kw is not None:
        power_kw = kind.base_load_kw
    return replace(before, phase=GensetPhase.RUNNING, left_s=0.0, power_kw=power_kw)


def _as_measured(before: ModelSet, genset: GensetState, kind: GensetClass) -> ModelSet:
    if not genset.carries:
        return replace(before, phase=GensetPhase.STOPPED, power_kw=0.0)
    if before.phase is not GensetPhase.RUNNING:
        before = replace(before, fuel_l=before.fuel_l + kind.start_fuel_l, n_starts=before.n_starts + 1)
    return replace(before, phase=GensetPhase.RUNNING, power_kw=genset.power_kw or 0.0)


def _block_kw(shown_block: BlockState, pool: BatteryPool, block: ModelBlock, asked_kw: float, dt_s: float) -> float:
    """Return the power that a block can have: its limits, its window, and whether the real one is ready."""
    if not shown_block.ready or shown_block.alarm:
        return 0.0
    full_kwh = pool.block_kwh if shown_block.full_kwh is None else shown_block.full_kwh
    h = max(hours(dt_s), 1e-9)
    above_kwh = max(0.0, block.stored_kwh - frac(pool.soc_tech_min_pct) * full_kwh)
    room_kwh = max(0.0, frac(pool.soc_max_pct) * full_kwh - block.stored_kwh)
    highest_kw = min(pool.max_discharge_kw, pool.pcs_kw, above_kwh * pool.discharge_eff_frac / h)
    lowest_kw = -min(pool.max_charge_kw, pool.pcs_kw, room_kwh / pool.charge_eff_frac / h)
    return min(max(asked_kw, lowest_kw), highest_kw)


def _islanded(
    measured: SiteSnapshot,
    pools: Mapping[str, BatteryPool],
    before: ModelSite,
    asked: Mapping[str, float],
    rest_kw: float,
    dt_s: float,
) -> dict[str, float]:
    """Let the forming blocks carry what is left, in equal parts as far as each can."""
    powers = dict(asked)
    forming = [block for block in measured.blocks if block.forming is True and block.ready]
    left_kw = rest_kw - sum(kw for name, kw in asked.items() if name not in {block.id for block in forming})
    for number, block in enumerate(forming):
        share_kw = left_kw / (len(forming) - number)
        powers[block.id] = _block_kw(block, pools[block.id], before.blocks[block.id], share_kw, dt_s)
        left_kw -= powers[block.id]
    for block in forming:
        # what the last ones could not take goes to the first
        more_kw = _block_kw(block, pools[block.id], before.blocks[block.id], powers[block.id] + left_kw, dt_s)
        left_kw -= more_kw - powers[block.id]
        powers[block.id] = more_kw
    return powers


def _charged(block: ModelBlock, pool: BatteryPool, power_kw: float, h: float) -> ModelBlock:
    if power_kw < 0.0:
        cells_kw = power_kw * pool.charge_eff_frac + pool.no_load_kw
    else:
        cells_kw = (power_kw + pool.no_load_kw) / pool.discharge_eff_frac
    return ModelBlock(
        power_kw=power_kw,
        stored_kwh=max(0.0, block.stored_kwh - cells_kw * h),
        charge_wh=block.charge_wh + WH_PER_KWH * max(0.0, -power_kw) * h,
        discharge_wh=block.discharge_wh + WH_PER_KWH * max(0.0, power_kw) * h,
    )


def _burnt(one: ModelSet, kind: GensetClass, h: float) -> ModelSet:
    if one.phase is not GensetPhase.RUNNING:
        return one
    return replace(
        one,
        energy_wh=one.energy_wh + WH_PER_KWH * one.power_kw * h,
        fuel_l=one.fuel_l + kind.fuel.fuel_l_per_h(one.power_kw) * h,
        run_h=one.run_h + h,
    )


def _shown_block(block: BlockState, pool: BatteryPool, model: ModelBlock, orders: Orders) -> BlockState:
    """Limits are the configured ones: what the BMS allows now belongs to the SoC of the real battery."""
    full_kwh = pool.block_kwh if block.full_kwh is None else block.full_kwh
    return replace(
        block,
        power_kw=None if block.power_kw is None else model.power_kw,
        setpoint_kw=orders.power_kw.get(block.id, model.power_kw),
        controllable=block.power_kw is not None,
        fallback_armed=True,
        soc_pct=100.0 * model.stored_kwh / full_kwh,
        reported_soc_pct=None,
        max_charge_kw=pool.max_charge_kw,
        max_discharge_kw=pool.max_discharge_kw,
        cell_max_v=None,
        cell_min_v=None,
        discharge_wh=int(model.discharge_wh),
        charge_wh=int(model.charge_wh),
    )


def _shown_set(genset: GensetState, model: ModelSet, orders: Orders) -> GensetState:
    is_known = genset.phase is not None
    runs = model.phase is GensetPhase.RUNNING
    fault = genset.phase is GensetPhase.FAULT
    return replace(
        genset,
        phase=(GensetPhase.FAULT if fault else model.phase) if is_known else None,
        power_kw=model.power_kw if is_known else None,
        setpoint_kw=orders.power_kw.get(genset.id, model.power_kw),
        breaker_closed=runs if is_known else None,
        controllable=is_known and not fault,
        fallback_armed=True,
        energy_wh=int(model.energy_wh),
        fuel_used_l=model.fuel_l,
        run_h=model.run_h,
        n_starts=model.n_starts,
    )


def _shown_pv(pv: PvState, model: ModelSite, orders: Orders) -> PvState:
    return replace(
        pv,
        power_kw=None if pv.power_kw is None else model.pv_kw[pv.id],
        limit_kw=orders.limit_kw.get(pv.id, pv.limit_kw),
        controllable=pv.power_kw is not None,
        fallback_armed=True,
        energy_wh=int(model.pv_wh[pv.id]),
    )


def site_document(model: ModelSite) -> dict[str, object]:
    """Return a model ready for JSON."""
    return asdict(model)


def site_of(document: Mapping[str, Any]) -> ModelSite:
    """Return the model of a document.

    Raises:
        ValueError, TypeError, KeyError: It is not one.
    """
    return ModelSite(
        blocks={str(name): ModelBlock(**_numbers(each)) for name, each in document["blocks"].items()},
        sets={str(name): _set_of(each) for name, each in document["sets"].items()},
        pv_kw=_numbers(document["pv_kw"]),
        pv_wh=_numbers(document["pv_wh"]),
        grid_kw=float(document["grid_kw"]),
        import_wh=float(document["import_wh"]),
        export_wh=float(document["export_wh"]),
        unserved_wh=float(document["unserved_wh"]),
    )


def _set_of(document: Mapping[str, Any]) -> ModelSet:
    return ModelSet(
        phase=GensetPhase(document["phase"]),
        n_starts=int(document["n_starts"]),
        **_numbers({name: value for name, value in document.items() if name not in ("phase", "n_starts")}),
    )


def _numbers(document: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in document.items()}
