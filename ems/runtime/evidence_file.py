"""The file of what must never change: rows of ledger and audit log in SQLite, appended and never touched again."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from ems.chain.links import Head, Linked
from ems.errors import StateError

Table = Literal["ledger", "audit"]
TABLES: Final[tuple[Table, ...]] = ("ledger", "audit")

_CREATE: Final = "".join(
    f"""
    CREATE TABLE IF NOT EXISTS {name} (
        seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, day TEXT, line BLOB NOT NULL, hash TEXT NOT NULL);
    CREATE INDEX IF NOT EXISTS {name}_kind ON {name} (kind, seq);
    CREATE TRIGGER IF NOT EXISTS {name}_no_update BEFORE UPDATE ON {name}
        BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END;
    CREATE TRIGGER IF NOT EXISTS {name}_no_delete BEFORE DELETE ON {name}
        BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END;
    """
    for name in TABLES
)
_CARRY: Final = "CREATE TABLE IF NOT EXISTS carry (name TEXT PRIMARY KEY, document TEXT NOT NULL);"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRow:
    """One row as it was found; `hash` is what the table says, nobody has checked it yet."""

    seq: int
    kind: str
    line: bytes
    hash: str


def opened(file: Path, *, busy_s: float) -> sqlite3.Connection:
    """Open or create the file for writing: a commit returns when it is on the disk.

    Raises:
        sqlite3.OperationalError: It cannot be used now (a full disk, a lock).
        sqlite3.DatabaseError: It is damaged.
    """
    connection = sqlite3.connect(file, timeout=busy_s, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if (found := connection.execute("PRAGMA quick_check").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(found)
        connection.executescript(_CREATE + _CARRY)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextmanager
def reading(file: Path) -> Iterator[sqlite3.Connection]:
    """Open a file that another process may be writing to, for reading only.

    Raises:
        StateError: It is not there or no database of ours.
    """
    if not file.is_file():
        raise StateError(f"{file}: is not there; name the evidence.db of a state directory")
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        yield connection


def insert(connection: sqlite3.Connection, table: Table, row: Linked) -> None:
    """Add one row inside the running transaction."""
    record = row.record
    start = record.get("start")
    day = start[:10] if isinstance(start, str) else None
    connection.execute(
        f"INSERT INTO {table} (seq, kind, day, line, hash) VALUES (?, ?, ?, ?, ?)",  # noqa: S608 - one of two names
        (row.head.seq, str(record["kind"]), day, row.line, row.head.hash),
    )


def head_of(connection: sqlite3.Connection, table: Table) -> Head:
    """Return the newest row's number and hash."""
    found = connection.execute(
        f"SELECT seq, hash FROM {table} ORDER BY seq DESC LIMIT 1"  # noqa: S608 - one of two names
    ).fetchone()
    return Head() if found is None else Head(seq=found[0], hash=found[1])


def rows(
    connection: sqlite3.Connection, table: Table, *, after_seq: int = 0, kinds: Sequence[str] = ()
) -> Iterator[KeptRow]:
    """Yield rows in their order; of these kinds only, if any are named."""
    wanted = f" AND kind IN ({', '.join('?' * len(kinds))})" if kinds else ""
    found = connection.execute(
        f"SELECT seq, kind, CAST(line AS BLOB), hash FROM {table} WHERE seq > ?{wanted} ORDER BY seq",  # noqa: S608 - as above
        (after_seq, *kinds),
    )
    for seq, kind, line, text in found:
        yield KeptRow(seq=seq, kind=kind, line=bytes(line), hash=text)


def newest(connection: sqlite3.Connection, table: Table, *kinds: str) -> KeptRow | None:
    """Return the newest row of some kinds."""
    found = connection.execute(
        f"SELECT seq, kind, CAST(line AS BLOB), hash FROM {table} WHERE kind IN ({', '.join('?' * len(kinds))}) "  # noqa: S608
        "ORDER BY seq DESC LIMIT 1",
        kinds,
    ).fetchone()
    return None if found is None else KeptRow(seq=found[0], kind=found[1], line=bytes(found[2]), hash=found[3])


def set_aside(file: Path) -> Path:
    """Rename a damaged file with its companions, never over an earlier one; return the new name.

    Raises:
        OSError: It cannot be renamed.
    """
    number = 1
    while (aside := file.with_suffix(f".damaged-{number}")).exists():
        number += 1
    file.replace(aside)
    for companion in ("-wal", "-shm"):
        beside = file.with_name(file.name + companion)
        if beside.exists():
            beside.replace(aside.with_name(aside.name + companion))
    return aside
