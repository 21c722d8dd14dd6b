"""`ems history`: query, export and list points, SQL, backup and restore; beside a running daemon or on a copy."""

from pathlib import Path
from typing import Annotated

import typer

from ems.cli_output import JsonFlag, show

history_app = typer.Typer(help="The history of a site: query, export, backup, restore.", no_args_is_help=True)

Site = Annotated[str, typer.Argument(metavar="DIR", help="The state directory of a site, or its configuration.")]
Since = Annotated[
    str, typer.Option("--from", metavar="WHEN", help="First instant (UTC unless it says its zone), or 24h before --to.")
]
Until = Annotated[
    str | None, typer.Option("--to", metavar="WHEN", help="End, not included; the newest row by default.")
]
Csv = Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")]


@history_app.command()
def points(site: Site, *, as_json: JsonFlag = False) -> None:
    """List the points that were ever recorded, with their units."""
    from ems.app.history import points as listed

    found = listed(site)
    show(found.document if as_json else found.text)


@history_app.command()
def query(
    site: Site,
    point: Annotated[list[str], typer.Argument(metavar="POINT...", help="Names or patterns: 'block.*.power_kw'.")],
    *,
    since: Since = "1h",
    until: Until = None,
    every: Annotated[
        str | None, typer.Option("--every", metavar="DURATION", help="One value per interval: 1m, 15m, 1h.")
    ] = None,
    how: Annotated[str, typer.Option("--agg", help="Of an interval: mean, min, max or last.")] = "mean",
    as_csv: Csv = False,
    as_json: JsonFlag = False,
) -> None:
    """Show values of points over a time; what was unknown is missing."""
    from ems.app.history import query as asked

    found = asked(site, point, since=since, until=until, every=every, how=how, as_csv=as_csv)
    show(found.document if as_json else found.text)


@history_app.command()
def export(
    site: Site,
    point: Annotated[
        list[str] | None, typer.Argument(metavar="[POINT...]", help="Names or patterns; all by default.")
    ] = None,
    *,
    out: Annotated[Path, typer.Option("--out", help="FILE.parquet or FILE.csv.", dir_okay=False)],
    since: Since = "24h",
    until: Until = None,
    as_json: JsonFlag = False,
) -> None:
    """Write points over a time to one Parquet or CSV file."""
    from ems.app.history import export as exported

    found = exported(site, point or [], since=since, until=until, out=out)
    show(found.document if as_json else found.text)


@history_app.command()
def sql(
    site: Site,
    statement: Annotated[str, typer.Argument(metavar="QUERY", help="Over the tables `history` and `racks`.")],
    *,
    as_csv: Csv = False,
    as_json: JsonFlag = False,
) -> None:
    """Ask in SQL, with DuckDB (extra `analysis`)."""
    from ems.app.history import sql as asked

    found = asked(site, statement, as_csv=as_csv)
    show(found.document if as_json else found.text)


@history_app.command()
def backup(
    site: Site,
    *,
    out: Annotated[Path, typer.Option("--out", help="The archive, a new file.", dir_okay=False)],
    with_hours: Annotated[bool, typer.Option("--with-hours", help="The hours' Parquet files, too.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write databases and ledger to one file while the daemon runs."""
    from ems.app.history import backup as made

    found = made(site, out, with_hours=with_hours)
    show(found.document if as_json else found.text)


@history_app.command()
def restore(
    archive: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.", dir_okay=False)],
    site: Site,
    *,
    replace: Annotated[bool, typer.Option("--replace", help="Rename what is in the way instead of refusing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Verify a backup and put it back; refused while a daemon uses the directory."""
    from ems.app.history import put_back

    found = put_back(archive, site, replace=replace)
    show(found.document if as_json else found.text)
