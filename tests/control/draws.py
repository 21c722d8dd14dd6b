"""Random snapshots and requests: whatever devices may report, with any value missing.

Drawn from one seed per case: a site has a hundred values, and hypothesis would spend its time on drawing them.
"""

import os
from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from ems.control.guard import GuardContext
from ems.control.state import Mode
from ems.model.battery import AcBlock, BatteryPool
from ems.model.genset import GensetClass
from ems.model.readings import GensetPhase
from ems.model.setpoints import BlockSetpoint, GensetSetpoint, PvSetpoint, Setpoints
from ems.model.site import Site
from ems.model.snapshot import BlockState, CoolingState, GensetState, LoadState, PccState, PvState, SiteSnapshot
from tests.control.scene import NOW_S, START

# `make fuzz` sets it: many cases instead of a sample
FULL = os.environ.get("EMS_FUZZ") == "full"

SEEDS = st.integers(0, 2**40)
_NO_NUMBERS = (float("nan"), float("inf"), float("-inf"))


def cases(n_sample: int, *, n_full: int = 20_000) -> settings:
    """Return how many examples to draw; the sample is the same in every run."""
    return settings(
        max_examples=n_full if FULL else n_sample,
        deadline=None,
        derandomize=not FULL,
        suppress_health_check=[HealthCheck.too_slow],
    )


