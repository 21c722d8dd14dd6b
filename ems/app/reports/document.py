"""report.json and the CSV files of a report: the same figures, for programs."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from ems.accounting.report.figure import Figure
from ems.accounting.report.whole_report import SCHEMA, CarbonReport
from ems.model.units import MG_PER_KG, WH_PER_KWH


def as_document(report: CarbonReport) -> dict[str, Any]:
    """Return the whole report, ready for JSON."""
    found = report.totals
    return {
        "schema": SCHEMA,
        "site": report.site.id,
        "period": {"start": report.start.isoformat(), "end": report.end.isoformat()},
        "software_version": report.version,
        "config_sha256": report.config_hash,
        "sections": {
            section.id: {figure.id: _figure(figure) for figure in section.figures} for section in report.sections
        },
        "matrix_kwh": {
            source: {sink: wh / WH_PER_KWH for sink, wh in sinks.items()} for source, sinks in found.flows_wh.items()
        },
        "sinks_kgco2e": {sink: mg / MG_PER_KG for sink, mg in found.carbon_sinks_mg.items()},
        "hours": [
            {
                "start": hour.isoformat(),
                "load_kwh": each.load_wh / WH_PER_KWH,
                "carbon_free_kwh": each.carbon_free_wh / WH_PER_KWH,
                "gco2e_per_kwh": each.carbon_mg / each.load_wh if each.load_wh else None,
            }
            for hour, each in sorted(found.hours.items())
        ],
        "factors": [
            {
                "id": each.id,
                "use": each.use.value,
                "amount_kgco2e": each.amount_kgco2e,
                "unit": each.use.unit,
                "boundary": each.boundary.value,
                "region": each.region,
                "year": each.year,
                "source": each.source,
                "valid_from": each.valid_from.isoformat(),
                "valid_to": each.valid_to.isoformat(),
            }
            for each in report.factors
        ],
        "records": {"first_seq": found.first_seq, "last_seq": found.last_seq, "n_intervals": found.n_intervals},
        "corrections": [dict(row) for row in report.corrections],
        "corrected_totals": {
            name: {"as_written": was, "corrected": now} for name, (was, now) in report.corrected.items()
        },
        "ledger": {
            "path": report.proof.path,
            "verified": report.proof.verified,
            "statement": report.proof.statement,
            "first_hash": report.proof.first_hash,
            "last_hash": report.proof.last_hash,
            "key_ids": list(report.proof.key_ids),
            "n_digests": report.proof.n_digests,
        },
    }


def figures_csv(report: CarbonReport) -> str:
    """Return every figure as a line."""
    rows = (
        (section.id, figure.id, figure.title, _cell(figure.value), figure.unit, figure.formula, figure.remark)
        for section in report.sections
        for figure in section.figures
    )
    return _csv(("section", "figure", "title", "value", "unit", "formula", "note"), rows)


def matrix_csv(report: CarbonReport) -> str:
    """Return the energy from each source to each sink, and what emissions each sink carries."""
    found = report.totals
    sinks = tuple(found.sinks_wh)
    rows: list[tuple[object, ...]] = [
        (source, *(found.flows_wh[source][sink] / WH_PER_KWH for sink in sinks)) for source in found.flows_wh
    ]
    rows.append(("kgco2e", *(found.carbon_sinks_mg[sink] / MG_PER_KG for sink in sinks)))
    return _csv(("source", *(f"{sink}_kwh" for sink in sinks)), iter(rows))


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "title": figure.title,
        "value": figure.value,
        "unit": figure.unit,
        "formula": figure.formula,
        "inputs": dict(figure.inputs),
        "factors": list(figure.factors),
        "note": figure.remark,
    }


def _cell(value: float | None) -> str:
    return "" if value is None else repr(value)


def _csv(header: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
