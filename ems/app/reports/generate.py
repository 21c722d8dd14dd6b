"""`ems report` and `ems evidence`: from a site's configuration and its ledger to files."""

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from ems.accounting.report.pack import evidence
from ems.accounting.report.whole_report import CarbonReport, report
from ems.app.daemon import state_home
from ems.app.outputs import check_directory
from ems.app.reports.document import as_document, figures_csv, matrix_csv
from ems.app.reports.page import page, shown
from ems.app.reports.source import read_ledger
from ems.config.build import build_site
from ems.config.files import ConfigFiles
from ems.config.loader import load_files
from ems.config.reporting import build_reporting
from ems.config.shipped import site_directory
from ems.errors import ConfigError, ConfigProblem

REPORT_FILES: Final = (
    "report.html",
    "report.json",
    "figures.csv",
    "matrix.csv",
    "intervals.csv",
    "electricity_evidence.json",
)
EVIDENCE_FILES: Final = ("electricity_evidence.json",)
_DISTRIBUTION: Final = "gpu-microgrid-ems"
_KEY_FIGURES: Final = (
    "ci_operational_gco2e_per_kwh",
    "ci_full_gco2e_per_kwh",
    "ci_compute_gco2e_per_kwh",
    "cfe_pct",
    "pue",
    "covered_pct",
    "residual_pct",
)


def write_report(
    site: str, *, ledger: Path | None, pubkey: Path | None, first: date, last: date, out: Path
) -> dict[str, Any]:
    """Write all files of a report; return what they are about.

    Raises:
        ConfigError: The configuration, the ledger or the period is refused.
    """
    check_directory(out, REPORT_FILES)
    found, rows = _made(site, ledger=ledger, pubkey=pubkey, first=first, last=last)
    texts = {
        "report.html": page(found),
        "report.json": _json(as_document(found)),
        "figures.csv": figures_csv(found),
        "matrix.csv": matrix_csv(found),
        "intervals.csv": _intervals(rows),
        "electricity_evidence.json": _json(evidence(found)),
    }
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")
    return _summary(found, out, REPORT_FILES)


def write_evidence(
    site: str, *, ledger: Path | None, pubkey: Path | None, first: date, last: date, out: Path
) -> dict[str, Any]:
    """Write the electricity evidence pack alone; return what it is about.

    Raises:
        ConfigError: The configuration, the ledger or the period is refused.
    """
    check_directory(out, EVIDENCE_FILES)
    found, _ = _made(site, ledger=ledger, pubkey=pubkey, first=first, last=last)
    (out / EVIDENCE_FILES[0]).write_text(_json(evidence(found)), encoding="utf-8")
    return _summary(found, out, EVIDENCE_FILES)


def summary_text(summary: dict[str, Any]) -> str:
    """Return a summary for people."""
    period = summary["period"]
    lines = [f"{summary['site']}: {period['start'][:10]} to {period['end'][:10]}, {summary['statement']}"]
    lines += [f"  {each['title']}: {shown(each['value'])} {each['unit']}".rstrip() for each in summary["figures"]]
    lines.append(f"  files in {summary['out']}: {' '.join(summary['files'])}")
    return "\n".join(lines)


def _made(
    site: str, *, ledger: Path | None, pubkey: Path | None, first: date, last: date
) -> tuple[CarbonReport, list[dict[str, Any]]]:
    files = load_files(site_directory(site))
    path = state_home(files) if ledger is None else ledger
    rows, proof = read_ledger(path, pubkey=pubkey, first=first, last=last)
    start = datetime.combine(first, time(), UTC)
    end = datetime.combine(last + timedelta(days=1), time(), UTC)
    model = build_site(files)
    _same_site(rows, model.id, path)
    try:
        found = report(
            rows,
            site=model,
            reporting=build_reporting(files),
            start=start,
            end=end,
            proof=proof,
            version=_version(),
            config_hash=config_hash(files),
        )
    except ValueError as error:
        problem = ConfigProblem(
            file=str(path),
            message=f"holds no interval from {first} to {last}",
            allowed="days that the ledger covers; `ems ledger verify` says which",
        )
        raise ConfigError(problem) from error
    return found, rows


def config_hash(files: ConfigFiles) -> str:
    """Return SHA-256 over the configuration files of a directory and of those that it extends, by name."""
    digest = hashlib.sha256()
    for home in files.search:
        for file in sorted(home.glob("*.toml")):
            digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _same_site(rows: Sequence[dict[str, Any]], site: str, path: Path) -> None:
    others = sorted({str(row["site"]) for row in rows if row.get("site") != site})
    if others:
        raise ConfigError(
            ConfigProblem(
                file=str(path),
                message=f"is the ledger of '{others[0]}', not of '{site}'",
                allowed="the site's own ledger",
            )
        )


def _intervals(rows: Sequence[dict[str, Any]]) -> str:
    """Return each interval as a line, as a reader of the report follows a figure to its records."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    intervals = [row for row in rows if row["kind"] == "interval"]
    sources, sinks = list(intervals[0]["energy_wh"]["sources"]), list(intervals[0]["energy_wh"]["sinks"])
    writer.writerow(
        (
            "seq", "start", "end",
            *(f"{name}_wh" for name in sources), *(f"to_{name}_wh" for name in sinks),
            "charge_wh", "discharge_wh", "fuel_ml", "scope1_mg", "scope2_location_mg", "intensity_mg_per_kwh",
            "unknown_wh", "unaccounted_wh", "flags",
        )
    )  # fmt: skip
    for row in intervals:
        energy, carbon = row["energy_wh"], row["carbon_mgco2e"]
        writer.writerow(
            (
                row["seq"], row["start"], row["end"],
                *(energy["sources"][name] for name in sources), *(energy["sinks"][name] for name in sinks),
                energy["charge"], energy["discharge"], row["fuel_ml"], carbon["scope1"], carbon["scope2_location"],
                row["intensity_mgco2e_per_kwh"], energy["unknown"], energy["unaccounted"], "; ".join(row["flags"]),
            )
        )  # fmt: skip
    return text.getvalue()


def _summary(found: CarbonReport, out: Path, files: Sequence[str]) -> dict[str, Any]:
    figures = [found.figure(name) for name in _KEY_FIGURES]
    return {
        "site": found.site.id,
        "period": {"start": found.start.isoformat(), "end": found.end.isoformat()},
        "n_intervals": found.totals.n_intervals,
        "verified": found.proof.verified,
        "statement": found.proof.statement,
        "figures": [{"id": each.id, "title": each.title, "value": each.value, "unit": each.unit} for each in figures],
        "out": str(out),
        "files": list(files),
    }


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _version() -> str:
    try:
        return metadata.version(_DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "not installed"
