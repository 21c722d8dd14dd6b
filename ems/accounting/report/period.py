"""Sums of ledger intervals over a period and over its hours, in the integers of the records."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from ems.accounting.tracing import SINKS, SOURCES

# what the site needs energy for; export and losses are no use of its own
LOADS: Final = ("it", "cooling", "site_aux")
CARBON_FREE: Final = ("pv",)


@dataclass(slots=True)
class Hour:
    """One UTC hour at the loads: Wh they received, Wh of it without carbon, mg that came with all of it."""

    load_wh: int = 0
    carbon_free_wh: int = 0
    carbon_mg: int = 0
    grid_wh: int = 0


@dataclass(slots=True)
class PeriodTotals:
    """What the records of a period add up to."""

    n_intervals: int = 0
    first_seq: int = 0
    last_seq: int = 0
    start: datetime | None = None
    end: datetime | None = None
    sources_wh: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SOURCES, 0))
    sinks_wh: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SINKS, 0))
    flows_wh: dict[str, dict[str, int]] = field(
        default_factory=lambda: {source: dict.fromkeys(SINKS, 0) for source in SOURCES}
    )
    # of the flows, what had gone through storage; rounded down per interval, source and sink
    stored_flows_wh: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SOURCES, 0))
    carbon_sinks_mg: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SINKS, 0))
    scope1_mg: int = 0
    scope2_location_mg: int = 0
    without_delivery_mg: int = 0
    unknown_mg: int = 0
    charge_wh: int = 0
    discharge_wh: int = 0
    unknown_wh: int = 0
    unaccounted_wh: int = 0
    fuel_ml: int = 0
    store_start_wh: int | None = None
    store_end_wh: int = 0
    store_start_mg: int = 0
    store_end_mg: int = 0
    n_flagged: int = 0
    flags: dict[str, int] = field(default_factory=dict)
    factors: dict[str, set[int]] = field(default_factory=dict)
    methods: set[str] = field(default_factory=set)
    operation: dict[str, int] = field(default_factory=dict)
    gensets: dict[str, dict[str, int]] = field(default_factory=dict)
    n_with_operation: int = 0
    index_min_milli: int | None = None
    index_sum_milli_s: int = 0
    index_s: int = 0
    covered_s: int = 0
    hours: dict[datetime, Hour] = field(default_factory=dict)

    @property
    def delivered_wh(self) -> int:
        """Return what the loads received."""
        return sum(self.sinks_wh[load] for load in LOADS)

    @property
    def fuel_l(self) -> float:
        """Return the diesel burnt, L."""
        return self.fuel_ml / 1000.0


def totals(records: Iterable[Mapping[str, Any]]) -> PeriodTotals:
    """Return the sums of interval records, oldest first."""
    found = PeriodTotals()
    for record in records:
        _add(found, record)
    return found


def within(record: Mapping[str, Any], start: datetime, end: datetime) -> bool:
    """Return whether an interval record lies in [start, end)."""
    return start <= instant(record["start"]) < end


def instant(text: str) -> datetime:
    """Return a time of a record."""
    return datetime.fromisoformat(text)


def _add(found: PeriodTotals, record: Mapping[str, Any]) -> None:
    start, end = instant(record["start"]), instant(record["end"])
    if found.start is None:
        found.start, found.first_seq = start, record["seq"]
    found.end, found.last_seq = end, record["seq"]
    found.n_intervals += 1
    found.covered_s += round((end - start).total_seconds())
    _add_energy(found, record["energy_wh"], record["store"]["start"]["energy_wh"])
    _add_carbon(found, record["carbon_mgco2e"])
    found.fuel_ml += record["fuel_ml"]
    _add_store(found, record["store"])
    _add_quality(found, record)
    if (operation := record.get("operation")) is not None:
        _add_operation(found, operation, seconds=round((end - start).total_seconds()))
    _add_hour(found, record, start)


def _add_energy(found: PeriodTotals, energy: Mapping[str, Any], content_wh: Mapping[str, int]) -> None:
    for name in SOURCES:
        found.sources_wh[name] += energy["sources"].get(name, 0)
        flows = energy["flows"].get(name, {})
        for sink in SINKS:
            found.flows_wh[name][sink] += flows.get(sink, 0)
        stored = _through_store(name, energy, content_wh)
        found.stored_flows_wh[name] += sum(int(flows.get(load, 0) * stored) for load in LOADS)
    for sink in SINKS:
        found.sinks_wh[sink] += energy["sinks"].get(sink, 0)
    found.charge_wh += energy["charge"]
    found.discharge_wh += energy["discharge"]
    found.unknown_wh += energy["unknown"]
    found.unaccounted_wh += energy["unaccounted"]


def _through_store(source: str, energy: Mapping[str, Any], content_wh: Mapping[str, int]) -> float:
    """Return the share of a source's energy on the bus that came out of storage, whose mix is that at the start."""
    stored_wh = sum(content_wh.values())
    from_store = energy["discharge"] * content_wh.get(source, 0) / stored_wh if stored_wh > 0 else 0.0
    arrived = from_store + energy["sources"].get(source, 0)
    return from_store / arrived if arrived > 0.0 else 0.0


