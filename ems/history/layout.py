"""How the history lies on the disk: one SQLite file of recent days, and files of hours for analysis.

A row is one instant of one part (the cycle, the racks): a float32 array in the order of a point list. An hour that has
passed is sealed: its rows become one block per point, which makes the query of one point over a month quick. Rows are
numbered in the order in which they came, and a sealed hour knows its last number: whoever forwards the history keeps
one number as a cursor, whatever the wall clock does.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

# of the tables below; kept in `user_version`
LAYOUT: Final = 2
HOUR_MS: Final = 3_600_000
# the points of every cycle, and those that are kept once a minute
CYCLE: Final = "cycle"
RACKS: Final = "racks"
# how the housekeeping process ends when it finds the database damaged
DAMAGED: Final = 4

_POINT_BITS: Final = 24
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS point (
    id INTEGER PRIMARY KEY,
    part TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (part, name)
);
CREATE TABLE IF NOT EXISTS point_list (id INTEGER PRIMARY KEY, part TEXT NOT NULL, points BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS row (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    part TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    list INTEGER NOT NULL REFERENCES point_list (id),
    data BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS row_at ON row (part, at_ms);
CREATE TABLE IF NOT EXISTS sealed (
    hour INTEGER NOT NULL,
    part TEXT NOT NULL,
    last_seq INTEGER NOT NULL,
    n_rows INTEGER NOT NULL,
    in_parquet INTEGER NOT NULL,
    times BLOB NOT NULL,
    PRIMARY KEY (hour, part)
);
CREATE TABLE IF NOT EXISTS block (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
"""


def database_of(state_directory: Path) -> Path:
    """Return the file of the recent days."""
    return state_directory / "history.db"


def hours_of(state_directory: Path) -> Path:
    """Return the directory of the hours' files."""
    return state_directory / "history"


def hour_file(directory: Path, hour: int, part: str) -> Path:
    """Return the file of one hour, counted since 1970: `YYYY/MM/DD/HH.parquet`, in UTC."""
    begin = from_ms(hour * HOUR_MS)
    name = f"{begin:%H}.parquet" if part == CYCLE else f"{begin:%H}-{part}.parquet"
    return directory / f"{begin:%Y/%m/%d}" / name


def hour_of_file(directory: Path, file: Path) -> tuple[int, str] | None:
    """Return hour and part of a file below the directory, None for one that is not of an hour."""
    text = file.relative_to(directory).as_posix().removesuffix(".parquet")
    stem, _, part = text.partition("-")
    try:
        begin = datetime.strptime(stem, "%Y/%m/%d/%H").replace(tzinfo=UTC)
    except ValueError:
        return None
    return to_ms(begin) // HOUR_MS, part or CYCLE


def block_id(hour: int, point: int) -> int:
    """Return the key of a point's block: blocks of one hour lie together."""
    return (hour << _POINT_BITS) | point


def point_of(block: int) -> int:
    """Return the point of a block's key."""
    return block & ((1 << _POINT_BITS) - 1)


def to_ms(instant: datetime) -> int:
    """Return whole milliseconds since 1970, from integers so that nothing is lost."""
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def from_ms(at_ms: int) -> datetime:
    """Return the instant of milliseconds since 1970."""
    return _EPOCH + timedelta(milliseconds=at_ms)
