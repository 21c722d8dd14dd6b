"""`ems devices confirm`: an operator says that a device which was exchanged is the right one."""

from typing import Annotated

import typer

from ems.cli_output import EXIT_NO, JsonFlag, show


def confirm(
    site: Annotated[str, typer.Argument(metavar="CONFIG_DIR", help="The configuration of the site.")],
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="The device that was exchanged.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Take a device that was exchanged for the right one: it is controlled again, without a restart."""
    from ems.app.commissioning.confirm import find_exchanged, write_confirmation

    found = find_exchanged(site, device)
    if not found.changes:
        show(found.document(confirmed=False) if as_json else found.text)
        raise typer.Exit(EXIT_NO)
    if not yes:
        typer.echo(found.text, err=True)
        if not typer.confirm("Is this the right device now?", err=True):
            raise typer.Exit(EXIT_NO)
    write_confirmation(found)
    show(found.document(confirmed=True) if as_json else f"{device} is confirmed; a running daemon takes it at once")
