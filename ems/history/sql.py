"""SQL by DuckDB over the tables `history` and `racks`: the hours' files, and the hours that have none yet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from ems.errors import EmsError
from ems.history.hours import table_of
from ems.history.keeping import hour_files
from ems.history.layout import CYCLE, RACKS, hour_of_file, hours_of
from ems.history.packing import Floats, Instants
from ems.history.reading import HistoryReader

_TABLES: Final = {CYCLE: "history", RACKS: "racks"}
# hours without a file that are read into memory, the newest: the running one, and more where files are switched off
_MOST_HOURS: Final = 24


class QueryRefusedError(EmsError):
    """A query cannot be carried out as it is written."""


def queried(state_directory: Path, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return the columns and rows of a query.

    Raises:
        QueryRefusedError: DuckDB is not installed, or it refuses the query.
        sqlite3.Error: The database cannot be read.
        OSError: A file cannot be read.
    """
    try:
        import duckdb  # noqa: PLC0415 - an extra that a site controller does without
    except ImportError as error:
        raise QueryRefusedError("duckdb is not installed: pip install 'gpu-microgrid-ems[analysis]'") from error
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for part, name in _TABLES.items():
            _define(connection, state_directory, part, name)
        try:
            found = connection.execute(query)
            columns = [str(column[0]) for column in found.description or ()]
            return columns, found.fetchall()
        except duckdb.Error as error:
            raise QueryRefusedError(f"the query is refused: {error}") from error


def _define(connection: Any, state_directory: Path, part: str, name: str) -> None:
    """Define one table; a part of which nothing is kept has none."""
    directory = hours_of(state_directory)
    files = {
        known[0]: file
        for _, file in hour_files(directory)
        if (known := hour_of_file(directory, file)) is not None and known[1] == part
    }
    recent = _recent(state_directory, part, set(files))
    selects: list[str] = []
    if files:
        listed = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files.values())
        selects.append(f"SELECT * FROM read_parquet([{listed}], union_by_name = true)")  # noqa: S608 - files of ours
    if recent is not None:
        connection.register(f"recent_{name}", recent)
        selects.append(f"SELECT * FROM recent_{name}")  # noqa: S608 - a name of ours
    if selects:
        connection.execute(f"CREATE VIEW {name} AS " + " UNION ALL BY NAME ".join(selects))


def _recent(state_directory: Path, part: str, in_files: set[int]) -> Any:
    """Return the hours that have no file, None where there are none."""
    with HistoryReader(state_directory) as reader:
        hours = [hour for hour, each in reader.hours() if each == part and hour not in in_files]
        names = [name for name, each in reader.points().items() if each == part]
        tables = [_with_all(*reader.hour(hour, part), names) for hour in hours[-_MOST_HOURS:]]
    return pa.concat_tables(tables) if tables else None


def _with_all(instants_ms: Instants, values: Mapping[str, Floats], names: list[str]) -> Any:
    """Return an hour with a column of every point, so that a query may name what was unknown all the time."""
    unknown = np.full(len(instants_ms), np.nan, dtype=np.float32)
    return table_of(
        instants_ms, {name: values.get(name, unknown) for name in names}, site_id=""
    ).replace_schema_metadata()
