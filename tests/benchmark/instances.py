"""Seeded planning problems of three sizes with nothing but what every modelling stack can say.

Load, PV, optional grid with prices and limits, batteries with constant limits and efficiencies, genset classes with
linear fuel curves and minimum times with history, one reserve requirement with a sustain time, prices of what is
missing, linear terminal value, CO2 price. A site has one true future; each cycle sees it through errors that grow
with lead time, so that the problems of following cycles are revised forecasts of the same days.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from ems.model.fuel import FuelSegment
from ems.model.problem import (
    SCHEMA,
    FuelProblem,
    GensetProblem,
    GridProblem,
    LoadProblem,
    PlanningProblem,
    PoolProblem,
    PriceProblem,
    PvProblem,
    ReserveClassProblem,
    ReserveProblem,
    SolveOptions,
    UnitHistory,
    ValuePiece,
)
from ems.model.timegrid import TimeGrid

Values = npt.NDArray[np.float64]

START: Final = datetime(2025, 3, 1, tzinfo=UTC)
STEP_H: Final = 0.25
# cycles that a rolling run may take
N_CYCLES: Final = 64
_STEPS_PER_DAY: Final = 96
# litres per kWh of a 1-2.5 MW set at full load, and the rate at minimum load beyond that line (makers' sheets: 0.24
# to 0.27 L/kWh, a tenth of the full-load rate while idling)
_FUEL_L_PER_KWH: Final = 0.24
_IDLE_L_PER_H_PER_KW: Final = 0.018
_KGCO2E_PER_L: Final = 2.68
_TERMINAL_VALUE_PER_KWH: Final = 0.10
_PRICES: Final = PriceProblem(
    unserved_per_kwh=10.0, reserve_per_kwh=2.0, floor_per_kwh=1.0, limit_per_kwh=1.0, co2_per_kg=0.05
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassSpec:
    """A class of equal sets."""

    n_units: int
    max_kw: float
    min_frac: float
    start_cost: float
    min_up_h: float
    min_down_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeSpec:
    """How large a site is; `load_kw` is the mean load, the batteries share `storage_kw` and `storage_kwh` unequally."""

    n_pools: int
    classes: tuple[ClassSpec, ...]
    load_kw: float
    pv_kw: float
    storage_kw: float
    storage_kwh: float
    grid_kw: float


_SMALL: Final = ClassSpec(n_units=2, max_kw=1000.0, min_frac=0.30, start_cost=40.0, min_up_h=1.5, min_down_h=1.0)
SIZES: Final = {
    "S": SizeSpec(
        n_pools=1,
        classes=(_SMALL,),
        load_kw=1_150.0,
        pv_kw=2_200.0,
        storage_kw=600.0,
        storage_kwh=1_800.0,
        grid_kw=700.0,
    ),
    "M": SizeSpec(
        n_pools=4,
        classes=(
            ClassSpec(n_units=5, max_kw=2000.0, min_frac=0.35, start_cost=90.0, min_up_h=3.0, min_down_h=2.0),
            ClassSpec(n_units=3, max_kw=1200.0, min_frac=0.25, start_cost=45.0, min_up_h=1.5, min_down_h=1.0),
        ),
        load_kw=9_800.0,
        pv_kw=17_000.0,
        storage_kw=4_500.0,
        storage_kwh=14_000.0,
        grid_kw=5_000.0,
    ),
    "L": SizeSpec(
        n_pools=16,
        classes=(
            ClassSpec(n_units=8, max_kw=2500.0, min_frac=0.35, start_cost=110.0, min_up_h=4.0, min_down_h=2.0),
            ClassSpec(n_units=8, max_kw=1600.0, min_frac=0.30, start_cost=65.0, min_up_h=2.0, min_down_h=1.5),
            ClassSpec(n_units=8, max_kw=1000.0, min_frac=0.25, start_cost=35.0, min_up_h=1.0, min_down_h=0.75),
        ),
        load_kw=22_000.0,
        pv_kw=38_000.0,
        storage_kw=10_000.0,
        storage_kwh=30_000.0,
        grid_kw=11_000.0,
    ),
}
# hours of each step
GRIDS: Final = {
    "96": (STEP_H,) * 96,
    "192": (STEP_H,) * 192,
    "84": (STEP_H,) * 48 + (1.0,) * 36,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """Which problem: size, grid of steps, islanded or connected, seed."""

    size: str
    grid: str
    connected: bool
    seed: int = 1

    @property
    def name(self) -> str:
        """Return the name that tables and files use, as `M-84-island-1`."""
        return f"{self.size}-{self.grid}-{'grid' if self.connected else 'island'}-{self.seed}"


def instance(name: str) -> Instance:
    """Return the instance of a name as `M-84-island-1`."""
    size, grid, kind, seed = name.split("-")
    return Instance(size=size, grid=grid, connected=kind == "grid", seed=int(seed))


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteState:
    """What a cycle starts from: stored energy by pool, history by class."""

    stored_kwh: tuple[float, ...]
    units: tuple[tuple[UnitHistory, ...], ...]


class BenchmarkSite:
    """One site with its true future; `problem` is what a planning cycle knows of it."""

    def __init__(self, stated: Instance) -> None:
        self._stated = stated
        self._size = SIZES[stated.size]
        random = np.random.default_rng([stated.seed, *stated.size.encode()])
        n_true = _STEPS_PER_DAY * 2 + N_CYCLES
        hour = (np.arange(n_true) * STEP_H + 6.0 * (stated.seed % 4)) % 24.0
        self._hour = hour
        day = np.cos(2.0 * np.pi * (hour - 15.0) / 24.0)
        self._load_kw = self._size.load_kw * (1.0 + 0.18 * day + _wander(random, n_true, kept=0.9, sigma=0.02))
        clear = np.maximum(0.0, np.sin(np.pi * (hour - 6.0) / 12.0)) ** 1.2
        clouds = np.clip(0.85 + _wander(random, n_true, kept=0.93, sigma=0.08), 0.15, 1.0)
        self._pv_kw = self._size.pv_kw * clear * clouds
        self._pools = self._unequal_pools(random)
        self._initial = self._initial_state(random)

    @property
    def initial(self) -> SiteState:
        """Return the state of the first cycle."""
        return self._initial

    def problem(self, cycle: int = 0, state: SiteState | None = None, *, gap_frac: float = 0.001) -> PlanningProblem:
        """Return what the cycle plans; the first step of every forecast is what comes true."""
        now = self._initial if state is None else state
        duration_h = GRIDS[self._stated.grid]
        load_kw = self._forecast(self._load_kw, cycle, sigma=0.004, salt=1)
        pv_kw = self._forecast(self._pv_kw, cycle, sigma=0.015, salt=2)
        start = START + timedelta(hours=STEP_H * cycle)
        name = f"{self._stated.name}-{cycle}"
        return PlanningProblem(
            schema=SCHEMA,
            id=name,
            site_id=self._stated.name,
            currency="EUR",
            created_utc=start,
            grid=TimeGrid(start_utc=start, duration_h=duration_h),
            load=LoadProblem(it_kw=load_kw),
            prices=_PRICES,
            pv=(PvProblem(id="pv", available_kw=pv_kw),),
            pools=tuple(self._pool(p, now.stored_kwh[p], len(duration_h)) for p in range(self._size.n_pools)),
            gensets=tuple(
                _genset(f"class{c}", spec, units)
                for c, (spec, units) in enumerate(zip(self._size.classes, now.units, strict=True))
            ),
            fuel=FuelProblem(price_per_l=0.95, kgco2e_per_l=_KGCO2E_PER_L),
            connection=self._connection(cycle) if self._stated.connected else None,
            reserve=self._reserve(load_kw, pv_kw),
            options=SolveOptions(gap_frac=gap_frac, time_limit_s=60.0, integer_h=sum(duration_h)),
        )

    def _forecast(self, true_kw: Values, cycle: int, *, sigma: float, salt: int) -> tuple[float, ...]:
        """Return means per step of the truth, seen with an error that grows with lead time."""
        random = np.random.default_rng([self._stated.seed, salt, cycle])
        ahead = true_kw[cycle : cycle + _STEPS_PER_DAY * 2]
        error = np.cumsum(random.normal(0.0, sigma, len(ahead)))
        error[0] = 0.0
        seen = np.maximum(0.0, ahead * (1.0 + np.clip(error, -0.5, 0.5)))
        return tuple(round(float(kw), 3) for kw in self._on_grid(seen))

    def _on_grid(self, quarters: Values) -> Values:
        """Return means over the instance's steps of values per quarter of an hour."""
        width = [round(hours / STEP_H) for hours in GRIDS[self._stated.grid]]
        nodes = np.concatenate([[0], np.cumsum(width)])
        return np.asarray([quarters[a:b].mean() for a, b in pairwise(nodes)])

    def _unequal_pools(self, random: np.random.Generator) -> list[tuple[float, float, float]]:
        """Return power, energy and efficiency of each pool; no two are alike, so that none can be pooled."""
        n = self._size.n_pools
        power = self._size.storage_kw * _shares(random, n)
        energy = self._size.storage_kwh * _shares(random, n)
        return [
            (round(float(kw), 1), round(float(kwh), 1), round(float(random.uniform(0.94, 0.975)), 4))
            for kw, kwh in zip(power, energy, strict=True)
        ]

    def _initial_state(self, random: np.random.Generator) -> SiteState:
        stored = tuple(round(kwh * float(random.uniform(0.25, 0.6)), 1) for _, kwh, _ in self._pools)
        units = tuple(
            tuple(
                UnitHistory(
                    id=f"class{c}-{n}",
                    on=n < (spec.n_units + 1) // 2,
                    since_h=round(float(random.uniform(0.25, 6.0)) / STEP_H) * STEP_H,
                )
                for n in range(spec.n_units)
            )
            for c, spec in enumerate(self._size.classes)
        )
        return SiteState(stored_kwh=stored, units=units)

    def _pool(self, p: int, stored_kwh: float, n_steps: int) -> PoolProblem:
        kw, kwh, eff_frac = self._pools[p]
        low_kwh, high_kwh = 0.1 * kwh, 0.95 * kwh
        return PoolProblem(
            id=f"bess{p}",
            max_charge_kw=(kw,) * n_steps,
            max_discharge_kw=(kw,) * n_steps,
            full_kwh=kwh,
            stored_kwh=stored_kwh,
            min_stored_kwh=low_kwh,
            max_stored_kwh=high_kwh,
            charge_eff_frac=eff_frac,
            discharge_eff_frac=eff_frac,
            wear_cost_per_kwh=0.006 + 0.0005 * p,
            terminal_value=(ValuePiece(width_kwh=high_kwh - low_kwh, value_per_kwh=_TERMINAL_VALUE_PER_KWH),),
        )

    def _connection(self, cycle: int) -> GridProblem:
        quarters = self._hour[cycle : cycle + _STEPS_PER_DAY * 2]
        price = np.where((quarters >= 17.0) & (quarters < 22.0), 0.42, np.where(quarters < 6.0, 0.16, 0.24))
        n_steps = len(GRIDS[self._stated.grid])
        return GridProblem(
            import_limit_kw=(self._size.grid_kw,) * n_steps,
            export_limit_kw=(0.4 * self._size.grid_kw,) * n_steps,
            price_per_kwh=tuple(round(float(x), 6) for x in self._on_grid(price)),
            export_price_per_kwh=(0.04,) * n_steps,
            kgco2e_per_kwh=(0.45,) * n_steps,
        )

    def _reserve(self, load_kw: tuple[float, ...], pv_kw: tuple[float, ...]) -> ReserveProblem:
        """Return a requirement that storage alone holds while it is charged."""
        largest_kw = max(spec.max_kw for spec in self._size.classes)
        variation = tuple(
            round(0.6 * largest_kw + 0.06 * load + 0.10 * pv, 3) for load, pv in zip(load_kw, pv_kw, strict=True)
        )
        only = ReserveClassProblem(id="r1", gensets_count=True, variation_kw=variation)
        # a quarter of an hour: both ends of every step and no end of a later one lie within it
        return ReserveProblem(classes=(only,), sustain_h=0.25)


