"""What a run cost and emitted, term by term, with stored energy valued at what it avoids."""

from dataclasses import dataclass, fields
from datetime import datetime

from ems.model.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTotals:
    """Physical totals of a period. `import_cost` and `import_kgco2e` are sums over the period's hours."""

    fuel_l: float
    n_starts: int
    genset_run_h: float
    discharge_kwh: float
    export_kwh: float
    import_cost: float
    import_kgco2e: float
    peak_kw: float
    stored_start_kwh: float
    stored_end_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CostTerms:
    """Costs in site currency; `storage_delta` is positive when energy was taken from the store."""

    energy_import: float
    energy_export: float
    demand: float
    fuel: float
    starts: float
    genset_wear: float
    battery_wear: float
    co2: float
    flexibility: float
    storage_delta: float

    def total(self) -> float:
        """Return the sum."""
        return float(sum(getattr(self, field.name) for field in fields(self)))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredValue:
    """What a kWh in the cells avoids: cost with the CO2 price in it, and emissions."""

    value_per_kwh: float
    kgco2e_per_kwh: float


def stored_value(site: Site, *, at: datetime, grid_kgco2e_per_kwh: float) -> StoredValue:
    """Return the value of stored energy: diesel at the best point of the curve, on a grid the cheap-hour price."""
    eff = min((pool.discharge_eff_frac for pool in site.batteries), default=1.0)
    economics = site.economics
    if site.grid is not None:
        price = site.grid.tariff.cheapest_price_per_kwh(at) + economics.co2_price_per_kg * grid_kgco2e_per_kwh
        return StoredValue(value_per_kwh=eff * price, kgco2e_per_kwh=eff * grid_kgco2e_per_kwh)
    if not site.gensets:
        return StoredValue(value_per_kwh=0.0, kgco2e_per_kwh=0.0)
    litres = eff * min(kind.fuel.best_fuel_l_per_kwh() for kind in site.gensets)
    return StoredValue(
        value_per_kwh=litres * economics.fuel_cost_per_l, kgco2e_per_kwh=litres * economics.diesel_kgco2e_per_l
    )


def cost_terms(site: Site, totals: RunTotals, value: StoredValue) -> CostTerms:
    """Return the terms; the demand charge is that of the whole billing month."""
    economics, tariff = site.economics, None if site.grid is None else site.grid.tariff
    demand = 0.0
    if tariff is not None and tariff.demand is not None:
        demand = tariff.demand.price_per_kw_month * max(totals.peak_kw, tariff.demand.ratchet_kw)
    kgco2e = totals.fuel_l * economics.diesel_kgco2e_per_l + totals.import_kgco2e
    return CostTerms(
        energy_import=totals.import_cost,
        energy_export=0.0 if tariff is None else -tariff.export_price_per_kwh * totals.export_kwh,
        demand=demand,
        fuel=totals.fuel_l * economics.diesel_price_per_l,
        starts=totals.n_starts * max((kind.start_wear_cost for kind in site.gensets), default=0.0),
        genset_wear=totals.genset_run_h * max((kind.run_wear_cost_per_h for kind in site.gensets), default=0.0),
        battery_wear=totals.discharge_kwh * max((pool.wear_cost_per_kwh for pool in site.batteries), default=0.0),
        co2=kgco2e * economics.co2_price_per_kg,
        flexibility=0.0,
        storage_delta=(totals.stored_start_kwh - totals.stored_end_kwh) * value.value_per_kwh,
    )
