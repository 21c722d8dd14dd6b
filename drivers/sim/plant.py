"""The simulated site: everything physical put together, advanced step by step, with true totals.

Nothing here is imported from dispatch or control. All powers are means over a step, so that any step length
up to some minutes works; commands and watchdogs are in seconds of the run.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from drivers.sim.battery import TwinBlock, TwinContainer
from drivers.sim.bus import Following, Solved, solve_bus
from drivers.sim.cluster import GpuCluster
from drivers.sim.cooling import TwinCooling
from drivers.sim.cooling_units import twin_units
from drivers.sim.genset import TwinGenset, TwinTank
from drivers.sim.grid import TwinGrid, announced_seconds
from drivers.sim.noise import generator
from drivers.sim.pv_field import available_kw
from drivers.sim.racks import TwinRack, split
from drivers.sim.scheduler.cluster import TwinScheduler
from drivers.sim.series import DayTable
from drivers.sim.sky import FileFinder, Sky, first_day
from drivers.sim.tie import TwinTie
from ems.model.battery import BatteryPool
from ems.model.genset import FuelTank
from ems.model.site import Site
from ems.model.twin import TwinOutages, TwinSpec

_NOMINAL_HZ = 60.0
# frequency deviation of the forming units at full deviation from their setpoints
_DROOP_HZ = 0.6
# steps shorter than this show the swings of synchronous training
_SWING_S = 60.0
# after a dead bus racks are switched on again by their own controllers, in turn, and PV waits for a steady grid
_RACKS_AFTER_S, _RACKS_RAMP_S = 30.0, 120.0
_PV_AFTER_S = 60.0
_NO_OUTAGES = TwinOutages(share_of_year_frac=0.0, mean_h=1.0, shortest_h=1.0, longest_h=1.0, reclose_s=300.0)


@dataclass(slots=True)
class Totals:
    """True energies since the start, kWh at the bus, and litres; `losses` holds conversion and distribution."""

    load_it: float = 0.0
    load_cooling: float = 0.0
    load_aux: float = 0.0
    pv_available: float = 0.0
    pv_used: float = 0.0
    genset: float = 0.0
    grid_import: float = 0.0
    grid_export: float = 0.0
    battery_charge: float = 0.0
    battery_discharge: float = 0.0
    losses: float = 0.0
    unserved: float = 0.0
    fuel_l: float = 0.0

    @property
    def delivered(self) -> float:
        """Return what the loads received."""
        return self.load_it + self.load_cooling + self.load_aux


@dataclass(slots=True)
class TwinPvBlock:
    """One PV block's inverter: follows its limit, falls back to no limit when the controller is silent."""

    id: str
    rated_kw: float
    limit_kw: float
    available_kw: float = 0.0
    power_kw: float = 0.0
    energy_kwh: float = 0.0
    silent_s: float = 0.0
    watchdog_s: float | None = None

    def wanted_kw(self) -> float:
        """Return what the block feeds in before frequency moves it."""
        return min(self.available_kw, self.limit_kw)

    def advance(self, available_kw: float, dt_s: float) -> None:
        """Take the step's sun; without a controller the limit is lifted."""
        self.available_kw = available_kw
        self.silent_s += dt_s
        if self.watchdog_s is not None and self.silent_s > self.watchdog_s:
            self.limit_kw = self.rated_kw

    def settle(self, power_kw: float, hours: float) -> None:
        """Book the power that the bus took."""
        self.power_kw = power_kw
        self.energy_kwh += power_kw * hours


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadNow:
    """The loads of the last step."""

    it_kw: float
    it_max_kw: float
    cooling_kw: float
    aux_kw: float


