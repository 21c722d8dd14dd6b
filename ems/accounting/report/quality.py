"""How far the data carries: what was not metered, what was flagged, what of the period no record covers."""

from datetime import datetime

from ems.accounting.report.figure import Figure, Section, share_pct
from ems.accounting.report.period import PeriodTotals
from ems.model.reporting import FactorUse, Reporting
from ems.model.units import MG_PER_KG


def quality(found: PeriodTotals, reporting: Reporting, *, start: datetime, end: datetime) -> Section:
    """Return the figures of data quality of a period [start, end)."""
    throughput_wh = sum(found.sources_wh.values()) + found.discharge_wh
    asked_s = (end - start).total_seconds()
    wrong = factor_differences(found, reporting)
    return Section(
        id="quality",
        title="Data quality",
        figures=(
            Figure(
                id="covered_pct",
                title="Share of the period that records cover",
                value=100.0 * found.covered_s / asked_s if asked_s > 0.0 else None,
                unit="%",
                formula="100 x sum of interval lengths / length of the period",
                inputs={"covered_s": found.covered_s, "asked_s": asked_s, "n_intervals": found.n_intervals},
            ),
            Figure(
                id="residual_pct",
                title="Residual: energy of unknown source or unknown use",
                value=share_pct(found.unknown_wh + found.unaccounted_wh, throughput_wh),
                unit="%",
                formula="100 x (unknown + unaccounted) / (sources + discharge); meters are never rescaled to hide it",
                inputs={
                    "unknown_wh": found.unknown_wh,
                    "unaccounted_wh": found.unaccounted_wh,
                    "throughput_wh": throughput_wh,
                },
            ),
            Figure(
                id="flagged_pct",
                title="Share of intervals with a flag",
                value=share_pct(found.n_flagged, found.n_intervals),
                unit="%",
                formula="100 x intervals with at least one flag / intervals",
                inputs=dict(sorted(found.flags.items())),
            ),
            Figure(
                id="factor_differences",
                title="Factors in the records that differ from report.toml",
                value=float(len(wrong)),
                unit="",
                formula="count of factors of the records without an equal factor in report.toml",
                note="; ".join(wrong),
            ),
        ),
    )


def factor_differences(found: PeriodTotals, reporting: Reporting) -> tuple[str, ...]:
    """Return the diesel factors of the records that are not the configured ones, in words.

    Grid factors are a series, hour by hour: the records hold them, report.toml names their mean and source.
    """
    known = {round(each.amount_kgco2e * MG_PER_KG): each.id for each in reporting.uses(FactorUse.DIESEL_SCOPE1)}
    if not known or not found.fuel_ml:
        return ()
    return tuple(
        f"diesel {value / MG_PER_KG} kgCO2e/L is no diesel_scope1 factor of report.toml"
        for value in sorted(found.factors.get("diesel_mgco2e_per_l", ()))
        if value not in known
    )
