"""A report of one period: sections of figures, the matrix from source to sink, hours, factors, records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ems.accounting.corrections import totals_of
from ems.accounting.report.efficiency import efficiency
from ems.accounting.report.emissions import emissions, period_days
from ems.accounting.report.figure import Figure, Section
from ems.accounting.report.money import money
from ems.accounting.report.operation import operation
from ems.accounting.report.period import LOADS, PeriodTotals, totals, within
from ems.accounting.report.quality import quality
from ems.accounting.tracing import SINKS, SOURCES
from ems.model.reporting import EmissionFactor, Reporting
from ems.model.site import Site
from ems.model.units import MG_PER_KG, WH_PER_KWH

SCHEMA: Final = "ems.report/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerProof:
    """What was found out about the ledger that a report is made from."""

    path: str
    verified: bool
    statement: str
    first_hash: str | None = None
    last_hash: str | None = None
    key_ids: tuple[str, ...] = ()
    n_digests: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonReport:
    """Everything that the pages and files of a report show."""

    site: Site
    reporting: Reporting
    start: datetime
    end: datetime
    totals: PeriodTotals
    sections: tuple[Section, ...]
    factors: tuple[EmissionFactor, ...]
    proof: LedgerProof
    version: str
    config_hash: str
    corrections: tuple[Mapping[str, Any], ...]
    # totals that corrections change, as written and as corrected; Wh, mg and ml as their names say
    corrected: Mapping[str, tuple[int, int]]

    def figure(self, name: str) -> Figure:
        """Return a figure by its id; KeyError where there is none."""
        for section in self.sections:
            for figure in section.figures:
                if figure.id == name:
                    return figure
        raise KeyError(name)


def report(
    records: Sequence[Mapping[str, Any]],
    *,
    site: Site,
    reporting: Reporting,
    start: datetime,
    end: datetime,
    proof: LedgerProof,
    version: str,
    config_hash: str,
) -> CarbonReport:
    """Return the report of a period [start, end) from rows of the ledger, oldest first.

    Raises:
        ValueError: No interval lies in the period.
    """
    intervals = [row for row in records if row.get("kind") == "interval" and within(row, start, end)]
    found = totals(intervals)
    first, last = period_days(found)
    seqs = {row["seq"] for row in intervals}
    corrections = tuple(row for row in records if row.get("kind") == "correction" and row["of"]["seq"] in seqs)
    return CarbonReport(
        site=site,
        reporting=reporting,
        start=start,
        end=end,
        totals=found,
        sections=(
            _energy(found),
            emissions(found, reporting),
            efficiency(found, reporting),
            operation(found, site),
            money(found, reporting, site),
            quality(found, reporting, start=start, end=end),
        ),
        factors=tuple(each for each in reporting.factors if each.covers(first, last)),
        proof=proof,
        version=version,
        config_hash=config_hash,
        corrections=corrections,
        corrected=_corrected(intervals, corrections),
    )


def _corrected(
    intervals: Sequence[Mapping[str, Any]], corrections: Sequence[Mapping[str, Any]]
) -> dict[str, tuple[int, int]]:
    """Return each total that corrections change: as it was written, and as it is with all of them."""
    changes: dict[str, int] = {}
    for row in corrections:
        for name, change in totals_of(row).items():
            changes[name] = changes.get(name, 0) + change
    written = dict.fromkeys(changes, 0)
    for row in intervals if changes else ():
        counted = totals_of(row)
        for name in written:
            written[name] += counted.get(name, 0)
    return {name: (written[name], written[name] + change) for name, change in sorted(changes.items())}


def _energy(found: PeriodTotals) -> Section:
    sources = tuple(
        Figure(
            id=f"source_{name}_kwh",
            title=f"From {name}",
            value=found.sources_wh[name] / WH_PER_KWH,
            unit="kWh",
            formula="sum over intervals of the difference of the meter's counter",
            inputs={
                "to_loads_directly_kwh": (_to_loads_wh(found, name) - found.stored_flows_wh[name]) / WH_PER_KWH,
                "to_loads_through_storage_kwh": found.stored_flows_wh[name] / WH_PER_KWH,
            },
        )
        for name in SOURCES
    )
    sinks = tuple(
        Figure(
            id=f"sink_{name}_kwh",
            title=f"To {name}",
            value=sum(sinks_of[name] for sinks_of in found.flows_wh.values()) / WH_PER_KWH,
            unit="kWh",
            formula=_SINK_FORMULA.get(name, "sum over intervals of the difference of the meter's counter"),
            inputs={"kgco2e": found.carbon_sinks_mg[name] / MG_PER_KG},
        )
        for name in SINKS
    )
    return Section(id="energy", title="Energy", figures=(*sources, *sinks, *_stored(found)))


_SINK_FORMULA: Final = {
    "losses": "conversion losses of storage + the configured share of distribution + re-anchoring to the BMS",
    "unaccounted": "what the meters saw arrive and not leave; never spread over other sinks",
}


def _to_loads_wh(found: PeriodTotals, source: str) -> int:
    return sum(found.flows_wh[source][load] for load in LOADS)


def _stored(found: PeriodTotals) -> tuple[Figure, ...]:
    def figure(name: str, title: str, wh: int, formula: str) -> Figure:
        return Figure(id=name, title=title, value=wh / WH_PER_KWH, unit="kWh", formula=formula)

    begin_wh = found.store_start_wh or 0
    metered = "sum over intervals of the counters at the AC terminals"
    return (
        figure("charge_kwh", "Storage: charged", found.charge_wh, metered),
        figure("discharge_kwh", "Storage: discharged", found.discharge_wh, metered),
        figure("store_gain_kwh", "Storage: gain in the cells", found.store_end_wh - begin_wh, "end - begin"),
    )
