"""`ems report` and `ems evidence`: files about energy and carbon from a ledger."""

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from ems.cli_output import EXIT_NO, JsonFlag, show

SiteArgument = Annotated[str, typer.Argument(metavar="CONFIG_DIR", help="A configuration directory or a shipped site.")]
FromDay = Annotated[str | None, typer.Option("--from", metavar="DAY", help="First UTC day, YYYY-MM-DD.")]
ToDay = Annotated[str | None, typer.Option("--to", metavar="DAY", help="Last UTC day, YYYY-MM-DD.")]
Month = Annotated[str | None, typer.Option("--month", metavar="MONTH", help="Instead: a whole UTC month, YYYY-MM.")]
Out = Annotated[Path, typer.Option("--out", help="Directory for all files.", file_okay=False)]
LedgerOption = Annotated[
    Path | None,
    typer.Option("--ledger", metavar="PATH", help="A ledger elsewhere; without it that of the site's state directory."),
]
PubKey = Annotated[
    Path | None,
    typer.Option("--pubkey", metavar="FILE", help="The site's public key, from elsewhere: proves the author."),
]


def report(
    site: SiteArgument,
    *,
    out: Out,
    first: FromDay = None,
    last: ToDay = None,
    month: Month = None,
    ledger: LedgerOption = None,
    pubkey: PubKey = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a report of energy, carbon, efficiency, operation and cost; exit 1 if the ledger is damaged."""
    from ems.app.reports.generate import write_report

    begin, end = _period(first, last, month)
    _tell(write_report(site, ledger=ledger, pubkey=pubkey, first=begin, last=end, out=out), as_json=as_json)


def evidence(
    site: SiteArgument,
    *,
    out: Out,
    first: FromDay = None,
    last: ToDay = None,
    month: Month = None,
    ledger: LedgerOption = None,
    pubkey: PubKey = None,
    as_json: JsonFlag = False,
) -> None:
    """Write the electricity evidence pack, which supports the determination of the electricity emission factor."""
    from ems.app.reports.generate import write_evidence

    begin, end = _period(first, last, month)
    _tell(write_evidence(site, ledger=ledger, pubkey=pubkey, first=begin, last=end, out=out), as_json=as_json)


def _period(first: str | None, last: str | None, month: str | None) -> tuple[date, date]:
    from ems.app.reports.source import days, month_days

    if month is not None and first is None and last is None:
        return month_days(month)
    if month is None and first is not None and last is not None:
        return days(first, last)
    raise typer.BadParameter("give --from and --to, or --month alone", param_hint="--from")


def _tell(summary: dict[str, Any], *, as_json: bool) -> None:
    from ems.app.reports.generate import summary_text

    show(summary if as_json else summary_text(summary))
    if not summary["verified"]:
        raise typer.Exit(EXIT_NO)
