"""`ems ledger`: a ledger is found, read and checked, wherever it lies; nothing here changes it."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Final, Literal

from ems.accounting.verification import Verification
from ems.chain.canonical import Record, parsed
from ems.chain.key_files import load_public_key
from ems.chain.keys import KeyPurpose, PublicKey
from ems.chain.links import NO_HASH, Head, follows, line_hash
from ems.errors import ChainError, ConfigError, ConfigProblem
from ems.runtime.evidence_file import head_of, reading, rows

Form = Literal["files", "database"]
# receives a row and its hash
Take = Callable[[Record, str], None]

_DAY_FILE: Final = re.compile(r"ledger-(\d{4}-\d{2}-\d{2})\.jsonl")
_DATABASE_FILE: Final = "evidence.db"
_SQLITE: Final = b"SQLite format 3\0"
_ALLOWED: Final = "a file of a ledger (.jsonl), a directory of sealed days, a state directory or its evidence.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a ledger lies: files in their order, or one database."""

    form: Form
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a check found, for people and for programs."""

    passed: bool
    document: dict[str, object]
    text: str


def verified(path: Path, *, pubkey: Path | None, first: str | None, last: str | None) -> Verdict:
    """Check a ledger and say what was found.

    Raises:
        ConfigError: The path is no ledger at all, a day is no date, or the key file holds no key.
    """
    return checked(path, pubkey=pubkey, first=first, last=last, take=lambda _record, _hash: None, cover=True)


def checked(
    path: Path, *, pubkey: Path | None, first: str | None, last: str | None, take: Take, cover: bool
) -> Verdict:
    """Check a ledger and hand every row that can be read to `take`, with its hash; a period need not be covered.

    Raises:
        ConfigError: As `verified`.
    """
    begin = None if first is None else utc_day("--from", first).isoformat()
    end = None if last is None else utc_day("--to", last).isoformat()
    source = found(path, first=begin, last=end)
    check = Verification(pinned=None if pubkey is None else _pinned(pubkey))
    extra: dict[str, object] = {}
    if source.form == "files":
        for file in source.files:
            _check_file(check, file, take)
    else:
        extra = _check_database(check, source.files[0], take)
    if cover:
        check.covers(begin, end)
    return _verdict(path, source, check, extra)


def found(path: Path, *, first: str | None = None, last: str | None = None) -> Source:
    """Return where a path's ledger lies; of sealed days those of a period only.

    Raises:
        ConfigError: There is none.
    """
    if path.is_dir():
        for directory in (path, path / "ledger"):
            files = sorted(file for file in directory.glob("ledger*.jsonl") if file.is_file())
            if directory == path and (path / _DATABASE_FILE).is_file():
                return Source(form="database", files=(path / _DATABASE_FILE,))
            if files:
                return Source(form="files", files=tuple(_of_period(files, first, last)) or tuple(files))
        raise _refused(path, "holds no ledger")
    if not path.is_file():
        raise _refused(path, "is not there")
    try:
        with path.open("rb") as opened:
            beginning = opened.read(len(_SQLITE))
        if beginning == _SQLITE:
            return _database(path)
        if not _has_rows(path):
            raise _refused(path, "is no ledger: no line of it is a row")
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror}") from error
    return Source(form="files", files=(path,))


def _database(path: Path) -> Source:
    try:
        with reading(path) as connection:
            head_of(connection, "ledger")
    except sqlite3.OperationalError as error:
        raise _refused(path, f"is a database without a ledger ({error})") from error
    except sqlite3.DatabaseError:
        # a damaged ledger is one: the check will say so
        pass
    return Source(form="database", files=(path,))


def _has_rows(path: Path) -> bool:
    """Return whether any line looks like a row; damaged ones do not count against it."""
    with path.open("rb") as opened:
        for line in opened:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict) and "seq" in record and "prev" in record:
                return True
    return False


def _of_period(files: list[Path], first: str | None, last: str | None) -> Iterator[Path]:
    """Yield the sealed days of a period; a file may hold several days, so the one before it belongs to it."""
    begin = 0
    for number, file in enumerate(files):
        named = _DAY_FILE.fullmatch(file.name)
        if first is not None and named is not None and named[1] <= first:
            begin = number
    for file in files[begin:]:
        named = _DAY_FILE.fullmatch(file.name)
        if last is None or named is None or named[1] <= last:
            yield file


def _check_file(check: Verification, file: Path, take: Take) -> None:
    lines = file.read_bytes().split(b"\n")
    whole = lines[-1] == b""
    for number, line in enumerate(lines[:-1] if whole else lines, start=1):
        if (record := check.row(file.name, number, line)) is not None:
            take(record, line_hash(line))
    if not whole:
        check.damage(None, "the last line has no end: the file was cut")
    check.ends(file.name, sealed=True)
    named, newest = _DAY_FILE.fullmatch(file.name), check.seals.newest_digest
    if named is not None and newest is not None and newest.get("first_day") != named[1]:
        check.damage("/first_day", f"the file is named for {named[1]} and seals {newest.get('first_day')}")


def _check_database(check: Verification, file: Path, take: Take) -> dict[str, object]:
    try:
        with reading(file) as connection:
            for row in rows(connection, "ledger"):
                record = check.row(file.name, row.seq, row.line, kept_hash=row.hash)
                if record is None:
                    continue
                take(record, line_hash(row.line))
                if record.get("seq") != row.seq:
                    check.damage("/seq", f"is {record.get('seq')!r} in the row that the table numbers {row.seq}")
            audit = _check_audit(check, connection, file)
            if (state := connection.execute("PRAGMA quick_check").fetchone()[0]) != "ok":
                check.at(file.name, 0)
                check.damage(None, f"the database file is damaged: {' '.join(str(state).split())}")
    except sqlite3.DatabaseError as error:
        check.damage(None, f"the database cannot be read any further: {error}")
        return {}
    if check.first_seq not in (None, 1):
        check.notices.append(f"the database begins with seq {check.first_seq}; older records lie in sealed days")
    return {"n_audit_rows": audit}


def _check_audit(check: Verification, connection: sqlite3.Connection, file: Path) -> int:
    """Check the chain of the audit log and the head that the newest digest covers; return how many rows it has."""
    head, hashes, number = Head(), {0: NO_HASH}, 0
    for number, row in enumerate(rows(connection, "audit"), start=1):
        place = f"{file.name} (audit)"
        check.at(place, row.seq)
        try:
            record = parsed(row.line)
        except ChainError as error:
            check.damage(error.field, str(error))
            head = Head(seq=row.seq, hash=row.hash)
            continue
        first = number == 1 and row.seq > 1
        if first:
            check.notices.append(f"the audit log begins with seq {row.seq}")
        elif (broken := follows(record, head)) is not None:
            check.damage(*broken)
        head = Head(seq=row.seq, hash=line_hash(row.line))
        hashes[row.seq] = head.hash
    digest = check.seals.newest_digest
    covered = None if digest is None else digest.get("audit")
    if isinstance(covered, dict) and hashes.get(covered.get("seq", -1)) != covered.get("hash"):
        check.at(file.name, 0)
        check.damage("/audit", f"the newest digest covers audit row {covered.get('seq')}, which is gone or changed")
    return number


def _verdict(path: Path, source: Source, check: Verification, extra: dict[str, object]) -> Verdict:
    passed = check.n_damages == 0
    seals = check.seals
    document: dict[str, object] = {
        "path": str(path),
        "form": source.form,
        "passed": passed,
        "n_files": len(source.files),
        "n_rows": check.n_rows,
        "n_intervals": check.n_intervals,
        "n_corrections": check.n_corrections,
        "first_seq": check.first_seq,
        "last_seq": None if check.head is None else check.head.seq,
        "last_hash": None if check.head is None else check.head.hash,
        "begin": check.begin,
        "end": check.end,
        "n_digests": seals.n_digests,
        "n_unsealed": seals.n_open,
        "keys": [{"key_id": key, "purpose": purpose} for key, purpose in seals.signers.items()],
        "author_proven": check.pinned is not None and passed and seals.n_digests > 0,
        "n_damages": check.n_damages,
        "damages": [asdict(damage) for damage in check.damages],
        "notices": list(check.notices),
        "totals": {"original": dict(check.totals), "corrected": dict(check.corrected)},
        **extra,
    }
    return Verdict(passed=passed, document=document, text="\n".join(_text(path, check)))


def _text(path: Path, check: Verification) -> Iterator[str]:
    seals = check.seals
    if check.n_damages:
        yield f"{path}: damaged"
        yield from (f"  {damage.sentence()}" for damage in check.damages)
        if check.n_damages > len(check.damages):
            yield f"  and {check.n_damages - len(check.damages)} more"
    else:
        last = "none" if check.head is None else check.head.seq
        yield f"{path}: intact"
        yield f"  {check.n_intervals} intervals from {check.begin} to {check.end}, rows {check.first_seq} to {last}"
    signers = ", ".join(f"{key} ({purpose or 'pinned'})" for key, purpose in seals.signers.items())
    yield f"  {seals.n_digests} digests, signed by {signers or 'nobody'}"
    if seals.n_open:
        yield f"  {seals.n_open} rows after the newest digest are chained, not signed yet"
    yield from (f"  note: {notice}" for notice in check.notices)
    for name, was in check.totals.items() if check.n_corrections else ():
        if check.corrected[name] != was:
            yield f"  {name}: {was:,} as written, {check.corrected[name]:,} with {check.n_corrections} corrections"
    if KeyPurpose.SIMULATION.value in seals.signers.values():
        yield "  simulated: everybody has the key that signed this"
    elif check.pinned is None:
        yield (
            "  the key was taken from the ledger itself: it shows changes by whoever lacks that key; only a key that "
            "you have from elsewhere proves the author (--pubkey FILE)"
        )


def _pinned(file: Path) -> PublicKey:
    try:
        return load_public_key(file)
    except ChainError as error:
        raise ConfigError(ConfigProblem(file=str(file), key="--pubkey", message=str(error))) from error


def utc_day(option: str, text: str) -> date:
    """Return the day that an option names.

    Raises:
        ConfigError: It is no date.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        problem = ConfigProblem(file=option, message=f"'{text}' is no date", allowed="a UTC day, YYYY-MM-DD")
        raise ConfigError(problem) from error


def _refused(path: Path, message: str) -> ConfigError:
    return ConfigError(ConfigProblem(file=str(path), message=message, allowed=_ALLOWED))
