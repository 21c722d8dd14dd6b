"""All pools together as one store, each taking its share of every flow."""

from dataclasses import dataclass

from ems.model.problem import PoolProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """All pools together, each taking its share of every flow."""

    pools: tuple[PoolProblem, ...]

    @property
    def full_kwh(self) -> float:
        """Return the energy of a full store."""
        return sum(pool.full_kwh for pool in self.pools)

    @property
    def max_kwh(self) -> float:
        """Return the upper end of its window."""
        return sum(pool.max_stored_kwh for pool in self.pools)

    @property
    def min_kwh(self) -> float:
        """Return the lower end of its window."""
        return sum(pool.min_stored_kwh for pool in self.pools)

    @property
    def charge_eff_frac(self) -> float:
        """Return the efficiency of its worst pool."""
        return min((pool.charge_eff_frac for pool in self.pools), default=1.0)

    @property
    def discharge_eff_frac(self) -> float:
        """Return the efficiency of its worst pool."""
        return min((pool.discharge_eff_frac for pool in self.pools), default=1.0)

    @property
    def no_load_kw(self) -> float:
        """Return what it draws while it stands."""
        return sum(pool.no_load_kw for pool in self.pools)

    @property
    def wear_cost_per_kwh(self) -> float:
        """Return the dearest wear of its pools."""
        return max((pool.wear_cost_per_kwh for pool in self.pools), default=0.0)

    def max_charge_kw(self, t: int, *, stored_kwh: float, hours: float) -> float:
        """Return what it can take through a step, by power and by room."""
        by_power = sum(pool.max_charge_kw[t] for pool in self.pools)
        return max(0.0, min(by_power, (self.max_kwh - stored_kwh) / (hours * self.charge_eff_frac)))

    def max_discharge_kw(self, t: int, *, stored_kwh: float, down_to_kwh: float, hours: float) -> float:
        """Return what it can give through a step, by power and by the energy above a level."""
        by_power = sum(pool.max_discharge_kw[t] for pool in self.pools)
        by_energy = (stored_kwh - down_to_kwh) * self.discharge_eff_frac / hours - self.no_load_kw
        return max(0.0, min(by_power, by_energy))

    def after(self, stored_kwh: float, *, power_kw: float, hours: float) -> float:
        """Return the energy after a step; `power_kw` > 0 discharges."""
        charged = max(0.0, -power_kw) * self.charge_eff_frac
        drawn = (max(0.0, power_kw) + self.no_load_kw) / self.discharge_eff_frac
        return stored_kwh + hours * (charged - drawn)
