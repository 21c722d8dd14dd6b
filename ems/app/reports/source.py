"""Rows of a ledger for a report, and what a check of the whole ledger says about them."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from ems.accounting.report.whole_report import LedgerProof
from ems.app.ledger import checked, utc_day
from ems.errors import ConfigError, ConfigProblem


def read_ledger(
    path: Path, *, pubkey: Path | None, first: date, last: date
) -> tuple[list[dict[str, Any]], LedgerProof]:
    """Return the rows of a period [first, last], with corrections of any time, and the proof of the whole ledger.

    Raises:
        ConfigError: The path is no ledger, or the key file holds no key.
    """
    kept: list[dict[str, Any]] = []
    hashes: list[str] = []

    def take(row: dict[str, Any], digest: str) -> None:
        if _belongs(row, first, last):
            kept.append(row)
            if row["kind"] == "interval":
                hashes.append(digest)

    verdict = checked(path, pubkey=pubkey, first=None, last=None, take=take, cover=False)
    keys = verdict.document["keys"]
    n_digests = verdict.document["n_digests"]
    proof = LedgerProof(
        path=path.name,
        verified=verdict.passed,
        statement=_statement(verdict.document, pinned=pubkey is not None),
        first_hash=hashes[0] if hashes else None,
        last_hash=hashes[-1] if hashes else None,
        key_ids=tuple(str(key["key_id"]) for key in keys) if isinstance(keys, list) else (),
        n_digests=n_digests if isinstance(n_digests, int) else 0,
    )
    return kept, proof


def days(first: str, last: str) -> tuple[date, date]:
    """Return the days of a period.

    Raises:
        ConfigError: One is no date, or the last lies before the first.
    """
    begin, end = utc_day("--from", first), utc_day("--to", last)
    if end < begin:
        raise ConfigError(ConfigProblem(file="--to", message=f"{last} is before {first}", allowed=f"{first} or later"))
    return begin, end


def month_days(text: str) -> tuple[date, date]:
    """Return the first and the last day of a month given as YYYY-MM.

    Raises:
        ConfigError: It is none.
    """
    try:
        begin = date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise ConfigError(ConfigProblem(file="--month", message=f"'{text}' is no month", allowed="YYYY-MM")) from error
    return begin, (begin + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _belongs(row: dict[str, Any], first: date, last: date) -> bool:
    match row.get("kind"):
        case "interval":
            return first.isoformat() <= str(row["start"])[:10] <= last.isoformat()
        case "correction":
            return True
        case _:
            return False


def _statement(document: dict[str, object], *, pinned: bool) -> str:
    if not document["passed"]:
        return (
            f"The ledger is DAMAGED in {document['n_damages']} places: the figures of this report are not proven. "
            "`ems ledger verify` names them."
        )
    seals = f"{document['n_digests']} signed digests, {document['n_unsealed']} rows not signed yet"
    if document.get("author_proven"):
        return f"Chain, seals and balances were checked and hold ({seals}); the author is proven by the pinned key."
    return (
        f"Chain, seals and balances were checked and hold ({seals}). The key was "
        f"{'given' if pinned else 'taken from the ledger itself'}: only a key known from elsewhere proves the author."
    )
