"""The files of hours: Parquet, one float32 column per point, written whole or not at all."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from ems.config.units import unit_of
from ems.history.blocks import Columns
from ems.history.layout import LAYOUT, hour_file
from ems.history.packing import Floats, Instants

UTC_COLUMN: Final = "utc"
_INSTANT: Final = pa.timestamp("ms", tz="UTC")


def write_hour(directory: Path, columns: Columns, names: Mapping[int, str], *, site_id: str) -> Path:
    """Write the file of an hour in the place of an earlier one; return it. Every name has a column, known or not.

    Raises:
        OSError: It could not be written; an earlier one is as it was.
    """
    file = hour_file(directory, columns.hour, columns.part)
    unknown = np.full(len(columns.instants_ms), np.nan, dtype=np.float32)
    named = {name: columns.values.get(point, unknown) for point, name in names.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    written = file.with_name(f".{file.name}.new")
    write_table(table_of(columns.instants_ms, named, site_id=site_id), written)
    with written.open("rb") as handle:
        os.fsync(handle.fileno())
    written.replace(file)
    return file


def table_of(instants_ms: Instants, values: Mapping[str, Floats], *, site_id: str) -> Any:
    """Return columns by name as an Arrow table: what is unknown is null, and the footer says site and units."""
    names = sorted(values)
    arrays = [pa.array(instants_ms, type=pa.int64()).cast(_INSTANT)]
    arrays += [pa.array(values[name], mask=np.isnan(values[name])) for name in names]
    schema = schema_of(names, site_id=site_id)
    return pa.Table.from_arrays(arrays, schema=schema)


def schema_of(names: list[str], *, site_id: str) -> Any:
    """Return the schema of a table of points."""
    fields = [pa.field(UTC_COLUMN, _INSTANT, nullable=False)]
    fields += [pa.field(name, pa.float32()) for name in names]
    units = {name: unit for name in names if (unit := point_unit(name)) is not None}
    about = {"site": site_id, "layout": str(LAYOUT), "units": json.dumps(units, ensure_ascii=False)}
    return pa.schema(fields, metadata=about)


def write_table(table: Any, file: Path) -> None:
    """Write a table of points as zstd Parquet; values are split by byte.

    Raises:
        OSError: It could not be written.
    """
    with table_writer(table.schema, file) as writer:
        writer.write_table(table)


def table_writer(schema: Any, file: Path) -> Any:
    """Return a writer of tables of points."""
    return parquet.ParquetWriter(
        file,
        schema,
        compression="zstd",
        use_dictionary=False,
        use_byte_stream_split=[name for name in schema.names if name != UTC_COLUMN],
    )


def read_hour(file: Path, names: list[str]) -> tuple[Instants, dict[str, Floats]]:
    """Return the instants of an hour's file and those of the points that it has.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no such file.
    """
    with parquet.ParquetFile(file) as opened:
        present = set(opened.schema_arrow.names)
        wanted = [name for name in names if name in present]
        table = opened.read(columns=[UTC_COLUMN, *wanted])
    instants_ms = table.column(UTC_COLUMN).cast(pa.int64()).to_numpy()
    return instants_ms, {name: table.column(name).to_numpy().astype(np.float32) for name in wanted}


def names_of(file: Path) -> list[str]:
    """Return the points of an hour's file."""
    names: list[str] = parquet.read_schema(file).names
    return [name for name in names if name != UTC_COLUMN]


def point_unit(name: str) -> str | None:
    """Return the unit of a point in words, None for a count, a state or what is true or false."""
    return unit_of(name.rpartition(".")[2])
