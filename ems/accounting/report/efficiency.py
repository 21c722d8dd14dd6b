"""Efficiency of the data centre (ISO/IEC 30134) and of its supply, and the hourly share of carbon-free energy."""

from collections.abc import Iterator

from ems.accounting.report.emissions import operational_kg
from ems.accounting.report.figure import Figure, Section, ratio, share_pct
from ems.accounting.report.period import CARBON_FREE, LOADS, PeriodTotals
from ems.model.reporting import Reporting
from ems.model.units import WH_PER_KWH

# ISO/IEC 30134-2 asks for a year; what is shorter is called interim
_YEAR_S = 365 * 86400
_NOT_METERED = "no meter of {} is among the counters of the ledger"


def efficiency(found: PeriodTotals, reporting: Reporting) -> Section:
    """Return PUE and its kin, carbon-free energy, supply and storage efficiency."""
    return Section(
        id="efficiency",
        title="Efficiency and carbon-free energy",
        figures=(*_iso(found, reporting), *_supply(found)),
    )


def _iso(found: PeriodTotals, reporting: Reporting) -> Iterator[Figure]:
    it_kwh, site_kwh = found.sinks_wh["it"] / WH_PER_KWH, found.delivered_wh / WH_PER_KWH
    cooling_kwh = found.sinks_wh["cooling"] / WH_PER_KWH
    interim = "" if found.covered_s >= _YEAR_S else "interim: the period is shorter than a year; "
    category = reporting.pue_category
    stated = f"category {category}" if category else "category not stated: set pue_category in report.toml"
    yield Figure(
        id="pue",
        title="PUE, power usage effectiveness (ISO/IEC 30134-2)",
        value=ratio(site_kwh, it_kwh),
        unit="",
        formula="energy delivered to the data centre / IT energy; conversion losses of storage are outside",
        inputs={"delivered_kwh": site_kwh, "it_kwh": it_kwh},
        note=interim + stated,
    )
    yield Figure(
        id="cooling_share_pct",
        title="Cooling's share of the delivered energy",
        value=share_pct(cooling_kwh, site_kwh),
        unit="%",
        formula="100 x cooling / energy delivered to the data centre",
        inputs={"cooling_kwh": cooling_kwh, "delivered_kwh": site_kwh},
    )
    renewable_kwh = sum(found.flows_wh[name][load] for name in CARBON_FREE for load in LOADS) / WH_PER_KWH
    yield Figure(
        id="ref",
        title="REF, renewable energy factor (ISO/IEC 30134-3)",
        value=ratio(renewable_kwh, site_kwh),
        unit="",
        formula="renewable energy that reached the loads, directly or through storage / energy delivered",
        inputs={"renewable_kwh": renewable_kwh, "delivered_kwh": site_kwh},
        note=interim + "own generation only; certificates are not counted",
    )
    yield Figure(
        id="cue_kgco2e_per_kwh",
        title="CUE, carbon usage effectiveness (ISO/IEC 30134-8)",
        value=ratio(operational_kg(found), it_kwh),
        unit="kgCO2e/kWh",
        formula="Scope 1 and 2 of the delivered energy / IT energy (= ci_operational x PUE / 1000)",
        inputs={"operational_kgco2e": operational_kg(found), "it_kwh": it_kwh},
        note=interim.removesuffix("; "),
    )
    for name, title, what in (
        ("wue_l_per_kwh", "WUE, water usage effectiveness (ISO/IEC 30134-9)", "water"),
        ("erf", "ERF, energy reuse factor (ISO/IEC 30134-6)", "reused heat at a hand-over point"),
        ("cer", "CER, cooling efficiency ratio (ISO/IEC 30134-7)", "removed heat"),
    ):
        yield Figure(
            id=name,
            title=title,
            value=None,
            unit="L/kWh" if name.startswith("wue") else "",
            formula={"wue_l_per_kwh": "water / IT energy", "erf": "reused heat / delivered energy"}.get(
                name, "removed heat / cooling electricity"
            ),
            note=_NOT_METERED.format(what),
        )


def _supply(found: PeriodTotals) -> Iterator[Figure]:
    load_wh = sum(hour.load_wh for hour in found.hours.values())
    free_wh = sum(min(hour.load_wh, hour.carbon_free_wh) for hour in found.hours.values())
    yield Figure(
        id="cfe_pct",
        title="CFE score: hourly matched carbon-free energy",
        value=share_pct(free_wh, load_wh),
        unit="%",
        formula="100 x sum over hours of min(load, carbon-free energy delivered in that hour) / sum of load",
        inputs={
            "load_kwh": load_wh / WH_PER_KWH,
            "matched_kwh": free_wh / WH_PER_KWH,
            "n_hours": len(found.hours),
        },
        note="PV directly and its share of what storage gave; the carbon-free share of the grid is counted as zero",
    )
    sources_wh = sum(found.sources_wh.values()) - found.sinks_wh["grid_export"]
    gained_wh = found.store_end_wh - (found.store_start_wh or 0)
    yield Figure(
        id="supply_efficiency_pct",
        title="Supply efficiency: from the sources' terminals to the loads",
        value=share_pct(found.delivered_wh, sources_wh - gained_wh),
        unit="%",
        formula="100 x delivered / (sum of sources - export - gain of the store)",
        inputs={
            "delivered_kwh": found.delivered_wh / WH_PER_KWH,
            "sources_less_export_kwh": sources_wh / WH_PER_KWH,
            "store_gain_kwh": gained_wh / WH_PER_KWH,
        },
    )
    yield Figure(
        id="storage_round_trip_pct",
        title="Storage: measured round-trip efficiency at the AC terminals",
        value=share_pct(found.discharge_wh, found.charge_wh - gained_wh),
        unit="%",
        formula="100 x discharged / (charged - gain of the store); good over many cycles, noise over few",
        inputs={
            "discharge_kwh": found.discharge_wh / WH_PER_KWH,
            "charge_kwh": found.charge_wh / WH_PER_KWH,
            "store_gain_kwh": gained_wh / WH_PER_KWH,
        },
    )
