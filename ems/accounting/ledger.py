"""Ledger records: one per interval, integer Wh and mg, every kWh from source to sink."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ems.accounting.metering import MeteredInterval
from ems.accounting.tracing import METHOD, BusInterval, StoreContent, anchored, rounded, trace
from ems.model.site import Site
from ems.model.units import G_PER_KG, MG_PER_KG, WH_PER_KWH

VERSION = 1
# a residual beyond this share of the throughput is flagged
_RESIDUAL_FRAC = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerState:
    """What the ledger carries from record to record."""

    seq: int = 0
    store: StoreContent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """Emission factors of one interval, each with the name under which a report lists it."""

    diesel_kgco2e_per_l: float
    grid_kgco2e_per_kwh: float


def next_record(
    site: Site, interval: MeteredInterval, state: LedgerState, factors: Factors
) -> tuple[dict[str, object], LedgerState]:
    """Return the record of an interval, ready for JSON, and the state after it."""
    diesel_mg = interval.fuel_l * factors.diesel_kgco2e_per_l * MG_PER_KG
    genset_g = diesel_mg / interval.genset_wh if interval.genset_wh > 0 else 0.0
    grid_g = factors.grid_kgco2e_per_kwh * G_PER_KG
    fallback_g = max(grid_g, genset_g, _diesel_g_per_kwh(site, factors))
    bus = _bus(site, interval, {"pv": 0.0, "grid_import": grid_g, "genset": genset_g, "unknown": fallback_g})
    store = state.store or _opening_store(site, interval)
    traced = trace(bus, store, charge_eff_frac=_charge_eff(site), discharge_eff_frac=_discharge_eff(site))
    after, booked_wh = traced.store, 0.0
    if interval.stored_kwh is not None:
        # the losses that efficiencies do not describe (no-load, cooling of the cells) show up here
        after, booked_wh = anchored(traced.store, stored_wh=interval.stored_kwh * WH_PER_KWH)
    # fuel burnt while no energy was delivered (starting, cooling down) belongs to the interval all the same
    idle_mg = diesel_mg if interval.genset_wh == 0 else 0.0
    throughput = sum(bus.sources_wh.values()) + interval.discharge_wh
    record: dict[str, object] = {
        "v": VERSION,
        "site": site.id,
        "seq": state.seq + 1,
        "start": _stamp(interval.start_utc),
        "end": _stamp(interval.end_utc),
        "method": f"{METHOD}/{round((interval.end_utc - interval.start_utc).total_seconds() / 60)}min",
        "energy_wh": {
            "sources": {name: round(wh) for name, wh in bus.sources_wh.items()},
            "charge": interval.charge_wh,
            "discharge": interval.discharge_wh,
            "sinks": {name: round(wh) for name, wh in bus.sinks_wh.items()},
            "unknown": round(traced.unknown_wh),
            "unaccounted": round(traced.unaccounted_wh),
            "soc_reanchor": round(booked_wh),
            "flows": _flows(traced.flows_wh),
        },
        "carbon_mgco2e": {
            "scope1": round(diesel_mg),
            "scope2_location": round(bus.sources_wh["grid_import"] * grid_g),
            "sinks": {name: round(mg) for name, mg in traced.carbon_mgco2e.items()},
            "without_delivery": round(idle_mg),
        },
        "store": {
            "energy_wh": rounded(after.energy_wh),
            "carbon_mgco2e": round(after.carbon_mgco2e),
        },
        "fuel_ml": round(1000.0 * interval.fuel_l),
        "intensity_mgco2e_per_kwh": round(traced.bus_g_per_kwh * 1000.0),
        "factors": {
            "diesel_mgco2e_per_l": round(factors.diesel_kgco2e_per_l * MG_PER_KG),
            "grid_mgco2e_per_kwh": round(factors.grid_kgco2e_per_kwh * MG_PER_KG),
        },
        "flags": _all_flags(interval, traced.unknown_wh + traced.unaccounted_wh, throughput),
    }
    return record, LedgerState(seq=state.seq + 1, store=after)


def _bus(site: Site, interval: MeteredInterval, factors_g: Mapping[str, float]) -> BusInterval:
    """Return the interval at the bus; distribution losses, which nobody meters, at their configured share."""
    served = interval.it_wh + interval.cooling_wh + interval.aux_wh
    sources = {
        "pv": float(interval.pv_wh),
        "grid_import": float(interval.import_wh),
        "genset": float(interval.genset_wh),
    }
    residual = sum(sources.values()) + interval.discharge_wh - interval.charge_wh - interval.export_wh - served
    losses = min(max(0.0, residual), site.economics.site_loss_frac * served)
    return BusInterval(
        sources_wh=sources,
        sinks_wh={
            "it": float(interval.it_wh),
            "cooling": float(interval.cooling_wh),
            "site_aux": float(interval.aux_wh),
            "grid_export": float(interval.export_wh),
            "losses": losses,
        },
        discharge_wh=float(interval.discharge_wh),
        charge_wh=float(interval.charge_wh),
        factors_g_per_kwh=factors_g,
    )


def _opening_store(site: Site, interval: MeteredInterval) -> StoreContent:
    """Return the store before the first record: its energy came from nobody knows where, its carbon is not booked.

    A start that was not measured is worked back from the end; without either the store opens empty.
    """
    stored_wh = 0.0
    if interval.stored_start_kwh is not None:
        stored_wh = interval.stored_start_kwh * WH_PER_KWH
    elif interval.stored_kwh is not None:
        gained_wh = interval.charge_wh * _charge_eff(site) - interval.discharge_wh / _discharge_eff(site)
        stored_wh = interval.stored_kwh * WH_PER_KWH - gained_wh
    store, _ = anchored(StoreContent(), stored_wh=stored_wh)
    return store


def _flows(flows: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, int]]:
    """Return whole Wh per source and sink; each sink keeps its sum."""
    sinks = next(iter(flows.values())).keys()
    by_sink = {sink: rounded({source: parts[sink] for source, parts in flows.items()}) for sink in sinks}
    return {source: {sink: by_sink[sink][source] for sink in sinks} for source in flows}


def _all_flags(interval: MeteredInterval, residual_wh: float, throughput_wh: float) -> list[str]:
    flags = list(interval.flags)
    if residual_wh > _RESIDUAL_FRAC * throughput_wh:
        size = (
            f"{100.0 * residual_wh / throughput_wh:.1f} % of"
            if throughput_wh > 0.0
            else f"{residual_wh:.0f} Wh without"
        )
        flags.append(f"residual {size} throughput")
    return flags


def _diesel_g_per_kwh(site: Site, factors: Factors) -> float:
    """Return the intensity of the best point of the first genset class, zero without gensets."""
    if not site.gensets:
        return 0.0
    return site.gensets[0].fuel.best_fuel_l_per_kwh() * factors.diesel_kgco2e_per_l * G_PER_KG


def _charge_eff(site: Site) -> float:
    return min((pool.charge_eff_frac for pool in site.batteries), default=1.0)


def _discharge_eff(site: Site) -> float:
    return min((pool.discharge_eff_frac for pool in site.batteries), default=1.0)


def _stamp(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z")
