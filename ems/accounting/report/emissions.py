"""Emissions of a period by scope, and the three carbon intensities.

GHG Protocol: fuel burnt on site is Scope 1; imported electricity is Scope 2, by location and by market; making and
bringing fuel and grid electricity is Scope 3, category 3; making the plant category 2, a memo of its own.
"""

from collections.abc import Iterator
from datetime import date, timedelta

from ems.accounting.report.figure import Figure, Section, ratio
from ems.accounting.report.period import PeriodTotals
from ems.model.reporting import EmissionFactor, FactorUse, Reporting
from ems.model.units import G_PER_KG, MG_PER_KG, WH_PER_KWH

_HOURS_PER_YEAR = 8766.0


def emissions(found: PeriodTotals, reporting: Reporting) -> Section:
    """Return emissions by scope and intensities."""
    return Section(id="emissions", title="Emissions", figures=tuple(_figures(found, reporting)))


def period_days(found: PeriodTotals) -> tuple[date, date]:
    """Return the first and the last UTC day of the records; without records today's would be wrong, so none is."""
    if found.start is None or found.end is None:
        raise ValueError("there are no records in the period")
    return found.start.date(), (found.end - timedelta(microseconds=1)).date()


def operational_kg(found: PeriodTotals) -> float:
    """Return Scope 1 and Scope 2 by location, less what left with exported energy; kg CO2e."""
    mg = found.scope1_mg + found.scope2_location_mg - found.carbon_sinks_mg["grid_export"]
    return mg / MG_PER_KG


def _figures(found: PeriodTotals, reporting: Reporting) -> Iterator[Figure]:
    first, last = period_days(found)
    import_kwh = found.sources_wh["grid_import"] / WH_PER_KWH
    # corrections that follow: the records carry the factor of their own time
    scope1_kg = found.scope1_mg / MG_PER_KG
    location_kg = found.scope2_location_mg / MG_PER_KG
    diesel = reporting.factor(FactorUse.DIESEL_SCOPE1, first=first, last=last)
    grid = reporting.factor(FactorUse.GRID_LOCATION, first=first, last=last)
    yield Figure(
        id="scope1_kgco2e",
        title="Scope 1: fuel burnt on site",
        value=scope1_kg,
        unit="kgCO2e",
        formula="sum over intervals of litres x factor in the record",
        inputs={"fuel_l": found.fuel_l, **_record_factors(found, "diesel_mgco2e_per_l")},
        factors=_ids(diesel),
        note=""
        if diesel
        else "no diesel_scope1 factor of report.toml covers the period: the records' factor stands alone",
    )
    yield Figure(
        id="scope2_location_kgco2e",
        title="Scope 2, location-based",
        value=location_kg,
        unit="kgCO2e",
        formula="sum over intervals of imported kWh x average factor of the grid in the record",
        inputs={"import_kwh": import_kwh, **_record_factors(found, "grid_mgco2e_per_kwh")},
        factors=_ids(grid),
    )
    yield _market(reporting, import_kwh=import_kwh, location_kg=location_kg, days=(first, last))
    wtt = _scope3(reporting, FactorUse.DIESEL_WTT, amount=found.fuel_l, days=(first, last))
    upstream = _scope3(reporting, FactorUse.GRID_UPSTREAM, amount=import_kwh, days=(first, last))
    yield from (wtt, upstream)
    embodied = _embodied(found, reporting)
    yield embodied
    yield Figure(
        id="unknown_kgco2e",
        title="Booked on energy of unknown source",
        value=found.unknown_mg / MG_PER_KG,
        unit="kgCO2e",
        formula="sum over intervals of kWh of unknown source x the highest factor on site",
        inputs={"unknown_kwh": found.unknown_wh / WH_PER_KWH},
        note="in no scope: it stands for what the meters did not see",
    )
    yield Figure(
        id="store_gain_kgco2e",
        title="Memo: emissions that storage holds more at the end than at the begin",
        value=(found.store_end_mg - found.store_start_mg) / MG_PER_KG,
        unit="kgCO2e",
        formula="carbon carried by the stored energy, end - begin",
        inputs={"begin_kgco2e": found.store_start_mg / MG_PER_KG, "end_kgco2e": found.store_end_mg / MG_PER_KG},
        note="already in the scopes of this period; whoever uses the energy later carries it",
    )
    yield from _intensities(found, (wtt, upstream, embodied))


