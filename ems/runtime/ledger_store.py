"""The ledger on the disk: every record chained and committed with the state after it, every UTC day sealed."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from ems.accounting.book import Book
from ems.accounting.rows import BreakReason, RowKind
from ems.chain.canonical import parsed
from ems.chain.key_files import load_key, make_key
from ems.chain.keys import SigningKey
from ems.chain.links import Head, Linked
from ems.errors import ChainError
from ems.runtime.corrections import Inbox
from ems.runtime.evidence import Evidence, Found
from ems.runtime.evidence_file import Table
from ems.runtime.sealed_days import anchor, newest_digest, put_unchained_away, write_day

KEY_FILE: Final = "keys/ledger.key"
_SEALED: Final = "ledger"


class LedgerStore:
    """Takes records from the accounts; nothing here waits for the disk, except for what is read at the start."""

    def __init__(
        self,
        evidence: Evidence,
        *,
        site: str,
        state_directory: Path,
        known_head: Head | None = None,
        anchor_file: Path | None = None,
    ) -> None:
        """Open the book where it stopped.

        Args:
            evidence: The open file, not yet started.
            site: The site's name.
            state_directory: Where the key and the sealed days lie.
            known_head: The head as kept elsewhere, in case the file is gone.
            anchor_file: Where digests are copied to, outside of the site's control.
        """
        self._evidence = evidence
        self._site = site
        self._directory = state_directory / _SEALED
        self._anchor_file = anchor_file
        self._log = structlog.get_logger("ledger")
        # what the accounts want kept together with a record
        self.carry: Callable[[], Mapping[str, object]] | None = None
        # told the head after every record that is on the disk; in the writer's thread
        self.on_head: Callable[[Head], None] | None = None
        self.audit_head: Callable[[], Head] | None = None
        self._lost: tuple[str, Head | None] | None = None
        self._files: Sequence[dict[str, str]] = ()
        self._key_file = state_directory / KEY_FILE
        self._inbox = Inbox(state_directory)
        self._known_head = known_head
        # None until the file could be opened
        self._book: Book | None = None
        if evidence.found is not None:
            self._book = self._resumed(evidence.found)
        evidence.on_loss = self._on_loss

    def __call__(self, record: dict[str, object]) -> None:
        """Hand a record over; beyond ten days of records that no disk took, the newest is lost, which is logged."""
        carry = {} if self.carry is None else {"accounts": self.carry()}
        if not self._evidence.submit(lambda: self._placed(record), carry=carry, on_disk=self._on_disk):
            self._log.error("ledger_not_written", start=record.get("start"), error="too many records wait for the disk")

    @property
    def carried(self) -> dict[str, Any] | None:
        """Return the accounts as they were kept with the newest record; None where there is none."""
        found = self._evidence.found
        document = None if found is None else found.carried.get("accounts")
        return document if isinstance(document, dict) else None

    @property
    def lost(self) -> bool:
        """Return whether older records than those found must have been there."""
        return self._lost is not None

    def _key(self) -> SigningKey | None:
        """Return the site's key, made at the first start; None where it cannot be used: days then wait for a seal."""
        file = self._key_file
        try:
            if file.exists() or self._evidence.newest("ledger", RowKind.KEY.value, RowKind.ROTATION.value):
                return load_key(file)
            key = make_key(file)
        except ChainError as error:
            self._log.error("ledger_key_refused", error=str(error))
            return None
        self._log.info("ledger_key_made", key_id=key.key_id, file=str(file), public=str(file.with_suffix(".pub")))
        return key

    def _resumed(self, found: Found) -> Book:
        """Return the book as the file has it; what else is known of a newer head says whether something is missing."""
        head = found.heads["ledger"]
        sealed = newest_digest(self._directory)
        heads = [Head() if self._known_head is None else self._known_head, Head() if sealed is None else sealed[1]]
        known = max(heads, key=lambda each: each.seq)
        if known.seq > head.seq or found.damaged is not None:
            text = found.damaged or "the database is gone, or older than what was known"
            self._lost = (text, known if known.seq else None)
        if known.seq > head.seq:
            book = Book(site=self._site, key=self._key(), head=known)
            book.resume((), known_key_id=None if sealed is None else str(sealed[0]["key_id"]), end=None)
            return book
        book = Book(site=self._site, key=self._key(), head=head)
        if head.seq:
            self._read_open_part(book)
            self._write_missing_days()
        else:
            self._put_unchained_away()
        return book

    def _read_open_part(self, book: Book) -> None:
        last = self._evidence.newest("ledger", RowKind.DIGEST.value)
        key_row = self._evidence.newest("ledger", RowKind.KEY.value, RowKind.ROTATION.value)
        interval = self._evidence.newest("ledger", RowKind.INTERVAL.value)
        key_record = {} if key_row is None else parsed(key_row.line)
        book.resume(
            (
                (parsed(row.line), row.line)
                for row in self._evidence.rows("ledger", after_seq=0 if last is None else last.seq)
            ),
            known_key_id=key_record.get("new_key_id", key_record.get("key_id")),
            end=None if interval is None else parsed(interval.line)["end"],
        )

    def _put_unchained_away(self) -> None:
        try:
            self._files = put_unchained_away(self._directory)
        except OSError as error:
            self._log.error("ledger_files_not_moved", directory=str(self._directory), error=str(error))

    def _write_missing_days(self) -> None:
        """Write files of sealed days that are not there: the process ended in between, or the disk refused them."""
        for row in self._evidence.rows("ledger", kinds=(RowKind.DIGEST.value,)):
            if not (self._directory / f"ledger-{parsed(row.line)['first_day']}.jsonl").exists():
                self._seal(parsed(row.line), row.line)

    def _placed(self, record: Mapping[str, object]) -> Sequence[tuple[Table, Linked]]:
        """Return the rows that a record adds; in the writer's thread, with the file open."""
        if self._book is None and self._evidence.found is not None:
            self._book = self._resumed(self._evidence.found)
        book = self._book
        if book is None:
            return ()
        audit = None if self.audit_head is None else self.audit_head()
        opening = self._opening(book)
        covered = None if audit is None or not audit.seq else audit
        placed = [*opening, *book.add(record, audit=covered)]
        for body in self._inbox.bodies(self._evidence):
            placed += book.add(body)
        return tuple(("ledger", row) for row in placed)

    def _opening(self, book: Book) -> Sequence[Linked]:
        """Return the rows that begin a chain, or say what is missing in it."""
        rows = list(book.begin())
        if self._files:
            text = "records of before lie in files without a chain"
            rows.append(book.say_break(BreakReason.BEFORE_CHAIN, text, files=self._files))
            self._files = ()
        if self._lost is not None:
            text, old = self._lost
            rows.append(book.say_break(BreakReason.DATABASE_LOST, text, old=old))
            self._lost = None
        return rows

    def _on_loss(self, text: str) -> Sequence[tuple[Table, Linked]]:
        """Return the rows of the day that is not sealed yet, to be kept in the new file; a break follows them."""
        if self._book is None:
            return ()
        self._lost = (text, self._book.head)
        return tuple(("ledger", row) for row in self._book.unsealed())

    def _on_disk(self, placed: Sequence[tuple[Table, Linked]]) -> None:
        self._inbox.clear()
        for _, row in placed:
            if row.record["kind"] == RowKind.DIGEST:
                self._seal(row.record, row.line)
        if placed and self.on_head is not None:
            self.on_head(placed[-1][1].head)

    def _seal(self, digest: Mapping[str, Any], line: bytes) -> None:
        """Write the file of a sealed part, and anchor its digest."""
        day, first, last = str(digest["first_day"]), int(digest["first_seq"]), int(digest["last_seq"])
        lines = [row.line for row in self._evidence.rows("ledger", after_seq=first - 1) if row.seq <= last]
        try:
            file = write_day(self._directory, day, (*lines, line))
        except OSError as error:
            self._log.error("day_not_sealed", day=day, error=str(error))
            return
        self._log.info("day_sealed", day=day, file=str(file), n=len(lines), key_id=digest["key_id"])
        if self._anchor_file is None:
            return
        try:
            anchor(self._anchor_file, line)
        except OSError as error:
            self._log.error("digest_not_anchored", day=day, file=str(self._anchor_file), error=str(error))
