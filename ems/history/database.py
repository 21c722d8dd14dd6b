"""Opening the history's SQLite file: checked, of the present layout, else set aside and begun anew."""

import sqlite3
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ems.history.layout import LAYOUT, SCHEMA

# another connection may hold the file for as long as it takes to seal an hour of some thousand points
BUSY_S: Final = 10.0
# beyond this size the check of every page would take minutes; what is written to is checked in any case
_CHECKED_WHOLE_BYTES: Final = 256 * 1024 * 1024
_WRITTEN_TABLES: Final = ("row", "point", "point_list", "sealed", "meta")
_WAL_LIMIT_BYTES: Final = 64 * 1024 * 1024
# a point's hour mostly fits into one page: the query of a month reads some 700 of them
_PAGE_BYTES: Final = 16384

# takes the file, the name under which it is kept, and why
SetAside = Callable[[Path, str, str], None]


class OtherLayoutError(sqlite3.DatabaseError):
    """The file is sound, but of another version's layout."""

    def __init__(self, layout: int) -> None:
        self.layout = layout
        super().__init__(f"the file has layout {layout}, this version writes layout {LAYOUT}")


def open_for_writing(path: Path, *, site_id: str, set_aside: SetAside, check_whole: bool = False) -> sqlite3.Connection:
    """Open the file; one that is damaged or of another layout is renamed, which `set_aside` is told, and one begun.

    A file of gigabytes is checked where rows are written only, unless `check_whole`.

    Raises:
        sqlite3.OperationalError: It cannot be opened now (a lock, a full disk); it may be sound.
        OSError: The directory cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _checked(path, site_id, check_whole=check_whole)
    except OtherLayoutError as error:
        set_aside(path, _renamed(path, f"layout-{error.layout}"), str(error))
    except sqlite3.OperationalError:
        # busy, full, read-only, not to be opened: the file itself may be sound
        raise
    except sqlite3.DatabaseError as error:
        set_aside(path, _renamed(path, "damaged"), str(error))
    return _checked(path, site_id, check_whole=check_whole)


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open a file that exists, of the present layout, without changing it.

    Raises:
        sqlite3.Error: It cannot be read, or is of another layout.
    """
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)
    try:
        _check_layout(connection)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def meta(connection: sqlite3.Connection, name: str) -> str | None:
    """Return what the file says about itself."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def connected(path: Path) -> sqlite3.Connection:
    """Open a file without a check, as every writer does it; transactions are begun by hand."""
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
    return connection


def _checked(path: Path, site_id: str, *, check_whole: bool) -> sqlite3.Connection:
    connection = connected(path)
    try:
        if not path.exists() or path.stat().st_size == 0:
            # what is deleted can be given back to the file system; only a new file can be told so
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        _check_layout(connection)
        _check_pages(connection, whole=check_whole or path.stat().st_size <= _CHECKED_WHOLE_BYTES)
        connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {LAYOUT}; COMMIT;")
        known = (("site", site_id), ("source", str(uuid.uuid4())))
        connection.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", known)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _check_layout(connection: sqlite3.Connection) -> None:
    (n_tables,) = connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    if n_tables and layout != LAYOUT:
        # the first layout had no number of its own
        raise OtherLayoutError(int(layout) or 1)


def _check_pages(connection: sqlite3.Connection, *, whole: bool) -> None:
    by_table = tuple(f"PRAGMA quick_check({table})" for table in _WRITTEN_TABLES)
    for check in ("PRAGMA quick_check(1)",) if whole else by_table:
        (verdict,) = connection.execute(check).fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(str(verdict))


def _renamed(path: Path, why: str) -> str:
    """Rename a file and what belongs to it, never over an earlier one; return the new name."""
    stamp = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.{why}-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.{why}-{stamp}-{number}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        companion = path.with_name(f"{path.name}{suffix}")
        if companion.exists():
            companion.rename(aside.with_name(f"{aside.name}{suffix}"))
    return aside.name
