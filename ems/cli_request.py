"""`ems request`: an operator asks for an island, a black start, an emergency stop, or its end."""

from typing import Annotated

import typer

from ems.cli_output import JsonFlag, show


def request(
    site: Annotated[str, typer.Argument(metavar="CONFIG_DIR", help="The configuration of the site.")],
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="island, stay-island, black-start, e-stop or leave-e-stop.")
    ],
    *,
    minutes: Annotated[float, typer.Option("--minutes", min=0.1, max=1440.0, help="For how long it counts.")] = 15.0,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take the request back.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Ask the running daemon for an operating mode; every request ends by itself."""
    from ems.app.requests import request as asked

    until = asked(site, name, minutes=None if withdraw else minutes)
    end = None if until is None else until.isoformat(timespec="seconds")
    text = f"{name} is withdrawn" if end is None else f"{name} is asked for until {end}; a running daemon takes it up"
    show({"request": name, "until": end} if as_json else text)
