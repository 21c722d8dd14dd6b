"""`ems ledger`: check a ledger offline, export it, correct a reading."""

from pathlib import Path
from typing import Annotated

import typer

from ems.cli_output import EXIT_NO, JsonFlag, show

ledger_app = typer.Typer(help="The ledger of energy and carbon: check, export, correct it.", no_args_is_help=True)

LedgerPath = Annotated[
    Path,
    typer.Argument(metavar="PATH", help="A ledger file, a directory of sealed days, a state directory or evidence.db."),
]
FromDay = Annotated[str | None, typer.Option("--from", metavar="DAY", help="First UTC day, YYYY-MM-DD.")]
ToDay = Annotated[str | None, typer.Option("--to", metavar="DAY", help="Last UTC day, YYYY-MM-DD.")]


@ledger_app.command()
def verify(
    path: LedgerPath,
    *,
    pubkey: Annotated[
        Path | None,
        typer.Option("--pubkey", metavar="FILE", help="The site's public key, from elsewhere: proves the author."),
    ] = None,
    first: FromDay = None,
    last: ToDay = None,
    as_json: JsonFlag = False,
) -> None:
    """Check chain, seals, signatures and balances offline; exit 1 names what is damaged, 2 if PATH is no ledger."""
    from ems.app.ledger import verified

    verdict = verified(path, pubkey=pubkey, first=first, last=last)
    show(verdict.document if as_json else verdict.text)
    if not verdict.passed:
        raise typer.Exit(EXIT_NO)


@ledger_app.command()
def export(
    path: LedgerPath,
    *,
    form: Annotated[str, typer.Option("--format", help="csv, parquet or json.")],
    out: Annotated[Path, typer.Option("--out", help="The file to write.", dir_okay=False)],
    first: FromDay = None,
    last: ToDay = None,
    granular: Annotated[
        bool, typer.Option("--granular", help="Records for issuers of certificates: one per device and interval.")
    ] = False,
    site: Annotated[
        str | None, typer.Option("--site", metavar="SITE", help="Configuration with ratings and place of the devices.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write the intervals of an intact ledger as CSV, Parquet or JSON; exit 1 if it is damaged."""
    from ems.app.ledger_export import exported

    verdict = exported(path, form=form, out=out, first=first, last=last, granular=granular, site=site)
    show(verdict.document if as_json else verdict.text)
    if not verdict.passed:
        raise typer.Exit(EXIT_NO)


@ledger_app.command()
def correct(
    directory: Annotated[
        Path, typer.Argument(metavar="STATE_DIR", help="The daemon's state directory.", file_okay=False)
    ],
    *,
    seq: Annotated[int, typer.Option("--seq", min=1, help="Sequence number of the interval.")],
    meter: Annotated[str, typer.Option("--meter", metavar="QUANTITY:UNIT", help="As in `meters`: it_wh:it.")],
    value: Annotated[int, typer.Option("--value", min=0, help="What it counted after all, Wh or ml.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; stands in the ledger.")],
    as_json: JsonFlag = False,
) -> None:
    """Hand over a late or corrected reading: the daemon adds it to the ledger as a row of its own."""
    from ems.app.ledger_correct import handed_over

    result = handed_over(directory, seq=seq, meter=meter, value=value, reason=reason)
    show(result if as_json else str(result["text"]))
