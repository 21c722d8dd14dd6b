"""The summary of a run: one nested value, the same keys for simulations and demos."""

from dataclasses import asdict, dataclass
from datetime import datetime

from ems.accounting.cost import CostTerms, RunTotals, cost_terms, stored_value
from ems.model.site import Site
from ems.model.status import PlanCounts, RunCounts
from ems.model.units import G_PER_KG
from ems.reserve import WATCHED


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFrame:
    """How a run was made."""

    site: str
    policy: str
    start: str
    days: float
    step_s: float
    replan_min: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueEnergies:
    """What physically happened, kWh at the bus; `fuel_l` in litres."""

    load_it: float
    load_cooling: float
    load_aux: float
    pv_available: float
    pv_used: float
    genset: float
    grid_import: float
    grid_export: float
    battery_charge: float
    battery_discharge: float
    losses: float
    unserved: float
    stored_start: float
    stored_end: float
    fuel_l: float
    fuel_delivered_l: float
    genset_run_h: float
    genset_starts: int
    n_gensets: int
    most_starts_set_day: int
    n_outages: int

    @property
    def delivered(self) -> float:
        """Return what the loads received."""
        return self.load_it + self.load_cooling + self.load_aux

    @property
    def balance_error_frac(self) -> float:
        """Return sources less sinks, losses and storage change, relative to what was delivered."""
        sources = self.pv_used + self.genset + self.grid_import - self.grid_export
        error = sources - self.delivered - self.losses - (self.stored_end - self.stored_start)
        return abs(error) / self.delivered if self.delivered > 0.0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GridAccount:
    """Import priced and weighted by carbon hour by hour, and the highest billed mean."""

    import_cost: float = 0.0
    import_kgco2e: float = 0.0
    peak_kw: float = 0.0
    mean_kgco2e_per_kwh: float = 0.0


def summarise(
    site: Site,
    frame: RunFrame,
    energies: TrueEnergies,
    grid: GridAccount,
    *,
    counts: RunCounts,
    planning: PlanCounts,
    began: datetime,
) -> dict[str, object]:
    """Return the summary object; figures are rounded for reading, not for accounting."""
    value = stored_value(site, at=began, grid_kgco2e_per_kwh=grid.mean_kgco2e_per_kwh)
    terms = cost_terms(site, _totals(energies, grid), value)
    scope1 = energies.fuel_l * site.economics.diesel_kgco2e_per_l
    # what leaves with export carries the mean intensity of everything that entered the bus
    entered = energies.pv_used + energies.genset + energies.grid_import
    exported_kgco2e = (scope1 + grid.import_kgco2e) * energies.grid_export / entered if entered > 0.0 else 0.0
    operational = (scope1 + grid.import_kgco2e - exported_kgco2e) / energies.delivered if energies.delivered else 0.0
    stored_change_kwh = energies.stored_start - energies.stored_end
    return {
        **asdict(frame),
        "currency": site.economics.currency,
        "energy_kwh": _energies(energies),
        "stored_kwh": {"start": round(energies.stored_start, 1), "end": round(energies.stored_end, 1)},
        "diesel_share_frac": _ratio(energies.genset, energies.delivered),
        "fuel_l": round(energies.fuel_l, 1),
        "fuel_delivered_l": round(energies.fuel_delivered_l, 1),
        "genset_run_h": round(energies.genset_run_h, 2),
        "genset_starts": energies.genset_starts,
        "genset_starts_per_set_day": {
            "mean": _ratio(energies.genset_starts, energies.n_gensets * frame.days),
            "max": energies.most_starts_set_day,
        },
        "genset_starts_by_cause": dict(counts.starts_by_cause),
        "genset_stops_by_cause": dict(counts.stops_by_cause),
        "genset_starts_above_threshold": counts.n_starts_above_threshold,
        "genset_band_share_frac": _rounded(counts.genset_band_share_frac, 4),
        "soc_min_pct": _rounded(counts.soc_min_pct, 2),
        "soc_start_pct": _rounded(counts.soc_start_pct, 2),
        "soc_end_pct": _rounded(counts.soc_end_pct, 2),
        "soc_floor_violation_h": round(counts.floor_violation_h, 3),
        "reserve_shortfall_h": round(counts.reserve_shortfall_h, 3),
        "reserve_shortfalls": dict(counts.shortfalls),
        "reserve_binding_h": round(counts.reserve_binding_h, 3),
        "reserve_margin_min_kw": {item.value: _rounded(counts.margin_min_kw.get(item.value), 1) for item in WATCHED},
        "demand_peak_kw": round(grid.peak_kw, 1),
        "outages": energies.n_outages,
        "ci_operational_gco2e_per_kwh": round(operational * G_PER_KG, 3),
        "scope1_kgco2e": round(scope1, 1),
        "scope2_kgco2e": round(grid.import_kgco2e, 1),
        "end_correction": {
            "cost": round(terms.storage_delta, 2),
            "kgco2e": round(stored_change_kwh * value.kgco2e_per_kwh, 1),
        },
        "cost": {"total": round(terms.total(), 2), "terms": _costs(terms)},
        "plans": {
            "made": planning.made,
            "fallback": planning.fallback,
            "rejected_by_check": planning.rejected_by_check,
            "solve_p50_s": round(planning.solve_p50_s, 4),
            "solve_p95_s": round(planning.solve_p95_s, 4),
            "compared": planning.n_compared,
            "unit_change_h": round(planning.unit_change_h, 4),
            "change_kw": round(planning.change_kw, 1),
        },
        "guard_clips": sum(counts.clips.values()),
        "guard_clips_by_rule": dict(counts.clips),
        "guard_clip_tick_frac": round(counts.clip_tick_frac, 6),
        "smoothing": {name: round(value, 3) for name, value in asdict(counts.smoothing).items()},
        "mode_h": dict(counts.mode_h),
        "balance_error_frac": float(f"{energies.balance_error_frac:.3e}"),
    }


def _totals(energies: TrueEnergies, grid: GridAccount) -> RunTotals:
    return RunTotals(
        fuel_l=energies.fuel_l,
        n_starts=energies.genset_starts,
        genset_run_h=energies.genset_run_h,
        discharge_kwh=energies.battery_discharge,
        export_kwh=energies.grid_export,
        import_cost=grid.import_cost,
        import_kgco2e=grid.import_kgco2e,
        peak_kw=grid.peak_kw,
        stored_start_kwh=energies.stored_start,
        stored_end_kwh=energies.stored_end,
    )


def _energies(energies: TrueEnergies) -> dict[str, float]:
    kwh = {
        "load_it": energies.load_it,
        "load_cooling": energies.load_cooling,
        "load_aux": energies.load_aux,
        "pv_available": energies.pv_available,
        "pv_used": energies.pv_used,
        "pv_curtailed": energies.pv_available - energies.pv_used,
        "genset": energies.genset,
        "grid_import": energies.grid_import,
        "grid_export": energies.grid_export,
        "battery_charge": energies.battery_charge,
        "battery_discharge": energies.battery_discharge,
        "losses": energies.losses,
        "unserved": energies.unserved,
        # the cluster defers and caps nothing yet: it has made no offer
        "deferred": 0.0,
        "capped": 0.0,
    }
    return {name: round(value, 3) for name, value in kwh.items()}


def _costs(terms: CostTerms) -> dict[str, float]:
    return {name: round(value, 2) for name, value in asdict(terms).items()}


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _ratio(part: float, whole: float) -> float:
    return round(part / whole, 6) if whole > 0.0 else 0.0