class Plant:
    """The site's physics. `advance` moves it; device facades read it and leave commands in it."""

    def __init__(self, site: Site, spec: TwinSpec, *, start: datetime, search: tuple[Path, ...], seed: int) -> None:
        self.site = site
        self.spec = spec
        self.start = start
        self.seed = seed
        self.elapsed_s = 0.0
        self.totals = Totals()
        self.frequency_hz = _NOMINAL_HZ if site.grid is None else site.grid.nominal_hz
        self.islanded = site.grid is None
        self.bus_live = True
        # how long the bus has been live; at the start the site has run for long
        self.live_s = 1e9
        self.unserved_kw = 0.0
        self._files = FileFinder(search)
        n_pv = max((plant.n_blocks for plant in site.pv), default=1)
        self._sky = Sky(spec.weather, site.place, find=self._files, n_blocks=n_pv, seed=seed)
        self._cluster = GpuCluster(site.it, spec.load, timezone=site.place.timezone, seed=seed)
        # the cluster's own side, which moves with the plant; None: its load is nobody's to move
        self.scheduler = None if spec.cluster is None else TwinScheduler(site.it, spec.cluster, start=start, seed=seed)
        self._first_day = first_day(start, site.place.longitude_deg)
        self._minutes = DayTable(self._first_day)
        self._swing = generator(seed, "swing")
        self._ensure_days(start)
        self.ambient_degc = float(self._minutes.mean(start, 60.0)[0])
        self.blocks = {
            block.id: block for pool in site.batteries for block in _blocks(pool, spec, self.ambient_degc, seed)
        }
        self.gensets = {
            unit: TwinGenset(
                id=unit,
                kind=kind,
                unit_factor=1.0 + 0.01 * float(generator(seed, "fuel", unit).standard_normal()),
                rng=generator(seed, "genset", unit),
                start_failure_frac=spec.start_failure_frac,
            )
            for kind in site.gensets
            for unit in kind.unit_ids
        }
        self.pv = {
            block: TwinPvBlock(id=block, rated_kw=plant.ac_kw, limit_kw=plant.ac_kw)
            for plant in site.pv
            for block in plant.block_ids
        }
        self.tank = None if site.tank is None else _tank(site.tank, spec.tank_start_l)
        self.grid = self._grid()
        it_kw = float(self._minutes.mean(start, 60.0)[1])
        self.cooling = TwinCooling(plant=site.cooling, heat_kw_th=it_kw, felt_degc=self.ambient_degc)
        self.cooling_units = twin_units(site.cooling, ambient_degc=self.ambient_degc)
        if self.scheduler is not None:
            self.scheduler.begin(it_kw)
        # whoever reads before the first step sees the loads as they are, not zero
        self.load = self._demand(it_kw, _SWING_S)
        self._loads_kwh = {"it": 0.0, "cooling": 0.0, "aux": 0.0}

    @property
    def utc(self) -> datetime:
        """Return the simulated time."""
        return self.start + timedelta(seconds=self.elapsed_s)

    def container(self, container_id: str) -> TwinContainer:
        """Return a container by its name.

        Raises:
            KeyError: The site has none of that name.
        """
        return {each.id: each for block in self.blocks.values() for each in block.containers}[container_id]

    @property
    def stored_kwh(self) -> float:
        """Return the true energy in all cells."""
        return sum(container.stored_kwh for block in self.blocks.values() for container in block.containers)

    @property
    def soc_pct(self) -> float:
        """Return the true state of charge of the whole store."""
        full = sum(container.full_kwh for block in self.blocks.values() for container in block.containers)
        return 100.0 * self.stored_kwh / full if full > 0.0 else 0.0

    def load_kwh(self, name: str) -> float:
        """Return the energy that a load has received since the start."""
        return self._loads_kwh[name]

    def advance(self, dt_s: float) -> None:
        """Move the site by one step."""
        now, at_s, hours = self.utc, self.elapsed_s, dt_s / 3600.0
        self._ensure_days(now + timedelta(seconds=dt_s))
        means = self._minutes.mean(now, dt_s)
        self.ambient_degc = float(means[0])
        available = [float(kw) for kw in means[2:]]
        base_kw = float(means[1])
        demand = self._demand(base_kw if self.scheduler is None else self.scheduler.advance(base_kw, dt_s), dt_s)
        if self.grid is not None:
            self.grid.advance(at_s, dt_s, bus_live=self.bus_live, bus_hz=self.frequency_hz)
        self.islanded = self.grid is None or not self.grid.breaker_closed
        for block in self.blocks.values():
            block.follow(at_s, dt_s, islanded=self.islanded)
        for genset in self.gensets.values():
            genset.advance(at_s, dt_s)
        for pv, kw in zip(self.pv.values(), available, strict=True):
            pv.advance(kw, dt_s)
        self._energise(dt_s)
        solved = self._solve(demand, dt_s)
        self._book(demand, solved, hours, dt_s)
        self.elapsed_s += dt_s

    def _energise(self, dt_s: float) -> None:
        """Say whether anything holds the bus: the grid, a forming PCS, or a set."""
        forms = any(block.forming for block in self.blocks.values())
        runs = any(genset.breaker_closed for genset in self.gensets.values())
        self.bus_live = not self.islanded or forms or runs
        self.live_s = self.live_s + dt_s if self.bus_live else 0.0

    def _racks_frac(self) -> float:
        """Return the share of the racks that are on."""
        if not self.bus_live:
            return 0.0
        return min(1.0, max(0.0, (self.live_s - _RACKS_AFTER_S) / _RACKS_RAMP_S))

    def _demand(self, it_kw: float, dt_s: float) -> LoadNow:
        """Return the loads of the step; swings below a minute show only in steps below a minute."""
        swing = self._cluster.swing_kw()
        noise = swing * float(self._swing.standard_normal()) * 0.5 if dt_s < _SWING_S else 0.0
        power = min(self.site.it.design_kw * 1.05, max(self.site.it.idle_kw, it_kw + noise))
        base = self.site.auxiliaries
        containers = sum(container.aux_kw for block in self.blocks.values() for container in block.containers)
        cooling_kw = self.cooling.advance(power, self.ambient_degc, dt_s)
        self.cooling_units.advance(
            heat_kw_th=self.cooling.heat_kw_th, load_kw=cooling_kw, ambient_degc=self.ambient_degc, dt_s=dt_s
        )
        return LoadNow(
            it_kw=power,
            it_max_kw=power + swing,
            cooling_kw=cooling_kw,
            aux_kw=base.frac_of_it * power + base.constant_kw + containers,
        )

    def _distribution_loss_kw(self, served_kw: float) -> float:
        """Return cable and transformer losses: quadratic, at the configured share of the design load."""
        nominal_kw = self.site.design_load_kw
        return self.site.economics.site_loss_frac * served_kw**2 / nominal_kw

    def _dead(self, demand: LoadNow) -> Solved:
        """Return the balance of a bus that nothing holds."""
        served_kw = demand.it_kw + demand.cooling_kw + demand.aux_kw
        return Solved(
            blocks_kw=[0.0] * len(self.blocks),
            gensets_kw=[0.0] * len(self.gensets),
            pv_kw=[0.0] * len(self.pv),
            grid_kw=0.0,
            unserved_kw=served_kw + self._distribution_loss_kw(served_kw),
            droop_frac=0.0,
        )

    def _solve(self, demand: LoadNow, dt_s: float) -> Solved:
        if not self.bus_live:
            return self._dead(demand)
        off_kw = (1.0 - self._racks_frac()) * demand.it_kw
        if off_kw > 0.0:
            racks = replace(demand, it_kw=demand.it_kw - off_kw, it_max_kw=demand.it_max_kw - off_kw)
            served_kw = demand.it_kw + demand.cooling_kw + demand.aux_kw
            saved_kw = self._distribution_loss_kw(served_kw) - self._distribution_loss_kw(served_kw - off_kw)
            solved = self._carried(racks, dt_s)
            return replace(solved, unserved_kw=solved.unserved_kw + off_kw + saved_kw)
        return self._carried(demand, dt_s)

    def _carried(self, demand: LoadNow, dt_s: float) -> Solved:
        served_kw = demand.it_kw + demand.cooling_kw + demand.aux_kw
        blocks = []
        for block in self.blocks.values():
            low, high = block.range_kw(dt_s)
            # following blocks without a grid have nothing to follow
            movable = block.forming or not self.islanded
            wanted = min(max(block.setpoint_kw, low), high)
            blocks.append(
                Following(
                    lowest_kw=low if movable else wanted, wanted_kw=wanted, highest_kw=high if movable else wanted
                )
            )
        return solve_bus(
            load_kw=served_kw + self._distribution_loss_kw(served_kw),
            blocks=blocks,
            gensets=[genset.range_kw() for genset in self.gensets.values()],
            pv_kw=[pv.wanted_kw() if self.live_s >= _PV_AFTER_S else 0.0 for pv in self.pv.values()],
            rating_kw=sum(block.pool.pcs_kw for block in self.blocks.values() if block.forming),
            grid_closed=not self.islanded,
        )

    def _book(self, demand: LoadNow, solved: Solved, hours: float, dt_s: float) -> None:
        totals = self.totals
        loss_kw = self._distribution_loss_kw(demand.it_kw + demand.cooling_kw + demand.aux_kw)
        # feeders go in this order: racks, cooling, auxiliaries
        it_kw, cooling_kw, aux_kw, loss_kw = _cut(
            (demand.it_kw, demand.cooling_kw, demand.aux_kw, loss_kw), solved.unserved_kw
        )
        self.load = LoadNow(it_kw=it_kw, it_max_kw=demand.it_max_kw, cooling_kw=cooling_kw, aux_kw=aux_kw)
        self.unserved_kw = solved.unserved_kw
        totals.unserved += solved.unserved_kw * hours
        totals.losses += loss_kw * hours
        for name, kw in (("it", it_kw), ("cooling", cooling_kw), ("aux", aux_kw)):
            self._loads_kwh[name] += kw * hours
        totals.load_it, totals.load_cooling, totals.load_aux = self._loads_kwh.values()
        for block, kw in zip(self.blocks.values(), solved.blocks_kw, strict=True):
            totals.losses += block.advance(kw, self.ambient_degc, dt_s)
            totals.battery_discharge += max(0.0, kw) * hours
            totals.battery_charge += max(0.0, -kw) * hours
        burnt = sum(
            genset.settle(kw, dt_s) for genset, kw in zip(self.gensets.values(), solved.gensets_kw, strict=True)
        )
        totals.fuel_l += burnt
        totals.genset += sum(solved.gensets_kw) * hours
        for pv, kw in zip(self.pv.values(), solved.pv_kw, strict=True):
            pv.settle(kw, hours)
            totals.pv_used += kw * hours
            totals.pv_available += pv.available_kw * hours
        if self.grid is not None:
            self.grid.power_kw = solved.grid_kw
            self.grid.import_kwh += max(0.0, solved.grid_kw) * hours
            self.grid.export_kwh += max(0.0, -solved.grid_kw) * hours
            totals.grid_import, totals.grid_export = self.grid.import_kwh, self.grid.export_kwh
        if self.tank is not None:
            self.tank.advance(burnt, self.elapsed_s + dt_s)
        self.frequency_hz = self._frequency_hz(solved)

    def _frequency_hz(self, solved: Solved) -> float:
        """Return the frequency of the bus: the grid's, that of the droop, or none."""
        if not self.bus_live:
            return 0.0
        nominal = _NOMINAL_HZ if self.site.grid is None else self.site.grid.nominal_hz
        if not self.islanded and self.grid is not None and self.grid.tie is not None:
            return self.grid.tie.grid_hz(self.elapsed_s, nominal)
        return nominal - _DROOP_HZ * solved.droop_frac

    def _ensure_days(self, until: datetime) -> None:
        """Make per-minute tables (ambient, IT, PV blocks) up to the day that holds an instant."""
        while self._first_day + timedelta(days=self._minutes.n_days) <= until:
            number = self._minutes.n_days
            start = self._first_day + timedelta(days=number)
            sky = self._sky.day(start, number)
            columns = [sky.ambient_degc[:, None], self._cluster.day_kw(start)[:, None]]
            columns += [available_kw(plant, sky) for plant in self.site.pv]
            self._minutes.add_day(np.concatenate(columns, axis=1))

    def _grid(self) -> TwinGrid | None:
        if self.site.grid is None:
            return None
        outages = self.spec.outages or _NO_OUTAGES
        announced = announced_seconds(self.site.grid.announced, self.start.timestamp())
        rules = self.site.control.tie
        tie = None
        if rules is not None:
            tie = TwinTie(rules=rules, phase_deg=360.0 * float(generator(self.seed, "tie").random()))
        return TwinGrid(
            outages=outages,
            rng=generator(self.seed, "outages"),
            announced_s=announced,
            tie=tie,
            nominal_hz=self.site.grid.nominal_hz,
        )


