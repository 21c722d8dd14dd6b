"""`ems ledger export`: what a ledger says, as CSV, Parquet or JSON; only from one that is intact."""

import csv
import json
import os
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ems.accounting.export import DeviceFacts, flat_row, granular_records
from ems.app.ledger import Verdict, checked
from ems.chain.canonical import Record
from ems.config.build import build_site
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from ems.errors import ConfigError, ConfigProblem

Row = Mapping[str, object]


class ExportFormat(StrEnum):
    """Forms of an exported file."""

    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"


def exported(
    path: Path,
    *,
    form: str,
    out: Path,
    first: str | None,
    last: str | None,
    granular: bool,
    site: str | None,
) -> Verdict:
    """Check a ledger and write its intervals; nothing is written where it is damaged.

    Args:
        path: The ledger.
        form: csv, parquet or json.
        out: The file to be written, over what is there.
        first: First UTC day.
        last: Last UTC day.
        granular: Records for issuers of certificates, one per device and interval, instead of one row per interval.
        site: Configuration that knows ratings and place of the devices.

    Raises:
        ConfigError: The path is no ledger, the form is unknown or the file cannot be written.
    """
    wanted = _form(form)
    intervals: list[tuple[Record, str]] = []

    def take(record: Record, digest: str) -> None:
        day = str(record.get("start"))[:10]
        if record.get("kind") == "interval" and (first or "") <= day <= (last or "9999"):
            intervals.append((record, digest))

    verdict = checked(path, pubkey=None, first=first, last=last, take=take, cover=False)
    if not verdict.passed:
        return verdict
    devices = {} if site is None else _devices(site)
    rows: Sequence[Row]
    if granular:
        rows = [row for record, digest in intervals for row in granular_records(record, digest, devices=devices)]
    elif wanted is ExportFormat.JSON:
        rows = [{**record, "hash": digest} for record, digest in intervals]
    else:
        rows = [flat_row(record, digest) for record, digest in intervals]
    _write(out, rows, wanted)
    document = {"out": str(out), "n_rows": len(rows), "n_intervals": len(intervals), "format": wanted.value}
    return Verdict(
        passed=True, document=document, text=f"{out}: {len(rows)} rows of {len(intervals)} intervals, {wanted.value}"
    )


def _form(text: str) -> ExportFormat:
    try:
        return ExportFormat(text)
    except ValueError as error:
        allowed = ", ".join(form.value for form in ExportFormat)
        problem = ConfigProblem(file="--format", message=f"'{text}' is no format", allowed=allowed)
        raise ConfigError(problem) from error


def _devices(site: str) -> dict[str, DeviceFacts]:
    built = build_site(load_files(site_directory(site)))
    rated_kw = {block: plant.ac_kw for plant in built.pv for block in plant.block_ids}
    rated_kw |= {unit: kind.rated_kw for kind in built.gensets for unit in kind.unit_ids}
    rated_kw |= {block.id: pool.pcs_kw for pool in built.batteries for block in pool.blocks}
    place = built.place
    return {
        name: DeviceFacts(rated_kw=kw, latitude_deg=place.latitude_deg, longitude_deg=place.longitude_deg)
        for name, kw in rated_kw.items()
    }


def _write(out: Path, rows: Sequence[Row], form: ExportFormat) -> None:
    """Write beside the place and put it there when it is whole."""
    unfinished = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        match form:
            case ExportFormat.JSON:
                unfinished.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
            case ExportFormat.CSV:
                with unfinished.open("w", encoding="utf-8", newline="") as file:
                    writer = csv.DictWriter(file, fieldnames=_columns(rows))
                    writer.writeheader()
                    writer.writerows(rows)
            case ExportFormat.PARQUET:
                columns = {name: [row.get(name) for row in rows] for name in _columns(rows)}
                pq.write_table(pa.table(columns), unfinished, compression="zstd")
        unfinished.replace(out)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        problem = ConfigProblem(
            file=str(out), key="--out", message=f"cannot be written: {error.strerror}", allowed="a file in a directory"
        )
        raise ConfigError(problem) from error


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))
