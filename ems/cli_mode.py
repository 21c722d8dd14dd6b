"""`ems mode`: an operator takes a device or the site into hand, gives it back, or confirms what it proposes."""

from typing import Annotated

import typer

from ems.cli_output import JsonFlag, show


def mode(
    site: Annotated[str, typer.Argument(metavar="CONFIG_DIR", help="The configuration of the site.")],
    asset: Annotated[
        str, typer.Argument(metavar="ASSET", help="AC block, genset, PV block, cooling unit, pcc, or site for all.")
    ],
    what: Annotated[str, typer.Argument(metavar="MODE", help="auto, semi, manual, off or confirm.")],
    *,
    minutes: Annotated[float, typer.Option("--minutes", min=0.1, max=1440.0, help="For how long it counts.")] = 60.0,
    power_kw: Annotated[
        float | None, typer.Option("--power-kw", help="In manual: power of an AC block or genset into the bus, kW.")
    ] = None,
    limit_kw: Annotated[
        float | None, typer.Option("--limit-kw", min=0.0, help="In manual: limit of a PV block, kW.")
    ] = None,
    run: Annotated[
        bool | None, typer.Option("--run/--stop", help="In manual: whether a genset runs.", show_default=False)
    ] = None,
    supply_degc: Annotated[
        float | None, typer.Option("--supply-degc", help="In manual: supply temperature of a cooling unit, °C.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Take a device or the site into hand; every mode ends by itself, and the guard has the last word."""
    from ems.app.modes import put_in_hands

    values = {"power_kw": power_kw, "limit_kw": limit_kw, "run": run, "supply_degc": supply_degc}
    asked = put_in_hands(site, asset, what, minutes=minutes, values=values)
    until = None if asked.until is None else asked.until.isoformat(timespec="seconds")
    end = "" if until is None else f" until {until}"
    words = f"{asset}: {what}{end}; a running daemon takes it up"
    show({"asset": asset, "mode": what, "until": until} if as_json else words)