def _genset(name: str, spec: ClassSpec, units: tuple[UnitHistory, ...]) -> GensetProblem:
    min_kw = spec.min_frac * spec.max_kw
    return GensetProblem(
        id=name,
        units=units,
        min_kw=min_kw,
        max_kw=spec.max_kw,
        min_fuel_l_per_h=_FUEL_L_PER_KWH * min_kw + _IDLE_L_PER_H_PER_KW * spec.max_kw,
        # larger sets burn a little less
        segments=(FuelSegment(width_kw=spec.max_kw - min_kw, fuel_l_per_kwh=_FUEL_L_PER_KWH - 4e-6 * spec.max_kw),),
        min_up_h=spec.min_up_h,
        min_down_h=spec.min_down_h,
        start_cost=spec.start_cost,
        run_wear_cost_per_h=0.006 * spec.max_kw,
    )


def _wander(random: np.random.Generator, n: int, *, kept: float, sigma: float) -> Values:
    """Return an autoregressive series about zero."""
    values = np.zeros(n)
    for t in range(1, n):
        values[t] = kept * values[t - 1] + random.normal(0.0, sigma)
    return values


def _shares(random: np.random.Generator, n: int) -> Values:
    """Return n unequal shares that sum to one."""
    weights = random.uniform(0.6, 1.4, n)
    shares: Values = weights / weights.sum()
    return shares
