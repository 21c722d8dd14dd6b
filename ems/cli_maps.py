"""`ems devices maps`: which register maps there are, what one says, and what is wrong with it."""

from pathlib import Path
from typing import Annotated

import typer

from ems.cli_output import JsonFlag, show
from ems.cli_targets import MapsOption

maps_app = typer.Typer(help="Register maps: which there are, and what is wrong with one.", no_args_is_help=True)


@maps_app.command("list")
def list_(*, maps: MapsOption = None, as_json: JsonFlag = False) -> None:
    """Name every map with its class and the document it comes from."""
    from ems.app.commissioning.maps import list_maps

    report = list_maps(() if maps is None else (maps,))
    show(report.document if as_json else report.text)


@maps_app.command("show")
def show_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a map.")],
    *,
    maps: MapsOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what a map reads and writes."""
    from ems.app.commissioning.maps import show_map

    report = show_map(name, () if maps is None else (maps,))
    show(report.document if as_json else report.text)


@maps_app.command()
def lint(
    path: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE|DIR]", help="A map, a directory of maps, or a site; else the shipped ones."),
    ] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """Say everything that is wrong with maps: file, line, point, reason; exit 2 if anything is. Also what is odd."""
    from ems.app.commissioning.maplint import lint_maps

    lint_ = lint_maps(path)
    show(lint_.document if as_json else lint_.text)
