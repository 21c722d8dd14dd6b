"""The history in PostgreSQL: one row per instant as in the rows here, its names in a table, a view of single samples.

A batch and the cursor that says so are one transaction, and the primary key is site, part and instant: what is sent
twice is there once. With the extension TimescaleDB the rows are a hypertable.
"""

import hashlib
from typing import Any, Final

from ems.history.layout import from_ms
from ems.history.unsent import Batch

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS ems_point_list (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest text NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS ems_point (
    list bigint NOT NULL REFERENCES ems_point_list (id),
    place integer NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (list, place)
);
CREATE INDEX IF NOT EXISTS ems_point_name ON ems_point (name);
CREATE TABLE IF NOT EXISTS ems_row (
    site text NOT NULL,
    part text NOT NULL,
    at timestamptz NOT NULL,
    list bigint NOT NULL REFERENCES ems_point_list (id),
    data real[] NOT NULL,
    PRIMARY KEY (site, part, at)
);
CREATE TABLE IF NOT EXISTS ems_cursor (
    site text NOT NULL,
    source text NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (site, source)
);
CREATE OR REPLACE VIEW ems_sample AS
    SELECT r.site, r.at, p.name AS point, r.data[p.place] AS value
    FROM ems_row r JOIN ems_point p ON p.list = r.list
    WHERE r.data[p.place] <> 'NaN'::real;
CREATE TEMPORARY TABLE ems_arrived (part text, at timestamptz, list bigint, data real[]) ON COMMIT DELETE ROWS;
"""
_HYPERTABLE: Final = "SELECT create_hypertable('ems_row', 'at', if_not_exists => true, migrate_data => true)"
# two controllers of one site may begin at the same time
_LOCK: Final = 0x656D73


class PostgresTarget:
    """One connection to the database, and what of a site and one history file has arrived there."""

    def __init__(self, connection: Any, *, site_id: str, source: str) -> None:
        """Use a connection of asyncpg, which ships no types that would help here."""
        self._connection = connection
        self._site_id = site_id
        self._source = source
        self._lists: dict[tuple[str, ...], int] = {}

    async def prepare(self) -> int:
        """Make the tables that are missing; return the cursor, 0 before the first row."""
        async with self._connection.transaction():
            await self._connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await self._connection.execute(_SCHEMA)
            if await self._connection.fetchval("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'"):
                await self._connection.execute(_HYPERTABLE)
        found = await self._connection.fetchval(
            "SELECT seq FROM ems_cursor WHERE site = $1 AND source = $2", self._site_id, self._source
        )
        return 0 if found is None else int(found)

    async def send(self, batch: Batch) -> None:
        """Write rows and cursor in one transaction."""
        async with self._connection.transaction():
            number = await self._list(batch.names)
            arrays = batch.rows.tolist()
            await self._connection.copy_records_to_table(
                "ems_arrived",
                records=[
                    (batch.part, from_ms(ms), number, values)
                    for ms, values in zip(batch.instants_ms, arrays, strict=True)
                ],
            )
            await self._connection.execute(
                "INSERT INTO ems_row (site, part, at, list, data) SELECT $1, part, at, list, data FROM ems_arrived"
                " ON CONFLICT (site, part, at) DO UPDATE SET list = excluded.list, data = excluded.data",
                self._site_id,
            )
            await self._connection.execute(
                "INSERT INTO ems_cursor VALUES ($1, $2, $3)"
                " ON CONFLICT (site, source) DO UPDATE SET seq = excluded.seq",
                self._site_id,
                self._source,
                batch.seq,
            )
        self._lists[batch.names] = number

    async def _list(self, names: tuple[str, ...]) -> int:
        if names in self._lists:
            return self._lists[names]
        digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
        found = await self._connection.fetchval("SELECT id FROM ems_point_list WHERE digest = $1", digest)
        if found is None:
            found = await self._connection.fetchval(
                "INSERT INTO ems_point_list (digest) VALUES ($1) RETURNING id", digest
            )
            await self._connection.executemany(
                "INSERT INTO ems_point VALUES ($1, $2, $3)",
                [(found, place, name) for place, name in enumerate(names, start=1)],
            )
        return int(found)