def _cut(amounts_kw: tuple[float, ...], short_kw: float) -> list[float]:
    """Take a shortage off the amounts, from the first to the last."""
    left = []
    for kw in amounts_kw:
        taken = min(kw, short_kw)
        left.append(kw - taken)
        short_kw -= taken
    return left


def _blocks(pool: BatteryPool, spec: TwinSpec, ambient_degc: float, seed: int) -> list[TwinBlock]:
    rng = generator(seed, "soc", pool.id)
    blocks = []
    for block in pool.blocks:
        containers = []
        for container in block.container_ids:
            soc_pct = spec.soc_start_pct + spec.soc_spread_pct * float(rng.standard_normal())
            soc_pct = min(pool.soc_max_pct, max(pool.soc_tech_min_pct, soc_pct))
            containers.append(
                TwinContainer(
                    id=container,
                    full_kwh=pool.container_kwh,
                    stored_kwh=(stored_kwh := pool.container_kwh * soc_pct / 100.0),
                    racks=_racks(spec, pool.container_kwh, stored_kwh, seed=seed, name=container),
                    cell_degc=min(28.0, max(18.0, ambient_degc)),
                    aux_base_kw=pool.aux_base_kw_per_container,
                )
            )
        blocks.append(TwinBlock(id=block.id, pool=pool, containers=containers))
    return blocks


def _racks(spec: TwinSpec, full_kwh: float, stored_kwh: float, *, seed: int, name: str) -> list[TwinRack]:
    if spec.racks is None:
        return []
    return split(spec.racks, full_kwh=full_kwh, stored_kwh=stored_kwh, seed=seed, name=name)


def _tank(tank: FuelTank, start_l: float) -> TwinTank:
    return TwinTank(
        capacity_l=tank.capacity_l,
        stored_l=start_l,
        order_below_l=tank.order_below_l,
        delivery_l=tank.delivery_l,
        max_deliveries_per_day=tank.max_deliveries_per_day,
        lead_time_s=3600.0 * tank.lead_time_h,
    )