def _market(reporting: Reporting, *, import_kwh: float, location_kg: float, days: tuple[date, date]) -> Figure:
    first, last = days
    residual = reporting.factor(FactorUse.GRID_RESIDUAL, first=first, last=last)
    bought = reporting.factor(FactorUse.GRID_CONTRACT, first=first, last=last)
    matched_frac = 0.0 if reporting.contract is None else reporting.contract.matched_frac
    matched_kwh = matched_frac * import_kwh
    rest_kwh = import_kwh - matched_kwh
    value: float | None = 0.0
    note = ""
    if import_kwh > 0.0 and matched_frac > 0.0 and bought is None:
        value, note = None, "no grid_contract factor covers the period"
    elif import_kwh > 0.0:
        rest_kg = location_kg * rest_kwh / import_kwh if residual is None else rest_kwh * residual.amount_kgco2e
        value = rest_kg + (0.0 if bought is None else matched_kwh * bought.amount_kgco2e)
        if residual is None:
            note = "no residual mix is configured: the average of the grid stands in, as the GHG Protocol allows"
    return Figure(
        id="scope2_market_kgco2e",
        title="Scope 2, market-based",
        value=value,
        unit="kgCO2e",
        formula="unmatched kWh x residual factor + matched kWh x factor of the contract",
        inputs={"import_kwh": import_kwh, "matched_kwh": matched_kwh},
        factors=_ids(residual) + _ids(bought),
        note=note,
    )


def _scope3(reporting: Reporting, use: FactorUse, *, amount: float, days: tuple[date, date]) -> Figure:
    fuel = use is FactorUse.DIESEL_WTT
    factor = reporting.factor(use, first=days[0], last=days[1])
    known = factor is not None or amount == 0.0
    return Figure(
        id="wtt_kgco2e" if fuel else "grid_upstream_kgco2e",
        title="Scope 3.3: fuel, well to tank" if fuel else "Scope 3.3: upstream of grid electricity",
        value=(0.0 if factor is None else amount * factor.amount_kgco2e) if known else None,
        unit="kgCO2e",
        formula=f"{'litres' if fuel else 'imported kWh'} x factor",
        inputs={"fuel_l" if fuel else "import_kwh": amount},
        factors=_ids(factor),
        note="" if known else f"no {use.value} factor covers the period",
    )


def _embodied(found: PeriodTotals, reporting: Reporting) -> Figure:
    share_years = found.covered_s / 3600.0 / _HOURS_PER_YEAR
    parts = {each.id: each.kgco2e / each.years * share_years for each in reporting.embodied}
    return Figure(
        id="embodied_kgco2e",
        title="Memo, Scope 3.2: making the plant, spread over its life",
        value=sum(parts.values()) if parts else None,
        unit="kgCO2e",
        formula="sum over plants of kgCO2e / years of use x length of the period",
        inputs={f"{name}_kgco2e": kg for name, kg in parts.items()},
        note="; ".join(f"{each.id}: {each.source}" for each in reporting.embodied) or "no [[embodied]] in report.toml",
    )


def _intensities(found: PeriodTotals, others: tuple[Figure, ...]) -> Iterator[Figure]:
    numerator_kg = operational_kg(found)
    delivered_kwh, it_kwh = found.delivered_wh / WH_PER_KWH, found.sinks_wh["it"] / WH_PER_KWH
    inputs: dict[str, float | int | str] = {"operational_kgco2e": numerator_kg, "delivered_kwh": delivered_kwh}
    per_kwh = ratio(numerator_kg * G_PER_KG, delivered_kwh)
    yield Figure(
        id="ci_operational_gco2e_per_kwh",
        title="ci_operational: Scope 1 and 2 (location) per kWh delivered to the site's loads",
        value=per_kwh,
        unit="gCO2e/kWh",
        formula="(Scope 1 + Scope 2 location-based - carried away by export) / energy delivered to the site's loads",
        inputs=inputs,
    )
    missing = [figure.id for figure in others if figure.value is None]
    added_kg = sum(figure.value or 0.0 for figure in others)
    yield Figure(
        id="ci_full_gco2e_per_kwh",
        title="ci_full: with Scope 3.3 and the plant's making",
        value=None if missing else ratio((numerator_kg + added_kg) * G_PER_KG, delivered_kwh),
        unit="gCO2e/kWh",
        formula="(numerator of ci_operational + well-to-tank + grid upstream + embodied) / delivered energy",
        inputs={**inputs, "scope3_and_embodied_kgco2e": added_kg},
        note=f"not determined without {', '.join(missing)}" if missing else "",
    )
    yield Figure(
        id="ci_compute_gco2e_per_kwh",
        title="ci_compute: Scope 1 and 2 (location) per kWh of IT energy",
        value=ratio(numerator_kg * G_PER_KG, it_kwh),
        unit="gCO2e/kWh",
        formula="numerator of ci_operational / IT energy (= ci_operational x PUE)",
        inputs={"operational_kgco2e": numerator_kg, "it_kwh": it_kwh},
    )


def _record_factors(found: PeriodTotals, name: str) -> dict[str, float | int | str]:
    values = sorted(found.factors.get(name, ()))
    if not values:
        return {}
    return {f"{name}_min": values[0], f"{name}_max": values[-1]}


def _ids(factor: EmissionFactor | None) -> tuple[str, ...]:
    return () if factor is None else (factor.id,)