def _add_carbon(found: PeriodTotals, carbon: Mapping[str, Any]) -> None:
    found.scope1_mg += carbon["scope1"]
    found.scope2_location_mg += carbon["scope2_location"]
    found.without_delivery_mg += carbon["without_delivery"]
    found.unknown_mg += carbon.get("unknown", 0)
    for sink, mg in carbon["sinks"].items():
        found.carbon_sinks_mg[sink] += mg


def _add_store(found: PeriodTotals, store: Mapping[str, Any]) -> None:
    if found.store_start_wh is None:
        found.store_start_wh = sum(store["start"]["energy_wh"].values())
        found.store_start_mg = store["start"]["carbon_mgco2e"]
    found.store_end_wh = sum(store["end"]["energy_wh"].values())
    found.store_end_mg = store["end"]["carbon_mgco2e"]


def _add_quality(found: PeriodTotals, record: Mapping[str, Any]) -> None:
    found.methods.add(record["method"])
    for name, value in record["factors"].items():
        found.factors.setdefault(name, set()).add(value)
    if record["flags"]:
        found.n_flagged += 1
    for flag in record["flags"]:
        kind = flag.partition(":")[0]
        found.flags[kind] = found.flags.get(kind, 0) + 1


def _add_operation(found: PeriodTotals, operation: Mapping[str, Any], *, seconds: int) -> None:
    found.n_with_operation += 1
    for name, value in operation.items():
        if isinstance(value, int) and not name.startswith("index"):
            found.operation[name] = found.operation.get(name, 0) + value
    for unit, counts in operation.get("gensets", {}).items():
        into = found.gensets.setdefault(unit, {})
        for name, value in counts.items():
            into[name] = into.get(name, 0) + value
    lowest, mean = operation.get("index_min_milli"), operation.get("index_mean_milli")
    if lowest is not None and mean is not None:
        known = found.index_min_milli
        found.index_min_milli = lowest if known is None else min(known, lowest)
        found.index_sum_milli_s += mean * seconds
        found.index_s += seconds


def _add_hour(found: PeriodTotals, record: Mapping[str, Any], start: datetime) -> None:
    # an interval never crosses an hour: its length divides one; one that follows a pause counts where it begins
    hour = found.hours.setdefault(start.astimezone(UTC).replace(minute=0, second=0, microsecond=0), Hour())
    energy = record["energy_wh"]
    hour.load_wh += sum(energy["sinks"].get(load, 0) for load in LOADS)
    for source in CARBON_FREE:
        hour.carbon_free_wh += sum(energy["flows"].get(source, {}).get(load, 0) for load in LOADS)
    hour.grid_wh += sum(energy["flows"].get("grid_import", {}).get(load, 0) for load in LOADS)
    hour.carbon_mg += sum(record["carbon_mgco2e"]["sinks"].get(load, 0) for load in LOADS)
