"""Source-to-sink tracing by proportional sharing, the battery as a perfectly mixed tank.

Every outflow of the bus has the mix of the sum of its inflows; a discharge has the tank's mix at the beginning of
the interval. Conversion losses leave in energy; the carbon of lost energy stays with what is delivered. The method
is named in every record: `proportional/1/15min`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

SOURCES = ("pv", "grid_import", "genset", "unknown")
SINKS = ("it", "cooling", "site_aux", "grid_export", "losses", "unaccounted")
METHOD = "proportional/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class BusInterval:
    """One interval at the bus: energies in Wh and the emission factor of each source in mg per Wh (= g per kWh)."""

    sources_wh: Mapping[str, float]
    sinks_wh: Mapping[str, float]
    discharge_wh: float
    charge_wh: float
    factors_g_per_kwh: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreContent:
    """Energy inside the cells by source, Wh, and the carbon it carries, mg."""

    energy_wh: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(SOURCES, 0.0))
    carbon_mgco2e: float = 0.0

    @property
    def total_wh(self) -> float:
        """Return the tracked energy."""
        return sum(self.energy_wh.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """What an interval's tracing gave; `flows_wh[source][sink]`, storage losses inside `losses`."""

    flows_wh: Mapping[str, Mapping[str, float]]
    carbon_mgco2e: Mapping[str, float]
    store: StoreContent
    unknown_wh: float
    unaccounted_wh: float
    bus_g_per_kwh: float


def trace(interval: BusInterval, store: StoreContent, *, charge_eff_frac: float, discharge_eff_frac: float) -> Traced:
    """Trace one interval and return the flows and the store's new content."""
    mix, from_store, carbon_out = _discharge(interval, store, discharge_eff_frac)
    sources = {name: interval.sources_wh.get(name, 0.0) for name in SOURCES}
    sources["unknown"] += interval.discharge_wh - sum(from_store.values())
    residual = (
        sum(interval.sources_wh.values()) + interval.discharge_wh - interval.charge_wh - sum(interval.sinks_wh.values())
    )
    sinks = {name: interval.sinks_wh.get(name, 0.0) for name in SINKS}
    sinks["unaccounted"] += max(0.0, residual)
    sources["unknown"] += max(0.0, -residual)
    inflow = {name: sources[name] + from_store[name] for name in SOURCES}
    total = sum(inflow.values())
    if total <= 0.0:
        return _nothing(store)
    share = {name: value / total for name, value in inflow.items()}
    factors = interval.factors_g_per_kwh
    bus_g = (sum(sources[name] * factors.get(name, 0.0) for name in SOURCES) + carbon_out) / total
    flows = {name: {sink: share[name] * wh for sink, wh in sinks.items()} for name in SOURCES}
    lost_in = (1.0 - charge_eff_frac) * interval.charge_wh
    lost_out = (1.0 / discharge_eff_frac - 1.0) * sum(from_store.values())
    for name in SOURCES:
        flows[name]["losses"] += lost_in * share[name] + lost_out * mix[name]
    drawn = sum(from_store.values()) / discharge_eff_frac
    content = {
        name: max(
            0.0,
            store.energy_wh.get(name, 0.0) + interval.charge_wh * charge_eff_frac * share[name] - drawn * mix[name],
        )
        for name in SOURCES
    }
    return Traced(
        flows_wh=flows,
        carbon_mgco2e={sink: wh * bus_g for sink, wh in sinks.items()},
        store=StoreContent(
            energy_wh=content, carbon_mgco2e=store.carbon_mgco2e + interval.charge_wh * bus_g - carbon_out
        ),
        unknown_wh=sources["unknown"],
        unaccounted_wh=sinks["unaccounted"],
        bus_g_per_kwh=bus_g,
    )


def anchored(store: StoreContent, *, stored_wh: float) -> tuple[StoreContent, float]:
    """Return the content scaled to the battery management's estimate, and the energy booked as lost (or found).

    The carbon carried is not scaled: whoever uses the rest carries it.
    """
    total = store.total_wh
    if total <= 0.0:
        unknown = {**dict.fromkeys(SOURCES, 0.0), "unknown": max(0.0, stored_wh)}
        return StoreContent(energy_wh=unknown, carbon_mgco2e=store.carbon_mgco2e), -stored_wh
    scale = max(0.0, stored_wh) / total
    scaled = {name: wh * scale for name, wh in store.energy_wh.items()}
    return StoreContent(energy_wh=scaled, carbon_mgco2e=store.carbon_mgco2e), total - stored_wh


def rounded(shares: Mapping[str, float]) -> dict[str, int]:
    """Return whole numbers with the sum of the shares, by largest remainder."""
    floors = {name: int(value) for name, value in shares.items()}
    missing = round(sum(shares.values())) - sum(floors.values())
    by_rest = sorted(shares, key=lambda name: floors[name] - shares[name])
    for name in by_rest[:missing]:
        floors[name] += 1
    return floors


def _discharge(
    interval: BusInterval, store: StoreContent, discharge_eff_frac: float
) -> tuple[dict[str, float], dict[str, float], float]:
    """Return the tank's mix, what it delivers by source, and the carbon that leaves with it."""
    total = store.total_wh
    if total <= 0.0:
        empty = dict.fromkeys(SOURCES, 0.0)
        return empty, dict(empty), 0.0
    mix = {name: store.energy_wh.get(name, 0.0) / total for name in SOURCES}
    # what is metered beyond the tracked content comes from an unknown source
    delivered = min(interval.discharge_wh, total * discharge_eff_frac)
    carbon_out = store.carbon_mgco2e * (delivered / discharge_eff_frac) / total
    return mix, {name: delivered * mix[name] for name in SOURCES}, carbon_out


def _nothing(store: StoreContent) -> Traced:
    return Traced(
        flows_wh={name: dict.fromkeys(SINKS, 0.0) for name in SOURCES},
        carbon_mgco2e=dict.fromkeys(SINKS, 0.0),
        store=store,
        unknown_wh=0.0,
        unaccounted_wh=0.0,
        bus_g_per_kwh=0.0,
    )