class Draw:
    """One case: its own share of missing values, of odd states and of wild requests."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._missing_frac = self._random.choice((0.0, 0.03, 0.3))
        self._odd_frac = self._random.choice((0.0, 0.1, 0.5))
        self._storage_forms = self._random.random() < 0.7

    def snapshot(self, site: Site, *, at_s: float = NOW_S) -> SiteSnapshot:
        """Return any picture of a site."""
        return SiteSnapshot(
            at_s=at_s,
            utc=START,
            blocks=tuple(self._block(pool, block) for pool in site.batteries for block in pool.blocks),
            gensets=tuple(self._genset(kind, unit) for kind in site.gensets for unit in kind.unit_ids),
            pv=tuple(self._pv(block, plant.ac_kw) for plant in site.pv for block in plant.block_ids),
            pcc=None if site.grid is None else self._pcc(site.grid.import_limit_kw),
            it=self._load(site.it.design_kw),
            cooling_load=self._load(0.2 * site.it.design_kw),
            aux=self._load(0.1 * site.it.design_kw),
            cooling=CoolingState(ambient_degc=None, supply_degc=None, capacity_kw_th=None),
            tank_l=self.maybe(0.0, 400_000.0),
            frequency_hz=self.maybe(45.0, 65.0),
            problems=(),
            spread_s=self._random.uniform(0.0, 3.0),
        )

    def context(self, site: Site) -> GuardContext:
        """Return what control may know beside the picture."""
        return GuardContext(
            mode=self._random.choice((Mode.GRID, Mode.ISLAND, Mode.DEGRADED)),
            dt_s=self._random.choice((1.0, 60.0)),
            stored_kwh=self._random.uniform(0.0, site.full_kwh),
            floor_kwh=self._random.uniform(0.0, 0.4 * site.full_kwh),
            r0_margin_kw=self._random.uniform(-5000.0, 5000.0),
        )

    def request(self, site: Site) -> Setpoints:
        """Return what anybody might ask for, numbers that are none included."""
        return Setpoints(
            blocks=tuple(
                BlockSetpoint(id=block.id, power_kw=self._asked(-1.5 * pool.pcs_kw, 1.5 * pool.pcs_kw))
                for pool in site.batteries
                for block in pool.blocks
                if self._random.random() < 0.8
            ),
            gensets=tuple(
                GensetSetpoint(
                    id=unit, run=self._random.random() < 0.5, power_kw=self._asked(-kind.rated_kw, 2.0 * kind.rated_kw)
                )
                for kind in site.gensets
                for unit in kind.unit_ids
            ),
            pv=tuple(
                PvSetpoint(id=block, limit_kw=self._asked(-plant.ac_kw, 2.0 * plant.ac_kw))
                for plant in site.pv
                for block in plant.block_ids
            ),
        )

    def maybe(self, lowest: float, highest: float) -> float | None:
        """Return a measured value, or None."""
        return None if self._random.random() < self._missing_frac else self._random.uniform(lowest, highest)

    def odd(self) -> bool:
        """Return whether something unusual is the case."""
        return self._random.random() < self._odd_frac

    def _asked(self, lowest: float, highest: float) -> float:
        if self._random.random() < 0.2 * self._odd_frac:
            return self._random.choice((*_NO_NUMBERS, 1e9, -1e9))
        return self._random.uniform(lowest, highest)

    def _flag(self, *, usual: bool) -> bool | None:
        if self._random.random() < self._missing_frac:
            return None
        return usual != self.odd()

    def _block(self, pool: BatteryPool, block: AcBlock) -> BlockState:
        limit_kw = pool.pcs_kw
        hot = self.odd()
        return BlockState(
            id=block.id,
            power_kw=self.maybe(-1.1 * limit_kw, 1.1 * limit_kw),
            setpoint_kw=self.maybe(-limit_kw, limit_kw),
            forming=self._flag(usual=pool.can_form and self._storage_forms),
            ready=not self.odd(),
            controllable=not self.odd(),
            fallback_armed=self._flag(usual=True),
            soc_pct=self._random.choice((0.0, pool.soc_tech_min_pct, pool.soc_max_pct, 100.0))
            if self.odd()
            else self.maybe(0.0, 100.0),
            full_kwh=self.maybe(0.5 * pool.block_kwh, pool.block_kwh),
            max_charge_kw=self.maybe(0.0, 2.0 * limit_kw),
            max_discharge_kw=self.maybe(0.0, 2.0 * limit_kw),
            cell_max_degc=self.maybe(-20.0, 70.0) if hot else self.maybe(15.0, 30.0),
            cell_max_v=self.maybe(2.0, 4.0) if self.odd() else self.maybe(3.2, 3.4),
            cell_min_v=self.maybe(2.0, 4.0) if self.odd() else self.maybe(3.2, 3.4),
            alarm=self.odd() and self.odd(),
            discharge_wh=None,
            charge_wh=None,
        )

    def _genset(self, kind: GensetClass, unit: str) -> GensetState:
        phase = self._random.choice((None, *GensetPhase)) if self.odd() else self._random.choice(_USUAL_PHASES)
        return GensetState(
            id=unit,
            phase=phase,
            power_kw=self.maybe(0.0, 1.1 * kind.rated_kw),
            setpoint_kw=self.maybe(0.0, kind.rated_kw),
            breaker_closed=self._flag(usual=phase is GensetPhase.RUNNING),
            controllable=not self.odd(),
            energy_wh=None,
            fuel_used_l=None,
            run_h=self.maybe(0.0, 9999.0),
            n_starts=None,
        )

    def _pv(self, block: str, rated_kw: float) -> PvState:
        return PvState(
            id=block,
            power_kw=self.maybe(-0.01 * rated_kw, rated_kw),
            available_kw=self.maybe(0.0, rated_kw),
            limit_kw=self.maybe(0.0, rated_kw),
            controllable=not self.odd(),
            energy_wh=None,
        )

    def _pcc(self, limit_kw: float) -> PccState:
        return PccState(
            power_kw=self.maybe(-limit_kw, 1.5 * limit_kw),
            breaker_closed=self._flag(usual=self._random.random() < 0.6),
            grid_voltage_frac=self.maybe(0.0, 1.2) if self.odd() else 1.0,
            bus_voltage_frac=self.maybe(0.0, 1.2),
            frequency_hz=self.maybe(45.0, 65.0),
            import_wh=None,
            export_wh=None,
        )

    def _load(self, highest_kw: float) -> LoadState:
        return LoadState(load_kw=self.maybe(0.0, highest_kw), load_max_kw=self.maybe(0.0, highest_kw), energy_wh=None)


_USUAL_PHASES = (GensetPhase.STOPPED, GensetPhase.RUNNING)
