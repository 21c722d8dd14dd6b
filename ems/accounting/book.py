"""The ledger as a book: places rows in the chain and seals each UTC day. Pure; whoever holds it keeps the lines."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ems.accounting.rows import BreakReason, RowKind, break_body, digest, key_body, rotation
from ems.chain.canonical import Record
from ems.chain.keys import PublicKey, SigningKey
from ems.chain.links import Head, Linked, line_hash, linked


@dataclass(slots=True)
class Book:
    """The chain's head and the part of it that is not sealed yet; `key` is None where nobody can sign.

    Without a key rows are chained all the same, and the day after a key is back seals all of them together.
    """

    site: str
    key: SigningKey | None
    head: Head = field(default_factory=Head)
    # key of the newest key or rotation row
    _known_key_id: str | None = None
    _end: str | None = None
    _open: list[Linked] = field(default_factory=list)
    _days: list[str] = field(default_factory=list)

    def resume(self, records: Iterable[tuple[Record, bytes]], *, known_key_id: str | None, end: str | None) -> None:
        """Go on after rows that are kept already.

        Args:
            records: Rows after the newest digest, oldest first, with their lines.
            known_key_id: Key of the newest key or rotation row of all.
            end: End of the newest interval of all.
        """
        self._known_key_id, self._end = known_key_id, end
        for record, line in records:
            self._keep(Linked(record=record, line=line, head=Head(seq=record["seq"], hash=line_hash(line))))

    def unsealed(self) -> Sequence[Linked]:
        """Return the rows of the part that is not sealed yet."""
        return tuple(self._open)

    def begin(self) -> tuple[Linked, ...]:
        """Return the row that opens a new chain, the key of whoever signs it; nothing where it has begun."""
        return () if self.key is None or self.head.seq else (self._place(key_body(self.site, self.key)),)

    def say_break(self, reason: BreakReason, text: str, **facts: Any) -> Linked:
        """Return the row that says what is missing."""
        return self._place(break_body(self.site, reason, text, **facts))

    def rotate(self, new: SigningKey) -> Linked:
        """Return the row in which the present key names a new one, which signs from then on.

        Raises:
            ValueError: There is no present key.
        """
        if self.key is None:
            raise ValueError("there is no key that could name the new one")
        row = rotation(self.site, old=self.key, new=PublicKey(new.public.hex), head=self.head)
        self._add(row)
        self.key, self._known_key_id = new, new.key_id
        return row

    def add(self, body: Mapping[str, Any], *, audit: Head | None = None) -> tuple[Linked, ...]:
        """Return the rows that a body adds: the digest of days before it, a break, the row, the digest of its day.

        Args:
            body: An interval or a correction.
            audit: Head of the audit log, which the next digest covers.
        """
        rows: list[Linked] = []
        if body["kind"] == RowKind.INTERVAL:
            start, end = str(body["start"]), str(body["end"])
            if self._days and start[:10] > self._days[-1]:
                rows += self.seal(audit=audit)
            if self._end is not None and start != self._end:
                what = "nothing was counted" if start > self._end else "counted twice"
                rows.append(self.say_break(BreakReason.TIME_GAP, f"{what} between {self._end} and {start}"))
            rows.append(self._place(body))
            if end >= _next_day(start[:10]):
                rows += self.seal(audit=audit)
        else:
            rows.append(self._place(body))
        return tuple(rows)

    def seal(self, *, audit: Head | None = None) -> tuple[Linked, ...]:
        """Return the key row and the digest that end the open part; nothing without a key or without an interval."""
        if self.key is None or not self._days:
            return ()
        rows: list[Linked] = []
        if self._known_key_id not in (None, self.key.key_id):
            rows.append(self.say_break(BreakReason.KEY_LOST, f"key {self._known_key_id} is not used any more"))
        rows.append(self._place(key_body(self.site, self.key)))
        days = self._days[0], self._days[-1]
        row = digest(self.site, [row.line for row in self._open], days=days, key=self.key, head=self.head, audit=audit)
        self._add(row)
        self._open, self._days = [], []
        return (*rows, row)

    def _place(self, body: Mapping[str, Any]) -> Linked:
        row = linked(body, self.head)
        self._add(row)
        return row

    def _add(self, row: Linked) -> None:
        self.head = row.head
        self._keep(row)

    def _keep(self, row: Linked) -> None:
        self._open.append(row)
        record = row.record
        match record["kind"]:
            case RowKind.INTERVAL:
                self._end = record["end"]
                day = record["start"][:10]
                if day not in self._days:
                    self._days.append(day)
            case RowKind.KEY:
                self._known_key_id = record["key_id"]
            case RowKind.ROTATION:
                self._known_key_id = record["new_key_id"]


def _next_day(day: str) -> str:
    following = datetime.fromisoformat(day) + timedelta(days=1)
    return f"{following:%Y-%m-%dT00:00:00Z}"
