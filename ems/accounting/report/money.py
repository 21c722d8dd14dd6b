"""Cost by component, the shadow price of carbon, and the saving against the baseline that report.toml names."""

from collections.abc import Iterator

from ems.accounting.report.emissions import operational_kg
from ems.accounting.report.figure import Figure, Section, ratio
from ems.accounting.report.period import PeriodTotals
from ems.model.reporting import Reporting
from ems.model.site import Site
from ems.model.units import G_PER_KG, KG_PER_T, WH_PER_KWH

_MICRO = 1e6
_COMPONENTS = (
    ("fuel_cost_micro", "fuel", "litres x price of the time"),
    ("import_cost_micro", "imported energy", "imported kWh x price of the interval"),
    ("export_revenue_micro", "exported energy (revenue)", "exported kWh x price of export"),
    ("genset_wear_cost_micro", "wear and starts of gensets", "run hours x price per hour + starts x price per start"),
    ("battery_wear_cost_micro", "wear of storage", "discharged kWh x price per kWh"),
)


def money(found: PeriodTotals, reporting: Reporting, site: Site) -> Section:
    """Return costs, the saving and the shadow cost of carbon, in the site's currency."""
    return Section(id="cost", title="Cost", figures=tuple(_figures(found, reporting, site)))


def _figures(found: PeriodTotals, reporting: Reporting, site: Site) -> Iterator[Figure]:
    currency = site.economics.currency
    known = found.n_with_operation == found.n_intervals > 0
    total = 0.0
    for key, title, formula in _COMPONENTS:
        micro = found.operation.get(key)
        if micro is None:
            continue
        amount = micro / _MICRO
        total += -amount if key.startswith("export") else amount
        yield Figure(
            id=key.removesuffix("_micro"),
            title=f"Cost: {title}" if not key.startswith("export") else "Revenue: exported energy",
            value=amount,
            unit=currency,
            formula=formula,
        )
    it_kwh = found.sinks_wh["it"] / WH_PER_KWH
    note = "" if known else f"{found.n_intervals - found.n_with_operation} of {found.n_intervals} records hold no costs"
    per_kwh = ratio(total, it_kwh) if known else None
    yield Figure(
        id="energy_cost",
        title="Cost of energy: sum of the components above",
        value=total if known else None,
        unit=currency,
        formula="fuel + import - export + wear; without demand charges, capital and staff",
        note=note,
    )
    yield Figure(
        id="cost_per_it_kwh",
        title="Cost of energy per kWh of IT energy",
        value=per_kwh,
        unit=f"{currency}/kWh",
        formula="cost of energy / IT energy",
        inputs={"energy_cost": total, "it_kwh": it_kwh},
        note=note,
    )
    kg = operational_kg(found)
    yield Figure(
        id="shadow_carbon_cost",
        title="Shadow cost of carbon: an internal price, no levy",
        value=kg / KG_PER_T * site.economics.co2_price_per_t,
        unit=currency,
        formula="(Scope 1 + 2 location-based - export) x configured price per tonne",
        inputs={"operational_kgco2e": kg, "co2_price_per_t": site.economics.co2_price_per_t},
    )
    yield from _saving(found, reporting, per_kwh=per_kwh, it_kwh=it_kwh)


def _saving(found: PeriodTotals, reporting: Reporting, *, per_kwh: float | None, it_kwh: float) -> Iterator[Figure]:
    baseline = reporting.baseline
    if baseline is None:
        yield Figure(
            id="cost_saving_pct",
            title="Saving against a baseline",
            value=None,
            unit="%",
            formula="100 x (1 - cost per IT kWh / the baseline's)",
            note="no [baseline] in report.toml",
        )
        return
    against = f"baseline: {baseline.description}; {baseline.source}"
    yield Figure(
        id="cost_saving_pct",
        title="Saving of energy cost against the baseline",
        value=None
        if per_kwh is None or baseline.cost_per_kwh <= 0.0
        else 100.0 * (1.0 - per_kwh / baseline.cost_per_kwh),
        unit="%",
        formula="100 x (1 - cost per IT kWh / the baseline's)",
        inputs={} if per_kwh is None else {"cost_per_it_kwh": per_kwh, "baseline_cost_per_kwh": baseline.cost_per_kwh},
        note=against,
    )
    own_g = ratio(operational_kg(found) * G_PER_KG, it_kwh)
    yield Figure(
        id="carbon_saving_kgco2e",
        title="Emissions avoided against the baseline: a comparison, not a reduction of any inventory",
        value=None if own_g is None else (baseline.gco2e_per_kwh - own_g) * it_kwh / G_PER_KG,
        unit="kgCO2e",
        formula="(baseline's intensity - ci_compute) x IT energy",
        inputs={"baseline_gco2e_per_kwh": baseline.gco2e_per_kwh, "it_kwh": it_kwh},
        note=against,
    )
