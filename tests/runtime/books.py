"""A ledger on a disk, with records of quarter hours."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ems.accounting.ledger import Factors, LedgerState, next_record
from ems.chain.canonical import parsed
from ems.chain.links import Head
from ems.runtime.evidence import Evidence
from ems.runtime.evidence_file import Table
from ems.runtime.ledger_store import LedgerStore
from tests.accounting.intervals import START, metered
from tests.control.scene import small

SITE = small("edge-node")
FACTORS = Factors(diesel_kgco2e_per_l=2.7, grid_kgco2e_per_kwh=0.4)
Record = dict[str, Any]


def quarter_hours(first: int, n: int, *, state: LedgerState | None = None) -> list[Record]:
    """Return records from 20:00 on, `first` quarter hours later."""
    records: list[Record] = []
    carried = state or LedgerState()
    for number in range(first, first + n):
        wh = {"pv": 1000 + number, "it": 700, "charge": 250}
        record, carried = next_record(SITE, metered(wh, number=number, stored_start_kwh=5.0), carried, FACTORS)
        records.append(record)
    return records


def end_of(number: int) -> datetime:
    """Return when a quarter hour ends."""
    return START + timedelta(minutes=15 * (number + 1))


@contextmanager
def opened(
    directory: Path, *, known_head: Head | None = None, anchor_file: Path | None = None
) -> Iterator[tuple[LedgerStore, Evidence]]:
    """Open the books of a state directory; what was handed over is written at the end."""
    evidence = Evidence(directory / "evidence.db", busy_s=0.1, retry_s=0.01)
    ledger = LedgerStore(
        evidence, site=SITE.id, state_directory=directory, known_head=known_head, anchor_file=anchor_file
    )
    evidence.start()
    try:
        yield ledger, evidence
    finally:
        evidence.close()


def kept(directory: Path, table: Table = "ledger") -> list[Record]:
    """Return the rows in the database, oldest first."""
    evidence = Evidence(directory / "evidence.db")
    try:
        return [parsed(row.line) for row in evidence.rows(table)]
    finally:
        evidence.close()


def kinds(rows: list[Record]) -> list[str]:
    """Return what the rows are."""
    return [str(row["kind"]) for row in rows]
