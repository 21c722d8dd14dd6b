"""Ledger records: one per interval, whole Wh and mg, every kWh from source to sink.

A record closes by itself, to the unit: `ems.accounting.invariants.interval_faults()` recomputes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ems.accounting.metering import MeteredInterval
from ems.accounting.tracing import METHOD, SOURCES, BusInterval, trace
from ems.accounting.whole import EMPTY_STORE, WholeStore, WholeTrace, anchored_whole, whole
from ems.model.site import Site
from ems.model.units import G_PER_KG, MG_PER_KG, WH_PER_KWH

VERSION = 2
# a residual beyond this share of the throughput is flagged
_RESIDUAL_FRAC = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerState:
    """What the ledger carries from interval to interval: how many there were, and the store."""

    n_intervals: int = 0
    store: WholeStore | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """Emission factors of one interval."""

    diesel_kgco2e_per_l: float
    grid_kgco2e_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _WholeFactors:
    """The same in mg, as they stand in the record: everything is computed from these."""

    diesel_mgco2e_per_l: int
    grid_mgco2e_per_kwh: int
    unknown_mgco2e_per_kwh: int


def next_record(
    site: Site, interval: MeteredInterval, state: LedgerState, factors: Factors
) -> tuple[dict[str, object], LedgerState]:
    """Return the record of an interval, ready for the chain, and the state after it."""
    fuel_ml = round(1000.0 * interval.fuel_l)
    priced = _whole_factors(site, interval, factors, fuel_ml=fuel_ml)
    scope1_mg = (fuel_ml * priced.diesel_mgco2e_per_l + 500) // 1000
    scope2_mg = (interval.import_wh * priced.grid_mgco2e_per_kwh + 500) // 1000
    # fuel burnt while no energy was delivered (starting, cooling down) belongs to the interval all the same
    idle_mg = scope1_mg if interval.genset_wh == 0 else 0
    carbon_mg = {"genset": scope1_mg - idle_mg, "grid_import": scope2_mg}
    bus = _bus(site, interval, carbon_mg, priced)
    store = state.store or _opening_store(site, interval)
    charge_eff, discharge_eff = _charge_eff(site), _discharge_eff(site)
    traced = trace(bus, store.content(), charge_eff_frac=charge_eff, discharge_eff_frac=discharge_eff)
    closed = whole(bus, store, traced, carbon_mg=carbon_mg, unknown_mg_per_kwh=priced.unknown_mgco2e_per_kwh)
    after, booked = closed.store, dict.fromkeys(SOURCES, 0)
    if interval.stored_kwh is not None:
        # the losses that efficiencies do not describe (no-load, cooling of the cells) show up here
        after, booked = anchored_whole(closed.store, stored_wh=round(interval.stored_kwh * WH_PER_KWH))
    throughput = sum(bus.sources_wh.values()) + interval.discharge_wh
    record: dict[str, object] = {
        "v": VERSION,
        "kind": "interval",
        "site": site.id,
        "start": _stamp(interval.start_utc),
        "end": _stamp(interval.end_utc),
        "method": f"{METHOD}/{round((interval.end_utc - interval.start_utc).total_seconds() / 60)}min",
        "energy_wh": _energy(interval, bus, closed, booked),
        "carbon_mgco2e": {
            "scope1": scope1_mg,
            "scope2_location": scope2_mg,
            "unknown": closed.carbon_unknown_mg,
            "sinks": dict(closed.carbon_mgco2e),
            "without_delivery": idle_mg,
        },
        "store": {"start": _store_document(store), "end": _store_document(after)},
        "fuel_ml": fuel_ml,
        "intensity_mgco2e_per_kwh": round(traced.bus_g_per_kwh * 1000.0),
        "factors": {
            "diesel_mgco2e_per_l": priced.diesel_mgco2e_per_l,
            "grid_mgco2e_per_kwh": priced.grid_mgco2e_per_kwh,
            "unknown_mgco2e_per_kwh": priced.unknown_mgco2e_per_kwh,
        },
        "meters": {quantity: dict(found) for quantity, found in interval.meters.items()},
        "flags": _all_flags(interval, closed.unknown_wh + closed.unaccounted_wh, throughput),
    }
    return record, LedgerState(n_intervals=state.n_intervals + 1, store=after)


def _energy(
    interval: MeteredInterval, bus: BusInterval, closed: WholeTrace, booked: Mapping[str, int]
) -> dict[str, object]:
    return {
        "sources": {name: round(wh) for name, wh in bus.sources_wh.items()},
        "charge": interval.charge_wh,
        "discharge": interval.discharge_wh,
        "sinks": {name: round(wh) for name, wh in bus.sinks_wh.items()},
        "unknown": closed.unknown_wh,
        "discharge_untracked": closed.untracked_wh,
        "unaccounted": closed.unaccounted_wh,
        "store_losses": closed.store_losses_wh,
        "soc_reanchor": dict(booked),
        "flows": {source: dict(sinks) for source, sinks in closed.flows_wh.items()},
    }


def _whole_factors(site: Site, interval: MeteredInterval, factors: Factors, *, fuel_ml: int) -> _WholeFactors:
    """Return the factors; energy of unknown source has the highest that the site's sources have."""
    genset_kg = fuel_ml / 1000.0 * factors.diesel_kgco2e_per_l
    genset_kg_per_kwh = genset_kg * WH_PER_KWH / interval.genset_wh if interval.genset_wh > 0 else 0.0
    best_kg_per_kwh = _diesel_g_per_kwh(site, factors) / G_PER_KG
    highest = max(factors.grid_kgco2e_per_kwh, genset_kg_per_kwh, best_kg_per_kwh)
    return _WholeFactors(
        diesel_mgco2e_per_l=round(factors.diesel_kgco2e_per_l * MG_PER_KG),
        grid_mgco2e_per_kwh=round(factors.grid_kgco2e_per_kwh * MG_PER_KG),
        unknown_mgco2e_per_kwh=round(highest * MG_PER_KG),
    )


