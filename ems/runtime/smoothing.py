"""What it costs that storage keeps the exchange within the ramp of the connection contract.

Counted against the same cycle without the ramp: energy that storage gives and takes for it, losses and wear more (or
less, where it happened to work against what storage did anyway).
"""

from dataclasses import dataclass

from ems.control.step import Decision
from ems.model.battery import BatteryPool
from ems.model.site import Site
from ems.model.status import SmoothingCounts
from ems.model.units import hours

# less than this is rounding
_SMOOTHS_KW = 1.0


@dataclass(slots=True)
class SmoothingBook:
    """Add every cycle with `add`."""

    site: Site
    given_kwh: float = 0.0
    taken_kwh: float = 0.0
    loss_kwh: float = 0.0
    cost: float = 0.0
    active_h: float = 0.0
    short_h: float = 0.0

    def add(self, decision: Decision, *, dt_s: float, price_per_kwh: float | None) -> None:
        """Count one cycle; without a price losses cost nothing, which a site without grid has no use for."""
        duration_h = hours(dt_s)
        if decision.ramp_short_kw > 0.0:
            self.short_h += duration_h
        moved_kw = decision.smoothing_kw
        if abs(moved_kw) < _SMOOTHS_KW:
            return
        with_kw = sum(block.power_kw for block in decision.setpoints.blocks)
        loss_kw = self._loss_kw(with_kw) - self._loss_kw(with_kw - moved_kw)
        worn_kw = max(0.0, with_kw) - max(0.0, with_kw - moved_kw)
        self.active_h += duration_h
        self.given_kwh += max(0.0, moved_kw) * duration_h
        self.taken_kwh += max(0.0, -moved_kw) * duration_h
        self.loss_kwh += loss_kw * duration_h
        self.cost += (worn_kw * self._wear_cost_per_kwh() + loss_kw * (price_per_kwh or 0.0)) * duration_h

    def counts(self) -> SmoothingCounts:
        """Return the counts so far."""
        return SmoothingCounts(
            given_kwh=self.given_kwh,
            taken_kwh=self.taken_kwh,
            loss_kwh=self.loss_kwh,
            cost=self.cost,
            active_h=self.active_h,
            short_h=self.short_h,
        )

    def _loss_kw(self, power_kw: float) -> float:
        """Return the losses that follow the power of all blocks; the constant part is there anyway."""
        return sum(_pool_loss_kw(pool, power_kw * share) for pool, share in self._shares())

    def _wear_cost_per_kwh(self) -> float:
        return sum(pool.wear_cost_per_kwh * share for pool, share in self._shares())

    def _shares(self) -> list[tuple[BatteryPool, float]]:
        """Return the pools with their shares of the rating."""
        rated_kw = sum(pool.pcs_kw * pool.n_blocks for pool in self.site.batteries)
        return [(pool, pool.pcs_kw * pool.n_blocks / rated_kw) for pool in self.site.batteries]


def _pool_loss_kw(pool: BatteryPool, power_kw: float) -> float:
    if power_kw < 0.0:
        return -power_kw * (1.0 - pool.charge_eff_frac)
    return power_kw * (1.0 / pool.discharge_eff_frac - 1.0)
