"""The ledger of a simulation in one file: chained, sealed by day, signed by the key that everybody has."""

from pathlib import Path
from typing import IO

from ems.accounting.book import Book
from ems.chain.keys import simulation_key
from ems.chain.links import Linked


class SignedLedger:
    """Writes `ledger.jsonl`, over what is there."""

    def __init__(self, file: Path, *, site: str) -> None:
        self._file: IO[bytes] = file.open("wb")
        self._book = Book(site=site, key=simulation_key())

    def add(self, record: dict[str, object]) -> None:
        """Write one record, before it the rows that begin the chain or end the day before."""
        for row in (*self._book.begin(), *self._book.add(record)):
            self._write(row)

    def close(self, *, whole: bool) -> None:
        """Close the file; the ledger of a whole run ends with a digest."""
        if whole:
            for row in self._book.seal():
                self._write(row)
        self._file.close()

    def _write(self, row: Linked) -> None:
        self._file.write(row.line + b"\n")