def _bus(site: Site, interval: MeteredInterval, carbon_mg: Mapping[str, int], factors: _WholeFactors) -> BusInterval:
    """Return the interval at the bus; distribution losses, which nobody meters, at their configured share."""
    served = interval.it_wh + interval.cooling_wh + interval.aux_wh
    sources = {
        "pv": float(interval.pv_wh),
        "grid_import": float(interval.import_wh),
        "genset": float(interval.genset_wh),
    }
    residual = sum(sources.values()) + interval.discharge_wh - interval.charge_wh - interval.export_wh - served
    losses = min(max(0.0, residual), float(round(site.economics.site_loss_frac * served)))
    # mg per Wh is g per kWh
    factors_g = {name: mg / sources[name] if sources[name] > 0.0 else 0.0 for name, mg in carbon_mg.items()}
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
        factors_g_per_kwh={"pv": 0.0, "unknown": factors.unknown_mgco2e_per_kwh / 1000.0, **factors_g},
    )


def _opening_store(site: Site, interval: MeteredInterval) -> WholeStore:
    """Return the store before the first record: its energy came from nobody knows where, its carbon is not booked.

    A start that was not measured is worked back from the end; without either the store opens empty.
    """
    stored_wh = 0.0
    if interval.stored_start_kwh is not None:
        stored_wh = interval.stored_start_kwh * WH_PER_KWH
    elif interval.stored_kwh is not None:
        gained_wh = interval.charge_wh * _charge_eff(site) - interval.discharge_wh / _discharge_eff(site)
        stored_wh = interval.stored_kwh * WH_PER_KWH - gained_wh
    store, _ = anchored_whole(EMPTY_STORE, stored_wh=round(stored_wh))
    return store


def _store_document(store: WholeStore) -> dict[str, object]:
    return {"energy_wh": dict(store.energy_wh), "carbon_mgco2e": store.carbon_mgco2e}


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
