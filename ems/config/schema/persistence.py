"""persistence.toml: what is kept on disk and for how long."""

from typing import Annotated

from pydantic import Field

from ems.config.schema.fields import AbsolutePath, Count, DurationMin, Host, Port, RelativePath, Table, Text


class StateTable(Table):
    """State that a restart needs."""

    directory: RelativePath = Field("var", description="State directory; systemd's STATE_DIRECTORY overrides it.")


class HistorianTable(Table):
    """The record of every cycle."""

    enabled: bool = Field(default=True, description="Off for sites with a historian of their own.")
    retain_days: Count = Field(30, description="Hours older than this are deleted from `history.db`.")
    max_gib: Count = Field(8, description="`history.db` is kept below this size; the oldest hours go first.")
    queue_rows: Count = Field(600, description="Rows kept while the disk is slow; the oldest go first.")
    parquet_days: Annotated[int, Field(ge=0, le=10000)] = Field(
        365, description="Age up to which the hours' Parquet files below `history` are kept; 0: none are written."
    )
    parquet_gib: Count = Field(20, description="Together they are kept below this size; the oldest go first.")


class LedgerTable(Table):
    """Source-to-sink energy accounts."""

    interval_min: DurationMin = Field(15, description="Accounting interval; divides one hour.")
    anchor_file: AbsolutePath | None = Field(
        None,
        description=(
            "Every day's signed digest is appended to this file; where others keep it, the site's own key cannot "
            "rewrite the past. Missing: none."
        ),
    )


class ProblemsTable(Table):
    """Planning problems kept for replay with `ems plan`."""

    keep: Annotated[int, Field(ge=0, le=1000)] = Field(200, description="How many; the oldest go first.")


class DiskTable(Table):
    """Room on the disk of the state directory."""

    low_frac: Annotated[float, Field(ge=0.0, le=0.5)] = Field(
        0.05, description="Below this free share the history pauses, and it is an alarm."
    )
    ballast_mib: Annotated[int, Field(ge=0, le=65536)] = Field(
        64, description="File kept so that it can be deleted when the disk is full; 0: none."
    )


class PostgresTable(Table):
    """A PostgreSQL or TimescaleDB database that the history is forwarded to; needs the extra `postgres`."""

    enabled: bool = Field(default=False, description="Forward every row of the history.")
    host: Host = Field("localhost", description="Address of the database server.")
    port: Port = Field(5432, description="Its port.")
    database: Text = Field("ems", description="Name of the database; its tables are made at the first connection.")
    user: Text = Field("ems", description="User, who may create tables in it.")
    password_file: RelativePath | None = Field(None, description="File that holds the password alone.")
    ca_file: RelativePath | None = Field(
        None,
        description="CA certificate that verifies the server; without it TLS is used if the server offers it.",
    )


class PersistenceFile(Table):
    """persistence.toml."""

    state: StateTable = Field(default_factory=StateTable)
    historian: HistorianTable = Field(default_factory=HistorianTable)
    ledger: LedgerTable = Field(default_factory=LedgerTable)
    problems: ProblemsTable = Field(default_factory=ProblemsTable)
    disk: DiskTable = Field(default_factory=DiskTable)
    postgres: PostgresTable = Field(default_factory=PostgresTable)
