"""What would happen to the loads if one thing failed now: the grid, the largest set, a container, a PV block, a CDU.

From measured values only. The moment itself is judged by what acts within 100 ms; the time after it by stored energy,
by the sets that run or can start, and by fuel. PV counts for nothing in that time: the sun may go.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from ems.control.measurement import Storage
from ems.control.state import ControlState
from ems.model.cooling_units import CduState
from ems.model.genset import GensetClass
from ems.model.load import CoolingUnits
from ems.model.readings import GensetPhase
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from ems.model.units import SECONDS_PER_HOUR
from ems.reserve import GensetUnit, Operation, up_headroom_kw

# what is less than this is the noise of the meters
_NOISE_KW: Final = 1.0


class End(StrEnum):
    """What ends the supply of the load after a loss."""

    NOTHING = "nothing"
    ENERGY = "energy"
    FUEL = "fuel"
    COOLING = "cooling"


@dataclass(frozen=True, slots=True, kw_only=True)
class Survival:
    """One loss and what follows.

    `lost_kw` is what the thing delivers now, kW (a CDU: the heat that it takes, kW thermal). `short_kw` is the load
    that nothing carries in the first moment, `it_carried_kw` the IT load that is left. The rest lives for `lives_h`
    hours, then ends by what `ends_by` names; None: no end is in sight.
    """

    kind: str
    asset: str
    lost_kw: float
    short_kw: float
    it_carried_kw: float | None
    lives_h: float | None
    ends_by: End


@dataclass(frozen=True, slots=True, kw_only=True)
class _Supply:
    """What can carry the load for longer: powers in kW, energy in the cells in kWh, fuel in litres (None: no limit)."""

    grid_kw: float
    running: tuple[GensetClass, ...]
    startable: tuple[GensetClass, ...]
    stored_kwh: float
    discharge_eff_frac: float
    fuel_l: float | None


def survivals(
    site: Site, snapshot: SiteSnapshot, operation: Operation, storage: Storage, state: ControlState, *, load_kw: float
) -> tuple[Survival, ...]:
    """Return the losses that the site can have, each with what it would do now."""
    supply = _supply(site, snapshot, operation, storage, state)
    it_kw = snapshot.it.load_kw
    found = [
        _after(each, operation, load_kw=load_kw, it_kw=it_kw, sustain_s=site.reserve.sustain_s)
        for each in _losses(site, operation, supply)
    ]
    cdu = _cdu_lost(site, snapshot)
    return (*found, *(() if cdu is None else (cdu,)))


def available_sets(site: Site, snapshot: SiteSnapshot, state: ControlState) -> Iterator[tuple[GensetClass, str]]:
    """Yield the sets that rest and could be started now."""
    states = {genset.id: genset for genset in snapshot.gensets}
    for kind in site.gensets:
        for unit in kind.unit_ids:
            genset, track = states[unit], state.gensets.get(unit)
            failed = track is not None and track.failed_until_s is not None and snapshot.at_s < track.failed_until_s
            usable = genset.controllable and genset.phase not in (None, GensetPhase.FAULT)
            if usable and not genset.carries and not failed and not kind.in_maintenance(unit, snapshot.utc):
                yield kind, unit


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loss:
    """What goes at once, who helps no more, and the supply that is left for later."""

    kind: str
    asset: str
    lost_kw: float
    gone: frozenset[str]
    left: _Supply
    # of storage units that lose a part only: the share of their headroom that goes
    parts_frac: Mapping[str, float]


def _supply(site: Site, snapshot: SiteSnapshot, operation: Operation, storage: Storage, state: ControlState) -> _Supply:
    kinds = {kind.id: kind for kind in site.gensets}
    fuel_l = None
    if site.tank is not None and snapshot.tank_l is not None:
        fuel_l = max(0.0, snapshot.tank_l - site.tank.reserve_l)
    return _Supply(
        grid_kw=0.0 if operation.grid is None else operation.grid.import_limit_kw,
        running=tuple(kinds[unit.member] for unit in operation.gensets),
        startable=tuple(kind for kind, _ in available_sets(site, snapshot, state)),
        stored_kwh=max(0.0, storage.stored_kwh - storage.tech_kwh),
        discharge_eff_frac=min((pool.discharge_eff_frac for pool in site.batteries), default=1.0),
        fuel_l=fuel_l,
    )


def _losses(site: Site, operation: Operation, supply: _Supply) -> Iterator[_Loss]:
    nobody: Mapping[str, float] = {}
    if operation.grid is not None:
        left = replace(supply, grid_kw=0.0)
        yield _Loss(
            kind="grid",
            asset="grid",
            lost_kw=operation.grid.import_kw,
            gone=frozenset({"grid"}),
            left=left,
            parts_frac=nobody,
        )
    if operation.gensets:
        largest = max(operation.gensets, key=lambda unit: unit.power_kw)
        yield _Loss(
            kind="genset",
            asset=largest.id,
            lost_kw=largest.power_kw,
            gone=frozenset({largest.id}),
            left=_without_set(supply, site, largest),
            parts_frac=nobody,
        )
    yield from _container_lost(site, operation, supply)
    if operation.pv:
        brightest = max(operation.pv, key=lambda unit: unit.power_kw)
        yield _Loss(
            kind="pv_block",
            asset=brightest.id,
            lost_kw=brightest.power_kw,
            gone=frozenset({brightest.id}),
            left=supply,
            parts_frac=nobody,
        )


def _without_set(supply: _Supply, site: Site, lost: GensetUnit) -> _Supply:
    running = list(supply.running)
    running.remove(next(kind for kind in site.gensets if kind.id == lost.member))
    return replace(supply, running=tuple(running))


def _container_lost(site: Site, operation: Operation, supply: _Supply) -> Iterator[_Loss]:
    """Yield the loss of one container of the block that delivers most: its share of power, headroom and energy."""
    units = {unit.id: unit for unit in operation.storage}
    shares = {
        block.id: 1.0 / len(block.container_ids)
        for pool in site.batteries
        for block in pool.blocks
        if block.id in units and block.container_ids
    }
    if not shares:
        return
    block_id = max(shares, key=lambda block: shares[block] * max(0.0, units[block].power_kw))
    share, unit = shares[block_id], units[block_id]
    container = next(block.container_ids[0] for pool in site.batteries for block in pool.blocks if block.id == block_id)
    left = replace(supply, stored_kwh=max(0.0, supply.stored_kwh - share * unit.usable_kwh))
    yield _Loss(
        kind="container",
        asset=container,
        lost_kw=share * unit.power_kw,
        gone=frozenset(),
        left=left,
        parts_frac={block_id: share},
    )


def _after(loss: _Loss, operation: Operation, *, load_kw: float, it_kw: float | None, sustain_s: float) -> Survival:
    held_kw = sum(
        (1.0 - loss.parts_frac.get(unit.id, 0.0)) * up_headroom_kw(unit, sustain_s=sustain_s)
        for unit in operation.storage
    )
    if operation.grid is not None and "grid" not in loss.gone:
        held_kw += max(0.0, operation.grid.import_limit_kw - operation.grid.import_kw)
    short_kw = max(0.0, max(0.0, loss.lost_kw) - held_kw)
    short_kw = 0.0 if short_kw < _NOISE_KW else min(short_kw, load_kw)
    lives_h, end = _lives(loss.left, load_kw=load_kw - short_kw)
    return Survival(
        kind=loss.kind,
        asset=loss.asset,
        lost_kw=loss.lost_kw,
        short_kw=short_kw,
        # cooling and auxiliaries are kept before the racks
        it_carried_kw=None if it_kw is None else max(0.0, it_kw - short_kw),
        lives_h=lives_h,
        ends_by=end,
    )


def _lives(supply: _Supply, *, load_kw: float) -> tuple[float | None, End]:
    """Return how long a load lives by storage, sets and grid, and what ends it."""
    if load_kw <= supply.grid_kw:
        return None, End.NOTHING
    sets_kw = load_kw - supply.grid_kw
    running_kw = sum(kind.most_kw for kind in supply.running)
    energy_kwh = supply.stored_kwh * supply.discharge_eff_frac
    deficit_kw = max(0.0, sets_kw - running_kw)
    carry_h = max((kind.carry_s for kind in supply.startable), default=0.0) / SECONDS_PER_HOUR
    if deficit_kw > 0.0 and (not supply.startable or energy_kwh < deficit_kw * carry_h):
        return energy_kwh / deficit_kw, End.ENERGY
    after_kwh = energy_kwh - deficit_kw * carry_h
    kinds = supply.running if deficit_kw <= 0.0 else (*supply.running, *supply.startable)
    able_kw = sum(kind.most_kw for kind in kinds)
    fuel_h = _fuel_h(kinds, min(sets_kw, able_kw), supply.fuel_l)
    if able_kw < sets_kw:
        energy_h = carry_h + after_kwh / (sets_kw - able_kw)
        return (energy_h, End.ENERGY) if fuel_h is None or energy_h <= fuel_h else (fuel_h, End.FUEL)
    if fuel_h is None:
        return None, End.NOTHING
    # the store carries on when the tanks are empty
    wait_h = carry_h if deficit_kw > 0.0 else 0.0
    return wait_h + fuel_h + after_kwh / sets_kw, End.FUEL


def _fuel_h(kinds: tuple[GensetClass, ...], power_kw: float, fuel_l: float | None) -> float | None:
    """Return how long the fuel lasts with the load shared in proportion to the ratings, None without a limit."""
    able_kw = sum(kind.most_kw for kind in kinds)
    if fuel_l is None or able_kw <= 0.0:
        return None
    rate_l_per_h = sum(
        kind.fuel.fuel_l_per_h(max(kind.min_stable_kw, kind.most_kw * power_kw / able_kw)) for kind in kinds
    )
    return fuel_l / rate_l_per_h if rate_l_per_h > 0.0 else None


def _cdu_lost(site: Site, snapshot: SiteSnapshot) -> Survival | None:
    """Return the loss of the CDU that takes most heat, None unless CDUs are read and the IT load is known."""
    units: CoolingUnits | None = site.cooling.cdus
    it_kw = snapshot.it.load_kw
    working = [cdu for cdu in snapshot.cooling.cdus if cdu.available]
    if units is None or not working or it_kw is None:
        return None
    # chips that are cooled by liquid have next to no thermal mass: the heat that nobody takes is load that goes
    liquid_kw_th = site.cooling.liquid_share_frac * it_kw
    left_kw_th = (len(working) - 1) * units.capacity_kw_th
    short_kw = max(0.0, liquid_kw_th - left_kw_th)
    hottest = max(working, key=_heat_kw_th)
    return Survival(
        kind="cdu",
        asset=hottest.id,
        lost_kw=_heat_kw_th(hottest),
        short_kw=short_kw,
        it_carried_kw=it_kw - short_kw,
        lives_h=None,
        ends_by=End.NOTHING if short_kw <= _NOISE_KW else End.COOLING,
    )


def _heat_kw_th(cdu: CduState) -> float:
    return 0.0 if cdu.heat_kw_th is None else cdu.heat_kw_th
