"""How the plant worked: gensets, their local pollutants, storage, availability, resilience, curtailment."""

from collections.abc import Iterator

from ems.accounting.report.figure import Figure, Section, ratio
from ems.accounting.report.period import PeriodTotals
from ems.model.site import Site
from ems.model.units import WH_PER_KWH

_S_PER_H = 3600.0
_HELD = "the records of the period do not hold it"


def operation(found: PeriodTotals, site: Site) -> Section:
    """Return what the machines did; figures whose counts no record holds are None."""
    return Section(
        id="operation",
        title="Operation",
        figures=(*_gensets(found, site), *_storage(found, site), *_supply(found)),
    )


def _gensets(found: PeriodTotals, site: Site) -> Iterator[Figure]:
    if not site.gensets:
        return
    known = found.n_with_operation > 0
    note = "" if known else _HELD
    run_h = sum(counts.get("run_s", 0) for counts in found.gensets.values()) / _S_PER_H
    loaded_s = sum(counts.get("loaded_s", 0) for counts in found.gensets.values())
    band_s = sum(counts.get("band_s", 0) for counts in found.gensets.values())
    starts = sum(counts.get("n_starts", 0) for counts in found.gensets.values())
    per_unit = {f"{unit}_h": counts.get("run_s", 0) / _S_PER_H for unit, counts in sorted(found.gensets.items())}
    genset_kwh = found.sources_wh["genset"] / WH_PER_KWH
    yield Figure(
        id="genset_run_h",
        title="Gensets: hours of all units",
        value=run_h if known else None,
        unit="h",
        formula="sum over units of the time with closed breaker or running engine",
        inputs=per_unit,
        note=note,
    )
    yield Figure(
        id="genset_starts",
        title="Gensets: starts",
        value=float(starts) if known else None,
        unit="",
        formula="count of engines that began to run",
        note=note,
    )
    yield Figure(
        id="genset_band_pct",
        title="Gensets: share of loaded hours inside the economic band",
        value=None if not loaded_s else 100.0 * band_s / loaded_s,
        unit="%",
        formula="100 x time within the band of the class / time carrying load",
        inputs={"in_band_h": band_s / _S_PER_H, "loaded_h": loaded_s / _S_PER_H},
        note=note or ("" if loaded_s else "no genset carried load"),
    )
    yield Figure(
        id="genset_l_per_kwh",
        title="Gensets: fuel per kWh",
        value=ratio(found.fuel_l, genset_kwh),
        unit="L/kWh",
        formula="litres / kWh at the gensets' terminals",
        inputs={"fuel_l": found.fuel_l, "genset_kwh": genset_kwh},
    )
    for pollutant in sorted({each.id for kind in site.gensets for each in kind.pollutants}):
        mg = found.operation.get(f"{pollutant}_mg")
        yield Figure(
            id=f"{pollutant}_kg",
            title=f"Local pollutant {pollutant}",
            value=None if mg is None else mg / 1e6,
            unit="kg",
            formula="sum over seconds and units of the rate by load point of the class's emission table",
            note="by the maker's table, not measured" if mg is not None else _HELD,
        )
    limits = {f"{kind.id}_h_per_day": kind.daily_run_h for kind in site.gensets if kind.daily_run_h is not None}
    if limits:
        days = found.covered_s / 86400.0
        yield Figure(
            id="permitted_hours_used_pct",
            title="Gensets: use of the permitted unit hours",
            value=100.0 * run_h / (sum(limits.values()) * days) if known and days > 0.0 else None,
            unit="%",
            formula="100 x unit hours / (permitted unit hours per day x days)",
            inputs={**limits, "run_h": run_h, "days": days},
            note=note,
        )


def _storage(found: PeriodTotals, site: Site) -> Iterator[Figure]:
    rated_kwh = sum(pool.rated_kwh for pool in site.batteries)
    discharged_kwh = found.discharge_wh / WH_PER_KWH
    yield Figure(
        id="storage_cycles",
        title="Storage: equivalent full cycles",
        value=ratio(discharged_kwh, rated_kwh),
        unit="",
        formula="discharged energy at the AC terminals / rated energy",
        inputs={"discharge_kwh": discharged_kwh, "rated_kwh": rated_kwh},
    )


def _supply(found: PeriodTotals) -> Iterator[Figure]:
    known = found.n_with_operation > 0
    note = "" if known else _HELD
    down_s = found.operation.get("interruption_s", 0)
    yield Figure(
        id="availability_pct",
        title="Availability of the supply to the IT load",
        value=100.0 * (1.0 - down_s / found.covered_s) if known and found.covered_s else None,
        unit="%",
        formula="100 x (1 - time with a dead bus / time covered by records)",
        inputs={
            "interruption_s": down_s,
            "n_interruptions": found.operation.get("n_interruptions", 0),
            "covered_s": found.covered_s,
        },
        note=note or "counts a bus that control measured as dead; what a GPU rack did by itself is not seen here",
    )
    unserved = found.operation.get("unserved_wh")
    yield Figure(
        id="eens_kwh",
        title="Energy not served",
        value=None if unserved is None else unserved / WH_PER_KWH,
        unit="kWh",
        formula="time with a dead bus x mean IT load of the minute before it",
        note=note or "an estimate: energy that did not flow is not metered",
    )
    index = None if found.index_min_milli is None else found.index_min_milli / 1000.0
    yield Figure(
        id="resilience_index_min",
        title="Energy-resilience index: lowest",
        value=index,
        unit="of 100",
        formula="lowest of the index of each second (weakest of its components)",
        note="" if index is not None else _HELD,
    )
    yield Figure(
        id="resilience_index_mean",
        title="Energy-resilience index: mean over the time that it was known",
        value=found.index_sum_milli_s / found.index_s / 1000.0 if found.index_s else None,
        unit="of 100",
        formula="mean over time",
        inputs={"known_h": found.index_s / _S_PER_H},
        note="" if found.index_s else _HELD,
    )
    curtailed = found.operation.get("curtailed_wh")
    yield Figure(
        id="curtailed_kwh",
        title="PV that was available and not used",
        value=None if curtailed is None else curtailed / WH_PER_KWH,
        unit="kWh",
        formula="sum over seconds of available power - power, where the blocks tell it",
        note="a memo: it never entered the bus" if curtailed is not None else _HELD,
    )
