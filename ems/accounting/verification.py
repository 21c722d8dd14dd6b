"""Checks a ledger offline, row by row: form, chain, time, balances, seals and signatures. Pure; rows come in as lines.

Whatever is wrong is named with its place and the checks go on behind it. What cannot be shown is said, too: a chain
shows changes by those who do not have the key, and only a key known from elsewhere proves who signed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from ems.accounting.corrections import totals_of
from ems.accounting.invariants import Fault, interval_faults, store_fault
from ems.accounting.rows import RowKind
from ems.accounting.seals import Seals
from ems.chain.canonical import Record, parsed
from ems.chain.keys import PublicKey
from ems.chain.links import NO_HASH, Head, follows, line_hash
from ems.errors import ChainError

# a file that is broken everywhere need not be told line by line
MOST_DAMAGES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """One thing that is wrong. `line` counts from 1; `field` is a JSON pointer into the row."""

    file: str
    line: int
    seq: int | None
    field: str | None
    message: str

    def sentence(self) -> str:
        """Return it as one line for a terminal."""
        place = f"{self.file}:{self.line}"
        seq = "" if self.seq is None else f": seq {self.seq}"
        name = f": {self.field}" if self.field else ""
        return f"{place}{seq}{name}: {self.message}"


@dataclass(slots=True)
class Verification:
    """What was found so far; feed it lines in their order, then ask."""

    pinned: PublicKey | None = None
    damages: list[Damage] = field(default_factory=list)
    n_damages: int = 0
    notices: list[str] = field(default_factory=list)
    n_rows: int = 0
    n_intervals: int = 0
    n_corrections: int = 0
    first_seq: int | None = None
    begin: str | None = None
    end: str | None = None
    # None before the first row, and behind a line that could not be read
    head: Head | None = None
    seals: Seals = field(default_factory=Seals)
    _file: str = ""
    _line: int = 0
    _seq: int | None = None
    _site: str | None = None
    _store: Mapping[str, Any] | None = None
    _told: bool = True
    # sums of the intervals as they were written, and with all corrections: Wh, mg and ml
    totals: dict[str, int] = field(default_factory=dict)
    corrected: dict[str, int] = field(default_factory=dict)
    _hashes: dict[int, str] = field(default_factory=dict)

    def row(self, file: str, number: int, line: bytes, *, kept_hash: str | None = None) -> Record | None:
        """Check one row and return it, None where it cannot be read.

        Args:
            file: Where it stands.
            number: Its line, from 1.
            line: The row, without the line end.
            kept_hash: Its hash as a table says, if it comes from one.
        """
        self._file, self._line = file, number
        self._seq = None if self.head is None else self.head.seq + 1
        self.n_rows += 1
        try:
            record = parsed(line)
        except ChainError as error:
            self.damage(error.field, str(error))
            self.head = None
            self.seals.forget()
            return None
        self._seq = record["seq"] if type(record.get("seq")) is int else self._seq
        if kept_hash is not None and kept_hash != line_hash(line):
            self.damage("hash", "the table has another hash for this row")
        self._link(record)
        if record.get("kind") == RowKind.INTERVAL and self._seq is not None:
            self._hashes[self._seq] = line_hash(line)
        self._look(record, line)
        if type(record.get("seq")) is int:
            self.first_seq = record["seq"] if self.first_seq is None else self.first_seq
            self.head = Head(seq=record["seq"], hash=line_hash(line))
        else:
            self.head = None
        return record

    def ends(self, file: str, *, sealed: bool) -> None:
        """Say that a file is over; one that must be sealed ends with a digest."""
        if sealed and self.seals.n_open:
            self._file = file
            self.damage(None, "the file ends without the digest of its last records: it was cut or never completed")

    def covers(self, first_day: str | None, last_day: str | None) -> None:
        """Check that a period, by its first and last UTC day, is covered."""
        if first_day is not None and (self.begin is None or self.begin > f"{first_day}T00:00:00Z"):
            self.at(self._file, 0)
            self.damage(None, f"records begin at {self.begin}, not on {first_day}")
        if last_day is not None and (self.end is None or self.end < f"{last_day}T23:59:59Z"):
            self.at(self._file, 0)
            self.damage(None, f"records end at {self.end}, before {last_day} is over")

    def at(self, file: str, number: int) -> None:
        """Say which row the next damage is in, for rows that are checked elsewhere."""
        self._file, self._line, self._seq = file, number, number or None

    def damage(self, name: str | None, message: str) -> None:
        """Note that something is wrong with the present row."""
        self.n_damages += 1
        if len(self.damages) < MOST_DAMAGES:
            self.damages.append(Damage(file=self._file, line=self._line, seq=self._seq, field=name, message=message))

    def _link(self, record: Record) -> None:
        head, old = self.head, record.get("old")
        if head is None:
            if record.get("seq") == 1 and record.get("prev") != NO_HASH:
                self.damage("/prev", "the first record of a chain names no predecessor but 64 zeros")
            return
        if record.get("kind") == RowKind.BREAK and isinstance(old, dict) and _is_later(old, head):
            # the one row that may leave a gap; it says after which row it comes
            self.notices.append(f"records {head.seq + 1} to {old['seq']} are missing, as seq {record.get('seq')} says")
            head = Head(seq=old["seq"], hash=str(old["hash"]))
        broken = follows(record, head)
        if broken is not None:
            name, text = broken
            hint = "; the record before was changed, or this field" if name == "/prev" else ""
            self.damage(name, text + hint)

    def _look(self, record: Record, line: bytes) -> None:
        site = record.get("site")
        if self._site is not None and site != self._site:
            self.damage("/site", f"is {site!r}, but the ledger is that of {self._site!r}")
        self._site = self._site or (site if isinstance(site, str) else None)
        match record.get("kind"):
            case RowKind.INTERVAL:
                self._interval(record)
            case RowKind.BREAK:
                self._break(record)
            case RowKind.CORRECTION:
                self._correction(record)
            case RowKind.KEY | RowKind.ROTATION | RowKind.DIGEST:
                pass
            case other:
                self.damage("/kind", f"{other!r} is no kind of row")
        for fault in self.seals.look(record, line, self.pinned):
            self.damage(fault.field or None, fault.text)

    def _interval(self, record: Record) -> None:
        self.n_intervals += 1
        faults = [*interval_faults(record), *self._time_faults(record)]
        for fault in faults:
            self.damage(fault.field or None, fault.text)
        store = record.get("store")
        if not faults and isinstance(store, dict):
            if (changed := store_fault(record, self._store)) is not None:
                self.damage(*changed)
            self._store = store["end"]
            for totals in (self.totals, self.corrected):
                self._add(totals, totals_of(record))
        else:
            self._store = None

    def _correction(self, record: Record) -> None:
        self.n_corrections += 1
        of, changes = record.get("of"), record.get("change")
        if not isinstance(of, dict) or not isinstance(changes, dict):
            self.damage(None, "the row is incomplete or of another form")
            return
        known = self._hashes.get(of.get("seq", 0))
        if known is not None and known != of.get("hash"):
            self.damage("/of/hash", f"is not that of interval {of['seq']}, which is {known}")
        self._add(self.corrected, changes)

    def _add(self, totals: dict[str, int], found: Mapping[str, Any]) -> None:
        for name, value in found.items():
            totals[name] = totals.get(name, 0) + (value if type(value) is int else 0)

    def _time_faults(self, record: Record) -> list[Fault]:
        start, end = record.get("start"), record.get("end")
        for name, value in (("/start", start), ("/end", end)):
            if not _is_instant(value):
                return [Fault(name, f"{value!r} is no instant like 2026-06-10T20:15:00Z")]
        found = []
        begin, until = str(start), str(end)
        if until <= begin:
            found.append(Fault("/end", f"is not after the start {begin}"))
        if self._told is False and self.end is not None and begin != self.end:
            found.append(Fault("/start", f"is {begin}, but the interval before ended at {self.end}"))
        self.begin = begin if self.begin is None else self.begin
        self.end, self._told = until, False
        return found

    def _break(self, record: Record) -> None:
        self.notices.append(f"seq {record.get('seq')}, {record.get('reason')}: {record.get('text')}")
        # time and store may begin anew behind it
        self._told, self._store = True, None


def _is_later(old: Mapping[str, Any], head: Head) -> bool:
    return type(old.get("seq")) is int and old["seq"] > head.seq


def _is_instant(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        instant = datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}" == value
