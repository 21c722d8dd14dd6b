"""`ems ledger`: check a ledger offline."""

from pathlib import Path
from typing import Annotated

import typer

from ems.cli_output import EXIT_NO, JsonFlag, show

ledger_app = typer.Typer(help="The ledger of energy and carbon: check it.", no_args_is_help=True)

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
