"""The process that seals hours, writes their files and keeps the history in bounds; ends when that is done.

Started as `python -m ems.history.housekeeping DIRECTORY RETAIN_DAYS MAX_BYTES PARQUET_DAYS PARQUET_BYTES` by the
historian, an hour apart. It may be killed at any moment: every step is whole or not done, and the next run goes on.
"""

import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from ems.history.blocks import point_names, read_sealed, running_hours, seal
from ems.history.database import connected, meta
from ems.history.hours import write_hour
from ems.history.keeping import HistoryBounds, present_hour, tidy_database, tidy_files
from ems.history.layout import DAMAGED, database_of, hour_file, hours_of

_NICE = 19


def keep(state_directory: Path, bounds: HistoryBounds) -> Iterator[str]:
    """Do all that is due; yield a line for everything that was done.

    Raises:
        sqlite3.Error: The database cannot be used; what was yielded is done.
        OSError: A file cannot be written.
        ValueError: A block is damaged.
    """
    directory = hours_of(state_directory)
    with closing(connected(database_of(state_directory))) as connection:
        present = present_hour(connection)
        if present is None:
            return
        for hour, part in list(running_hours(connection)):
            if hour != present and seal(connection, hour, part):
                yield f"sealed {hour} {part}"
        if bounds.parquet_days:
            yield from _write_files(connection, directory, bounds, present=present)
        if n_deleted := tidy_database(connection, bounds):
            yield f"deleted {n_deleted} hours"
        if n_deleted := tidy_files(directory, bounds, present=present):
            yield f"deleted {n_deleted} files"


def _write_files(
    connection: sqlite3.Connection, directory: Path, bounds: HistoryBounds, *, present: int
) -> Iterator[str]:
    site_id = meta(connection, "site") or ""
    due = connection.execute(
        "SELECT hour, part FROM sealed WHERE in_parquet = 0 AND hour > ? ORDER BY hour, part",
        (present - bounds.parquet_days * 24,),
    ).fetchall()
    for hour, part in due:
        columns = read_sealed(connection, hour, part, strict=False)
        if columns is None:
            continue
        write_hour(directory, columns, point_names(connection, part), site_id=site_id)
        connection.execute("UPDATE sealed SET in_parquet = 1 WHERE hour = ? AND part = ?", (hour, part))
        yield f"written {hour_file(directory, hour, part)}"


def main() -> None:
    """Do what is due, in the background of everything else."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError):
        os.nice(_NICE)
    try:
        for line in keep(Path(sys.argv[1]), HistoryBounds.from_arguments(sys.argv[2:])):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    except (sqlite3.Error, OSError, ValueError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        is_damage = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        sys.exit(DAMAGED if is_damage else 1)


if __name__ == "__main__":
    main()
